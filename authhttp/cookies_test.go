package authhttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
)

// cookies returns a Config with Cookies for a Refresh at /auth/refresh.
func cookies(t *testing.T, cfg authhttp.CookieConfig) authhttp.Config {
	t.Helper()
	cfg.RefreshPath = "/auth/refresh"
	c, err := authhttp.NewCookies(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return authhttp.Config{Cookies: c}
}

func TestCookieConfig(t *testing.T) {
	t.Parallel()
	for field, cfg := range map[string]authhttp.CookieConfig{
		"":               {RefreshPath: "/auth/refresh", SameSite: http.SameSiteStrictMode, TrustedOrigins: []string{"https://app.test"}},
		"SameSite":       {RefreshPath: "/refresh", SameSite: http.SameSiteNoneMode},
		"TrustedOrigins": {RefreshPath: "/refresh", TrustedOrigins: []string{"https://App.test"}},
	} {
		_, err := authhttp.NewCookies(cfg)
		fault, hasFault := errors.AsType[*auth.ConfigError](err)
		if hasFault != (field != "") || hasFault && fault.Field != "authhttp.CookieConfig."+field {
			t.Errorf("field %q: got %v", field, err)
		}
	}
	for _, path := range []string{"", "/", "refresh", "/auth/refresh/", "/auth//refresh", "/a;b", "/a b", "/ä", "/../x", "/a%41", "/a\n", "/a,b"} {
		if _, err := authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: path}); err == nil {
			t.Errorf("RefreshPath %q is accepted", path)
		}
	}
}

// Cookies have every attribute that RFC 6265bis and the prefixes of their names ask for, and no
// token is in a body.
func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	in := s.call(s.Client(), "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "")
	if in.Access != "" || in.Refresh != "" || !strings.Contains(in.text, `"expires_in":900`) {
		t.Errorf("login: got %s, want the lifetime and no tokens", in.text)
	}
	check := func(what string, header http.Header, age func(name string) string) {
		t.Helper()
		lines := header["Set-Cookie"]
		for i, row := range []struct{ name, attributes string }{
			{"__Host-access", "; HttpOnly; Secure; SameSite=Lax"}, {"__Secure-refresh", "; HttpOnly; Secure; SameSite=Strict"},
			{"__Secure-refresh", "; HttpOnly; Secure; SameSite=Strict"}, {"__Host-refresh-id", "; HttpOnly; Secure; SameSite=Strict"},
		} {
			path := []string{"; Path=/", "; Path=/auth/refresh", "; Path=/auth/logout", "; Path=/"}[i]
			if len(lines) != 4 || !strings.HasPrefix(lines[i], row.name+"=") || !strings.HasSuffix(lines[i], path+"; Max-Age="+age(row.name)+row.attributes) {
				t.Errorf("%s: got cookies %v, want %s with %s", what, lines, row.name, row.attributes)
			}
		}
	}
	check("login", in.header, func(name string) string {
		return map[string]string{"__Host-access": "900", "__Secure-refresh": "1209600", "__Host-refresh-id": "1209600"}[name]
	})
	c := s.browser()
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "")
	out := s.call(c, "POST", "/auth/logout", "", nil).want(t, "logout", 204, "")
	check("logout", out.header, func(string) string { return "0" })

	strict := newServer(t, cookies(t, authhttp.CookieConfig{SameSite: http.SameSiteStrictMode}))
	in = strict.call(strict.Client(), "POST", "/auth/login", object("username", "ada", "password", password), nil)
	if n := strings.Count(strings.Join(in.header["Set-Cookie"], "\n"), "SameSite=Strict"); n != 4 {
		t.Errorf("login: got cookies %v, want all SameSite=Strict", in.header["Set-Cookie"])
	}
}

