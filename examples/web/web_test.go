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

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

const (
	password = "correct horse battery"
	another  = "incorrect zebra charger"
)

// cookiesOf says which cookies there are at the path of the refresh, over https or not.
var cookiesOf = map[bool]string{
	true: "__Host-access HttpOnly Secure Lax / , __Host-device HttpOnly Secure Strict / , " +
		"__Secure-refresh HttpOnly Secure Strict /auth/refresh ",
	false: "access HttpOnly Lax / , device HttpOnly Strict / , refresh HttpOnly Strict /auth/refresh ",
}

func (b *browser) register() {
	b.t.Helper()
	b.visit("/register")
	b.enter("#username", "Ada", "#password", password)
	b.at("/", "ada")
}

// The whole way, in a browser that has cookies alone.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	for name, https := range map[string]bool{"https": true, "localhost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wholeWay(t, serveTest(t, https))
		})
	}
}

func wholeWay(t *testing.T, s *site) {
	b := s.open(t)
	b.visit("/")
	b.at("/login", "Log in") // who is nobody has no account to see
	b.visit("/register")
	b.enter("#username", "a da", "#password", password)
	b.wantError("#error", "This username cannot be used", "username")
	b.enter("#username", "Ada", "#password", "password")
	b.wantError("#error", "common", "password")
	b.register()
	b.hasNoTokens()
	if got, want := b.cookies(), cookiesOf[strings.HasPrefix(s.url, "https")]; got != want {
		t.Errorf("the browser keeps the cookies %s, want %s", got, want)
	}
	if got := evaluate[string](b, `document.querySelector("#sessions li").innerText`); b.sessions() != 1 || !strings.Contains(got, "Chrome on Linux") || !strings.Contains(got, "This one") {
		t.Errorf("the session reads %q", got)
	}

	// Another browser.
	other := s.window(t, b.ctx, chromedp.WithNewBrowserContext())
	other.visit("/login")
	if got := other.focused(); got != "username" {
		t.Errorf("the login begins at %q", got)
	}
	other.enter("#username", "ada", "#password", another)
	other.wantError("#error", "Wrong username or password", "password")
	other.enter("#username", "ada", "#password", password)
	other.at("/", "ada")
	if n := other.sessions(); n != 2 {
		t.Fatalf("there are %d sessions, want 2", n)
	}

	// Its session is ended, at once, and it is told.
	b.visit("/")
	b.at("/", "End this one")
	b.click("#sessions button")
	b.until("the list without it", `document.querySelector("#sessions-status").textContent.includes("has ended") && document.querySelectorAll("#sessions li").length === 1`)
	if got := b.focused(); got != "sessions-title" {
		t.Errorf("when the button is gone the focus is on %q", got)
	}
	other.visit("/")
	other.at("/login", "Your session has ended")

	// A new password ends the others, and not this one.
	other.enter("#username", "ada", "#password", password)
	other.at("/", "ada")
	b.enter("#current", another, "#new", another)
	b.wantError("#password-error", "The current password is wrong", "current")
	b.enter("#current", password, "#new", "ada ada ada")
	b.until("the rule", `document.querySelector("#password-error").textContent !== ""`)
	if got := b.focused(); got != "new" {
		t.Errorf("with a refused new password the focus is on %q", got)
	}
	b.enter("#current", password, "#new", another)
	b.until("the new password", `document.querySelector("#password-status").textContent.includes("password is changed")`)
	if n := b.sessions(); n != 1 {
		t.Errorf("after the change there are %d sessions", n)
	}
	other.visit("/")
	other.at("/login", "Your session has ended")
	other.enter("#username", "ada", "#password", password)
	other.wantError("#error", "Wrong username or password", "password")

	// The access token's cookie goes, as it does when its time is over, and a new one
	// comes unseen.
	access, _, _ := strings.Cut(cookiesOf[strings.HasPrefix(s.url, "https")], " ")
	b.do("forget "+access, command(network.DeleteCookies, network.DeleteCookiesParams{Name: access, URL: s.url}))
	if got := b.cookies(); strings.Contains(got, access) {
		t.Errorf("the browser still keeps the cookies %s", got)
	}
	before := s.refreshes.Load()
	b.visit("/")
	b.at("/", "ada")
	if n := s.refreshes.Load() - before; n != 1 {
		t.Errorf("an expired access token is refreshed %d times, want 1", n)
	}
	b.hasNoTokens()

	// After the logout every way back leads to the login, and to a page that the
	// browser may have kept, too.
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

	// The account goes by its password, and its name is free.
	b.enter("#username", "ada", "#password", another)
	b.at("/", "ada")
	b.enter("#sure", password)
	b.wantError("#delete-error", "The current password is wrong", "sure")
	b.enter("#sure", another)
	b.at("/login", "Your account is deleted")
	b.enter("#username", "ada", "#password", another)
	b.wantError("#error", "Wrong username or password", "password")
	b.register()
}

// Pages of others can neither end a session nor begin one of their own, and what a
// client says of itself is text.
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
		t.Fatalf("a login is answered %s", res.Status)
	}
	b.visit("/")
	b.at("/", "<img src=x")
	if n := evaluate[int](b, `document.querySelectorAll("#sessions img").length`); n != 0 {
		t.Errorf("what a client says of itself becomes %d elements", n)
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
		b.do("the other's page", chromedp.Navigate(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)+path))
		evaluate[any](b, "document.forms[0].submit()")
		b.at(path, "cross_origin")
		b.visit("/")
		b.at("/", "ada")
	}
}

// Who guesses waits, and is told so.
func TestThrottled(t *testing.T) {
	t.Parallel()
	b := serveTest(t, false).open(t)
	b.visit("/login")
	for range 5 {
		b.enter("#username", "ada", "#password", another)
		b.wantError("#error", "Wrong username or password", "password")
	}
	b.enter("#username", "ada", "#password", another)
	b.wantError("#error", "Too many attempts, try again later. Wait ", "password")
}

// Password managers and phones are told what each field is.
func TestFields(t *testing.T) {
	t.Parallel()
	b := serveTest(t, false).open(t)
	b.register()
	for _, row := range []struct{ path, want string }{
		{"/login", "username/username/ password/current-password/"},
		{"/register", "username/username/ password/new-password/8"},
		{"/", "username/username/ current_password/current-password/ new_password/new-password/8 username/username/ current_password/current-password/"},
	} {
		b.visit(row.path)
		const fields = `[...document.querySelectorAll("input")].map((f) => f.name + "/" + f.autocomplete + "/" + f.getAttribute("minlength")).join(" ").replaceAll("null", "")`
		if got := evaluate[string](b, fields); got != row.want {
			t.Errorf("%s has the fields %s, want %s", row.path, got, row.want)
		}
		if got := evaluate[string](b, `[...new Set([...document.forms].map((f) => f.method))].join()`); got != "post" {
			t.Errorf("%s sends a form by %s, so without its script a password stands in the URL", row.path, got)
		}
	}
	b.at("/", "ada")
	b.click("#new ~ .show")
	if got := evaluate[string](b, `document.querySelector("#new").type + document.querySelector("#new ~ .show").ariaLabel`); got != "textHide new password" {
		t.Errorf("the password that is shown is %s", got)
	}
}

// A phone and a desktop, light and dark: nothing stands out of the page, and axe-core
// finds nothing that keeps somebody out. `go test -artifacts` keeps the pictures.
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
			b.enter("#username", "bob", "#password", another)
			b.wantError("#error", "Wrong", "password")
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
					t.Errorf("%s is %d wide", name, wide)
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
