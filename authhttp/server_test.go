package authhttp_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/revocation"
)

const (
	password = "correct horse 😀"
	rsName   = "shop: api"
	rsSecret = "kept by the shop's server, 32 or more"
)

// anybody is a throttle that lets everybody pass.
type anybody struct{}

func (anybody) Begin(context.Context, auth.Attempt) error                       { return nil }
func (anybody) Succeed(context.Context, auth.Attempt) (auth.DeviceToken, error) { return "", nil }
func (anybody) Undo(context.Context, auth.Attempt) error                        { return nil }

// server is everything mounted, on accounts of its own, where ended access tokens
// are refused. Its answers are held against its OpenAPI document.
type server struct {
	*httptest.Server
	t         *testing.T
	store     *auth.MemoryStore
	addresses *recovery.MemoryAddresses
	sent      outbox
	flows     *recovery.Recovery
	accounts  *auth.Authenticator
	codes     *codes
	guard     *auth.Middleware
	keys      *auth.KeyRing
}

func newServer(t *testing.T, cfg authhttp.Config, choose ...authhttp.Endpoint) *server {
	t.Helper()
	return newServerOf(t, cfg, func(*server, *auth.Config) {}, choose...)
}

// newServerOf returns one whose accounts are as change has made them.
func newServerOf(t *testing.T, cfg authhttp.Config, change func(*server, *auth.Config), choose ...authhttp.Endpoint) *server {
	t.Helper()
	s := &server{t: t, store: auth.NewMemoryStore(), addresses: recovery.NewMemoryAddresses(), sent: make(outbox, 256), codes: new(codes)}
	s.keys = must(auth.NewKeyRing(must(auth.GenerateKey("EdDSA"))))
	list, err := revocation.Follow(s.store, revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	if err := list.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	tokens := must(auth.NewJWTIssuer(auth.JWTConfig{Issuer: "https://id.test/tenant", Audience: "api", Keys: s.keys, Check: list.Check}))
	of := auth.Config{
		Hasher: authtest.FastHasher(t), Sessions: s.store, RefreshKeys: must(auth.NewKeyRing(must(auth.GenerateKey("HS256")))), Revoked: list.Sync,
		SecondFactor: s.codes, Records: s.store, Throttle: anybody{}, Accounts: s.store,
	}
	change(s, &of)
	s.accounts = must(auth.New(s.store, tokens, of))
	extractors := []auth.Extractor{auth.BearerToken()}
	if cfg.Cookies != nil {
		extractors = append(extractors, cfg.Cookies.Extractor())
	}
	s.guard = must(auth.NewMiddleware(s.accounts, auth.MiddlewareConfig{Extractors: extractors}))
	s.flows = must(recovery.New(s.accounts, s.addresses, s.store, s.sent, recovery.Config{BaseURL: "https://app.test/account"}))
	t.Cleanup(func() { _ = s.flows.Close(context.Background()) })
	if len(choose) > 0 {
		choose = append(choose, authhttp.EndpointOpenAPI)
	}
	mux := http.NewServeMux()
	err = authhttp.Mount(mux, "/auth", s.accounts, s.guard, authhttp.MountConfig{
		Config: cfg, Users: s.store, Factor: s.codes, Keys: s.keys, Recovery: s.flows, Issuer: "https://id.test/tenant", BaseURL: "https://api.test",
		ResourceServers: must(authhttp.NewResourceServers(map[string]string{rsName: rsSecret})),
	}, choose...)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewTLSServer(held(t, mux))
	t.Cleanup(s.Close)
	s.register("ada")
	return s
}

// register makes an account with a verified address.
func (s *server) register(username string) (id string) {
	s.t.Helper()
	id = must(s.accounts.Register(s.t.Context(), username, password)).ID
	if err := s.addresses.ReplaceAddress(s.t.Context(), id, "", username+"@example.com", true); err != nil {
		s.t.Fatal(err)
	}
	return id
}

// mail returns the next mail of a kind, and its link's token.
func (s *server) mail(kind recovery.Kind) (m recovery.Message, token string) {
	s.t.Helper()
	for m = range s.sent {
		if m.Kind == kind {
			break
		}
	}
	_, token, _ = strings.Cut(m.Link, "https://app.test/account/"+string(kind)+"?token=")
	return m, token
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// outbox keeps mails, until it is full.
type outbox chan recovery.Message

func (o outbox) Notify(_ context.Context, m recovery.Message) error {
	select {
	case o <- m:
	default:
	}
	return nil
}

// browser returns a client with cookies of its own.
func (s *server) browser() *http.Client {
	c := *s.Client()
	c.Jar = must(cookiejar.New(nil))
	return &c
}

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	text   string

	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Active  *bool  `json:"active"`
	Subject string `json:"sub"`
	MFA     string `json:"mfa_token"`
	Device  string `json:"device_token"`

	Challenge string `json:"challenge"`

	ID, Username string
	Sessions     []struct {
		ID        string
		Current   bool
		UserAgent string `json:"user_agent"`
		IP        string
	}
}

type header map[string]string

// call sends body, a form or, if it begins with a brace, JSON.
func (s *server) call(c *http.Client, method, path, body string, h header) answer {
	s.t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	switch {
	case strings.HasPrefix(body, "{"):
		r.Header.Set("Content-Type", asJSON)
	case body != "":
		r.Header.Set("Content-Type", asForm)
	}
	for name, value := range h {
		r.Header.Set(name, value)
	}
	res, err := c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a); err != nil {
			s.t.Fatalf("%s %s answers %d %s", method, path, a.status, text)
		}
	}
	if a.header.Get("Cache-Control") != "no-store" && !strings.HasSuffix(path, "jwks.json") {
		s.t.Errorf("%s %s answers with %v", method, path, a.header)
	}
	return a
}

func (s *server) login() answer {
	s.t.Helper()
	a := s.call(s.Client(), "POST", "/auth/login", form("username", "ada", "password", password), nil)
	if a.status != 200 || a.Access == "" || a.Refresh == "" {
		s.t.Fatalf("login answers %d %s", a.status, a.text)
	}
	return a
}

// form returns pairs as a form.
func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

func bearer(token string) header { return header{"Authorization": "Bearer " + token} }

func object(pairs ...string) string {
	members := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		members[pairs[i]] = pairs[i+1]
	}
	return string(must(json.Marshal(members)))
}

// want holds an answer against a status and, where it is a refusal, its code: that of
// OAuth for those endpoints.
func (a answer) want(t *testing.T, what string, status int, code string) answer {
	t.Helper()
	got := a.Code
	if a.header.Get("Content-Type") == asJSON && a.Error != "" {
		got = a.Error
	}
	if a.status != status || got != code {
		t.Errorf("%s answers %d %s, want %d %s", what, a.status, a.text, status, code)
	}
	if status >= 400 && a.header.Get("Content-Type") == "application/problem+json" && a.Detail == "" {
		t.Errorf("%s says nothing to people: %s", what, a.text)
	}
	if status == 401 && a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%s is 401 without a challenge", what)
	}
	return a
}
