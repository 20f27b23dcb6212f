package roles_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/roles"
)

const issuer = "https://id.example.com"

// site is a policy for most tests.
var site = roles.Policy{
	"viewer": {"posts:read"},
	"editor": {roles.Includes("viewer"), "posts:write"},
	"admin":  {roles.Includes("editor"), "users:*", roles.Assign},
	"root":   {"*"},
	"owner":  {"posts:delete"},
}

func newRules(t testing.TB, policy roles.Policy, cfg roles.Config) *roles.Rules {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r, err := roles.New(issuer, policy, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// principal returns a caller of the issuer, unless c says otherwise.
func principal(t testing.TB, c auth.Claims) *auth.Principal {
	t.Helper()
	if c.Subject == "" {
		c.Subject = "u-1"
	}
	if c.Issuer == "" {
		c.Issuer = issuer
	}
	p, err := jwt.NewPrincipal(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// guardOf returns a guard that takes every request for one of p.
func guardOf(t testing.TB, p *auth.Principal) *auth.Middleware {
	t.Helper()
	m, err := auth.NewMiddleware(verifier(func() (*auth.Principal, error) { return p, nil }), auth.MiddlewareConfig{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type verifier func() (*auth.Principal, error)

func (f verifier) Verify(context.Context, string) (*auth.Principal, error) { return f() }

// ask returns the status of a request to a route.
func ask(route func(http.Handler) http.Handler) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer x")
	route(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
	return w
}
