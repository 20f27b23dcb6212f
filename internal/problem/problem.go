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

// Write answers with status and, unless it is empty, a sentence for the person
// who reads it. The detail is part of the program, never of a request or of an
// error's text. Headers set before stay; the answer is not to be stored.
func Write(w http.ResponseWriter, status int, detail string) {
	body, _ := json.Marshal(struct { // strings and an int: cannot fail
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
	}{http.StatusText(status), status, detail})
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that went away is nobody's error
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
