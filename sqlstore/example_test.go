package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// Users in PostgreSQL. The program imports the driver, here github.com/jackc/pgx/v5/stdlib, and each
// replica calls Migrate when it starts.
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
	if err := users.Migrate(context.Background()); err != nil {
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

// A table of users that the program already has, with integer IDs from a sequence:
//
//	CREATE TABLE app.people (id bigserial PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, pw text)
func ExampleUserTable() {
	db, err := sql.Open("pgx", "postgres://app@db.example/app")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	users, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{
		Users: sqlstore.UserTable{Table: "app.people", Username: "email", PasswordHash: "pw"},
	})
	if err != nil {
		log.Fatal(err)
	}
	cfg := auth.Config{NewUserID: func(ctx context.Context) (id string, err error) {
		err = db.QueryRowContext(ctx, "SELECT nextval('app.people_id_seq')").Scan(&id)
		return id, err
	}}
	accounts, err := auth.New(users, newTokens(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	_ = accounts // used like accounts on any other store
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
