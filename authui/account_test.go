package authui_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
)

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.verified("ada@site.test")
	b, elsewhere := s.browser(), s.browser()
	b.login("ada@site.test")
	elsewhere.login("ada@site.test")
	page := b.open("/account/password").want(200, "/account/password")
	b.submit(page, "/account/password", "current_password", other, "new_password", other).want(403, "/account/password", "current password is wrong")
	b.submit(page, "/account/password", "current_password", password, "new_password", "short").want(422, "/account/password", "too short")
	b.submit(page, "/account/password", "current_password", password, "new_password", other).want(200, "/account", "Your password has been changed")
	s.mails.next(t, recovery.KindPasswordChanged) // a page sends the notices that the endpoint sends
	elsewhere.open("/account").want(200, "/login")
	b.submit(b.open("/account"), "/auth/logout/page").want(200, "/login")
	b.login("ada@site.test").want(401, "/login")
	b.submit(b.open("/login"), "/login", "username", "ada@site.test", "password", other).want(200, "/account")
}

func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.verified("ada@site.test")
	elsewhere := s.browser()
	elsewhere.login("ada@site.test")
	b := s.browser()
	page := b.open("/forgot")
	known := b.submit(page, "/forgot", "address", "ada@site.test").want(200, "/forgot", "If this address belongs to an account")
	unknown := b.submit(page, "/forgot", "address", "nobody@site.test").want(200, "/forgot")
	if known.text() != unknown.text() {
		t.Error("the page reveals whether an address is known")
	}
	_, link := s.mails.next(t, recovery.KindReset)
	page = b.send("GET", link, "cross-site", nil).want(200, "/reset", "Set a new password")
	b.send("GET", link, "cross-site", nil).want(200, "/reset") // programs that scan mails open links
	b.submit(page, "/reset", "new_password", "short").want(422, "/reset", "too short")
	b.submit(page, "/reset", "new_password", other).want(200, "/login", "Your new password is set")
	b.submit(page, "/reset", "new_password", other).want(400, "/reset", "not valid any more", "Send another link")
	elsewhere.open("/account").want(200, "/login")
	b.submit(b.open("/login"), "/login", "username", "ada@site.test", "password", other).want(200, "/account")
	s.browser().open("/reset").want(200, "/forgot")
}

func TestVerifyAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	b := s.browser()
	b.submit(b.open("/register"), "/register", "username", "ada@site.test", "password", password).want(200, "/account")
	_, link := s.mails.next(t, recovery.KindVerify)
	page := b.open(link).want(200, "/verify")
	b.submit(page, "/verify", "current_password", other).want(403, "/verify", "current password is wrong")
	b.submit(page, "/verify", "current_password", password).want(200, "/account", "Your address is confirmed")
	b.submit(page, "/verify", "current_password", password).want(400, "/verify", "not valid any more")

	// Somebody else has registered with the address of bob, who sets a new password.
	eve := s.browser()
	eve.submit(eve.open("/register"), "/register", "username", "bob@site.test", "password", password).want(200, "/account")
	_, link = s.mails.next(t, recovery.KindVerify)
	bob := s.browser()
	page = bob.open(link)
	bob.submit(page, "/verify", "new_password", other).want(200, "/login", "Your address is confirmed")
	eve.open("/account").want(200, "/login")

	again := bob.open("/verify").want(200, "/verify", "another link")
	bob.submit(again, "/verify", "address", "bob@site.test").want(200, "/verify", "on its way")
	bob.submit(again, "/verify", "address", "nonsense").want(422, "/verify", "not a valid")
}

func TestChangeAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.verified("ada@site.test")
	b := s.browser()
	b.login("ada@site.test")
	page := b.open("/account/address")
	b.submit(page, "/account/address", "current_password", password, "address", "new@site.test").want(200, "/account", "sent a link")
	_, link := s.mails.next(t, recovery.KindChange)
	page = b.open(link).want(200, "/change")
	b.submit(page, "/change", "current_password", other).want(403, "/change", "current password is wrong")
	b.submit(page, "/change", "current_password", password).want(200, "/account", "Your address has been changed")
	b.submit(page, "/change", "current_password", password).want(400, "/change", "not valid any more")
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.register("ada")
	b, phone, tablet := s.browser(), s.browser(), s.browser()
	phone.header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1")
	tablet.header.Set("User-Agent", "something else")
	phone.login("ada")
	tablet.login("ada")
	b.login("ada")
	page := b.open("/account").want(200, "/account", "Chrome on Linux", "Safari on iPhone", "Unknown device")
	_, form := page.form("/account/sessions")
	b.submit(page, "/account/sessions").want(200, "/account", "The device is logged out")
	b.send("POST", "/account/sessions", "same-origin", form).want(404, "/account/sessions", "logged out already")
	form.Set("id", "../../account/delete")
	b.send("POST", "/account/sessions", "same-origin", form).want(404, "/account/sessions")
	b.open("/account")
	form.Set("others", "1")
	b.send("POST", "/account/sessions", "same-origin", form).want(200, "/account", "All other devices are logged out")
	phone.open("/account").want(200, "/login")
	tablet.open("/account").want(200, "/login")
	b.open("/account").want(200, "/account", "This device")
}

