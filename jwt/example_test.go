package jwt_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/jwt"
)

// A program that makes its own tokens: for a service, with scopes and a claim of
// its own.
func ExampleIssuer_Issue() {
	tokens := newTokens("https://example.com")
	ctx := context.Background()

	token, err := tokens.Issue(ctx, jwt.Claims{
		Subject: "billing",
		Kind:    jwt.KindService,
		Scopes:  []string{"invoices:read"},
		Custom:  map[string]any{"tenant": 7},
	})
	if err != nil {
		log.Fatal(err)
	}

	caller, err := tokens.Verify(ctx, token)
	if err != nil {
		log.Fatal(err)
	}
	claims, err := jwt.Decode[struct {
		Tenant int64 `json:"tenant"`
	}](caller)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(caller.Subject(), caller.Kind(), caller.Scopes(), claims.Tenant)
	// Output: billing service [invoices:read] 7
}

// Wrong: a secret that a person thought up, and nobody whom the tokens are for.
// Constructors say all that is wrong, at the start and not at the first login.
func ExampleNewIssuer_wrong() {
	_, err := jwt.NewSecretKey([]byte("secret"))
	fmt.Println(err)

	_, err = jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com"})
	fmt.Println(err)

	var fault *cfgerr.Error
	fmt.Println(errors.As(err, &fault))
	// Output:
	// auth: jwt.NewSecretKey: a secret of 6 bytes is too short: at least 32 random bytes
	// auth: jwt.IssuerConfig.Audience: is required
	// auth: jwt.IssuerConfig.Keys: is required
	// true
}

// The next key verifies before it signs, and the old one verifies until its last
// token has expired: no valid token is refused on the way.
func ExampleKeyRing_Replace() {
	newKey := func() jwt.Key {
		key, err := jwt.GenerateKey(jwt.ES256)
		if err != nil {
			log.Fatal(err)
		}
		return key
	}
	old, next := newKey(), newKey()
	keys, err := jwt.NewKeyRing(old, next) // every replica knows next by now
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys,
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	token, err := tokens.Issue(ctx, jwt.Claims{Subject: "ada"})
	if err != nil {
		log.Fatal(err)
	}

	if err := keys.Replace(next, old); err != nil { // next signs
		log.Fatal(err)
	}
	_, err = tokens.Verify(ctx, token)
	fmt.Println("old key kept:", err)

	if err := keys.Replace(next); err != nil { // once the lifetime of a token has passed
		log.Fatal(err)
	}
	_, err = tokens.Verify(ctx, token)
	fmt.Println("old key gone:", errors.Is(err, jwt.ErrUnknownKey))
	// Output:
	// old key kept: <nil>
	// old key gone: true
}

// Tokens of two issuers, each held to its own rules, behind one middleware.
func ExampleAnyOf() {
	own := newTokens("https://example.com")
	partner := newTokens("https://partner.example")
	verifier, err := jwt.AnyOf(map[string]jwt.TokenVerifier{"https://example.com": own, "https://partner.example": partner})
	if err != nil {
		log.Fatal(err)
	}
	for _, issuer := range []*jwt.Issuer{own, partner} {
		token, err := issuer.Issue(context.Background(), jwt.Claims{Subject: "17"})
		if err != nil {
			log.Fatal(err)
		}
		caller, err := verifier.Verify(context.Background(), token)
		fmt.Println(caller.Issuer(), caller.Subject(), err) // a subject is unique for its issuer alone
	}
	// Output:
	// https://example.com 17 <nil>
	// https://partner.example 17 <nil>
}

// newTokens returns an issuer with a key of its own.
func newTokens(issuer string) *jwt.Issuer {
	key, err := jwt.GenerateKey(jwt.EdDSA) // OpenKeyFile keeps a key through a restart
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: issuer, Audience: "https://example.com/api", Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	return tokens
}
