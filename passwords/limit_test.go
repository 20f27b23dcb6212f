package passwords_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/passwords"
)

func TestLimitPassesAnswersOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := passwords.Limit(new(testkit.SlowHasher), 1)
		encoded, err := h.Hash(t.Context(), "a")
		if err != nil || encoded != "hash of a" {
			t.Errorf("Hash = %q, %v", encoded, err)
		}
		if err := h.Verify(t.Context(), encoded, "a"); err != nil {
			t.Errorf("Verify: %v", err)
		}
		if err := h.Verify(t.Context(), encoded, "b"); err != passwords.ErrMismatch {
			t.Errorf("Verify of another: %v", err)
		}
		if !h.NeedsRehash("weak") || h.NeedsRehash("strong") {
			t.Error("NeedsRehash is not the Hasher's own")
		}
	})
}

func TestLimitAtOnce(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{1: 1, 3: 3, 0: testkit.DefaultSlots(), -1: testkit.DefaultSlots()} {
		synctest.Test(t, func(t *testing.T) {
			slow := new(testkit.SlowHasher)
			h := passwords.Limit(slow, n)
			start, calls := time.Now(), 6*want
			var all sync.WaitGroup
			for range calls {
				all.Go(func() {
					if _, err := h.Hash(t.Context(), "x"); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if got := int(slow.AtOnce.Load()); got != want {
				t.Errorf("Limit(%d): %d at once, want %d", n, got, want)
			}
			if took := time.Since(start); took != 6*time.Second {
				t.Errorf("Limit(%d): %d calls took %v: a slot stood idle", n, calls, took)
			}
		})
	}
}

// fill starts calls one after another, so that their order is known, and returns
// their errors when all have ended.
func fill(t *testing.T, h passwords.Hasher, passwords ...string) (errs func() []error) {
	t.Helper()
	list := make([]error, len(passwords))
	var all sync.WaitGroup
	for i, password := range passwords {
		all.Go(func() { _, list[i] = h.Hash(t.Context(), password) })
		synctest.Wait()
	}
	return func() []error { all.Wait(); return list }
}

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprint(i))
	}
	return names
}

func TestLimitFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := new(testkit.SlowHasher)
		h := passwords.Limit(slow, 1)
		names := numbered(40)
		first := fill(t, h, names[:20]...)
		time.Sleep(5500 * time.Millisecond) // newcomers meet a queue that moves
		rest := fill(t, h, names[20:]...)
		if err := errors.Join(append(first(), rest()...)...); err != nil {
			t.Error(err)
		}
		if !slices.Equal(slow.Began, names) {
			t.Errorf("served in the order %v", slow.Began)
		}
	})
}

func TestLimitOverflow(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		n, queue    int
		each, after time.Duration // after: what n run and queue wait, n at a time, take together
	}{
		{1, 64, time.Second, 65 * time.Second},
		{4, 64, time.Second, 17 * time.Second},
		{5, 80, 300 * time.Millisecond, 6 * time.Second},
		{5, 80, 3 * time.Millisecond, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			n, queue := row.n, row.queue
			h := passwords.Limit(&testkit.SlowHasher{Each: row.each}, n)
			if _, err := h.Hash(t.Context(), "measured"); err != nil {
				t.Fatal(err)
			}
			for range 50 { // no work, so no measure of it
				if err := h.Verify(t.Context(), "unknown", "x"); err != passwords.ErrUnknownHash {
					t.Fatal(err)
				}
			}
			served := fill(t, h, numbered(n+queue)...)
			start := time.Now()
			_, hashErr := h.Hash(t.Context(), "one more")
			for _, err := range []error{hashErr, h.Verify(t.Context(), "hash of x", "x")} {
				var retry *passwords.RetryError
				if !errors.As(err, &retry) || !errors.Is(err, passwords.ErrBusy) {
					t.Fatalf("Limit(%d): call %d: %v, want a *RetryError", n, n+queue+1, err)
				}
				if retry.After != row.after {
					t.Errorf("Limit(%d): After = %v, want %v", n, retry.After, row.after)
				}
			}
			if waited := time.Since(start); waited != 0 {
				t.Errorf("Limit(%d): refused after %v", n, waited)
			}
			if err := errors.Join(served()...); err != nil {
				t.Errorf("Limit(%d): a call that was let in: %v", n, err)
			}
			if _, err := h.Hash(t.Context(), "later"); err != nil {
				t.Errorf("Limit(%d): after the queue drained: %v", n, err)
			}
		})
	}
}

