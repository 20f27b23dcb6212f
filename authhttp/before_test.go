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
	"github.com/seed-e36e2130/auth/authtest"
)

// The host decides about requests that add an account or send a mail, before anything is done for them,
// and about no others.
func TestBefore(t *testing.T) {
	t.Parallel()
	asked := 0
	cfg := authhttp.Config{Extra: []string{"captcha"}, Before: func(ctx context.Context, r *http.Request) error {
		asked++
		if ctx != r.Context() || deviceOf(ctx).IP.String() != "192.0.2.1" {
			t.Errorf("%s: got a context without the device", r.URL.Path)
		}
		switch authhttp.ExtraMember(ctx, "captcha") {
		case "right":
			return nil
		case "down":
			return errors.New("s3cr3t is down")
		case "busy":
			return &auth.RetryError{Err: auth.ErrTooManyAttempts, After: 1}
		}
		return &authhttp.Problem{Status: 403, Code: "captcha_failed", Detail: "solve the captcha"}
	}}
	a, m := new(accounts), new(mails)
	guard := caller{authtest.Principal(t, auth.Claims{Subject: "u-1"})}
	for name, row := range map[string]struct {
		handler http.Handler
		body    string // without its closing brace
		status  int
		asks    bool
	}{
		"register":      {authhttp.Register(a, cfg), `{"username":"ada","password":"s3cr3t"`, 201, true},
		"forgot":        {authhttp.ForgotPassword(m, cfg), `{"address":"ada@example.com"`, 202, true},
		"verify":        {authhttp.RequestVerification(m, cfg), `{"address":"ada@example.com"`, 202, true},
		"login link":    {authhttp.RequestLoginLink(m, cfg), `{"address":"ada@example.com"`, 202, true},
		"login code":    {authhttp.RequestLoginCode(m, cfg), `{"address":"ada@example.com"`, 202, true},
		"address":       {authhttp.RequestAddressChange(m, guard, cfg), `{"current_password":"s3cr3t","address":"ada@example.com"`, 202, true},
		"login":         {authhttp.Login(a, cfg), `{"username":"ada","password":"s3cr3t"`, 200, false},
		"reset":         {authhttp.ResetPassword(m, cfg), `{"token":"x","new_password":"s3cr3t"`, 200, false},
		"login by code": {authhttp.LoginByCode(m, cfg), `{"challenge":"x","code":"1"`, 200, false},
	} {
		for captcha, want := range map[string]struct {
			status int
			code   string
		}{
			`,"captcha":"right"}`: {row.status, ""}, `,"captcha":"wrong"}`: {403, "captcha_failed"}, "}": {403, "captcha_failed"},
			`,"captcha":"down"}`: {500, "internal"}, `,"captcha":"busy"}`: {429, "too_many_attempts"},
		} {
			if !row.asks {
				want.status, want.code = row.status, ""
			}
			asked, a.calls, m.said = 0, 0, ""
			r := httptest.NewRequest("POST", "/"+strings.ReplaceAll(name, " ", "-"), strings.NewReader(row.body+captcha))
			r.Header.Set("Content-Type", asJSON)
			w := serveOnce(row.handler, r)
			done := a.calls > 0 || m.said != ""
			if w.Code != want.status || want.code != "" && !strings.Contains(w.Body.String(), `"code":"`+want.code+`"`) || strings.Contains(w.Body.String(), "s3cr3t is") {
				t.Errorf("%s with %s: got %d %s, want %d %s", name, captcha, w.Code, w.Body, want.status, want.code)
			}
			if done != (want.code == "") || (asked == 1) != row.asks {
				t.Errorf("%s with %s: done: %t after %d questions", name, captcha, done, asked)
			}
		}
	}
}

// The host is not asked about a request that is malformed or comes from another origin.
func TestBeforeIsAskedLast(t *testing.T) {
	t.Parallel()
	cfg := authhttp.Config{Before: func(context.Context, *http.Request) error {
		t.Error("the host was asked")
		return nil
	}}
	h := authhttp.Register(new(accounts), cfg)
	for _, body := range []string{"", "{}", `{"username":"ada"}`, `{"username":"ada","password":"s3cr3t","x":1}`} {
		if w := post(h, "/", asJSON, body); w.Code != 400 {
			t.Errorf("%s: got %d, want 400", body, w.Code)
		}
	}
	r := httptest.NewRequest("POST", "https://api.test/", strings.NewReader("username=ada&password=s3cr3t"))
	r.Header.Set("Content-Type", asForm)
	r.Header.Set("Origin", "https://evil.test")
	if w := serveOnce(h, r); w.Code != 403 {
		t.Errorf("another origin: got %d, want 403", w.Code)
	}
}
