package sqlite_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "auth")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	users, err := sqlite.Open(ctx, filepath.Join(dir, "auth.db"), sqlstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()

	alice := auth.User{ID: "1", Username: "alice"} // usually Authenticator.Register creates users
	fmt.Println(users.CreateUser(ctx, alice))
	fmt.Println(users.CreateUser(ctx, alice))
	// Output:
	// 1 <nil>
	//  auth: user exists
}
