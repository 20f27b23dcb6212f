package totp_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	second "github.com/seed-e36e2130/auth/totp"
	"github.com/seed-e36e2130/auth/memstore"
)

// Who looks at the log sees when a second factor came, changed and went, once each,
// and nothing of what was refused.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		f, err := second.New(memstore.New(), testKey, second.Config{Issuer: "Example", Events: func(_ context.Context, e auth.Event) {
			told = append(told, fmt.Sprint(e.Kind, " ", e.UserID, " ", e.Err))
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
				t.Error("a wrong code confirms")
			}
			if _, err := f.RecoveryCodes(t.Context(), "u"); err == nil {
				t.Error("recovery codes before there is a factor")
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
		if want := slices.Concat(once, once); !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}
