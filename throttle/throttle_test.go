package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

func newThrottle(t testing.TB, store auth.RecordStore, cfg throttle.Config) *throttle.Throttle {
	t.Helper()
	limits, err := throttle.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return limits
}

// from returns an attempt at an account from an IP address, or from none if ip is empty.
func from(username, ip string) auth.Attempt {
	a := auth.Attempt{Username: username}
	if ip != "" {
		a.Device.IP = netip.MustParseAddr(ip)
	}
	return a
}

// begins begins an attempt and returns how long it has to wait, or 0 if it may go on.
func begins(t testing.TB, limits auth.Throttle, a auth.Attempt) time.Duration {
	t.Helper()
	err := limits.Begin(t.Context(), a)
	if err == nil {
		return 0
	}
	retry, ok := errors.AsType[*auth.RetryError](err)
	if !ok || !errors.Is(err, auth.ErrTooManyAttempts) || retry.After < time.Second {
		t.Fatalf("Begin: %v", err)
	}
	return retry.After
}

// passes returns how many of at most most attempts in a row may go on.
func passes(t testing.TB, limits auth.Throttle, a auth.Attempt, most int) int {
	t.Helper()
	for n := range most {
		if begins(t, limits, a) > 0 {
			return n
		}
	}
	return most
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		store  auth.RecordStore
		cfg    throttle.Config
		fields string
	}{
		{memstore.New(), throttle.Config{}, ""},
		{nil, throttle.Config{}, "throttle.New.store"},
		{memstore.New(), throttle.Config{FreePerNetwork: 101, FreePerDevice: -1}, "FreePerNetwork FreePerDevice"},
		{memstore.New(), throttle.Config{MaxPerAccount: 101}, "MaxPerAccount"},
		{memstore.New(), throttle.Config{MaxPerAccount: 50, MaxPerNetwork: 51}, "MaxPerNetwork"},
		{memstore.New(), throttle.Config{MaxPerAccount: -1, MaxPerNetwork: -1}, "MaxPerAccount MaxPerNetwork"},
		{memstore.New(), throttle.Config{MaxPerAccount: 9}, ""},
		{memstore.New(), throttle.Config{FirstDelay: time.Millisecond, MaxDelay: 8 * 24 * time.Hour}, "FirstDelay MaxDelay"},
		{memstore.New(), throttle.Config{FirstDelay: time.Hour, MaxDelay: time.Minute}, "MaxDelay"},
		{memstore.New(), throttle.Config{NetworkBurst: -1, NetworkEvery: 2 * time.Hour}, "NetworkBurst NetworkEvery"},
		{memstore.New(), throttle.Config{HardLock: 9, DeviceLifetime: time.Minute}, "HardLock DeviceLifetime"},
		{memstore.New(), throttle.Config{HardLock: 100}, ""},
	} {
		limits, err := throttle.New(row.store, row.cfg)
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				fault, ok := errors.AsType[*auth.ConfigError](e)
				if !ok {
					t.Fatal(e)
				}
				fields = append(fields, strings.TrimPrefix(fault.Field, "throttle.Config."))
			}
		}
		if got := strings.Join(fields, " "); got != row.fields || (limits == nil) != (err != nil) {
			t.Errorf("%+v: faults in %q, want %q", row.cfg, got, row.fields)
		}
	}
}

