package authhttp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/origin"
	"github.com/seed-e36e2130/auth/internal/problem"
	"github.com/seed-e36e2130/auth/passwords"
)

// refusal is an error with its answer. It holds nothing of the request, and its detail only
// characters that RFC 6749 section 5.2 allows.
type refusal struct {
	status int
	code   string // code of the problem details; "": the one of the status
	oauth  string // error of RFC 6749 section 5.2; "": invalid_request
	detail string // text for people
}

func (e *refusal) Error() string { return "authhttp: " + e.detail }

// oauthError returns the error of RFC 6749 section 5.2.
func (e *refusal) oauthError() string {
	if e.oauth == "" {
		return "invalid_request"
	}
	return e.oauth
}

// malformed returns a refusal of a request that is not well-formed.
func malformed(detail string) error {
	return &refusal{status: http.StatusBadRequest, detail: detail}
}

// notAllowed sets the Allow header, and returns a refusal of a method that is not allowed.
func notAllowed(w http.ResponseWriter, allowed ...string) error {
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	return &refusal{status: http.StatusMethodNotAllowed, detail: "use " + list}
}

// refusals has the answer to each error of package auth that blames the request. Their statuses are
// those of [auth.HTTPStatus].
var refusals = [...]struct {
	cause               error
	code, oauth, detail string
}{
	{auth.ErrInvalidCredentials, "invalid_credentials", "invalid_grant", "wrong username or password"},
	{auth.ErrInvalidGrant, "invalid_grant", "invalid_grant", "the refresh token is invalid or has expired: log in again"},
	{auth.ErrNoCredentials, "", "", "credentials are required"},
	{auth.ErrInvalidRequest, "", "", "the credentials are malformed, or the request has more than one"},
	{auth.ErrInvalidToken, "invalid_token", "", "the access token is invalid or has expired"},
	{auth.ErrInsufficientScope, "insufficient_scope", "", "the access token does not allow this"},
	{auth.ErrInsufficientAuthentication, "insufficient_user_authentication", "", "a more recent or a stronger login is needed"},
	{auth.ErrCrossOrigin, "cross_origin", "", "cross-origin requests are refused, because this endpoint uses cookies"},
	{auth.ErrUserExists, "username_taken", "", "this username is taken"},
	{auth.ErrInvalidUsername, "invalid_username", "",
		"this username is not allowed: it is empty, has characters that usernames may not have, or looks like another name"},
	{auth.ErrSessionNotFound, "session_not_found", "", "there is no such session"},
	{auth.ErrConflict, "", "", "another request changed the account at the same time: try again"},
}

// explain returns the answer to an error. An error that both blames the request and says that it
// could not be decided counts as undecided, as in [auth.HTTPStatus].
func explain(err error) *refusal {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused
	}
	if p, ok := errors.AsType[*Problem](err); ok && p.Status >= 400 && p.Status < 500 {
		return &refusal{status: p.Status, code: p.Code, detail: p.Detail}
	}
	status := auth.HTTPStatus(err)
	switch {
	case status == http.StatusServiceUnavailable:
		return &refusal{status, "", "temporarily_unavailable", "not available now, try again later"}
	case status == http.StatusTooManyRequests:
		return &refusal{status, "", "temporarily_unavailable", "too many attempts, try again later"}
	case status >= 500:
		return &refusal{status, "", "server_error", ""}
	}
	for _, row := range refusals {
		if !errors.Is(err, row.cause) {
			continue
		}
		if name, ok := errors.AsType[*auth.UsernameError](err); ok {
			row.detail = "this username is not allowed: " + name.Reason
		}
		return &refusal{status, row.code, row.oauth, row.detail}
	}
	if password, ok := errors.AsType[*passwords.Error](err); ok {
		return &refusal{status, passwordCode(password.Rule), "", strings.TrimPrefix(password.Error(), "auth: ")}
	}
	return &refusal{status: status}
}

// passwordCode returns the code of a password that breaks a rule.
func passwordCode(rule passwords.Rule) string { return "password_" + string(rule) }

// sampledKind returns the error of a 503 of which the log has one line a second at most, or nil.
func sampledKind(err error) error {
	for _, kind := range [...]error{
		auth.ErrBusy, auth.ErrKeysUnavailable, auth.ErrRevocationUnknown, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

// prepare sets the headers of a refusal, and logs it.
func (cfg Config) prepare(w http.ResponseWriter, r *http.Request, err error) *refusal {
	e := explain(err)
	if retry, ok := errors.AsType[*auth.RetryError](err); ok {
		w.Header().Set("Retry-After", problem.RetryAfter(retry.After))
	}
	if e.status >= 500 {
		problem.Log(cfg.Logger, r, err, sampledKind(err))
	} else {
		problem.Refused(cfg.Logger, r, err, e.status, errors.Is(err, auth.ErrCrossOrigin))
	}
	if e.status == http.StatusUnauthorized && w.Header()["Www-Authenticate"] == nil {
		// RFC 9110 section 15.5.2 asks for a challenge in every 401. Browsers open no password
		// window for this scheme.
		w.Header().Set("WWW-Authenticate", `Bearer realm="login"`)
	}
	return e
}

// refusal prepares a refusal, and returns its answer as problem details (RFC 9457). e is nil if it is that a
// second factor is required.
func (cfg Config) refusal(w http.ResponseWriter, r *http.Request, err error) (a Answer, e *refusal) {
	if a, ok := mfaRequiredAnswer(err); ok {
		a.mediaType = problem.Type
		return a, nil
	}
	e = cfg.prepare(w, r, err)
	details := problem.Of(e.status, e.code, e.detail)
	return Answer{
		Status: e.status, Body: details, Err: err, Code: details.Code, Detail: e.detail, mediaType: problem.Type,
	}, e
}

// refuse answers with a refusal.
func (cfg Config) refuse(w http.ResponseWriter, r *http.Request, err error) {
	a, _ := cfg.refusal(w, r, err)
	cfg.answer(w, r, a)
}

// refuseOAuth answers with the error body of RFC 6749 section 5.2.
func (cfg Config) refuseOAuth(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, auth.ErrInvalidCredentials) {
		err = &refusal{http.StatusBadRequest, "", "invalid_grant", "wrong username or password"}
	}
	a, e := cfg.refusal(w, r, err)
	if a.mediaType = ""; e != nil {
		a.Body = struct {
			Error  string `json:"error"`
			Detail string `json:"error_description,omitempty"`
		}{e.oauthError(), e.detail}
	}
	cfg.answer(w, r, a)
}

// challengeInvalidToken sets the challenge for an access token that is no longer valid (RFC 6750
// section 3.1), and returns the error to refuse the request with.
func challengeInvalidToken(w http.ResponseWriter) error {
	w.Header().Set("WWW-Authenticate", `Bearer realm="api", error="invalid_token"`)
	return auth.ErrInvalidToken
}

// write answers with v as JSON. All values that are written here encode without error, except for
// tokens that a host's issuer made up: then nothing has been sent yet, and the answer is 500.
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

// serve returns a handler that answers GET with a document that never changes.
func (cfg Config) serve(document any) http.Handler {
	return cfg.public(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, document)
	}))
}

// public returns a handler of GET for all clients, pages of other origins included.
func (cfg Config) public(next http.Handler) http.Handler {
	cfg = cfg.standard()
	return origin.Public(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := cfg.screen(w, r, http.MethodGet, http.MethodHead, http.MethodOptions); err != nil {
			cfg.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	}))
}
