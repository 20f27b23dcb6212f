package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/passwords"
)

// verifierFunc is a TokenVerifier that a test writes out.
type verifierFunc func(ctx context.Context, token string) (*auth.Principal, error)

func (f verifierFunc) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	return f(ctx, token)
}

// knows verifies the tokens of a fixed list and finds every other invalid.
func knows(t testing.TB, tokens map[string]auth.Claims) auth.TokenVerifier {
	t.Helper()
	principals := make(map[string]*auth.Principal)
	for token, claims := range tokens {
		principals[token] = caller(t, claims)
	}
	return verifierFunc(func(_ context.Context, token string) (*auth.Principal, error) {
		if p := principals[token]; p != nil {
			return p, nil
		}
		return nil, auth.ErrInvalidToken
	})
}

// fails is a TokenVerifier that answers every token with err.
func fails(err error) auth.TokenVerifier {
	return verifierFunc(func(context.Context, string) (*auth.Principal, error) { return nil, err })
}

func caller(t testing.TB, c auth.Claims) *auth.Principal {
	t.Helper()
	p, err := jwt.NewPrincipal(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func middleware(t testing.TB, v auth.TokenVerifier, cfg auth.MiddlewareConfig) *auth.Middleware {
	t.Helper()
	m, err := auth.NewMiddleware(v, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// whoami answers with the caller's subject, or "nobody".
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if p, ok := auth.FromContext(r.Context()); ok {
		fmt.Fprint(w, p.Subject())
		return
	}
	fmt.Fprint(w, "nobody")
})

// request returns a request with the given headers, "Name: value".
func request(method string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://api.test/", nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// passes is a check for RequireFunc that answers each caller with err.
func passes(err error) func(context.Context, *auth.Principal) error {
	return func(_ context.Context, p *auth.Principal) error {
		if p.Subject() == "" {
			return errors.New("nobody")
		}
		return err
	}
}

const ada = "Authorization: Bearer ada"

func TestMiddlewareAnswers(t *testing.T) {
	t.Parallel()
	v := knows(t, map[string]auth.Claims{
		"ada": {Subject: "1", Scopes: []string{"read:items", "write"}, Roles: []string{"editor"}},
		"bob": {Subject: "2", Scopes: []string{"read:items2", "READ:ITEMS", "write:items"}, Roles: []string{"Editor", "editor "}},
		"new": {Subject: "3", AuthTime: time.Now(), AMR: []string{"pwd", "mfa"}},
		"old": {Subject: "4", AuthTime: time.Now().Add(-2 * time.Hour), AMR: []string{"MFA"}, ACR: "mfa"},
	})
	m := middleware(t, v, auth.MiddlewareConfig{Realm: "shop"})
	for name, row := range map[string]struct {
		handler   http.Handler
		headers   []string
		status    int
		challenge string // of a refusal
		body      string // of a success
	}{
		"required": {m.Require(whoami), []string{ada}, 200, "", "1"},
		"none":     {m.Require(whoami), nil, 401, `Bearer realm="shop"`, ""},
		"basic":    {m.Require(whoami), []string{"Authorization: Basic YTpi"}, 401, `Bearer realm="shop"`, ""},
		"bad":      {m.Require(whoami), []string{"Authorization: Bearer eve"}, 401, `Bearer realm="shop", error="invalid_token"`, ""},
		"two":      {m.Require(whoami), []string{ada, ada}, 400, `Bearer realm="shop", error="invalid_request"`, ""},
		"no token": {m.Require(whoami), []string{"Authorization: Bearer"}, 400, `Bearer realm="shop", error="invalid_request"`, ""},

		"optional":           {m.Optional(whoami), []string{ada}, 200, "", "1"},
		"optional none":      {m.Optional(whoami), nil, 200, "", "nobody"},
		"optional basic":     {m.Optional(whoami), []string{"Authorization: Basic YTpi"}, 200, "", "nobody"},
		"optional bad":       {m.Optional(whoami), []string{"Authorization: Bearer eve"}, 401, `Bearer realm="shop", error="invalid_token"`, ""},
		"optional malformed": {m.Optional(whoami), []string{"Authorization: Bearer"}, 400, `Bearer realm="shop", error="invalid_request"`, ""},

		"scope":           {m.RequireScope("read:items")(whoami), []string{ada}, 200, "", "1"},
		"scopes":          {m.RequireScope("write", "read:items")(whoami), []string{ada}, 200, "", "1"},
		"scope none":      {m.RequireScope("read:items")(whoami), nil, 401, `Bearer realm="shop", scope="read:items"`, ""},
		"scope bad":       {m.RequireScope("read:items")(whoami), []string{"Authorization: Bearer eve"}, 401, `Bearer realm="shop", error="invalid_token", scope="read:items"`, ""},
		"scope words":     {m.RequireScope("read:items")(whoami), []string{"Authorization: Bearer bob"}, 403, `Bearer realm="shop", error="insufficient_scope", scope="read:items"`, ""},
		"scopes, one had": {m.RequireScope("write", "admin")(whoami), []string{ada}, 403, `Bearer realm="shop", error="insufficient_scope", scope="write admin"`, ""},

		"role":       {m.RequireRole("editor")(whoami), []string{ada}, 200, "", "1"},
		"any role":   {m.RequireRole("owner", "editor")(whoami), []string{ada}, 200, "", "1"},
		"role none":  {m.RequireRole("editor")(whoami), nil, 401, `Bearer realm="shop"`, ""},
		"role words": {m.RequireRole("editor")(whoami), []string{"Authorization: Bearer bob"}, 403, `Bearer realm="shop", error="insufficient_scope"`, ""},

		"recent":         {m.RequireRecent(time.Hour)(whoami), []string{"Authorization: Bearer new"}, 200, "", "3"},
		"recent none":    {m.RequireRecent(time.Minute)(whoami), nil, 401, `Bearer realm="shop"`, ""},
		"recent old":     {m.RequireRecent(90 * time.Second)(whoami), []string{"Authorization: Bearer old"}, 401, `Bearer realm="shop", error="insufficient_user_authentication", max_age="90"`, ""},
		"recent unknown": {m.RequireRecent(time.Minute)(whoami), []string{ada}, 401, `Bearer realm="shop", error="insufficient_user_authentication", max_age="60"`, ""},
		"recent enough":  {m.RequireRecent(24 * time.Hour)(whoami), []string{"Authorization: Bearer old"}, 200, "", "4"},
		"mfa by amr":     {m.RequireMFA(whoami), []string{"Authorization: Bearer new"}, 200, "", "3"},
		"mfa by acr":     {m.RequireMFA(whoami), []string{"Authorization: Bearer old"}, 200, "", "4"},
		"mfa not":        {m.RequireMFA(whoami), []string{ada}, 401, `Bearer realm="shop", error="insufficient_user_authentication", acr_values="mfa"`, ""},
		"mfa bad":        {m.RequireMFA(whoami), []string{"Authorization: Bearer eve"}, 401, `Bearer realm="shop", error="invalid_token"`, ""},

		// Mistakes of the host, which a constructor cannot tell it about.
		"no scope":    {m.RequireScope()(whoami), []string{ada}, 500, "", ""},
		"two words":   {m.RequireScope("read:items write")(whoami), []string{ada}, 500, "", ""},
		"empty scope": {m.RequireScope("read:items", "")(whoami), []string{ada}, 500, "", ""},
		"quote":       {m.RequireScope(`x", y="`)(whoami), []string{ada}, 500, "", ""},
		"no time":     {m.RequireRecent(0)(whoami), []string{"Authorization: Bearer new"}, 500, "", ""},
		"past":        {m.RequireRecent(-time.Hour)(whoami), []string{"Authorization: Bearer new"}, 500, "", ""},
		"no role":     {m.RequireRole()(whoami), []string{ada}, 500, "", ""},
		"no check":    {m.RequireFunc(nil)(whoami), []string{ada}, 500, "", ""},
		"func":        {m.RequireFunc(passes(nil))(whoami), []string{ada}, 200, "", "1"},
		"func none":   {m.RequireFunc(passes(nil))(whoami), nil, 401, `Bearer realm="shop"`, ""},
		"func denies": {m.RequireFunc(passes(auth.ErrInsufficientScope))(whoami), []string{ada}, 403, `Bearer realm="shop", error="insufficient_scope"`, ""},
		"func stale":  {m.RequireFunc(passes(auth.ErrRevokedToken))(whoami), []string{ada}, 401, `Bearer realm="shop", error="invalid_token"`, ""},
		"func fails":  {m.RequireFunc(passes(errors.New("down")))(whoami), []string{ada}, 500, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "TRACE", "get", ""} {
				w := serve(row.handler, request(method, row.headers...))
				if w.Code != row.status {
					t.Fatalf("%s is answered %d, want %d: %s", method, w.Code, row.status, w.Body)
				}
				if got := strings.Join(w.Header()["Www-Authenticate"], " | "); got != row.challenge {
					t.Errorf("%s is challenged %q, want %q", method, got, row.challenge)
				}
				if row.status == 200 {
					if got := w.Body.String(); got != row.body || len(w.Header()) != 1 { // Content-Type, sniffed
						t.Errorf("%s is answered %q with %v, want %q and no header of the middleware", method, got, w.Header(), row.body)
					}
					continue
				}
				if got := w.Header().Get("Cache-Control"); got != "no-store" {
					t.Errorf("Cache-Control is %q, want no-store", got)
				}
				var body struct {
					Title, Detail string
					Status        int
				}
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Status != row.status || body.Title == "" {
					t.Errorf("the body is no problem: %s", w.Body)
				}
			}
		})
	}
}

// What the verifier could not decide is the world's fault and never a 401.
func TestMiddlewareWorld(t *testing.T) {
	t.Parallel()
	down := errors.New("dial tcp 10.1.2.3:5432: refused")
	for name, row := range map[string]struct {
		err    error
		status int
		retry  string
		silent bool
	}{
		"store":             {err: fmt.Errorf("auth: session: %w", down), status: 500},
		"keys":              {err: fmt.Errorf("fetch: %w", auth.ErrKeysUnavailable), status: 503},
		"deadline":          {err: fmt.Errorf("check: %w", context.DeadlineExceeded), status: 503},
		"cancelled":         {err: fmt.Errorf("check: %w", context.Canceled), status: 503},
		"busy":              {err: fmt.Errorf("limit: %w", &auth.RetryError{Err: auth.ErrBusy, After: 1500 * time.Millisecond}), status: 503, retry: "2"},
		"busy a whole":      {err: &auth.RetryError{Err: auth.ErrBusy, After: 3 * time.Second}, status: 503, retry: "3"},
		"busy at once":      {err: &auth.RetryError{Err: auth.ErrBusy}, status: 503, retry: "1"},
		"keys, later":       {err: &auth.RetryError{Err: auth.ErrKeysUnavailable, After: time.Minute}, status: 503, retry: "60"},
		"both":              {err: fmt.Errorf("%w: %w", auth.ErrInvalidToken, context.DeadlineExceeded), status: 503},
		"neither":           {err: nil, status: 500},
		"expired":           {err: auth.ErrExpiredToken, status: 401, silent: true},
		"revoked":           {err: auth.ErrRevokedToken, status: 401, silent: true},
		"says none":         {err: auth.ErrNoCredentials, status: 401, silent: true},
		"says insufficient": {err: auth.ErrInsufficientScope, status: 403, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			for _, guard := range []func(*auth.Middleware) http.Handler{
				func(m *auth.Middleware) http.Handler { return m.Require(whoami) },
				func(m *auth.Middleware) http.Handler { return m.Optional(whoami) },
				func(m *auth.Middleware) http.Handler { return m.RequireScope("a")(whoami) },
				func(m *auth.Middleware) http.Handler { return m.RequireRole("a")(whoami) },
			} {
				log.Reset()
				// A logger gets one line a second of a 503, so each guard has its own.
				m := middleware(t, fails(row.err), auth.MiddlewareConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
				w := serve(guard(m), request("GET", ada))
				if w.Code != row.status || w.Header().Get("Retry-After") != row.retry {
					t.Errorf("%v is answered %d, Retry-After %q; want %d, %q", row.err, w.Code, w.Header().Get("Retry-After"), row.status, row.retry)
				}
				if challenged := w.Header()["Www-Authenticate"] != nil; challenged != (row.status < 500) {
					t.Errorf("%v is answered with %v", row.err, w.Header())
				}
				if row.err != nil && strings.Contains(w.Body.String(), row.err.Error()) {
					t.Errorf("the answer holds the error: %s", w.Body)
				}
				if strings.Contains(log.String(), "Bearer") || strings.Contains(log.String(), "ada") {
					t.Errorf("the token is logged: %s", log.String())
				}
				if logged := log.Len() > 0; logged == row.silent || row.err != nil && logged && !strings.Contains(log.String(), row.err.Error()) {
					t.Errorf("%v is logged as %q", row.err, log.String())
				}
			}
		})
	}
}

// While the state of revocations is unknown, or logins are too many, the log has one line a second of
// each, with the number of those left out.
func TestMiddlewareLogIsSampled(t *testing.T) { // not parallel: tests in real time would take its samples for old ones
	for _, err := range []error{
		auth.ErrRevocationUnknown, &auth.RetryError{Err: auth.ErrRevocationUnknown, After: time.Second},
		&auth.RetryError{Err: auth.ErrBusy, After: time.Second}, auth.ErrKeysUnavailable,
	} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			m := middleware(t, fails(err), auth.MiddlewareConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			for range 1000 { // in 10 s
				if w := serve(m.Require(whoami), request("GET", ada)); w.Code != 503 {
					t.Fatalf("%v is answered %d, want 503", err, w.Code)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if lines := strings.Count(log.String(), "\n"); lines != 10 || strings.Count(log.String(), "left_out=99") != 9 {
				t.Errorf("1,000 times %v in 10 s wrote %d lines, want 10, of which 9 say left_out=99: %s", err, lines, log.String())
			}
		})
	}
}

// Why a token was refused is told to nobody: the answers are the same to the byte.
func TestMiddlewareTellsNoReason(t *testing.T) {
	t.Parallel()
	answers := map[string][]string{}
	for _, err := range []error{
		auth.ErrInvalidToken, auth.ErrExpiredToken, auth.ErrRevokedToken, auth.ErrUnknownKey,
		fmt.Errorf("%w: kid s3cr3t of sub s3cr3t", auth.ErrInvalidToken),
	} {
		w := serve(middleware(t, fails(err), auth.MiddlewareConfig{}).Require(whoami), request("GET", ada))
		answer := fmt.Sprint(w.Code, w.Header(), w.Body)
		answers[answer] = append(answers[answer], err.Error())
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %q", answers)
	}
}

// A client that goes away in the middle is nobody's fault: nothing is logged.
func TestMiddlewareClientGone(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	m := middleware(t, verifierFunc(func(ctx context.Context, _ string) (*auth.Principal, error) {
		cancel()
		return nil, fmt.Errorf("query: %w", ctx.Err())
	}), auth.MiddlewareConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	w := serve(m.Require(whoami), request("GET", ada).WithContext(ctx))
	if w.Code != 503 || log.Len() > 0 {
		t.Errorf("is answered %d and logged as %q, want 503 in silence", w.Code, log.String())
	}
}

// A zero Principal is nobody, whoever vouches for it.
func TestMiddlewareZeroPrincipal(t *testing.T) {
	t.Parallel()
	v := verifierFunc(func(context.Context, string) (*auth.Principal, error) { return new(auth.Principal), nil })
	m := middleware(t, v, auth.MiddlewareConfig{})
	if w := serve(m.Require(whoami), request("GET", ada)); w.Code != 500 {
		t.Errorf("a zero principal is answered %d, want 500", w.Code)
	}
	if p, err := m.Check(request("GET", ada)); p != nil || err == nil {
		t.Errorf("Check returns %v, %v", p, err)
	}
	if p, ok := auth.FromContext(auth.NewContext(t.Context(), new(auth.Principal))); p != nil || ok {
		t.Errorf("FromContext returns %v, %v", p, ok)
	}
}

func TestMiddlewarePanicIsNotSwallowed(t *testing.T) {
	t.Parallel()
	m := middleware(t, verifierFunc(func(context.Context, string) (*auth.Principal, error) { panic("broken") }), auth.MiddlewareConfig{})
	defer func() {
		if got := recover(); got != "broken" {
			t.Errorf("recovered %v, want the verifier's panic", got)
		}
	}()
	serve(m.Optional(whoami), request("GET", ada))
	t.Error("the panic was swallowed")
}

func TestMiddlewareErrorHandler(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		verify  error
		headers []string
		want    error
	}{
		{nil, nil, auth.ErrNoCredentials},
		{nil, []string{ada, ada}, auth.ErrInvalidRequest},
		{auth.ErrExpiredToken, []string{ada}, auth.ErrExpiredToken},
		{auth.ErrExpiredToken, []string{ada}, auth.ErrInvalidToken},
		{auth.ErrInsufficientScope, []string{ada}, auth.ErrInsufficientScope},
		{&auth.RetryError{Err: auth.ErrBusy, After: time.Second}, []string{ada}, auth.ErrBusy},
		{context.Canceled, []string{ada}, context.Canceled},
	} {
		var got error
		m := middleware(t, fails(row.verify), auth.MiddlewareConfig{
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				got = err
				w.WriteHeader(auth.HTTPStatus(err))
				fmt.Fprint(w, "custom")
			},
		})
		w := serve(m.Require(whoami), request("GET", row.headers...))
		if !errors.Is(got, row.want) || w.Body.String() != "custom" || w.Code < 400 {
			t.Errorf("%v reaches the handler as %v: %d %s", row.want, got, w.Code, w.Body)
		}
		plain := serve(middleware(t, fails(row.verify), auth.MiddlewareConfig{}).Require(whoami), request("GET", row.headers...))
		for _, name := range []string{"WWW-Authenticate", "Retry-After", "Cache-Control"} {
			if w.Header().Get(name) != plain.Header().Get(name) || w.Code != plain.Code {
				t.Errorf("%v: %d with %s %q, without the handler %d with %q", row.want, w.Code, name, w.Header().Get(name), plain.Code, plain.Header().Get(name))
			}
		}
	}
}

