package authhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
)

// The metadata says what is mounted, and nothing of what a request says.
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
			t.Errorf("answers %d %s, %v", res.StatusCode, text, err)
		}
	}
	s.call(s.Client(), "POST", "/.well-known/oauth-authorization-server/tenant", "", nil).want(t, "POST", 405, "method_not_allowed")
	keys := s.call(s.Client(), "GET", "/.well-known/jwks.json", "", nil)
	if keys.status != 200 || !strings.Contains(keys.text, `"kty":"OKP"`) {
		t.Errorf("jwks answers %d %s", keys.status, keys.text)
	}
}

func TestMetadataConfig(t *testing.T) {
	t.Parallel()
	for field, cfg := range map[string]authhttp.MetadataConfig{
		"":                          {Issuer: "http://localhost:8080", Token: "http://127.0.0.1/token"},
		"MetadataConfig.Issuer":     {},
		"MetadataConfig.Token":      {Issuer: "https://id.test", Token: "http://id.test/token"},
		"MetadataConfig.Revoke":     {Issuer: "https://id.test", Revoke: "/revoke"},
		"MetadataConfig.Introspect": {Issuer: "https://id.test", Introspect: "https://id.test/?x"},
		"MetadataConfig.JWKS":       {Issuer: "https://id.test", JWKS: "https://a:b@id.test/"},
	} {
		_, err := authhttp.Metadata(cfg)
		if fault, found := errors.AsType[*auth.ConfigError](err); found != (field != "") || found && fault.Field != field {
			t.Errorf("want fault in %q, got %v", field, err)
		}
	}
	for issuer, want := range map[string]string{
		"https://id.test": "", "https://id.test/": "", "https://id.test/a/b": "/a/b", "https://id.test/a/": "/a",
	} {
		if got := authhttp.MetadataPath(issuer); got != "/.well-known/oauth-authorization-server"+want {
			t.Errorf("the metadata of %s is at %s", issuer, got)
		}
	}
}

