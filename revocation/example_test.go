package revocation_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
)

// A logout also ends the access token: here at once, on other replicas within two seconds.
func ExampleFollow() {
	ctx := context.Background()
	store := memstore.New() // a database, where there are several replicas
	revoked, err := revocation.Follow(store, revocation.Config{Bound: 2 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer revoked.Close()
	// Until the first read Check cannot decide, and requests are answered with 503.
	if err := revoked.Sync(ctx); err != nil {
		log.Fatal(err)
	}
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys, Check: revoked.Check,
	})
	if err != nil {
		log.Fatal(err)
	}
	hasher, err := passwords.NewBcrypt(10)
	if err != nil {
		log.Fatal(err)
	}
	refreshKeys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(store, issuer, auth.Config{
		Hasher: hasher, Sessions: store, RefreshKeys: refreshKeys, Revoked: revoked.Sync,
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := accounts.Register(ctx, "ada", "correct horse battery"); err != nil {
		log.Fatal(err)
	}

	tokens, err := accounts.Login(ctx, "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	_, err = accounts.Verify(ctx, tokens.AccessToken)
	fmt.Println(err)
	if err := accounts.Logout(ctx, tokens.RefreshToken); err != nil {
		log.Fatal(err)
	}
	_, err = accounts.Verify(ctx, tokens.AccessToken)
	fmt.Println(err)
	// Output:
	// <nil>
	// auth: invalid token: revoked
}