func TestMiddlewareCheck(t *testing.T) {
	t.Parallel()
	m := middleware(t, knows(t, map[string]auth.Claims{"ada": {Subject: "1"}}), auth.MiddlewareConfig{})
	if p, err := m.Check(request("GET", ada)); err != nil || p.Subject() != "1" {
		t.Errorf("Check returns %v, %v", p, err)
	}
	for _, row := range []struct {
		headers []string
		want    error
	}{
		{nil, auth.ErrNoCredentials},
		{[]string{ada, ada}, auth.ErrInvalidRequest},
		{[]string{"Authorization: Bearer eve"}, auth.ErrInvalidToken},
	} {
		if p, err := m.Check(request("GET", row.headers...)); p != nil || !errors.Is(err, row.want) {
			t.Errorf("Check of %q returns %v, %v, want %v", row.headers, p, err, row.want)
		}
	}
}

func TestMiddlewareChallengeParts(t *testing.T) {
	t.Parallel()
	tell := middleware(t, fails(auth.ErrInvalidToken), auth.MiddlewareConfig{ResourceMetadata: "https://api.test/m"}).RequireScope("a", "b")(whoami)
	if got := serve(tell, request("GET")).Header().Get("WWW-Authenticate"); got != `Bearer realm="api", scope="a b", resource_metadata="https://api.test/m"` {
		t.Errorf("the first challenge is %q", got)
	}
	m := middleware(t, fails(auth.ErrInvalidToken), auth.MiddlewareConfig{ResourceMetadata: "https://api.test/.well-known/oauth-protected-resource"})
	const want = `Bearer realm="api", error="invalid_token", resource_metadata="https://api.test/.well-known/oauth-protected-resource"`
	if got := serve(m.Require(whoami), request("GET", ada)).Header().Get("WWW-Authenticate"); got != want {
		t.Errorf("the challenge is %q, want %q", got, want)
	}
}

