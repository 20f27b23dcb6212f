// Package redisstore keeps sessions and records in Redis 6 or later, or Valkey, through
// [github.com/redis/go-redis/v9]: on one server, with Sentinel, or in a cluster. It can keep users, too.
//
//	client := redis.NewClient(&redis.Options{Addr: "redis.example:6379", ContextTimeoutEnabled: true})
//	sessions, err := redisstore.New(client, redisstore.Config{})
//	revoked, err := revocation.Follow(sessions, revocation.Config{})
//	go sessions.Listen(ctx, revoked.Sync)
//
// Every change is one script on the server, or for DeleteRecords several. A script declares all of
// its keys. All keys of a Store lie in one slot, so one node of a cluster holds them. Every key has
// a time to live, except a record that never expires, the list of its owner, and a user with the
// username. All times are compared with the server's own clock.
//
// # What can be lost
//
// Redis may lose a write that it has acknowledged, and its settings bound how much. This is what a
// loss means:
//
//   - The start of a session: its user must log in again.
//   - A refresh: the client continues with the token that it got.
//   - The end of a session: the session and its access tokens are valid again until they expire.
//   - A record: its reader finds none, or an older one. A used one-time token can be used again,
//     failed attempts are not counted, and a second factor is not required. So keep the records of
//     package totp in a database, or set the Marks of its Config: then the user is not logged in.
//   - A user: the account does not exist, or exists again after it was deleted; an old password is
//     good again, and a disabled account is enabled. So keep users in a database, unless the settings
//     below lose nothing, or the host can live with this.
//
// A restart loses nothing with "appendonly yes" and "appendfsync always". With the default,
// "appendfsync everysec", it loses about the last second; without appendonly, everything.
// Replication is asynchronous, so a replica that takes over lacks the last writes;
// "min-replicas-to-write 1" and "min-replicas-max-lag 1" bound how many. A revocation.List notices
// that the server's history differs from the one that it has read, and reads it from the beginning;
// it forgets no revocation that it has seen.
//
// Set maxmemory-policy to noeviction. A full server then refuses new sessions, refreshes and records
// as an infrastructure failure, and still ends sessions and deletes records. Any other policy evicts
// keys, once maxmemory is set and reached. A Store refuses to work on such a server, unless
// Config.DangerouslyAllowEviction says otherwise:
//
//   - An evicted session is over.
//   - An evicted list of a user's sessions ends each of them at its next refresh.
//   - An evicted list of an owner's records ends all of those records.
//   - An evicted feed of revocations means that a replica that starts afterwards accepts the access
//     tokens of ended sessions until they expire.
//   - An evicted record of a second factor means that the second factor is not required.
//   - An evicted user does not exist. An evicted username is free, and another user may take it.
//
// # Permissions
//
// These are the rules of ACL SETUSER for the prefix "auth" (Redis 6.0 has no rule that begins with
// &):
//
//	~{auth}:* &{auth}:feed -@all +@connection +eval +evalsha +info
//	+subscribe +unsubscribe +publish +get +getrange +set +del +exists +time +pttl
//	+persist +pexpire +pexpireat +zadd +zcard +zscore +zrem +zrange +zrevrange
//	+zrangebyscore +zremrangebyscore +hget +hmget +hset
//
// A program that can write to these keys can create a session for any user. It cannot create a token
// for it without the host's secrets.
package redisstore
