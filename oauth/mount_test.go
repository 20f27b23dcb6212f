package oauth_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/oauth"
)

// The metadata names what is on, and nothing of the request.
func TestMetadata(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		r := newServer(t, func(cfg *oauth.Config) {
			if on {
				cfg.Register.PerHour, cfg.Documents.On = 1, true
			}
		})
		resp := r.do("GET", "/.well-known/oauth-authorization-server", "", "Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher")
		if resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("headers: %v", resp.Header)
		}
		var m map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "revocation_endpoint": issuer + "/revoke",
			"introspection_endpoint": issuer + "/introspect", "jwks_uri": issuer + "/.well-known/jwks.json",
		} {
			if m[name] != want {
				t.Errorf("%s is %v", name, m[name])
			}
		}
		for name, want := range map[string]string{
			"response_types_supported": `["code"]`, "code_challenge_methods_supported": `["S256"]`, "grant_types_supported": `["authorization_code","refresh_token"]`,
			"token_endpoint_auth_methods_supported": `["none","client_secret_basic","client_secret_post","private_key_jwt"]`, "authorization_response_iss_parameter_supported": "true",
		} {
			if got, _ := json.Marshal(m[name]); string(got) != want {
				t.Errorf("%s is %s", name, got)
			}
		}
		if (m["registration_endpoint"] != nil) != on || (m["client_id_metadata_document_supported"] == true) != on {
			t.Errorf("on %t: %v", on, m)
		}
		if status := r.do("POST", "/register", `{"redirect_uris":["https://app.example/cb"]}`).StatusCode; (status == http.StatusCreated) != on {
			t.Errorf("on %t: register answers %d", on, status)
		}
	}
}

// Below an issuer with a path, the endpoints stand below it, and the metadata where RFC 8414 says.
func TestIssuerWithPath(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) { cfg.Issuer, cfg.Prefix = issuer+"/tenant", "/oauth" })
	var m map[string]any
	if err := json.NewDecoder(r.do("GET", "/.well-known/oauth-authorization-server/tenant", "").Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	if m["issuer"] != issuer+"/tenant" || m["token_endpoint"] != issuer+"/tenant/oauth/token" {
		t.Errorf("metadata: %v", m)
	}
	if resp := r.do("GET", "/tenant/oauth/authorize?"+query(), ""); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("authorize: %d", resp.StatusCode)
	}
}

// HEAD and OPTIONS are answered, and other methods refused. Pages of other origins may call what clients
// call, and never the endpoints for browsers.
func TestMethods(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) { cfg.Register.PerHour = 1 })
	for path, row := range map[string]struct {
		allow string
		open  bool
	}{
		"/.well-known/oauth-authorization-server": {"GET, HEAD, OPTIONS", true}, "/.well-known/jwks.json": {"GET, HEAD, OPTIONS", true},
		"/token": {"POST, OPTIONS", true}, "/register": {"POST, OPTIONS", true}, "/revoke": {"POST, OPTIONS", true},
		"/introspect": {"POST, OPTIONS", false}, "/authorize": {"GET, HEAD, OPTIONS", false}, "/authorize/decision": {"POST, OPTIONS", false},
		"/apps": {"GET, HEAD, OPTIONS", false}, "/apps/x": {"DELETE, OPTIONS", false},
	} {
		for _, method := range []string{"HEAD", "OPTIONS", "PUT", "PATCH"} {
			resp := r.do(method, path, "", "Origin", "http://localhost:6274", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "mcp-protocol-version")
			h := resp.Header
			switch method {
			case "HEAD":
				if strings.Contains(row.allow, "HEAD") == (resp.StatusCode == http.StatusMethodNotAllowed) {
					t.Errorf("HEAD %s: %d", path, resp.StatusCode)
				}
				continue
			case "OPTIONS":
				if resp.StatusCode != http.StatusNoContent || h.Get("Allow") != row.allow || (h.Get("Access-Control-Allow-Headers") != "") != row.open {
					t.Errorf("OPTIONS %s: %d %v", path, resp.StatusCode, h)
				}
			default:
				if resp.StatusCode != http.StatusMethodNotAllowed || h.Get("Allow") != row.allow {
					t.Errorf("%s %s: %d %v", method, path, resp.StatusCode, h)
				}
			}
			if (h.Get("Access-Control-Allow-Origin") == "*") != row.open || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: CORS %v", method, path, h)
			}
		}
	}
}