// One network has five free guesses at an account, then five with growing delays, and then none until
// the first is 30 days old.
func TestOneNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := newThrottle(t, memstore.New(), throttle.Config{})
		guess := from("ada", "192.0.2.1")
		begin := time.Now()
		if n := passes(t, limits, guess, 100); n != 5 {
			t.Errorf("%d guesses without a delay, want 5", n)
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 0} {
			want *= time.Minute
			if want == 0 { // the rest of 30 days and an hour
				want = time.Until(begin.Add(30*24*time.Hour + time.Hour))
			}
			if wait := begins(t, limits, guess); wait != want {
				t.Errorf("delay %d is %v, want %v", i, wait, want)
			}
			time.Sleep(want - time.Millisecond)
			if begins(t, limits, guess) == 0 {
				t.Errorf("delay %d ends a millisecond early", i)
			}
			time.Sleep(time.Millisecond)
			if wait := begins(t, limits, guess); wait != 0 {
				t.Errorf("after delay %d the attempt must wait another %v", i, wait)
			}
		}
		// The owner logs in from elsewhere, and attempts that succeed do not count.
		owner := from("ada", "198.51.100.7")
		for range 20 {
			if wait := begins(t, limits, owner); wait != 0 {
				t.Fatalf("the owner waits %v", wait)
			}
			if _, err := limits.Succeed(t.Context(), owner); err != nil {
				t.Fatal(err)
			}
		}
		if n := passes(t, limits, owner, 100); n != 5 {
			t.Errorf("after 20 logins %d guesses without a delay, want 5", n)
		}
		if n := passes(t, limits, from("bob", "192.0.2.1"), 100); n != 5 {
			t.Errorf("%d guesses at another account, want 5", n)
		}
		// A login ends the delay of the network, but gives it no more than ten guesses in 30 days.
		time.Sleep(time.Minute)
		for _, want := range []int{5, 0} {
			if wait := begins(t, limits, owner); wait > 0 && want > 0 {
				t.Fatalf("the owner waits %v", wait)
			} else if wait == 0 {
				if _, err := limits.Succeed(t.Context(), owner); err != nil {
					t.Fatal(err)
				}
			}
			if n := passes(t, limits, owner, 100); n != want {
				t.Errorf("after a login %d more guesses without a delay, want %d", n, want)
			}
		}
		// A name and an address are kept apart from others that are the same text when joined.
		if n := passes(t, limits, from("bob1", "92.0.2.1"), 100); n != 5 {
			t.Errorf("%d guesses at a longer name from a shorter address, want 5", n)
		}
	})
}

// An account allows at most 100 guesses in 30 days, from however many networks and however they are
// spread over time.
func TestOneAccount(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]func(guesses int) time.Duration{
		"as fast as can be":   func(int) time.Duration { return 0 },
		"one every 12 hours":  func(int) time.Duration { return 12 * time.Hour },
		"bursts of 30":        func(n int) time.Duration { return time.Duration(max(0, 1-n%30)) * 15 * 24 * time.Hour },
		"bursts of 40":        func(n int) time.Duration { return time.Duration(max(0, 1-n%40)) * 20 * 24 * time.Hour },
		"bursts of 3":         func(n int) time.Duration { return time.Duration(max(0, 1-n%3)) * 36 * time.Hour },
		"just before the end": func(n int) time.Duration { return time.Duration(max(0, 1-n%30)) * (15*24*time.Hour - time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limits := newThrottle(t, memstore.New(), throttle.Config{})
				var guesses []time.Time
				for i, end := 0, time.Now().Add(90*24*time.Hour); time.Now().Before(end); i++ {
					wait := begins(t, limits, from("ada", fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)))
					if wait == 0 {
						guesses = append(guesses, time.Now())
						wait = pause(len(guesses))
					}
					time.Sleep(wait)
				}
				most := 0
				for i, begin := 0, 0; i < len(guesses); i++ {
					for guesses[i].Sub(guesses[begin]) > 30*24*time.Hour {
						begin++
					}
					most = max(most, i-begin+1)
				}
				if most > 100 || most < 40 {
					t.Errorf("%d guesses in 30 days, want 40 to 100", most)
				}
			})
		})
	}
}

// Attempts from a known device are counted apart from all others.
func TestKnownDevice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := newThrottle(t, memstore.New(), throttle.Config{})
		ctx := t.Context()
		owner := from("ada", "192.0.2.1")
		if wait := begins(t, limits, owner); wait != 0 {
			t.Fatal(wait)
		}
		known, err := limits.Succeed(ctx, owner)
		if err != nil || known == "" {
			t.Fatal(known, err)
		}
		owner.Device.Known = known
		flood := func() {
			t.Helper()
			for i := range 200 {
				begins(t, limits, from("ada", fmt.Sprintf("198.51.100.%d", i)))
				begins(t, limits, from(fmt.Sprint("user", i), "192.0.2.1"))
				begins(t, limits, from("ada", "192.0.2.1"))
			}
		}
		for range 60 { // 600 days: each login keeps the device known for another 180
			flood()
			if wait := begins(t, limits, owner); wait != 0 {
				t.Fatalf("the owner waits %v", wait)
			}
			again, err := limits.Succeed(ctx, owner)
			if err != nil || again != known {
				t.Fatalf("another device token or an error: %v", err)
			}
			time.Sleep(10 * 24 * time.Hour)
		}
		flood()
		if begins(t, limits, from("ada", "203.0.113.9")) == 0 {
			t.Error("the logins from the known device forgave the guesses of strangers")
		}
		if n := passes(t, limits, owner, 100); n != 10 {
			t.Errorf("%d attempts from the device without a delay, want 10", n)
		}
		for name, change := range map[string]func(*auth.Attempt){
			"of another account": func(a *auth.Attempt) { a.Username = "bob" },
			"that is cut":        func(a *auth.Attempt) { a.Device.Known = a.Device.Known[:31] },
			"that is made up":    func(a *auth.Attempt) { a.Device.Known = auth.DeviceToken(strings.Repeat("A", 32)) },
			"of a megabyte":      func(a *auth.Attempt) { a.Device.Known = auth.DeviceToken(strings.Repeat("A", 1<<20)) },
		} {
			a := from("carol", "192.0.2.77")
			a.Device.Known = known
			change(&a)
			if n := passes(t, limits, a, 100); n > 5 {
				t.Errorf("a device token %s allows %d guesses, want at most 5", name, n)
			}
		}
		time.Sleep(181 * 24 * time.Hour)
		if n := passes(t, limits, owner, 100); n != 5 {
			t.Errorf("with an expired device token %d guesses, want 5", n)
		}
	})
}