// TestLimitRetryUnmeasured: before anything is measured it is a second.
func TestLimitRetryUnmeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := passwords.Limit(new(testkit.SlowHasher), 1)
		served := fill(t, h, numbered(65)...)
		var retry *passwords.RetryError
		if _, err := h.Hash(t.Context(), "x"); !errors.As(err, &retry) || retry.After != time.Second {
			t.Errorf("%v, %+v", err, retry)
		}
		served()
	})
}

func TestLimitWaitingHonoursContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := new(testkit.SlowHasher)
		h := passwords.Limit(slow, 1)
		served := fill(t, h, "running")

		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		var left sync.WaitGroup
		start := time.Now()
		for range 64 {
			left.Go(func() {
				if err := h.Verify(ctx, "hash of left", "left"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, passwords.ErrBusy) {
					t.Errorf("waiting past the deadline: %v", err)
				}
				if took := time.Since(start); took != 300*time.Millisecond {
					t.Errorf("gave up after %v", took)
				}
			})
		}
		left.Wait()

		// Their places are free again, and they never reach the Hasher.
		if err := errors.Join(append(fill(t, h, numbered(64)...)(), served()...)...); err != nil {
			t.Error(err)
		}
		if slices.Contains(slow.Began, "left") {
			t.Error("a call whose caller had left was run")
		}
		if _, err := h.Hash(ctx, "ended"); !errors.Is(err, context.DeadlineExceeded) || slices.Contains(slow.Began, "ended") {
			t.Errorf("with a free slot and an ended context: %v", err)
		}
	})
}

// TestLimitSlotNotLost: the caller who is next leaves in the very moment in which
// the slot comes free.
func TestLimitSlotNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := new(testkit.SlowHasher)
		h := passwords.Limit(slow, 1)
		for round := range 200 {
			ctx, leave := context.WithCancel(t.Context())
			slow.End = leave
			running := fill(t, h, "running")
			var next sync.WaitGroup
			next.Go(func() { _, _ = h.Hash(ctx, "next") })
			running()
			next.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if _, err := h.Hash(ctx, "after"); err != nil {
				t.Fatalf("round %d: the slot is lost: %v", round, err)
			}
			cancel()
		}
	})
}

func TestLimitPanicGivesTheSlotBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := passwords.Limit(new(testkit.SlowHasher), 1)
		for _, call := range []func(){
			func() { _, _ = h.Hash(t.Context(), "panic") },
			func() { _ = h.Verify(t.Context(), "", "panic") },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic was swallowed")
					}
				}()
				call()
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := h.Hash(ctx, "next"); err != nil {
			t.Errorf("after two panics: %v", err)
		}
	})
}

// TestLimitCancelledWhileQueued checks that a costly stored hash is given up while it waits for its
// turn: the Hasher is never called for it.
func TestLimitCancelledWhileQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := new(testkit.SlowHasher)
		h := passwords.Limit(slow, 1)
		running := fill(t, h, "running")
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error)
		go func() { waited <- h.Verify(ctx, "hash of queued", "queued") }()
		synctest.Wait()
		cancel()
		if err := <-waited; !errors.Is(err, context.Canceled) {
			t.Errorf("Verify: %v, want the end of its context", err)
		}
		if err := errors.Join(running()...); err != nil {
			t.Error(err)
		}
		if slices.Contains(slow.Began, "queued") {
			t.Error("the hashing of a call that had ended was begun")
		}
	})
}
