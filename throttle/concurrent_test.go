package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

// crowded is a RecordStore in which concurrent calls always come between a read and the write after it.
type crowded struct {
	auth.RecordStore
	reads atomic.Int64
}

func (c *crowded) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	c.reads.Add(1)
	defer time.Sleep(time.Millisecond)
	return c.RecordStore.Record(ctx, key)
}

// atOnce begins n attempts at the same time and returns how many of them may go on.
func atOnce(t *testing.T, n int, begin func(i int) error) (passed int64) {
	t.Helper()
	var count atomic.Int64
	var attempts sync.WaitGroup
	for i := range n {
		attempts.Go(func() {
			if err := begin(i); err == nil {
				count.Add(1)
			} else if !errors.Is(err, auth.ErrTooManyAttempts) {
				t.Error(err)
			}
		})
	}
	attempts.Wait()
	return count.Load()
}

// Of attempts that begin at the same time as many may go on as of attempts one after another: no more,
// and none is refused because others came with it.
func TestConcurrentAttempts(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		attempt func(i int) auth.Attempt
		want    int64
		reads   int64 // at most, of the store
	}{
		"registrations from one network": {func(int) auth.Attempt {
			a := from("", "192.0.2.1")
			a.Target = "register"
			return a
		}, 100, 4},
		"guesses at one account from 64 networks": {func(i int) auth.Attempt {
			return from("ada", fmt.Sprintf("198.51.100.%d", i%64))
		}, 100, 4 * 64},
		"guesses at many accounts from one network": {func(i int) auth.Attempt {
			return from(fmt.Sprint("user", i), "192.0.2.1")
		}, 100, 4 * 256},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &crowded{RecordStore: memstore.New()}
				limits := newThrottle(t, store, throttle.Config{})
				n := atOnce(t, 256, func(i int) error { return limits.Begin(t.Context(), row.attempt(i)) })
				if n != row.want {
					t.Errorf("%d of 256 attempts may go on, want %d", n, row.want)
				}
				if n := store.reads.Load(); n > row.reads {
					t.Errorf("the record was read %d times, want at most %d", n, row.reads)
				}
			})
		})
	}
}

// Replicas that count in one store allow as many attempts together as one of them alone.
func TestConcurrentReplicas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &crowded{RecordStore: memstore.New()}
		var replicas [8]*throttle.Throttle
		for i := range replicas {
			replicas[i] = newThrottle(t, store, throttle.Config{})
		}
		n := atOnce(t, 256, func(i int) error { return replicas[i%8].Begin(t.Context(), from(fmt.Sprint("user", i), "192.0.2.1")) })
		if n != 100 {
			t.Errorf("%d of 256 attempts may go on, want 100", n)
		}
	})
}

// held is a RecordStore whose calls for one record wait.
type held struct {
	auth.RecordStore
	key     atomic.Pointer[string] // the first key that is read
	entered chan struct{}          // closed when its first call waits
	open    chan struct{}          // closed to let its calls go on
	panics  atomic.Bool            // its next call then panics
}

func (h *held) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	first := h.key.CompareAndSwap(nil, &key)
	if *h.key.Load() == key {
		if first {
			close(h.entered)
		}
		select {
		case <-h.open:
		case <-ctx.Done():
			return auth.Record{}, time.Time{}, ctx.Err()
		}
		if h.panics.CompareAndSwap(true, false) {
			panic("the driver panics")
		}
	}
	return h.RecordStore.Record(ctx, key)
}

func newHeld() *held {
	return &held{RecordStore: memstore.New(), entered: make(chan struct{}), open: make(chan struct{})}
}

// register returns an attempt that is about no account, so that it has a single record.
func register(ip string) auth.Attempt {
	a := from("", ip)
	a.Target = "register"
	return a
}