// A browser logs in, calls endpoints, refreshes, changes the password and logs out with nothing but
// cookies, and sends its refresh token to one path only.
func TestBrowser(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	c := s.browser()
	page := header{"Sec-Fetch-Site": "same-origin", "Origin": s.URL}
	cookiesSentTo := func(path string) []*http.Cookie { return c.Jar.Cookies(must(url.Parse(s.URL + path))) }
	names := func(path string) (names []string) {
		for _, cookie := range cookiesSentTo(path) {
			names = append(names, cookie.Name)
		}
		slices.Sort(names)
		return names
	}
	login := func() {
		t.Helper()
		s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), page).want(t, "login", 200, "")
	}
	s.call(c, "POST", "/auth/refresh", "", page).want(t, "refresh without cookies", 401, "no_credentials")
	login()
	for path, want := range map[string][]string{
		"/": {"__Host-access", "__Host-refresh-id"}, "/auth/logout": {"__Host-access", "__Host-refresh-id", "__Secure-refresh"},
		"/auth/refresh":   {"__Host-access", "__Host-refresh-id", "__Secure-refresh"},
		"/auth/refreshed": {"__Host-access", "__Host-refresh-id"},
	} {
		if got := names(path); !slices.Equal(got, want) {
			t.Errorf("cookies sent to %s: got %v, want %v", path, got, want)
		}
	}
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 200, "")
	before := cookiesSentTo("/auth/refresh")
	refreshed := s.call(c, "POST", "/auth/refresh", "", page).want(t, "refresh", 200, "")
	after := cookiesSentTo("/auth/refresh")
	if refreshed.Access+refreshed.Refresh != "" || len(after) != 3 || before[0].Value == after[0].Value || before[1].Value == after[1].Value || before[2].Value == after[2].Value {
		t.Errorf("refresh: got %s, want no tokens in the body and three new cookies", refreshed.text)
	}
	s.call(c, "POST", "/auth/refresh", "{}", page).want(t, "refresh with an empty object", 200, "")
	s.call(c, "POST", "/auth/refresh", object("refresh_token", after[0].Value), page).want(t, "refresh by a body", 400, "invalid_request")

	changed := s.call(c, "POST", "/auth/password", object("current_password", password, "new_password", password), page).want(t, "change", 200, "")
	if changed.Access != "" || len(changed.header["Set-Cookie"]) != 4 {
		t.Errorf("change: got %s with %v, want the tokens in cookies", changed.text, changed.header)
	}
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 200, "")
	s.call(c, "POST", "/auth/logout", "", page).want(t, "logout", 204, "")
	if got := names("/auth/refresh"); len(got) != 0 {
		t.Errorf("after logout: got cookies %v, want none", got)
	}
	s.call(c, "POST", "/auth/logout", "", page).want(t, "another logout", 204, "")

	// A refresh removes the cookies if another device has ended the session.
	login()
	me := s.call(c, "GET", "/auth/me", "", nil)
	if err := s.accounts.EndSessions(t.Context(), me.ID, ""); err != nil {
		t.Fatal(err)
	}
	s.call(c, "POST", "/auth/refresh", "", page).want(t, "refresh of an ended session", 400, "invalid_grant")
	if got := names("/auth/refresh"); len(got) != 0 {
		t.Errorf("after the session has ended: got cookies %v, want none", got)
	}

	// Ending the own session removes the cookies, too.
	login()
	own := s.call(c, "GET", "/auth/sessions", "", nil).Sessions
	s.call(c, "DELETE", "/auth/sessions/"+own[0].ID, "", page).want(t, "ending one's own", 204, "")
	if got := names("/auth/refresh"); len(own) != 1 || len(got) != 0 {
		t.Errorf("after ending the own session of %v: got cookies %v, want none", own, got)
	}
}

