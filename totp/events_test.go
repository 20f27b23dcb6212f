package totp_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/totp"
)

// TestEvents checks that there is one event each time a second factor is switched on, gets new
// recovery codes or is removed, and none for a call that is refused or changes nothing.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		f, err := totp.New(memstore.New(), newRing(t), totp.Config{Issuer: "Example", Events: func(_ context.Context, e auth.Event) {
			events = append(events, fmt.Sprint(e.Kind, " ", e.UserID, " ", e.Err))
		}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			e, err := f.Enroll(t.Context(), "u", "ada")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Confirm(t.Context(), "u", "x"); err == nil {
				t.Error("Confirm accepts a wrong code")
			}
			if _, err := f.RecoveryCodes(t.Context(), "u"); err == nil {
				t.Error("RecoveryCodes succeeds before Confirm")
			}
			if err := f.Disable(t.Context(), "nobody"); err != nil {
				t.Error(err)
			}
			if _, err := f.Confirm(t.Context(), "u", codeAt(t, e.Secret, time.Now())); err != nil {
				t.Fatal(err)
			}
			if _, err := f.RecoveryCodes(t.Context(), "u"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := f.Disable(t.Context(), "u"); err != nil {
					t.Fatal(err)
				}
			}
		}
		once := []string{"mfa_enabled u <nil>", "mfa_recovery u <nil>", "mfa_disabled u <nil>"}
		if want := slices.Concat(once, once); !slices.Equal(events, want) {
			t.Errorf("events %q, want %q", events, want)
		}
	})
}
