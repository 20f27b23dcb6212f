package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/throttle"
)

// 128 clients, of one network unless spread, register or log in again and again. The owner of an account, on another
// network, logs in 20 times with the right password, and gets in at least 19 times. Hashes take a
// second and run one at a time.
func TestFloodKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	type flood func(ctx context.Context, a *auth.Authenticator, client, call int)
	register := func(name func(client, call int) string) flood {
		return func(ctx context.Context, a *auth.Authenticator, client, call int) {
			_, _ = a.Register(ctx, name(client, call), password)
		}
	}
	login := func(name func(client, call int) string) flood {
		return func(ctx context.Context, a *auth.Authenticator, client, call int) {
			_, _ = a.Login(ctx, name(client, call), "wrong password")
		}
	}
	taken := func(int, int) string { return "ada" }
	unused := func(client, call int) string { return fmt.Sprintf("client-%d-%d", client, call) }
	everything := []flood{register(taken), register(unused), login(taken), login(unused)}
	for name, row := range map[string]struct {
		floods    []flood
		unlimited bool // no throttle
		spread    bool // each client on a network of its own
	}{
		"register, taken names":              {floods: everything[:1]},
		"register, new names":                {floods: everything[1:2]},
		"log in as the owner":                {floods: everything[2:3]},
		"log in under unused names":          {floods: everything[3:]},
		"all at once":                        {floods: everything},
		"register, new names, no throttle":   {floods: everything[1:2], unlimited: true},
		"register, taken names, no throttle": {floods: everything[:1], unlimited: true},
		"register from 128 networks":         {floods: everything[1:2], spread: true, unlimited: true},
		"all at once, no throttle":           {floods: everything, unlimited: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				cfg := auth.Config{Hasher: passwords.Limit(new(testkit.SlowHasher), 1)}
				if !row.unlimited {
					limits, err := throttle.New(store, throttle.Config{})
					if err != nil {
						t.Fatal(err)
					}
					cfg.Throttle = limits
				}
				a := newAuthenticator(t, store, cfg)
				if _, err := a.Register(t.Context(), "ada", password); err != nil {
					t.Fatal(err)
				}
				attacker := auth.WithDevice(t.Context(), auth.Device{IP: netip.MustParseAddr("192.0.2.1")})
				owner := auth.WithDevice(t.Context(), auth.Device{IP: netip.MustParseAddr("198.51.100.1")})

				var stop atomic.Bool
				var clients sync.WaitGroup
				for client := range 128 {
					clients.Go(func() {
						ctx := attacker
						if row.spread {
							ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(client)})
							ctx = auth.WithDevice(t.Context(), auth.Device{IP: ip})
						}
						for call := 0; !stop.Load(); call++ {
							row.floods[client%len(row.floods)](ctx, a, client, call)
							time.Sleep(500 * time.Millisecond)
						}
					})
				}
				time.Sleep(500 * time.Millisecond)
				in := 0
				for range 20 {
					ctx, cancel := context.WithTimeout(owner, 30*time.Second)
					_, err := a.Login(ctx, "ada", password)
					cancel()
					if err == nil {
						in++
					} else {
						t.Log(err)
					}
					time.Sleep(700 * time.Millisecond)
				}
				stop.Store(true)
				clients.Wait()
				if in < 19 {
					t.Errorf("the owner got in %d times of 20, want at least 19", in)
				}
			})
		})
	}
}

// workThrottle records the attempts that were begun.
type workThrottle struct {
	auth.Throttle
	begun []auth.Attempt
}

func (w *workThrottle) Begin(ctx context.Context, at auth.Attempt) error {
	w.begun = append(w.begun, at)
	return w.Throttle.Begin(ctx, at)
}

// A registration counts for its network, whatever becomes of it, and for nothing else. A taken name and
// a registration too many cost no hash.
func TestRegistrationsAreCounted(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	limits, err := throttle.New(store, throttle.Config{NetworkBurst: 3})
	if err != nil {
		t.Fatal(err)
	}
	w, counts := &workHasher{cost: 12}, &workThrottle{Throttle: limits}
	var events []auth.Event
	a := newAuthenticator(t, store, auth.Config{
		Hasher: w, Throttle: counts, Events: func(_ context.Context, e auth.Event) { events = append(events, e) },
	})
	w.since()
	device := auth.Device{IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "test"}
	ctx := auth.WithDevice(t.Context(), device)
	for i, row := range []struct {
		name, password string
		want           error
		work, counted  int
	}{
		{"ada", password, nil, 1, 1},
		{"ada", password, auth.ErrUserExists, 0, 1},
		{"ada", "short", nil, 0, 0}, // refused by the rule for passwords, which costs nothing
		{"bob", password, nil, 1, 1},
		{"carol", password, auth.ErrTooManyAttempts, 0, 1},
	} {
		counts.begun = nil
		_, err := a.Register(ctx, row.name, row.password)
		refused := row.want != nil || row.password == "short"
		if (err != nil) != refused || row.want != nil && !errors.Is(err, row.want) {
			t.Errorf("registration %d: %v, want %v", i, err, row.want)
		}
		if work := w.since(); len(work) != row.work {
			t.Errorf("registration %d did the work %v, want %d hashes", i, work, row.work)
		}
		if len(counts.begun) != row.counted {
			t.Errorf("registration %d began the attempts %v, want %d", i, counts.begun, row.counted)
		}
		for _, at := range counts.begun {
			if at.Username != "" || at.Target == "" || at.Device.IP != device.IP {
				t.Errorf("registration %d was counted as %+v, want a target, the device and no account", i, at)
			}
		}
	}
	if _, err := a.Login(ctx, "ada", password); err != nil {
		t.Errorf("a login from the network that has registered too often: %v", err)
	}
	elsewhere := auth.WithDevice(t.Context(), auth.Device{IP: netip.MustParseAddr("198.51.100.1")})
	if _, err := a.Register(elsewhere, "carol", password); err != nil {
		t.Errorf("a registration from another network: %v", err)
	}
	for _, e := range events {
		if e.Kind == auth.EventRegistered && e.IP == (netip.Addr{}) || e.Kind == auth.EventThrottled && e.Device != device {
			t.Errorf("the event %+v has no device", e)
		}
	}
}