// The server and authhttp cannot both serve the metadata of a host.
func TestMountTwice(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	if err := r.server.Mount(r.mux); !testkit.IsConfigError(err) {
		t.Errorf("the second Mount: %v", err)
	}
	if err := r.server.Mount(nil); !testkit.IsConfigError(err) {
		t.Errorf("Mount(nil): %v", err)
	}
	guard, err := auth.NewMiddleware(r.issuer, auth.MiddlewareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := authhttp.MountConfig{Issuer: issuer, BaseURL: issuer, DangerouslyWithoutThrottle: true}
	if err := authhttp.Mount(r.mux, "/auth", r.accounts, guard, cfg, authhttp.EndpointMetadata); !testkit.IsConfigError(err) {
		t.Errorf("authhttp.Mount beside it: %v", err)
	}
	mux := http.NewServeMux()
	if err := authhttp.Mount(mux, "/auth", r.accounts, guard, cfg, authhttp.EndpointMetadata, authhttp.EndpointLogin, authhttp.EndpointMe); err == nil {
		if err = r.server.Mount(mux); !testkit.IsConfigError(err) {
			t.Errorf("Mount beside authhttp: %v", err)
		}
	}
	mux = http.NewServeMux()
	mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("OPTIONS /", func(http.ResponseWriter, *http.Request) {})
	if err := r.server.Mount(mux); err != nil {
		t.Errorf("beside a program's pages: %v", err)
	}
}

// New finds every fault.
func TestFaults(t *testing.T) {
	t.Parallel()
	if _, err := oauth.New(nil, oauth.Config{}); err == nil {
		t.Fatal("the zero Config has no fault")
	} else {
		got := testkit.FaultFields(err)
		for _, want := range []string{"New.accounts", "Issuer", "Resources", "Tokens", "Keys", "Records", "Sessions", "Secrets", "User", "LoginURL"} {
			if !slices.ContainsFunc(got, func(field string) bool { return strings.HasSuffix(field, want) }) {
				t.Errorf("no fault of %s: %q", want, got)
			}
		}
	}
	r := newServer(t, nil)
	scope := []oauth.Scope{{Name: "a", Text: "A"}}
	for name, change := range map[string]func(*oauth.Config){
		"Issuer": func(c *oauth.Config) { c.Issuer = issuer + "/" },
		"Prefix": func(c *oauth.Config) { c.Prefix = "oauth" },
		"Resources": func(c *oauth.Config) {
			c.Resources = append(c.Resources, oauth.Resource{URL: "https://elsewhere.example/", Scopes: scope})
		},
		"AccessLife":       func(c *oauth.Config) { c.AccessLife = 1 },
		"CodeLife":         func(c *oauth.Config) { c.CodeLife = 61e9 },
		"IdleLife":         func(c *oauth.Config) { c.IdleLife = -1 },
		"GrantLife":        func(c *oauth.Config) { c.GrantLife = 1 },
		"LoginURL":         func(c *oauth.Config) { c.LoginURL = "//evil.example/" },
		"RefreshWindow":    func(c *oauth.Config) { c.RefreshWindow = 1e12 },
		"PerHour":          func(c *oauth.Config) { c.Register.PerHour = -1 },
		"Documents":        func(c *oauth.Config) { c.Documents.PerMinute = 5 },
		"Limits.Authorize": func(c *oauth.Config) { c.Limits.Authorize = -1 },
	} {
		cfg := r.config()
		change(&cfg)
		_, err := oauth.New(r.accounts, cfg)
		if got := testkit.FaultFields(err); len(got) != 1 || !strings.HasSuffix(got[0], name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]oauth.Client{
		"no ID":               {RedirectURIs: []string{callback}},
		"a URL":               {ID: "https://a.example/b", RedirectURIs: []string{callback}},
		"no redirect URI":     {ID: "x"},
		"plain http":          {ID: "x", RedirectURIs: []string{"http://a.example/"}},
		"a script":            {ID: "x", RedirectURIs: []string{"javascript:alert(1)"}},
		"a short secret":      {ID: "x", RedirectURIs: []string{callback}, Secret: "short"},
		"a secret of none":    {ID: "x", RedirectURIs: []string{callback}, Secret: secret, AuthMethod: "none"},
		"no secret of basic":  {ID: "x", RedirectURIs: []string{callback}, AuthMethod: "client_secret_basic"},
		"an unknown method":   {ID: "x", RedirectURIs: []string{callback}, Secret: secret, AuthMethod: "magic"},
		"keys and a secret":   {ID: "x", RedirectURIs: []string{callback}, Secret: secret, Keys: []byte(`{"keys":[]}`)},
		"no keys":             {ID: "x", RedirectURIs: []string{callback}, Keys: []byte(`{"keys":[]}`)},
		"keys of no method":   {ID: "x", RedirectURIs: []string{callback}, AuthMethod: "private_key_jwt"},
		"a foreign scope":     {ID: "x", RedirectURIs: []string{callback}, Scopes: []string{"other"}},
		"public, introspects": {ID: "x", RedirectURIs: []string{callback}, Introspects: notes},
		"twice":               {ID: "web", RedirectURIs: []string{callback}},
	} {
		cfg := r.config()
		cfg.Clients = append(cfg.Clients, c)
		if _, err := oauth.New(r.accounts, cfg); !testkit.IsConfigError(err) {
			t.Errorf("a client with %s: %v", name, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("a client with %s: the fault has the secret", name)
		}
	}
}