// A client that logs in without its device token cannot make an account's record grow, nor make the
// account forget a device that comes back.
func TestManyDevices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &measured{RecordStore: memstore.New(), live: make(map[string]bool)}
		limits := newThrottle(t, store, throttle.Config{})
		enter := func(a auth.Attempt) auth.DeviceToken {
			t.Helper()
			if wait := begins(t, limits, a); wait > 0 {
				t.Fatalf("the owner waits %v", wait)
			}
			known, err := limits.Succeed(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			return known
		}
		owner := from("ada", "192.0.2.1")
		owner.Device.Known = enter(owner)
		enter(owner)
		var earlier, latest auth.DeviceToken
		for i := range 1000 {
			time.Sleep(time.Minute)
			latest = enter(from("ada", "192.0.2.1"))
			if i == 900 {
				earlier = latest
			}
		}
		if store.most > 67 || store.largest > 4096 { // 64 devices, their list, and two counts
			t.Errorf("the account has %d records, the largest of %d bytes, want 67 of at most 4,096", store.most, store.largest)
		}
		for i := range 100 {
			begins(t, limits, from("ada", fmt.Sprintf("198.51.100.%d", i)))
		}
		for _, row := range []struct {
			name  string
			token auth.DeviceToken
			known bool
		}{{"that came back", owner.Device.Known, true}, {"of the last login", latest, true}, {"of 100 logins before", earlier, false}} {
			a := from("ada", "192.0.2.1")
			a.Device.Known = row.token
			if known := begins(t, limits, a) == 0; known != row.known {
				t.Errorf("the device %s is known: %t, want %t", row.name, known, row.known)
			}
		}
	})
}

// Of an account that is deleted nothing is left but the counts of networks.
func TestForget(t *testing.T) {
	t.Parallel()
	store := &measured{RecordStore: memstore.New(), live: make(map[string]bool)}
	limits := newThrottle(t, store, throttle.Config{})
	for i := range 3 {
		for _, target := range []string{"", "code"} {
			a := from("ada", fmt.Sprintf("192.0.2.%d", i))
			a.Target = target
			passes(t, limits, a, 2)
			var err error
			if a.Device.Known, err = limits.Succeed(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			passes(t, limits, a, 2)
		}
	}
	if len(store.live) != 15 { // 6 devices and the failures of each, their list, and the failures of others at the two
		t.Errorf("the account has %d records, want 15", len(store.live))
	}
	if err := limits.Forget(t.Context(), "ada", "code"); err != nil || len(store.live) > 0 {
		t.Errorf("Forget: %v; %d records are left", err, len(store.live))
	}
}

// The failures of a network are limited, whatever the accounts.
func TestNetworks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := newThrottle(t, memstore.New(), throttle.Config{})
		users := 0
		spray := func(ip func(int) string) (n int) {
			for range 500 {
				users++
				if begins(t, limits, from(fmt.Sprint("user", users), ip(users))) == 0 {
					n++
				}
			}
			return n
		}
		for name, row := range map[string]struct {
			ip   func(int) string
			want int
		}{
			"one IPv4 address":        {func(int) string { return "192.0.2.1" }, 100},
			"the same, mapped":        {func(int) string { return "::ffff:192.0.2.2" }, 100},
			"one /64":                 {func(i int) string { return fmt.Sprintf("2001:db8:0:1::%x", i) }, 100},
			"many /64 of one /48":     {func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i) }, 400},
			"many /48":                {func(i int) string { return fmt.Sprintf("2001:db8:%x::1", 16+i) }, 500},
			"neighbours":              {func(i int) string { return fmt.Sprintf("203.0.%d.%d", 113+i>>8, i&255) }, 500},
			"no address":              {func(int) string { return "" }, 500},
			"one link, several zones": {func(i int) string { return fmt.Sprintf("fe80::1%%eth%d", i) }, 100},
		} {
			if n := spray(row.ip); n != row.want {
				t.Errorf("%s: %d attempts, want %d", name, n, row.want)
			}
		}
		time.Sleep(time.Minute)
		if n := spray(func(int) string { return "192.0.2.1" }); n != 1 {
			t.Errorf("a minute later %d attempts, want 1", n)
		}
		if n := spray(func(int) string { return "192.0.2.2" }); n != 1 {
			t.Errorf("a minute later %d attempts from the address that was mapped, want 1: it is the same network", n)
		}
		if n := spray(func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i) }); n != 4 {
			t.Errorf("a minute later %d attempts from a /48, want 4", n)
		}
		time.Sleep(100 * time.Minute)
		if n := spray(func(int) string { return "192.0.2.1" }); n != 100 {
			t.Errorf("100 minutes later %d attempts, want 100", n)
		}
	})
}

