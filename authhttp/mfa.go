package authhttp

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/problem"
)

// SecondFactorer goes on with logins that wait for their second factor, as
// [auth.Authenticator] does.
type SecondFactorer interface {
	LoginMFA(ctx context.Context, mfaToken, code string) (auth.Tokens, error)
}

// LoginMFA returns the endpoint that goes on with a login that was answered 403
// with the code mfa_required: it takes the JSON object {"mfa_token": …, "code": …},
// the first from that answer, and gives tokens as [Login] does. A wrong code, and
// one for a login that is over, is 401.
func LoginMFA(a SecondFactorer, cfg Config) http.Handler {
	return cfg.loggedIn(second, func(ctx context.Context, d auth.Device, in input) (auth.Tokens, error) {
		return a.LoginMFA(auth.WithDevice(ctx, d), in.values["mfa_token"], in.values["code"])
	}, refusal{http.StatusUnauthorized, "invalid_credentials", "", "the code is wrong, or the login is over: log in again"})
}

// loggedIn returns a handler that takes a body, logs in by it and gives tokens as
// [Login] does. What proves nothing is answered with wrong.
func (cfg Config) loggedIn(takes body, by func(context.Context, auth.Device, input) (auth.Tokens, error), wrong refusal) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in input
		err := cfg.Cookies.check(r)
		if err == nil {
			in, err = takes.read(w, r)
		}
		var t auth.Tokens
		if err == nil {
			t, err = by(r.Context(), cfg.known(r, in, cfg.Cookies), in)
		}
		if errors.Is(err, auth.ErrInvalidCredentials) {
			err = &wrong
		}
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		cfg.give(w, r, cfg.Cookies, t)
	})
}

// mfaRequired is the answer to a login that has one factor of two: problem details
// and the body that OAuth clients know, in one.
type mfaRequired struct {
	problem.Details
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Token       string `json:"mfa_token"`
	ExpiresIn   int64  `json:"expires_in"`
}

// askSecond answers a login that waits for its second factor, as that media type, and
// reports whether err is one.
func askSecond(w http.ResponseWriter, err error, mediaType string) bool {
	waits, ok := errors.AsType[*auth.MFARequiredError](err)
	if !ok {
		return false
	}
	const detail = "a second factor is needed"
	w.Header().Set("Content-Type", mediaType)
	write(w, http.StatusForbidden, mfaRequired{
		problem.Of(http.StatusForbidden, "mfa_required", detail), "mfa_required", detail, waits.Token, int64(waits.ExpiresIn / time.Second),
	})
	return true
}

// Stepper proves callers anew, as [auth.Authenticator] does.
type Stepper interface {
	StepUp(ctx context.Context, p *auth.Principal, password, code string) (auth.Tokens, error)
}

// StepUp returns the endpoint that proves a caller anew (RFC 9470), for routes that
// answered insufficient_user_authentication: it takes the JSON object {"password":
// …, "code": …}, of which one may be missing, and gives another access token of
// the same session: in the body, or as a cookie to a caller that came by one. A
// device_token may come along, and what is wrong is 403, as in [ChangePassword].
func StepUp(a Stepper, guard Guard, cfg Config) http.Handler {
	return cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		var in input
		var t auth.Tokens
		err := cfg.Cookies.check(r)
		if err == nil {
			in, err = anew.read(w, r)
		}
		if err == nil {
			t, err = a.StepUp(auth.WithDevice(r.Context(), cfg.known(r, in, cfg.Cookies.of(r))), p, in.values["password"], in.values["code"])
		}
		if errors.Is(err, auth.ErrInvalidCredentials) {
			err = &refusal{http.StatusForbidden, "invalid_credentials", "", "the password or the code is wrong, or both are missing"}
		}
		if err != nil {
			cfg.refuse(w, r, ofSession(w, err))
			return
		}
		cfg.give(w, r, cfg.Cookies.of(r), t)
	}, http.MethodPost)
}

// ofSession returns err as it is told to callers with an access token: if the session
// has ended, so has the token.
func ofSession(w http.ResponseWriter, err error) error {
	if errors.Is(err, auth.ErrInvalidGrant) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="api", error="invalid_token"`)
		return auth.ErrInvalidToken
	}
	return err
}