func TestEnrolFactor(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.verified("ada@site.test")
	b := s.browser()
	b.login("ada@site.test")
	page := b.open("/account/factor")
	b.submit(page, "/account/factor", "current_password", other).want(403, "/account/factor", "current password is wrong")
	setup := b.submit(page, "/account/factor", "current_password", password).want(200, "/account/factor", "JBSW Y3DP EHPK 3PXP")
	if !strings.Contains(setup.body, `href="otpauth://totp/ada@site.test?secret=JBSWY3DPEHPK3PXP"`) {
		t.Error("the page has no link for the app")
	}
	wrong := b.submit(setup, "/account/factor", "current_password", password, "code", "000000").want(403, "/account/factor", "The password or the code is wrong", "JBSW Y3DP")
	b.submit(wrong, "/account/factor", "current_password", password, "code", "123456").want(200, "/account/factor", "aaaa-bbbb", "cccc-dddd")
	s.mails.next(t, recovery.KindFactorAdded)
	form := func() *shown {
		return b.open("/account/factor").want(200, "/account/factor", "The second factor is on")
	}
	b.submit(form(), "/account/factor", "do", "renew", "current_password", password, "code", "000000").want(403, "/account/factor", "The password or the code")
	b.submit(form(), "/account/factor", "do", "renew", "current_password", password, "code", "123456").want(200, "/account/factor", "eeee-ffff")
	b.submit(form(), "/account/factor", "do", "nonsense").want(400, "/account/factor", "The second factor is on")

	// What changes the account asks for the factor, which this login has not proven.
	confirm := b.submit(b.open("/account/password"), "/account/password", "current_password", password, "new_password", other)
	confirm.want(200, "/account/confirm", "Confirm that it is you", "Code from the app")
	b.submit(confirm, "/account/confirm", "password", password, "code", "000000").want(403, "/account/confirm", "The password or the code is wrong")
	page = b.submit(confirm, "/account/confirm", "password", password, "code", "123456").want(200, "/account/password")
	code := b.submit(page, "/account/password", "current_password", password, "new_password", other)
	code.want(200, "/account/password", "authenticator app") // the new session asks for it again
	b.submit(code, "/login/code", "code", "123456").want(200, "/account", "On")
	b.submit(form(), "/account/factor", "do", "remove", "current_password", other, "code", "123456").want(200, "/account", "The second factor has been removed", "Off")
	for _, hostile := range []string{"javascript:alert(1)", "https://evil.test/", "x"} {
		page := b.submit(b.open("/account/factor"), "/account/factor", "do", "confirm", "url", hostile, "secret", "x", "code", "1", "current_password", password)
		page.want(403, "/account/factor", "Set up")
		if strings.Contains(page.body, "evil") || strings.Contains(page.body, "javascript") {
			t.Errorf("the page leads to %s", hostile)
		}
	}
}

func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	s.register("ada")
	b := s.browser()
	b.login("ada")
	page := b.open("/account/delete").want(200, "/account/delete")
	b.submit(page, "/account/delete", "current_password", other).want(403, "/account/delete", "current password is wrong")
	b.submit(page, "/account/delete", "current_password", password).want(200, "/login", "Your account has been deleted")
	b.open("/account").want(200, "/login")
	b.login("ada").want(401, "/login")
}

// Who ends other sessions long after the login proves the identity first.
func TestConfirm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, authui.Config{})
		s.register("ada")
		b, phone := s.browser(), s.browser()
		phone.login("ada")
		b.login("ada")
		page := b.open("/account")
		time.Sleep(10 * time.Minute)
		confirm := b.submit(page, "/account/sessions").want(200, "/account/confirm", "Confirm that it is you")
		b.submit(confirm, "/account/confirm", "password", other).want(403, "/account/confirm", "The password or the code is wrong")
		page = b.submit(confirm, "/account/confirm", "password", password).want(200, "/account", "Please repeat")
		b.submit(page, "/account/sessions").want(200, "/account", "The device is logged out")

		// After 15 minutes the access token has expired: the form is not lost without a word.
		page = b.open("/account/password")
		time.Sleep(20 * time.Minute)
		b.submit(page, "/account/password", "current_password", password, "new_password", other).want(200, "/account/password", "Please send the form again")
	})
}