// An attempt that was refused or undone counts nowhere.
func TestUndo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := newThrottle(t, memstore.New(), throttle.Config{})
		guess := from("ada", "192.0.2.1")
		for range 1000 {
			if wait := begins(t, limits, guess); wait != 0 {
				t.Fatal(wait)
			}
			if err := limits.Undo(t.Context(), guess); err != nil {
				t.Fatal(err)
			}
		}
		if n := passes(t, limits, guess, 100); n != 5 {
			t.Errorf("after undone attempts %d guesses, want 5", n)
		}
		for range 1000 { // refused because of the account from this network: the network does not count them
			begins(t, limits, guess)
		}
		n := 0
		for i := range 300 {
			n += passes(t, limits, from(fmt.Sprint("user", i), "192.0.2.1"), 1)
		}
		if n != 95 {
			t.Errorf("%d attempts at other accounts, want 95", n)
		}

		// Where the guesses of all networks together refuse it, an attempt still counts for its network:
		// a network that waits for the account to be open again cannot ask without end.
		for i := range 100 {
			begins(t, limits, from("eve", fmt.Sprintf("198.51.100.%d", i)))
		}
		for range 60 {
			if begins(t, limits, from("eve", "203.0.113.5")) == 0 {
				t.Fatal("a guess at eve was not refused, so this test shows nothing")
			}
		}
		n = 0
		for i := range 300 {
			n += passes(t, limits, from(fmt.Sprint("user", i), "203.0.113.5"), 1)
		}
		if n != 40 {
			t.Errorf("%d attempts at other accounts, want 40", n)
		}
	})
}

func TestHardLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := newThrottle(t, memstore.New(), throttle.Config{HardLock: 35})
		ctx := t.Context()
		owner := from("ada", "192.0.2.1")
		begins(t, limits, owner)
		known, err := limits.Succeed(ctx, owner)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 35 {
			guess := from("ada", fmt.Sprintf("198.51.100.%d", i))
			for wait := begins(t, limits, guess); wait > 0; wait = begins(t, limits, guess) {
				time.Sleep(wait)
			}
		}
		locked := func() {
			t.Helper()
			if wait := begins(t, limits, from("ada", "203.0.113.1")); wait != 24*time.Hour {
				t.Errorf("a locked account reports a wait of %v, want 24h", wait)
			}
		}
		locked()
		owner.Device.Known = known
		if wait := begins(t, limits, owner); wait != 0 {
			t.Errorf("the known device waits %v", wait)
		}
		if _, err := limits.Succeed(ctx, owner); err != nil {
			t.Fatal(err)
		}
		locked()
		link := from("ada", "203.0.113.1") // a login by a link unlocks the account for its device alone
		link.Proven = true
		if _, err := limits.Succeed(ctx, link); err != nil {
			t.Fatal(err)
		}
		locked()
		time.Sleep(1000 * 24 * time.Hour)
		locked()
		if err := limits.Unlock(ctx, "ada"); err != nil {
			t.Fatal(err)
		}
		if wait := begins(t, limits, from("ada", "203.0.113.1")); wait != 0 {
			t.Errorf("after Unlock the account waits %v", wait)
		}
	})
}

