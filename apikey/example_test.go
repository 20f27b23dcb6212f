package apikey_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// A user gives a program a key, and the program calls a route that takes tokens as well.
func Example() {
	ctx := context.Background()
	store := memstore.New() // a database, where there are several replicas
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		log.Fatal(err)
	}
	ring, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	issuer, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com", Keys: ring})
	if err != nil {
		log.Fatal(err)
	}
	hasher, err := passwords.NewBcrypt(10)
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(store, issuer, auth.Config{
		Hasher: hasher, Records: store, Accounts: store,
		Claims: func(_ context.Context, _ auth.User, c *auth.Claims) error {
			c.Scopes = []string{"items:read", "items:write"}
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	keys, err := apikey.New("myapp_live", store, store, apikey.Config{}) // with sessions: Check: revoked.Check
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := auth.ByForm(accounts, keys)
	if err != nil {
		log.Fatal(err)
	}
	guard, err := auth.NewMiddleware(verifier, auth.MiddlewareConfig{})
	if err != nil {
		log.Fatal(err)
	}
	items := guard.RequireScope("items:read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.FromContext(r.Context())
		fmt.Println("the caller is ada's", p.Kind(), "with", p.Scopes())
	}))

	if _, err := accounts.Register(ctx, "ada", "correct horse battery"); err != nil {
		log.Fatal(err)
	}
	login, err := accounts.Login(ctx, "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	_, secret, err := keys.Create(ctx, login.Principal, apikey.Spec{Name: "backup script", Scopes: []string{"items:read"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged by mistake:", secret)

	r := httptest.NewRequest("GET", "/items", nil)
	r.Header.Set("Authorization", "Bearer "+string(secret)) // a conversion shows it
	items.ServeHTTP(httptest.NewRecorder(), r)
	// Output:
	// logged by mistake: apikey.Secret([REDACTED])
	// the caller is ada's api_key with [items:read]
}
