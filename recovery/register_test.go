package recovery_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/throttle"
)

// TestRegister registers with a username that is an address, and then verifies it, resets the password
// and logs in.
func TestRegister(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		u, err := f.recovery.Register(t.Context(), "Ada@Example.com", password)
		if err != nil {
			t.Fatal(err)
		}
		if address, verified, err := f.addresses.Address(t.Context(), u.ID); u.Username != ada || address != ada || verified || err != nil {
			t.Errorf("the user %q has the address %q, verified %t, %v", u.Username, address, verified, err)
		}
		if err := f.recovery.VerifyAddress(t.Context(), token(t, f.onlyMessage(recovery.KindVerify, ada)), password); err != nil {
			t.Fatal(err)
		}
		if err := f.reset(t.Context(), token(t, f.asks(recovery.KindReset, ada)), another); err != nil {
			t.Fatal(err)
		}
		if _, err := f.accounts.Login(t.Context(), "ADA@example.com", another); err != nil {
			t.Error(err)
		}
		f.outbox.take()

		if u, err = f.recovery.Register(t.Context(), "bob", password); err != nil || u.Username != "bob" {
			t.Errorf("a username that is no address: %v, %v", u, err)
		}
		if _, err := f.recovery.Register(t.Context(), "max", "short"); err == nil {
			t.Error("a short password is accepted")
		}
		f.sentNothing("to a user without an address")
	})
}

// TestRegisterTaken checks that nobody registers with the address of another account, and that trying
// is counted.
func TestRegisterTaken(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true) // whose username is another one
		_, err := f.recovery.Register(t.Context(), ada, another)
		is(t, err, auth.ErrUserExists, "registering with the address of an account")
		if _, err := f.accounts.Login(t.Context(), ada, another); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("the account is there: %v", err)
		}
		f.sentNothing("to the owner of the address")

		limits, err := throttle.New(f.store, throttle.Config{NetworkBurst: 3})
		if err != nil {
			t.Fatal(err)
		}
		f.open(auth.Config{Throttle: limits}, recovery.Config{BaseURL: "https://app.example.com"})
		stranger := auth.WithDevice(t.Context(), auth.Device{IP: netip.MustParseAddr("203.0.113.9")})
		for range 3 {
			_, err := f.recovery.Register(stranger, ada, another)
			is(t, err, auth.ErrUserExists, "registering with the address of an account")
		}
		_, err = f.recovery.Register(stranger, ada, another)
		is(t, err, auth.ErrTooManyAttempts, "one more")
	})
}

// addressesDown fail when an address is written.
type addressesDown struct {
	recovery.Addresses
	err error
}

func (b addressesDown) ReplaceAddress(context.Context, string, string, string, bool) error {
	return b.err
}

// TestRegisterFails checks that a failure of the store is passed on.
func TestRegisterFails(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		down := errors.New("the store is down")
		r, err := recovery.New(f.accounts, addressesDown{f.addresses, down}, f.records, f.outbox, recovery.Config{BaseURL: "https://app.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close(t.Context())
		_, err = r.Register(t.Context(), ada, password)
		is(t, err, down, "registering")
		if _, err := f.recovery.Register(t.Context(), ada, password); err != nil {
			t.Errorf("registering again, when the store is back: %v", err)
		}
	})
}
