package passwords_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/passwords"
)

// hashing starts one call for a caller, and returns what it ended with.
func hashing(ctx context.Context, h passwords.Hasher, c passwords.Caller, password string) (result func() error) {
	ended := make(chan error, 1)
	go func() {
		_, err := h.Hash(passwords.WithCaller(ctx, c), password)
		ended <- err
	}()
	synctest.Wait()
	return func() error { return <-ended }
}

// However many anonymous calls wait, a login is next, after the one call that runs. Twenty logins one
// after another all succeed, and each waits for one anonymous call at most.
func TestLimitLoginsBeforeAnonymousCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := passwords.Limit(new(testkit.SlowHasher), 1)
		stop := make(chan struct{})
		var flood sync.WaitGroup
		served, refused := 0, 0
		var mu sync.Mutex
		for i := range 128 { // from as many networks
			flood.Go(func() {
				ctx := passwords.WithCaller(t.Context(), passwords.Caller{Network: fmt.Sprint(i), Anonymous: true})
				for {
					select {
					case <-stop:
						return
					default:
					}
					_, err := h.Hash(ctx, "flood")
					mu.Lock()
					if err == nil {
						served++
					} else {
						refused++
					}
					mu.Unlock()
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		time.Sleep(3500 * time.Millisecond)
		for i := range 20 {
			start := time.Now()
			if _, err := h.Hash(t.Context(), "owner"); err != nil {
				t.Errorf("login %d: %v", i, err)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("login %d took %v, want one anonymous call and its own, 2 s", i, took)
			}
		}
		close(stop)
		flood.Wait()
		if served == 0 || refused == 0 {
			t.Errorf("of the flood %d calls were served and %d refused, want some of both", served, refused)
		}
	})
}

// While logins wait without end, every fourth call is an anonymous one.
func TestLimitAnonymousShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := new(testkit.SlowHasher)
		h := passwords.Limit(slow, 1)
		var results []func() error
		for range 13 {
			results = append(results, hashing(t.Context(), h, passwords.Caller{}, "login"))
		}
		for range 3 {
			results = append(results, hashing(t.Context(), h, passwords.Caller{Anonymous: true}, "anonymous"))
		}
		for _, result := range results {
			if err := result(); err != nil {
				t.Error(err)
			}
		}
		order := strings.Join(slow.Began, " ")
		l, a := " login login login", " anonymous"
		if want := "login" + l + a + l + a + l + a + l; order != want {
			t.Errorf("served in the order %s, want %s", order, want)
		}
	})
}

// Anonymous calls hold half of the slots, so a login begins at once.
func TestLimitSlotsOfLogins(t *testing.T) {
	t.Parallel()
	for slots, want := range map[int]int32{1: 1, 2: 1, 3: 1, 4: 2, 7: 3} {
		synctest.Test(t, func(t *testing.T) {
			slow := new(testkit.SlowHasher)
			h := passwords.Limit(slow, slots)
			var all sync.WaitGroup
			for range 40 {
				all.Go(func() {
					if _, err := h.Hash(passwords.WithCaller(t.Context(), passwords.Caller{Anonymous: true}), "x"); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			if now := slow.Now.Load(); now != want {
				t.Errorf("with %d slots %d anonymous calls run, want %d", slots, now, want)
			}
			if slots > 1 {
				start := time.Now()
				if _, err := h.Hash(t.Context(), "login"); err != nil || time.Since(start) != time.Second {
					t.Errorf("with %d slots a login took %v, %v, want its own second", slots, time.Since(start), err)
				}
			}
			all.Wait()
			if most := slow.AtOnce.Load(); most > want+1 {
				t.Errorf("with %d slots %d ran at once, want %d anonymous calls and a login", slots, most, want)
			}
		})
	}
}

// Networks take turns, so a call is behind one call of each other network. Where one network has
// filled the queue, its last call gives way.
func TestLimitNetworksTakeTurns(t *testing.T) {
	t.Parallel()
	for _, anonymous := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			slow := new(testkit.SlowHasher)
			h := passwords.Limit(slow, 1)
			caller := func(network string) passwords.Caller {
				return passwords.Caller{Network: network, Anonymous: anonymous}
			}
			var flood []func() error
			for i := range 65 {
				flood = append(flood, hashing(t.Context(), h, caller("flood"), fmt.Sprint("flood ", i)))
			}
			if err := hashing(t.Context(), h, caller("flood"), "flood 65")(); !errors.Is(err, passwords.ErrBusy) {
				t.Errorf("call 66 of one network: %v, want ErrBusy", err)
			}
			first := hashing(t.Context(), h, caller("other"), "other 0")
			second := hashing(t.Context(), h, caller("other"), "other 1")
			third := hashing(t.Context(), h, caller("third"), "third 0")
			for i, result := range flood {
				if err := result(); errors.Is(err, passwords.ErrBusy) != (i >= 62) {
					t.Errorf("call %d of the flood: %v, want ErrBusy for the last three alone", i, err)
				}
			}
			for _, result := range []func() error{first, second, third} {
				if err := result(); err != nil {
					t.Errorf("a call of another network: %v", err)
				}
			}
			want := []string{"flood 0", "flood 1", "other 0", "third 0", "flood 2", "other 1", "flood 3"}
			if !slices.Equal(slow.Began[:7], want) {
				t.Errorf("served in the order %v, want %v", slow.Began[:7], want)
			}
			if served := len(slow.Began); served != 65 {
				t.Errorf("%d calls were served, want 65", served)
			}
		})
	}
}

// A queue that has been left behind by its callers is as good as new.
func TestLimitQueueAfterCallersLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := new(testkit.SlowHasher)
		h := passwords.Limit(slow, 1)
		ctx, leave := context.WithCancel(t.Context())
		running := hashing(t.Context(), h, passwords.Caller{}, "running")
		var gone []func() error
		for i := range 60 {
			gone = append(gone, hashing(ctx, h, passwords.Caller{Network: fmt.Sprint(i % 7), Anonymous: i%2 == 0}, "gone"))
		}
		leave()
		for _, result := range gone {
			if err := result(); !errors.Is(err, context.Canceled) {
				t.Errorf("a call whose caller left: %v", err)
			}
		}
		var later []func() error
		for i := range 64 {
			later = append(later, hashing(t.Context(), h, passwords.Caller{Network: fmt.Sprint(i % 7)}, "later"))
		}
		for _, result := range append(later, running) {
			if err := result(); err != nil {
				t.Error(err)
			}
		}
		if slices.Contains(slow.Began, "gone") || len(slow.Began) != 65 {
			t.Errorf("%d calls were served, want 65 and none whose caller had left", len(slow.Began))
		}
	})
}
