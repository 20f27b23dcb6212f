package jwks_test

import (
	"fmt"
	"log"
	"net/http"
	"os"

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

// A product without a function of its own, here SAP XSUAA: its tokens bring the address of a key in
// their header, which is ignored, and have the client ID among their audiences. Its ID tokens differ
// in their scopes alone, so routes ask for a scope.
func ExampleConfig() {
	xsuaa, err := jwks.New(jwks.Config{
		Tokens: jwt.VerifierConfig{
			Issuer:           "https://acme.authentication.eu10.hana.ondemand.com/oauth/token",
			Audience:         "sb-my-api!t1234",
			Types:            []string{"JWT"},
			IgnoreKeyHeaders: true,
		},
		KeysURL: "https://acme.authentication.eu10.hana.ondemand.com/token_keys",
	})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := auth.NewMiddleware(xsuaa, auth.MiddlewareConfig{})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /xsuaa", guard.RequireScope("my-api!t1234.Read")(http.NotFoundHandler()))
	fmt.Println(xsuaa.Issuer())
	// Output: https://acme.authentication.eu10.hana.ondemand.com/oauth/token
}

// A project of Supabase that has moved from its legacy secret to an asymmetric key. Tokens of both
// kinds have the same iss.
func ExampleSupabase() {
	supabase := jwks.Supabase("https://abcdefghijkl.supabase.co")
	after, err := jwks.New(supabase)
	if err != nil {
		log.Fatal(err)
	}
	legacy := os.Getenv("SUPABASE_JWT_SECRET")
	if legacy == "" {
		legacy = "jL8x2QmVt5nRkYw0pHcZsGd7BfUeA3iO" // for this example
	}
	secret, err := jwt.NewSecretKey([]byte(legacy))
	if err != nil {
		log.Fatal(err)
	}
	rules := supabase.Tokens
	if rules.Keys, err = jwt.NewVerifyingKeyRing(secret); err != nil {
		log.Fatal(err)
	}
	before, err := jwt.NewVerifier(rules)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.Either(before, after) // the one that fetches keys is second
	if err != nil {
		log.Fatal(err)
	}
	if _, err := auth.NewMiddleware(verifier, auth.MiddlewareConfig{}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("tokens under the secret and under the key")
	// Output: tokens under the secret and under the key
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
