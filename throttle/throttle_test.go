package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/throttle"
)

func newThrottle(t testing.TB, store auth.RecordStore, cfg throttle.Config) *throttle.Throttle {
	t.Helper()
	slow, err := throttle.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return slow
}

func from(username, ip string) auth.Attempt {
	a := auth.Attempt{Username: username}
	if ip != "" {
		a.Device.IP = netip.MustParseAddr(ip)
	}
	return a
}

// begins returns how long an attempt has to wait, 0 if it may go on.
func begins(t testing.TB, slow auth.Throttle, a auth.Attempt) time.Duration {
	t.Helper()
	err := slow.Begin(t.Context(), a)
	if err == nil {
		return 0
	}
	retry, ok := errors.AsType[*auth.RetryError](err)
	if !ok || !errors.Is(err, auth.ErrTooManyAttempts) || retry.After < time.Second {
		t.Fatalf("Begin: %v", err)
	}
	return retry.After
}

// passes returns how many attempts in a row may go on, of at most most.
func passes(t testing.TB, slow auth.Throttle, a auth.Attempt, most int) int {
	t.Helper()
	for n := range most {
		if begins(t, slow, a) > 0 {
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
		{auth.NewMemoryStore(), throttle.Config{}, ""},
		{nil, throttle.Config{}, "throttle.New.store"},
		{auth.NewMemoryStore(), throttle.Config{FreePerNetwork: 101, FreePerAccount: -1, FreePerDevice: 101}, "FreePerNetwork FreePerAccount FreePerDevice"},
		{auth.NewMemoryStore(), throttle.Config{FirstDelay: time.Millisecond, MaxDelay: 8 * 24 * time.Hour}, "FirstDelay MaxDelay"},
		{auth.NewMemoryStore(), throttle.Config{FirstDelay: time.Hour, MaxDelay: time.Minute}, "MaxDelay"},
		{auth.NewMemoryStore(), throttle.Config{NetworkBurst: -1, NetworkEvery: 2 * time.Hour}, "NetworkBurst NetworkEvery"},
		{auth.NewMemoryStore(), throttle.Config{HardLock: 29, DeviceLifetime: time.Minute}, "DeviceLifetime HardLock"},
		{auth.NewMemoryStore(), throttle.Config{HardLock: 100}, ""},
	} {
		slow, err := throttle.New(row.store, row.cfg)
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range joined.Unwrap() {
				fault, ok := errors.AsType[*auth.ConfigError](one)
				if !ok {
					t.Fatal(one)
				}
				fields = append(fields, strings.TrimPrefix(fault.Field, "throttle.Config."))
			}
		}
		if got := strings.Join(fields, " "); got != row.fields || (slow == nil) != (err != nil) {
			t.Errorf("%+v: faults in %q, want %q", row.cfg, got, row.fields)
		}
	}
	for _, slow := range []*throttle.Throttle{nil, new(throttle.Throttle)} {
		_, succeed := slow.Succeed(t.Context(), auth.Attempt{})
		for _, err := range []error{slow.Begin(t.Context(), auth.Attempt{}), slow.Undo(t.Context(), auth.Attempt{}), slow.Unlock(t.Context(), ""), succeed} {
			if err == nil || auth.HTTPStatus(err) != 500 {
				t.Errorf("zero value: %v", err)
			}
		}
	}
}