// A request that another origin causes changes nothing and logs nobody in, with or without cookies.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{TrustedOrigins: []string{"https://app.test"}}))
	c := s.browser()
	credentials := form("username", "ada", "password", password)
	s.call(c, "POST", "/auth/login", credentials, nil).want(t, "login", 200, "")
	own := s.call(c, "GET", "/auth/sessions", "", nil).Sessions[0].ID
	for name, from := range map[string]header{
		"cross-site":   {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"},
		"same-site":    {"Sec-Fetch-Site": "same-site", "Origin": "https://sub.test"},
		"origin alone": {"Origin": "https://evil.test"},
		"null":         {"Origin": "null"},
	} {
		for _, client := range []*http.Client{c, s.Client()} {
			a := s.call(client, "POST", "/auth/login", credentials, from).want(t, name+": login", 403, "cross_origin")
			if a.header["Set-Cookie"] != nil {
				t.Errorf("%s: login: got cookies %v, want none", name, a.header["Set-Cookie"])
			}
			s.call(client, "POST", "/auth/refresh", "", from).want(t, name+": refresh", 403, "cross_origin")
			s.call(client, "POST", "/auth/logout", "", from).want(t, name+": logout", 403, "cross_origin")
		}
		s.call(c, "POST", "/auth/password", object("current_password", password, "new_password", "battery staple"), from).want(t, name+": password", 403, "cross_origin")
		s.call(c, "POST", "/auth/step-up", object("password", password), from).want(t, name+": step-up", 403, "cross_origin")
		s.call(c, "DELETE", "/auth/sessions/"+own, "", from).want(t, name+": session", 403, "cross_origin")
		s.call(c, "DELETE", "/auth/sessions", "", from).want(t, name+": sessions", 403, "cross_origin")
	}
	s.call(c, "POST", "/auth/refresh", "", header{"Sec-Fetch-Site": "same-site", "Origin": "https://app.test"}).want(t, "refresh", 200, "")
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 200, "")
}

// A request with two credentials is refused, in whatever places they are.
func TestBearerAndCookie(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	c := s.browser()
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "")
	token := c.Jar.Cookies(must(url.Parse(s.URL)))[0].Value
	for path, body := range map[string]string{
		"login": form("username", "ada", "password", password), "refresh": "", "logout": "",
		"password": object("current_password", password, "new_password", password), "step-up": object("password", password),
	} {
		s.call(c, "POST", "/auth/"+path, body, bearer(token)).want(t, path, 400, "invalid_request")
	}
	s.call(c, "GET", "/auth/me", "", bearer(token)).want(t, "me", 400, "invalid_request")
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me by cookie", 200, "")
	s.call(s.Client(), "GET", "/auth/me", "", bearer(token)).want(t, "me by bearer", 200, "")
	s.call(s.Client(), "POST", "/auth/refresh", "", header{"Cookie": "__Secure-refresh=a; __Secure-refresh=b"}).want(t, "two planted cookies", 401, "no_credentials")
	own := "__Host-refresh-id=" + authhttp.RefreshID("a")
	s.call(s.Client(), "POST", "/auth/refresh", "", header{"Cookie": own + "; " + own + "; __Secure-refresh=a"}).want(t, "two digests", 400, "invalid_request")
	s.call(s.Client(), "POST", "/auth/login", form("username", "ada", "password", password), header{
		"Cookie": own + "; __Secure-refresh=a", "Authorization": "Bearer " + token,
	}).want(t, "bearer token and refresh token", 400, "invalid_request")

	// A client that sends its access token in the header gets new tokens in the body.
	a := s.call(s.Client(), "POST", "/auth/password", object("current_password", password, "new_password", password), bearer(token)).want(t, "password", 200, "")
	if a.Access == "" || a.header["Set-Cookie"] != nil {
		t.Errorf("password: got %s with %v, want the tokens in the body", a.text, a.header)
	}
}

// Without Config.Cookies, endpoints neither set nor read cookies.
func TestNoCookies(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	in := s.login()
	jar := "__Host-access=" + in.Access + "; __Secure-refresh=" + in.Refresh
	s.call(s.Client(), "GET", "/auth/me", "", header{"Cookie": jar}).want(t, "me", 401, "no_credentials")
	s.call(s.Client(), "POST", "/auth/refresh", "", header{"Cookie": jar}).want(t, "refresh", 415, "unsupported_media_type")
	s.call(s.Client(), "POST", "/auth/logout", "", header{"Cookie": jar}).want(t, "logout", 401, "no_credentials")
	refreshed := s.call(s.Client(), "POST", "/auth/refresh", object("refresh_token", in.Refresh), header{"Sec-Fetch-Site": "cross-site"}).want(t, "refresh", 200, "")
	for name, a := range map[string]answer{"login": in, "refresh": refreshed} {
		if a.header["Set-Cookie"] != nil {
			t.Errorf("%s: got cookies %v, want none", name, a.header["Set-Cookie"])
		}
	}
}

