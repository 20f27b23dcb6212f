package authhttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
)

func (c *codes) Begin(_ context.Context, _, account string) (secret, url string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left != nil {
		return "", "", auth.ErrConflict
	}
	c.begun = true
	return "SECRET", "otpauth://totp/" + account, nil
}

func (c *codes) Confirm(_ context.Context, _, code string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.begun:
		return nil, auth.ErrConflict
	case code != "000000":
		return nil, auth.ErrInvalidCredentials
	}
	c.begun, c.left = false, map[string]bool{"r1": true, "r2": true, "r3": true}
	return []string{"r1", "r2", "r3"}, nil
}

func (c *codes) RecoveryCodes(context.Context, string) ([]string, error) {
	c.set("n1", "n2")
	return []string{"n1", "n2"}, nil
}

func (c *codes) Disable(context.Context, string) error {
	c.none()
	return nil
}

// A caller enrols a second factor with their password, and changes or removes it with the password
// and a code. Nothing less is enough.
func TestEnrol(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c, in := s.Client(), s.login()
	post := func(path string, members ...string) answer {
		return s.call(c, "POST", "/auth/mfa/"+path, object(members...), bearer(in.Access))
	}
	paths := []string{"begin", "confirm", "recovery-codes", "remove"}
	for _, path := range paths {
		body := object("current_password", password)
		if path != "begin" {
			body = object("current_password", password, "code", "000000")
		}
		s.call(c, "POST", "/auth/mfa/"+path, body, nil).want(t, path+" without an access token", 401, "no_credentials")
		s.call(c, "GET", "/auth/mfa/"+path, "", bearer(in.Access)).want(t, path+" by GET", 405, "")
		post(path).want(t, path+" with an empty object", 400, "invalid_request")
		post(path, "current_password", password, "code", "1", "otp", "1").want(t, path+" with another member", 400, "invalid_request")
		s.call(c, "POST", "/auth/mfa/"+path, form("current_password", password), bearer(in.Access)).want(t, path+" as a form", 415, "unsupported_media_type")
	}
	post("confirm", "current_password", password, "code", "000000").want(t, "confirm before begin", 409, "mfa_not_begun")
	post("remove", "current_password", password, "code", "000000").want(t, "remove without a factor", 403, "invalid_credentials")
	post("begin", "current_password", "wrong horse").want(t, "a wrong password", 403, "invalid_credentials")
	begun := post("begin", "current_password", password).want(t, "begin", 200, "")
	if begun.text != `{"secret":"SECRET","otpauth_url":"otpauth://totp/ada"}`+"\n" {
		t.Errorf("begin: got %s", begun.text)
	}
	post("confirm", "current_password", "wrong horse", "code", "000000").want(t, "a code without the password", 403, "invalid_credentials")
	post("confirm", "current_password", password, "code", "1").want(t, "a wrong code", 403, "invalid_credentials")
	confirmed := post("confirm", "current_password", password, "code", "000000").want(t, "confirm", 200, "")
	if confirmed.text != `{"recovery_codes":["r1","r2","r3"]}`+"\n" {
		t.Errorf("confirm: got %s", confirmed.text)
	}
	post("confirm", "current_password", password, "code", "000000").want(t, "confirm again", 409, "mfa_not_begun")
	post("begin", "current_password", password).want(t, "begin again", 409, "mfa_enrolled")
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 403, "mfa_required")

	for _, path := range paths[2:] {
		post(path, "current_password", password, "code", "").want(t, path+" with the password only", 403, "invalid_credentials")
		post(path, "current_password", "", "code", "r1").want(t, path+" with the code only", 403, "invalid_credentials")
		post(path, "current_password", password, "code", "0").want(t, path+" with a wrong code", 403, "invalid_credentials")
		post(path, "current_password", "wrong horse", "code", "r1").want(t, path+" with a wrong password", 403, "invalid_credentials")
	}
	if got := post("recovery-codes", "current_password", password, "code", "r1").want(t, "new codes", 200, ""); got.text != `{"recovery_codes":["n1","n2"]}`+"\n" {
		t.Errorf("recovery-codes: got %s", got.text)
	}
	post("remove", "current_password", password, "code", "r2").want(t, "an older code", 403, "invalid_credentials")
	post("remove", "current_password", password, "code", "n1").want(t, "remove", 204, "")
	s.login()
}

