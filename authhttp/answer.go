package authhttp

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/problem"
	"github.com/seed-e36e2130/auth/passwords"
)

// refusal is a request that is not granted. It holds nothing of the request, and
// its detail only the characters of RFC 6749 section 5.2.
type refusal struct {
	status int
	code   string // of the problem; "": the one of the status
	oauth  string // error of RFC 6749 section 5.2; "": invalid_request
	detail string // for people
}

func (e *refusal) Error() string { return "authhttp: " + e.detail }

func malformed(detail string) error {
	return &refusal{status: http.StatusBadRequest, detail: detail}
}

// notAllowed refuses a method that is none of those.
func notAllowed(w http.ResponseWriter, allowed ...string) error {
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	return &refusal{status: http.StatusMethodNotAllowed, detail: "use " + list}
}

// explain returns how an error is told. What could not be decided stands first, as
// in [auth.HTTPStatus].
func explain(err error) refusal {
	if bad, ok := errors.AsType[*refusal](err); ok {
		return *bad
	}
	status := auth.HTTPStatus(err)
	switch {
	case status == http.StatusServiceUnavailable:
		return refusal{status, "", "temporarily_unavailable", "not available now, try again later"}
	case status == http.StatusTooManyRequests:
		return refusal{status, "", "temporarily_unavailable", "too many attempts, try again later"}
	case status >= 500:
		return refusal{status, "", "server_error", ""}
	case errors.Is(err, auth.ErrInvalidCredentials):
		return refusal{status, "invalid_credentials", "invalid_grant", "wrong username or password"}
	case errors.Is(err, auth.ErrInvalidGrant):
		return refusal{status, "invalid_grant", "invalid_grant", "the refresh token is not valid, or not any more: log in again"}
	case errors.Is(err, auth.ErrNoCredentials):
		return refusal{status, "", "", "credentials are needed"}
	case errors.Is(err, auth.ErrInvalidRequest):
		return refusal{status, "", "", "the credentials are malformed, or there is more than one"}
	case errors.Is(err, auth.ErrInvalidToken):
		return refusal{status, "invalid_token", "", "the access token is invalid or has expired"}
	case errors.Is(err, auth.ErrCrossOrigin):
		return refusal{status, "cross_origin", "", "a cross-origin request is refused where cookies are set or read"}
	case errors.Is(err, auth.ErrUserExists):
		return refusal{status, "username_taken", "", "this username is taken"}
	case errors.Is(err, auth.ErrInvalidUsername):
		return refusal{status, "invalid_username", "", "this username cannot be used: it is empty, holds spaces or characters that usernames may not have, or is easily taken for another"}
	case errors.Is(err, auth.ErrSessionNotFound):
		return refusal{status, "session_not_found", "", "there is no such session"}
	case errors.Is(err, auth.ErrConflict):
		return refusal{status, "", "", "changed by another request meanwhile, try again"}
	}
	if password, ok := errors.AsType[*passwords.Error](err); ok {
		return refusal{status, "password_" + string(password.Rule), "", strings.TrimPrefix(password.Error(), "auth: ")}
	}
	return refusal{status: status}
}

// prepare sets the headers of a refusal, and logs what is no fault of the caller's.
func (cfg Config) prepare(w http.ResponseWriter, r *http.Request, err error) refusal {
	e := explain(err)
	if retry, ok := errors.AsType[*auth.RetryError](err); ok {
		w.Header().Set("Retry-After", problem.RetryAfter(retry.After))
	}
	switch {
	case e.status >= 500:
		problem.Log(cfg.Logger, r, err)
	case e.status == http.StatusUnauthorized && w.Header()["Www-Authenticate"] == nil:
		// RFC 9110 section 15.5.2: no 401 without a challenge. This one lets no
		// browser open a window of its own.
		w.Header().Set("WWW-Authenticate", `Bearer realm="login"`)
	}
	return e
}

// refuse answers with problem details (RFC 9457).
func (cfg Config) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if askSecond(w, err, problem.Type) {
		return
	}
	e := cfg.prepare(w, r, err)
	problem.Write(w, e.status, e.code, e.detail)
}

// refuseOAuth answers as RFC 6749 section 5.2 says.
func (cfg Config) refuseOAuth(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, auth.ErrInvalidCredentials) {
		err = &refusal{http.StatusBadRequest, "", "invalid_grant", "wrong username or password"}
	}
	if askSecond(w, err, "application/json") {
		return
	}
	e := cfg.prepare(w, r, err)
	write(w, e.status, struct {
		Error  string `json:"error"`
		Detail string `json:"error_description,omitempty"`
	}{e.oauthError(), e.detail})
}

func (e refusal) oauthError() string {
	if e.oauth == "" {
		return "invalid_request"
	}
	return e.oauth
}

// write answers with v as JSON. What is written here encodes without error, but
// for tokens that a host made up: those are refused before the status is out.
func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "", "")
		return
	}
	h := w.Header()
	if h["Content-Type"] == nil {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// empty answers with nothing but a status.
func empty(w http.ResponseWriter, status int) {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
}

// done says that it is done.
func done(w http.ResponseWriter) { empty(w, http.StatusNoContent) }
