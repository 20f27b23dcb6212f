package authhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/secrets"
)

// The metadata names what is mounted, and nothing in it comes from a request.
func TestMetadata(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{PasswordGrant: true})
	for _, host := range []string{"", "evil.test"} {
		r, _ := http.NewRequest("GET", s.URL+"/.well-known/oauth-authorization-server/tenant", nil)
		r.Host = host
		r.Header.Set("X-Forwarded-Host", "evil.test")
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		err = json.NewDecoder(res.Body).Decode(&got)
		res.Body.Close()
		want := `{"grant_types_supported":["refresh_token","password"],"introspection_endpoint":"https://api.test/auth/introspect",` +
			`"introspection_endpoint_auth_methods_supported":["client_secret_basic"],"issuer":"https://id.test/tenant",` +
			`"jwks_uri":"https://api.test/.well-known/jwks.json","response_types_supported":[],` +
			`"revocation_endpoint":"https://api.test/auth/revoke","revocation_endpoint_auth_methods_supported":["none"],` +
			`"token_endpoint":"https://api.test/auth/token","token_endpoint_auth_methods_supported":["none"]}`
		if text, _ := json.Marshal(got); err != nil || res.StatusCode != 200 || string(text) != want {
			t.Errorf("got %d %s, %v, want 200 %s", res.StatusCode, text, err, want)
		}
	}
	s.call(s.Client(), "POST", "/.well-known/oauth-authorization-server/tenant", "", nil).want(t, "POST", 405, "")
	keys := s.call(s.Client(), "GET", "/.well-known/jwks.json", "", nil)
	if keys.status != 200 || !strings.Contains(keys.text, `"kty":"OKP"`) {
		t.Errorf("jwks: got %d %s, want 200 and the public keys", keys.status, keys.text)
	}
}

func TestMetadataConfig(t *testing.T) {
	t.Parallel()
	for field, cfg := range map[string]authhttp.MetadataConfig{
		"":           {Issuer: "http://localhost:8080", Token: "http://127.0.0.1/token"},
		"Issuer":     {},
		"Token":      {Issuer: "https://id.test", Token: "http://id.test/token"},
		"Revoke":     {Issuer: "https://id.test", Revoke: "/revoke"},
		"Introspect": {Issuer: "https://id.test", Introspect: "https://id.test/?x"},
		"JWKS":       {Issuer: "https://id.test", JWKS: "https://a:b@id.test/"},
	} {
		_, err := authhttp.Metadata(cfg)
		fault, hasFault := errors.AsType[*auth.ConfigError](err)
		if hasFault != (field != "") || hasFault && fault.Field != "authhttp.MetadataConfig."+field {
			t.Errorf("field %q: got %v", field, err)
		}
	}
	for issuer, want := range map[string]string{
		"https://id.test": "", "https://id.test/": "", "https://id.test/a/b": "/a/b", "https://id.test/a/": "/a",
	} {
		if got := authhttp.MetadataPath(issuer); got != "/.well-known/oauth-authorization-server"+want {
			t.Errorf("MetadataPath(%q) is %s, want the well-known path and %q", issuer, got, want)
		}
	}
}

