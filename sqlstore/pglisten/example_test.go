package pglisten_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore/pglisten"
)

// store is the *sqlstore.Store that the program has opened on PostgreSQL.
var store interface {
	revocation.Feed
	Channel() string
}

// Each replica reads the revocations at once when there are new ones, or within the
// list's bound if the notification is lost. The Sync of the list is the Revoked of
// auth.Config, too, and its Check that of auth.JWTConfig.
func ExampleListen() {
	revoked, err := revocation.Follow(store, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer revoked.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { // not by way of a pooler
		log.Print(pglisten.Listen(ctx, "postgres://app@db.example/app", store.Channel(), revoked.Sync))
	}()
}

// Wrong: what no server is needed to find, it says at once.
func ExampleListen_wrong() {
	fmt.Println(pglisten.Listen(context.Background(), "db.example:5432", "", nil))
	// Output:
	// auth: pglisten.Listen.connection: is not a URL or DSN of PostgreSQL
	// auth: pglisten.Listen.channel: is empty: that of a store on another database
	// auth: pglisten.Listen.sync: is nil
}
