package authhttp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/throttle"
)

// caseLines returns the lines of a file of testdata/cases, without those at its head that say what is
// expected and why.
func caseLines(t *testing.T, name string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "cases", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// caseRequest returns the request of a file of testdata/cases.
func caseRequest(t *testing.T, name, base string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(strings.Join(caseLines(t, name), "\r\n"), "\r\n\r\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\nHost: example.com\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	target := must(url.Parse(base))
	r.RequestURI, r.URL.Scheme, r.URL.Host, r.Host = "", target.Scheme, target.Host, ""
	if body = strings.TrimSpace(body); body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	return r
}

const casePassword = "correct horse battery" // of the requests in testdata/cases

func TestCaseLogins(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]authhttp.Config{
		"60-login-space.http": {}, "61-login-email-member.http": {Members: map[string]string{"username": "email"}, Extra: []string{"_csrf"}},
	} {
		s := newServer(t, cfg)
		must(s.accounts.Register(t.Context(), "ada@example.com", casePassword))
		res := must(s.Client().Do(caseRequest(t, name, s.URL)))
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s: got %s, want 200", name, res.Status)
		}
	}
}

func TestCaseLogout(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	res := must(s.Client().Do(caseRequest(t, "62-logout-after-15-minutes.http", s.URL)))
	res.Body.Close()
	removed := strings.Join(res.Header["Set-Cookie"], "\n")
	if res.StatusCode != 204 || !strings.Contains(removed, "__Host-access=; Path=/; Max-Age=0") || !strings.Contains(removed, "__Secure-refresh=; Path=/auth/refresh; Max-Age=0") {
		t.Errorf("got %s with %v, want 204 and both cookies removed", res.Status, removed)
	}
}

// Behind a unix socket the proxy is trusted by its own setting, and guesses are counted by the network that
// it names.
func TestCaseUnixSocket(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, authhttp.Config{ClientIP: must(authhttp.TrustUnixSocket())}, func(s *server, cfg *auth.Config) {
		cfg.Throttle = must(throttle.New(s.store, throttle.Config{}))
	})
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	behind := &httptest.Server{Listener: listener, Config: &http.Server{Handler: s.Config.Handler}}
	behind.Start()
	defer behind.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	got := map[int]int{}
	for range 12 {
		res := must(client.Do(caseRequest(t, "68-unix-socket.http", "http://localhost")))
		res.Body.Close()
		got[res.StatusCode]++
	}
	if got[401] != 5 || got[429] != 7 {
		t.Errorf("12 wrong passwords: got %v, want 5 times 401 and 7 times 429", got)
	}
}

func TestCaseTrustedOrigins(t *testing.T) {
	t.Parallel()
	for _, origin := range caseLines(t, "69-trusted-origins.txt") {
		if origin == "" {
			continue
		}
		cfg := authhttp.CookieConfig{RefreshPath: "/auth/refresh", TrustedOrigins: []string{origin}}
		if strings.Contains(origin, "*") {
			cfg.TrustedOrigins, cfg.DangerouslyTrustedSubdomains = nil, []string{origin}
		}
		if _, err := authhttp.NewCookies(cfg); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
		if _, err := auth.NewMiddleware(new(accounts), auth.MiddlewareConfig{TrustedOrigins: cfg.TrustedOrigins, DangerouslyTrustedSubdomains: cfg.DangerouslyTrustedSubdomains}); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
}
