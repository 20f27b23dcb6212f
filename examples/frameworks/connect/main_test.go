package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// TestRefuse checks that a refusal has the status of its error and does not disclose its text.
func TestRefuse(t *testing.T) {
	t.Parallel()
	for err, code := range map[error]string{
		auth.ErrNoCredentials: "unauthenticated", auth.ErrInvalidRequest: "invalid_argument", auth.ErrExpiredToken: "unauthenticated",
		auth.ErrInsufficientScope: "permission_denied", auth.ErrCrossOrigin: "permission_denied",
		fmt.Errorf("%w: postgres://secret", auth.ErrKeysUnavailable):             "unavailable",
		&auth.RetryError{Err: auth.ErrRevocationUnknown, After: 3 * time.Second}: "unavailable",
		errors.New("postgres://secret: no such table"):                           "internal",
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Content-Type", "application/json")
		refuse(w, r, err)
		if body := w.Body.String(); w.Code != auth.HTTPStatus(err) || !strings.Contains(body, `"code":"`+code+`"`) || strings.Contains(body, "secret") {
			t.Errorf("%v: %d %s, want %d and the code %s", err, w.Code, body, auth.HTTPStatus(err), code)
		}
	}
}
