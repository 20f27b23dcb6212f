package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/throttle"
)

const guessers = 64

// twoStores returns two stores with the same keys, each with its own client, as two replicas have
// them.
func twoStores(t testing.TB) [2]*redisstore.Store {
	t.Helper()
	client, otherClient := connect(t, options(t)), connect(t, options(t))
	p := prefix(t, client)
	return [2]*redisstore.Store{newStore(t, client, p), newStore(t, otherClient, p)}
}

// concurrently returns how many of 64 concurrent calls succeed.
func concurrently(f func(i int) error) int {
	var succeeded atomic.Int32
	var wg sync.WaitGroup
	for i := range guessers {
		wg.Go(func() {
			if f(i) == nil {
				succeeded.Add(1)
			}
		})
	}
	wg.Wait()
	return int(succeeded.Load())
}

// TestConcurrentGuesses has 64 clients guess at one account on two replicas, from 64 networks and from
// the same network. Together they get as many guesses as a single client.
func TestConcurrentGuesses(t *testing.T) {
	t.Parallel()
	var throttles [2]*throttle.Throttle
	for i, s := range twoStores(t) {
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
			total += concurrently(guess)
		}
		// A client that was refused because of too many concurrent ones may try again.
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

// TestConcurrentCodes has 64 clients use the fifth and last try for one code at the same time, on
// two replicas.
func TestConcurrentCodes(t *testing.T) {
	t.Parallel()
	ctx, sent := bounded(t), make(outbox, 16)
	users, addresses := memstore.New(), recovery.NewMemoryAddresses()
	tokens, refreshKeys := testkit.NewIssuer(t, jwt.IssuerConfig{}), newRefreshKeys(t)
	var a [2]*auth.Authenticator
	var flows [2]*recovery.Recovery
	for i, s := range twoStores(t) {
		var err error
		if a[i], err = auth.New(users, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: refreshKeys}); err != nil {
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
				t.Errorf("a wrong code: %v, want ErrInvalidToken", err)
			}
		}
		n := concurrently(func(i int) error { _, err := flows[i%2].LoginByCode(ctx, challenge, m.Code); return err })
		if n != row.want {
			t.Errorf("after %d wrong codes: %d logins, want %d", row.wrong, n, row.want)
		}
	}
}
