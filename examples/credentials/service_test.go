package credentials_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	apps "github.com/pquerna/otp/totp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

const (
	issuer   = "https://id.example"
	audience = "https://api.example"
	read     = "notes:read"
	write    = "notes:write"
)

// service is an API with one handler, and everything that gives credentials for it.
type service struct {
	t        *testing.T
	store    *memstore.Store
	accounts *auth.Authenticator
	factor   *totp.Factor
	keys     *apikey.Keys
	oauth    *oauth.Server
	revoked  *revocation.List
	partner  *platform // another issuer
	cluster  *platform // a cluster of Kubernetes
	api      http.Handler
	browser  *auth.Principal // who is logged in to the browser that the authorization server sees
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, store: memstore.New(), partner: newPlatform(t), cluster: newPlatform(t)}
	ring, sealed := must(jwt.NewKeyRing(must(jwt.GenerateKey("ES256")))), must(secrets.NewRing(secrets.Generate()))
	s.revoked = must(revocation.Follow(s.store, revocation.Config{}))
	t.Cleanup(func() { s.revoked.Close() })
	if err := s.revoked.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: issuer, Audience: audience, Keys: ring, ClientID: "web", Check: s.revoked.Check}))
	s.factor = must(totp.New(s.store, sealed, totp.Config{Issuer: "Notes"}))
	s.accounts = must(auth.New(s.store, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Sessions: s.store, RefreshKeys: sealed, Records: s.store, Accounts: s.store,
		SecondFactor: s.factor, Revoked: s.revoked.Sync, Throttle: must(throttle.New(s.store, throttle.Config{})),
		Claims: func(_ context.Context, _ auth.User, c *auth.Claims) error {
			c.Scopes = []string{read, write}
			return nil
		},
	}))
	s.keys = must(apikey.New("notes_test", s.store, s.store, apikey.Config{Issuer: issuer, CacheTime: apikey.NoCache, Check: s.revoked.Check}))
	s.oauth = must(oauth.New(s.accounts, oauth.Config{
		Issuer: issuer, Tokens: tokens, Keys: ring, Records: s.store, Sessions: s.store, Secrets: sealed, Revoked: s.revoked.Sync,
		Resources: []oauth.Resource{{URL: audience, Name: "Notes", Scopes: []oauth.Scope{{Name: read, Text: "Read your notes"}}}},
		Clients:   []oauth.Client{{ID: "agent-app", Name: "Agent", RedirectURIs: []string{"http://127.0.0.1/callback"}}},
		LoginURL:  "/login",
		User: func(*http.Request) (*auth.Principal, error) {
			if s.browser == nil {
				return nil, auth.ErrNoCredentials
			}
			return s.browser, nil
		},
	}))

	// One verifier for all: tokens by their issuer, and keys by their form.
	partner := jwks.Config{}
	partner.Tokens.Issuer, partner.Tokens.Audience = s.partner.url, audience
	byIssuer := must(jwt.AnyOf(map[string]auth.TokenVerifier{
		issuer:        s.accounts,
		s.partner.url: must(jwks.New(partner)),
		s.cluster.url: must(jwks.New(jwks.Kubernetes(s.cluster.url, audience, "prod/billing"))),
	}))
	guard := must(auth.NewMiddleware(must(auth.ByForm(byIssuer, s.keys)), auth.MiddlewareConfig{}))
	s.api = guard.Require(http.HandlerFunc(whoami))
	return s
}

// caller is what the handler sees of whoever calls it.
type caller struct {
	Kind     auth.Kind
	Issuer   string
	Subject  string
	ClientID string
	Scopes   []string
	Session  string
	Actors   []string
	AMR      []string
}

// whoami is the one handler: it answers with the caller, however they proved who they are.
func whoami(w http.ResponseWriter, r *http.Request) {
	p, _ := auth.FromContext(r.Context())
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(caller{p.Kind(), p.Issuer(), p.Subject(), p.ClientID(), p.Scopes(), p.SessionID(), p.Actors(), p.AMR()})
}

// call returns the status of a request with a credential, and what the handler saw.
func (s *service) call(credential string) (status int, c caller) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), "GET", "/whoami", nil)
	r.Header.Set("Authorization", "Bearer "+credential)
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
			s.t.Fatal(err)
		}
	}
	return w.Code, c
}

// login registers a user of this name, and logs in.
func (s *service) login(name string) auth.Tokens {
	s.t.Helper()
	if _, err := s.accounts.Register(s.t.Context(), name, "correct horse battery"); err != nil {
		s.t.Fatal(err)
	}
	return must(s.accounts.Login(s.t.Context(), name, "correct horse battery"))
}

// enrol gives the account of p a second factor, and returns a code of it that was not used yet.
func (s *service) enrol(p *auth.Principal) (code string) {
	s.t.Helper()
	secret, _, err := s.factor.Begin(s.t.Context(), p.Subject(), "ada")
	if err != nil {
		s.t.Fatal(err)
	}
	must(s.factor.Confirm(s.t.Context(), p.Subject(), must(apps.GenerateCode(secret, time.Now()))))
	return must(apps.GenerateCode(secret, time.Now().Add(30*time.Second)))
}