// Pages of every origin read the documents that clients begin with, and no other answer.
func TestMountDocuments(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	mux := http.NewServeMux()
	err := authhttp.Mount(mux, "/auth", withoutOptions(t, s.keys), s.guard, authhttp.MountConfig{Keys: s.keys, Issuer: "https://id.test", BaseURL: "https://id.test"})
	if err != nil {
		t.Fatal(err)
	}
	for path, isDocument := range map[string]bool{
		"/.well-known/jwks.json": true, "/.well-known/oauth-authorization-server": true, "/auth/openapi.json": true,
		"/auth/login": false, "/auth/password": false,
	} {
		r := httptest.NewRequest("OPTIONS", path, nil)
		r.Header.Set("Origin", "https://page.test")
		r.Header.Set("Access-Control-Request-Method", "GET")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if got := w.Code == 204 && w.Header().Get("Access-Control-Allow-Origin") == "*"; got != isDocument {
			t.Errorf("OPTIONS %s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestMount(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{}, authhttp.EndpointLogin, authhttp.EndpointSessions)
	for path, want := range map[string]int{
		"/auth/login": 405, "/auth/sessions": 405, "/auth/sessions/x": 405, "/auth/register": 404, "/auth/refresh": 404,
		"/login": 404, "/.well-known/jwks.json": 404, "/auth/sessions/x/y": 404,
	} {
		if got := statusOfPUT(s.Config.Handler, path); got != want {
			t.Errorf("chosen: PUT %s: got %d, want %d", path, got, want)
		}
	}

	// Without sessions and optional parts, Mount mounts what does not need them.
	plain := withoutOptions(t, s.keys)
	mux := http.NewServeMux()
	if err := authhttp.Mount(mux, "", plain, s.guard, authhttp.MountConfig{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/login": 405, "/register": 405, "/password": 405, "/step-up": 405, "/login/mfa": 404, "/refresh": 404, "/token": 404, "/logout": 404, "/revoke": 404, "/sessions": 404,
		"/me": 404, "/introspect": 404, "/.well-known/oauth-authorization-server": 404, "/.well-known/jwks.json": 404,
	} {
		if got := statusOfPUT(mux, path); got != want {
			t.Errorf("without sessions: PUT %s: got %d, want %d", path, got, want)
		}
	}

	flows := must(recovery.New(plain, recovery.NewMemoryAddresses(), s.store, make(outbox), recovery.Config{BaseURL: "https://app.test"}))
	mux = http.NewServeMux()
	if err := authhttp.Mount(mux, "", plain, s.guard, authhttp.MountConfig{Recovery: flows}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/login/link": 405, "/login/code/request": 405, "/address": 405, "/account/delete": 404} {
		if got := statusOfPUT(mux, path); got != want {
			t.Errorf("without Accounts: PUT %s: got %d, want %d", path, got, want)
		}
	}
}

// Each capability of an Authenticator adds its own endpoints, and no others.
func TestMountCapabilities(t *testing.T) {
	t.Parallel()
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys}))
	store, factor := memstore.New(), new(codes)
	endpoints := map[string]string{
		"/refresh": "sessions", "/logout": "sessions", "/sessions": "sessions", "/token": "sessions", "/revoke": "sessions",
		"/login/mfa": "factor", "/mfa/begin": "factor", "/mfa/remove": "factor", "/account/delete": "accounts",
		"/login": "", "/register": "", "/me": "", "/password": "", "/step-up": "", "/address": "",
	}
	for name, cfg := range map[string]auth.Config{
		"none":     {},
		"sessions": {Sessions: store, RefreshKeys: must(secrets.NewRing(secrets.Generate()))},
		"factor":   {SecondFactor: factor, Records: store},
		"accounts": {Accounts: store},
	} {
		cfg.Hasher, cfg.Throttle = authtest.FastHasher(t), anybody{}
		a := must(auth.New(store, tokens, cfg))
		guard := must(auth.NewMiddleware(a, auth.MiddlewareConfig{}))
		flows := must(recovery.New(a, recovery.NewMemoryAddresses(), store, make(outbox), recovery.Config{
			BaseURL: "https://app.test", OnFirstProof: factor.Disable,
		}))
		mux := http.NewServeMux()
		if err := authhttp.Mount(mux, "", a, guard, authhttp.MountConfig{Users: store, Factor: factor, Recovery: flows}); err != nil {
			t.Fatal(err)
		}
		for path, capability := range endpoints {
			want := 404
			if capability == "" || capability == name {
				want = 405
			}
			if got := statusOfPUT(mux, path); got != want {
				t.Errorf("with %s: PUT %s: got %d, want %d", name, path, got, want)
			}
		}
	}
}

// Mount returns a fault, and mounts nothing, where it is configured wrongly.
func TestMountFaults(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	plain := withoutOptions(t, s.keys)
	flows := must(recovery.New(plain, recovery.NewMemoryAddresses(), s.store, make(outbox), recovery.Config{BaseURL: "https://app.test"}))
	withCookies := authhttp.MountConfig{Config: cookies(t, authhttp.CookieConfig{})}
	type names = []authhttp.Endpoint
	for name, row := range map[string]struct {
		prefix    string
		a         *auth.Authenticator // nil: the server's
		cfg       authhttp.MountConfig
		endpoints names
		field     string // field of the first fault, after "authhttp."
		reason    string // part of its reason
	}{
		"prefix, relative":    {prefix: "auth", field: "Mount.prefix", reason: "a path like /auth"},
		"prefix, slash":       {prefix: "/auth/", field: "Mount.prefix", reason: "a path like /auth"},
		"prefix, root":        {prefix: "/", field: "Mount.prefix", reason: "a path like /auth"},
		"prefix, method":      {prefix: "/a b", field: "Mount.prefix", reason: "a path like /auth"},
		"prefix, wildcard":    {prefix: "/{x}", field: "Mount.prefix", reason: "a path like /auth"},
		"unknown endpoint":    {endpoints: names{"logn"}, field: "Mount.endpoints", reason: "is not the name"},
		"no sessions":         {a: plain, endpoints: names{authhttp.EndpointRefresh}, field: "Mount.endpoints", reason: "auth.Config.Sessions"},
		"no second factor":    {a: plain, endpoints: names{authhttp.EndpointMFA}, field: "Mount.endpoints", reason: "auth.Config.SecondFactor"},
		"enrol, no Factor":    {endpoints: names{authhttp.EndpointEnrol}, cfg: authhttp.MountConfig{Users: s.store}, field: "Mount.endpoints", reason: "MountConfig.Factor"},
		"enrol, no Users":     {endpoints: names{authhttp.EndpointEnrol}, cfg: authhttp.MountConfig{Factor: s.codes}, field: "Mount.endpoints", reason: "MountConfig.Users"},
		"enrol, no factor":    {a: plain, endpoints: names{authhttp.EndpointEnrol}, cfg: authhttp.MountConfig{Users: s.store, Factor: s.codes}, field: "Mount.endpoints", reason: "auth.Config.SecondFactor"},
		"no recovery":         {endpoints: names{authhttp.EndpointRecovery}, field: "Mount.endpoints", reason: "MountConfig.Recovery"},
		"no login links":      {endpoints: names{authhttp.EndpointLoginLink}, field: "Mount.endpoints", reason: "MountConfig.Recovery"},
		"no login codes":      {endpoints: names{authhttp.EndpointLoginCode}, field: "Mount.endpoints", reason: "MountConfig.Recovery"},
		"no addresses":        {endpoints: names{authhttp.EndpointAddress}, field: "Mount.endpoints", reason: "MountConfig.Recovery"},
		"delete, no recovery": {endpoints: names{authhttp.EndpointDelete}, field: "Mount.endpoints", reason: "MountConfig.Recovery"},
		"delete, no accounts": {a: plain, cfg: authhttp.MountConfig{Recovery: flows}, endpoints: names{authhttp.EndpointDelete}, field: "Mount.endpoints", reason: "auth.Config.Accounts"},
		"no users":            {endpoints: names{authhttp.EndpointMe}, field: "Mount.endpoints", reason: "MountConfig.Users"},
		"no servers":          {endpoints: names{authhttp.EndpointIntrospect}, field: "Mount.endpoints", reason: "MountConfig.ResourceServers"},
		"no keys":             {endpoints: names{authhttp.EndpointJWKS}, field: "Mount.endpoints", reason: "MountConfig.Keys"},
		"no issuer":           {endpoints: names{authhttp.EndpointMetadata}, field: "Mount.endpoints", reason: "MountConfig.Issuer and BaseURL"},
		"bad issuer":          {cfg: authhttp.MountConfig{Issuer: "id.test", BaseURL: "https://api.test"}, field: "MountConfig.Issuer", reason: "https URL"},
		"bad base":            {cfg: authhttp.MountConfig{Issuer: "https://id.test", BaseURL: "api.test"}, field: "MountConfig.BaseURL", reason: "https URL"},
		"bad base, metadata":  {cfg: authhttp.MountConfig{Issuer: "https://id.test", BaseURL: "api.test"}, endpoints: names{authhttp.EndpointMetadata}, field: "MountConfig.BaseURL", reason: "https URL"},
		"bad base, document":  {cfg: authhttp.MountConfig{BaseURL: "api.test"}, endpoints: names{authhttp.EndpointOpenAPI}, field: "MountConfig.BaseURL", reason: "https URL"},
		"refresh path":        {prefix: "/elsewhere", cfg: withCookies, endpoints: names{authhttp.EndpointLogin}, field: "CookieConfig.RefreshPath", reason: "/elsewhere/refresh"},
		"unread cookies":      {prefix: "/auth", cfg: withCookies, endpoints: names{authhttp.EndpointLogin, authhttp.EndpointPassword}, field: "Mount.guard", reason: "Cookies.Extractor()"},
		"unread, logout":      {prefix: "/auth", cfg: withCookies, endpoints: names{authhttp.EndpointLogout}, field: "Mount.guard", reason: "Cookies.Extractor()"},
		"collision":           {prefix: "/taken", field: "Mount.mux", reason: "collides"},
	} {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /taken/login", func(http.ResponseWriter, *http.Request) {})
		a := row.a
		if a == nil {
			a = s.accounts
		}
		err := authhttp.Mount(mux, row.prefix, a, s.guard, row.cfg, row.endpoints...)
		fault, ok := errors.AsType[*auth.ConfigError](err)
		if !ok || fault.Field != "authhttp."+row.field || !strings.Contains(fault.Reason, row.reason) {
			t.Errorf("%s: got %v, want a fault of %s with %q", name, err, row.field, row.reason)
		}
		for _, path := range []string{"/register", "/login", "/logout", "/openapi.json"} {
			_, pattern := mux.Handler(&http.Request{Method: "POST", URL: &url.URL{Path: row.prefix + path}})
			if pattern != "" && row.prefix != "/taken" {
				t.Errorf("%s: %s is mounted", name, pattern)
			}
		}
	}
	// If no mounted endpoint asks for an access token, another Middleware may read the cookies.
	err := authhttp.Mount(http.NewServeMux(), "/auth", s.accounts, s.guard, withCookies, authhttp.EndpointLogin, authhttp.EndpointRefresh)
	if err != nil {
		t.Errorf("endpoints that ask for no access token: %v", err)
	}
	err = authhttp.Mount(nil, "", nil, nil, authhttp.MountConfig{})
	for _, parameter := range []string{"mux", "a", "guard"} {
		if err == nil || !strings.Contains(err.Error(), "authhttp.Mount."+parameter+": is required") {
			t.Errorf("without %s: %v", parameter, err)
		}
	}
}

// A program with pages of its own has other patterns on the same mux, before or after Mount: its pages keep
// their routes, CORS its preflights, and its own handlers the methods that no endpoint has.
func TestMountBesidePages(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	cfg := authhttp.MountConfig{Users: s.store, Keys: s.keys}
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	own := map[string]string{
		"GET /": "page", "OPTIONS /": "preflight", "PATCH /auth/me": "own", "GET /auth/login": "login page", "POST /auth/google/callback": "callback",
	}
	for _, first := range []bool{true, false} {
		for _, prefix := range []string{"/auth", ""} {
			mux := http.NewServeMux()
			mount := func() {
				if err := authhttp.Mount(mux, prefix, s.accounts, s.guard, cfg); err != nil {
					t.Fatalf("Mount first: %t: %v", first, err)
				}
			}
			if first {
				mount()
			}
			for pattern, text := range own {
				mux.Handle(pattern, says(text))
			}
			if !first {
				mount()
			}
			for request, want := range map[string]string{
				"GET /": "page", "GET /auth": "page", "GET /settings": "page", "GET /auth/register": "page", "GET /auth/login": "login page",
				"OPTIONS /auth/refresh": "preflight", "PATCH /auth/me": "own", "POST /auth/google/callback": "callback",
			} {
				method, path, _ := strings.Cut(request, " ")
				w := serveOnce(mux, httptest.NewRequest(method, path, nil))
				if w.Code != 200 || w.Body.String() != want {
					t.Errorf("prefix %q, Mount first: %t: %s: got %d %s, want %s", prefix, first, request, w.Code, w.Body, want)
				}
			}
			for request, status := range map[string]int{"GET /me": 401, "HEAD /me": 401, "POST /login": 415, "DELETE /sessions/" + strings.Repeat("A", 22): 401, "PUT /login": 405} {
				method, path, _ := strings.Cut(request, " ")
				if w := serveOnce(mux, httptest.NewRequest(method, prefix+path, nil)); w.Code != status {
					t.Errorf("prefix %q, Mount first: %t: %s: got %d %s, want %d", prefix, first, request, w.Code, w.Body, status)
				}
			}
		}
	}
}

// Mount refuses an Authenticator whose passwords can be guessed without limit, unless the host says
// that it wants that.
func TestMountNeedsThrottle(t *testing.T) {
	t.Parallel()
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys}))
	for _, limits := range []auth.Throttle{nil, anybody{}} {
		a := must(auth.New(memstore.New(), tokens, auth.Config{Hasher: authtest.FastHasher(t), Throttle: limits}))
		guard := must(auth.NewMiddleware(a, auth.MiddlewareConfig{}))
		for _, dangerously := range []bool{false, true} {
			for _, endpoints := range [][]authhttp.Endpoint{nil, {authhttp.EndpointLogin}} {
				mux := http.NewServeMux()
				err := authhttp.Mount(mux, "", a, guard, authhttp.MountConfig{DangerouslyWithoutThrottle: dangerously}, endpoints...)
				fault, refused := errors.AsType[*auth.ConfigError](err)
				if want := limits == nil && !dangerously; refused != want || refused && !strings.Contains(fault.Error(), "authhttp.Mount.a: has no auth.Config.Throttle") {
					t.Errorf("throttle %v, dangerously %t: got %v, want a fault: %t", limits, dangerously, err, want)
				}
				if mounted := statusOfPUT(mux, "/login") == 405; mounted == refused {
					t.Errorf("throttle %v, dangerously %t: /login is mounted: %t", limits, dangerously, mounted)
				}
			}
		}
	}
}

