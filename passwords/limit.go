package passwords

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Limit returns a Hasher that runs at most n calls of h at once (0: GOMAXPROCS-1, at least 1), so
// that logins never take all processors from other routes nor, with a memory-hard h, all memory.
// Further calls wait, first come first served: 16 for each of n, and never fewer than 64 in all. A
// caller bounds its wait by its context. If n is 0 and h is limited already, Limit returns h.
//
// Hash and Verify return the context's error if it ends while they wait. If the queue is full they
// return a [*RetryError] of [ErrBusy] at once.
func Limit(h Hasher, n int) Hasher {
	if h == nil {
		h = Chain(nil) // each call then returns an error
	}
	if _, limited := h.(*limited); limited && n <= 0 {
		return h
	}
	if n <= 0 {
		n = max(1, runtime.GOMAXPROCS(0)-1)
	}
	return &limited{Hasher: h, slots: n, places: max(64, 16*n)}
}

type limited struct {
	Hasher
	slots, places int

	mu      sync.Mutex
	running int
	waiting list.List     // chan struct{} of each waiting call, closed when it has a slot
	usual   time.Duration // moving average of the time that a call takes
}

func (l *limited) Hash(ctx context.Context, password string) (encoded string, err error) {
	if err := l.acquire(ctx); err != nil {
		return "", err
	}
	start := time.Now()
	defer func() { l.release(time.Since(start), err) }()
	return l.Hasher.Hash(ctx, password)
}

func (l *limited) Verify(ctx context.Context, encoded, password string) (err error) {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	start := time.Now()
	defer func() { l.release(time.Since(start), err) }()
	return l.Hasher.Verify(ctx, encoded, password)
}

// acquire takes a slot, or waits for one behind the calls that came before. See decision 0016.
func (l *limited) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return waitError(err)
	}
	l.mu.Lock()
	if l.running < l.slots {
		l.running++
		l.mu.Unlock()
		return nil
	}
	if l.waiting.Len() >= l.places {
		defer l.mu.Unlock()
		return &RetryError{Err: ErrBusy, After: l.drained()}
	}
	turn := make(chan struct{})
	place := l.waiting.PushBack(turn)
	l.mu.Unlock()

	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-turn: // the slot came at the same moment: hand it over
		l.handOver()
	default:
		l.waiting.Remove(place)
	}
	return waitError(ctx.Err())
}

func waitError(err error) error { return fmt.Errorf("auth: waiting to hash: %w", err) }

// release gives the slot up, also if h panics. Only a call that did its work counts towards the
// moving average.
func (l *limited) release(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || errors.Is(err, ErrMismatch) {
		if l.usual == 0 {
			l.usual = took
		}
		l.usual += (took - l.usual) / 8
	}
	l.handOver()
}

// handOver gives a slot to the call that has waited longest. So running falls only while no call
// waits, and a new call cannot overtake the queue.
func (l *limited) handOver() {
	if first := l.waiting.Front(); first != nil {
		close(l.waiting.Remove(first).(chan struct{}))
		return
	}
	l.running--
}

// drained estimates when the present queue will be empty, rounded up to a second.
func (l *limited) drained() time.Duration {
	rounds := (l.waiting.Len() + l.slots) / l.slots
	wait := time.Duration(rounds) * l.usual
	return max(time.Second, (wait + time.Second - 1).Truncate(time.Second))
}