// Cookies without Secure are set for localhost only.
func TestInsecureLocalhost(t *testing.T) {
	t.Parallel()
	cfg := cookies(t, authhttp.CookieConfig{DangerouslyInsecureLocalhost: true})
	h := authhttp.Login(new(accounts), cfg)
	for host, status := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "LOCALHOST": 200, "app.localhost:1": 200, "127.0.0.1:80": 200, "127.9.9.9": 200, "[::1]:80": 200,
		"example.com": 421, "localhost.evil.test": 421, "notlocalhost": 421, "10.0.0.1": 421, "": 421, "::1": 421, "localhost:x:y": 421, "a@localhost": 421,
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"username":"ada","password":"s3cr3t"}`))
		r.Host = host
		r.Header.Set("Content-Type", asJSON)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status || (w.Header()["Set-Cookie"] != nil) != (status == 200) {
			t.Errorf("host %q: got %d with %v, want %d", host, w.Code, w.Header(), status)
		}
		for _, line := range w.Header()["Set-Cookie"] {
			if strings.Contains(line, "Secure") || strings.Contains(line, "__") || !strings.Contains(line, "HttpOnly") {
				t.Errorf("host %q: got cookie %s, want HttpOnly without Secure and prefix", host, line)
			}
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "access=eyJ")
	for host, want := range map[string]string{"localhost": "eyJ", "app.localhost:8080": "eyJ", "evil.test": "", "10.0.0.1": ""} {
		r.Host = host
		token, err := cfg.Cookies.Extractor().Extract(r)
		if token != want || errors.Is(err, auth.ErrNoCredentials) != (want == "") {
			t.Errorf("Extract for host %s: got %q, %v, want %q", host, token, err, want)
		}
	}
	if !cfg.Cookies.Extractor().Ambient() {
		t.Error("an insecure cookie is not ambient")
	}
}

// A token that a browser would drop is an error, not a login that does not last.
func TestCookieTooLarge(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{"long": strings.Repeat("x", 4096), "odd": "a;b", "quote": `a"b`} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"username":"ada","password":"s3cr3t"}`))
		r.Header.Set("Content-Type", asJSON)
		authhttp.Login(&accounts{tokens: auth.Tokens{AccessToken: token, ExpiresIn: time.Minute}}, cookies(t, authhttp.CookieConfig{})).ServeHTTP(w, r)
		if w.Code != 500 || w.Header()["Set-Cookie"] != nil {
			t.Errorf("%s: got %d with %v, want 500 without cookies", name, w.Code, w.Header())
		}
	}
}

