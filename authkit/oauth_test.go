package authkit_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/secrets"
)

const api = issuer + "/mcp"

// withOAuth returns a Config with an authorization server for one API.
func withOAuth(t *testing.T) authkit.Config {
	t.Helper()
	cfg := config(t, t.TempDir(), io.Discard)
	cfg.Cookies = &authhttp.CookieConfig{}
	cfg.OAuth = &oauth.Config{Resources: []oauth.Resource{{URL: api, Name: "Notes", Scopes: []oauth.Scope{{Name: "notes:read", Text: "Read your notes"}}}}}
	return cfg
}

// get sends a request of the service's host.
func get(h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", issuer+path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// paths returns the paths of the OpenAPI document of an App.
func paths(t *testing.T, app *authkit.App) []string {
	t.Helper()
	var document struct{ Paths map[string]any }
	if err := json.Unmarshal(get(app.Handler(), "/auth/openapi.json").Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(document.Paths))
}

// With OAuth, an App has the endpoints that it has without, but for those that the authorization server takes the
// place of; pages, cookies and tokens of users stay what they are.
func TestOAuth(t *testing.T) {
	t.Parallel()
	everything := func(oauth bool) authkit.Config {
		cfg := withOAuth(t)
		cfg.Notifier, cfg.SecondFactor, cfg.APIKeyPrefix, cfg.Mount.ChangePasswordPage = noMail{}, noFactor{}, "myapp_live", "/account"
		if !oauth {
			cfg.OAuth = nil
		}
		return cfg
	}
	want := slices.DeleteFunc(paths(t, open(t, authkit.All(memstore.New()), everything(false))), func(path string) bool {
		return slices.Contains([]string{"/auth/token", "/auth/revoke", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"}, path)
	})
	app := open(t, authkit.All(memstore.New()), everything(true))
	if got := paths(t, app); !slices.Equal(got, want) {
		t.Errorf("the endpoints with OAuth are\n%v\nwant\n%v", got, want)
	}
	pages, err := app.Pages(authui.Config{Name: "Notes"})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", app.Handler())
	if err := pages.Mount(mux); err != nil {
		t.Fatal(err)
	}
	guard, err := app.Guard(api, auth.MiddlewareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/mcp", guard.Require(http.NotFoundHandler()))
	for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"} {
		if w := get(mux, path); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"`+api+`"`) || !strings.Contains(w.Body.String(), "notes:read") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := get(mux, "/.well-known/oauth-authorization-server"); !strings.Contains(w.Body.String(), `"`+issuer+`/oauth/token"`) {
		t.Errorf("the metadata: %d %s", w.Code, w.Body)
	}
	if w := get(mux, "/oauth/authorize?client_id=x"); w.Code == http.StatusNotFound {
		t.Errorf("the authorization endpoint: %d", w.Code)
	}
	if w := get(mux, "/mcp"); w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), authhttp.ResourceMetadataURL(api)) {
		t.Errorf("the resource without a token: %d %v", w.Code, w.Header())
	}
	r := httptest.NewRequest("GET", "https://other.example/mcp", nil)
	w := httptest.NewRecorder()
	if mux.ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("the resource at another host: %d", w.Code)
	}
	if _, err := app.Guard(issuer+"/other", auth.MiddlewareConfig{}); len(faultsOf(err)) != 1 {
		t.Errorf("the guard of an unknown resource: %v", err)
	}
}

// The access token of a login does not open the resource, and that of a program in a header is no login of a browser.
func TestOAuthAudience(t *testing.T) {
	t.Parallel()
	app := open(t, authkit.All(memstore.New()), withOAuth(t))
	ctx := t.Context()
	if _, err := app.Accounts.Register(ctx, "ada", password); err != nil {
		t.Fatal(err)
	}
	login, err := app.Accounts.Login(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := app.Guard(api, auth.MiddlewareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	bearer := []string{"Authorization", "Bearer " + login.AccessToken}
	mux := http.NewServeMux()
	mux.Handle("/", app.Handler())
	mux.Handle("/mcp", guard.Require(http.NotFoundHandler()))
	if w := get(mux, "/auth/me", bearer...); w.Code != http.StatusOK {
		t.Errorf("the account, with the token of the login: %d", w.Code)
	}
	if w := get(mux, "/mcp", bearer...); w.Code != http.StatusUnauthorized {
		t.Errorf("the resource, with the token of the login: %d", w.Code)
	}
	if w := get(mux, "/oauth/apps", bearer...); w.Code != http.StatusUnauthorized {
		t.Errorf("the connected apps, without cookies: %d", w.Code)
	}
}

func TestOAuthFaults(t *testing.T) {
	t.Parallel()
	stores := authkit.All(memstore.New())
	cfg := withOAuth(t)
	c := cfg.OAuth
	c.Issuer, c.Tokens, c.Keys = "i", must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "i", Audience: "a", Keys: must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256)))),
	})), must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	c.Records, c.Sessions, c.Secrets = stores.Records, stores.Sessions, must(secrets.NewRing(secrets.Generate()))
	c.User = func(*http.Request) (*auth.Principal, error) { return nil, auth.ErrNoCredentials }
	c.ClientIP, c.Logger = func(*http.Request) netip.Addr { return netip.Addr{} }, cfg.Logger
	c.Events, c.Revoked = auth.LogEvents(nil), func(context.Context) error { return nil }
	cfg.Cookies, cfg.Endpoints = nil, []authhttp.Endpoint{authhttp.EndpointLogin, authhttp.EndpointToken}
	_, err := authkit.Open(t.Context(), stores, cfg)
	var got []string
	for _, fault := range faultsOf(err) {
		got = append(got, strings.TrimPrefix(fault.Field, "authkit.Config."))
	}
	want := []string{
		"OAuth", "OAuth.Issuer", "OAuth.Tokens", "OAuth.Keys", "OAuth.Records", "OAuth.Sessions", "OAuth.Secrets", "OAuth.Revoked",
		"OAuth.User", "OAuth.ClientIP", "OAuth.Events", "OAuth.Logger", "Endpoints",
	}
	if !slices.Equal(got, want) {
		t.Errorf("faults at %q, want %q", got, want)
	}
}
