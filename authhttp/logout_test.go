package authhttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
)

// names returns the cookies that a browser sends to a path of the server, by name.
func (s *server) names(c *http.Client, path string) (names []string) {
	for _, cookie := range c.Jar.Cookies(must(url.Parse(s.URL + path))) {
		names = append(names, cookie.Name)
	}
	slices.Sort(names)
	return names
}

// forget removes a cookie from a browser.
func (s *server) forget(c *http.Client, name, path string) {
	c.Jar.SetCookies(must(url.Parse(s.URL+path)), []*http.Cookie{{Name: name, Path: path, MaxAge: -1, Secure: true}})
}

// A logout ends the session by what the browser has left of it, and removes all its cookies.
func TestLogoutByWhatIsLeft(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	page := header{"Sec-Fetch-Site": "same-origin", "Origin": s.URL}
	for name, row := range map[string]struct {
		lose   func(c *http.Client)
		body   string
		header header
		alive  bool // the session is not known to the browser any more
	}{
		"everything":    {lose: func(*http.Client) {}},
		"empty object":  {lose: func(*http.Client) {}, body: "{}"},
		"form":          {lose: func(*http.Client) {}, body: form("_csrf", "x", "button", "log out")},
		"multipart":     {lose: func(*http.Client) {}, body: multipartBody("button", "log out"), header: header{"Content-Type": asData}},
		"access gone":   {lose: func(c *http.Client) { s.forget(c, "__Host-access", "/") }},
		"access, form":  {lose: func(c *http.Client) { s.forget(c, "__Host-access", "/") }, body: form("button", "log out")},
		"refresh gone":  {lose: func(c *http.Client) { s.forget(c, "__Secure-refresh", "/auth/logout") }},
		"digest gone":   {lose: func(c *http.Client) { s.forget(c, "__Host-refresh-id", "/") }},
		"all but copy":  {lose: func(c *http.Client) { s.forget(c, "__Host-access", "/"); s.forget(c, "__Host-refresh-id", "/") }, alive: true},
		"access broken": {lose: func(c *http.Client) { s.set(c, "__Host-access", "eyJ.eyJ.x") }},
		"access forged": {lose: func(c *http.Client) {
			s.set(c, "__Host-access", "eyJ.eyJ.x")
			s.forget(c, "__Secure-refresh", "/auth/logout")
		}, alive: true},
		"nothing": {lose: func(c *http.Client) {
			s.forget(c, "__Host-access", "/")
			s.forget(c, "__Secure-refresh", "/auth/logout")
		}, alive: true},
	} {
		c := s.browser()
		s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), page).want(t, name+": login", 200, "")
		refresh := ""
		for _, cookie := range c.Jar.Cookies(must(url.Parse(s.URL + "/auth/refresh"))) {
			if cookie.Name == "__Secure-refresh" {
				refresh = cookie.Value
			}
		}
		row.lose(c)
		h := header{"Sec-Fetch-Site": "same-origin"}
		for field, value := range row.header {
			h[field] = value
		}
		out := s.call(c, "POST", "/auth/logout", row.body, h).want(t, name, 204, "")
		if len(out.header["Set-Cookie"]) != 4 {
			t.Errorf("%s: got %v, want four cookies removed", name, out.header["Set-Cookie"])
		}
		for _, path := range []string{"/", "/auth/refresh", "/auth/logout"} {
			if left := s.names(c, path); len(left) > 0 {
				t.Errorf("%s: the browser keeps %v for %s", name, left, path)
			}
		}
		_, err := s.accounts.Refresh(t.Context(), refresh)
		if alive := err == nil; alive != row.alive || !alive && !errors.Is(err, auth.ErrInvalidGrant) {
			t.Errorf("%s: the refresh token gives %v, want a living session: %t", name, err, row.alive)
		}
	}
}

