// Command resource verifies tokens that another service makes.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

func main() {
	keys := must(jwt.LoadKeySetFile("jwks.json")) // public keys: this service makes no tokens
	verifier := must(jwt.NewVerifier(jwt.VerifierConfig{
		Issuer:   "https://example.com",
		Audience: "https://example.com/api",
		Keys:     must(jwt.NewVerifyingKeyRing(keys...)),
	}))
	guard := must(auth.NewMiddleware(verifier, auth.MiddlewareConfig{}))

	http.Handle("GET /items", guard.RequireScope("items:read")(http.HandlerFunc(items)))
	log.Fatal(http.ListenAndServe("localhost:8081", nil))
}

func items(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "one item")
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
