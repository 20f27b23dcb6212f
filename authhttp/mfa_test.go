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

// codes is a second factor of all accounts, while it has codes.
type codes struct {
	mu    sync.Mutex
	left  map[string]bool // codes that have not been used; nil: no account has a second factor
	begun bool            // Begin was called, Confirm not yet
}

func (c *codes) set(list ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = map[string]bool{}
	for _, code := range list {
		c.left[code] = true
	}
}

// none removes the factor from all accounts.
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

// A login with two factors takes two requests, in whatever way it begins.
func TestLoginMFA(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{PasswordGrant: true})
	c := s.Client()
	before := s.login()
	s.codes.set("0", "1", "2", "3", "4", "5")
	before = s.call(c, "POST", "/auth/step-up", object("password", password, "code", "0"), bearer(before.Access)).want(t, "step-up", 200, "")
	validForm := form("username", "ada", "password", password, "grant_type", "password")
	for name, first := range map[string]answer{
		"form":  s.call(c, "POST", "/auth/login", validForm, nil),
		"json":  s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil),
		"token": s.call(c, "POST", "/auth/token", validForm, nil),
		"change": s.call(c, "POST", "/auth/password", object("current_password", password, "new_password", password),
			bearer(before.Access)),
	} {
		want := map[bool]string{true: asJSON, false: "application/problem+json"}[name == "form" || name == "token"]
		first.want(t, name, 403, "mfa_required")
		if first.MFA == "" || first.Detail == "" || first.Error != "mfa_required" || first.Access != "" || first.header.Get("Content-Type") != want {
			t.Fatalf("%s: got %s %s, want an mfa_token as %s", name, first.header.Get("Content-Type"), first.text, want)
		}
	}
	first := s.call(c, "POST", "/auth/login", validForm, nil)
	s.call(c, "POST", "/auth/login/mfa", object("mfa_token", first.MFA, "code", "0"), nil).want(t, "a wrong code", 401, "invalid_credentials")
	s.call(c, "POST", "/auth/login/mfa", object("mfa_token", "x", "code", "1"), nil).want(t, "a wrong token", 401, "invalid_credentials")
	s.call(c, "POST", "/auth/login/mfa", object("mfa_token", first.MFA), nil).want(t, "no code", 400, "invalid_request")
	login := s.call(c, "POST", "/auth/login/mfa", object("mfa_token", first.MFA, "code", "1"), nil).want(t, "the right code", 200, "")
	s.call(c, "GET", "/auth/me", "", bearer(login.Access)).want(t, "me", 200, "")
	s.call(c, "POST", "/auth/login/mfa", object("mfa_token", first.MFA, "code", "2"), nil).want(t, "the same mfa_token again", 401, "invalid_credentials")
}

// A caller proves their identity again with the password, a code, or both.
func TestStepUp(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	in := s.login()
	s.codes.set("1", "2")
	stepUp := func(body string) answer { return s.call(c, "POST", "/auth/step-up", body, bearer(in.Access)) }
	s.call(c, "POST", "/auth/step-up", object("password", password), nil).want(t, "without an access token", 401, "no_credentials")
	stepUp("{}").want(t, "neither", 403, "invalid_credentials")
	stepUp(object("password", "wrong horse")).want(t, "a wrong password", 403, "invalid_credentials")
	stepUp(object("code", "0")).want(t, "a wrong code", 403, "invalid_credentials")
	stepUp(object("password", password, "code", "0")).want(t, "the password and a wrong code", 403, "invalid_credentials")
	stepUp(object("password", password, "otp", "1")).want(t, "another member", 400, "invalid_request")
	steppedUp := stepUp(object("password", password, "code", "1")).want(t, "both", 200, "")
	if steppedUp.Access == "" || steppedUp.Refresh != "" {
		t.Errorf("both: got %s, want an access token and no refresh token", steppedUp.text)
	}
	requireMFA := s.guard.RequireMFA(s.Config.Handler)
	for token, want := range map[string]int{in.Access: 401, steppedUp.Access: 200} {
		r := httptest.NewRequest("GET", "/auth/me", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		requireMFA.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("behind RequireMFA: got %d %s, want %d", w.Code, w.Body, want)
		}
	}
}

// With cookies, LoginMFA and StepUp set cookies.
func TestMFACookies(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	s.codes.set("1", "2")
	c := s.browser()
	first := s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 403, "mfa_required")
	if first.header["Set-Cookie"] != nil {
		t.Errorf("one factor: got cookies %v, want none", first.header["Set-Cookie"])
	}
	evil := header{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
	bothFactors := object("mfa_token", first.MFA, "code", "1")
	s.call(c, "POST", "/auth/login/mfa", bothFactors, evil).want(t, "another origin", 403, "cross_origin")
	login := s.call(c, "POST", "/auth/login/mfa", bothFactors, nil).want(t, "mfa", 200, "")
	s.call(c, "POST", "/auth/step-up", object("code", "2"), evil).want(t, "another origin", 403, "cross_origin")
	steppedUp := s.call(c, "POST", "/auth/step-up", object("code", "2"), nil).want(t, "step up", 200, "")
	if len(login.header["Set-Cookie"]) != 4 || len(steppedUp.header["Set-Cookie"]) != 1 || login.Access+steppedUp.Access != "" {
		t.Errorf("got cookies %v and %v, want four and one", login.header["Set-Cookie"], steppedUp.header["Set-Cookie"])
	}
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 200, "")
	s.call(c, "POST", "/auth/refresh", "", nil).want(t, "refresh", 200, "")
}

