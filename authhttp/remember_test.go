package authhttp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/session"
)

// forgetting returns a Config whose users choose whether they are remembered.
func forgetting(cfg authhttp.Config) authhttp.Config {
	cfg.Unremembered = &session.Terms{Idle: 12 * time.Hour}
	return cfg
}

const remembered = "1209600" // seconds of a session that is remembered: 14 days

// Users who do not ask to be remembered get a short session, and cookies that end with the browser, after
// each way to log in and after whatever gives new tokens.
func TestRemember(t *testing.T) {
	t.Parallel()
	s := newServer(t, forgetting(cookies(t, authhttp.CookieConfig{})))
	check := func(what string, a answer, asked bool, count int) answer {
		t.Helper()
		lines := a.header["Set-Cookie"]
		persistent := strings.Count(strings.Join(lines, "\n"), "Max-Age=")
		life := `"refresh_expires_in":43200`
		if asked {
			life = `"refresh_expires_in":` + remembered
		}
		if a.status != 200 || len(lines) != count || persistent != map[bool]int{true: count}[asked] || count > 1 && !strings.Contains(a.text, life) {
			t.Errorf("%s: got %d %s with %v, want %s and persistent cookies: %t", what, a.status, a.text, lines, life, asked)
		}
		return a
	}
	credentials := func(member string) string {
		return `{"username":"ada","password":"` + password + `"` + member + `}`
	}
	for body, asked := range map[string]bool{
		credentials(""): false, credentials(`,"remember":true`): true, credentials(`,"remember":false`): false,
		credentials(`,"remember":"on"`): true, credentials(`,"remember":"false"`): false, credentials(`,"remember":""`): false,
		form("username", "ada", "password", password): false, form("username", "ada", "password", password, "remember", "on"): true,
		form("username", "ada", "password", password, "remember", "1"): true, form("username", "ada", "password", password, "remember", "off"): false,
	} {
		c := s.browser()
		check(body, s.call(c, "POST", "/auth/login", body, nil), asked, 4)
		check(body+": refresh", s.call(c, "POST", "/auth/refresh", "", nil), asked, 4)
		check(body+": step-up", s.call(c, "POST", "/auth/step-up", object("password", password), nil), asked, 1)
		check(body+": password", s.call(c, "POST", "/auth/password", object("current_password", password, "new_password", password), nil), asked, 4)
		check(body+": refresh again", s.call(c, "POST", "/auth/refresh", "", nil), asked, 4)
	}
	for _, body := range []string{credentials(`,"remember":"maybe"`), credentials(`,"remember":1`), credentials(`,"remember":null`), credentials(`,"remember":[true]`), form("username", "ada", "password", password, "remember", "x")} {
		s.call(s.Client(), "POST", "/auth/login", body, nil).want(t, body, 400, "invalid_request")
	}

	s.register("bob")
	for _, asked := range []bool{true, false} {
		// The address of each user gets one mail of a kind an hour.
		address := map[bool]string{true: "ada@example.com", false: "bob@example.com"}[asked]
		member := map[bool]string{true: `,"remember":true}`, false: "}"}[asked]
		c := s.browser()
		s.call(c, "POST", "/auth/login/link/request", object("address", address), nil).want(t, "link", 202, "")
		_, token := s.mail(recovery.KindLogin)
		check("link", s.call(c, "POST", "/auth/login/link", `{"token":"`+token+`"`+member, nil), asked, 4)
		challenge := s.call(c, "POST", "/auth/login/code/request", object("address", address), nil).want(t, "code", 202, "").Challenge
		m, _ := s.mail(recovery.KindCode)
		check("code", s.call(c, "POST", "/auth/login/code", `{"challenge":"`+challenge+`","code":"`+m.Code+`"`+member, nil), asked, 4)
		s.codes.set("1")
		mfa := s.call(s.Client(), "POST", "/auth/login", credentials(member[:len(member)-1]), nil).want(t, "one factor", 403, "mfa_required").MFA
		check("second factor", s.call(s.Client(), "POST", "/auth/login/mfa", object("mfa_token", mfa, "code", "1"), nil), asked, 4)
		s.codes.none()
	}
}

// A client without cookies has the choice, too, and a host that gives none has no such member.
func TestRememberWithoutCookies(t *testing.T) {
	t.Parallel()
	s := newServer(t, forgetting(authhttp.Config{}))
	for body, life := range map[string]time.Duration{
		object("username", "ada", "password", password): 12 * time.Hour, object("username", "ada", "password", password, "remember", "true"): 14 * 24 * time.Hour,
	} {
		in := s.call(s.Client(), "POST", "/auth/login", body, nil).want(t, body, 200, "")
		if next := must(s.accounts.Refresh(t.Context(), in.Refresh)); next.RefreshExpiresIn != life {
			t.Errorf("%s: got a session of %v, want %v", body, next.RefreshExpiresIn, life)
		}
	}
	without := newServer(t, authhttp.Config{})
	without.call(without.Client(), "POST", "/auth/login", object("username", "ada", "password", password, "remember", "true"), nil).want(t, "no choice", 400, "invalid_request")
}

// The device stays known, whether or not its user is remembered.
func TestRememberKeepsDevice(t *testing.T) {
	t.Parallel()
	a := &accounts{tokens: auth.Tokens{AccessToken: "eyJ", ExpiresIn: time.Minute, DeviceToken: "d", NonPersistent: true}}
	w := post(authhttp.Login(a, cookies(t, authhttp.CookieConfig{})), "/", asJSON, `{"username":"ada","password":"s3cr3t"}`)
	lines := w.Header()["Set-Cookie"]
	if len(lines) != 2 || strings.Contains(lines[0], "Max-Age") || !strings.Contains(lines[1], "Max-Age=34560000") {
		t.Errorf("got cookies %v, want an access token until the browser closes, and a device token", lines)
	}
}