// statusOfPUT returns the status that a PUT is answered with: 405 where an endpoint is mounted, and
// 404 where none is.
func statusOfPUT(h http.Handler, path string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("PUT", path, nil))
	return w.Code
}

// withoutOptions returns an Authenticator without sessions, second factor and Accounts.
func withoutOptions(t *testing.T, keys *jwt.KeyRing) *auth.Authenticator {
	t.Helper()
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys}))
	return must(auth.New(memstore.New(), tokens, auth.Config{Hasher: authtest.FastHasher(t), Throttle: anybody{}}))
}

// recordingStore is a store that ignores contexts, whose errors are its driver's, and that records
// the names of the methods that are called.
type recordingStore struct {
	*memstore.Store
	calls []string
}

var errDriver = errors.New("driver: bad connection")

func (s *recordingStore) called(method string) error {
	s.calls = append(s.calls, method)
	return errDriver
}

func (s *recordingStore) Record(context.Context, string) (auth.Record, time.Time, error) {
	return auth.Record{}, time.Time{}, s.called("Record")
}

func (s *recordingStore) Session(context.Context, string) (auth.Session, time.Time, error) {
	return auth.Session{}, time.Time{}, s.called("Session")
}

func (s *recordingStore) UserByID(context.Context, string) (auth.User, error) {
	return auth.User{}, s.called("UserByID")
}

