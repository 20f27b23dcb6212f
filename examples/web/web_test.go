package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

const (
	password      = "correct horse battery"
	otherPassword = "incorrect zebra charger"
)

// wantCookies are the cookies that the browser sends to /auth/refresh, over https or http.
var wantCookies = map[bool]string{
	true: "__Host-access HttpOnly Secure Lax / , __Host-device HttpOnly Secure Strict / , " +
		"__Host-form HttpOnly Secure Lax / , __Host-refresh-id HttpOnly Secure Strict / , __Secure-refresh HttpOnly Secure Strict /auth/refresh ",
	false: "access HttpOnly Lax / , device HttpOnly Strict / , form HttpOnly Lax / , refresh HttpOnly Strict /auth/refresh , " +
		"refresh-id HttpOnly Strict / ",
}

// register registers and logs in the user ada.
func (b *browser) register() {
	b.t.Helper()
	b.visit("/register")
	b.enter("#username", "Ada", "#password", password)
	b.at("/account", "ada")
}

// TestPages registers, logs in, ends sessions, changes the password, logs out and deletes the
// account, in a browser whose tokens are in cookies.
func TestPages(t *testing.T) {
	t.Parallel()
	for name, https := range map[string]bool{"https": true, "localhost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			usePages(t, serveTest(t, https), wantCookies[https])
		})
	}
}

func usePages(t *testing.T, s *site, wantCookies string) {
	b := s.open(t)
	b.visit("/")
	b.at("/login", "Log in") // the account page needs a user who is logged in
	b.visit("/register")
	b.enter("#username", "a da", "#password", password)
	b.wantError("#problem", "This username is not allowed", "username")
	b.enter("#username", "Ada", "#password", "password")
	b.wantError("#problem", "guessed first", "password")
	b.register()
	b.hasNoTokens()
	if got := attributes(b.cookies()); got != wantCookies {
		t.Errorf("the browser keeps the cookies %s, want %s", got, wantCookies)
	}
	if got := evaluate[string](b, `document.querySelector("section[aria-labelledby=sessions] li").innerText`); b.sessions() != 1 || !strings.Contains(got, "Chrome on Linux") || !strings.Contains(got, "This device") {
		t.Errorf("the session reads %q", got)
	}

	// Log in with another browser.
	other := s.window(t, b.ctx, chromedp.WithNewBrowserContext())
	other.visit("/login")
	other.wantFocus("username")
	other.enter("#username", "ada", "#password", otherPassword)
	other.wantError("#problem", "Wrong username or password", "password")
	other.enter("#username", "ada", "#password", password)
	other.at("/account", "ada")
	if n := other.sessions(); n != 2 {
		t.Fatalf("there are %d sessions, want 2", n)
	}

	// End the other session: it loses access at once.
	b.visit("/")
	b.at("/account", "Log out of all other devices")
	b.click(`button[aria-label="Log out: Chrome on Linux"]`)
	b.at("/account", "The device is logged out")
	if n := b.sessions(); n != 1 {
		t.Errorf("after the end of the other there are %d sessions, want 1", n)
	}
	other.visit("/")
	other.at("/login", "Log in")

	// Change the password: the other session ends, this one does not.
	other.enter("#username", "ada", "#password", password)
	other.at("/account", "ada")
	b.click(`a[href="/account/password"]`)
	b.at("/account/password", "Current password")
	b.enter("#current", otherPassword, "#new", otherPassword)
	b.wantError("#problem", "The current password is wrong", "current")
	b.enter("#current", password, "#new", "ada ada ada")
	b.wantError("#problem", "little more than your username", "new")
	b.enter("#current", password, "#new", otherPassword)
	b.at("/account", "Your password has been changed")
	if n := b.sessions(); n != 1 {
		t.Errorf("after the change there are %d sessions, want 1", n)
	}
	other.visit("/")
	other.at("/login", "Log in")
	other.enter("#username", "ada", "#password", password)
	other.wantError("#problem", "Wrong username or password", "password")

	// The access token's cookie expires with the token. The page then refreshes without being
	// noticed.
	access := b.cookies()[0]
	left := time.Until(time.Unix(int64(access.Expires), 0))
	if !strings.HasSuffix(access.Name, "access") || left <= 0 || left > 15*time.Minute {
		t.Errorf("the cookie %s expires in %v, want 15 minutes at most", access.Name, left)
	}
	b.do("expire "+access.Name, command(network.DeleteCookies, network.DeleteCookiesParams{Name: access.Name, URL: s.url}))
	before := s.refreshes.Load()
	b.visit("/")
	b.at("/account", "ada")
	if n := s.refreshes.Load() - before; n != 1 {
		t.Errorf("without an access token the page refreshes %d times, want 1", n)
	}
	b.hasNoTokens()

	// Log out: from then on the account page leads to the login, also if the browser has kept it in
	// its history.
	b.visit("/register")
	b.visit("/")
	b.at("/account", "ada")
	b.click(logout)
	b.at("/login", "You are logged out")
	b.visit("/register")
	evaluate[any](b, "history.go(-2)")
	b.at("/login", "Log in")
	b.visit("/")
	b.at("/login", "Log in")

	// Delete the account: it needs the password, and the username is free afterwards.
	b.enter("#username", "ada", "#password", otherPassword)
	b.at("/account", "ada")
	b.visit("/account/delete")
	b.enter("#current", password)
	b.wantError("#problem", "The current password is wrong", "current")
	b.enter("#current", otherPassword)
	b.at("/login", "Your account has been deleted")
	b.enter("#username", "ada", "#password", otherPassword)
	b.wantError("#problem", "Wrong username or password", "password")
	b.register()
}

