package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// Users in PostgreSQL. The program imports the driver, here github.com/jackc/pgx/v5/stdlib, and each
// replica calls Migrate and Check when it starts.
func ExampleNew() {
	db, err := sql.Open("pgx", "postgres://app@db.example/app")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	users, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := errors.Join(users.Migrate(ctx), users.Check(ctx)); err != nil {
		log.Fatal(err)
	}
}

// Tables that a program's own migration tool creates: print the SQL into the files of the tool.
func ExampleMigrations() {
	steps, err := sqlstore.Migrations(sqlstore.PostgreSQL, "auth_")
	if err != nil {
		log.Fatal(err)
	}
	for _, step := range steps[:1] {
		fmt.Printf("-- %04d_%s\n%s", step.Version, step.Name, step.SQL)
	}
	// Output:
	// -- 0000_migrations
	// -- The migrations that have run on this database.
	// CREATE TABLE IF NOT EXISTS auth_migrations (
	// 	version    integer     NOT NULL PRIMARY KEY,
	// 	applied_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP
	// );
}

// A table of users that the program already has. The database makes the IDs, and addresses are stored as
// people typed them:
//
//	CREATE TABLE app.people (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, pw text, full_name text NOT NULL)
//	CREATE INDEX ON app.people (lower(email))
func ExampleUserTable() {
	db, err := sql.Open("pgx", "postgres://app@db.example/app")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	users, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{
		Users:   sqlstore.UserTable{Table: "app.people", Username: "email", PasswordHash: "pw", GeneratedIDs: true, Names: sqlstore.TypedNames},
		Columns: []sqlstore.Column{{Name: "full_name", Value: fullName}},
	})
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(users, newTokens(), auth.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.WithValue(context.Background(), fullNameKey{}, "Ada Lovelace")
	ada, err := accounts.Register(ctx, "Ada@example.com", "correct horse battery")
	if err != nil {
		log.Print(err) // there is no such database here
	}
	_ = ada.ID // made by the database
}

type fullNameKey struct{}

// fullName returns the full name that the context of Register has.
func fullName(ctx context.Context, _ auth.User) (any, error) {
	name, ok := ctx.Value(fullNameKey{}).(string)
	if !ok {
		return nil, errors.New("no full name")
	}
	return name, nil
}

// newTokens returns an issuer whose key lasts as long as the example.
func newTokens() *jwt.Issuer {
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	return tokens
}
