package auth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
)

// newSessions returns accounts with sessions that end at once, and what ends them.
func newSessions(scopes ...string) (*auth.Authenticator, *revocation.List) {
	store := memstore.New()
	revoked, err := revocation.Follow(store, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys, Check: revoked.Check,
	})
	if err != nil {
		log.Fatal(err)
	}
	hasher, err := passwords.NewBcrypt(10)
	if err != nil {
		log.Fatal(err)
	}
	refreshKeys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(store, tokens, auth.Config{
		Hasher: hasher, Sessions: store, RefreshKeys: refreshKeys, Revoked: revoked.Sync,
		Claims: func(_ context.Context, _ auth.User, c *auth.Claims) error {
			c.Scopes = scopes
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := revoked.Sync(context.Background()); err != nil {
		log.Fatal(err)
	}
	return accounts, revoked
}

// An agent reads Ada's notes for her. It cannot change them, and its token ends with her login.
func ExampleAuthenticator_Delegate() {
	accounts, revoked := newSessions("notes:read", "notes:write")
	defer revoked.Close()
	ctx := context.Background()
	if _, err := accounts.Register(ctx, "ada", "correct horse battery"); err != nil {
		log.Fatal(err)
	}
	login, err := accounts.Login(ctx, "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	agent, err := accounts.Delegate(ctx, login.Principal, jwt.Delegation{Actor: "agent-7", Scopes: []string{"notes:read"}})
	if err != nil {
		log.Fatal(err)
	}

	guard := newGuard(accounts)
	notes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		fmt.Fprintln(w, caller.Kind(), caller.Actor(), "acts for Ada:", caller.Subject() == login.Principal.Subject())
	})
	get(guard.RequireScope("notes:read")(notes), "/notes", agent.AccessToken)
	get(guard.RequireScope("notes:write")(notes), "/notes", agent.AccessToken)
	if err := accounts.EndSession(ctx, login.Principal.Subject(), login.Principal.SessionID()); err != nil {
		log.Fatal(err)
	}
	get(guard.RequireScope("notes:read")(notes), "/notes", agent.AccessToken)
	// Output:
	// 200 agent agent-7 acts for Ada: true
	// 403 Bearer realm="api", error="insufficient_scope", scope="notes:write"
	// 401 Bearer realm="api", error="invalid_token", scope="notes:read"
}
