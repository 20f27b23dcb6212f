// Package problem writes the error answers of this module's handlers: problem
// details as RFC 9457 has them.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// Type is the media type of problem details.
const Type = "application/problem+json"

// Details are what a refusal says (RFC 9457 section 3): Code is for the program
// that reads it, Detail for the person.
type Details struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// Of returns the details of a refusal; an empty code is that of the status, and
// detail may be empty. Both are part of the program, never of a request or of an
// error's text.
func Of(status int, code, detail string) Details {
	if code == "" {
		code = Code(status)
	}
	return Details{http.StatusText(status), status, code, detail}
}

// Write answers with what [Of] returns. Headers set before stay; the answer is not
// to be stored.
func Write(w http.ResponseWriter, status int, code, detail string) {
	body, _ := json.Marshal(Of(status, code, detail)) // strings and an int: cannot fail
	h := w.Header()
	h.Set("Content-Type", Type)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that went away is nobody's error
}

// Code returns the code of a status that needs no narrower one. Codes never change.
func Code(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "invalid_request"
	case http.StatusUnauthorized:
		return "no_credentials"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusConflict:
		return "conflict"
	case http.StatusRequestEntityTooLarge:
		return "body_too_large"
	case http.StatusUnsupportedMediaType:
		return "unsupported_media_type"
	case http.StatusTooManyRequests:
		return "too_many_attempts"
	case http.StatusServiceUnavailable:
		return "unavailable"
	}
	if status < 500 {
		return "refused"
	}
	return "internal"
}

// RetryAfter returns the value of a Retry-After header: whole seconds, rounded
// up, at least one (RFC 9110 section 10.2.3).
func RetryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((max(d, 1)-1)/time.Second)+1, 10)
}

// Log tells logger, unless it is nil, why r was not decided. A request that its
// client gave up is nobody's fault and not told.
func Log(logger *slog.Logger, r *http.Request, err error) {
	gone := errors.Is(err, context.Canceled) && r.Context().Err() != nil
	if logger == nil || gone {
		return
	}
	logger.LogAttrs(r.Context(), slog.LevelError, "auth: request not decided", slog.Any("error", err))
}
