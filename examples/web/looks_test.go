package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/secrets"
)

// oneCode is a second factor whose code is always 123456.
type oneCode struct{ users map[string]bool }

func (f oneCode) Required(_ context.Context, id string) (bool, error) { return f.users[id], nil }

func (f oneCode) Prove(_ context.Context, id, code string) ([]string, error) {
	if !f.users[id] || code != "123456" {
		return nil, auth.ErrInvalidCredentials
	}
	return []string{"otp"}, nil
}

func (f oneCode) Begin(_ context.Context, _, account string) (secret, link string, err error) {
	return "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "otpauth://totp/" + url.PathEscape(account) + "?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", nil
}

func (f oneCode) Confirm(_ context.Context, id, code string) ([]string, error) {
	if code != "123456" {
		return nil, auth.ErrInvalidCredentials
	}
	f.users[id] = true // one browser uses it
	return []string{"2k4f-9xqa", "7h3m-p0zt", "c8vw-1ryd", "5n6j-e2us", "q9ka-3lbx"}, nil
}

func (f oneCode) RecoveryCodes(context.Context, string) ([]string, error) { return nil, nil }
func (f oneCode) Disable(_ context.Context, id string) error              { delete(f.users, id); return nil }

// scopes gives each user two scopes.
func scopes(_ context.Context, _ auth.User, c *auth.Claims) error {
	c.Scopes = []string{"notes:read", "notes:write"}
	return nil
}

