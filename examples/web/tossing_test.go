package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// refreshTokens returns the values of the refresh tokens that the browser sends.
func (b *browser) refreshTokens() (values []string) {
	b.t.Helper()
	for _, c := range b.cookies() {
		if c.Name == "__Secure-refresh" {
			values = append(values, c.Value)
		}
	}
	return values
}

// TestPlantedCookies checks that a sibling subdomain, which can set cookies for the common parent
// domain, can neither log a browser in nor switch it to another account, nor keep it from refreshing.
func TestPlantedCookies(t *testing.T) {
	t.Parallel()
	s := serveTest(t, true)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	t.Cleanup(client.CloseIdleConnections)
	body := `{"username":"mallory","password":"` + password + `"}`
	mallory, digest := "", ""
	for _, path := range []string{"/auth/register", "/auth/login"} {
		res, err := client.Post(s.url+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		for _, c := range res.Cookies() {
			switch {
			case c.Name == "__Secure-refresh" && c.Value != "":
				mallory = c.Value
			case c.Name == "__Host-refresh-id":
				digest = c.Value
			}
		}
	}
	if mallory == "" || digest == "" {
		t.Fatal("the login of mallory gives no refresh token, or no digest")
	}
	paths := []string{"/", "/auth", "/auth/", "/auth/refresh"}
	s.sibling = func(w http.ResponseWriter, r *http.Request) {
		for _, path := range paths {
			w.Header().Add("Set-Cookie", "__Secure-refresh="+r.URL.Query().Get("value")+"; Domain=site.test; Path="+path+"; Secure; HttpOnly; Max-Age=1000000")
		}
		// The browser refuses these: a cookie with this prefix, also hidden in the value of a cookie
		// without a name, is for one host.
		for _, attributes := range []string{"; Domain=site.test; Path=/; Secure", "; Domain=site.test; Path=/auth/refresh; Secure", "; Path=/; Secure"} {
			w.Header().Add("Set-Cookie", "__Host-refresh-id="+digest+attributes)
			w.Header().Add("Set-Cookie", "=__Host-refresh-id="+digest+attributes)
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<title>planted</title>planted")
	}
	server, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	s.url = "https://app.site.test:" + server.Port()
	b := s.open(t)
	plant := func(value string) {
		t.Helper()
		before := len(b.refreshTokens())
		b.do("visit the sibling", chromedp.Navigate("https://evil.site.test:"+server.Port()+"/planted?value="+value))
		b.at("/planted", "planted")
		if n := len(b.refreshTokens()) - before; n != len(paths) {
			t.Fatalf("the sibling planted %d cookies, want %d", n, len(paths))
		}
	}
	deleteCookie := func(name, path string) {
		t.Helper()
		b.do("delete "+name, command(network.DeleteCookies, network.DeleteCookiesParams{Name: name, Domain: "app.site.test", Path: path}))
	}

	// A visitor who is not logged in does not become mallory.
	plant(mallory)
	b.visit("/")
	b.at("/login", "Log in")
	if n := s.refreshes.Load(); n != 0 {
		t.Errorf("with planted cookies, %d refreshes succeed", n)
	}

	// The next login removes what was planted.
	b.register()
	if got := b.refreshTokens(); len(got) != 1 || got[0] == mallory {
		t.Errorf("after the login the browser sends %d refresh tokens, want its own alone", len(got))
	}

	// The page refreshes with its own token, whatever is planted beside it.
	for _, value := range []string{mallory, "garbage"} {
		plant(value)
		deleteCookie("__Host-access", "/")
		before := s.refreshes.Load()
		b.visit("/")
		b.at("/account", "ada")
		if n := s.refreshes.Load() - before; n != 1 {
			t.Errorf("beside planted cookies the page refreshes %d times, want 1", n)
		}
		if got := b.refreshTokens(); len(got) != 1 || got[0] == value {
			t.Errorf("after the refresh the browser sends %d refresh tokens, want its own alone", len(got))
		}
	}

	// Without a refresh token of its own, a browser that is logged in is not switched to mallory.
	plant(mallory)
	deleteCookie("__Secure-refresh", "/auth/refresh")
	if got := b.refreshTokens(); len(got) != len(paths) {
		t.Fatalf("the browser sends %d refresh tokens, want the %d planted ones", len(got), len(paths))
	}
	b.visit("/nowhere") // the policy of the pages lets no script ask
	if status := evaluate[int](b, `fetch("/auth/refresh", {method: "POST"}).then((reply) => reply.status)`); status != http.StatusUnauthorized {
		t.Errorf("a refresh with planted cookies alone is answered %d, want 401", status)
	}
	if got := evaluate[string](b, `fetch("/auth/me").then((reply) => reply.text())`); !strings.Contains(got, `"ada"`) {
		t.Errorf("after the refresh the browser is logged in as %s, want ada", got)
	}
}