// Attempts whose record is slow keep no others waiting. One whose context ends while it waits for its
// turn returns, and is not counted; the others still are.
func TestSlowRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newHeld()
		limits := newThrottle(t, store, throttle.Config{NetworkBurst: 10})
		var flood sync.WaitGroup
		var passed atomic.Int64
		begin := func(ctx context.Context, want error) {
			flood.Go(func() {
				err := limits.Begin(ctx, register("192.0.2.1"))
				if err == nil {
					passed.Add(1)
				}
				if !errors.Is(err, want) {
					t.Errorf("an attempt at the slow record: %v, want %v", err, want)
				}
			})
		}
		begin(t.Context(), nil)
		<-store.entered
		gone, hangUp := context.WithCancel(t.Context())
		for range 5 {
			begin(gone, context.Canceled)
		}
		for range 5 {
			begin(t.Context(), nil)
		}
		synctest.Wait()
		if err := limits.Begin(t.Context(), register("198.51.100.1")); err != nil {
			t.Errorf("an attempt at another record: %v", err)
		}
		hangUp()
		synctest.Wait()
		close(store.open)
		flood.Wait()
		if n := passed.Load(); n != 6 {
			t.Errorf("%d attempts may go on, want 6", n)
		}
		if n := passes(t, limits, register("192.0.2.1"), 100); n != 4 {
			t.Errorf("%d more attempts may go on, want 4: the 5 that hung up are not counted", n)
		}
		if n := limits.Queues(); n != 0 {
			t.Errorf("%d queues are left, want none", n)
		}
	})
}

// Clients that hang up while their attempts are counted together do not fail each other's attempts.
func TestHangUpInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newHeld()
		limits := newThrottle(t, store, throttle.Config{NetworkBurst: 10})
		ctx, hangUp := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		first, end := context.WithCancel(t.Context())
		calls.Go(func() {
			if err := limits.Begin(first, register("192.0.2.1")); !errors.Is(err, context.Canceled) {
				t.Errorf("the first attempt: %v, want canceled", err)
			}
		})
		<-store.entered
		for range 6 { // these are counted together, by any of them
			calls.Go(func() {
				if err := limits.Begin(ctx, register("192.0.2.1")); err != nil {
					t.Errorf("an attempt that was counted with others: %v", err)
				}
			})
		}
		synctest.Wait()
		end() // the first attempt fails, and one of the others counts all six
		synctest.Wait()
		hangUp()
		synctest.Wait()
		close(store.open)
		calls.Wait()
		if n := passes(t, limits, register("192.0.2.1"), 100); n != 4 {
			t.Errorf("%d more attempts may go on, want 4", n)
		}
	})
}

// A store that panics fails the attempts that are counted at that moment, and no later ones.
func TestPanicInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newHeld()
		limits := newThrottle(t, store, throttle.Config{NetworkBurst: 10})
		var calls sync.WaitGroup
		var failed, panicked atomic.Int64
		attempt := func(ctx context.Context) {
			defer func() {
				if recover() != nil {
					panicked.Add(1)
				}
			}()
			if err := limits.Begin(ctx, register("192.0.2.1")); err != nil {
				if errors.Is(err, auth.ErrTooManyAttempts) {
					t.Errorf("a failure of the store is reported as a refusal: %v", err)
				}
				failed.Add(1)
			}
		}
		first, end := context.WithCancel(t.Context())
		calls.Go(func() { attempt(first) })
		<-store.entered
		for range 5 {
			calls.Go(func() { attempt(t.Context()) })
		}
		synctest.Wait()
		end()
		synctest.Wait()
		store.panics.Store(true)
		close(store.open)
		calls.Wait()
		if p, f := panicked.Load(), failed.Load(); p != 1 || f != 5 {
			t.Errorf("%d attempts panicked and %d failed, want 1, and 5 with the first", p, f)
		}
		if n := passes(t, limits, register("192.0.2.1"), 100); n != 10 {
			t.Errorf("%d more attempts may go on, want 10", n)
		}
	})
}
