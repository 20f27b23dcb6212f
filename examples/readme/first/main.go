package main

import (
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

func main() {
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer:   "https://example.com",                                              // this service
		Audience: "https://example.com/api",                                          // the API that its tokens are for
		Keys:     must(jwt.NewKeyRing(must(jwt.OpenKeyFile("auth.key", jwt.EdDSA)))), // created at the first start
	}))
	store := memstore.New() // accounts, and counts of failed logins
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{}))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	http.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
	http.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	http.Handle("GET /profile", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context()) // always present behind Require
		fmt.Fprintf(w, "you are %s\n", caller.Subject())
	})))
	server := http.Server{Addr: "localhost:8080", ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