// A device token comes back in the body or, with cookies, in a cookie that outlives the login.
func TestDeviceToken(t *testing.T) {
	t.Parallel()
	a := &accounts{tokens: auth.Tokens{AccessToken: "eyJ", DeviceToken: "known"}}
	cfg := cookies(t, authhttp.CookieConfig{})
	w := post(authhttp.Login(a, cfg), "/", asJSON, `{"username":"ada","password":"s3cr3t","device_token":"body"}`)
	lines := w.Header()["Set-Cookie"]
	if len(lines) != 2 || lines[1] != "__Host-device=known; Path=/; Max-Age=34560000; HttpOnly; Secure; SameSite=Strict" || strings.Contains(w.Body.String(), "known") {
		t.Errorf("login: got %s with cookies %v, want the device token in a cookie", w.Body, lines)
	}
	if a.device.Known != "" {
		t.Errorf("with cookies: the device token %q of the body is used", a.device.Known)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"username":"ada","password":"s3cr3t"}`))
	r.Header.Set("Content-Type", asJSON)
	r.Header.Set("Cookie", "__Host-device=known")
	authhttp.Login(a, cfg).ServeHTTP(httptest.NewRecorder(), r)
	if string(a.device.Known) != "known" {
		t.Errorf("with cookies: got device token %q, want the one of the cookie", a.device.Known)
	}
	for kind, body := range map[string]string{
		asJSON: `{"username":"ada","password":"s3cr3t","device_token":"known"}`, asForm: "username=ada&password=s3cr3t&device_token=known",
	} {
		a := new(accounts)
		if w := post(authhttp.Login(a, authhttp.Config{}), "/", kind, body); w.Code != 200 || string(a.device.Known) != "known" {
			t.Errorf("%s: got %d %s with device token %q, want 200 and the one of the body", kind, w.Code, w.Body, a.device.Known)
		}
	}
}

func (a *accounts) ChangePassword(ctx context.Context, _, _, _ string) (auth.Tokens, error) {
	a.device = deviceOf(ctx)
	return a.tokens, a.err
}

func (a *accounts) StepUp(ctx context.Context, _ *auth.Principal, _, _ string) (auth.Tokens, error) {
	a.device = deviceOf(ctx)
	return a.tokens, a.err
}

// Endpoints that take a current password read the device token from the place where the access
// token is, so that other clients' failed attempts do not lock out a known device.
func TestDeviceTokenOfCallers(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		cfg    authhttp.Config
		cookie string
		body   string
	}{
		"body":               {body: "known"},
		"cookie":             {cfg: cookies(t, authhttp.CookieConfig{}), cookie: "__Host-access=eyJ; __Host-device=known"},
		"body, with cookies": {cfg: cookies(t, authhttp.CookieConfig{}), body: "known"},
	} {
		a := &accounts{tokens: auth.Tokens{AccessToken: "eyJ"}}
		guard := caller{authtest.Principal(t, auth.Claims{Subject: "u-1"})}
		for members, h := range map[string]http.Handler{
			`{"current_password":"s3cr3t","new_password":"s3cr3t"`: authhttp.ChangePassword(a, guard, row.cfg),
			`{"password":"s3cr3t"`:                                 authhttp.StepUp(a, guard, row.cfg),
		} {
			body := members + "}"
			if row.body != "" {
				body = members + `,"device_token":"` + row.body + `"}`
			}
			r := httptest.NewRequest("POST", "/", strings.NewReader(body))
			r.Header.Set("Content-Type", asJSON)
			if row.cookie != "" {
				r.Header.Set("Cookie", row.cookie)
			}
			a.device = auth.Device{}
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != 200 || string(a.device.Known) != "known" {
				t.Errorf("%s: %s: got %d %s with device token %q, want 200 and known", name, body, w.Code, w.Body, a.device.Known)
			}
		}
	}
}

// Endpoints that set or clear cookies check the origin of a request themselves, whatever the guard
// before them checks.
func TestOriginBehindGuard(t *testing.T) {
	t.Parallel()
	insecure := cookies(t, authhttp.CookieConfig{DangerouslyInsecureLocalhost: true})
	secure := cookies(t, authhttp.CookieConfig{})
	for name, row := range map[string]struct {
		cfg  authhttp.Config
		head header
		want int
	}{
		"same origin":           {secure, header{"Cookie": "__Host-access=eyJ", "Sec-Fetch-Site": "same-origin"}, 200},
		"cross site":            {secure, header{"Cookie": "__Host-access=eyJ", "Sec-Fetch-Site": "cross-site"}, 403},
		"cross site, no cookie": {secure, header{"Origin": "https://evil.test"}, 403},
		"two credentials":       {secure, header{"Cookie": "__Host-access=eyJ", "Authorization": "Bearer eyJ"}, 400},
		"insecure, elsewhere":   {insecure, header{"Cookie": "access=eyJ"}, 421},
	} {
		a := &accounts{tokens: auth.Tokens{AccessToken: "eyJ"}}
		guard := caller{authtest.Principal(t, auth.Claims{Subject: "u-1"})}
		for body, h := range map[string]http.Handler{
			`{"current_password":"s3cr3t","new_password":"s3cr3t"}`: authhttp.ChangePassword(a, guard, row.cfg),
			`{"password":"s3cr3t"}`:                                 authhttp.StepUp(a, guard, row.cfg),
			"":                                                      authhttp.Logout(a, guard, row.cfg),
		} {
			r := httptest.NewRequest("POST", "https://api.test/", strings.NewReader(body))
			r.Header.Set("Content-Type", asJSON)
			for field, value := range row.head {
				r.Header.Set(field, value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			expected := w.Code == row.want || row.want == 200 && w.Code == 204
			if !expected || row.want != 200 && w.Header()["Set-Cookie"] != nil {
				t.Errorf("%s: %q: got %d %s with %v, want %d", name, body, w.Code, w.Body, w.Header(), row.want)
			}
		}
	}
}
