package authui_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authui"
)

// allPages are pages that answer GET, and whether they are for users who are logged in.
var allPages = map[string]bool{
	"/login": false, "/login?token=link": false, "/login/mail": false, "/register": false, "/forgot": false, "/reset?token=link": false,
	"/verify": false, "/verify?token=link": false, "/change?token=link": false,
	"/account": true, "/account/password": true, "/account/address": true, "/account/factor": true, "/account/delete": true, "/account/confirm": true,
}

// Every page forbids frames, scripts, caches, and the Referer; nothing in it is a script or a style of its own.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{ReturnTo: sealed, Logo: "/logo.svg"})
	s.register("ada")
	b := s.browser()
	ada := s.browser()
	ada.login("ada")
	check := func(page *shown) {
		t.Helper()
		policy := page.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy lacks %s: %s", page.path, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") {
			t.Errorf("%s: the policy allows scripts or inline styles: %s", page.path, policy)
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Content-Type": "text/html; charset=utf-8",
		} {
			if got := page.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", page.path, name, got, want)
			}
		}
		for _, forbidden := range []string{"<script", "<style", " style=", " onclick", "javascript:", "http://", "https://"} {
			if strings.Contains(page.body, forbidden) {
				t.Errorf("%s has %s", page.path, forbidden)
			}
		}
	}
	for path, account := range allPages {
		visitor := b
		if account {
			visitor = ada
		}
		target, _, _ := strings.Cut(path, "?")
		check(visitor.open(path).want(200, target))
	}
	check(b.submit(b.open("/login"), "/login", "username", "ada", "password", other).want(401, "/login"))
	check(b.send("POST", "/login", "cross-site", url.Values{}).want(403, "/login"))
	check(b.send("POST", "/login", "same-origin", nil).want(403, "/login"))

	// Chromium holds form-action against the redirects that follow a form, of which the last goes to an app.
	if policy := b.open("/login?return_to=good").header.Get("Content-Security-Policy"); strings.Contains(policy, "form-action") {
		t.Errorf("the way back to an app is barred: %s", policy)
	}
}

// No form is taken that another site sends, that has no token, or the token of another browser: neither a
// login nor a logout nor a change. GET changes nothing.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.register("ada")
	s.register("eve")
	eve := s.browser()
	evesLogin := eve.open("/login")
	eve.login("eve").want(200, "/account")
	evesPassword, evesAccount := eve.open("/account/password"), eve.open("/account")

	ada := s.browser()
	ada.login("ada").want(200, "/account")
	for _, row := range []struct {
		page           *shown // where an attacker takes the form from
		action         string
		fields         []string
		bare           bool // the form is refused with a page of its own, and not shown again
		stranger, mine string
	}{
		{evesLogin, "/login", []string{"username", "eve", "password", password}, false, "/login", ""},
		{evesPassword, "/account/password", []string{"current_password", password, "new_password", other}, false, "", "/account/password"},
		{evesAccount, "/auth/logout/page", nil, true, "", "/account"},
	} {
		address, form := row.page.form(row.action)
		for i := 0; i < len(row.fields); i += 2 {
			form.Set(row.fields[i], row.fields[i+1])
		}
		for name, site := range map[string]string{"from another site": "cross-site", "of another browser": "same-origin"} {
			for _, victim := range []*browser{ada, s.browser()} {
				got := victim.send("POST", address, site, form)
				if got.status != 403 && !strings.Contains(got.path, "/login") {
					t.Errorf("%s %s: got %d %s, want a refusal", row.action, name, got.status, got.path)
				}
			}
		}
		form.Del("form_token")
		if got := ada.send("POST", address, "same-origin", form); got.status != 403 {
			t.Errorf("%s without a token: got %d %s", row.action, got.status, got.path)
		}
		if got := ada.send("GET", address+"?"+form.Encode(), "same-origin", nil); row.action == "/auth/logout/page" && got.status != 405 && got.status != 404 {
			t.Errorf("%s by GET: got %d %s", row.action, got.status, got.path)
		}
	}
	ada.open("/account").want(200, "/account", "Logged in as ada")
	if _, err := s.app.Accounts.Login(t.Context(), "ada", password); err != nil {
		t.Error("ada's password is another now")
	}
	if _, err := s.app.Accounts.Login(t.Context(), "eve", password); err != nil {
		t.Error("eve's password is another now")
	}
}

// A form of an account is bound to the login that saw it: another user of the same browser does not send it.
func TestFormsBelongToALogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.register("ada")
	s.register("bob")
	b := s.browser()
	b.login("ada")
	page := b.open("/account/password")
	b.submit(b.open("/account"), "/auth/logout/page")
	b.login("bob").want(200, "/account", "bob")
	b.submit(page, "/account/password", "current_password", password, "new_password", other).want(403, "/account/password", "out of date")
}

