package authhttp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/recovery"
)

// A login whose access token does not fit into a cookie leaves no session behind, and uses no refresh
// token up. The log says what to do.
func TestTokenTooLargeLeavesNoSession(t *testing.T) {
	t.Parallel()
	var large atomic.Bool
	var log strings.Builder
	cfg := cookies(t, authhttp.CookieConfig{})
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := newServerWith(t, cfg, func(_ *server, cfg *auth.Config) {
		cfg.Claims = func(_ context.Context, _ auth.User, c *auth.Claims) error {
			for i := range 160 {
				if large.Load() {
					c.Roles = append(c.Roles, fmt.Sprintf("project-%03d-maintainer", i))
				}
			}
			return nil
		}
	})
	user := must(s.store.UserByUsername(t.Context(), "ada"))
	c := s.browser()
	call := func(path, body string, status, sessions int) {
		t.Helper()
		a := s.call(c, "POST", "/auth"+path, body, nil)
		if list := must(s.accounts.Sessions(t.Context(), user.ID)); a.status != status || len(list) != sessions {
			t.Errorf("%s: got %d %s and %d sessions, want %d and %d", path, a.status, a.text, len(list), status, sessions)
		}
	}
	login := object("username", "ada", "password", password)
	large.Store(true)
	call("/login", login, 500, 0)
	call("/login", form("username", "ada", "password", password), 500, 0)
	if text := log.String(); !strings.Contains(text, "fewer roles") || !strings.Contains(text, "__Host-access") {
		t.Errorf("the log says %s, want what to do", text)
	}
	s.call(c, "POST", "/auth/login/link/request", object("address", "ada@example.com"), nil).want(t, "link", 202, "")
	_, token := s.mail(recovery.KindLogin)
	call("/login/link", object("token", token), 500, 0)
	challenge := s.call(c, "POST", "/auth/login/code/request", object("address", "ada@example.com"), nil).want(t, "code", 202, "").Challenge
	m, _ := s.mail(recovery.KindCode)
	call("/login/code", object("challenge", challenge, "code", m.Code), 500, 0)
	s.codes.set("1")
	mfa := s.call(c, "POST", "/auth/login", login, nil).want(t, "one factor", 403, "mfa_required").MFA
	call("/login/mfa", object("mfa_token", mfa, "code", "1"), 500, 0)
	s.codes.none()

	large.Store(false)
	call("/login", login, 200, 1)
	large.Store(true)
	call("/refresh", "", 500, 1)
	call("/step-up", object("password", password), 500, 1)
	large.Store(false)
	call("/refresh", "", 200, 1)
	large.Store(true)
	call("/password", object("current_password", password, "new_password", password), 500, 0)

	// A client that gets its tokens in a body is not concerned.
	s.call(s.Client(), "POST", "/auth/token", form("grant_type", "refresh_token", "refresh_token", must(s.accounts.Login(t.Context(), "ada", password)).RefreshToken), nil).want(t, "token", 200, "")
}

// A host's own login puts its tokens into the cookies that the endpoints use, and takes them away.
func TestSetAndClear(t *testing.T) {
	t.Parallel()
	cfg := cookies(t, authhttp.CookieConfig{})
	s := newServer(t, cfg)
	user := must(s.store.UserByUsername(t.Context(), "ada"))
	mux := http.NewServeMux()
	mux.Handle("/", s.Config.Handler)
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		tokens, err := s.accounts.LoginUser(r.Context(), user.ID, "fed")
		if err == nil {
			err = cfg.Cookies.Set(w, r, tokens)
		}
		if err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /leave", func(w http.ResponseWriter, r *http.Request) { cfg.Cookies.Clear(w, r) })
	own := httptest.NewTLSServer(mux)
	defer own.Close()
	s.Server = own
	c := s.browser()
	for _, path := range []string{"/callback", "/leave"} {
		method := map[string]string{"/callback": "GET", "/leave": "POST"}[path]
		a := s.call(c, method, path, "", header{"Sec-Fetch-Site": "cross-site"})
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got headers %v, want no-store", path, a.header)
		}
		want := []string{"__Host-access", "__Host-refresh-id", "__Secure-refresh"}
		if path == "/leave" {
			want = nil
		}
		if got := s.names(c, "/auth/refresh"); !slices.Equal(got, want) {
			t.Errorf("after %s: got cookies %v, want %v", path, got, want)
		}
		if path == "/callback" {
			s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 200, "")
			s.call(c, "POST", "/auth/refresh", "", nil).want(t, "refresh", 200, "")
		}
	}
	if err := cfg.Cookies.Set(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), auth.Tokens{AccessToken: strings.Repeat("x", 5000)}); err == nil {
		t.Error("a token that is too large: got no error")
	}
	insecure := cookies(t, authhttp.CookieConfig{DangerouslyInsecureLocalhost: true}).Cookies
	for host, refused := range map[string]bool{"localhost": false, "evil.test": true} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Host = host
		err := insecure.Set(w, r, auth.Tokens{AccessToken: "eyJ", ExpiresIn: time.Minute})
		if (err != nil) != refused || (w.Header()["Set-Cookie"] == nil) != refused {
			t.Errorf("insecure cookies for %s: got %v with %v, want an error: %t", host, err, w.Header(), refused)
		}
	}
}

