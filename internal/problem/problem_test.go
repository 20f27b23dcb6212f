package problem_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/problem"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		code, detail, want string
	}{
		{"", "", `{"title":"Conflict","status":409,"code":"conflict"}` + "\n"},
		{"taken", `a "b" <c>`, `{"title":"Conflict","status":409,"code":"taken","detail":"a \"b\" \u003cc\u003e"}` + "\n"},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Retry-After", "1")
		problem.Write(w, 409, row.code, row.detail)
		if w.Code != 409 || w.Body.String() != row.want {
			t.Errorf("Write answers %d %s, want 409 %s", w.Code, w.Body, row.want)
		}
		for name, want := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store", "Retry-After": "1"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Hour: "1", 0: "1", 1: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90", 1<<63 - 1: "9223372037",
	} {
		if got := problem.RetryAfter(d); got != want {
			t.Errorf("RetryAfter(%v) is %s, want %s", d, got, want)
		}
	}
}

// Log writes the error and nothing that came with the request. It writes nothing if the client has
// gone.
func TestLog(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := httptest.NewRequest("POST", "/s3cr3t?token=s3cr3t", strings.NewReader("s3cr3t"))
	r.Header.Set("Authorization", "Bearer s3cr3t")
	r.Header.Set("Cookie", "access=s3cr3t")
	problem.Log(logger, r, errors.New("the disk is full"))
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "the disk is full") || strings.Contains(log.String(), "s3cr3t") {
		t.Errorf("Log wrote %q, want the error at level ERROR and nothing of the request", log.String())
	}
	problem.Log(nil, r, errors.New("the disk is full"))
	log.Reset()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	problem.Log(logger, r.WithContext(gone), fmt.Errorf("load: %w", context.Canceled))
	if log.Len() > 0 {
		t.Errorf("Log wrote %q about a client that has gone, want nothing", log.String())
	}
	problem.Log(logger, r, fmt.Errorf("load: %w", context.Canceled)) // not cancelled by the client
	if log.Len() == 0 {
		t.Error("Log wrote nothing about a cancellation that the client did not cause")
	}
}
