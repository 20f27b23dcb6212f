package origin_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/origin"
)

func TestNewHosts(t *testing.T) {
	t.Parallel()
	good := []string{"api.test", "api.test:8443", "localhost:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080"}
	bad := []string{
		"", "API.test", "https://api.test", "api.test/", "api.test/a", "api.test:", "api.test:443", "api.test:80", ":8080", "ada@api.test",
		"api.test:x", "api.test?", "api test", "*", "*.api.test", "::1", "api.test\n",
	}
	var faults []string
	hosts := origin.NewHosts(slices.Concat(good, bad), func(field, host, reason string) {
		if field != "Hosts" || reason != origin.HostFault {
			t.Errorf("%q: the fault is in %s: %s", host, field, reason)
		}
		faults = append(faults, host)
	})
	if !slices.Equal(faults, bad) {
		t.Errorf("faults in %q, want %q", faults, bad)
	}
	good[0] = "evil.test"
	if hosts[0] != "api.test" {
		t.Error("the hosts change with the slice that they were made of")
	}
}

func TestCheckHost(t *testing.T) {
	t.Parallel()
	none := func(field, value, _ string) { t.Errorf("a fault of %s in %q", field, value) }
	p := origin.NewProtection([]string{"https://app.test", "capacitor://localhost"}, []string{"https://*.preview.example"}, none)
	hosts := origin.NewHosts([]string{"api.test", "127.0.0.1:8080"}, none)
	for _, row := range []struct {
		host, origin string
		want         bool
	}{
		{"api.test", "", true},
		{"API.test", "", true},
		{"api.test:443", "", true},
		{"api.test:80", "", true},
		{"127.0.0.1:8080", "", true},
		{"api.test:8080", "", false},
		{"127.0.0.1", "", false},
		{"localhost:8080", "", false},
		{"evil.test", "", false},
		{"api.test.evil.test", "", false},
		{"", "", false},
		{"api.test", "https://api.test", true},
		{"api.test", "https://api.test:443", true},
		{"api.test", "http://127.0.0.1:8080", true},
		{"api.test", "https://app.test", true},
		{"api.test", "capacitor://localhost", true},
		{"api.test", "https://pr-1.preview.example", true},
		{"api.test", "https://evil.test", false},
		{"api.test", "null", false},
		{"api.test", "", true},
		{"api.test", "api.test", false},
		{"api.test", "ftp://api.test", false},
		{"api.test", "https://app.test.evil.test", false},
		{"api.test", "https://preview.example", false},
		{"evil.test", "https://evil.test", false}, // DNS rebinding
		{"evil.test", "https://app.test", false},
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			r := httptest.NewRequest(method, "http://x/", nil)
			r.Host = row.host
			if row.origin != "" {
				r.Header.Set("Origin", row.origin)
			}
			if err := p.CheckHost(hosts, r); (err == nil) != row.want {
				t.Errorf("%s at %q from %q: %v, want allowed: %t", method, row.host, row.origin, err, row.want)
			}
			if err := p.CheckHost(nil, r); err != nil {
				t.Errorf("%s at %q from %q, with no hosts: %v", method, row.host, row.origin, err)
			}
		}
	}
	r := httptest.NewRequest("POST", "http://api.test/", nil)
	r.Header["Origin"] = []string{"https://api.test", "https://api.test"}
	if p.CheckHost(hosts, r) == nil {
		t.Error("two origins are allowed")
	}
	r.Header["Origin"] = []string{""}
	if p.CheckHost(hosts, r) == nil {
		t.Error("an empty origin is allowed")
	}
}

func TestPublic(t *testing.T) {
	t.Parallel()
	h := origin.Public(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			t.Error("OPTIONS reaches the document")
		}
		w.Write([]byte("document"))
	}))
	for _, method := range []string{"GET", "OPTIONS"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		header := w.Result().Header
		if header.Get("Access-Control-Allow-Origin") != "*" || header["Access-Control-Allow-Credentials"] != nil {
			t.Errorf("%s: %v", method, header)
		}
		if method == "OPTIONS" && (w.Code != 204 || w.Body.Len() > 0 || header.Get("Allow") != origin.PublicMethods ||
			!strings.Contains(header.Get("Access-Control-Allow-Headers"), "MCP-Protocol-Version")) {
			t.Errorf("OPTIONS: %d %v %s", w.Code, header, w.Body)
		}
	}
}
