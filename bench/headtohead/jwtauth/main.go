// Command jwtauth is the application of the comparison on go-chi/jwtauth, as its README has it. The
// library signs and verifies tokens; package accounts and the two handlers of this file are the program's
// own.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/jwtauth/v5"
	"github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/seed-e36e2130/auth/bench/headtohead/accounts"
)

const (
	issuer   = "http://localhost:8080"
	audience = "headtohead"
)

var (
	users     = accounts.New()
	tokenAuth = jwtauth.New("HS256", []byte(os.Getenv("JWT_SECRET")), nil,
		jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithRequiredClaim(jwt.ExpirationKey))
)

func main() {
	r := chi.NewRouter()
	r.Post("/register", register)
	r.Post("/login", login)
	r.Group(func(r chi.Router) {
		r.Use(jwtauth.Verifier(tokenAuth))
		r.Use(jwtauth.Authenticator(tokenAuth))
		r.Get("/profile", func(w http.ResponseWriter, r *http.Request) {
			_, claims, _ := jwtauth.FromContext(r.Context())
			fmt.Fprintln(w, "you are", claims["sub"])
		})
	})
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), r))
}

func register(w http.ResponseWriter, r *http.Request) {
	if err := users.Register(r.FormValue("username"), r.FormValue("password")); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func login(w http.ResponseWriter, r *http.Request) {
	username := r.FormValue("username")
	if err := users.Check(username, r.FormValue("password")); err != nil {
		http.Error(w, "wrong username or password", http.StatusUnauthorized)
		return
	}
	claims := map[string]any{"sub": username, "iss": issuer, "aud": audience}
	jwtauth.SetIssuedNow(claims)
	jwtauth.SetExpiryIn(claims, 15*time.Minute)
	_, token, err := tokenAuth.Encode(claims)
	if err != nil {
		http.Error(w, "no token could be made", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, `{"access_token":%q}`, token)
}