// Clear removes planted refresh tokens where the request shows them.
func TestClearRemovesPlantedTokens(t *testing.T) {
	t.Parallel()
	c := cookies(t, authhttp.CookieConfig{}).Cookies
	own := "__Host-refresh-id=" + authhttp.RefreshID("r") + "; __Secure-refresh=r"
	for cookie, want := range map[string]int{"": 4, own: 4, "__Secure-refresh=x": 4 + 2*5, own + "; __Secure-refresh=x": 4 + 2*5} {
		r, w := httptest.NewRequest("POST", "https://app.site.test/", nil), httptest.NewRecorder()
		r.Header.Set("Cookie", cookie)
		if c.Clear(w, r); len(w.Header()["Set-Cookie"]) != want {
			t.Errorf("%q: got %v, want %d cookies removed", cookie, w.Header()["Set-Cookie"], want)
		}
	}
}

// Two programs on one host, or on two ports of localhost, keep a session each.
func TestCookieNames(t *testing.T) {
	t.Parallel()
	for _, insecure := range []bool{false, true} {
		mux := http.NewServeMux()
		prefixes := []string{"/shop", "/admin", ""}
		var b *server
		for _, prefix := range prefixes {
			c := must(authhttp.NewCookies(authhttp.CookieConfig{
				Name: strings.TrimPrefix(prefix, "/"), RefreshPath: prefix + "/auth/refresh", DangerouslyInsecureLocalhost: insecure,
			}))
			b = newServer(t, authhttp.Config{Cookies: c})
			mux.Handle(prefix+"/", http.StripPrefix(prefix, b.Config.Handler))
		}
		one := httptest.NewTLSServer(mux)
		defer one.Close()
		b.Server = one
		b.URL = strings.Replace(one.URL, "127.0.0.1", "localhost", 1)
		transport := one.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.InsecureSkipVerify = true
		browser := b.browser()
		browser.Transport = transport
		for _, prefix := range prefixes {
			b.call(browser, "POST", prefix+"/auth/login", object("username", "ada", "password", password), nil).want(t, prefix+": login", 200, "")
		}
		for i, prefix := range prefixes {
			b.call(browser, "GET", prefix+"/auth/me", "", nil).want(t, prefix+": me", 200, "")
			b.call(browser, "POST", prefix+"/auth/refresh", "", nil).want(t, prefix+": refresh", 200, "")
			b.call(browser, "POST", prefix+"/auth/logout", "", nil).want(t, prefix+": logout", 204, "")
			for _, other := range prefixes[i+1:] {
				b.call(browser, "GET", other+"/auth/me", "", nil).want(t, other+": me after the logout of "+prefix, 200, "")
			}
		}
	}
	c := must(authhttp.NewCookies(authhttp.CookieConfig{Name: "shop", RefreshPath: "/auth/refresh"}))
	w := post(authhttp.Login(&accounts{tokens: auth.Tokens{AccessToken: "eyJ", RefreshToken: "r", DeviceToken: "d"}}, authhttp.Config{Cookies: c}), "/", asJSON, `{"username":"ada","password":"s3cr3t"}`)
	var names []string
	for _, line := range w.Header()["Set-Cookie"] {
		if name, _, _ := strings.Cut(line, "="); !strings.Contains(line, "Max-Age=0") {
			names = append(names, name)
		}
	}
	if want := []string{"__Host-shop-access", "__Secure-shop-refresh", "__Secure-shop-refresh", "__Host-shop-refresh-id", "__Host-shop-device"}; !slices.Equal(names, want) {
		t.Errorf("got cookies %v, want %v", names, want)
	}
	for name, valid := range map[string]bool{
		"a": true, "Shop_2-x": true, strings.Repeat("x", 32): true,
		strings.Repeat("x", 33): false, "a b": false, "a=b": false, "a;b": false, "ä": false, "__Host-\n": false,
	} {
		_, err := authhttp.NewCookies(authhttp.CookieConfig{Name: name, RefreshPath: "/refresh"})
		fault, refused := errors.AsType[*auth.ConfigError](err)
		if refused == valid || refused && fault.Field != "authhttp.CookieConfig.Name" {
			t.Errorf("Name %q: got %v, want valid: %t", name, err, valid)
		}
	}
}
