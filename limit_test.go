package auth_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
)

// slowHasher takes a second, or each, for a call and records which began in what
// order. The password "panic" makes it panic at the end, the hash "unknown" is
// refused at once.
type slowHasher struct {
	each time.Duration
	end  func() // called last, unless nil

	mu          sync.Mutex
	began       []string
	now, atOnce atomic.Int32
}

func (s *slowHasher) Hash(_ context.Context, password string) (string, error) {
	s.mu.Lock()
	s.began = append(s.began, password)
	s.mu.Unlock()
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.atOnce.Load(); now > most && !s.atOnce.CompareAndSwap(most, now); most = s.atOnce.Load() {
	}
	time.Sleep(cmp.Or(s.each, time.Second))
	if password == "panic" {
		panic("hasher")
	}
	if s.end != nil {
		s.end()
	}
	return "hash of " + password, nil
}

func (s *slowHasher) Verify(ctx context.Context, encoded, password string) error {
	if encoded == "unknown" {
		return auth.ErrUnknownHash
	}
	if made, _ := s.Hash(ctx, password); made != encoded {
		return auth.ErrMismatch
	}
	return nil
}

func (s *slowHasher) NeedsRehash(encoded string) bool { return encoded == "weak" }

func TestLimitPassesAnswersOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := auth.Limit(new(slowHasher), 1)
		encoded, err := h.Hash(t.Context(), "a")
		if err != nil || encoded != "hash of a" {
			t.Errorf("Hash = %q, %v", encoded, err)
		}
		if err := h.Verify(t.Context(), encoded, "a"); err != nil {
			t.Errorf("Verify: %v", err)
		}
		if err := h.Verify(t.Context(), encoded, "b"); err != auth.ErrMismatch {
			t.Errorf("Verify of another: %v", err)
		}
		if !h.NeedsRehash("weak") || h.NeedsRehash("strong") {
			t.Error("NeedsRehash is not the Hasher's own")
		}
	})
}

func defaultSlots() int { return max(1, runtime.GOMAXPROCS(0)-1) }

func TestLimitAtOnce(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{1: 1, 3: 3, 0: defaultSlots(), -1: defaultSlots()} {
		synctest.Test(t, func(t *testing.T) {
			slow := new(slowHasher)
			h := auth.Limit(slow, n)
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
			if got := int(slow.atOnce.Load()); got != want {
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
func fill(t *testing.T, h auth.Hasher, passwords ...string) (errs func() []error) {
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
		slow := new(slowHasher)
		h := auth.Limit(slow, 1)
		names := numbered(40)
		first := fill(t, h, names[:20]...)
		time.Sleep(5500 * time.Millisecond) // newcomers meet a queue that moves
		rest := fill(t, h, names[20:]...)
		if err := errors.Join(append(first(), rest()...)...); err != nil {
			t.Error(err)
		}
		if !slices.Equal(slow.began, names) {
			t.Errorf("served in the order %v", slow.began)
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
			h := auth.Limit(&slowHasher{each: row.each}, n)
			if _, err := h.Hash(t.Context(), "measured"); err != nil {
				t.Fatal(err)
			}
			for range 50 { // no work, so no measure of it
				if err := h.Verify(t.Context(), "unknown", "x"); err != auth.ErrUnknownHash {
					t.Fatal(err)
				}
			}
			served := fill(t, h, numbered(n+queue)...)
			start := time.Now()
			_, hashErr := h.Hash(t.Context(), "one more")
			for _, err := range []error{hashErr, h.Verify(t.Context(), "hash of x", "x")} {
				var retry *auth.RetryError
				if !errors.As(err, &retry) || !errors.Is(err, auth.ErrBusy) {
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
		h := auth.Limit(new(slowHasher), 1)
		served := fill(t, h, numbered(65)...)
		var retry *auth.RetryError
		if _, err := h.Hash(t.Context(), "x"); !errors.As(err, &retry) || retry.After != time.Second {
			t.Errorf("%v, %+v", err, retry)
		}
		served()
	})
}

func TestLimitWaitingHonoursContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := new(slowHasher)
		h := auth.Limit(slow, 1)
		served := fill(t, h, "running")

		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		var left sync.WaitGroup
		start := time.Now()
		for range 64 {
			left.Go(func() {
				if err := h.Verify(ctx, "hash of left", "left"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, auth.ErrBusy) {
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
		if slices.Contains(slow.began, "left") {
			t.Error("a call whose caller had left was run")
		}
		if _, err := h.Hash(ctx, "ended"); !errors.Is(err, context.DeadlineExceeded) || slices.Contains(slow.began, "ended") {
			t.Errorf("with a free slot and an ended context: %v", err)
		}
	})
}

// TestLimitSlotNotLost: the caller who is next leaves in the very moment in which
// the slot comes free.
func TestLimitSlotNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := new(slowHasher)
		h := auth.Limit(slow, 1)
		for round := range 200 {
			ctx, leave := context.WithCancel(t.Context())
			slow.end = leave
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
		h := auth.Limit(new(slowHasher), 1)
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
