package authhttp

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// LogoutAuthenticator is what [Logout] calls. [auth.Authenticator] implements it.
type LogoutAuthenticator interface {
	SessionEnder
	Logout(ctx context.Context, refreshToken string) error
}

// Logout returns the endpoint that ends a session, and answers 204, also if the session has already
// ended. It takes refresh_token in a JSON object or in a form, or no body and the access token.
//
// With [Config].Cookies it takes no body, an empty object, or any form, and the cookies. It ends the
// session of the refresh token or, without one, that of the access token, and removes the cookies.
// It answers 204 also if these have expired or there are none: then the browser is logged out. If the
// session could not be ended because of an infrastructure failure, the answer is 5xx, and the browser
// keeps nothing but the copy of the refresh token that only Logout accepts, so that the request can
// be repeated.
func Logout(a LogoutAuthenticator, guard Guard, cfg Config) http.Handler {
	cfg = cfg.shared()
	// endOwn ends the session of a caller, or refuses the request.
	endOwn := func(w http.ResponseWriter, r *http.Request, p *auth.Principal) bool {
		err := a.EndSession(auth.WithDevice(r.Context(), cfg.device(r)), p.Subject(), p.SessionID())
		if err != nil && !errors.Is(err, auth.ErrSessionNotFound) {
			cfg.refuse(w, r, err)
			return false
		}
		return true
	}
	answerEnded := func(w http.ResponseWriter, r *http.Request) {
		cfg.Cookies.clear(w)
		cfg.succeed(w, r, http.StatusNoContent, nil)
	}
	byAccessToken := cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		if endOwn(w, r, p) {
			answerEnded(w, r)
		}
	}, http.MethodPost)
	byCookie := cfg.Cookies.clearing(cfg.guarded(guard, func(w http.ResponseWriter, r *http.Request, p *auth.Principal) {
		if endOwn(w, r, p) {
			w.WriteHeader(http.StatusNoContent)
		}
	}, http.MethodPost), answerEnded)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := cfg.tokenToEnd(w, r)
		switch {
		case err == nil && token == "" && cfg.Cookies != nil && r.Header["Authorization"] == nil:
			byCookie.ServeHTTP(w, r)
			return
		case err == nil && token == "":
			byAccessToken.ServeHTTP(w, r)
			return
		case err == nil:
			err = a.Logout(auth.WithDevice(r.Context(), cfg.device(r)), token)
			if err != nil && cfg.Cookies != nil {
				cfg.Cookies.clearButLogout(w)
			}
		}
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		answerEnded(w, r)
	})
}

// tokenToEnd returns the refresh token whose session r is to end: with cookies the one in the cookie,
// else the one in the body. It returns "" if there is none.
func (cfg Config) tokenToEnd(w http.ResponseWriter, r *http.Request) (string, error) {
	if cfg.Cookies == nil {
		in, err := cfg.read(w, r, logoutBody)
		if err == nil && in.form {
			err = in.need(logoutBody.required...)
		}
		return in.values["refresh_token"], err
	}
	if _, err := cfg.readChecked(w, r, cookieLogoutBody); err != nil {
		return "", err
	}
	token, _ := cfg.Cookies.refreshToken(r) // one that is not the browser's own counts as none
	return token, nil
}

// clearing returns a handler for browsers that asks end to end the session of the access token. If end
// refuses because the token has expired, is malformed or missing, there is no session to end: the answer
// is then answerEnded's, as if one had been ended. Another refusal of end stands, but removes the cookies.
func (c *Cookies) clearing(end http.Handler, answerEnded http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := heldAnswer{header: http.Header{}, status: http.StatusOK}
		end.ServeHTTP(&answer, r)
		switch answer.status {
		case http.StatusNoContent, http.StatusBadRequest, http.StatusUnauthorized:
			answerEnded(w, r)
			return
		}
		maps.Copy(w.Header(), answer.header)
		c.clear(w)
		w.WriteHeader(answer.status)
		_, _ = w.Write(answer.body.Bytes())
	})
}

// heldAnswer is an answer that is held back until it is decided whether the client gets it.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header            { return a.header }
func (a *heldAnswer) WriteHeader(status int)         { a.status = status }
func (a *heldAnswer) Write(text []byte) (int, error) { return a.body.Write(text) }
