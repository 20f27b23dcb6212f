package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

const guessers = 64

// twoStores returns two stores as two programs have them, each with a client of its own.
func twoStores(t testing.TB) [2]*redisstore.Store {
	t.Helper()
	one, other := connect(t, options(t)), connect(t, options(t))
	p := prefix(t, one)
	return [2]*redisstore.Store{newStore(t, one, p), newStore(t, other, p)}
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
	t.Parallel()
	var slow [2]*throttle.Throttle
	for i, s := range twoStores(t) {
		var err error
		if slow[i], err = throttle.New(s, throttle.Config{}); err != nil {
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
}

// outbox is a recovery.Notifier.
type outbox chan recovery.Message

func (o outbox) Notify(_ context.Context, m recovery.Message) error {
	o <- m
	return nil
}

// TestCodesAtOnce has 64 use the fifth and last try for one code at a time, on two
// replicas.
func TestCodesAtOnce(t *testing.T) {
	t.Parallel()
	ctx, sent := bounded(t), make(outbox, 16)
	users, addresses := memstore.New(), recovery.NewMemoryAddresses()
	secret, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(secret)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	var a [2]*auth.Authenticator
	var flows [2]*recovery.Recovery
	for i, s := range twoStores(t) {
		if a[i], err = auth.New(users, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys}); err != nil {
			t.Fatal(err)
		}
		if flows[i], err = recovery.New(a[i], addresses, s, sent, recovery.Config{BaseURL: "https://app.test"}); err != nil {
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
		u, err := a[0].Register(ctx, row.address, "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		if err := addresses.ReplaceAddress(ctx, u.ID, "", row.address, true); err != nil {
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
	}
}
