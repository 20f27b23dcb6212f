package jwt_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// stranger is another issuer, which does not follow RFC 9068: its key, and the ring
// of the public half.
func stranger() (ed25519.PrivateKey, *jwt.KeyRing) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	key, err := jwt.NewVerifyingKey(public)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewVerifyingKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	return private, keys
}

// sign returns the token that the stranger makes of a header and claims.
func sign(key ed25519.PrivateKey, header string, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		log.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(header)) + "." + b64(payload)
	return text + "." + b64(ed25519.Sign(key, []byte(text)))
}

// newVerifier returns the verifier that cfg describes, for the issuer and audience
// of the examples.
func newVerifier(cfg jwt.VerifierConfig) *jwt.Verifier {
	cfg.Issuer, cfg.Audience = "https://example.com", "https://example.com/api"
	verifier, err := jwt.NewVerifier(cfg)
	if err != nil {
		log.Fatal(err)
	}
	return verifier
}

// An issuer whose access tokens have no typ, nor do its ID tokens: a claim says which
// is which. Package jwks fetches its keys.
func ExampleVerifierConfig_types() {
	key, keys := stranger()
	strict := newVerifier(jwt.VerifierConfig{Keys: keys}) // access tokens of RFC 9068 alone
	verifier := newVerifier(jwt.VerifierConfig{
		Keys:           keys,
		Types:          []string{jwt.NoType},
		RequiredClaims: map[string]string{"token_use": "access", "client_id": ""}, // any client
	})
	for _, use := range []string{"access", "id"} {
		token := sign(key, `{"alg":"EdDSA"}`, map[string]any{
			"iss": "https://example.com", "aud": "https://example.com/api", "sub": "17", "exp": time.Now().Unix() + 300,
			"client_id": "app", "token_use": use,
		})
		_, refused := strict.Verify(context.Background(), token)
		_, err := verifier.Verify(context.Background(), token)
		fmt.Println(use, "|", refused, "|", err)
	}
	// Output:
	// access | auth: invalid token: type absent, want "at+jwt" | <nil>
	// id | auth: invalid token: type absent, want "at+jwt" | auth: invalid token: required claim token_use
}

// Scopes and roles where Entra and Keycloak put them.
func ExampleVerifierConfig_rolesClaim() {
	key, keys := stranger()
	verifier := newVerifier(jwt.VerifierConfig{
		Keys:       keys,
		ScopeClaim: "scp",
		RolesClaim: []string{"realm_access", "roles"}, // roles in the object realm_access
	})
	caller, err := verifier.Verify(context.Background(), sign(key, `{"alg":"EdDSA","typ":"at+jwt"}`, map[string]any{
		"iss": "https://example.com", "aud": "https://example.com/api", "sub": "17", "exp": time.Now().Unix() + 300,
		"scp": "items:read items:write", "realm_access": map[string]any{"roles": []string{"editor"}},
	}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(caller.Scopes(), caller.Roles())
	// Output: [items:read items:write] [editor]
}

// How far the clocks of issuer and verifier may be apart.
func ExampleVerifierConfig_leeway() {
	key, keys := stranger()
	token := sign(key, `{"alg":"EdDSA","typ":"at+jwt"}`, map[string]any{
		"iss": "https://example.com", "aud": "https://example.com/api", "sub": "17",
		"exp": time.Now().Unix() - 10, // ten seconds ago, by this clock
	})
	for _, leeway := range []time.Duration{jwt.NoLeeway, 0, time.Minute} { // 0: half a minute
		_, err := newVerifier(jwt.VerifierConfig{Keys: keys, Leeway: leeway}).Verify(context.Background(), token)
		fmt.Println(err)
	}
	// Output:
	// auth: invalid token: expired
	// <nil>
	// <nil>
}

// A service that was moved, and still takes the tokens made out to its old name.
func ExampleVerifierConfig_otherAudiences() {
	key, keys := stranger()
	verifier := newVerifier(jwt.VerifierConfig{Keys: keys, OtherAudiences: []string{"https://old.example.com/api"}})
	for _, audience := range []string{"https://example.com/api", "https://old.example.com/api", "https://example.com/shop"} {
		_, err := verifier.Verify(context.Background(), sign(key, `{"alg":"EdDSA","typ":"at+jwt"}`, map[string]any{
			"iss": "https://example.com", "aud": audience, "sub": "17", "exp": time.Now().Unix() + 300,
		}))
		fmt.Println(audience, err)
	}
	// Output:
	// https://example.com/api <nil>
	// https://old.example.com/api <nil>
	// https://example.com/shop auth: invalid token: audience "https://example.com/shop", want "https://example.com/api" or "https://old.example.com/api"
}

// Check has the last word on each request: a refusal is a 401; what it cannot decide
// is the server's fault, and lets nobody in.
func ExampleVerifierConfig_check() {
	key, keys := stranger()
	verifier := newVerifier(jwt.VerifierConfig{
		Keys: keys,
		Check: func(_ context.Context, p *jwt.Principal) error {
			switch p.Subject() { // of the host's own tables
			case "banned":
				return jwt.ErrRevokedToken
			case "unknown":
				return errors.New("database is down")
			}
			return nil
		},
	})
	for _, subject := range []string{"17", "banned", "unknown"} {
		_, err := verifier.Verify(context.Background(), sign(key, `{"alg":"EdDSA","typ":"at+jwt"}`, map[string]any{
			"iss": "https://example.com", "aud": "https://example.com/api", "sub": subject, "exp": time.Now().Unix() + 300,
		}))
		fmt.Println(subject, auth.HTTPStatus(err), err)
	}
	// Output:
	// 17 200 <nil>
	// banned 401 auth: invalid token: revoked
	// unknown 500 database is down
}

// A token that is remembered costs no signature check, and is refused as soon as its
// key is gone all the same.
func ExampleVerifierConfig_verifiedTokens() {
	key, keys := stranger()
	verifier := newVerifier(jwt.VerifierConfig{Keys: keys, VerifiedTokens: 100_000}) // as many as call within a token's lifetime
	token := sign(key, `{"alg":"EdDSA","typ":"at+jwt"}`, map[string]any{
		"iss": "https://example.com", "aud": "https://example.com/api", "sub": "17", "exp": time.Now().Unix() + 300,
	})
	for range 2 { // the second time from memory
		_, err := verifier.Verify(context.Background(), token)
		fmt.Println(err)
	}
	next, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	if err := keys.Replace(next); err != nil {
		log.Fatal(err)
	}
	_, err = verifier.Verify(context.Background(), token)
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// auth: invalid token: unknown key: the header names none of the keys, and the only one for its algorithm did not sign
}
