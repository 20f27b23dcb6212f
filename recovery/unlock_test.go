package recovery_test

import (
	"errors"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/throttle"
)

// TestResetUnlocks: after strangers on many networks have used up the guesses at an account, the owner
// resets the password and logs in with it on that device, and on no other.
func TestResetUnlocks(t *testing.T) {
	throttled(t, throttle.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		for i := range 200 {
			_, _ = f.accounts.Login(f.from(100+i%50), "user-of-"+ada, "not the password")
			time.Sleep(time.Hour)
		}
		known, err := f.recovery.Reset(f.from(1), token(t, f.asks(recovery.KindReset, ada)), another)
		if err != nil || known == "" {
			t.Fatalf("the reset: %v, device token %q", err, string(known))
		}
		f.outbox.take()
		if _, err := f.accounts.Login(f.from(1), "user-of-"+ada, another); !errors.Is(err, auth.ErrTooManyAttempts) {
			t.Errorf("on an unknown device: %v, want ErrTooManyAttempts", err)
		}
		device := network(1)
		device.Known = known
		if _, err := f.accounts.Login(auth.WithDevice(t.Context(), device), "user-of-"+ada, another); err != nil {
			t.Errorf("on the device of the reset: %v", err)
		}
	})
}
