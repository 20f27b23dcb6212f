package stream

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
)

const (
	// workers is how many checks run at once. A check of memory takes no time; one that asks a store
	// shares its answer with others, or waits.
	workers = 16

	// patience is how long a check may remain undecided, in units of Config.Every.
	patience = 4

	// spacing is the least time between two checks of all streams, as a part of Config.Every.
	spacing = 20
)

// run looks at deadlines and checks until Close.
func (s *Streams) run() {
	defer close(s.closed)
	timer := time.NewTimer(s.every)
	defer timer.Stop()
	changed := s.watch()
	var (
		checked   = make(chan struct{}, 1) // a check of all streams has ended
		checking  bool
		lastCheck = time.Now()
		due       bool // a change was announced
	)
	for {
		select {
		case <-s.ctx.Done():
			if checking {
				<-checked
			}
			return
		case <-timer.C:
		case <-s.wake:
		case <-changed:
			changed, due = s.watch(), true // watch before the check, so that no change is missed
		case <-checked:
			checking = false
		}
		now := time.Now()
		s.expire(now)
		next := lastCheck.Add(s.every)
		if due {
			next = lastCheck.Add(s.every / spacing)
		}
		if checking {
			next = now.Add(s.every)
			s.endUndecided(now)
		} else if !now.Before(next) {
			checking, due, lastCheck = true, false, now
			next = now.Add(s.every)
			go s.checkAll(now, checked)
		}
		timer.Reset(s.sleepUntil(next))
	}
}

// watch returns the channel that announces the next change, or nil.
func (s *Streams) watch() <-chan struct{} {
	if s.changed == nil {
		return nil
	}
	return s.changed()
}

// sleepUntil returns how long to sleep until the next check, or until the first deadline.
func (s *Streams) sleepUntil(next time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) > 0 && s.open[0].deadline < next.UnixNano() {
		next = time.Unix(0, s.open[0].deadline)
	}
	s.nextWake = next
	return max(time.Until(next), 0)
}

// expire does what is due by now: it ends streams, or tells their handlers that the token has expired.
// Deadlines are compared by the wall clock, as the times in tokens are.
func (s *Streams) expire(now time.Time) {
	for {
		s.mu.Lock()
		if len(s.open) == 0 || s.open[0].deadline > now.UnixNano() {
			s.mu.Unlock()
			return
		}
		o := s.open[0]
		if o.deadline < o.hard {
			o.deadline = o.hard
			heap.Fix(&s.open, o.index)
			s.mu.Unlock()
			o.soften()
			continue
		}
		s.open.remove(o)
		s.mu.Unlock()
		o.cut(auth.ErrExpiredToken)
	}
}

// checkAll asks about every stream, and sends to done when all answers are there. A check that does not
// answer gets a context that ends; [Streams.endUndecided] does not wait for it.
func (s *Streams) checkAll(began time.Time, done chan<- struct{}) {
	defer func() { done <- struct{}{} }()
	s.mu.Lock()
	all := append([]*open(nil), s.open...)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, patience*s.every)
	defer cancel()
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(all) {
				return
			}
			s.recheck(ctx, all[i], began)
		}
	}
	n := min(workers, len(all))
	ended := make(chan struct{}, workers)
	for range n {
		go func() { work(); ended <- struct{}{} }()
	}
	for range n {
		<-ended
	}
	s.endUndecided(time.Now())
}

// recheck asks about one stream, and ends it if it may not go on.
func (s *Streams) recheck(ctx context.Context, o *open, began time.Time) {
	err := s.ask(ctx, o.caller)
	if err == nil {
		o.decided.Store(began.UnixNano())
		return
	}
	s.mu.Lock()
	ends := errors.Is(err, auth.ErrInvalidToken) && s.open.remove(o) // otherwise it may have ended meanwhile
	if !errors.Is(err, auth.ErrInvalidToken) {
		s.lastErr = err
		if errors.Is(err, auth.ErrRevocationUnknown) {
			o.decided.Store(0) // package revocation has waited for its own Bound already
		}
	}
	s.mu.Unlock()
	if ends {
		o.cut(err)
	}
}

// endUndecided ends the streams about which nothing was decided for too long.
func (s *Streams) endUndecided(now time.Time) {
	limit := now.Add(-(patience + 1) * s.every).UnixNano()
	var ended []*open
	s.mu.Lock()
	cause := s.lastErr
	for _, o := range s.open {
		if o.decided.Load() < limit {
			ended = append(ended, o)
		}
	}
	for _, o := range ended {
		s.open.remove(o)
	}
	s.mu.Unlock()
	if len(ended) == 0 {
		return
	}
	if cause == nil {
		cause = errors.New("the check does not answer")
	}
	if !errors.Is(cause, auth.ErrRevocationUnknown) {
		cause = fmt.Errorf("%w: %w", auth.ErrRevocationUnknown, cause)
	}
	s.log.Error("auth: streams ended, because it could not be decided whether they may go on", "streams", len(ended), "error", cause)
	for _, o := range ended {
		o.cut(cause)
	}
}