// Guesses at a target count like those at a password, but apart from them. Their networks are the
// same, and the device that is known is the account's.
func TestTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		limits := newThrottle(t, memstore.New(), throttle.Config{FreePerDevice: 3, HardLock: 40, NetworkBurst: 17})
		code := func(username, target, ip string) auth.Attempt {
			a := from(username, ip)
			a.Target = target
			return a
		}
		for _, username := range []string{"ada", "code 1"} { // the account makes no difference
			if n := passes(t, limits, code(username, "code 1", "192.0.2.1"), 100); n != map[string]int{"ada": 5}[username] {
				t.Errorf("%d guesses at a code of %s", n, username)
			}
		}
		for _, a := range []auth.Attempt{from("ada", "192.0.2.1"), from("code 1", "192.0.2.1"), code("ada", "code 2", "198.51.100.1")} {
			if n := passes(t, limits, a, 5); n != 5 {
				t.Errorf("%d guesses at %q and target %q, want 5", n, a.Username, a.Target)
			}
		}
		if n := passes(t, limits, code("eve", "code 3", "192.0.2.1"), 100); n != 2 {
			t.Errorf("%d more guesses from that network, want 2", n)
		}

		for i := range 60 {
			guess := code("ada", "code 4", fmt.Sprintf("198.51.100.%d", i))
			for wait := begins(t, limits, guess); wait > 0; wait = begins(t, limits, guess) {
				t.Fatalf("guess %d waits %v", i, wait)
			}
		}
		// A login by the password also makes the device known for codes, and the other way round.
		for _, by := range []string{"", "code 4"} { // target of the login
			owner := code("ada", by, "203.0.113.1")
			known, err := limits.Succeed(ctx, owner)
			if err != nil {
				t.Fatal(err)
			}
			owner.Device.Known = known
			for _, target := range []string{"", "code 4"} {
				owner.Target = target
				if n := passes(t, limits, owner, 100); n != 3 {
					t.Errorf("a device known by a login at target %q has %d tries at target %q, want 3", by, n, target)
				}
			}
			owner.Username, owner.Target = "eve", "code 5"
			if n := passes(t, limits, owner, 100); n != 5 {
				t.Errorf("the device has %d tries at another account, want 5", n)
			}
			time.Sleep(100 * 24 * time.Hour)
		}
	})
}

// failing is a RecordStore that fails once no calls are left.
type failing struct {
	auth.RecordStore
	left atomic.Int64
	err  error
}

func (f *failing) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	if f.left.Add(-1) < 0 {
		return auth.Record{}, time.Time{}, f.err
	}
	return f.RecordStore.Record(ctx, key)
}

func (f *failing) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	if f.left.Add(-1) < 0 {
		return f.err
	}
	return f.RecordStore.ReplaceRecord(ctx, old, r)
}

// A store that is down is an infrastructure failure: its error is passed on, and is no refusal.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for after := range 12 {
		store := &failing{RecordStore: memstore.New(), err: down}
		store.left.Store(int64(after))
		limits := newThrottle(t, store, throttle.Config{})
		a := from("ada", "192.0.2.1")
		begin := limits.Begin(t.Context(), a)
		_, succeed := limits.Succeed(t.Context(), a)
		for name, err := range map[string]error{"Begin": begin, "Succeed": succeed} {
			if err != nil && (!errors.Is(err, down) || errors.Is(err, auth.ErrTooManyAttempts)) {
				t.Errorf("%s with a store that fails after %d calls: %v", name, after, err)
			}
		}
		if (after < 5) != (begin != nil) {
			t.Errorf("Begin with a store that fails after %d calls: %v", after, begin)
		}
	}
	busy := &failing{RecordStore: memstore.New(), err: auth.ErrConflict}
	busy.left.Store(1)
	contended := newThrottle(t, conflicted{busy.RecordStore}, throttle.Config{})
	if err := contended.Begin(t.Context(), from("ada", "")); !errors.Is(err, auth.ErrTooManyAttempts) {
		t.Errorf("Begin in a store where each write conflicts: %v, want ErrTooManyAttempts", err)
	}
}

// conflicted is a RecordStore in which each write conflicts with another.
type conflicted struct{ auth.RecordStore }