// Scopes include others, through several steps, and no others than those.
func TestMiddlewareImplies(t *testing.T) {
	t.Parallel()
	v := knows(t, map[string]auth.Claims{
		"admin":  {Subject: "1", Scopes: []string{"admin"}},
		"writer": {Subject: "2", Scopes: []string{"openid", "files:write"}},
		"reader": {Subject: "3", Scopes: []string{"files:read", "FILES:WRITE"}},
	})
	m := middleware(t, v, auth.MiddlewareConfig{Implies: map[string][]string{"admin": {"files:write", "users"}, "files:write": {"files:read"}}})
	for _, row := range []struct {
		token, scopes string
		status        int
	}{
		{"reader", "files:read", 200}, {"writer", "files:read", 200}, {"admin", "files:read", 200},
		{"writer", "files:read files:write", 200}, {"admin", "users files:read", 200},
		{"reader", "files:write", 403}, {"writer", "users", 403}, {"writer", "admin", 403}, {"reader", "openid", 403},
	} {
		scopes := strings.Fields(row.scopes)
		w := serve(m.RequireScope(scopes...)(whoami), request("GET", "Authorization: Bearer "+row.token))
		if w.Code != row.status {
			t.Errorf("%s on a route for %s: %d, want %d", row.token, row.scopes, w.Code, row.status)
		}
		if want := `Bearer realm="api", error="insufficient_scope", scope="` + row.scopes + `"`; row.status == 403 && w.Header().Get("WWW-Authenticate") != want {
			t.Errorf("%s on a route for %s: %s, want %s", row.token, row.scopes, w.Header().Get("WWW-Authenticate"), want)
		}
		p, err := v.Verify(t.Context(), row.token)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Allows(p, scopes...); got != (row.status == 200) {
			t.Errorf("Allows(%s, %s) is %t", row.token, row.scopes, got)
		}
		if m.Allows(p) || m.Allows(p, "") || m.Allows(nil, scopes...) {
			t.Errorf("Allows(%s) without scopes or without a caller is true", row.token)
		}
	}
}

