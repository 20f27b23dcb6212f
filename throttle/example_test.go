package throttle_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/throttle"
)

// A stranger guesses at an account until the throttle refuses, and the owner logs in from elsewhere.
func Example() {
	store := memstore.New() // a database, where there are several replicas
	hasher, err := passwords.NewBcrypt(10)
	if err != nil {
		log.Fatal(err)
	}
	limits, err := throttle.New(store, throttle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(store, newIssuer(), auth.Config{Hasher: hasher, Throttle: limits})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if _, err := accounts.Register(ctx, "ada", "correct horse battery"); err != nil {
		log.Fatal(err)
	}

	stranger := auth.WithDevice(ctx, auth.Device{IP: netip.MustParseAddr("203.0.113.9")})
	for range 6 {
		_, err = accounts.Login(stranger, "ada", "123456789")
	}
	fmt.Println(err)
	owner := auth.WithDevice(ctx, auth.Device{IP: netip.MustParseAddr("192.0.2.1")})
	tokens, err := accounts.Login(owner, "ada", "correct horse battery")
	fmt.Println(err, tokens.DeviceToken != "")
	// Output:
	// auth: throttle: auth: too many attempts
	// <nil> true
}

// newIssuer returns an issuer with a new key.
func newIssuer() auth.TokenIssuer {
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys,
	})
	if err != nil {
		log.Fatal(err)
	}
	return tokens
}
