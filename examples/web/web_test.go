package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

const (
	password      = "correct horse battery"
	otherPassword = "incorrect zebra charger"
)

// wantCookies are the cookies that the browser sends to /auth/refresh, over https or http.
var wantCookies = map[bool]string{
	true: "__Host-access HttpOnly Secure Lax / , __Host-device HttpOnly Secure Strict / , " +
		"__Host-refresh-id HttpOnly Secure Strict / , __Secure-refresh HttpOnly Secure Strict /auth/refresh ",
	false: "access HttpOnly Lax / , device HttpOnly Strict / , refresh HttpOnly Strict /auth/refresh , " +
		"refresh-id HttpOnly Strict / ",
}

// register registers and logs in the user ada.
func (b *browser) register() {
	b.t.Helper()
	b.visit("/register")
	b.enter("#username", "Ada", "#password", password)
	b.at("/", "ada")
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
	b.wantError("#error", "This username is not allowed", "username")
	b.enter("#username", "Ada", "#password", "password")
	b.wantError("#error", "common", "password")
	b.register()
	b.hasNoTokens()
	if got := attributes(b.cookies()); got != wantCookies {
		t.Errorf("the browser keeps the cookies %s, want %s", got, wantCookies)
	}
	if got := evaluate[string](b, `document.querySelector("#sessions li").innerText`); b.sessions() != 1 || !strings.Contains(got, "Chrome on Linux") || !strings.Contains(got, "This device") {
		t.Errorf("the session reads %q", got)
	}

	// Log in with another browser.
	other := s.window(t, b.ctx, chromedp.WithNewBrowserContext())
	other.visit("/login")
	if got := other.focused(); got != "username" {
		t.Errorf("on the login page the focus is on %q, want username", got)
	}
	other.enter("#username", "ada", "#password", otherPassword)
	other.wantError("#error", "Wrong username or password", "password")
	other.enter("#username", "ada", "#password", password)
	other.at("/", "ada")
	if n := other.sessions(); n != 2 {
		t.Fatalf("there are %d sessions, want 2", n)
	}

	// End the other session: it loses access at once.
	b.visit("/")
	b.at("/", "Log out of all other devices")
	b.click("#sessions button")
	b.until("the list without the other session", `document.querySelector("#sessions-status").textContent.includes("logged out of Chrome on Linux") && document.querySelectorAll("#sessions li").length === 1`)
	if got := b.focused(); got != "sessions-title" {
		t.Errorf("when the button is gone the focus is on %q, want sessions-title", got)
	}
	other.visit("/")
	other.at("/login", "Your session has ended")

	// Change the password: the other session ends, this one does not.
	other.enter("#username", "ada", "#password", password)
	other.at("/", "ada")
	b.enter("#current", otherPassword, "#new", otherPassword)
	b.wantError("#password-error", "The current password is wrong", "current")
	b.enter("#current", password, "#new", "ada ada ada")
	b.until("the error of the new password", `document.querySelector("#password-error").textContent !== ""`)
	if got := b.focused(); got != "new" {
		t.Errorf("with a refused new password the focus is on %q, want new", got)
	}
	b.enter("#current", password, "#new", otherPassword)
	b.until("the changed password", `document.querySelector("#password-status").textContent.includes("password has been changed")`)
	if n := b.sessions(); n != 1 {
		t.Errorf("after the change there are %d sessions, want 1", n)
	}
	other.visit("/")
	other.at("/login", "Your session has ended")
	other.enter("#username", "ada", "#password", password)
	other.wantError("#error", "Wrong username or password", "password")

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
	b.at("/", "ada")
	if n := s.refreshes.Load() - before; n != 1 {
		t.Errorf("without an access token the page refreshes %d times, want 1", n)
	}
	b.hasNoTokens()

	// Log out: from then on the account page leads to the login, also if the browser has kept it in
	// its history.
	b.visit("/register")
	b.visit("/")
	b.at("/", "ada")
	b.click("#logout")
	b.at("/login", "You are logged out")
	b.visit("/register")
	evaluate[any](b, "history.go(-3)")
	b.at("/login", "Log in")
	b.visit("/")
	b.at("/login", "Log in")

	// Delete the account: it needs the password, and the username is free afterwards.
	b.enter("#username", "ada", "#password", otherPassword)
	b.at("/", "ada")
	b.enter("#sure", password)
	b.wantError("#delete-error", "The current password is wrong", "sure")
	b.enter("#sure", otherPassword)
	b.at("/login", "Your account has been deleted")
	b.enter("#username", "ada", "#password", otherPassword)
	b.wantError("#error", "Wrong username or password", "password")
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
	b.at("/", "<img src=x")
	if n := evaluate[int](b, `document.querySelectorAll("#sessions img").length`); n != 0 {
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
	eve.at("/", "eve")
	for _, path := range []string{"/auth/login", "/auth/logout"} {
		b.do("visit the hostile page", chromedp.Navigate(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)+path))
		evaluate[any](b, "document.forms[0].submit()")
		b.at(path, "cross_origin")
		b.visit("/")
		b.at("/", "ada")
	}
}