// One network gets few guesses at an account, and then fewer and fewer.
func TestOneNetwork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newThrottle(t, auth.NewMemoryStore(), throttle.Config{})
		guess := from("ada", "192.0.2.1")
		if n := passes(t, slow, guess, 100); n != 5 {
			t.Errorf("%d guesses at once, want 5", n)
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 720, 720, 720} {
			want *= time.Minute
			if wait := begins(t, slow, guess); wait != want {
				t.Errorf("delay %d is %v, want %v", i, wait, want)
			}
			time.Sleep(want - time.Millisecond)
			if begins(t, slow, guess) == 0 {
				t.Errorf("it ends early")
			}
			time.Sleep(time.Millisecond)
			if wait := begins(t, slow, guess); wait != 0 {
				t.Errorf("it does not end: %v", wait)
			}
		}
		// From elsewhere the owner gets in, and a success is not held against anybody.
		owner := from("ada", "198.51.100.7")
		for range 20 {
			if wait := begins(t, slow, owner); wait != 0 {
				t.Fatalf("the owner waits %v", wait)
			}
			if _, err := slow.Succeed(t.Context(), owner); err != nil {
				t.Fatal(err)
			}
		}
		if n := passes(t, slow, owner, 100); n != 5 {
			t.Errorf("after successes %d failures, want 5", n)
		}
		if n := passes(t, slow, from("bob", "192.0.2.1"), 100); n != 5 {
			t.Errorf("at another account %d, want 5", n)
		}
		// Nor is a name and an address taken for others that read the same in a row.
		if n := passes(t, slow, from("bob1", "92.0.2.1"), 100); n != 5 {
			t.Errorf("at a longer name from a shorter address %d, want 5", n)
		}
	})
}

// An account gets at most 100 guesses in 30 days, from however many networks and
// however they are spread.
func TestOneAccount(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]func(n int) time.Duration{ // after n guesses
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
				slow := newThrottle(t, auth.NewMemoryStore(), throttle.Config{})
				var at []time.Time
				for i, end := 0, time.Now().Add(90*24*time.Hour); time.Now().Before(end); i++ {
					wait := begins(t, slow, from("ada", fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)))
					if wait == 0 {
						at = append(at, time.Now())
						wait = pause(len(at))
					}
					time.Sleep(wait)
				}
				most := 0
				for i, begin := 0, 0; i < len(at); i++ {
					for at[i].Sub(at[begin]) > 30*24*time.Hour {
						begin++
					}
					most = max(most, i-begin+1)
				}
				if most > 100 || most < 50 {
					t.Errorf("%d guesses in 30 days", most)
				}
			})
		})
	}
}

// A device that the account has logged in from is counted by itself.
func TestKnownDevice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newThrottle(t, auth.NewMemoryStore(), throttle.Config{})
		ctx := t.Context()
		owner := from("ada", "192.0.2.1")
		if wait := begins(t, slow, owner); wait != 0 {
			t.Fatal(wait)
		}
		known, err := slow.Succeed(ctx, owner)
		if err != nil || known == "" {
			t.Fatal(known, err)
		}
		owner.Device.Known = known
		flood := func() {
			t.Helper()
			for i := range 200 {
				begins(t, slow, from("ada", fmt.Sprintf("198.51.100.%d", i)))
				begins(t, slow, from(fmt.Sprint("user", i), "192.0.2.1"))
				begins(t, slow, from("ada", "192.0.2.1"))
			}
		}
		for range 60 { // for more than 180 days, kept alive by its use
			flood()
			if wait := begins(t, slow, owner); wait != 0 {
				t.Fatalf("the owner waits %v", wait)
			}
			again, err := slow.Succeed(ctx, owner)
			if err != nil || again != known {
				t.Fatal("another token", err)
			}
			time.Sleep(10 * 24 * time.Hour)
		}
		flood()
		if begins(t, slow, from("ada", "203.0.113.9")) == 0 {
			t.Error("the owner's logins let strangers guess on")
		}
		if n := passes(t, slow, owner, 100); n != 10 {
			t.Errorf("%d failures from the device, want 10", n)
		}
		for name, change := range map[string]func(*auth.Attempt){
			"of another account": func(a *auth.Attempt) { a.Username = "bob" },
			"cut":                func(a *auth.Attempt) { a.Device.Known = a.Device.Known[:31] },
			"made up":            func(a *auth.Attempt) { a.Device.Known = auth.DeviceToken(strings.Repeat("A", 32)) },
			"a megabyte":         func(a *auth.Attempt) { a.Device.Known = auth.DeviceToken(strings.Repeat("A", 1<<20)) },
		} {
			a := from("carol", "192.0.2.77")
			a.Device.Known = known
			change(&a)
			if n := passes(t, slow, a, 100); n > 5 {
				t.Errorf("%s: %d guesses", name, n)
			}
		}
		time.Sleep(181 * 24 * time.Hour)
		if n := passes(t, slow, owner, 100); n != 5 {
			t.Errorf("a token that has expired: %d guesses, want 5", n)
		}
	})
}

