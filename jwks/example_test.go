package jwks_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

// A service that accepts the tokens of Keycloak. It starts even while Keycloak is down.
func ExampleNew() {
	keycloak, err := jwks.New(jwks.Keycloak("https://id.example.com/realms/acme", "my-api"))
	if err != nil {
		log.Fatal(err)
	}
	guard, err := auth.NewMiddleware(keycloak, auth.MiddlewareConfig{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /admin", guard.RequireRole("admin")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		fmt.Fprintln(w, caller.Subject(), "of", caller.Issuer())
	})))
	fmt.Println(keycloak.Issuer())
	// Output: https://id.example.com/realms/acme
}

// Sign in with Google: the tokens are ID tokens for the application that requested them, and
// another host than the issuer publishes the keys.
func ExampleConfig() {
	google, err := jwks.New(jwks.Config{
		Tokens: jwt.VerifierConfig{
			Issuer:   "https://accounts.google.com",
			Audience: "1234567890-web.apps.googleusercontent.com",
			Types:    []string{"JWT"},
		},
		KeyHosts: []string{"www.googleapis.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(google.Issuer())
	// Output: https://accounts.google.com
}

// A service that accepts its own tokens and those of two tenants. Each token is verified only by
// the verifier of its issuer.
func ExampleVerifier_Issuer() {
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	ring, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	own, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://api.example.com", Audience: "https://api.example.com", Keys: ring})
	if err != nil {
		log.Fatal(err)
	}
	byIssuer := map[string]auth.TokenVerifier{"https://api.example.com": own}
	for _, tenant := range []string{"aaaabbbb-0000-cccc-1111-dddd2222eeee", "bbbbcccc-1111-dddd-2222-eeee3333ffff"} {
		entra, err := jwks.New(jwks.Entra(tenant, "00001111-aaaa-2222-bbbb-3333cccc4444"))
		if err != nil {
			log.Fatal(err)
		}
		byIssuer[entra.Issuer()] = entra
	}
	verifier, err := jwt.AnyOf(byIssuer)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := auth.NewMiddleware(verifier, auth.MiddlewareConfig{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(byIssuer), "issuers")
	// Output: 3 issuers
}
