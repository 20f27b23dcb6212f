package authhttp_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/internal/testkit"
)

func TestResourceMetadata(t *testing.T) {
	t.Parallel()
	cfg := authhttp.ResourceConfig{
		Resource: "https://api.test/mcp", AuthorizationServers: []string{"https://as.test/tenant"}, Scopes: []string{"a", "b:c"}, Name: "Notes",
		Documentation: "https://api.test/docs", PolicyURI: "https://api.test/policy", TermsURI: "https://api.test/terms",
	}
	h, err := authhttp.ResourceMetadata(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Scopes[0], cfg.AuthorizationServers[0] = "changed", "https://evil.test"
	const want = `{"resource":"https://api.test/mcp","authorization_servers":["https://as.test/tenant"],"scopes_supported":["a","b:c"],` +
		`"bearer_methods_supported":["header"],"resource_name":"Notes","resource_documentation":"https://api.test/docs",` +
		`"resource_policy_uri":"https://api.test/policy","resource_tos_uri":"https://api.test/terms"}` + "\n"
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "DELETE"} {
		r := httptest.NewRequest(method, "https://evil.test/.well-known/oauth-protected-resource/mcp", nil)
		r.Header.Set("Origin", "https://page.test")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		status := map[string]int{"GET": 200, "HEAD": 200, "OPTIONS": 204}[method]
		if status == 0 {
			status = 405
		}
		if w.Code != status || status == 405 && w.Header().Get("Allow") != "GET, HEAD, OPTIONS" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
		if method == "GET" && (w.Body.String() != want || w.Header().Get("Content-Type") != "application/json") {
			t.Errorf("%s: %s", method, w.Body)
		}
	}
	least, err := authhttp.ResourceMetadata(authhttp.ResourceConfig{Resource: "http://localhost:8080", AuthorizationServers: []string{"http://localhost:8080"}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	least.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Body.String(); got != `{"resource":"http://localhost:8080","authorization_servers":["http://localhost:8080"],"bearer_methods_supported":["header"]}`+"\n" {
		t.Errorf("the least document is %s", got)
	}
}

func TestResourceMetadataFaults(t *testing.T) {
	t.Parallel()
	as := []string{"https://as.test"}
	for name, row := range map[string]struct {
		cfg  authhttp.ResourceConfig
		want string
	}{
		"nothing":          {authhttp.ResourceConfig{}, "Resource AuthorizationServers"},
		"plain http":       {authhttp.ResourceConfig{Resource: "http://api.test/mcp", AuthorizationServers: []string{"http://as.test"}}, "Resource AuthorizationServers"},
		"a query":          {authhttp.ResourceConfig{Resource: "https://api.test/mcp?a", AuthorizationServers: as}, "Resource"},
		"a fragment":       {authhttp.ResourceConfig{Resource: "https://api.test/mcp#", AuthorizationServers: as}, "Resource"},
		"a slash":          {authhttp.ResourceConfig{Resource: "https://api.test/mcp/", AuthorizationServers: as}, "Resource"},
		"a root":           {authhttp.ResourceConfig{Resource: "https://api.test/", AuthorizationServers: as}, ""},
		"offline access":   {authhttp.ResourceConfig{Resource: "https://api.test", AuthorizationServers: as, Scopes: []string{"a", "offline_access"}}, "Scopes"},
		"no scope":         {authhttp.ResourceConfig{Resource: "https://api.test", AuthorizationServers: as, Scopes: []string{"a b"}}, "Scopes"},
		"pages, not https": {authhttp.ResourceConfig{Resource: "https://api.test", AuthorizationServers: as, Documentation: "/docs", PolicyURI: "javascript:x", TermsURI: "x"}, "Documentation PolicyURI TermsURI"},
	} {
		_, err := authhttp.ResourceMetadata(row.cfg)
		var want []string
		for field := range strings.FieldsSeq(row.want) {
			want = append(want, "authhttp.ResourceConfig."+field)
		}
		if got := testkit.FaultFields(err); !slices.Equal(got, want) {
			t.Errorf("%s: faults in %q, want %q: %v", name, got, want, err)
		}
	}
}

func TestResourceMetadataPath(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string]string{
		"https://api.test":            "",
		"https://api.test/":           "",
		"https://API.test:8443/mcp":   "/mcp",
		"https://api.test/a%20b/c":    "/a%20b/c",
		"http://127.0.0.1:8080/t/mcp": "/t/mcp",
	} {
		const wellKnown = "/.well-known/oauth-protected-resource"
		if got := authhttp.ResourceMetadataPath(resource); got != wellKnown+want {
			t.Errorf("the path of %s is %s, want …%s", resource, got, want)
		}
		scheme, rest, _ := strings.Cut(resource, "://")
		host, _, _ := strings.Cut(rest, "/")
		if got := authhttp.ResourceMetadataURL(resource); got != scheme+"://"+host+wellKnown+want {
			t.Errorf("the URL of %s is %s", resource, got)
		}
	}
	for _, wrong := range []string{"", "x", "http://api.test", "https://api.test?a"} {
		if got := authhttp.ResourceMetadataURL(wrong); got != "" {
			t.Errorf("the URL of %q is %q", wrong, got)
		}
	}
}
