package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
	"github.com/seed-e36e2130/auth/throttle"
)

// database says which tables the command works on.
type database struct {
	dsn, prefix string
	users       sqlstore.UserTable
}

// open opens the store. An SQLite file must be there, unless create says otherwise: a name with a typing
// error would otherwise be a new and empty database.
func (d database) open(ctx context.Context, create bool) (s *sqlstore.Store, end func() error, err error) {
	cfg := sqlstore.Config{TablePrefix: d.prefix, Users: d.users}
	var dialect sqlstore.Dialect
	var driver, dsn string
	switch {
	case d.dsn == "":
		return nil, nil, usageError("-dsn or AUTH_DSN must name a database")
	case strings.HasPrefix(d.dsn, "postgres://"), strings.HasPrefix(d.dsn, "postgresql://"):
		dialect, driver, dsn = sqlstore.PostgreSQL, "pgx", d.dsn
	case strings.HasPrefix(d.dsn, "mysql:"):
		dialect, driver, dsn = sqlstore.MySQL, "mysql", strings.TrimPrefix(strings.TrimPrefix(d.dsn, "mysql:"), "//")
	default:
		path := strings.TrimPrefix(d.dsn, "sqlite:")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !create {
			return nil, nil, fmt.Errorf("there is no SQLite file %s: \"auth migrate\" creates one", path)
		}
		file, err := sqlite.Open(ctx, path, cfg)
		if err != nil {
			return nil, nil, err
		}
		return file.Store, file.Close, nil
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, errors.New("the DSN cannot be read") // the driver's error may quote the password
	}
	db.SetMaxOpenConns(4)
	if s, err = sqlstore.New(db, dialect, cfg); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return s, db.Close, nil
}

// accounts are the accounts of a store.
type accounts struct {
	store    *sqlstore.Store
	throttle *throttle.Throttle
	hasher   auth.Hasher
	rules    *auth.Authenticator // made when it is first needed: that takes a password hash
}

// withAccounts calls f with the accounts of the database.
func (c *command) withAccounts(ctx context.Context, f func(*accounts) error) (err error) {
	store, end, err := c.database.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	limits, err := throttle.New(store, throttle.Config{})
	if err != nil {
		return err
	}
	return f(&accounts{store: store, throttle: limits, hasher: c.hasher})
}

// authenticator returns what a server has that issues no tokens: its keys are made up. A jwt.Issuer
// keeps revocations for as long as any other one.
func (a *accounts) authenticator() (*auth.Authenticator, error) {
	if a.rules != nil {
		return a.rules, nil
	}
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		return nil, err
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		return nil, err
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "auth", Audience: "auth", Keys: keys})
	if err != nil {
		return nil, err
	}
	refresh, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		return nil, err
	}
	a.rules, err = auth.New(a.store, tokens, auth.Config{
		Hasher: a.hasher, Accounts: a.store, Sessions: a.store, Records: a.store, RefreshKeys: refresh, Throttle: a.throttle,
	})
	return a.rules, err
}

func migrate(ctx context.Context, c *command, args []string) (err error) {
	if err := noArguments(args); err != nil {
		return err
	}
	store, end, err := c.database.open(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	return c.done("the tables are up to date")
}

func checkTables(ctx context.Context, c *command, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	return c.withAccounts(ctx, func(a *accounts) error {
		if err := a.store.Check(ctx); err != nil {
			return err
		}
		return c.done("the tables are in order")
	})
}

func prune(ctx context.Context, c *command, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	return c.withAccounts(ctx, func(a *accounts) error {
		if err := a.store.Prune(ctx); err != nil {
			return err
		}
		return c.done("what had expired is deleted")
	})
}

// done says what was done, unless JSON is wanted, which says nothing.
func (c *command) done(what string) error {
	if c.json {
		return nil
	}
	_, err := fmt.Fprintln(c.stdout, what)
	return err
}

func noArguments(args []string) error {
	if len(args) > 0 {
		return usagef("%q is one argument too many", args[0])
	}
	return nil
}

// oneArgument returns the only argument.
func oneArgument(args []string, what string) (string, error) {
	if len(args) != 1 {
		return "", usagef("want one %s, there are %d", what, len(args))
	}
	return args[0], nil
}
