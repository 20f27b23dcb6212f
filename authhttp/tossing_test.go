package authhttp_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authhttp"
)

// sibling is a browser that visits app.site.test, whose sibling evil.site.test sets cookies for
// their common parent site.test.
type sibling struct {
	*server
	*http.Client
}

func newSibling(t *testing.T, s *server) sibling {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	s.URL = "https://app.site.test"
	return sibling{s, &http.Client{Transport: transport, Jar: must(cookiejar.New(nil))}}
}

// plant sets cookies, given as in Set-Cookie, as evil.site.test.
func (b sibling) plant(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		cookie := must(http.ParseSetCookie(line))
		b.Jar.SetCookies(must(url.Parse("https://evil.site.test/")), []*http.Cookie{cookie})
	}
}

// login logs a user in with the browser.
func (b sibling) login(t *testing.T, username string) {
	t.Helper()
	b.server.call(b.Client, "POST", "/auth/login", object("username", username, "password", password), nil).want(t, "login of "+username, 200, "")
}

// refresh refreshes, and returns the answer and the user that the browser is logged in as.
func (b sibling) refresh() (refreshed answer, username string) {
	refreshed = b.server.call(b.Client, "POST", "/auth/refresh", "", header{"Sec-Fetch-Site": "same-origin"})
	return refreshed, b.server.call(b.Client, "GET", "/auth/me", "", nil).Username
}

// sent returns the values of a cookie that the browser sends to /auth/refresh.
func (b sibling) sent(name string) (values []string) {
	for _, cookie := range b.Jar.Cookies(must(url.Parse("https://app.site.test/auth/refresh"))) {
		if cookie.Name == name {
			values = append(values, cookie.Value)
		}
	}
	return values
}

// planted are the places from which a sibling's cookie is sent to /auth/refresh.
var planted = []string{"/", "/auth", "/auth/", "/auth/refresh"}

// A sibling subdomain can set cookies for the common parent, but it can neither log a browser in,
// nor switch it to another account, nor keep it from refreshing.
func TestPlantedRefreshTokens(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	s.register("mallory")
	token := must(s.accounts.Login(t.Context(), "mallory", password)).RefreshToken
	toss := func(value string) (lines []string) {
		for _, path := range planted {
			lines = append(lines, "__Secure-refresh="+value+"; Domain=site.test; Path="+path+"; Secure; HttpOnly; Max-Age=1000000")
		}
		return lines
	}

	// A browser that is not logged in stays so.
	b := newSibling(t, s)
	b.plant(t, toss(token)...)
	if refreshed, username := b.refresh(); refreshed.status != 401 || refreshed.Code != "no_credentials" || username != "" {
		t.Errorf("not logged in: got %d %s as %q, want 401 and nobody", refreshed.status, refreshed.text, username)
	}
	// The next login removes what was planted, and works.
	b.login(t, "ada")
	if left := b.sent("__Secure-refresh"); len(left) != 1 || slices.Contains(left, token) {
		t.Errorf("after the login: the browser sends the refresh tokens %v, want its own alone", left)
	}
	if refreshed, username := b.refresh(); refreshed.status != 200 || username != "ada" {
		t.Errorf("after the login: got %d %s as %q, want ada", refreshed.status, refreshed.text, username)
	}

	// In a browser that is logged in, a planted token is ignored, and removed by the refresh.
	for _, value := range []string{token, "garbage"} {
		b.plant(t, toss(value)...)
		if refreshed, username := b.refresh(); refreshed.status != 200 || username != "ada" {
			t.Errorf("logged in, %.10s: got %d %s as %q, want ada", value, refreshed.status, refreshed.text, username)
		}
		if left := b.sent("__Secure-refresh"); len(left) != 1 || left[0] == value {
			t.Errorf("logged in, %.10s: the browser sends the refresh tokens %v, want its own alone", value, left)
		}
	}
	if refreshed, username := b.refresh(); refreshed.status != 200 || username != "ada" || len(refreshed.header["Set-Cookie"]) != 4 {
		t.Errorf("afterwards: got %d with %v as %q, want ada and four cookies", refreshed.status, refreshed.header["Set-Cookie"], username)
	}

	// With a valid access token, but without a refresh token of its own, the browser keeps its user.
	b = newSibling(t, s)
	b.login(t, "ada")
	b.Jar.SetCookies(must(url.Parse("https://app.site.test/auth/refresh")), []*http.Cookie{
		{Name: "__Secure-refresh", Value: "x", Path: "/auth/refresh", MaxAge: -1, Secure: true},
	})
	b.plant(t, toss(token)...)
	if refreshed, username := b.refresh(); refreshed.status != 401 || username != "ada" {
		t.Errorf("without its own refresh token: got %d %s as %q, want 401 and still ada", refreshed.status, refreshed.text, username)
	}
	// A client that sends its token in the header is not stopped by a planted cookie.
	in := must(s.accounts.Login(t.Context(), "ada", password))
	withoutJar := &http.Client{Transport: b.Transport}
	s.call(withoutJar, "POST", "/auth/step-up", object("password", password), header{
		"Authorization": "Bearer " + in.AccessToken, "Cookie": "__Secure-refresh=" + token,
	}).want(t, "bearer token beside a planted cookie", 200, "")
}

// Planted cookies are expired for each domain and each path that a sibling can set them for, and no
// other. What is not a name gets no line.
func TestPlantedCookiesAreExpired(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	for host, domains := range map[string][]string{
		"app.site.test": {"app.site.test", "site.test"}, "App.Site.Test.:8443": {"app.site.test", "site.test"},
		"a.b.c.d.e.f.g.site.test": {"e.f.g.site.test", "f.g.site.test", "g.site.test", "site.test"}, "site.test": {"site.test"},
		"localhost": nil, "127.0.0.1:8080": nil, "[2001:db8::1]:443": nil, "a;b.site.test": nil, "": nil, "a..test": nil,
	} {
		r := must(http.NewRequest("POST", s.URL+"/auth/login", strings.NewReader(object("username", "ada", "password", password))))
		r.Host = host
		r.Header.Set("Content-Type", asJSON)
		w := serveOnce(s.Config.Handler, r)
		var want, got []string
		for _, domain := range domains {
			for _, path := range append(planted[:4:4], "/auth/logout") {
				want = append(want, "__Secure-refresh=; Path="+path+"; Domain="+domain+"; Max-Age=0; HttpOnly; Secure; SameSite=Strict")
			}
		}
		lines := w.Header()["Set-Cookie"]
		for i, line := range lines {
			if strings.Contains(line, "Max-Age=0") {
				got = append(got, line)
				if i >= len(want) {
					t.Errorf("host %q: cookie %d is expired, after new ones were set", host, i)
				}
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || len(lines) != len(want)+4 {
			t.Errorf("host %q: got %d cookies, and expired\n%s\nwant\n%s", host, len(lines), strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