// TestHostile checks that a page of another origin can neither end a session nor log a browser in,
// and that a client's User-Agent is shown as text.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := serveTest(t, false)
	b := s.open(t)
	b.register()
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/auth/login", strings.NewReader("username=ada&password="+url.QueryEscape(password)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", `<img src=x onerror="document.title='broken'">`)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Fatalf("the login is answered %s", res.Status)
	}
	b.visit("/")
	b.at("/account", "Unknown device")
	if n := evaluate[int](b, `document.querySelectorAll("section img").length`); n != 0 {
		t.Errorf("the User-Agent becomes %d elements", n)
	}

	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<form method="post" action="%s%s"><input name="username" value="eve"><input name="password" value="%s"></form>`,
			s.url, r.URL.Path, password)
	}))
	t.Cleanup(evil.Close)
	eve := s.window(t, b.ctx, chromedp.WithNewBrowserContext())
	eve.visit("/register")
	eve.enter("#username", "eve", "#password", password)
	eve.at("/account", "eve")
	for _, path := range []string{"/auth/login", "/auth/logout"} {
		b.do("visit the hostile page", chromedp.Navigate(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)+path))
		evaluate[any](b, "document.forms[0].submit()")
		b.at(path, "cross_origin")
		b.visit("/")
		b.at("/account", "ada")
	}
}

// TestThrottled checks that the page says how long to wait after too many wrong passwords.
func TestThrottled(t *testing.T) {
	t.Parallel()
	b := serveTest(t, false).open(t)
	b.visit("/login")
	for range 5 {
		b.enter("#username", "ada", "#password", otherPassword)
		b.wantError("#problem", "Wrong username or password", "password")
	}
	b.enter("#username", "ada", "#password", otherPassword)
	b.at("/login", "Too many attempts. Try again in ")
}

// TestFields checks the attributes by which password managers and phones recognise each field.
func TestFields(t *testing.T) {
	t.Parallel()
	b := serveTest(t, false).open(t)
	b.register()
	for _, row := range []struct{ path, want string }{
		{"/register", "username/username password/new-password"},
		{"/account/password", "username/username current_password/current-password new_password/new-password"},
		{"/account/delete", "username/username current_password/current-password"},
		{"/reset?token=x", "new_password/new-password"},
		{"/forgot", "address/email"},
		{"/login", "username/username password/current-password"},
	} {
		if row.path == "/login" {
			b.visit("/account")
			b.click(logout)
			b.at("/login", "You are logged out")
		}
		b.visit(row.path)
		const fields = `[...document.querySelectorAll("input:not([type=hidden])")].map((f) => f.name + "/" + f.autocomplete).join(" ")`
		if got := evaluate[string](b, fields); got != row.want {
			t.Errorf("%s has the fields %s, want %s", row.path, got, row.want)
		}
		if got := evaluate[string](b, `[...new Set([...document.forms].map((f) => f.method))].join()`); got != "post" {
			t.Errorf("%s has a form with the method %s: the password would be in the URL", row.path, got)
		}
	}
}