// set sets a cookie of the whole host.
func (s *server) set(c *http.Client, name, value string) {
	c.Jar.SetCookies(must(url.Parse(s.URL)), []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

// A browser without any cookie, whose session has long expired, is logged out like any other.
func TestLogoutWithoutCookies(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	for _, cookie := range []string{"", "other=1", "__Host-access=a; __Host-access=b"} {
		out := s.call(s.Client(), "POST", "/auth/logout", "", header{"Cookie": cookie}).want(t, "logout with "+cookie, 204, "")
		removed := strings.Join(out.header["Set-Cookie"], "\n")
		for _, line := range []string{
			"__Host-access=; Path=/; Max-Age=0", "__Secure-refresh=; Path=/auth/refresh; Max-Age=0",
			"__Secure-refresh=; Path=/auth/logout; Max-Age=0", "__Host-refresh-id=; Path=/; Max-Age=0",
		} {
			if !strings.Contains(removed, line) {
				t.Errorf("logout with %q: got cookies\n%s\nwant %s", cookie, removed, line)
			}
		}
	}
	// Another origin removes no cookies, and a client that sends its token in a header is told that it
	// has expired.
	out := s.call(s.Client(), "POST", "/auth/logout", form("x", "y"), header{"Origin": "https://evil.test"}).want(t, "cross-origin", 403, "cross_origin")
	if out.header["Set-Cookie"] != nil {
		t.Errorf("cross-origin: got cookies %v, want none", out.header["Set-Cookie"])
	}
	s.call(s.Client(), "POST", "/auth/logout", "", bearer("eyJ.eyJ.x")).want(t, "expired token in a header", 401, "invalid_token")
	s.call(s.Client(), "POST", "/auth/logout", object("refresh_token", "x"), nil).want(t, "token in the body", 400, "invalid_request")
}

// A sibling subdomain cannot make a logout end the session of a token that it has planted.
func TestLogoutIgnoresPlantedTokens(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	s.register("mallory")
	token := must(s.accounts.Login(t.Context(), "mallory", password)).RefreshToken
	b := newSibling(t, s)
	b.login(t, "ada")
	own := b.sent("__Secure-refresh")[0]
	for _, path := range []string{"/", "/auth", "/auth/logout"} {
		b.plant(t, "__Secure-refresh="+token+"; Domain=site.test; Path="+path+"; Secure; HttpOnly; Max-Age=1000000")
	}
	s.forget(b.Client, "__Host-access", "/")
	s.call(b.Client, "POST", "/auth/logout", "", header{"Sec-Fetch-Site": "same-origin"}).want(t, "logout", 204, "")
	if _, err := s.accounts.Refresh(t.Context(), own); !errors.Is(err, auth.ErrInvalidGrant) {
		t.Errorf("the own session: got %v, want that it has ended", err)
	}
	if _, err := s.accounts.Refresh(t.Context(), token); err != nil {
		t.Errorf("the planted session: got %v, want that it goes on", err)
	}
}

// A form takes the refresh token where there are no cookies.
func TestLogoutByForm(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	in := s.login()
	s.call(s.Client(), "POST", "/auth/logout", form("token", in.Refresh), nil).want(t, "another member", 400, "invalid_request")
	s.call(s.Client(), "POST", "/auth/logout", form("refresh_token", in.Refresh), nil).want(t, "form", 204, "")
	s.call(s.Client(), "POST", "/auth/refresh", object("refresh_token", in.Refresh), nil).want(t, "refresh", 400, "invalid_grant")
}

// outage is a store of sessions that can be down.
type outage struct {
	auth.SessionStore
	down atomic.Bool
}

func (o *outage) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	if o.down.Load() {
		return auth.Session{}, time.Time{}, context.DeadlineExceeded
	}
	return o.SessionStore.Session(ctx, id)
}

// If the store is down, the browser is logged out all the same, and can end the session later.
func TestLogoutWhileTheStoreIsDown(t *testing.T) {
	t.Parallel()
	var store *outage
	s := newServerWith(t, cookies(t, authhttp.CookieConfig{}), func(_ *server, cfg *auth.Config) {
		store = &outage{SessionStore: cfg.Sessions}
		cfg.Sessions = store
	})
	c := s.browser()
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "")
	store.down.Store(true)
	s.call(c, "POST", "/auth/logout", "", nil).want(t, "logout", 503, "unavailable")
	if left := s.names(c, "/auth/refresh"); !slices.Equal(left, []string{"__Host-refresh-id"}) {
		t.Errorf("the browser keeps %v, want nothing that opens the account", left)
	}
	store.down.Store(false)
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 401, "no_credentials")
	s.call(c, "POST", "/auth/refresh", "", nil).want(t, "refresh", 401, "no_credentials")
	s.call(c, "POST", "/auth/logout", "", nil).want(t, "another logout", 204, "")
	user := must(s.store.UserByUsername(t.Context(), "ada"))
	if list := must(s.accounts.Sessions(t.Context(), user.ID)); len(list) > 0 {
		t.Errorf("the sessions %v are left, want none", list)
	}

	// Without a refresh token the answer is that of the access token.
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "")
	s.forget(c, "__Secure-refresh", "/auth/logout")
	store.down.Store(true)
	out := s.call(c, "POST", "/auth/logout", "", nil).want(t, "logout by access token", 503, "unavailable")
	if len(out.header["Set-Cookie"]) != 4 {
		t.Errorf("logout by access token: got %v, want four cookies removed", out.header)
	}
}