// mails stands in for package recovery. It returns err, and records its last call.
type mails struct {
	err  error
	said string // what was called, and its arguments
}

func (m *mails) RequestReset(_ context.Context, address string) error {
	return m.note("reset", address)
}

func (m *mails) Reset(_ context.Context, token, password string) (auth.DeviceToken, error) {
	return "d3vice", m.note("reset", token, password)
}

func (m *mails) RequestVerification(_ context.Context, address string) error {
	return m.note("verify", address)
}

func (m *mails) VerifyAddress(_ context.Context, token, password string) error {
	return m.note("verify", token, password)
}

func (m *mails) ClaimAddress(_ context.Context, token, password string) error {
	return m.note("claim", token, password)
}

func (m *mails) RequestLogin(_ context.Context, browser, address string) (string, error) {
	return "challenge", m.note("link", browser, address)
}

func (m *mails) LoginByRequestedLink(_ context.Context, browser, token string) (auth.Tokens, error) {
	return auth.Tokens{AccessToken: "eyJ"}, m.note("by link", browser, token)
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

func (m *mails) ChangeAddress(_ context.Context, token, password string) error {
	return m.note("changed", token, password)
}

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
		}, 200, "reset s3cr3t p"},
		"request": {func(m *mails, cfg authhttp.Config) *httptest.ResponseRecorder {
			return post(authhttp.RequestVerification(m, cfg), "/", asJSON, `{"address":"s3cr3t"}`)
		}, 202, "verify s3cr3t"},
		"verify": {func(m *mails, cfg authhttp.Config) *httptest.ResponseRecorder {
			return post(authhttp.VerifyAddress(m, cfg), "/", asJSON, `{"token":"s3cr3t","current_password":"p"}`)
		}, 204, "verify s3cr3t p"},
		"claim": {func(m *mails, cfg authhttp.Config) *httptest.ResponseRecorder {
			return post(authhttp.VerifyAddress(m, cfg), "/", asJSON, `{"token":"s3cr3t","new_password":"p"}`)
		}, 204, "claim s3cr3t p"},
		"verify without a password": {func(m *mails, cfg authhttp.Config) *httptest.ResponseRecorder {
			return post(authhttp.VerifyAddress(m, cfg), "/", asJSON, `{"token":"s3cr3t"}`)
		}, 204, "verify s3cr3t "},
	} {
		m.err = nil
		body := ""
		if row.status == 200 {
			body = `{"device_token":"d3vice"}` + "\n"
		}
		if w := row.h(m, authhttp.Config{}); w.Code != row.status || w.Body.String() != body || m.said != row.said || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %q after %q, want %d after %q", name, w.Code, w.Body, m.said, row.status, row.said)
		}
		for _, failure := range []struct {
			err    error
			status int
			code   string
		}{
			{auth.ErrInvalidCredentials, 400, "invalid_link"}, {auth.ErrInvalidUsername, 422, "invalid_address"},
			{&passwords.Error{Rule: passwords.TooShort, Limit: 8}, 422, "password_too_short"},
			{&auth.RetryError{Err: auth.ErrBusy, After: time.Second}, 503, "unavailable"},
		} {
			m.err = failure.err
			w := row.h(m, authhttp.Config{})
			if refused(t, name, w, failure.status); !strings.Contains(w.Body.String(), `"code":"`+failure.code+`"`) {
				t.Errorf("%s: %v: got %s, want %s", name, failure.err, w.Body, failure.code)
			}
		}
	}
	m.said = ""
	for _, body := range []string{`{}`, `{"token":"s3cr3t"}`, `{"token":"s3cr3t","new_password":"p","x":"y"}`, `{"token":1,"new_password":"p"}`} {
		if refused(t, body, post(authhttp.ResetPassword(m, authhttp.Config{}), "/", asJSON, body), 400); m.said != "" {
			t.Errorf("%s: recovery was called with %q, want no call", body, m.said)
		}
	}
	refused(t, "link", post(authhttp.ResetPassword(m, authhttp.Config{}), "/?token=s3cr3t", asJSON, `{"token":"s3cr3t","new_password":"p"}`), 400)
}

// TestResetMakesDeviceKnown: with cookies, the device token of a reset is in a cookie alone.
func TestResetMakesDeviceKnown(t *testing.T) {
	t.Parallel()
	w := post(authhttp.ResetPassword(new(mails), cookies(t, authhttp.CookieConfig{})), "https://app.test/", asJSON, `{"token":"s3cr3t","new_password":"p"}`)
	set := w.Result().Cookies()
	if w.Code != 200 || w.Body.String() != "{}\n" || len(set) != 1 || set[0].Name != "__Host-device" || set[0].Value != "d3vice" || !set[0].HttpOnly {
		t.Errorf("got %d %q with the cookies %v, want 200 and the device token in a cookie", w.Code, w.Body, set)
	}
}
