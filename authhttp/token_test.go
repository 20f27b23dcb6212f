package authhttp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
)

func (a *accounts) Refresh(ctx context.Context, token string) (auth.Tokens, error) {
	a.device = deviceOf(ctx)
	a.token = token
	a.calls++
	return auth.Tokens{AccessToken: "eyJ", ExpiresIn: time.Minute, RefreshToken: "next"}, a.err
}

func (a *accounts) Logout(ctx context.Context, token string) error {
	a.device = deviceOf(ctx)
	a.token = token
	a.calls++
	return a.err
}

// The token endpoint reads forms, accepts the grants that are enabled, and answers as RFC 6749
// sections 5.1 and 5.2 say.
func TestToken(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		passwords       bool // Config.PasswordGrant
		kind, body      string
		status          int
		oauth           string // error of the answer
		username, token string // arguments of the call
	}{
		"refresh":                {kind: asForm, body: "grant_type=refresh_token&refresh_token=r1&client_id=app&scope=x", status: 200, token: "r1"},
		"password":               {passwords: true, kind: asForm, body: "grant_type=password&username=ada&password=s3cr3t", status: 200, username: "ada"},
		"password, off":          {kind: asForm, body: "grant_type=password&username=ada&password=s3cr3t", status: 400, oauth: "unsupported_grant_type"},
		"password, none":         {passwords: true, kind: asForm, body: "grant_type=password&username=ada", status: 400, oauth: "invalid_request"},
		"refresh, passwords on":  {passwords: true, kind: asForm, body: "grant_type=refresh_token&refresh_token=r1", status: 200, token: "r1"},
		"no token":               {kind: asForm, body: "grant_type=refresh_token", status: 400, oauth: "invalid_request"},
		"empty token":            {kind: asForm, body: "grant_type=refresh_token&refresh_token=", status: 400, oauth: "invalid_request"},
		"no grant":               {passwords: true, kind: asForm, body: "username=ada&password=s3cr3t&refresh_token=r1", status: 400, oauth: "invalid_request"},
		"grant twice":            {kind: asForm, body: "grant_type=refresh_token&grant_type=refresh_token&refresh_token=r1", status: 400, oauth: "invalid_request"},
		"token twice":            {kind: asForm, body: "grant_type=refresh_token&refresh_token=r1&refresh_token=r2", status: 400, oauth: "invalid_request"},
		"grant in other letters": {kind: asForm, body: "grant_type=Refresh_Token&refresh_token=r1", status: 400, oauth: "unsupported_grant_type"},
		"code":                   {passwords: true, kind: asForm, body: "grant_type=authorization_code&code=x", status: 400, oauth: "unsupported_grant_type"},
		"client":                 {passwords: true, kind: asForm, body: "grant_type=client_credentials", status: 400, oauth: "unsupported_grant_type"},
		"json":                   {kind: asJSON, body: `{"grant_type":"refresh_token","refresh_token":"s3cr3t"}`, status: 415, oauth: "invalid_request"},
		"large":                  {kind: asForm, body: "grant_type=refresh_token&refresh_token=" + strings.Repeat("x", 64<<10), status: 413, oauth: "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := new(accounts)
			w := post(authhttp.Token(a, authhttp.Config{PasswordGrant: row.passwords}), "/", row.kind, row.body)
			if row.status == 200 {
				if w.Code != 200 || w.Body.String() != `{"access_token":"eyJ","token_type":"bearer","expires_in":`+map[bool]string{true: "900", false: `60,"refresh_token":"next"`}[row.username != ""]+"}\n" {
					t.Errorf("got %d %s, want 200 and the tokens", w.Code, w.Body)
				}
			} else if got := refused(t, name, w, row.status); got.Code != row.oauth || got.Detail != "" || !descriptionText.MatchString(got.Description) {
				t.Errorf("got %s, want %s", w.Body, row.oauth)
			}
			if h := w.Header(); h.Get("Content-Type") != asJSON || h.Get("Pragma") != "no-cache" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("got headers %v, want JSON that is not stored", h)
			}
			if a.username != row.username || a.token != row.token || row.status != 200 && a.calls != 0 {
				t.Errorf("got %d calls with %q and %q, want %q and %q", a.calls, a.username, a.token, row.username, row.token)
			}
		})
	}
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err    error
		status int
		oauth  string
		retry  string
	}{
		{auth.ErrInvalidGrant, 400, "invalid_grant", ""},
		{auth.ErrInvalidCredentials, 400, "invalid_grant", ""},
		{&auth.RetryError{Err: auth.ErrBusy, After: time.Second}, 503, "temporarily_unavailable", "1"},
		{&auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Minute}, 429, "temporarily_unavailable", "60"},
		{errors.New("disk full"), 500, "server_error", ""},
	} {
		w := post(authhttp.Token(&accounts{err: row.err}, authhttp.Config{}), "/", asForm, "grant_type=refresh_token&refresh_token=s3cr3t")
		if got := refused(t, row.err.Error(), w, row.status); got.Code != row.oauth || w.Header().Get("Retry-After") != row.retry {
			t.Errorf("%v: got %s with %v, want %s and Retry-After %q", row.err, w.Body, w.Header(), row.oauth, row.retry)
		}
	}
}

