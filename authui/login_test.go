package authui_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/session"
)

// sealed is a ReturnTo that knows three texts; two of them are paths that no login may lead to.
func sealed(text string) (string, bool) {
	path, ok := map[string]string{"good": "/authorize?client=app", "host": "//evil.test/", "back": `/\evil.test`, "away": "https://evil.test/"}[text]
	return path, ok
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{Name: "Notes"})
	s.register("ada")
	b := s.browser()
	page := b.open("/login").want(200, "/login", "Log in", "Notes")
	wrong := b.submit(page, "/login", "username", "ada", "password", other).want(401, "/login", "Wrong username or password.")
	if !strings.Contains(wrong.body, `value="ada"`) || strings.Contains(wrong.body, other) {
		t.Error("the form that is shown again must keep the username, and not the password")
	}
	b.submit(wrong, "/login", "username", "nobody", "password", other).want(401, "/login", "Wrong username or password.")
	account := b.submit(wrong, "/login", "username", "ada", "password", password).want(200, "/account", "Logged in as ada", "Chrome on Linux", "This device")
	b.open("/login").want(200, "/account") // nothing to do there for a user who is logged in
	b.submit(account, "/auth/logout/page").want(200, "/login", "You are logged out.")
	b.open("/account").want(200, "/login", "Log in")
}

// A visitor whose browser has no cookie at all sends the first form.
func TestRegister(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	b := s.browser()
	page := b.open("/register").want(200, "/register")
	b.submit(page, "/register", "username", "ada", "password", "short").want(422, "/register", "at least 8 characters")
	b.submit(page, "/register", "username", "ada", "password", "password1234").want(422, "/register", "guessed first")
	b.submit(page, "/register", "username", "", "password", password).want(400, "/register", "missing")
	b.submit(page, "/register", "username", "ada", "password", password).want(200, "/account", "Logged in as ada")
	eve := s.browser()
	eve.submit(eve.open("/register"), "/register", "username", "ADA", "password", password).want(409, "/register", "taken")
}

// A host that creates accounts itself has no such page.
func TestEndpointsDecideAboutPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{Endpoints: []authhttp.Endpoint{
		authhttp.EndpointLogin, authhttp.EndpointRefresh, authhttp.EndpointLogout,
	}})
	s.register("ada")
	b := s.browser()
	for _, path := range []string{"/register", "/forgot", "/reset", "/verify", "/change", "/login/mail", "/account/password", "/account/delete"} {
		if got := b.open(path); got.status != 404 {
			t.Errorf("%s answers %d, want 404", path, got.status)
		}
	}
	page := b.open("/login").want(200, "/login")
	for _, absent := range []string{"/register", "/forgot", "/login/mail"} {
		if strings.Contains(page.body, absent) {
			t.Errorf("the login leads to %s, which is not there", absent)
		}
	}
	b.submit(page, "/login", "username", "ada", "password", password).want(200, "/account", "Log out")
}

func TestSecondFactor(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{ReturnTo: sealed})
	user := s.register("ada")
	s.factor.locked(func() { s.factor.active[user.ID] = true })
	b := s.browser()
	page := b.open("/login?return_to=good")
	code := b.submit(page, "/login", "username", "ada", "password", password).want(200, "/login", "authenticator app")
	again := b.submit(code, "/login/code", "code", "000000").want(401, "/login/code", "code is wrong")
	b.submit(again, "/login/code", "code", "123456").want(404, "/authorize")
	b.open("/account").want(200, "/account", "On")
}

func TestLoginByMail(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{ReturnTo: sealed})
	s.verified("ada@site.test")
	b := s.browser()
	page := b.open("/login/mail?return_to=good")
	b.submit(page, "/login/mail", "address", "nonsense").want(422, "/login/mail", "not a valid e-mail address")
	sent := b.submit(page, "/login/mail", "address", "ada@site.test").want(200, "/login/mail", "Check your e-mail")
	mail, link := s.mails.next(t, recovery.KindLogin)
	wrong := b.submit(sent, "/login/mail/code", "code", "000000x").want(401, "/login/mail/code", "code is wrong")
	s.browser().submitLink(link).want(403, "/login", "in another browser")
	b.submit(wrong, "/login/mail/code", "code", mail.Code).want(404, "/authorize")

	s.verified("bob@site.test") // one address gets one mail of a kind a minute
	c := s.browser()
	c.submit(c.open("/login/mail"), "/login/mail", "address", "bob@site.test")
	_, link = s.mails.next(t, recovery.KindLogin)
	page = c.send("GET", link, "cross-site", nil)
	delete(c.cookies, "/ __Host-form")
	c.submit(page, "/login").want(403, "/login", "Please send it again", "You opened the link") // the link is not lost
	c.submitLink(link).want(200, "/account", "bob@site.test")
	c.submitLink(link).want(400, "/login", "not valid any more")
}

// submitLink opens the link of a mail, and sends the form that it leads to.
func (b *browser) submitLink(link string) *shown {
	b.t.Helper()
	page := b.send("GET", link, "cross-site", nil).want(200, "/login")
	return b.submit(page, "/login")
}

// verified adds an account whose address is confirmed.
func (s *site) verified(address string) {
	s.t.Helper()
	must(s.app.Recovery.Register(s.t.Context(), address, password))
	_, link := s.mails.next(s.t, recovery.KindVerify)
	if err := s.app.Recovery.VerifyAddress(s.t.Context(), must(url.Parse(link)).Query().Get("token"), password); err != nil {
		s.t.Fatal(err)
	}
}

