package oauth

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/problem"
)

// refusal is what a client did wrong, as RFC 6749 section 5.2 has it.
type refusal struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`

	status     int           // 0: 400
	challenge  string        // WWW-Authenticate
	retryAfter time.Duration // 0: no Retry-After
}

// Error returns the code and the description.
func (e *refusal) Error() string { return "oauth: " + e.Code + ": " + e.Description }

func refuse(code, description string) *refusal { return &refusal{Code: code, Description: description} }

// tooMany refuses a request of a network that has asked too often.
func tooMany(wait time.Duration) *refusal {
	return &refusal{Code: "temporarily_unavailable", Description: "too many requests from your network", status: http.StatusTooManyRequests, retryAfter: wait}
}

// writeJSON answers with a JSON object.
func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // every body is of a type of this package
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// fail answers a client with an error as JSON, whatever it accepts: a [*refusal] as it is, and every other
// as a failure of the server, with 503. Clients throw their tokens away on invalid_grant, so no failure
// ever has that code.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := s.errorOf(r, err)
	if e.status == http.StatusBadGateway { // for clients, what they can try again is 503
		e.status = http.StatusServiceUnavailable
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	e.setHeaders(h)
	writeJSON(w, e.status, e)
}

// setHeaders sets the challenge and Retry-After.
func (e *refusal) setHeaders(h http.Header) {
	if e.challenge != "" {
		h.Set("WWW-Authenticate", e.challenge)
	}
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int((e.retryAfter+time.Second-1)/time.Second))))
	}
}

// errorOf returns what a client is told of err, with its status, and logs what the client did not cause.
func (s *Server) errorOf(r *http.Request, err error) *refusal {
	if known, ok := errors.AsType[*refusal](err); ok {
		e := *known
		if e.status == 0 {
			e.status = http.StatusBadRequest
		}
		problem.Refused(s.log, r, err, e.status, false)
		return &e
	}
	wait := time.Second
	if retry, ok := errors.AsType[*auth.RetryError](err); ok {
		wait = retry.After
	}
	problem.Log(s.log, r, err, nil)
	return &refusal{
		Code: "temporarily_unavailable", Description: "try again in a moment", status: http.StatusServiceUnavailable, retryAfter: wait,
	}
}

// maxForm bounds the body of a form.
const maxForm = 64 << 10

// form is what a request has sent, with each parameter once. A parameter without a value counts as left
// out (OAuth 2.1 section 3.2).
type form map[string]string

// readForm reads the body of r, which must be a form. Parameters in the URL are not taken.
func readForm(w http.ResponseWriter, r *http.Request, repeated ...string) (form, url.Values, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, nil, refuse("invalid_request", "the body must be application/x-www-form-urlencoded")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok && tooLarge != nil {
		return nil, nil, &refusal{Code: "invalid_request", Description: "the body is too large", status: http.StatusRequestEntityTooLarge}
	}
	if err != nil {
		return nil, nil, refuse("invalid_request", "the body could not be read")
	}
	return parseForm(string(text), repeated...)
}

// parseForm parses a form. Only the parameters that are named may come more than once. If another does, it
// returns all values beside the error.
func parseForm(text string, repeated ...string) (form, url.Values, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, nil, refuse("invalid_request", "the parameters are not properly encoded")
	}
	f, all := form{}, url.Values{}
	var twice error
	for name, list := range values {
		if len(list) > 1 && !slices.Contains(repeated, name) {
			twice = refuse("invalid_request", "the parameter "+printable(name)+" comes more than once")
		}
		all[name] = slices.DeleteFunc(list, func(value string) bool { return value == "" })
		if v := all.Get(name); v != "" {
			f[name] = v
		}
	}
	return f, all, twice
}

// printable returns the start of a name that a client chose, for a text about it.
func printable(s string) string {
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return -1
		}
		return c
	}, s)
	return s[:min(len(s), 40)]
}
