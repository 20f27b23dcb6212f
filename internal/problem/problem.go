// Package problem writes the error answers of this module's handlers as problem details (RFC 9457).
package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Type is the media type of problem details.
const Type = "application/problem+json"

// Details is the body of a refusal (RFC 9457 section 3). Code is for programs, Detail for people.
type Details struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// Of returns the details of a refusal. An empty code stands for the [Code] of the status, and
// detail may be empty. Both must be constants of the program, never text from a request or an
// error.
func Of(status int, code, detail string) Details {
	if code == "" {
		code = Code(status)
	}
	return Details{http.StatusText(status), status, code, detail}
}

// Write answers with the details that [Of] returns, and forbids caches to store the answer. Headers
// that were set before stay.
func Write(w http.ResponseWriter, status int, code, detail string) {
	body, _ := json.Marshal(Of(status, code, detail)) // never fails: strings and an int
	h := w.Header()
	h.Set("Content-Type", Type)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // fails only if the client has gone
}

// Code returns the code of a status where no narrower one applies. Codes never change.
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

// RetryAfter returns d as the value of a Retry-After header (RFC 9110 section 10.2.3): whole
// seconds, rounded up, at least 1.
func RetryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((max(d, 1)-1)/time.Second)+1, 10)
}