// The way back never leads to another host, whatever the parameter holds and whoever has sealed it.
func TestReturnTo(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{ReturnTo: sealed})
	s.register("ada")
	plain := newSite(t, authui.Config{Home: "/notes"})
	plain.register("ada")
	for _, row := range []struct {
		site           *site
		returnTo, want string
	}{
		{s, "good", "/authorize?client=app"}, {s, "", "/account"}, {s, "host", "/account"}, {s, "back", "/account"}, {s, "away", "/account"},
		{s, "https://evil.test/", "/account"}, {s, "//evil.test", "/account"}, {s, "/authorize", "/account"}, {s, strings.Repeat("x", 9000), "/account"},
		{plain, "good", "/notes"}, {plain, "//evil.test", "/notes"},
	} {
		b := row.site.browser()
		page := b.open("/login?" + url.Values{"return_to": {row.returnTo}}.Encode())
		if got := b.submit(page, "/login", "username", "ada", "password", password); got.path != row.want {
			t.Errorf("return_to=%.30s leads to %s, want %s", row.returnTo, got.path, row.want)
		}
		b = row.site.browser() // the field of the form is the visitor's own to change
		page = b.open("/login")
		if got := b.submit(page, "/login", "username", "ada", "password", password, "return_to", row.returnTo); got.path != row.want {
			t.Errorf("the field return_to=%.30s leads to %s, want %s", row.returnTo, got.path, row.want)
		}
	}
}

// The request that led to the login goes on after a wrong password, and after a new account.
func TestReturnToSurvives(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{ReturnTo: sealed})
	s.register("ada")
	b := s.browser()
	page := b.submit(b.open("/login?return_to=good"), "/login", "username", "ada", "password", other).want(401, "/login")
	if got := b.submit(page, "/login", "username", "ada", "password", password); got.path != "/authorize?client=app" {
		t.Errorf("after a wrong password: %s", got.path)
	}
	c := s.browser()
	page = c.open("/login?return_to=good")
	if !strings.Contains(page.body, `href="/register?return_to=good"`) {
		t.Error("the link to the new account loses return_to")
	}
	if got := c.submit(c.open("/register?return_to=good"), "/register", "username", "bob", "password", password); got.path != "/authorize?client=app" {
		t.Errorf("after a new account: %s", got.path)
	}
	// A server that asks for a fresh login gets one.
	c.open("/login?return_to=good").want(200, "/login", "Password")
}

// A browser whose access token has expired goes on without a login, also when an app of another site led it
// here, so that it first sends no refresh token.
func TestResume(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{ReturnTo: sealed})
	s.register("ada")
	expired := func() *browser {
		b := s.browser()
		b.login("ada").want(200, "/account")
		delete(b.cookies, "/ __Host-access")
		return b
	}
	expired().open("/account").want(200, "/account", "ada")
	expired().open("/account/password").want(200, "/account/password")
	expired().open("/login?return_to=good").want(404, "/authorize")
	b := expired()
	page := b.send("GET", "/login?return_to=good", "cross-site", nil).want(200, "/login")
	next, ok := strings.CutPrefix(page.header.Get("Refresh"), "0; url=")
	if !ok {
		t.Fatal("a login page that another site led to does not look for a refresh token")
	}
	b.send("GET", next, "same-origin", nil).want(404, "/authorize")
	b = expired()
	page = b.send("GET", "/account", "cross-site", nil).want(200, "/auth/refresh/page", "One moment")
	b.send("GET", strings.TrimPrefix(page.header.Get("Refresh"), "0; url="), "same-origin", nil).want(200, "/account", "ada")

	// Without a refresh token, or with one that is worthless, the login page is shown, and stays.
	stranger := s.browser()
	page = stranger.send("GET", "/login?return_to=good", "cross-site", nil)
	page = stranger.send("GET", strings.TrimPrefix(page.header.Get("Refresh"), "0; url="), "same-origin", nil).want(200, "/login")
	if page.header.Get("Refresh") != "" || !strings.Contains(page.body, `name="return_to" value="good"`) {
		t.Error("the login page leads away again, or has lost return_to")
	}
	b = expired()
	user := must(s.app.Accounts.Sessions(t.Context(), must(s.app.Accounts.Login(t.Context(), "ada", password)).Principal.Subject()))
	for _, one := range user {
		if err := s.app.Accounts.EndSession(t.Context(), one.UserID, one.ID); err != nil {
			t.Fatal(err)
		}
	}
	b.open("/account").want(200, "/login")
	if len(b.cookies) != 2 { // device and form
		t.Errorf("cookies of a session that has ended remain: %v", b.cookies)
	}
	b.open("/auth/refresh/page?to=//evil.test").want(200, "/login")

	// A browser that has lost the refresh token, and not the mark beside it, is not led in a circle.
	b = expired()
	delete(b.cookies, "/auth/refresh __Secure-refresh")
	b.open("/login").want(200, "/login", "Password")
	b.open("/account").want(200, "/login", "Password")
}

// Users choose whether they stay logged in where the host lets them.
func TestRemember(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{}, func(cfg *authkit.Config) { cfg.Mount.Unremembered = &session.Terms{} })
	s.register("ada")
	for _, remember := range []string{"", "true"} {
		b := s.browser()
		page := b.open("/login").want(200, "/login", "Stay logged in")
		b.submit(page, "/login", "username", "ada", "password", password, "remember", remember).want(200, "/account")
		if life := b.cookies["/ __Host-access"].MaxAge; (life > 0) != (remember != "") {
			t.Errorf("remember=%q: the cookie lives %d s", remember, life)
		}
	}
}
