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

// replicas returns two stores as two programs have them, each with a pool of its own.
func (tt target) replicas(t testing.TB) [2]*sqlstore.Store {
	t.Helper()
	source := tt.source(t)
	tt.source = func(testing.TB) string { return source }
	s, _, p := tt.store(t)
	return [2]*sqlstore.Store{s, tt.again(t, p)}
}

// atOnce returns how many of 64 calls at one time succeed.
func atOnce(f func(i int) error) int {
	var good atomic.Int32
	var all sync.WaitGroup
	for i := range guessers {
		all.Go(func() {
			if f(i) == nil {
				good.Add(1)
			}
		})
	}
	all.Wait()
	return int(good.Load())
}

// TestGuessesAtOnce has 64 guess at one account, on two replicas and from as many
// networks, and from one: together they get what one who guesses alone gets.
func TestGuessesAtOnce(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		var slow [2]*throttle.Throttle
		for i, s := range tt.replicas(t) {
			var err error
			if slow[i], err = throttle.New(s, throttle.Config{FirstDelay: 12 * time.Hour}); err != nil {
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
				err := slow[i%2].Begin(bounded(t), auth.Attempt{Username: name, Device: auth.Device{IP: netip.MustParseAddr(row.network(i))}})
				if err != nil && !errors.Is(err, auth.ErrTooManyAttempts) {
					t.Error(err)
				}
				return err
			}
			total := 0
			for range 4 {
				total += atOnce(guess)
			}
			// Who met too many others was refused, and may come again.
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

// accounts returns them on two replicas, each with a second factor that keeps its
// records there.
func accounts(t testing.TB, stores [2]*sqlstore.Store) (both [2]*auth.Authenticator, factor [2]*totp.Factor) {
	t.Helper()
	keys := newKeys(t)
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys.access})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range stores {
		slow, err := throttle.New(s, throttle.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if factor[i], err = totp.New(s, keys.refresh, totp.Config{Issuer: "Example"}); err != nil {
			t.Fatal(err)
		}
		both[i], err = auth.New(s, tokens, auth.Config{
			Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys.refresh, Records: s, SecondFactor: factor[i], Throttle: slow,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return both, factor
}

// TestSecondFactorAtOnce has 64 use the fifth and last try of one login at a time, on
// two replicas, with a recovery code that is good once.
func TestSecondFactorAtOnce(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		ctx := bounded(t)
		a, factor := accounts(t, tt.replicas(t))
		for name, row := range map[string]struct{ wrong, want int }{"ada": {4, 1}, "eve": {5, 0}} {
			u, err := a[0].Register(ctx, name, password)
			if err != nil {
				t.Fatal(err)
			}
			e, err := factor[0].Enroll(ctx, u.ID, name)
			if err != nil {
				t.Fatal(err)
			}
			shown, err := apps.GenerateCode(e.Secret, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			codes, err := factor[1].Confirm(ctx, u.ID, shown)
			if err != nil {
				t.Fatal(err)
			}
			_, err = a[0].Login(ctx, name, password)
			waits, ok := errors.AsType[*auth.MFARequiredError](err)
			if !ok {
				t.Fatal(err)
			}
			for i := range row.wrong {
				if _, err := a[i%2].LoginMFA(ctx, waits.Token, "wrong"); err != auth.ErrInvalidCredentials {
					t.Errorf("a wrong code: %v", err)
				}
			}
			n := atOnce(func(i int) error { _, err := a[i%2].LoginMFA(ctx, waits.Token, codes[1]); return err })
			if n != row.want {
				t.Errorf("after %d wrong codes %d logins, want %d", row.wrong, n, row.want)
			}
			n = atOnce(func(i int) error { _, err := factor[i%2].Prove(ctx, u.ID, codes[0]); return err })
			if n != 1 {
				t.Errorf("one recovery code was good %d times", n)
			}
		}
	})
}

// outbox is a recovery.Notifier.
type outbox chan recovery.Message

func (o outbox) Notify(_ context.Context, m recovery.Message) error {
	o <- m
	return nil
}

// TestRecoveryAtOnce has 64 use the fifth and last try for one code at a time, on two
// replicas, and then one link.
func TestRecoveryAtOnce(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		ctx, sent := bounded(t), make(outbox, 16)
		stores := tt.replicas(t)
		a, _ := accounts(t, stores)
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
					t.Errorf("a wrong code: %v", err)
				}
			}
			n := atOnce(func(i int) error { _, err := flows[i%2].LoginByCode(ctx, challenge, m.Code); return err })
			if n != row.want {
				t.Errorf("after %d wrong codes %d logins, want %d", row.wrong, n, row.want)
			}
			if err := flows[1].RequestReset(ctx, row.address); err != nil {
				t.Fatal(err)
			}
			_, link, _ := strings.Cut((<-sent).Link, "token=")
			n = atOnce(func(i int) error { return flows[i%2].Reset(ctx, link, "battery staple "+fmt.Sprint(i)) })
			if n != 1 {
				t.Errorf("one link was good %d times", n)
			}
			if m := <-sent; m.Kind != recovery.KindPasswordReset {
				t.Errorf("sent %s", m.Kind)
			}
		}
	})
}