// With Hosts, requests for other hosts and by foreign pages are refused, with or without a token.
func TestMiddlewareHosts(t *testing.T) {
	t.Parallel()
	v := knows(t, map[string]auth.Claims{"ada": {Subject: "1", Scopes: []string{"a"}}})
	hosts := []string{"api.test", "127.0.0.1:8080"}
	m := middleware(t, v, auth.MiddlewareConfig{Hosts: hosts, TrustedOrigins: []string{"https://app.test"}})
	hosts[0] = "evil.test"
	if got := m.Hosts(); !slices.Equal(got, []string{"api.test", "127.0.0.1:8080"}) {
		t.Errorf("the hosts are %q", got)
	}
	for name, row := range map[string]struct {
		host    string
		headers []string
		status  int // of a protected route
	}{
		"a program":             {"api.test", []string{ada}, 200},
		"a program, no token":   {"api.test", nil, 401},
		"own page":              {"api.test", []string{ada, "Origin: https://api.test"}, 200},
		"trusted page":          {"api.test", []string{ada, "Origin: https://app.test"}, 200},
		"foreign page":          {"api.test", []string{ada, "Origin: https://evil.test"}, 403},
		"foreign, no token":     {"api.test", []string{"Origin: https://evil.test"}, 403},
		"DNS rebinding":         {"evil.test", []string{ada, "Origin: https://evil.test"}, 403},
		"another host":          {"evil.test", []string{ada}, 403},
		"a sandboxed frame":     {"api.test", []string{ada, "Origin: null"}, 403},
		"says it is its own":    {"api.test", []string{ada, "Origin: https://evil.test", "Sec-Fetch-Site: same-origin"}, 403},
		"another host, nothing": {"evil.test", nil, 403},
	} {
		for method := range strings.FieldsSeq("GET POST OPTIONS DELETE") {
			for kind, h := range map[string]http.Handler{"Require": m.Require(whoami), "RequireScope": m.RequireScope("a")(whoami), "Optional": m.Optional(whoami)} {
				r := request(method, row.headers...)
				r.Host = row.host
				want := row.status
				if want == 401 && kind == "Optional" {
					want = 200
				}
				w := serve(h, r)
				if w.Code != want || want == 403 && w.Header()["Www-Authenticate"] != nil {
					t.Errorf("%s, %s %s: %d %v, want %d", name, kind, method, w.Code, w.Header(), want)
				}
			}
		}
	}
}

