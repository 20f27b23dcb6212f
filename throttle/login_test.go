package throttle_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/throttle"
)

// everybody is an auth.SecondFactor that every account has. The code "right" is always good.
type everybody struct{}

func (everybody) Required(context.Context, string) (bool, error) { return true, nil }

func (everybody) Prove(_ context.Context, _, code string) ([]string, error) {
	if code != "right" {
		return nil, auth.ErrInvalidCredentials
	}
	return []string{"otp"}, nil
}

const password = "correct horse battery"

// withSecondFactor returns accounts behind a throttle, the account of ada, which has a second factor,
// and a context of calls from one network.
func withSecondFactor(t *testing.T) (context.Context, *auth.Authenticator, auth.User) {
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

// login proves the password of ada and returns the token for LoginMFA.
func login(ctx context.Context, t *testing.T, a *auth.Authenticator) string {
	t.Helper()
	_, err := a.Login(ctx, "ada", password)
	pending, ok := errors.AsType[*auth.MFARequiredError](err)
	if !ok {
		t.Fatal(err)
	}
	return pending.Token
}

// After guesses at an account the delay may be longer than a login waits for its second factor. The
// owner's password must not begin that delay again, or the code would always come too early.
func TestSecondFactorAfterGuesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, a, _ := withSecondFactor(t)
		for failed := 0; failed < 9; { // the last four after delays of 1, 2, 4 and 8 minutes
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
			t.Errorf("LoginMFA with the owner's code returned %v", err)
		}
	})
}

// A right password does not forgive wrong codes: an attacker with the password and a stolen token gets
// no more guesses at the second factor by it.
func TestPasswordForgivesNoCodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, a, u := withSecondFactor(t)
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
			t.Errorf("%d codes were checked, want 5", guesses)
		}
		// Both factors together do forgive them.
		time.Sleep(time.Minute)
		for range 2 {
			if _, err := a.StepUp(ctx, in.Principal, password, "right"); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			if _, err := a.StepUp(ctx, in.Principal, "", "wrong"); err != auth.ErrInvalidCredentials {
				t.Errorf("a wrong code after both factors: %v, want ErrInvalidCredentials", err)
			}
		}
	})
}

// An owner whose password strangers have used up gets in by a link in a mail, second factor included:
// guesses at the password do not count at the codes. From then on the device is known.
func TestWayInOfTheOwner(t *testing.T) {
	t.Parallel()
	for name, prove := range map[string]func(context.Context, *auth.Authenticator, string) (auth.DeviceToken, error){
		"a login by a link": func(ctx context.Context, a *auth.Authenticator, id string) (auth.DeviceToken, error) {
			_, err := a.LoginUser(ctx, id, "otp")
			pending, ok := errors.AsType[*auth.MFARequiredError](err)
			if !ok {
				return "", err
			}
			in, err := a.LoginMFA(ctx, pending.Token, "right")
			return in.DeviceToken, err
		},
		"a reset by a link": func(ctx context.Context, a *auth.Authenticator, id string) (auth.DeviceToken, error) {
			if err := a.SetPassword(ctx, id, password); err != nil {
				return "", err
			}
			return a.MarkDeviceKnown(ctx, id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, a, u := withSecondFactor(t) // on the last of the attacking networks
				for i := range 120 {
					stranger := auth.Device{IP: netip.AddrFrom4([4]byte{192, 0, 2, byte(121 - i)})}
					_, _ = a.Login(auth.WithDevice(ctx, stranger), "ada", "wrong password")
				}
				if _, err := a.Login(ctx, "ada", password); !errors.Is(err, auth.ErrTooManyAttempts) {
					t.Fatalf("the right password after 120 guesses: %v, want ErrTooManyAttempts", err)
				}
				known, err := prove(ctx, a, u.ID)
				if err != nil || known == "" {
					t.Fatalf("%v, device token %q", err, string(known))
				}
				device := auth.WithDevice(ctx, auth.Device{IP: netip.MustParseAddr("192.0.2.1"), Known: known})
				for range 20 {
					if in, err := a.LoginMFA(device, login(device, t, a), "right"); err != nil || in.DeviceToken != known {
						t.Fatalf("from the device: %v, device token %q", err, string(in.DeviceToken))
					}
				}
			})
		})
	}
}

// Tokens say whether the throttle knew the device of the login, however the user logged in.
func TestNewDevice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, a, u := withSecondFactor(t)
		logins := map[string]func(context.Context) (auth.Tokens, error){
			"second factor": func(ctx context.Context) (auth.Tokens, error) {
				return a.LoginMFA(ctx, login(ctx, t, a), "right")
			},
			"unguessable secret": func(ctx context.Context) (auth.Tokens, error) { return a.LoginUser(ctx, u.ID, "hwk", "mfa") },
			"code": func(ctx context.Context) (auth.Tokens, error) {
				return a.LoginUserIf(ctx, u.ID, "code", func(context.Context) error { return nil }, "otp", "mfa")
			},
		}
		for name, in := range logins {
			other := auth.Device{Known: auth.DeviceToken(strings.Repeat("A", 32))} // of nobody
			first, err := in(auth.WithDevice(t.Context(), other))
			if err != nil || !first.NewDevice || first.DeviceToken == "" {
				t.Errorf("%s from a new device: %v, NewDevice %t", name, err, first.NewDevice)
			}
			for again, in := range logins {
				known := auth.WithDevice(t.Context(), auth.Device{Known: first.DeviceToken})
				if next, err := in(known); err != nil || next.NewDevice {
					t.Errorf("%s, then %s from the same device: %v, NewDevice %t", name, again, err, next.NewDevice)
				}
			}
		}
	})
}

// The success at the second factor ends the delays of the password, too, on a device as on a network.
func TestSecondFactorForgivesTypos(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, a, _ := withSecondFactor(t)
		typos := func(ctx context.Context, n int) {
			t.Helper()
			for range n {
				if _, err := a.Login(ctx, "ada", "wrong password"); err != auth.ErrInvalidCredentials {
					t.Fatalf("a typo: %v", err)
				}
			}
		}
		var known auth.DeviceToken
		for range 2 {
			typos(ctx, 4)
			in, err := a.LoginMFA(ctx, login(ctx, t, a), "right")
			if err != nil {
				t.Fatal(err)
			}
			known = in.DeviceToken
		}
		device := auth.WithDevice(ctx, auth.Device{Known: known})
		for range 5 {
			typos(device, 9)
			if _, err := a.LoginMFA(device, login(device, t, a), "right"); err != nil {
				t.Fatal(err)
			}
		}
	})
}
