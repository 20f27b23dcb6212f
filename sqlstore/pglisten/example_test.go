package pglisten_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore/pglisten"
)

// store stands for the *sqlstore.Store that the program has opened on PostgreSQL.
var store interface {
	revocation.Feed
	Channel() string
}

// Each replica reads new revocations at once, or within the list's bound if the notification is lost.
// Also set auth.Config.Revoked to the list's Sync and jwt.IssuerConfig.Check to its Check.
func ExampleListen() {
	revoked, err := revocation.Follow(store, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer revoked.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { // connect to the server itself, not to a pooler
		log.Print(pglisten.Listen(ctx, "postgres://app@db.example/app", store.Channel(), revoked.Sync))
	}()
}

// Wrong: Listen reports at once the faults that it finds without a server.
func ExampleListen_wrong() {
	fmt.Println(pglisten.Listen(context.Background(), "db.example:5432", "", nil))
	// Output:
	// auth: pglisten.Listen.connection: must be a URL or DSN of PostgreSQL
	// auth: pglisten.Listen.channel: is required; the Channel of a store on another database is empty
	// auth: pglisten.Listen.sync: is required
}
