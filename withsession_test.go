package auth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/session"
)

// A login keeps its own terms through refreshes, whichever Authenticator serves them, and through a
// second factor, a step-up and a change of the password.
func TestWithSession(t *testing.T) {
	t.Parallel()
	const day, short = 24 * time.Hour, 12 * time.Hour
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{SessionIdle: 90 * day, SessionLifetime: 365 * day})
		forgotten := auth.WithSession(t.Context(), session.Terms{Idle: short, NonPersistent: true})
		check := func(what string, tokens auth.Tokens, err error, life time.Duration) {
			t.Helper()
			if err != nil || tokens.RefreshExpiresIn != life || tokens.NonPersistent != (life != 90*day) {
				t.Errorf("%s: got %v, not persistent: %t, %v, want a session of %v", what, tokens.RefreshExpiresIn, tokens.NonPersistent, err, life)
			}
		}
		in, err := h.Login(forgotten, "ada", password)
		check("login", in, err, short)
		remembered, err := h.Login(t.Context(), "ada", password)
		check("login that is remembered", remembered, err, 90*day)
		other, err := h.LoginUser(forgotten, h.user.ID, "fed")
		check("LoginUser", other, err, short)

		// The terms are those of the session, not those of the context of a refresh.
		time.Sleep(time.Hour)
		for range 2 {
			in, err = h.Refresh(t.Context(), in.RefreshToken)
			check("refresh", in, err, short)
			remembered, err = h.Refresh(forgotten, remembered.RefreshToken)
			check("refresh that is remembered", remembered, err, 90*day)
		}
		step, err := h.StepUp(t.Context(), in.Principal, password, "")
		if err != nil || !step.NonPersistent {
			t.Errorf("step-up: got not persistent: %t, %v", step.NonPersistent, err)
		}

		// A change of the password begins a session in place of the caller's.
		for _, row := range []struct {
			caller *auth.Principal
			life   time.Duration
		}{{in.Principal, short}, {remembered.Principal, 90 * day}, {nil, 90 * day}} {
			before, err := h.Login(t.Context(), "ada", password)
			if row.life == short {
				before, err = h.Login(forgotten, "ada", password)
			}
			if err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if row.caller != nil {
				ctx = auth.NewContext(ctx, before.Principal)
			}
			changed, err := h.ChangePassword(ctx, h.user.ID, password, password)
			check("change of the password", changed, err, row.life)
		}
		in, err = h.Login(forgotten, "ada", password)
		check("login", in, err, short)
		time.Sleep(short)
		h.refused(t, in.RefreshToken)

		// A store that fails does not make a short session a long one.
		in, err = h.Login(forgotten, "ada", password)
		check("login", in, err, short)
		down := errors.New("down")
		h.sessions.before = func(method string) error {
			if method == "Session" {
				return down
			}
			return nil
		}
		if _, err := h.ChangePassword(auth.NewContext(t.Context(), in.Principal), h.user.ID, password, password); !errors.Is(err, down) {
			t.Errorf("change of the password while the store is down: got %v", err)
		}
	})
}

// The terms wait with a login for its second factor.
func TestWithSessionAndSecondFactor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := withCodes(t, auth.Config{}, "1", "2")
		for code, terms := range map[string]session.Terms{"1": {Idle: time.Hour, NonPersistent: true}, "2": {}} {
			tokens, err := a.Login(auth.WithSession(t.Context(), terms), "ada", password)
			in, err := a.LoginMFA(context.Background(), mfaToken(t, tokens, err), code)
			life := 14 * 24 * time.Hour
			if terms.Idle > 0 {
				life = terms.Idle
			}
			if err != nil || in.RefreshExpiresIn != life || in.NonPersistent != terms.NonPersistent {
				t.Errorf("%+v: got a session of %v, not persistent: %t, %v", terms, in.RefreshExpiresIn, in.NonPersistent, err)
			}
		}
	})
}