// A network has a rate, whatever the accounts are.
func TestNetworks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newThrottle(t, auth.NewMemoryStore(), throttle.Config{})
		users := 0
		spray := func(ip func(int) string) (n int) {
			for range 300 {
				users++
				if begins(t, slow, from(fmt.Sprint("user", users), ip(users))) == 0 {
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
			"as many /64":             {func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i) }, 300},
			"neighbours":              {func(i int) string { return fmt.Sprintf("203.0.%d.%d", 113+i>>8, i&255) }, 300},
			"no address":              {func(int) string { return "" }, 300},
			"one link, several zones": {func(i int) string { return fmt.Sprintf("fe80::1%%eth%d", i) }, 100},
		} {
			if n := spray(row.ip); n != row.want {
				t.Errorf("%s: %d attempts, want %d", name, n, row.want)
			}
		}
		time.Sleep(10 * time.Second)
		if n := spray(func(int) string { return "192.0.2.1" }); n != 1 {
			t.Errorf("10 s later %d, want 1", n)
		}
		if n := spray(func(int) string { return "192.0.2.2" }); n != 1 {
			t.Errorf("the mapped address counts apart: %d", n)
		}
		time.Sleep(time.Hour)
		if n := spray(func(int) string { return "192.0.2.1" }); n != 100 {
			t.Errorf("an hour later %d, want 100", n)
		}
	})
}

// What was refused or undone counts nowhere.
func TestUndo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newThrottle(t, auth.NewMemoryStore(), throttle.Config{})
		guess := from("ada", "192.0.2.1")
		for range 1000 {
			if wait := begins(t, slow, guess); wait != 0 {
				t.Fatal(wait)
			}
			if err := slow.Undo(t.Context(), guess); err != nil {
				t.Fatal(err)
			}
		}
		if n := passes(t, slow, guess, 100); n != 5 {
			t.Errorf("%d, want 5", n)
		}
		for range 1000 { // refused by the account from this network: the network stays fresh
			begins(t, slow, guess)
		}
		n := 0
		for i := range 300 {
			n += passes(t, slow, from(fmt.Sprint("user", i), "192.0.2.1"), 1)
		}
		if n != 95 {
			t.Errorf("%d at other accounts, want 95", n)
		}

		// Nor where the account itself refuses, which is asked last.
		for i := range 100 {
			begins(t, slow, from("eve", fmt.Sprintf("198.51.100.%d", i)))
		}
		for range 1000 {
			if begins(t, slow, from("eve", "203.0.113.5")) == 0 {
				t.Fatal("eve may be guessed at")
			}
		}
		n = 0
		for i := range 300 {
			n += passes(t, slow, from(fmt.Sprint("user", i), "203.0.113.5"), 1)
		}
		if n != 100 {
			t.Errorf("%d at other accounts, want 100", n)
		}
	})
}

func TestHardLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newThrottle(t, auth.NewMemoryStore(), throttle.Config{HardLock: 35})
		ctx := t.Context()
		owner := from("ada", "192.0.2.1")
		begins(t, slow, owner)
		known, err := slow.Succeed(ctx, owner)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 35 {
			guess := from("ada", fmt.Sprintf("198.51.100.%d", i))
			for wait := begins(t, slow, guess); wait > 0; wait = begins(t, slow, guess) {
				time.Sleep(wait)
			}
		}
		locked := func() {
			t.Helper()
			if wait := begins(t, slow, from("ada", "203.0.113.1")); wait != 24*time.Hour {
				t.Errorf("a locked account waits %v", wait)
			}
		}
		locked()
		owner.Device.Known = known
		if wait := begins(t, slow, owner); wait != 0 {
			t.Errorf("the owner waits %v", wait)
		}
		if _, err := slow.Succeed(ctx, owner); err != nil {
			t.Fatal(err)
		}
		locked()
		time.Sleep(1000 * 24 * time.Hour)
		locked()
		if err := slow.Unlock(ctx, "ada"); err != nil {
			t.Fatal(err)
		}
		if wait := begins(t, slow, from("ada", "203.0.113.1")); wait != 0 {
			t.Errorf("unlocked, and waits %v", wait)
		}
	})
}

