package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

func main() {
	key := must(jwt.OpenKeyFile("auth.key", jwt.EdDSA)) // made at the first start
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer:   "https://example.com",     // this service
		Audience: "https://example.com/api", // what its tokens are for
		Keys:     must(jwt.NewKeyRing(key)),
	}))
	accounts := must(auth.New(memstore.New(), tokens, auth.Config{}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))

	http.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
	http.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	http.Handle("GET /profile", guard.Require(http.HandlerFunc(profile)))
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}

func profile(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.FromContext(r.Context()) // always there behind Require
	fmt.Fprintf(w, "you are %s\n", caller.Subject())
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
