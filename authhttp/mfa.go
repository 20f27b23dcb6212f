package authhttp

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/problem"
)

// MFAAuthenticator is what [LoginMFA] calls. [auth.Authenticator] implements it.
type MFAAuthenticator interface {
	LoginMFA(ctx context.Context, mfaToken, code string) (auth.Tokens, error)
}

// LoginMFA returns the endpoint that completes a login that was answered 403 with the code
// mfa_required. It takes the JSON object {"mfa_token": …, "code": …}, with the mfa_token of that
// answer, and gives tokens as [Login] does. A wrong code, and a code for a login that has expired,
// is answered 401.
func LoginMFA(a MFAAuthenticator, cfg Config) http.Handler {
	wrongCode := &refusal{http.StatusUnauthorized, "invalid_credentials", "",
		"the code is wrong, or the login has expired: log in again"}
	return cfg.loginWith(loginMFABody, func(ctx context.Context, _ *http.Request, in input) (auth.Tokens, error) {
		return a.LoginMFA(ctx, in.values["mfa_token"], in.values["code"])
	}, wrongCode)
}

// loginWith returns a handler that reads a body, logs in with it by calling login, with the
// client's device in ctx, and gives tokens as [Login] does. It answers [auth.ErrInvalidCredentials]
// with wrong.
func (cfg Config) loginWith(
	b body, login func(ctx context.Context, r *http.Request, in input) (auth.Tokens, error), wrong *refusal,
) http.Handler {
	cfg = cfg.shared()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := cfg.readChecked(w, r, b)
		var t auth.Tokens
		r = r.WithContext(cfg.withDevice(r, in, cfg.Cookies))
		ctx := r.Context()
		if err == nil {
			ctx, err = cfg.withTerms(ctx, in)
		}
		if err == nil {
			t, err = login(ctx, r, in)
		}
		if errors.Is(err, auth.ErrInvalidCredentials) {
			err = wrong
		}
		if err == nil {
			err = cfg.writeTokens(w, r, cfg.Cookies, t)
		}
		if err != nil {
			cfg.refuse(w, r, err)
		}
	})
}

// mfaRequired is the body of the answer to a login that still needs its second factor: problem
// details that are an error body of RFC 6749 section 5.2 as well.
type mfaRequired struct {
	problem.Details
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Token       string `json:"mfa_token"`
	ExpiresIn   int64  `json:"expires_in"`
}

// mfaRequiredAnswer returns the answer to a login that still needs its second factor, and whether err is an
// [*auth.MFARequiredError].
func mfaRequiredAnswer(err error) (Answer, bool) {
	required, ok := errors.AsType[*auth.MFARequiredError](err)
	if !ok {
		return Answer{}, false
	}
	const code, detail = "mfa_required", "a second factor is required"
	return Answer{Status: http.StatusForbidden, Err: err, Code: code, Detail: detail, Body: mfaRequired{
		Details: problem.Of(http.StatusForbidden, code, detail), Error: code, Description: detail,
		Token: required.Token, ExpiresIn: int64(required.ExpiresIn / time.Second),
	}}, true
}

// StepUpAuthenticator is what [StepUp] calls. [auth.Authenticator] implements it.
type StepUpAuthenticator interface {
	StepUp(ctx context.Context, p *auth.Principal, password, code string) (auth.Tokens, error)
}

// StepUp returns the endpoint that proves the caller's identity again (RFC 9470), for routes that
// answered insufficient_user_authentication. It takes the JSON object {"password": …, "code": …},
// of which one may be missing, and gives another access token of the same session: in the body, or
// as a cookie if the caller's access token came in a cookie. The object may hold a device_token,
// and wrong credentials are answered 403, as in [ChangePassword].
//
// The older access token stays good until it expires: a session goes on after a step-up, and access
// tokens are revoked by their session. It opens no route that asks for the new proof.
func StepUp(a StepUpAuthenticator, guard Guard, cfg Config) http.Handler {
	cfg = cfg.shared()
	wrongCredentials := &refusal{http.StatusForbidden, "invalid_credentials", "",
		"the password or the code is wrong, or both are missing"}
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		c := cfg.Cookies.usedBy(r)
		in, err := cfg.readChecked(w, r, stepUpBody)
		var t auth.Tokens
		r = r.WithContext(cfg.withDevice(r, in, c))
		if err == nil {
			t, err = a.StepUp(r.Context(), p, in.values["password"], in.values["code"])
		}
		if errors.Is(err, auth.ErrInvalidCredentials) {
			err = wrongCredentials
		}
		if err == nil {
			err = cfg.writeTokens(w, r, c, t)
		}
		if err != nil {
			cfg.refuse(w, r, refuseEndedSession(w, err))
		}
	}, http.MethodPost)
}

// refuseEndedSession returns the error to refuse a caller with: if the session has ended, the
// access token is not valid any more.
func refuseEndedSession(w http.ResponseWriter, err error) error {
	if errors.Is(err, auth.ErrInvalidGrant) {
		return challengeInvalidToken(w)
	}
	return err
}
