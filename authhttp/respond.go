package authhttp

import (
	"errors"
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// Answer is the answer to a request, before it is written: see [Config].Respond.
type Answer struct {
	Status int
	Body   any  // what is written as JSON; nil: nothing
	Form   bool // the request is that of a form in a page, sent by the browser and not by a script

	User   auth.User   // account that Register has added or that Me shows, without its PasswordHash; or zero
	Tokens auth.Tokens // of a login or refresh, or zero; with cookies without the texts of the tokens

	// Err is why the request was refused, for [errors.Is] and [errors.As], or nil. It may name causes that
	// no client may see; Code and Detail are for clients.
	Err          error
	Code, Detail string

	mediaType string // of Body; "": JSON
}

// Problem is an error with its answer, for what the host decides itself: in [Config].Before, or in a
// Registrar of its own.
type Problem struct {
	Status int    // from 400 to 499; others are answered 500
	Code   string // for programs, such as "captcha_failed"; "": that of the status
	Detail string // for people
}

func (p *Problem) Error() string { return "authhttp: " + p.Detail }

// WriteError answers with the refusal that the endpoints give for err, in problem details (RFC 9457), with
// Cache-Control, Retry-After where the time is known, and the challenge of a 401. It also writes the log
// line of the refusal, to [slog.Default]. It is for handlers of the host's own that call an
// [auth.Authenticator]. err must not be nil.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	code := ""
	switch {
	case errors.Is(err, auth.ErrInvalidToken):
		code = "invalid_token"
	case errors.Is(err, auth.ErrInsufficientScope):
		code = "insufficient_scope"
	case errors.Is(err, auth.ErrInsufficientAuthentication):
		code = "insufficient_user_authentication"
	}
	if code != "" && auth.HTTPStatus(err) < 500 { // RFC 6750 section 3.1, RFC 9470 section 3
		w.Header().Set("WWW-Authenticate", `Bearer realm="api", error="`+code+`"`)
	}
	Config{}.refuse(w, r, err)
}

// before asks the host about a request with the body b, if it wants to be asked.
func (cfg Config) before(r *http.Request, b body) error {
	if cfg.Before == nil || !b.before {
		return nil
	}
	return cfg.Before(r.Context(), r)
}

// answer writes an answer, unless the host does.
func (cfg Config) answer(w http.ResponseWriter, r *http.Request, a Answer) {
	w.Header().Set("Cache-Control", "no-store")
	if cfg.Respond != nil {
		a.Form = isPageForm(r)
		if cfg.Respond(w, r, a) {
			return
		}
	}
	if a.Body == nil {
		w.WriteHeader(a.Status)
		return
	}
	if a.mediaType != "" {
		w.Header().Set("Content-Type", a.mediaType)
	}
	write(w, a.Status, a.Body)
}

// succeed answers with a body, or with none if body is nil.
func (cfg Config) succeed(w http.ResponseWriter, r *http.Request, status int, body any) {
	cfg.answer(w, r, Answer{Status: status, Body: body})
}

// isPageForm reports whether r is a form that the browser itself sends, so that a person sees the answer.
// A form that a script sends asks for anything, and a client of OAuth for JSON.
func isPageForm(r *http.Request) bool {
	mediaType, _ := contentType(r.Header)
	if mediaType != "application/x-www-form-urlencoded" && mediaType != "multipart/form-data" {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// sameOrigin refuses forms of other origins where there are no cookies.
var sameOrigin = http.NewCrossOriginProtection()

// checkForm refuses a form that a page of another origin may have caused. JSON needs no check: a browser
// sends it to another origin only after a preflight.
func (cfg Config) checkForm(r *http.Request, in input) error {
	switch {
	case !in.form:
		return nil
	case cfg.Cookies != nil:
		return cfg.Cookies.check(r)
	case sameOrigin.Check(r) != nil:
		return auth.ErrCrossOrigin
	}
	return nil
}