func TestMount(t *testing.T) {
	t.Parallel()
	status := func(h http.Handler, path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("PUT", path, nil))
		return w.Code
	}
	s := newServer(t, authhttp.Config{}, authhttp.EndpointLogin, authhttp.EndpointSessions)
	for path, want := range map[string]int{
		"/auth/login": 405, "/auth/sessions": 405, "/auth/sessions/x": 405, "/auth/register": 404, "/auth/refresh": 404,
		"/login": 404, "/.well-known/jwks.json": 404, "/auth/sessions/x/y": 404,
	} {
		if got := status(s.Config.Handler, path); got != want {
			t.Errorf("%s is answered %d, want %d", path, got, want)
		}
	}

	// Without sessions, and with nothing but what it must have, there is the rest.
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: s.keys}))
	plain := must(auth.New(memstore.New(), tokens, auth.Config{Hasher: authtest.FastHasher(t)}))
	mux := http.NewServeMux()
	if err := authhttp.Mount(mux, "", plain, s.guard, authhttp.MountConfig{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/login": 405, "/register": 405, "/password": 405, "/step-up": 405, "/login/mfa": 404, "/refresh": 404, "/token": 404, "/logout": 404, "/revoke": 404, "/sessions": 404,
		"/me": 404, "/introspect": 404, "/.well-known/oauth-authorization-server": 404, "/.well-known/jwks.json": 404,
	} {
		if got := status(mux, path); got != want {
			t.Errorf("%s is answered %d, want %d", path, got, want)
		}
	}

	flows := must(recovery.New(plain, recovery.NewMemoryAddresses(), s.store, make(outbox), recovery.Config{BaseURL: "https://app.test"}))
	mux = http.NewServeMux()
	if err := authhttp.Mount(mux, "", plain, s.guard, authhttp.MountConfig{Recovery: flows}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/login/link": 405, "/login/code/request": 405, "/address": 405, "/account/delete": 404} {
		if got := status(mux, path); got != want {
			t.Errorf("where accounts cannot be deleted, %s is answered %d, want %d", path, got, want)
		}
	}

	elsewhere := cookies(t, authhttp.CookieConfig{})
	for name, row := range map[string]struct {
		prefix string
		a      *auth.Authenticator
		cfg    authhttp.MountConfig
		choose []authhttp.Endpoint
	}{
		"prefix":         {prefix: "auth"},
		"prefix, slash":  {prefix: "/auth/"},
		"prefix, root":   {prefix: "/"},
		"prefix, method": {prefix: "/a b"},
		"prefix, {}":     {prefix: "/{x}"},
		"no endpoint":    {choose: []authhttp.Endpoint{"logn"}},
		"no sessions":    {a: plain, choose: []authhttp.Endpoint{authhttp.EndpointRefresh}},
		"no factor":      {a: plain, choose: []authhttp.Endpoint{authhttp.EndpointMFA}},
		"no factor's":    {choose: []authhttp.Endpoint{authhttp.EndpointEnrol}, cfg: authhttp.MountConfig{Users: s.store}},
		"factor's users": {choose: []authhttp.Endpoint{authhttp.EndpointEnrol}, cfg: authhttp.MountConfig{Factor: s.codes}},
		"other factor's": {a: plain, choose: []authhttp.Endpoint{authhttp.EndpointEnrol}, cfg: authhttp.MountConfig{Users: s.store, Factor: s.codes}},
		"no recovery":    {choose: []authhttp.Endpoint{authhttp.EndpointRecovery}},
		"no links":       {choose: []authhttp.Endpoint{authhttp.EndpointLoginLink}},
		"no codes":       {choose: []authhttp.Endpoint{authhttp.EndpointLoginCode}},
		"no addresses":   {choose: []authhttp.Endpoint{authhttp.EndpointAddress}},
		"no deletion":    {choose: []authhttp.Endpoint{authhttp.EndpointDelete}},
		"for ever":       {a: plain, cfg: authhttp.MountConfig{Recovery: flows}, choose: []authhttp.Endpoint{authhttp.EndpointDelete}},
		"no users":       {choose: []authhttp.Endpoint{authhttp.EndpointMe}},
		"no servers":     {choose: []authhttp.Endpoint{authhttp.EndpointIntrospect}},
		"no keys":        {choose: []authhttp.Endpoint{authhttp.EndpointJWKS}},
		"no issuer":      {choose: []authhttp.Endpoint{authhttp.EndpointMetadata}},
		"bad base":       {cfg: authhttp.MountConfig{Issuer: "https://id.test", BaseURL: "api.test"}},
		"bad server":     {cfg: authhttp.MountConfig{BaseURL: "api.test"}, choose: []authhttp.Endpoint{authhttp.EndpointOpenAPI}},
		"cookies":        {prefix: "/elsewhere", cfg: authhttp.MountConfig{Config: elsewhere}, choose: []authhttp.Endpoint{authhttp.EndpointLogin}},
		"unread cookies": {prefix: "/auth", cfg: authhttp.MountConfig{Config: elsewhere}, choose: []authhttp.Endpoint{authhttp.EndpointLogin, authhttp.EndpointPassword}},
		"unread, logout": {prefix: "/auth", cfg: authhttp.MountConfig{Config: elsewhere}, choose: []authhttp.Endpoint{authhttp.EndpointLogout}},
		"collision":      {prefix: "/taken"},
	} {
		mux := http.NewServeMux()
		mux.HandleFunc("/taken/login", func(http.ResponseWriter, *http.Request) {})
		a := row.a
		if a == nil {
			a = s.accounts
		}
		err := authhttp.Mount(mux, row.prefix, a, s.guard, row.cfg, row.choose...)
		if _, ok := errors.AsType[*auth.ConfigError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Where no endpoint asks for an access token, the host may read cookies elsewhere.
	err := authhttp.Mount(http.NewServeMux(), "/auth", s.accounts, s.guard, authhttp.MountConfig{Config: elsewhere}, authhttp.EndpointLogin, authhttp.EndpointRefresh)
	if err != nil {
		t.Error(err)
	}
	if err := authhttp.Mount(nil, "", nil, nil, authhttp.MountConfig{}); err == nil {
		t.Error("nothing is mounted nowhere")
	}
}

// A guard that names nobody lets nobody pass.
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
			t.Errorf("%s: answers %d", name, w.Code)
		}
	}
}

type open struct{}

func (open) Require(next http.Handler) http.Handler { return next }

type nobody struct{}

func (nobody) UserByID(context.Context, string) (auth.User, error) {
	return auth.User{}, auth.ErrUserNotFound
}