// With cookies, requests of another origin are refused, and answers still have a body.
func TestEnrolCookies(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	c := s.browser()
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "")
	for _, path := range []string{"begin", "confirm", "recovery-codes", "remove"} {
		body := object("current_password", password, "code", "000000")
		if path == "begin" {
			body = object("current_password", password)
		}
		s.call(c, "POST", "/auth/mfa/"+path, body, header{"Sec-Fetch-Site": "cross-site"}).want(t, path, 403, "cross_origin")
	}
	if begun := s.call(c, "POST", "/auth/mfa/begin", object("current_password", password), nil).want(t, "begin", 200, ""); !strings.Contains(begun.text, "SECRET") {
		t.Errorf("begin with cookies: got %s, want the secret in the body", begun.text)
	}

	// The guard does not check the origin of a request with a token in its header. The endpoints
	// do.
	in := must(s.accounts.Login(t.Context(), "ada", password))
	for _, path := range []string{"begin", "confirm", "recovery-codes", "remove"} {
		r := header{"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer " + in.AccessToken}
		s.call(s.Client(), "POST", "/auth/mfa/"+path, object("current_password", password), r).want(t, path+" with a header", 403, "cross_origin")
	}
}

// A client with a stolen access token has no more attempts at the password and the code than at a
// login.
func TestEnrolIsThrottled(t *testing.T) {
	t.Parallel()
	for path, wrong := range map[string][]string{
		"begin": {"current_password", "wrong horse"}, "confirm": {"current_password", "wrong horse", "code", "1"},
		"recovery-codes": {"current_password", password, "code", "1"}, "remove": {"current_password", password, "code", "1"},
	} {
		s := newServerWith(t, authhttp.Config{}, throttled)
		in := s.call(s.Client(), "POST", "/auth/login", object("username", "ada", "password", password), nil)
		s.codes.set("2")
		try := func() answer {
			return s.call(s.Client(), "POST", "/auth/mfa/"+path, object(wrong...), bearer(in.Access))
		}
		for range 5 {
			try().want(t, path, 403, "invalid_credentials")
		}
		try().want(t, path, 429, "too_many_attempts")
	}
}

// failing is a second factor whose store is down.
type failing struct{ *codes }

func (failing) Begin(context.Context, string, string) (string, string, error) {
	return "s3cr3t", "s3cr3t", errors.New("s3cr3t is down")
}
func (failing) Confirm(context.Context, string, string) ([]string, error) {
	return []string{"s3cr3t"}, errors.New("s3cr3t is down")
}
func (failing) RecoveryCodes(context.Context, string) ([]string, error) {
	return []string{"s3cr3t"}, errors.New("s3cr3t is down")
}
func (failing) Disable(context.Context, string) error { return errors.New("s3cr3t is down") }

// A failure is answered 500 without its text, and a session that has ended proves nothing.
func TestEnrolFails(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	in, broken := s.login(), failing{s.codes}
	s.codes.set("1", "2", "3", "4", "5")
	ask := func(h http.Handler, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", asJSON)
		r.Header.Set("Authorization", "Bearer "+in.Access)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	both := func(code string) string { return object("current_password", password, "code", code) }
	for name, w := range map[string]*httptest.ResponseRecorder{
		"begin":   ask(authhttp.BeginFactor(s.accounts, s.store, broken, s.guard, authhttp.Config{}), object("current_password", password)),
		"confirm": ask(authhttp.ConfirmFactor(s.accounts, broken, s.guard, authhttp.Config{}), both("1")),
		"renew":   ask(authhttp.RenewRecoveryCodes(s.accounts, broken, s.guard, authhttp.Config{}), both("1")),
		"remove":  ask(authhttp.RemoveFactor(s.accounts, broken, s.guard, authhttp.Config{}), both("2")),
		"users":   ask(authhttp.BeginFactor(s.accounts, down{}, s.codes, s.guard, authhttp.Config{}), object("current_password", password)),
	} {
		if w.Code != 500 || strings.Contains(w.Body.String(), "s3cr3t") {
			t.Errorf("%s: got %d %s, want 500 without the error's text", name, w.Code, w.Body)
		}
	}
	deleted := ask(authhttp.BeginFactor(s.accounts, nobody{}, s.codes, s.guard, authhttp.Config{}), object("current_password", password))
	if deleted.Code != 403 {
		t.Errorf("begin of an account that has been deleted: got %d %s, want 403", deleted.Code, deleted.Body)
	}

	// This guard does not check whether the session has ended. StepUp does.
	withoutRevocation := must(auth.NewMiddleware(must(jwt.NewVerifier(jwt.VerifierConfig{Issuer: "https://id.test/tenant", Audience: "api", Keys: s.keys})), auth.MiddlewareConfig{}))
	if err := s.accounts.Logout(t.Context(), in.Refresh); err != nil {
		t.Fatal(err)
	}
	w := ask(authhttp.RemoveFactor(s.accounts, s.codes, withoutRevocation, authhttp.Config{}), both("3"))
	if refused(t, "an ended session", w, 401); !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("an ended session: got challenge %q, want invalid_token", w.Header().Get("WWW-Authenticate"))
	}
	if enrolled, _ := s.codes.Required(t.Context(), ""); !enrolled {
		t.Error("an ended session removed the factor")
	}
}

// down has users in a store that is down.
type down struct{}

func (down) UserByID(context.Context, string) (auth.User, error) {
	return auth.User{}, errors.New("s3cr3t is down")
}
