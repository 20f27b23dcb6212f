package drivertest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apps "github.com/pquerna/otp/totp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

const guessers = 64

// replicas returns two stores on the same tables, each with a pool of its own, as two replicas have
// them.
func (tt target) replicas(t testing.TB) [2]*sqlstore.Store {
	t.Helper()
	tt = tt.shared(t)
	s, _, p := tt.store(t)
	return [2]*sqlstore.Store{s, tt.reopen(t, p)}
}

// atOnce makes 64 concurrent calls and returns how many succeed.
func atOnce(f func(i int) error) int {
	var succeeded atomic.Int32
	var calls sync.WaitGroup
	for i := range guessers {
		calls.Go(func() {
			if f(i) == nil {
				succeeded.Add(1)
			}
		})
	}
	calls.Wait()
	return int(succeeded.Load())
}

// TestGuessesAtOnce lets 64 clients guess at one account at once, on two replicas: from 64 networks,
// and from one network. Together they get as many guesses as a single client.
func TestGuessesAtOnce(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		var throttles [2]*throttle.Throttle
		for i, s := range tt.replicas(t) {
			var err error
			if throttles[i], err = throttle.New(s, throttle.Config{FirstDelay: 12 * time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		for name, row := range map[string]struct {
			want    int
			network func(i int) string
		}{
			"networks": {100, func(i int) string { return fmt.Sprintf("198.51.100.%d", i) }},
			"network":  {5, func(int) string { return "192.0.2.1" }},
		} {
			guess := func(i int) error {
				err := throttles[i%2].Begin(bounded(t), auth.Attempt{Username: name, Device: auth.Device{IP: netip.MustParseAddr(row.network(i))}})
				if err != nil && !errors.Is(err, auth.ErrTooManyAttempts) {
					t.Error(err)
				}
				return err
			}
			total := 0
			for range 4 {
				total += atOnce(guess)
			}
			// A call that met too many concurrent ones was refused, and may be repeated.
			for i := guessers; i < guessers+40; i++ {
				if guess(i) == nil {
					total++
				}
			}
			if total != row.want {
				t.Errorf("%s: %d guesses, want %d", name, total, row.want)
			}
		}
	})
}

// newAccounts returns the Authenticators of two replicas and their second factors, which keep their
// records in the same stores.
func newAccounts(t testing.TB, stores [2]*sqlstore.Store) (accounts [2]*auth.Authenticator, factors [2]*totp.Factor) {
	t.Helper()
	keys := newKeys(t)
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys.access})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range stores {
		limit, err := throttle.New(s, throttle.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if factors[i], err = totp.New(s, keys.refresh, totp.Config{Issuer: "Example"}); err != nil {
			t.Fatal(err)
		}
		accounts[i], err = auth.New(s, tokens, auth.Config{
			Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys.refresh, Records: s, SecondFactor: factors[i], Throttle: limit,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return accounts, factors
}

// TestSecondFactorAtOnce uses the fifth and last attempt of one login in 64 calls at once, on two
// replicas, with a recovery code that is valid once.
func TestSecondFactorAtOnce(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		ctx := bounded(t)
		a, factors := newAccounts(t, tt.replicas(t))
		for name, row := range map[string]struct{ wrong, want int }{"ada": {4, 1}, "eve": {5, 0}} {
			u, err := a[0].Register(ctx, name, password)
			if err != nil {
				t.Fatal(err)
			}
			e, err := factors[0].Enroll(ctx, u.ID, name)
			if err != nil {
				t.Fatal(err)
			}
			shown, err := apps.GenerateCode(e.Secret, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			codes, err := factors[1].Confirm(ctx, u.ID, shown)
			if err != nil {
				t.Fatal(err)
			}
			_, err = a[0].Login(ctx, name, password)
			required, ok := errors.AsType[*auth.MFARequiredError](err)
			if !ok {
				t.Fatal(err)
			}
			for i := range row.wrong {
				if _, err := a[i%2].LoginMFA(ctx, required.Token, "wrong"); err != auth.ErrInvalidCredentials {
					t.Errorf("a wrong code returned %v", err)
				}
			}
			n := atOnce(func(i int) error { _, err := a[i%2].LoginMFA(ctx, required.Token, codes[1]); return err })
			if n != row.want {
				t.Errorf("after %d wrong codes %d logins succeeded, want %d", row.wrong, n, row.want)
			}
			n = atOnce(func(i int) error { _, err := factors[i%2].Prove(ctx, u.ID, codes[0]); return err })
			if n != 1 {
				t.Errorf("one recovery code was accepted %d times, want once", n)
			}
		}
	})
}

// outbox is a recovery.Notifier that sends each message to the test.
type outbox chan recovery.Message

func (o outbox) Notify(_ context.Context, m recovery.Message) error {
	o <- m
	return nil
}

// TestRecoveryAtOnce uses the fifth and last attempt of one login code in 64 calls at once, on two
// replicas, and then one reset link.
func TestRecoveryAtOnce(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		ctx, sent := bounded(t), make(outbox, 16)
		stores := tt.replicas(t)
		a, _ := newAccounts(t, stores)
		var flows [2]*recovery.Recovery
		for i, s := range stores {
			var err error
			if flows[i], err = recovery.New(a[i], s, s, sent, recovery.Config{BaseURL: "https://app.test"}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := flows[i].Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		for _, row := range []struct {
			address     string
			wrong, want int
		}{{"ada@example.com", 4, 1}, {"eve@example.com", 5, 0}} {
			u, err := a[0].Register(ctx, row.address, password)
			if err != nil {
				t.Fatal(err)
			}
			if err := stores[1].ReplaceAddress(ctx, u.ID, "", row.address, true); err != nil {
				t.Fatal(err)
			}
			challenge, err := flows[0].RequestLoginCode(ctx, row.address)
			if err != nil {
				t.Fatal(err)
			}
			m := <-sent
			for i := range row.wrong {
				if _, err := flows[i%2].LoginByCode(ctx, challenge, "wrong"); !errors.Is(err, recovery.ErrInvalidToken) {
					t.Errorf("a wrong code returned %v", err)
				}
			}
			n := atOnce(func(i int) error { _, err := flows[i%2].LoginByCode(ctx, challenge, m.Code); return err })
			if n != row.want {
				t.Errorf("after %d wrong codes %d logins succeeded, want %d", row.wrong, n, row.want)
			}
			if err := flows[1].RequestReset(ctx, row.address); err != nil {
				t.Fatal(err)
			}
			_, link, _ := strings.Cut((<-sent).Link, "token=")
			n = atOnce(func(i int) error { return flows[i%2].Reset(ctx, link, "battery staple "+fmt.Sprint(i)) })
			if n != 1 {
				t.Errorf("one link was accepted %d times, want once", n)
			}
			if m := <-sent; m.Kind != recovery.KindPasswordReset {
				t.Errorf("the message sent is %s, want %s", m.Kind, recovery.KindPasswordReset)
			}
		}
	})
}