func (conflicted) ReplaceRecord(context.Context, int64, auth.Record) error { return auth.ErrConflict }

// 200,000 guesses come from 10,000 addresses at 100 accounts over a day. Each account allows the few
// guesses that it may, and its owner logs in from a known device each time.
func TestGuessingTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const accounts, addresses, attempts = 100, 10_000, 200_000
		limits := newThrottle(t, memstore.New(), throttle.Config{})
		ctx := t.Context()
		var owners [accounts]auth.Attempt
		for i := range owners {
			owners[i] = from(fmt.Sprint("user", i), fmt.Sprintf("192.0.2.%d", i))
			if wait := begins(t, limits, owners[i]); wait != 0 {
				t.Fatal(wait)
			}
			known, err := limits.Succeed(ctx, owners[i])
			if err != nil {
				t.Fatal(err)
			}
			owners[i].Device.Known = known
		}
		var addr [addresses]netip.Addr
		for i := range addr {
			addr[i] = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		}
		var guesses [accounts]int
		x := uint64(1)
		for n := range attempts {
			x = x*6364136223846793005 + 1442695040888963407
			i := int(x>>33) % accounts
			a := auth.Attempt{Username: owners[i].Username, Device: auth.Device{IP: addr[int(x>>40)%addresses]}}
			if err := limits.Begin(ctx, a); err == nil {
				guesses[i]++
			}
			if n%200 == 0 {
				time.Sleep(24 * time.Hour / (attempts / 200))
				owner := owners[n/200%accounts]
				if err := limits.Begin(ctx, owner); err != nil {
					t.Fatalf("an owner is refused: %v", err)
				}
				if _, err := limits.Succeed(ctx, owner); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, n := range guesses {
			if n != 100 {
				t.Errorf("%d guesses at account %d, want 100", n, i)
			}
		}
	})
}

// An attacker who logs in to their own account between guesses frees neither their network nor the
// account that they guess at.
func TestOwnLoginsFreeNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := newThrottle(t, memstore.New(), throttle.Config{})
		own := from("mallory", "192.0.2.1")
		users, ada := 0, 0
		for i := range 300 {
			users += passes(t, limits, from(fmt.Sprint("user", i), "192.0.2.1"), 1)
			ada += passes(t, limits, from("ada", "192.0.2.1"), 1)
			if begins(t, limits, own) == 0 {
				if _, err := limits.Succeed(t.Context(), own); err != nil {
					t.Fatal(err)
				}
			}
		}
		if users != 95 || ada != 5 {
			t.Errorf("%d guesses at many accounts and %d at one, want 95 and 5", users, ada)
		}
	})
}

// shifted is a RecordStore whose clock can be set.
type shifted struct {
	auth.RecordStore
	by time.Duration
}

func (s *shifted) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	r, now, err := s.RecordStore.Record(ctx, key)
	return r, now.Add(s.by), err
}

// After a clock was ahead and has been set back, clients that failed meanwhile wait as if they had
// failed just now, and not until the clock has caught up.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &shifted{RecordStore: memstore.New(), by: 10 * 365 * 24 * time.Hour}
		limits := newThrottle(t, store, throttle.Config{})
		passes(t, limits, from("ada", "192.0.2.1"), 1)
		passes(t, limits, from("bob", "198.51.100.1"), 100)
		for i := range 200 {
			begins(t, limits, from(fmt.Sprint("user", i), "203.0.113.1"))
			begins(t, limits, from("eve", fmt.Sprintf("10.0.0.%d", i)))
		}
		store.by = 0
		for name, row := range map[string]struct {
			attempt auth.Attempt
			most    time.Duration // includes a minute for the network, which counts as if its burst were used up
		}{
			"an account after a failure":  {from("ada", "192.0.2.1"), time.Minute},
			"an account from one network": {from("bob", "198.51.100.1"), 2 * time.Minute},
			"a network":                   {from("carol", "203.0.113.1"), time.Minute},
			"an account":                  {from("eve", "10.0.1.1"), 30*24*time.Hour + time.Hour},
		} {
			begin := time.Now()
			for wait := begins(t, limits, row.attempt); wait > 0 && time.Since(begin) <= row.most; wait = begins(t, limits, row.attempt) {
				time.Sleep(wait)
			}
			if waited := time.Since(begin); waited > row.most {
				t.Errorf("%s waits %v or more, want at most %v", name, waited, row.most)
			}
		}
	})
}
