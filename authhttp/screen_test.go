package authhttp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
)

// mountedRequests returns a request for each endpoint of a server whose prefix is /auth.
func mountedRequests() (requests []*http.Request) {
	for _, row := range authhttp.Table() {
		path := "/auth" + strings.Replace(row.Path, "{id}", strings.Repeat("A", 22), 1)
		if strings.HasPrefix(row.Path, "/.well-known/") {
			path = row.Path
		}
		if row.Name == authhttp.EndpointMetadata {
			path += "/tenant"
		}
		requests = append(requests, httptest.NewRequest(row.Method, path, nil))
	}
	return requests
}

// Every endpoint refuses credentials in the URL, whatever its method, and whether or not the caller
// has a valid token as well.
func TestCredentialsInEveryURL(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]authhttp.Config{"bearer": {}, "cookies": cookies(t, authhttp.CookieConfig{})} {
		s := newServer(t, cfg)
		in := must(s.accounts.Login(t.Context(), "ada", password))
		for _, r := range mountedRequests() {
			for _, parameter := range []string{"access_token", "token", "Password", "device_token", "id_token", "client_assertion"} {
				for _, authorization := range []string{"", "Bearer " + in.AccessToken} {
					r.URL.RawQuery = parameter + "=x"
					r.Header.Set("Authorization", authorization)
					w := httptest.NewRecorder()
					s.Config.Handler.ServeHTTP(w, r)
					if w.Code != 400 || !strings.Contains(w.Body.String(), "not in the URL") {
						t.Errorf("%s: %s %s: got %d %s, want 400", name, r.Method, r.URL, w.Code, w.Body)
					}
				}
			}
		}
	}
}

// With insecure cookies, every endpoint refuses requests for another host than localhost: a name of
// an attacker that resolves to this machine reaches none.
func TestInsecureCookiesAnswerLocalhostAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{DangerouslyInsecureLocalhost: true}))
	in := must(s.accounts.Login(t.Context(), "ada", password))
	for _, r := range mountedRequests() {
		for host, refused := range map[string]bool{"evil.test": true, "192.0.2.1": true, "": true, "localhost": false, "app.localhost:8080": false} {
			r.Host = host
			r.Header.Set("Authorization", "Bearer "+in.AccessToken)
			w := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(w, r)
			if refused != (w.Code == http.StatusMisdirectedRequest) {
				t.Errorf("%s %s for host %q: got %d %s, want 421: %t", r.Method, r.URL.Path, host, w.Code, w.Body, refused)
			}
		}
	}
}

// A page that anybody on the network can change is not trusted with cookies.
func TestPlainOrigins(t *testing.T) {
	t.Parallel()
	for origin, row := range map[string]struct{ secure, insecure, middleware bool }{
		"https://app.test":      {true, true, true},
		"http://app.test":       {},
		"http://10.0.0.1:8080":  {},
		"http://localhost:5173": {insecure: true, middleware: true}, // sends no secure cookies
		"http://127.0.0.1":      {insecure: true, middleware: true},
	} {
		for _, insecure := range []bool{false, true} {
			_, err := authhttp.NewCookies(authhttp.CookieConfig{
				RefreshPath: "/refresh", TrustedOrigins: []string{origin}, DangerouslyInsecureLocalhost: insecure,
			})
			if want := row.secure && !insecure || row.insecure && insecure; (err == nil) != want {
				t.Errorf("NewCookies, insecure: %t, with %s: got %v", insecure, origin, err)
			}
		}
		_, err := auth.NewMiddleware(new(accounts), auth.MiddlewareConfig{TrustedOrigins: []string{origin}})
		if (err == nil) != row.middleware {
			t.Errorf("NewMiddleware with %s: got %v", origin, err)
		}
	}
}

