package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
)

// refusing is a Throttle that has had enough.
type refusing struct{ auth.Throttle }

func (refusing) Begin(context.Context, auth.Attempt) error {
	return &auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Minute}
}

// TestLoginFailedSaysWhy: to the host alone.
func TestLoginFailedSaysWhy(t *testing.T) {
	t.Parallel()
	w, store := &workHasher{cost: 12}, newHookedStore()
	accounts(t, store, w)
	var told []auth.Event
	cfg := auth.Config{
		Hasher: w, NormalizeUsername: asGiven,
		Events: func(_ context.Context, e auth.Event) { told = append(told, e) },
	}
	a, browser := newAuthenticator(t, store, cfg), auth.WithDevice(t.Context(), auth.Device{UserAgent: "browser"})
	cfg.Throttle = refusing{}
	throttled := newAuthenticator(t, store, cfg)
	const right = "correct horse"
	for _, row := range []struct {
		name, password, userID string
		why                    error
	}{
		{"ada", "wrong horse", "id-0", auth.ErrMismatch},
		{"nobody", right, "", auth.ErrUserNotFound},
		{"!invalid", right, "", auth.ErrUserNotFound},
		{"disabled", right, "id-1", auth.ErrDisabled},
		{"without password", right, "id-2", auth.ErrNoPassword},
		{"broken", right, "id-3", auth.ErrMalformedHash},
		{"foreign", right, "id-4", auth.ErrUnknownHash},
		{"ada", right + "\x00", "", auth.ErrMismatch},
	} {
		check := func(method, userID string, err error) {
			t.Helper()
			if err != auth.ErrInvalidCredentials {
				t.Errorf("%s of %s: %v", method, row.name, err)
			}
			if len(told) != 1 || told[0].Kind != auth.EventLoginFailed || told[0].UserID != userID || !errors.Is(told[0].Err, row.why) || told[0].UserAgent != "browser" {
				t.Errorf("%s of %s: told %+v, want %q and %v", method, row.name, told, userID, row.why)
			}
			if text := fmt.Sprintf("%+v", told); strings.Contains(text, right) || strings.Contains(text, "$work") {
				t.Errorf("%s of %s: told a secret: %s", method, row.name, text)
			}
			told = nil
		}
		_, err := a.Login(browser, row.name, row.password)
		check("Login", row.userID, err)
		if row.userID != "" {
			check("ConfirmPassword", row.userID, a.ConfirmPassword(browser, row.userID, row.password))
		}
		if _, err := throttled.Login(t.Context(), row.name, row.password); row.userID != "" && (!errors.Is(err, auth.ErrTooManyAttempts) ||
			len(told) != 1 || told[0].Kind != auth.EventThrottled || !errors.Is(told[0].Err, auth.ErrTooManyAttempts)) {
			t.Errorf("throttled: %v, told %+v", err, told)
		}
		told = nil
	}

	// What is the world's is nobody's failed login.
	store.before = func(string) error { return errDown }
	_, _ = a.Login(t.Context(), "ada", right)
	_ = a.ConfirmPassword(t.Context(), "id-0", right)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store.before = nil
	_, _ = a.Login(ctx, "ada", right)
	if len(told) != 0 {
		t.Errorf("told %+v", told)
	}
}

// TestEventsComeAfterTheFact: whoever is told finds it done, and has no say in it.
func TestEventsComeAfterTheFact(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w, store := &workHasher{cost: 12}, memstore.New()
	var told []string
	before := "" // the hash that was stored when the event before was told
	cfg := auth.Config{Hasher: w, Events: func(ctx context.Context, e auth.Event) {
		u, err := store.UserByID(ctx, e.UserID)
		if err != nil || (u.PasswordHash == before) != (e.Kind == auth.EventLogin) {
			t.Errorf("%s: stored is %q, %v", e.Kind, u.PasswordHash, err)
		}
		before = u.PasswordHash
		told = append(told, string(e.Kind))
	}}
	a := newAuthenticator(t, store, cfg)
	want := func(text string, err error) {
		t.Helper()
		if got := strings.Join(told, " "); err != nil || got != text {
			t.Errorf("told %q, %v, want %q", got, err, text)
		}
		told = nil
	}
	u, err := a.Register(ctx, "ada", "correct horse")
	want("registered", err)
	_, err = a.Login(ctx, "ada", "correct horse")
	want("login", err)
	want("new_password", a.SetPassword(ctx, u.ID, "battery staple"))
	_, err = a.ChangePassword(ctx, u.ID, "battery staple", "analytical engine")
	want("new_password login", err)

	w.cost = 13
	stronger := newAuthenticator(t, store, cfg)
	_, err = stronger.Login(ctx, "ada", "analytical engine")
	want("rehash login", err)

	// None of these happens.
	_, _ = a.Register(ctx, "ada", "correct horse")
	_, _ = a.Register(ctx, "bob", "short")
	_ = a.SetPassword(ctx, u.ID, "short")
	want("", nil)
}

func TestLogEvents(t *testing.T) {
	t.Parallel()
	auth.LogEvents(nil)(t.Context(), auth.Event{Kind: auth.EventLogin})
	for _, row := range []struct {
		event auth.Event
		want  string
	}{
		{auth.Event{Kind: auth.EventLogin, UserID: "1", SessionID: "2"}, `level=INFO msg="auth: login" event=login sub=1 sid=2`},
		{auth.Event{Kind: auth.EventKeyRotated, KeyID: "3"}, `level=INFO msg="auth: key_rotated" event=key_rotated kid=3`},
		{auth.Event{Kind: auth.EventLoginFailed, Err: auth.ErrUserNotFound}, `level=INFO msg="auth: login_failed" event=login_failed error="auth: user not found"`},
		{auth.Event{Kind: auth.EventLoginFailed, UserID: "1", Err: fmt.Errorf("x: %w", auth.ErrMalformedHash)}, `level=WARN msg="auth: login_failed" event=login_failed sub=1 error="x: auth: malformed stored hash"`},
		{auth.Event{Kind: auth.EventReuse}, `level=WARN msg="auth: refresh_reuse" event=refresh_reuse`},
		{auth.Event{Kind: auth.EventThrottled}, `level=WARN msg="auth: throttled" event=throttled`},
		{auth.Event{Kind: auth.EventFeedDown}, `level=WARN msg="auth: feed_down" event=feed_down`},
		{auth.Event{Kind: "x\ny", Device: auth.Device{UserAgent: `a" b`}}, `level=INFO msg="auth: x\ny" event="x\ny" user_agent="a\" b"`},
	} {
		var log bytes.Buffer
		auth.LogEvents(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})))(t.Context(), row.event)
		if got := strings.TrimSuffix(log.String(), "\n"); got != row.want {
			t.Errorf("%s, want %s", got, row.want)
		}
	}
}