// The path of Logout can be another one than beside that of Refresh.
func TestLogoutPath(t *testing.T) {
	t.Parallel()
	for path, valid := range map[string]bool{"": true, "/bye": true, "/auth/refresh": false, "bye": false, "/": false, "/a;b": false} {
		c, err := authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/auth/refresh", LogoutPath: path})
		if (err == nil) != valid {
			t.Errorf("LogoutPath %q: got %v, want valid: %t", path, err, valid)
		}
		if err != nil {
			continue
		}
		a := &accounts{tokens: auth.Tokens{AccessToken: "eyJ", RefreshToken: "r"}}
		w := post(authhttp.Login(a, authhttp.Config{Cookies: c}), "/", asJSON, `{"username":"ada","password":"s3cr3t"}`)
		want := "__Secure-refresh=r; Path=" + path
		if path == "" {
			want = "__Secure-refresh=r; Path=/auth/logout"
		}
		if lines := w.Header()["Set-Cookie"]; !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want) }) {
			t.Errorf("LogoutPath %q: got cookies %v, want %s", path, lines, want)
		}
	}
	s := newServer(t, authhttp.Config{})
	elsewhere := must(authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/auth/refresh", LogoutPath: "/bye"}))
	guard := must(auth.NewMiddleware(s.accounts, auth.MiddlewareConfig{Extractors: []auth.Extractor{elsewhere.Extractor()}}))
	cfg := authhttp.MountConfig{Config: authhttp.Config{Cookies: elsewhere}}
	if err := authhttp.Mount(http.NewServeMux(), "/auth", s.accounts, guard, cfg); err == nil || !strings.Contains(err.Error(), "CookieConfig.LogoutPath") {
		t.Errorf("Mount: got %v, want a fault of LogoutPath", err)
	}
	if err := authhttp.Mount(http.NewServeMux(), "/auth", s.accounts, guard, cfg, authhttp.EndpointLogin); err != nil {
		t.Errorf("Mount without a logout: got %v", err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/bye", nil)
	r.Header.Set("Cookie", "__Host-refresh-id="+authhttp.RefreshID("r")+"; __Secure-refresh=r")
	a := new(accounts)
	if authhttp.Logout(a, guard, cfg.Config).ServeHTTP(w, r); w.Code != 204 || a.token != "r" {
		t.Errorf("logout elsewhere: got %d %s of %q, want 204 of the token", w.Code, w.Body, a.token)
	}
}