func TestMiddlewareConfig(t *testing.T) {
	t.Parallel()
	v := fails(nil)
	for name, row := range map[string]struct {
		verifier auth.TokenVerifier
		cfg      auth.MiddlewareConfig
		fields   []string // at fault
	}{
		"zero":        {v, auth.MiddlewareConfig{}, nil},
		"no verifier": {nil, auth.MiddlewareConfig{}, []string{"NewMiddleware.v"}},
		"all at once": {nil, auth.MiddlewareConfig{Realm: "\n", Extractors: []auth.Extractor{}, TrustedOrigins: []string{"*"}, ResourceMetadata: "x"}, []string{
			"NewMiddleware.v", "MiddlewareConfig.Extractors", "MiddlewareConfig.TrustedOrigins", "MiddlewareConfig.Realm", "MiddlewareConfig.ResourceMetadata",
		}},

		"realm":           {v, auth.MiddlewareConfig{Realm: "The shop: 24/7"}, nil},
		"realm quote":     {v, auth.MiddlewareConfig{Realm: `a"b`}, []string{"MiddlewareConfig.Realm"}},
		"realm backslash": {v, auth.MiddlewareConfig{Realm: `a\b`}, []string{"MiddlewareConfig.Realm"}},
		"realm newline":   {v, auth.MiddlewareConfig{Realm: "a\r\nX-Evil: 1"}, []string{"MiddlewareConfig.Realm"}},
		"realm beyond":    {v, auth.MiddlewareConfig{Realm: "café"}, []string{"MiddlewareConfig.Realm"}},

		"extractors":     {v, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.Cookie("__Host-token"), auth.BearerToken()}}, nil},
		"extractor nil":  {v, auth.MiddlewareConfig{Extractors: []auth.Extractor{nil}}, []string{"MiddlewareConfig.Extractors"}},
		"cookie unnamed": {v, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.Cookie("")}}, []string{"MiddlewareConfig.Extractors"}},
		"scheme":         {v, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.AuthorizationScheme("Token"), auth.BearerToken()}}, nil},
		"scheme unnamed": {v, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.AuthorizationScheme("")}}, []string{"MiddlewareConfig.Extractors"}},
		"scheme name":    {v, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.AuthorizationScheme("To ken")}}, []string{"MiddlewareConfig.Extractors"}},
		"cookie name":    {v, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.Cookie("a=b")}}, []string{"MiddlewareConfig.Extractors"}},

		"origin":           {v, auth.MiddlewareConfig{TrustedOrigins: []string{"https://app.test", "http://localhost:5173", "https://[::1]:8443"}}, nil},
		"origin slash":     {v, auth.MiddlewareConfig{TrustedOrigins: []string{"https://app.test/"}}, []string{"MiddlewareConfig.TrustedOrigins"}},
		"origin case":      {v, auth.MiddlewareConfig{TrustedOrigins: []string{"https://App.test"}}, []string{"MiddlewareConfig.TrustedOrigins"}},
		"origin port":      {v, auth.MiddlewareConfig{TrustedOrigins: []string{"https://app.test:443", "http://app.test:80", "https://app.test:"}}, []string{"MiddlewareConfig.TrustedOrigins", "MiddlewareConfig.TrustedOrigins", "MiddlewareConfig.TrustedOrigins"}},
		"origin null":      {v, auth.MiddlewareConfig{TrustedOrigins: []string{"null"}}, []string{"MiddlewareConfig.TrustedOrigins"}},
		"origin user":      {v, auth.MiddlewareConfig{TrustedOrigins: []string{"https://a@app.test"}}, []string{"MiddlewareConfig.TrustedOrigins"}},
		"origin scheme":    {v, auth.MiddlewareConfig{TrustedOrigins: []string{"ftp://app.test"}}, []string{"MiddlewareConfig.TrustedOrigins"}},
		"origin unicode":   {v, auth.MiddlewareConfig{TrustedOrigins: []string{"https://caf\u00e9.test"}}, []string{"MiddlewareConfig.TrustedOrigins"}},
		"hosts":            {v, auth.MiddlewareConfig{Hosts: []string{"api.test", "localhost:8080", "[::1]:8080"}}, nil},
		"hosts, no hosts":  {v, auth.MiddlewareConfig{Hosts: []string{"https://api.test", "*"}}, []string{"MiddlewareConfig.Hosts", "MiddlewareConfig.Hosts"}},
		"implies":          {v, auth.MiddlewareConfig{Implies: map[string][]string{"a": {"b", "c"}, "b": {"c"}}}, nil},
		"implies itself":   {v, auth.MiddlewareConfig{Implies: map[string][]string{"a": {"b"}, "b": {"a"}}}, []string{"MiddlewareConfig.Implies", "MiddlewareConfig.Implies"}},
		"implies no scope": {v, auth.MiddlewareConfig{Implies: map[string][]string{"a": {"b c"}}}, []string{"MiddlewareConfig.Implies"}},
		"metadata local":   {v, auth.MiddlewareConfig{ResourceMetadata: "http://localhost:8080/m"}, nil},
		"metadata loop":    {v, auth.MiddlewareConfig{ResourceMetadata: "http://127.0.0.1/m"}, nil},
		"metadata plain":   {v, auth.MiddlewareConfig{ResourceMetadata: "http://api.test/m"}, []string{"MiddlewareConfig.ResourceMetadata"}},
		"metadata part":    {v, auth.MiddlewareConfig{ResourceMetadata: "https://api.test/m#"}, []string{"MiddlewareConfig.ResourceMetadata"}},
		"metadata user":    {v, auth.MiddlewareConfig{ResourceMetadata: "https://a:b@api.test/m"}, []string{"MiddlewareConfig.ResourceMetadata"}},
		"metadata quote":   {v, auth.MiddlewareConfig{ResourceMetadata: `https://api.test/"`}, []string{"MiddlewareConfig.ResourceMetadata"}},
		"metadata nowhere": {v, auth.MiddlewareConfig{ResourceMetadata: "https:///m"}, []string{"MiddlewareConfig.ResourceMetadata"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := auth.NewMiddleware(row.verifier, row.cfg)
			if (m == nil) != (err != nil) || (err != nil) != (row.fields != nil) {
				t.Fatalf("NewMiddleware returns %v, %v; want faults in %v", m, err, row.fields)
			}
			if got := testkit.FaultFields(err); fmt.Sprint(got) != fmt.Sprint(row.fields) {
				t.Errorf("the faults are in %v, want %v: %v", got, row.fields, err)
			}
		})
	}
}

