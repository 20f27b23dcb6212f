package throttle_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/throttle"
)

// everybody is an auth.SecondFactor that all have, with one code that is always good.
type everybody struct{}

func (everybody) Required(context.Context, string) (bool, error) { return true, nil }

func (everybody) Prove(_ context.Context, _, code string) ([]string, error) {
	if code != "right" {
		return nil, auth.ErrInvalidCredentials
	}
	return []string{"otp"}, nil
}

const password = "correct horse battery"

// withSecond returns accounts behind a throttle, of which ada has a second factor.
func withSecond(t *testing.T) (context.Context, *auth.Authenticator, auth.User) {
	t.Helper()
	store := memstore.New()
	keys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(store, newIssuer(), auth.Config{
		Hasher: authtest.FastHasher(t), Throttle: newThrottle(t, store, throttle.Config{}),
		SecondFactor: everybody{}, Records: store, Sessions: store, RefreshKeys: keys,
	})
	if err != nil {
		t.Fatal(err)
	}
	u, err := a.Register(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	return auth.WithDevice(t.Context(), auth.Device{IP: netip.MustParseAddr("192.0.2.1")}), a, u
}

func login(ctx context.Context, t *testing.T, a *auth.Authenticator) string {
	t.Helper()
	_, err := a.Login(ctx, "ada", password)
	waits, ok := errors.AsType[*auth.MFARequiredError](err)
	if !ok {
		t.Fatal(err)
	}
	return waits.Token
}

// Strangers have made an owner wait for longer than a login waits for its second
// factor: it is not the owner's own password that makes the code wait again.
func TestSecondFactorAfterGuesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, a, _ := withSecond(t)
		for failed := 0; failed < 9; { // delays of 1, 2, 4 and 8 minutes have passed
			_, err := a.Login(ctx, "ada", "wrong password")
			switch retry, throttled := errors.AsType[*auth.RetryError](err); {
			case throttled:
				time.Sleep(retry.After)
			case err == auth.ErrInvalidCredentials:
				failed++
			default:
				t.Fatal(err)
			}
		}
		time.Sleep(16 * time.Minute)
		if _, err := a.LoginMFA(ctx, login(ctx, t, a), "right"); err != nil {
			t.Errorf("the owner's code: %v", err)
		}
	})
}

// A password that is right says nothing of the codes that were wrong: whoever has
// the one and a stolen token does not get more guesses at the other by it.
func TestPasswordForgivesNoCodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, a, u := withSecond(t)
		in, err := a.LoginMFA(ctx, login(ctx, t, a), "right")
		if err != nil {
			t.Fatal(err)
		}
		guesses := 0
		for range 50 {
			if _, err := a.StepUp(ctx, in.Principal, "", "wrong"); err == auth.ErrInvalidCredentials {
				guesses++
			}
			_ = a.ConfirmPassword(ctx, u.ID, password)
			_, _ = a.StepUp(ctx, in.Principal, password, "")
		}
		if guesses != 5 {
			t.Errorf("%d codes were looked at, want 5", guesses)
		}
		// Both factors do.
		time.Sleep(time.Minute)
		for range 2 {
			if _, err := a.StepUp(ctx, in.Principal, password, "right"); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			if _, err := a.StepUp(ctx, in.Principal, "", "wrong"); err != auth.ErrInvalidCredentials {
				t.Errorf("after both: %v", err)
			}
		}
	})
}
