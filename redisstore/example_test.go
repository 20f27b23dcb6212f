package redisstore_test

import (
	"context"
	"log"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/revocation"
)

// Sessions on Redis, and a list of revocations that follows them: at once, or within its bound if a
// message is lost. In auth.Config, sessions is Sessions and revoked.Sync is Revoked; in
// jwt.IssuerConfig, revoked.Check is Check.
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