// A slice that the host changes later changes nothing.
func TestMiddlewareCopiesItsConfig(t *testing.T) {
	t.Parallel()
	v := knows(t, map[string]auth.Claims{"ada": {Subject: "1", Scopes: []string{"b"}, Roles: []string{"b"}}})
	extractors := []auth.Extractor{auth.BearerToken()}
	m := middleware(t, v, auth.MiddlewareConfig{Extractors: extractors})
	words := []string{"a"}
	scope, role := m.RequireScope(words...)(whoami), m.RequireRole(words...)(whoami)
	extractors[0], words[0] = auth.Cookie("c"), "b"
	for _, h := range []http.Handler{scope, role} {
		if w := serve(h, request("GET", ada)); w.Code != 403 {
			t.Errorf("is answered %d, want 403", w.Code)
		}
	}
}

func TestHTTPStatus(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err  error
		want int
	}{
		{nil, 200},
		{auth.ErrInvalidCredentials, 401},
		{auth.ErrUserExists, 409},
		{auth.ErrConflict, 409},
		{auth.ErrUserNotFound, 404},
		{auth.ErrInvalidUsername, 422},
		{&passwords.Error{Rule: passwords.TooShort, Limit: 8}, 422},
		{&auth.RetryError{Err: auth.ErrBusy, After: time.Second}, 503},
		{&auth.ConfigError{Field: "x"}, 500},
		{errors.New("disk full"), 500},
	} {
		if got := auth.HTTPStatus(row.err); got != row.want {
			t.Errorf("%v: %d, want %d", row.err, got, row.want)
		}
		if row.err == nil {
			continue
		}
		if got := auth.HTTPStatus(fmt.Errorf("wrapped: %w", row.err)); got != row.want {
			t.Errorf("wrapped %v: %d, want %d", row.err, got, row.want)
		}
	}
}
