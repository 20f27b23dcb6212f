package passwords

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Limit returns a Hasher that runs at most n calls of h at once (0: GOMAXPROCS-1, at least 1), so
// that logins never take all processors from other routes nor, with a memory-hard h, all memory. If
// n is 0 and h is limited already, Limit returns h.
//
// Further calls wait in two queues, one of them for anonymous calls: see [Caller]. Each has 16 places
// for each of n, and never fewer than 64. Within a queue the networks of the callers take turns, and
// the calls of one network are served in their order. While calls of both kinds wait, an anonymous
// call gets every fourth slot, and anonymous calls never hold more than half of the slots (or the only
// one). A caller bounds its wait by its context.
//
// Hash and Verify return the context's error if it ends while they wait. If the queue is full they
// return a [*RetryError] of [ErrBusy] at once; so does the last waiting call of the network that has
// the most of them, in favour of a call from another network.
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
	l := &limited{Hasher: h, slots: n, anonymousSlots: max(1, n/2)}
	l.logins.places, l.anonymous.places = max(64, 16*n), max(64, 16*n)
	return l
}

// loginsInARow is how many logins get a slot before an anonymous call that waits gets one.
const loginsInARow = 3

type limited struct {
	Hasher
	slots, anonymousSlots int

	mu                sync.Mutex
	running           int           // calls that have a slot
	runningAnonymous  int           // those of them that are anonymous
	logins, anonymous queue         // calls that wait
	row               int           // logins that got a slot since an anonymous call did, which could have had it
	usual             time.Duration // moving average of the time that a call takes
}

func (l *limited) Hash(ctx context.Context, password string) (encoded string, err error) {
	caller := callerOf(ctx)
	if err := l.acquire(ctx, caller); err != nil {
		return "", err
	}
	start := time.Now()
	defer func() { l.release(caller, time.Since(start), err) }()
	return l.Hasher.Hash(ctx, password)
}

func (l *limited) Verify(ctx context.Context, encoded, password string) (err error) {
	caller := callerOf(ctx)
	if err := l.acquire(ctx, caller); err != nil {
		return err
	}
	start := time.Now()
	defer func() { l.release(caller, time.Since(start), err) }()
	return l.Hasher.Verify(ctx, encoded, password)
}

// acquire takes a slot, or waits for one. See decision 0016.
func (l *limited) acquire(ctx context.Context, caller Caller) error {
	if err := ctx.Err(); err != nil {
		return waitError(err)
	}
	turn, err := l.enter(caller)
	if turn == nil {
		return err
	}
	select {
	case <-turn.decided:
		return turn.refused
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-turn.decided:
		if turn.refused == nil { // the slot came at the same moment: hand it over
			l.handOver(caller)
		}
	default:
		l.queueOf(caller).remove(turn)
	}
	return waitError(ctx.Err())
}

func waitError(err error) error { return fmt.Errorf("auth: waiting to hash: %w", err) }

// enter takes a free slot and returns nil, or returns the turn to wait for. It returns an error if the
// queue is full.
func (l *limited) enter(caller Caller) (*turn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running < l.slots && (!caller.Anonymous || l.runningAnonymous < l.anonymousSlots) {
		l.running++
		if caller.Anonymous {
			l.runningAnonymous++
		}
		return nil, nil
	}
	turn, displaced := l.queueOf(caller).add(caller.Network)
	if turn == nil || displaced != nil {
		busy := &RetryError{Err: ErrBusy, After: l.drained(caller)}
		if turn == nil {
			return nil, busy
		}
		displaced.decide(busy)
	}
	return turn, nil
}

func (l *limited) queueOf(caller Caller) *queue {
	if caller.Anonymous {
		return &l.anonymous
	}
	return &l.logins
}

// release gives the slot of a caller up, also if h panics. Only a call that did its work counts
// towards the moving average.
func (l *limited) release(caller Caller, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil || errors.Is(err, ErrMismatch) {
		if l.usual == 0 {
			l.usual = took
		}
		l.usual += (took - l.usual) / 8
	}
	l.handOver(caller)
}

// handOver gives the slot of a caller to a call that waits. A slot stays free only while no login
// waits, so a new login cannot overtake the queue.
func (l *limited) handOver(caller Caller) {
	if caller.Anonymous {
		l.runningAnonymous--
	}
	anonymousDue := l.anonymous.len() > 0 && l.runningAnonymous < l.anonymousSlots
	switch {
	case l.logins.len() > 0 && (!anonymousDue || l.row < loginsInARow):
		if anonymousDue {
			l.row++
		}
		l.logins.next().decide(nil)
	case anonymousDue:
		l.row = 0
		l.runningAnonymous++
		l.anonymous.next().decide(nil)
	default:
		l.running--
	}
}

// drained estimates when the present queue of a caller will be empty, rounded up to a second.
func (l *limited) drained(caller Caller) time.Duration {
	own, other := l.logins.len(), l.anonymous.len()
	between := own / loginsInARow
	if caller.Anonymous {
		own, other = other, own
		between = own * loginsInARow
	}
	rounds := (own + min(other, between) + l.slots) / l.slots
	wait := time.Duration(rounds) * l.usual
	return max(time.Second, (wait + time.Second - 1).Truncate(time.Second))
}