// What is guessed at in the place of a password is counted like one, apart from it and
// with the networks of both; the device is the account's.
func TestTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		slow := newThrottle(t, auth.NewMemoryStore(), throttle.Config{FreePerDevice: 3, HardLock: 40, NetworkBurst: 17})
		code := func(username, target, ip string) auth.Attempt {
			a := from(username, ip)
			a.Target = target
			return a
		}
		for _, username := range []string{"ada", "code 1"} { // whose it is makes no difference
			if n := passes(t, slow, code(username, "code 1", "192.0.2.1"), 100); n != map[string]int{"ada": 5}[username] {
				t.Errorf("%d guesses at the code of %s", n, username)
			}
		}
		for _, a := range []auth.Attempt{from("ada", "192.0.2.1"), from("code 1", "192.0.2.1"), code("ada", "code 2", "198.51.100.1")} {
			if n := passes(t, slow, a, 5); n != 5 {
				t.Errorf("%d guesses at something else, want 5", n)
			}
		}
		if n := passes(t, slow, code("eve", "code 3", "192.0.2.1"), 100); n != 2 {
			t.Errorf("%d guesses more from that network, want 2", n)
		}

		for i := range 60 {
			guess := code("ada", "code 4", fmt.Sprintf("198.51.100.%d", i))
			for wait := begins(t, slow, guess); wait > 0; wait = begins(t, slow, guess) {
				if i < 30 || wait > 12*time.Hour {
					t.Fatalf("guess %d waits %v", i, wait)
				}
				time.Sleep(wait)
			}
		}
		// A login by the password makes the device known for codes, too, and the other way.
		for _, by := range []string{"", "code 4"} {
			owner := code("ada", by, "203.0.113.1")
			known, err := slow.Succeed(ctx, owner)
			if err != nil {
				t.Fatal(err)
			}
			owner.Device.Known = known
			for _, target := range []string{"", "code 4"} {
				owner.Target = target
				if n := passes(t, slow, owner, 100); n != 3 {
					t.Errorf("known by %q the owner has %d tries at %q, want 3", by, n, target)
				}
			}
			owner.Username, owner.Target = "eve", "code 5"
			if n := passes(t, slow, owner, 100); n != 5 {
				t.Errorf("as another %d tries, want 5", n)
			}
			time.Sleep(100 * 24 * time.Hour)
		}
	})
}

// failing fails from its n-th call on.
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

// A store that is down is the world's fault: no guess, no 429, no 401.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for after := range 12 {
		store := &failing{RecordStore: auth.NewMemoryStore(), err: down}
		store.left.Store(int64(after))
		slow := newThrottle(t, store, throttle.Config{})
		a := from("ada", "192.0.2.1")
		begin := slow.Begin(t.Context(), a)
		_, succeed := slow.Succeed(t.Context(), a)
		for name, err := range map[string]error{"Begin": begin, "Succeed": succeed} {
			if err != nil && (!errors.Is(err, down) || errors.Is(err, auth.ErrTooManyAttempts)) {
				t.Errorf("%s after %d calls: %v", name, after, err)
			}
		}
		if (after < 6) != (begin != nil) {
			t.Errorf("Begin after %d calls: %v", after, begin)
		}
	}
	busy := &failing{RecordStore: auth.NewMemoryStore(), err: auth.ErrConflict}
	busy.left.Store(1)
	if err := newThrottle(t, conflicted{busy.RecordStore}, throttle.Config{}).Begin(t.Context(), from("ada", "")); !errors.Is(err, auth.ErrTooManyAttempts) {
		t.Errorf("where others are always faster: %v", err)
	}
}

// conflicted is a store in which another is always faster.
type conflicted struct{ auth.RecordStore }

func (conflicted) ReplaceRecord(context.Context, int64, auth.Record) error { return auth.ErrConflict }

// crowded is a store in which others always get in between a look and a change.
type crowded struct{ auth.RecordStore }

func (c crowded) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	defer time.Sleep(time.Millisecond)
	return c.RecordStore.Record(ctx, key)
}

