package redisstore_test

import (
	"context"
	"log"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/revocation"
)

// Sessions on Redis, and a list of revocations that follows them: at once, or within
// its bound if the message is lost. The first is the Sessions, the Sync of the list
// the Revoked of auth.Config; its Check is that of auth.JWTConfig.
func Example() {
	client := redis.NewClient(&redis.Options{Addr: "redis.example:6379", ContextTimeoutEnabled: true})
	defer client.Close()
	sessions, err := redisstore.New(client, redisstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	revoked, err := revocation.Follow(sessions, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer revoked.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go sessions.Listen(ctx, revoked.Sync)
}