// Web views of apps and extensions are trusted by the origin that they send, and preview deployments by a
// pattern, at the endpoints and at the host's own routes.
func TestOriginsOfWebViews(t *testing.T) {
	t.Parallel()
	cfg := authhttp.CookieConfig{
		RefreshPath: "/auth/refresh", TrustedOrigins: []string{"capacitor://localhost", "tauri://localhost", "chrome-extension://abcdefghijklmnopabcdefghijklmnop"},
		DangerouslyTrustedSubdomains: []string{"https://*.preview.example"},
	}
	s := newServer(t, authhttp.Config{Cookies: must(authhttp.NewCookies(cfg))})
	guard := must(auth.NewMiddleware(s.accounts, auth.MiddlewareConfig{
		Extractors: []auth.Extractor{auth.Cookie("token")}, TrustedOrigins: cfg.TrustedOrigins, DangerouslyTrustedSubdomains: cfg.DangerouslyTrustedSubdomains,
	}))
	token := must(s.accounts.Login(t.Context(), "ada", password)).AccessToken
	for origin, status := range map[string]int{
		"capacitor://localhost": 200, "tauri://localhost": 200, "chrome-extension://abcdefghijklmnopabcdefghijklmnop": 200, "https://pr-7.preview.example": 200,
		"capacitor://evil": 403, "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba": 403, "https://preview.example": 403, "https://a.b.preview.example": 403, "null": 403,
	} {
		from := header{"Origin": origin, "Sec-Fetch-Site": "cross-site"}
		if a := s.call(s.Client(), "POST", "/auth/login", object("username", "ada", "password", password), from); a.status != status {
			t.Errorf("login from %s: got %d %s, want %d", origin, a.status, a.text, status)
		}
		r := httptest.NewRequest("POST", "/own", nil)
		r.Header.Set("Cookie", "token="+token)
		for field, value := range from {
			r.Header.Set(field, value)
		}
		if w := serveOnce(guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), r); w.Code != status {
			t.Errorf("own route from %s: got %d, want %d", origin, w.Code, status)
		}
	}
	cfg.DangerouslyTrustedSubdomains = []string{"https://*.vercel.app"}
	if _, err := authhttp.NewCookies(cfg); err == nil || !strings.Contains(err.Error(), "CookieConfig.DangerouslyTrustedSubdomains") {
		t.Errorf("a domain of strangers: got %v, want a fault", err)
	}
	if _, err := auth.NewMiddleware(s.accounts, auth.MiddlewareConfig{DangerouslyTrustedSubdomains: cfg.DangerouslyTrustedSubdomains}); err == nil || !strings.Contains(err.Error(), "MiddlewareConfig.DangerouslyTrustedSubdomains") {
		t.Errorf("a domain of strangers in a middleware: got %v, want a fault", err)
	}
}

// A registration names the device that it comes from.
func TestRegisterPassesDevice(t *testing.T) {
	t.Parallel()
	events := make(chan auth.Event, 16)
	s := newServerWith(t, authhttp.Config{}, func(_ *server, cfg *auth.Config) {
		cfg.Events = func(_ context.Context, e auth.Event) {
			if e.Kind == auth.EventRegistered && e.IP.IsValid() {
				events <- e
			}
		}
	})
	r := httptest.NewRequest("POST", "/auth/register", strings.NewReader(object("username", "bob", "password", password)))
	r.Header.Set("Content-Type", asJSON)
	r.Header.Set("User-Agent", "Browser/1")
	w := httptest.NewRecorder()
	s.Config.Handler.ServeHTTP(w, r)
	if w.Code != 201 || len(events) != 1 {
		t.Fatalf("register: got %d %s and %d events with an address, want 201 and 1", w.Code, w.Body, len(events))
	}
	if e := <-events; e.IP != netip.MustParseAddr("192.0.2.1") || e.UserAgent != "Browser/1" {
		t.Errorf("registered: got the device %+v, want 192.0.2.1 and Browser/1", e.Device)
	}
}

// serveOnce returns the answer of h to r.
func serveOnce(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