// Many at once get no more than one after the other.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newThrottle(t, crowded{auth.NewMemoryStore()}, throttle.Config{})
		var passed atomic.Int64
		var all sync.WaitGroup
		for i := range 256 {
			all.Go(func() {
				err := slow.Begin(t.Context(), from("ada", fmt.Sprintf("198.51.100.%d", i%64)))
				if err == nil {
					passed.Add(1)
				} else if !errors.Is(err, auth.ErrTooManyAttempts) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := passed.Load(); n > 30 || n == 0 {
			t.Errorf("%d guesses at once, want at most 30", n)
		}
	})
}

// 60,000 guesses from 10,000 addresses at 100 accounts, over a day: each account
// loses what it may lose, and its owner logs in from a known device each time.
func TestGuessingTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const accounts, addresses, attempts = 100, 10_000, 60_000
		slow := newThrottle(t, auth.NewMemoryStore(), throttle.Config{})
		ctx := t.Context()
		var owners [accounts]auth.Attempt
		for i := range owners {
			owners[i] = from(fmt.Sprint("user", i), fmt.Sprintf("192.0.2.%d", i))
			if wait := begins(t, slow, owners[i]); wait != 0 {
				t.Fatal(wait)
			}
			known, err := slow.Succeed(ctx, owners[i])
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
			if err := slow.Begin(ctx, a); err == nil {
				guesses[i]++
			}
			if n%60 == 0 {
				time.Sleep(24 * time.Hour / (attempts / 60))
				owner := owners[n/60%accounts]
				if err := slow.Begin(ctx, owner); err != nil {
					t.Fatalf("the owner is kept out: %v", err)
				}
				if _, err := slow.Succeed(ctx, owner); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, n := range guesses {
			if n > 41 || n < 30 { // 30 at once, 10 while delays double, 1 after half a day
				t.Errorf("account %d: %d guesses", i, n)
			}
		}
	})
}

// Who has an account of their own frees no network by logging in to it between guesses
// at others, nor the account they guess at.
func TestOwnLoginsFreeNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newThrottle(t, auth.NewMemoryStore(), throttle.Config{})
		own := from("mallory", "192.0.2.1")
		users, ada := 0, 0
		for i := range 300 {
			users += passes(t, slow, from(fmt.Sprint("user", i), "192.0.2.1"), 1)
			ada += passes(t, slow, from("ada", "192.0.2.1"), 1)
			if begins(t, slow, own) == 0 {
				if _, err := slow.Succeed(t.Context(), own); err != nil {
					t.Fatal(err)
				}
			}
		}
		if users != 95 || ada != 5 {
			t.Errorf("%d guesses at all and %d at one, want 95 and 5", users, ada)
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

// A clock that went wrong and was set right shuts nobody out for as long as it was
// wrong: who failed meanwhile waits as if that was just now.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &shifted{RecordStore: auth.NewMemoryStore(), by: 10 * 365 * 24 * time.Hour}
		slow := newThrottle(t, store, throttle.Config{})
		passes(t, slow, from("ada", "192.0.2.1"), 1)
		passes(t, slow, from("bob", "198.51.100.1"), 100)
		for i := range 200 {
			begins(t, slow, from(fmt.Sprint("user", i), "203.0.113.1"))
			begins(t, slow, from("eve", fmt.Sprintf("10.0.0.%d", i)))
		}
		store.by = 0
		for name, row := range map[string]struct {
			attempt auth.Attempt
			most    time.Duration // 10 s of it the network's, which counts as one that has had all it may
		}{
			"who failed once":             {from("ada", "192.0.2.1"), 10 * time.Second},
			"an account from one network": {from("bob", "198.51.100.1"), 70 * time.Second},
			"a network":                   {from("carol", "203.0.113.1"), 10 * time.Second},
			"an account":                  {from("eve", "10.0.1.1"), time.Minute},
		} {
			begin := time.Now()
			for wait := begins(t, slow, row.attempt); wait > 0 && time.Since(begin) <= row.most; wait = begins(t, slow, row.attempt) {
				time.Sleep(wait)
			}
			if waited := time.Since(begin); waited > row.most {
				t.Errorf("%s waits %v and more", name, waited)
			}
		}
	})
}