// Tokens of a session that logout or revocation has ended are refused at once.
func TestSessionOfTokens(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	first := s.login()
	second := s.call(c, "POST", "/auth/refresh", object("refresh_token", first.Refresh), nil).want(t, "refresh", 200, "")
	third := s.call(c, "POST", "/auth/token", form("grant_type", "refresh_token", "refresh_token", second.Refresh), nil).want(t, "token", 200, "")
	if first.Refresh == second.Refresh || second.Refresh == third.Refresh || third.Access == "" {
		t.Errorf("got %s, want tokens that change with each refresh", third.text)
	}
	s.call(c, "GET", "/auth/me", "", bearer(third.Access)).want(t, "me", 200, "")
	s.call(c, "POST", "/auth/logout", object("refresh_token", third.Refresh), nil).want(t, "logout", 204, "")
	s.call(c, "POST", "/auth/logout", object("refresh_token", third.Refresh), nil).want(t, "another logout", 204, "")
	s.call(c, "POST", "/auth/refresh", object("refresh_token", third.Refresh), nil).want(t, "refresh after logout", 400, "invalid_grant")
	s.call(c, "POST", "/auth/token", form("grant_type", "refresh_token", "refresh_token", third.Refresh), nil).want(t, "token after logout", 400, "invalid_grant")
	s.call(c, "GET", "/auth/me", "", bearer(third.Access)).want(t, "me after logout", 401, "invalid_token")

	for name, token := range map[string]func(answer) string{
		"refresh": func(a answer) string { return a.Refresh }, "access": func(a answer) string { return a.Access },
	} {
		revoked, other := s.login(), s.login()
		for range 2 {
			s.call(c, "POST", "/auth/revoke", form("token", token(revoked), "token_type_hint", "nonsense"), nil).want(t, "revoke "+name, 200, "")
		}
		s.call(c, "GET", "/auth/me", "", bearer(revoked.Access)).want(t, "me after revoke", 401, "invalid_token")
		s.call(c, "POST", "/auth/refresh", object("refresh_token", revoked.Refresh), nil).want(t, "refresh after revoke", 400, "invalid_grant")
		s.call(c, "GET", "/auth/me", "", bearer(other.Access)).want(t, "me of another session", 200, "")
	}
	s.call(c, "POST", "/auth/revoke", form("token", "nobody's"), nil).want(t, "revoke", 200, "")
	s.call(c, "POST", "/auth/revoke", form("token_type_hint", "x"), nil).want(t, "revoke nothing", 400, "invalid_request")

	last := s.login()
	s.call(c, "POST", "/auth/logout", "", nil).want(t, "logout without a token", 401, "no_credentials")
	s.call(c, "POST", "/auth/logout", "", bearer(last.Access)).want(t, "logout by access token", 204, "")
	s.call(c, "POST", "/auth/refresh", object("refresh_token", last.Refresh), nil).want(t, "refresh after logout", 400, "invalid_grant")
}

// An access token without a session cannot be revoked, and the answer says so.
func TestRevokeWithoutSession(t *testing.T) {
	t.Parallel()
	key := must(jwt.NewKeyRing(must(jwt.GenerateKey("HS256"))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: key}))
	a := &accounts{TokenVerifier: tokens}
	token := must(tokens.Issue(t.Context(), auth.Claims{Subject: "u-1"}))
	if got := refused(t, "revoke", post(authhttp.Revoke(a, authhttp.Config{}), "/", asForm, form("token", token)), 400); got.Code != "unsupported_token_type" || a.calls != 0 {
		t.Errorf("got %+v after %d calls, want unsupported_token_type and no call", got, a.calls)
	}
	a.err = &auth.RetryError{Err: auth.ErrBusy, After: time.Second}
	w := post(authhttp.Revoke(a, authhttp.Config{}), "/", asForm, "token=s3cr3t") // RFC 7009 section 2.2.1
	if refused(t, "revoke", w, 503); w.Header().Get("Retry-After") != "1" {
		t.Errorf("got headers %v, want Retry-After 1", w.Header())
	}
}