func (s *recordingStore) UserByUsername(context.Context, string) (auth.User, error) {
	return auth.User{}, s.called("UserByUsername")
}

// SetDisabled succeeds, like an UPDATE whose number of rows is not looked at.
func (s *recordingStore) SetDisabled(context.Context, string, bool) error {
	_ = s.called("SetDisabled")
	return nil
}

// recordingIssuer counts verifications.
type recordingIssuer struct {
	*jwt.Issuer
	verified int
}

func (i *recordingIssuer) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	i.verified++
	return i.Issuer.Verify(ctx, token)
}

// Mount asks an Authenticator and a Middleware what they have. It calls none of their methods that
// work on accounts or tokens: a store that is down when a server starts makes no endpoint
// disappear, nothing is written, and no event is emitted.
func TestMountCallsNothing(t *testing.T) {
	t.Parallel()
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	tokens := &recordingIssuer{Issuer: must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys}))}
	store := &recordingStore{Store: memstore.New()}
	var events []auth.Event
	a := must(auth.New(store, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Sessions: store, RefreshKeys: must(secrets.NewRing(secrets.Generate())),
		SecondFactor: new(codes), Records: store, Throttle: anybody{}, Accounts: store,
		Events: func(_ context.Context, e auth.Event) { events = append(events, e) },
	}))
	cfg := cookies(t, authhttp.CookieConfig{})
	guard := must(auth.NewMiddleware(a, auth.MiddlewareConfig{Extractors: []auth.Extractor{cfg.Cookies.Extractor()}}))
	flows := must(recovery.New(a, recovery.NewMemoryAddresses(), store, make(outbox), recovery.Config{
		BaseURL: "https://app.test", OnFirstProof: new(codes).Disable,
	}))
	mux := http.NewServeMux()
	tokens.verified, store.calls, events = 0, nil, nil
	if err := authhttp.Mount(mux, "/auth", a, guard, authhttp.MountConfig{Config: cfg, Users: store, Factor: new(codes), Recovery: flows}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/login/mfa", "/mfa/begin", "/refresh", "/sessions", "/account/delete"} {
		if got := statusOfPUT(mux, "/auth"+path); got != 405 {
			t.Errorf("PUT %s: got %d, want 405: the endpoint is missing", path, got)
		}
	}
	if tokens.verified > 0 || store.calls != nil || events != nil {
		t.Errorf("Mount verified %d tokens, called %v of the store and caused %v, want nothing", tokens.verified, store.calls, events)
	}
}

// If a guard lets a request pass without naming a principal, the request is refused.
func TestGuardWithoutCaller(t *testing.T) {
	t.Parallel()
	a := new(accounts)
	for name, h := range map[string]http.Handler{
		"logout": authhttp.Logout(a, open{}, authhttp.Config{}), "me": authhttp.Me(nobody{}, open{}, authhttp.Config{}),
	} {
		method := map[string]string{"logout": "POST", "me": "GET"}[name]
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != 500 || a.calls != 0 {
			t.Errorf("%s: got %d after %d calls, want 500 and none", name, w.Code, a.calls)
		}
	}
}

// open is a guard that lets every request pass.
type open struct{}

func (open) Require(next http.Handler) http.Handler { return next }

// nobody has no accounts.
type nobody struct{}

func (nobody) UserByID(context.Context, string) (auth.User, error) {
	return auth.User{}, auth.ErrUserNotFound
}
