// Package redisstore keeps sessions and records in Redis 6 or later, or Valkey, through
// [github.com/redis/go-redis/v9]: one server, Sentinel or Cluster.
//
//	client := redis.NewClient(&redis.Options{Addr: "redis.example:6379", ContextTimeoutEnabled: true})
//	sessions, err := redisstore.New(client, redisstore.Config{})
//	revoked, err := revocation.Follow(sessions, revocation.Config{})
//	go sessions.Listen(ctx, revoked.Sync)
//
// Every change is one script on the server, whose keys are all declared and lie
// in one slot: all sessions in one, so that one node of a cluster holds them, and each
// record in its own. Every key has a time to live, but that of a record which never
// expires. The clock is the server's own.
//
// # What can be lost
//
// Redis may lose what it has acknowledged, so choose how much. What is lost ends
// as follows.
//
//   - A session: its user logs in again.
//   - A refresh: its client goes on with the token that it got.
//   - The end of a session: the session and its access tokens are back until they
//     expire.
//   - A record: what its writer makes of none, or of an older one. A one-time token
//     that was used can be used again, attempts are not counted, and a second factor
//     is not asked for.
//
// A restart loses nothing with appendonly yes and appendfsync always, the last
// second or so with everysec, which is the default of appendonly, and everything
// without appendonly. Replication does not wait, so a replica that takes over lacks
// the last writes: min-replicas-to-write 1 with min-replicas-max-lag 1 bounds
// how many. A revocation.List notices that the server's history is another than
// the one that it has read, and begins anew; it forgets nothing that it knew.
//
// Set maxmemory-policy noeviction: a full server then refuses new sessions and
// refreshes, which is an error of the world, and still ends sessions. Under any
// other policy it throws keys away. A session thrown away is over, and so are, at
// their next refresh, the sessions of a user whose list was thrown away. But where
// the feed of revocations was thrown away, a replica that starts afterwards takes
// access tokens of ended sessions until they expire, and a second factor that was
// thrown away is not asked for.
//
// # Permissions
//
// For the prefix "auth", in the words of ACL SETUSER (Redis 6.0 knows no &):
//
//	~{auth}:* ~auth:r:* &{auth}:feed -@all +@connection +eval +evalsha
//	+subscribe +unsubscribe +publish +get +getrange +set +del +exists +time +pttl
//	+pexpire +pexpireat +zadd +zcard +zscore +zrem +zrange +zrevrange
//	+zrangebyscore +zremrangebyscore
//
// A host that shares its Redis with strangers has no secrets from them: who can
// write there can make sessions for anyone, but no tokens for them, which take the
// keys of the program, too.
package redisstore
