// Package authhttp holds ready-made endpoints. Each is a handler of its own, so
// that a host mounts the ones it wants where it wants them.
//
// All of them take POST alone, read a body of at most 64 KiB and mark their
// answers as not to be stored. Credentials in a URL are refused, for logs,
// histories and proxies keep those.
package authhttp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/problem"
)

// Config is what an endpoint may be told.
type Config struct {
	// Logger receives what failed through no fault of the caller. nil: silent.
	Logger *slog.Logger
}

// Registrar makes accounts, as [auth.Authenticator] does.
type Registrar interface {
	Register(ctx context.Context, username, password string) (auth.User, error)
}

// Authenticator logs users in, as [auth.Authenticator] does.
type Authenticator interface {
	Login(ctx context.Context, username, password string) (auth.Tokens, error)
}

// Register returns the endpoint that makes an account of the JSON object
// {"username": …, "password": …}. It answers 201 with the account's id and
// username as they are stored, and every refusal with problem details (RFC
// 9457) whose detail says what to change.
func Register(a Registrar, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := read(w, r, readJSON)
		if err != nil {
			refuseRegister(w, r, cfg, err)
			return
		}
		user, err := a.Register(r.Context(), in.username, in.password)
		if err != nil {
			refuseRegister(w, r, cfg, err)
			return
		}
		write(w, http.StatusCreated, struct {
			ID       string `json:"id"`
			Username string `json:"username"`
		}{user.ID, user.Username})
	})
}

func refuseRegister(w http.ResponseWriter, r *http.Request, cfg Config, err error) {
	if bad, ok := errors.AsType[*badRequest](err); ok {
		problem.Write(w, bad.status, bad.detail)
		return
	}
	status := auth.HTTPStatus(err)
	detail := ""
	if password, ok := errors.AsType[*auth.PasswordError](err); ok {
		detail = strings.TrimPrefix(password.Error(), "auth: ")
	}
	switch {
	case errors.Is(err, auth.ErrUserExists):
		detail = "this username is taken"
	case errors.Is(err, auth.ErrInvalidUsername):
		detail = "this username cannot be used: it is empty, or holds spaces or characters that usernames may not have"
	case status >= 500:
		undecided(w, r, cfg, err)
	}
	problem.Write(w, status, detail)
}

// Login returns the endpoint that gives tokens for a username and a password. It
// takes them as a JSON object like [Register], or as the form of the OAuth 2.0
// password grant (RFC 6749 section 4.3.2), in which grant_type may be missing
// and client_id is ignored. What scope asks for is ignored, too: scopes are the
// host's to grant, by [auth.Config].Claims, and the answer tells them. It is 200
// with the tokens (section 5.1), or a refusal with error and error_description
// (section 5.2).
//
// Unknown user, wrong password and disabled account are one answer: 401 to JSON,
// and to the form the 400 invalid_grant that section 5.2 asks for.
func Login(a Authenticator, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1
		in, err := read(w, r, readJSONOrForm)
		if err != nil {
			refuseLogin(w, r, cfg, in, err)
			return
		}
		tokens, err := a.Login(r.Context(), in.username, in.password)
		if err != nil {
			refuseLogin(w, r, cfg, in, err)
			return
		}
		write(w, http.StatusOK, tokens)
	})
}

func refuseLogin(w http.ResponseWriter, r *http.Request, cfg Config, in credentials, err error) {
	answer := struct {
		Code   string `json:"error"`
		Detail string `json:"error_description,omitempty"`
	}{Code: "invalid_request"}
	status := auth.HTTPStatus(err)
	bad, malformed := errors.AsType[*badRequest](err)
	switch {
	case malformed:
		status, answer.Detail = bad.status, bad.detail
		if bad.code != "" {
			answer.Code = bad.code
		}
	case errors.Is(err, auth.ErrInvalidCredentials):
		answer.Code, answer.Detail = "invalid_grant", "wrong username or password"
		if in.form {
			status = http.StatusBadRequest
			break
		}
		// RFC 9110 section 15.5.2: no 401 without a challenge. This one lets no
		// browser open a window of its own.
		w.Header().Set("WWW-Authenticate", `Bearer realm="login"`)
	case status == http.StatusServiceUnavailable:
		answer.Code = "temporarily_unavailable"
		undecided(w, r, cfg, err)
	case status >= 500:
		answer.Code = "server_error"
		undecided(w, r, cfg, err)
	}
	write(w, status, answer)
}

// undecided logs a fault that is not the caller's, and says when to come again.
func undecided(w http.ResponseWriter, r *http.Request, cfg Config, err error) {
	if retry, ok := errors.AsType[*auth.RetryError](err); ok {
		w.Header().Set("Retry-After", problem.RetryAfter(retry.After))
	}
	problem.Log(cfg.Logger, r, err)
}

// write answers with v as JSON. What is written here encodes without error, but
// for tokens that a host made up: those are refused before the status is out.
func write(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		problem.Write(w, http.StatusInternalServerError, "")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
