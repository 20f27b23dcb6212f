package authhttp_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/passwords"
)

// codes is a second factor that everybody has who logs in while there is one.
type codes struct {
	mu    sync.Mutex
	left  map[string]bool
	begun bool // by Begin
}

func (c *codes) set(list ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = map[string]bool{}
	for _, code := range list {
		c.left[code] = true
	}
}

// none takes the factor from everybody.
func (c *codes) none() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = nil
}

func (c *codes) Required(context.Context, string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left != nil, nil
}

func (c *codes) Prove(_ context.Context, _, code string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.left[code] {
		return nil, auth.ErrInvalidCredentials
	}
	delete(c.left, code)
	return []string{"otp"}, nil
}

// A login with two factors takes two requests, whichever way it begins.
func TestLoginMFA(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{PasswordGrant: true})
	c := s.Client()
	before := s.login()
	s.codes.set("1", "2", "3", "4", "5")
	good := form("username", "ada", "password", password, "grant_type", "password")
	for name, waits := range map[string]answer{
		"form":  s.call(c, "POST", "/auth/login", good, nil),
		"json":  s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil),
		"token": s.call(c, "POST", "/auth/token", good, nil),
		"change": s.call(c, "POST", "/auth/password", object("current_password", password, "new_password", password),
			bearer(before.Access)),
	} {
		want := map[bool]string{true: asJSON, false: "application/problem+json"}[name == "form" || name == "token"]
		if waits.want(t, name, 403, "mfa_required"); waits.MFA == "" || waits.Detail == "" || waits.Error != "mfa_required" || waits.Access != "" || waits.header.Get("Content-Type") != want {
			t.Fatalf("%s: answers %s %s", name, waits.header.Get("Content-Type"), waits.text)
		}
	}
	waits := s.call(c, "POST", "/auth/login", good, nil)
	s.call(c, "POST", "/auth/login/mfa", object("mfa_token", waits.MFA, "code", "0"), nil).want(t, "a wrong code", 401, "invalid_credentials")
	s.call(c, "POST", "/auth/login/mfa", object("mfa_token", "x", "code", "1"), nil).want(t, "a wrong token", 401, "invalid_credentials")
	s.call(c, "POST", "/auth/login/mfa", object("mfa_token", waits.MFA), nil).want(t, "no code", 400, "invalid_request")
	in := s.call(c, "POST", "/auth/login/mfa", object("mfa_token", waits.MFA, "code", "1"), nil).want(t, "the right code", 200, "")
	s.call(c, "GET", "/auth/me", "", bearer(in.Access)).want(t, "me", 200, "")
	s.call(c, "POST", "/auth/login/mfa", object("mfa_token", waits.MFA, "code", "2"), nil).want(t, "again", 401, "invalid_credentials")
}

// A caller proves who they are anew, by what they have.
func TestStepUp(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	in := s.login()
	s.codes.set("1", "2")
	up := func(body string) answer { return s.call(c, "POST", "/auth/step-up", body, bearer(in.Access)) }
	s.call(c, "POST", "/auth/step-up", object("password", password), nil).want(t, "by nobody", 401, "no_credentials")
	up("{}").want(t, "nothing", 403, "invalid_credentials")
	up(object("password", "wrong horse")).want(t, "a wrong password", 403, "invalid_credentials")
	up(object("code", "0")).want(t, "a wrong code", 403, "invalid_credentials")
	up(object("password", password, "code", "0")).want(t, "one wrong of two", 403, "invalid_credentials")
	up(object("password", password, "otp", "1")).want(t, "another member", 400, "invalid_request")
	now := up(object("password", password, "code", "1")).want(t, "both", 200, "")
	if now.Access == "" || now.Refresh != "" {
		t.Errorf("answers %s", now.text)
	}
	fresh := s.guard.RequireMFA(s.Config.Handler)
	for token, want := range map[string]int{in.Access: 401, now.Access: 200} {
		r := httptest.NewRequest("GET", "/auth/me", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		fresh.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("behind RequireMFA: %d %s, want %d", w.Code, w.Body, want)
		}
	}
}

// In a browser, the second factor and stepping up give cookies.
func TestMFACookies(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	s.codes.set("1", "2")
	c := s.browser()
	waits := s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 403, "mfa_required")
	if waits.header["Set-Cookie"] != nil {
		t.Errorf("one factor sets %v", waits.header["Set-Cookie"])
	}
	evil := header{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
	code := object("mfa_token", waits.MFA, "code", "1")
	s.call(c, "POST", "/auth/login/mfa", code, evil).want(t, "another origin", 403, "cross_origin")
	in := s.call(c, "POST", "/auth/login/mfa", code, nil).want(t, "mfa", 200, "")
	s.call(c, "POST", "/auth/step-up", object("code", "2"), evil).want(t, "another origin", 403, "cross_origin")
	up := s.call(c, "POST", "/auth/step-up", object("code", "2"), nil).want(t, "step up", 200, "")
	if len(in.header["Set-Cookie"]) != 2 || len(up.header["Set-Cookie"]) != 1 || in.Access+up.Access != "" {
		t.Errorf("they set %v and %v", in.header["Set-Cookie"], up.header["Set-Cookie"])
	}
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 200, "")
	s.call(c, "POST", "/auth/refresh", "", nil).want(t, "refresh", 200, "")
}