// Two tabs do not disturb each other: forms that were loaded before stay good.
func TestTabs(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.register("ada")
	s.register("bob")
	b := s.browser()
	first, second := b.open("/login"), b.open("/login")
	third := b.open("/register")
	b.submit(second, "/login", "username", "ada", "password", password).want(200, "/account", "ada")
	b.submit(first, "/login", "username", "bob", "password", password).want(200, "/account", "bob")
	b.submit(third, "/register", "username", "cyd", "password", password).want(200, "/account", "cyd")
	one, two := b.open("/account/password"), b.open("/account/address")
	b.submit(one, "/account/password", "current_password", other, "new_password", other).want(403, "/account/password", "current password is wrong")
	b.submit(two, "/account/address", "current_password", other, "address", "ada@site.test").want(403, "/account/address", "current password is wrong")

	// Tabs that are opened at once, before the browser has any cookie: the form that came too early is shown
	// again, with what the user typed.
	c, early := s.browser(), s.browser()
	page := early.open("/login")
	c.open("/login")
	again := c.submit(page, "/login", "username", "ada", "password", password).want(403, "/login", "Please send it again")
	c.submit(again, "/login", "username", "ada", "password", password).want(200, "/account", "ada")
}

// What visitors send is text in pages, whatever it looks like.
func TestEscaping(t *testing.T) {
	t.Parallel()
	const hostile = `"><script>alert(1)</script><a href="javascript:alert(2)">{{.}}`
	s := newSite(t, authui.Config{ReturnTo: func(string) (string, bool) { return "/next", true }, Name: hostile})
	b := s.browser()
	for _, page := range []*shown{
		b.submit(b.open("/login"), "/login", "username", hostile, "password", password),
		b.submit(b.open("/register"), "/register", "username", hostile, "password", password),
		b.submit(b.open("/forgot"), "/forgot", "address", hostile),
		b.open("/login?" + url.Values{"return_to": {hostile}, "notice": {hostile}}.Encode()),
		b.open("/reset?" + url.Values{"token": {hostile}}.Encode()),
		b.open("/auth/refresh/page?" + url.Values{"return_to": {hostile}, "to": {hostile}}.Encode()),
		b.send("GET", "/auth/refresh/page?"+url.Values{"return_to": {hostile}}.Encode(), "cross-site", nil),
	} {
		if strings.Contains(page.body, "<script") || strings.Contains(page.body, `href="javascript`) {
			t.Errorf("%s writes what a visitor sent as HTML:\n%s", page.path, page.body)
		}
		if n := strings.Count(page.body, "<h1>"); n != 1 {
			t.Errorf("%s has %d headings", page.path, n)
		}
	}
}

// Forms that no page of ours sends are refused before they reach an endpoint.
func TestMalformedForms(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	for name, row := range map[string]struct {
		mediaType, body string
		status          int
	}{
		"JSON":                {"application/json", `{}`, 415},
		"multipart":           {"multipart/form-data; boundary=x", "--x--", 415},
		"no media type":       {"", "a=b", 415},
		"two fields":          {"application/x-www-form-urlencoded", "username=a&username=b", 400},
		"a wrong escape":      {"application/x-www-form-urlencoded", "username=%zz", 400},
		"no UTF-8":            {"application/x-www-form-urlencoded", "username=%ff", 400},
		"more than 64 KiB":    {"application/x-www-form-urlencoded", "a=" + strings.Repeat("b", 64<<10), 413},
		"a form with nothing": {"application/x-www-form-urlencoded", "", 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", origin+"/login", strings.NewReader(row.body))
		r.Header.Set("Content-Type", row.mediaType)
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, r)
		if w.Code != row.status || !strings.Contains(w.Body.String(), "<h1>") {
			t.Errorf("%s: got %d, want %d and a page", name, w.Code, row.status)
		}
	}
}

// Wrong passwords are counted as everywhere else, and the page says how long to wait.
func TestThrottle(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.register("ada")
	b := s.browser()
	page := b.open("/login")
	for range 200 {
		if page = b.submit(page, "/login", "username", "ada", "password", other); page.status != 401 {
			break
		}
	}
	page.want(429, "/login", "Too many attempts. Try again in")
	if page.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestStylesheet(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{Style: ":root { --accent: teal; }"})
	b := s.browser()
	body := b.open("/login").body
	_, rest, _ := strings.Cut(body, `rel="stylesheet" href="`)
	href, _, _ := strings.Cut(rest, `"`)
	style := b.open(href)
	if style.status != 200 || style.header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.HasSuffix(style.body, "--accent: teal; }") {
		t.Fatalf("%s: got %d %s", href, style.status, style.header)
	}
	if !strings.HasPrefix(style.header.Get("Cache-Control"), "public") {
		t.Error("browsers fetch the stylesheet anew for each page")
	}
	b.header.Set("If-None-Match", style.header.Get("ETag"))
	if got := b.open(href); got.status != http.StatusNotModified || got.body != "" {
		t.Errorf("with the ETag: got %d and %d bytes", got.status, len(got.body))
	}
	plain := newSite(t, authui.Config{})
	if strings.Contains(plain.browser().open("/login").body, href) {
		t.Error("another stylesheet has the same address")
	}
}
