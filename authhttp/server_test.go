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

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
)

const (
	password = "correct horse 😀"
	rsName   = "shop: api"
	rsSecret = "kept by the shop's server, 32 or more"
)

// anybody is a throttle that allows every attempt.
type anybody struct{}

func (anybody) Begin(context.Context, auth.Attempt) error                       { return nil }
func (anybody) Succeed(context.Context, auth.Attempt) (auth.DeviceToken, error) { return "", nil }
func (anybody) Undo(context.Context, auth.Attempt) error                        { return nil }
func (anybody) Forget(context.Context, string, ...string) error                 { return nil }

// server is a server with all endpoints and accounts of its own, which refuses access tokens of
// sessions that have ended. All its answers are checked against its OpenAPI document.
type server struct {
	*httptest.Server
	t         *testing.T
	store     *memstore.Store
	addresses *recovery.MemoryAddresses
	sent      outbox
	flows     *recovery.Recovery
	accounts  *auth.Authenticator
	codes     *codes
	guard     *auth.Middleware
	keys      *jwt.KeyRing
	apiKeys   *apikey.Keys
}

func newServer(t *testing.T, cfg authhttp.Config, choose ...authhttp.Endpoint) *server {
	t.Helper()
	return newServerWith(t, cfg, func(*server, *auth.Config) {}, choose...)
}

// newServerWith returns a server whose accounts have a changed configuration.
func newServerWith(t *testing.T, cfg authhttp.Config, change func(*server, *auth.Config), choose ...authhttp.Endpoint) *server {
	t.Helper()
	return newMountedServer(t, authhttp.MountConfig{Config: cfg}, change, choose...)
}

// newMountedServer is newServerWith for a configuration of Mount.
func newMountedServer(t *testing.T, cfg authhttp.MountConfig, change func(*server, *auth.Config), choose ...authhttp.Endpoint) *server {
	t.Helper()
	s := &server{t: t, store: memstore.New(), addresses: recovery.NewMemoryAddresses(), sent: make(outbox, 256), codes: new(codes)}
	s.keys = must(jwt.NewKeyRing(must(jwt.GenerateKey("EdDSA"))))
	list, err := revocation.Follow(s.store, revocation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	if err := list.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test/tenant", Audience: "api", Keys: s.keys, Check: list.Check}))
	accountsConfig := auth.Config{
		Hasher: authtest.FastHasher(t), Sessions: s.store, RefreshKeys: must(secrets.NewRing(secrets.Generate())), Revoked: list.Sync,
		SecondFactor: s.codes, Records: s.store, Throttle: anybody{}, Accounts: s.store,
	}
	change(s, &accountsConfig)
	s.accounts = must(auth.New(s.store, tokens, accountsConfig))
	extractors := []auth.Extractor{auth.BearerToken()}
	if cfg.Cookies != nil {
		extractors = append(extractors, cfg.Cookies.Extractor())
	}
	s.guard = must(auth.NewMiddleware(s.accounts, auth.MiddlewareConfig{Extractors: extractors}))
	s.flows = must(recovery.New(s.accounts, s.addresses, s.store, s.sent, recovery.Config{
		BaseURL: "https://app.test/account", OnFirstProof: s.codes.Disable,
	}))
	t.Cleanup(func() { _ = s.flows.Close(context.Background()) })
	if len(choose) > 0 {
		choose = append(choose, authhttp.EndpointOpenAPI)
	}
	s.apiKeys = must(apikey.New("myapp_live", s.store, s.store, apikey.Config{Check: list.Check, PerUser: 200}))
	mux := http.NewServeMux()
	cfg.APIKeys = s.apiKeys
	cfg.Users, cfg.Factor, cfg.Keys, cfg.Recovery, cfg.Issuer, cfg.BaseURL = s.store, s.codes, s.keys, s.flows, "https://id.test/tenant", "https://api.test"
	cfg.ChangePasswordPage = "/account#password"
	cfg.ResourceServers = must(authhttp.NewResourceServers(map[string]string{rsName: rsSecret}))
	if err := authhttp.Mount(mux, "/auth", s.accounts, s.guard, cfg, choose...); err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewTLSServer(checkedByDocument(t, mux))
	t.Cleanup(s.Close)
	s.register("ada")
	return s
}

// register adds an account with a verified address, and returns its ID.
func (s *server) register(username string) (id string) {
	s.t.Helper()
	id = must(s.accounts.Register(s.t.Context(), username, password)).ID
	if err := s.addresses.ReplaceAddress(s.t.Context(), id, "", username+"@example.com", true); err != nil {
		s.t.Fatal(err)
	}
	return id
}

// mail returns the next mail of a kind, and the token of its link.
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

// outbox keeps mails, and drops them if it is full.
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

// answer is an answer of a server, and the members of its body.
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

// call sends a request. A body that begins with a brace is JSON, any other is a form.
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
	if res.StatusCode == http.StatusMethodNotAllowed && strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		return a // of the mux
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a); err != nil {
			s.t.Fatalf("%s %s: got %d %s, want JSON", method, path, a.status, text)
		}
	}
	if a.header.Get("Cache-Control") != "no-store" && !strings.HasSuffix(path, "jwks.json") {
		s.t.Errorf("%s %s: got headers %v, want no-store", method, path, a.header)
	}
	return a
}

// login logs ada in.
func (s *server) login() answer {
	s.t.Helper()
	a := s.call(s.Client(), "POST", "/auth/login", form("username", "ada", "password", password), nil)
	if a.status != 200 || a.Access == "" || a.Refresh == "" {
		s.t.Fatalf("login: got %d %s, want 200 and both tokens", a.status, a.text)
	}
	return a
}

// form returns a form. Its arguments are names and values, in turn.
func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

func bearer(token string) header { return header{"Authorization": "Bearer " + token} }

// object returns a JSON object. Its arguments are names and values, in turn.
func object(pairs ...string) string {
	members := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		members[pairs[i]] = pairs[i+1]
	}
	return string(must(json.Marshal(members)))
}

// want checks the status of an answer and the code of a refusal, which is the error of an OAuth
// endpoint.
func (a answer) want(t *testing.T, what string, status int, code string) answer {
	t.Helper()
	got := a.Code
	if a.header.Get("Content-Type") == asJSON && a.Error != "" {
		got = a.Error
	}
	if a.status != status || got != code {
		t.Errorf("%s: got %d %s, want %d %s", what, a.status, a.text, status, code)
	}
	if status >= 400 && a.header.Get("Content-Type") == "application/problem+json" && a.Detail == "" {
		t.Errorf("%s: got %s, want a detail", what, a.text)
	}
	if status == 401 && a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%s: got 401 without a challenge", what)
	}
	return a
}