// mails stands for package recovery.
type mails struct {
	err  error
	said string
}

func (m *mails) RequestReset(_ context.Context, address string) error {
	return m.note("reset", address)
}

func (m *mails) Reset(_ context.Context, token, password string) error {
	return m.note("reset", token, password)
}

func (m *mails) RequestVerification(_ context.Context, address string) error {
	return m.note("verify", address)
}

func (m *mails) VerifyAddress(_ context.Context, token string) error { return m.note("verify", token) }

func (m *mails) RequestLoginLink(_ context.Context, address string) error {
	return m.note("link", address)
}

func (m *mails) LoginByLink(_ context.Context, token string) (auth.Tokens, error) {
	return auth.Tokens{AccessToken: "eyJ"}, m.note("by link", token)
}

func (m *mails) RequestLoginCode(_ context.Context, address string) (string, error) {
	return "challenge", m.note("code", address)
}

func (m *mails) LoginByCode(_ context.Context, challenge, code string) (auth.Tokens, error) {
	return auth.Tokens{AccessToken: "eyJ"}, m.note("by code", challenge, code)
}

func (m *mails) RequestAddressChange(_ context.Context, _, password, address string) error {
	return m.note("change", password, address)
}

func (m *mails) ChangeAddress(_ context.Context, token string) error { return m.note("changed", token) }

func (m *mails) DeleteAccount(_ context.Context, _, password string) error {
	return m.note("delete", password)
}

func (m *mails) note(words ...string) error {
	m.said = strings.Join(words, " ")
	return m.err
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	m := new(mails)
	for name, row := range map[string]struct {
		h      func(*mails, authhttp.Config) *httptest.ResponseRecorder
		status int
		said   string
	}{
		"forgot": {func(m *mails, cfg authhttp.Config) *httptest.ResponseRecorder {
			return post(authhttp.ForgotPassword(m, cfg), "/", asJSON, `{"address":"s3cr3t"}`)
		}, 202, "reset s3cr3t"},
		"reset": {func(m *mails, cfg authhttp.Config) *httptest.ResponseRecorder {
			return post(authhttp.ResetPassword(m, cfg), "/", asJSON, `{"token":"s3cr3t","new_password":"p"}`)
		}, 204, "reset s3cr3t p"},
		"request": {func(m *mails, cfg authhttp.Config) *httptest.ResponseRecorder {
			return post(authhttp.RequestVerification(m, cfg), "/", asJSON, `{"address":"s3cr3t"}`)
		}, 202, "verify s3cr3t"},
		"verify": {func(m *mails, cfg authhttp.Config) *httptest.ResponseRecorder {
			return post(authhttp.VerifyAddress(m, cfg), "/", asJSON, `{"token":"s3cr3t"}`)
		}, 204, "verify s3cr3t"},
	} {
		m.err = nil
		if w := row.h(m, authhttp.Config{}); w.Code != row.status || w.Body.Len() != 0 || m.said != row.said || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: answers %d %q, after %q", name, w.Code, w.Body, m.said)
		}
		for _, bad := range []struct {
			err    error
			status int
			code   string
		}{
			{auth.ErrInvalidCredentials, 400, "invalid_link"}, {auth.ErrInvalidUsername, 422, "invalid_address"},
			{&passwords.Error{Rule: passwords.TooShort, Limit: 8}, 422, "password_too_short"},
			{&auth.RetryError{Err: auth.ErrBusy, After: time.Second}, 503, "unavailable"},
		} {
			m.err = bad.err
			w := row.h(m, authhttp.Config{})
			if refused(t, name, w, bad.status); !strings.Contains(w.Body.String(), `"code":"`+bad.code+`"`) {
				t.Errorf("%s: %v is answered %s", name, bad.err, w.Body)
			}
		}
	}
	m.said = ""
	for _, body := range []string{`{}`, `{"token":"s3cr3t"}`, `{"token":"s3cr3t","new_password":"p","x":"y"}`, `{"token":1,"new_password":"p"}`} {
		if refused(t, body, post(authhttp.ResetPassword(m, authhttp.Config{}), "/", asJSON, body), 400); m.said != "" {
			t.Errorf("%s: it was asked %q", body, m.said)
		}
	}
	refused(t, "link", post(authhttp.ResetPassword(m, authhttp.Config{}), "/?token=s3cr3t", asJSON, `{"token":"s3cr3t","new_password":"p"}`), 400)
}
