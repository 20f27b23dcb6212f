package recovery_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/secrets"
)

// A host offers endpoints for users who forgot their password. The notifier of this example prints
// messages; in production it sends them: use package smtpnotify, or write one.
func ExampleNew() {
	hasher, err := passwords.NewBcrypt(10)
	if err != nil {
		log.Fatal(err)
	}
	store, addresses := memstore.New(), recovery.NewMemoryAddresses()
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		log.Fatal(err)
	}
	ring, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://api.example.com", Audience: "https://api.example.com", Keys: ring,
	})
	if err != nil {
		log.Fatal(err)
	}
	refreshKeys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(store, issuer, auth.Config{
		Hasher: hasher, Accounts: store, Sessions: store, RefreshKeys: refreshKeys,
	})
	if err != nil {
		log.Fatal(err)
	}
	withoutVarying := func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, "user", "link", "msg": // left out, because they differ in each run
			return slog.Attr{}
		}
		return a
	}
	notifier := recovery.DangerouslyLog(slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: withoutVarying,
	})))
	flows, err := recovery.New(accounts, addresses, store, notifier, recovery.Config{
		BaseURL: "https://app.example.com/account",
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /forgot", func(w http.ResponseWriter, r *http.Request) {
		if err := flows.RequestReset(r.Context(), r.PostFormValue("address")); err != nil {
			http.Error(w, "", auth.HTTPStatus(err))
			return
		}
		fmt.Fprintln(w, "If this address belongs to an account, we have sent a link to it.")
	})
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, r *http.Request) {
		if _, err := flows.Reset(r.Context(), r.PostFormValue("token"), r.PostFormValue("password")); err != nil {
			http.Error(w, "", auth.HTTPStatus(err))
			return
		}
		fmt.Fprintln(w, "Your password has been changed. Log in with it.")
	})

	ctx := context.Background()
	user, err := accounts.Register(ctx, "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	if err := flows.AddAddress(ctx, user.ID, "ada@example.com"); err != nil {
		log.Fatal(err)
	}
	// After the server has stopped, wait until all messages are sent:
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := flows.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: level=WARN kind=verify to=ada@example.com code="" life=24h0m0s
}

// A host whose usernames are addresses needs no second copy of them: the column of usernames is unique
// already. Set [auth.Config].NormalizeUsername and [recovery.Config].Canonical to the same function,
// for example to recovery.Canonical.
func ExampleAddresses() {
	var db *sql.DB
	var addresses recovery.Addresses = column{db}
	_ = addresses
}

// column is a recovery.Addresses on the usernames of a table of users.
type column struct{ db *sql.DB }

func (c column) UserByAddress(ctx context.Context, address string) (id string, err error) {
	err = c.db.QueryRowContext(ctx, "SELECT id FROM users WHERE username = $1", address).Scan(&id)
	return id, notFound(err)
}

func (c column) Address(ctx context.Context, id string) (address string, verified bool, err error) {
	err = c.db.QueryRowContext(ctx, "SELECT username, verified FROM users WHERE id = $1", id).Scan(&address, &verified)
	return address, verified, notFound(err)
}

func (c column) ReplaceAddress(ctx context.Context, id, old, replacement string, verified bool) error {
	const update = "UPDATE users SET username = $3, verified = $4 WHERE id = $1 AND username = $2"
	result, err := c.db.ExecContext(ctx, update, id, old, replacement, verified)
	if err != nil {
		return err // return auth.ErrUserExists if the driver reports a violation of the unique index
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return auth.ErrConflict
}

// notFound returns auth.ErrUserNotFound in the place of sql.ErrNoRows.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return auth.ErrUserNotFound
	}
	return err
}