// serveAll serves every page that there is, on localhost, with an authorization server and a second factor.
func serveAll(t *testing.T) *site {
	t.Helper()
	store, mux := memstore.New(), http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	base := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	s := &site{url: base, mails: make(postbox, 64)}
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	tokens := jwt.IssuerConfig{Resources: []string{base + "/mcp"}}
	app, err := authkit.Open(t.Context(), authkit.All(store), authkit.Config{
		Issuer: base, Keys: keys, Secrets: ring, Notifier: s.mails, Recovery: recovery.Config{BaseURL: base}, Tokens: tokens,
		SecondFactor: oneCode{map[string]bool{}}, Cookies: &authhttp.CookieConfig{DangerouslyInsecureLocalhost: true},
		APIKeyPrefix: "example_test", Accounts: auth.Config{Hasher: authtest.FastHasher(t), Claims: scopes}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close(context.WithoutCancel(t.Context())) })
	var pages *authui.Pages
	tokens.Issuer, tokens.Audience, tokens.Keys = base, base, keys
	issuer, err := jwt.NewIssuer(tokens)
	if err != nil {
		t.Fatal(err)
	}
	server, err := oauth.New(app.Accounts, oauth.Config{
		Issuer: base, Prefix: "/oauth", Tokens: issuer, Keys: keys, Records: store, Sessions: store, Secrets: ring,
		User: app.Check, LoginURL: "/login", Consent: func(w http.ResponseWriter, r *http.Request, p oauth.ConsentPage) { pages.Consent(w, r, p) },
		Resources: []oauth.Resource{{URL: base + "/mcp", Name: "Your notes", Scopes: []oauth.Scope{
			{Name: "notes:read", Text: "Read your notes"}, {Name: "notes:write", Text: "Change and delete your notes"},
		}}},
		Clients: []oauth.Client{
			{ID: "native", Name: "Claude Code", RedirectURIs: []string{"http://127.0.0.1/callback"}},
			{ID: "web", Name: "A web app whose name is as long as names of apps may be, and then some more of it", RedirectURIs: []string{base + "/app"}},
		},
	})
	if err == nil {
		pages, err = app.Pages(authui.Config{Name: "Example", Logo: "/icon.svg", ReturnTo: server.ReturnTo, Apps: server})
	}
	if err == nil {
		err = pages.Mount(mux)
	}
	api := http.NewServeMux()
	if err == nil {
		err = server.Mount(api)
	}
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/oauth/", api)
	mux.HandleFunc("GET /app", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "the app has a code") })
	mux.HandleFunc("GET /icon.svg", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "icon.svg") })
	s.elsewhere = func(name string) {
		t.Helper()
		ctx := auth.WithDevice(t.Context(), auth.Device{UserAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"})
		if _, err := app.Accounts.Login(ctx, name, password); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// request returns the address of a request for authorization.
func request(s *site, client, redirect, scope string) string {
	return "/oauth/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirect}, "scope": {scope}, "state": {"xyz"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, "resource": {s.url + "/mcp"},
	}.Encode()
}

// TestLooks checks on a phone and a desktop, light and dark, that no page is wider than the window
// and that axe-core finds no fault of accessibility. `go test -artifacts` keeps the pictures.
func TestLooks(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(filepath.Join(testenv.NodeModule(t, "axe-core"), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	s := serveAll(t)
	b := s.open(t)
	stranger := s.window(t, b.ctx, chromedp.WithNewBrowserContext())
	visit := func(b *browser, path string) func() { return func() { b.visit(path) } }
	pages := []struct {
		name string
		b    *browser
		show func()
	}{
		{"register", b, func() {
			b.visit("/register")
			b.enter("#username", "ada@example.com", "#password", "password")
			b.wantError("#problem", "guessed first", "password")
		}},
		{"login", stranger, visit(stranger, "/login")},
		{"refused", stranger, func() {
			stranger.enter("#username", "bob", "#password", otherPassword)
			stranger.wantError("#problem", "Wrong", "password")
		}},
		{"mail", stranger, visit(stranger, "/login/mail")},
		{"mailcode", stranger, func() {
			stranger.enter("#address", "bob@example.com")
			stranger.at("/login/mail", "enter the code here")
		}},
		{"loginlink", stranger, visit(stranger, "/login?token=x")},
		{"forgot", stranger, visit(stranger, "/forgot")},
		{"sent", stranger, func() {
			stranger.enter("#address", "bob@example.com")
			stranger.at("/forgot", "on its way")
		}},
		{"reset", stranger, visit(stranger, "/reset?token=x")},
		{"reset-again", stranger, func() {
			stranger.enter("#new", password)
			stranger.at("/reset", "not valid any more")
		}},
		{"verify", stranger, visit(stranger, "/verify?token=x")},
		{"verifyagain", stranger, visit(stranger, "/verify")},
		{"change", stranger, visit(stranger, "/change?token=x")},
		{"account", b, func() {
			b.enter("#username", "ada@example.com", "#password", password)
			b.at("/account", "ada@example.com")
			s.elsewhere("ada@example.com")
			b.visit("/account?notice=password_changed")
		}},
		{"password", b, visit(b, "/account/password")},
		{"address", b, visit(b, "/account/address")},
		{"delete", b, visit(b, "/account/delete")},
		{"confirm", b, visit(b, "/account/confirm?to=/account")},
		{"newkey", b, func() {
			b.visit("/account/keys")
			b.enter("#name", "backup at home")
			b.at("/account/keys", "not shown again")
		}},
		{"keys", b, visit(b, "/account/keys")},
		{"consent", b, visit(b, request(s, "native", "http://127.0.0.1:4711/callback", "notes:read notes:write"))},
		{"consent-one", b, visit(b, request(s, "web", s.url+"/app", "notes:read"))},
		{"factor", b, visit(b, "/account/factor")},
		{"setup", b, func() {
			b.enter("#current", password)
			b.at("/account/factor", "JBSW Y3DP")
		}},
		{"recoverycodes", b, func() {
			b.enter("#current", password, "#code", "123456")
			b.at("/account/factor", "2k4f-9xqa")
		}},
		{"factor-on", b, visit(b, "/account/factor")},
		{"code", stranger, func() {
			stranger.visit("/login")
			stranger.enter("#username", "ada@example.com", "#password", password)
			stranger.at("/login", "authenticator app")
		}},
		{"error", stranger, visit(stranger, "/oauth/authorize")},
	}
	for _, page := range pages {
		page.show()
		b := page.b
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

// TestKeyboard walks from an app to the login, a new account, the consent and back to the app, by the keyboard
// alone and with scripts switched off.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	s := serveAll(t)
	b := s.open(t)
	b.do("scripts off", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	press := func(keys ...string) {
		t.Helper()
		for _, key := range keys {
			b.do("press "+key, chromedp.KeyEvent(key))
		}
	}
	// reach presses Tab until an element has the focus whose text or name begins with words.
	reach := func(words string) {
		t.Helper()
		for range 40 {
			if evaluate[bool](b, `(document.activeElement.innerText || document.activeElement.name || "").startsWith("`+words+`")`) {
				if outline := evaluate[string](b, `getComputedStyle(document.activeElement).outlineStyle`); outline != "solid" {
					t.Errorf("%q has the focus, and shows it not: outline %s", words, outline)
				}
				return
			}
			press(kb.Tab)
		}
		t.Fatalf("Tab does not reach %q", words)
	}
	b.visit(request(s, "web", s.url+"/app", "notes:read notes:write"))
	b.at("/login", "Log in")
	reach("No account yet")
	press(kb.Enter)
	b.at("/register", "Create an account")
	press("ada", kb.Tab, password, kb.Enter)
	b.at("/oauth/authorize", "asks for access")
	reach("scope")
	press(kb.Tab, " ") // the second permission is left out
	reach("Allow")
	press(kb.Enter)
	b.at("/app", "the app has a code")
	b.visit("/account")
	b.at("/account", "ada")
	reach("Change password")
	press(kb.Enter)
	b.at("/account/password", "New password")
	press(password, kb.Tab, otherPassword)
	reach("Change password")
	press(kb.Enter)
	b.at("/account", "Your password has been changed")
	reach("Log out")
	press(kb.Enter)
	b.at("/login", "You are logged out")
	press("ada", kb.Tab, otherPassword, kb.Enter)
	b.at("/account", "ada")
}