// A store that is down logs nobody out, and no page shows why.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	var down downStore
	down.Store = memstore.New()
	s := newSiteOn(t, &down, authui.Config{})
	s.register("ada")
	b := s.browser()
	login := b.open("/login")
	b.login("ada").want(200, "/account")
	down.set(true)
	for _, page := range []*shown{
		b.submit(login, "/login", "username", "ada", "password", password), b.open("/account"),
	} {
		if page.status < 500 || strings.Contains(page.body, "secret cause") || !strings.Contains(page.body, "<h1>") {
			t.Errorf("%s: got %d:\n%s", page.path, page.status, page.text())
		}
	}
	delete(b.cookies, "/ __Host-access")
	if page := b.open("/account"); page.status < 500 {
		t.Errorf("a refresh that could not be decided: got %d %s", page.status, page.path)
	}
	down.set(false)
	b.open("/account").want(200, "/account", "ada")
}

// Only GET shows a page; other methods are the host's.
func TestMethods(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{})
	b := s.browser()
	for _, method := range []string{"PUT", "DELETE", "OPTIONS"} {
		if got := b.send(method, "/login", "same-origin", nil); got.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d", method, got.status)
		}
	}
	if got := b.send("HEAD", "/login", "none", nil); got.status != 200 {
		t.Errorf("HEAD: got %d", got.status)
	}
}

// downStore is a store that can be down.
type downStore struct {
	*memstore.Store
	down atomic.Bool
}

func (d *downStore) set(down bool) { d.down.Store(down) }

func (d *downStore) fault() error {
	if d.down.Load() {
		return errors.New("secret cause")
	}
	return nil
}

func (d *downStore) UserByID(ctx context.Context, id string) (auth.User, error) {
	if err := d.fault(); err != nil {
		return auth.User{}, err
	}
	return d.Store.UserByID(ctx, id)
}

func (d *downStore) UserByUsername(ctx context.Context, username string) (auth.User, error) {
	if err := d.fault(); err != nil {
		return auth.User{}, err
	}
	return d.Store.UserByUsername(ctx, username)
}

// A user creates a key, which is shown once, uses it, and deletes it.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, authui.Config{}, func(cfg *authkit.Config) {
		cfg.APIKeyPrefix, cfg.APIKeys.PerUser = "notes_test", 2
		cfg.Accounts.Claims = func(_ context.Context, _ auth.User, c *auth.Claims) error {
			c.Scopes = []string{"notes:read", "notes:write"}
			return nil
		}
	})
	s.register("ada")
	b := s.browser()
	b.login("ada").want(200, "/account", "API keys")
	page := b.open("/account/keys").want(200, "/account/keys", "notes:write")
	shown := b.submit(page, "/account/keys", "name", "backup <b>", "days", "30", "scope", "notes:read").want(200, "/account/keys", "not shown again", "backup <b>")
	key := regexp.MustCompile(`notes_test_[0-9A-Za-z_]+`).FindString(shown.text())
	p, err := s.app.APIKeys.Verify(t.Context(), key)
	if err != nil || !p.HasScope("notes:read") || p.HasScope("notes:write") {
		t.Fatalf("the key %q: %v", key, err)
	}
	if strings.Contains(b.open("/account/keys").body, key) {
		t.Error("the key is shown again")
	}
	b.submit(page, "/account/keys", "name", strings.Repeat("x", 200), "days", "30").want(422, "/account/keys", "not possible")
	b.submit(page, "/account/keys", "name", "x", "days", "9999").want(422, "/account/keys", "not possible")
	b.submit(page, "/account/keys", "name", "x", "days", "soon").want(400, "/account/keys")
	b.submit(page, "/account/keys", "name", "x", "days", "30", "scope", "admin").want(403, "/account/keys", "You may not give this permission")
	b.submit(page, "/account/keys", "name", "second", "days", "30").want(200, "/account/keys", "not shown again")
	b.submit(page, "/account/keys", "name", "third", "days", "30").want(409, "/account/keys", "as many keys as are allowed")
	list := b.open("/account/keys").want(200, "/account/keys", "backup <b>", "second", "May: notes:read")
	b.submit(list, "/account/keys").want(200, "/account", "The key has been deleted")
	if _, err := s.app.APIKeys.Verify(t.Context(), key); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the deleted key: %v", err)
	}
	_, form := list.form("/account/keys")
	b.send("POST", "/account/keys", "same-origin", form).want(404, "/account/keys", "no such key any more")
}
