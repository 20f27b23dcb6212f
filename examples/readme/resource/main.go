// Command resource is a service that verifies tokens which another service issues.
package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

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
	server := http.Server{Addr: "localhost:8081", ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second}
	log.Fatal(server.ListenAndServe())
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