// TestThrottled checks that the page says how long to wait after too many wrong passwords.
func TestThrottled(t *testing.T) {
	t.Parallel()
	b := serveTest(t, false).open(t)
	b.visit("/login")
	for range 5 {
		b.enter("#username", "ada", "#password", otherPassword)
		b.wantError("#error", "Wrong username or password", "password")
	}
	b.enter("#username", "ada", "#password", otherPassword)
	b.wantError("#error", "Too many attempts, try again later. Wait ", "password")
}

// TestFields checks the attributes by which password managers and phones recognise each field.
func TestFields(t *testing.T) {
	t.Parallel()
	b := serveTest(t, false).open(t)
	b.register()
	for _, row := range []struct{ path, want string }{
		{"/login", "username/username/ password/current-password/"},
		{"/register", "username/username/ password/new-password/8"},
		{"/", "username/username/ current_password/current-password/ new_password/new-password/8 username/username/ current_password/current-password/ username/username/ password/current-password/"},
	} {
		b.visit(row.path)
		const fields = `[...document.querySelectorAll("input")].map((f) => f.name + "/" + f.autocomplete + "/" + f.getAttribute("minlength")).join(" ").replaceAll("null", "")`
		if got := evaluate[string](b, fields); got != row.want {
			t.Errorf("%s has the fields %s, want %s", row.path, got, row.want)
		}
		if got := evaluate[string](b, `[...new Set([...document.forms].map((f) => f.method))].join()`); got != "post" {
			t.Errorf("%s has a form with the method %s: without its script, the password would be in the URL", row.path, got)
		}
	}
	b.at("/", "ada")
	b.click("#new ~ .show")
	if got := evaluate[string](b, `document.querySelector("#new").type + document.querySelector("#new ~ .show").ariaLabel`); got != "textHide new password" {
		t.Errorf("the field that shows the password is %s", got)
	}
}

// TestLooks checks on a phone and a desktop, light and dark, that no page is wider than the window
// and that axe-core finds no fault of accessibility. `go test -artifacts` keeps the pictures.
func TestLooks(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(filepath.Join(testenv.NodeModule(t, "axe-core"), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	s := serveTest(t, false)
	b := s.open(t)
	other := s.window(t, b.ctx, chromedp.WithNewBrowserContext())
	other.register()
	pages := []struct {
		name string
		show func()
	}{
		{"register", func() { b.visit("/register") }},
		{"login", func() { b.visit("/login") }},
		{"refused", func() {
			b.visit("/login")
			b.enter("#username", "bob", "#password", otherPassword)
			b.wantError("#error", "Wrong", "password")
		}},
		{"mail", func() {
			b.visit("/mail")
			b.enter("#address", "bob@example.com")
			b.at("/mail", "enter its code here")
		}},
		{"link", func() { b.visit("/mail/login?token=x") }},
		{"other-browser", func() {
			b.visit("/mail/login?token=x")
			evaluate[any](b, `document.querySelector("#link").hidden = true; document.querySelector("#other-browser").hidden = false`)
		}},
		{"verify", func() {
			b.visit("/mail/verify?token=x")
			b.click("summary")
		}},
		{"account", func() {
			b.visit("/login")
			b.enter("#username", "ada", "#password", password)
			b.at("/", "ada")
		}},
		{"changed", func() {
			b.enter("#current", password, "#new", password)
			b.until("the change", `document.querySelector("#password-status").textContent !== ""`)
		}},
	}
	for _, page := range pages {
		page.show()
		for _, width := range []int64{390, 1280} {
			height := map[int64]int64{390: 844, 1280: 800}[width]
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s-%d-%s", page.name, width, scheme)
				b.do(name, chromedp.EmulateViewport(width, height), command(emulation.SetEmulatedMedia,
					emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
				picture := act(b, name, chromedp.FullScreenshot(100))
				if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name+".png"), picture, 0o600); err != nil {
					t.Fatal(err)
				}
				if wide := evaluate[int64](b, "document.documentElement.scrollWidth"); wide > width {
					t.Errorf("%s is %d wide, the window %d", name, wide, width)
				}
				evaluate[any](b, string(axe)+"; null")
				const faults = `axe.run().then((found) => found.violations.map((v) => v.id + ": " + v.help + " " + v.nodes.map((n) => n.html).join(" ")))`
				for _, fault := range evaluate[[]string](b, faults) {
					t.Errorf("%s: %s", name, fault)
				}
			}
		}
	}
}
