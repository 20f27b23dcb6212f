package problem_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
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

// Log and Refused write the error, the method and the path, and no credential that came with the request.
// Log writes nothing if the client has gone.
func TestLog(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := httptest.NewRequest("POST", "/tasks?token=s3cr3t", strings.NewReader("s3cr3t"))
	r.Header.Set("Authorization", "Bearer s3cr3t")
	r.Header.Set("Cookie", "access=s3cr3t")
	problem.Log(logger, r, errors.New("the disk is full"), nil)
	wrote := func(want string) {
		t.Helper()
		if _, got, _ := strings.Cut(log.String(), " level="); got != want+"\n" {
			t.Errorf("the log is %q, want %q", got, want)
		}
		log.Reset()
	}
	wrote(`ERROR msg="auth: request not decided" method=POST path=/tasks error="the disk is full"`)
	r.Header.Set("Origin", "https://evil.example")
	problem.Refused(logger, r, errors.New("no scope"), 403, false)
	wrote(`DEBUG msg="auth: request refused" method=POST path=/tasks status=403 error="no scope"`)
	problem.Refused(logger, r, errors.New("cross-origin"), 403, true)
	wrote(`DEBUG msg="auth: request refused" method=POST path=/tasks status=403 error=cross-origin host=example.com origin=https://evil.example`)
	log.Reset()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	problem.Log(logger, r.WithContext(gone), fmt.Errorf("load: %w", context.Canceled), nil)
	if log.Len() > 0 {
		t.Errorf("Log wrote %q about a client that has gone, want nothing", log.String())
	}
	problem.Log(logger, r, fmt.Errorf("load: %w", context.Canceled), nil) // not cancelled by the client
	if log.Len() == 0 {
		t.Error("Log wrote nothing about a cancellation that the client did not cause")
	}
}

// Of one kind, a logger gets a line a second at most. The next line says how many were left out. Other
// kinds, other loggers and errors without a kind are not affected.
func TestLogSamples(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy, unknown := errors.New("too busy"), errors.New("state unknown")
		var log, other strings.Builder
		bare := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "error" || a.Key == "left_out" {
				return a
			}
			return slog.Attr{}
		}}
		logger, otherLogger := slog.New(slog.NewTextHandler(&log, bare)), slog.New(slog.NewTextHandler(&other, bare))
		r := httptest.NewRequest("GET", "/", nil)
		for range 17_927 { // 1,280 a second
			problem.Log(logger, r, fmt.Errorf("wrapped: %w", busy), busy)
			time.Sleep(time.Second / 1280)
		}
		lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		if len(lines) != 15 || lines[0] != `error="wrapped: too busy"` || lines[1] != `error="wrapped: too busy" left_out=1279` {
			t.Errorf("17,927 errors in 14 s wrote %d lines, the first %q, want 15 lines with a count in all but the first", len(lines), lines[:2])
		}

		log.Reset()
		for range 3 {
			problem.Log(logger, r, unknown, unknown)
			problem.Log(logger, r, errors.New("disk full"), nil)
			problem.Log(otherLogger, r, busy, busy)
		}
		if want := "error=\"state unknown\"\n" + strings.Repeat("error=\"disk full\"\n", 3); len(log.String()) != len(want) {
			t.Errorf("the log is %q, want the lines of %q", log.String(), want)
		}
		if want := "error=\"too busy\"\n"; other.String() != want {
			t.Errorf("the other log is %q, want %q", other.String(), want)
		}
		time.Sleep(time.Second)
		log.Reset()
		problem.Log(logger, r, unknown, unknown)
		if want := "error=\"state unknown\" left_out=2\n"; log.String() != want {
			t.Errorf("a second later the log is %q, want %q", log.String(), want)
		}
	})
}

// Loggers that are no longer used are forgotten.
func TestLogForgetsLoggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := errors.New("too busy")
		r := httptest.NewRequest("GET", "/", nil)
		for range 100 {
			problem.Log(slog.New(slog.DiscardHandler), r, busy, busy)
		}
		time.Sleep(2 * time.Minute)
		problem.Log(slog.New(slog.DiscardHandler), r, busy, busy)
		if kept := problem.SampledLoggers(); kept != 1 {
			t.Errorf("the samples of %d loggers are kept, want 1", kept)
		}
	})
}

// Without a logger, lines go to the default one.
func TestDefaultLogger(t *testing.T) { // not parallel: it sets the default
	var log strings.Builder
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	r := httptest.NewRequest("GET", "/tasks", nil)
	problem.Log(nil, r, errors.New("the disk is full"), nil)
	problem.Refused(nil, r, errors.New("no scope"), 403, false)
	if !strings.Contains(log.String(), "the disk is full") || !strings.Contains(log.String(), "no scope") {
		t.Errorf("the default logger has %q", log.String())
	}
}
