package revocation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// Bounds of Config.Bound.
const (
	defaultBound = 5 * time.Second
	minBound     = 100 * time.Millisecond
	maxBound     = 5 * time.Minute
)

const (
	pruneEvery = 30 * time.Second
	readLimit  = time.Minute // bounds a read from the beginning, which returns every revocation that the store keeps

	// maxStep is how far the wall clock may go back unnoticed. A revocation is kept in memory ten
	// minutes longer than its tokens, and verifiers allow at most five minutes for skew.
	maxStep = 30 * time.Second
)

var errSlowFeed = errors.New("revocation: the feed did not answer in time")

// Feed is what a [List] reads. Every [auth.SessionStore] is a Feed.
type Feed interface {
	// RevokedSince is the method of [auth.SessionStore].
	RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (next string, err error)
}

// Config configures [Follow]. Its zero value is the safe choice.
type Config struct {
	// Bound is the longest time until a revocation takes effect here, on whichever replica it was
	// made. The feed is read four times in it. If the feed could not be read for that long, Check
	// returns [auth.ErrRevocationUnknown] for every token. 0: 5 s; from 100 ms to 5 min.
	Bound time.Duration

	// Exact reads the feed on each Check, so that a revocation takes effect everywhere at once. A
	// Check then takes as long as the store does. Concurrent checks share one read.
	Exact bool

	// DangerouslyServeStale makes Check answer from the revocations read so far when the feed cannot
	// be read. A token that was revoked since then is accepted until it expires. Events reports it
	// as [auth.EventFeedDown].
	DangerouslyServeStale bool

	// Events receives [auth.EventFeedDown] and [auth.EventFeedUp]. It must return soon. nil: there
	// are no events.
	Events func(ctx context.Context, e auth.Event)
}

// List knows which access tokens have been revoked. Its Check is for the Check of jwt.IssuerConfig
// and jwt.VerifierConfig, and looks at memory alone. A goroutine keeps the memory up to date: it
// holds at most 64 bytes for each revocation whose tokens have not expired. A List is safe for
// concurrent use.
type List struct {
	feed   Feed
	config Config
	wall   func(now time.Time) time.Time // the wall clock; tests set others
	set    *set
	fresh  atomic.Pointer[freshness] // nil: no read has ended yet, or the List is closed

	wake   chan struct{} // asks the goroutine for a read now
	stop   context.CancelFunc
	closed chan struct{} // closed when the goroutine has ended

	// Only the goroutine uses these.
	cursor string
	pruned time.Time     // time when expired entries were last removed from the set
	begun  time.Time     // time when the first read began, by the monotonic clock
	lead   time.Duration // most that the wall clock was ahead of the monotonic one since the last read of everything

	mu           sync.Mutex
	started      uint64        // number of reads that have begun
	finished     uint64        // number of the last read that ended
	err          error         // result of that read
	readDone     chan struct{} // closed and replaced when a read ends
	changed      chan struct{} // closed and replaced when Check may answer otherwise than before
	deadline     time.Time     // time when the set becomes stale
	staleTimer   *time.Timer   // calls expire at the deadline
	reportedDown bool          // EventFeedDown was emitted, and EventFeedUp not yet
}

// freshness is when the set becomes stale, by both clocks of the system. The monotonic clock does not
// step, but it stands still while a machine is suspended; the wall clock does the opposite.
type freshness struct {
	deadline    time.Time // compared by the monotonic clock
	from, until int64     // by the wall clock, in nanoseconds since 1970
}

// over reports whether the set is stale. It compares the time, instead of a flag that a timer sets: a
// process that was stopped and wakes up may answer requests before its timers run. If the wall clock
// went back, tokens are accepted again whose revocations may be forgotten here.
func (f *freshness) over(now time.Time, wall int64) bool {
	return f == nil || !now.Before(f.deadline) || wall < f.from || wall >= f.until
}

// Follow returns a List that follows feed until Close, or every fault of the configuration as a
// [*cfgerr.Error]. It does not wait for the store: Check returns [auth.ErrRevocationUnknown] until
// the feed has been read once. Call [List.Sync] to wait for that.
func Follow(feed Feed, cfg Config) (*List, error) {
	return follow(feed, cfg, func(now time.Time) time.Time { return now })
}

// follow is Follow with a wall clock.
func follow(feed Feed, cfg Config, wall func(now time.Time) time.Time) (*List, error) {
	var faults cfgerr.Faults
	faults.Require("revocation.Follow.feed", feed != nil)
	cfg.Bound = cfgerr.Within(&faults, "revocation.Config.Bound", cfg.Bound, defaultBound, minBound, maxBound)
	if cfg.Exact && cfg.DangerouslyServeStale {
		faults.Add("revocation.Config.DangerouslyServeStale", "", "contradicts Exact")
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &List{
		feed: feed, config: cfg, wall: wall, set: newSet(),
		wake: make(chan struct{}, 1), stop: stop, closed: make(chan struct{}), readDone: make(chan struct{}), changed: make(chan struct{}),
		deadline: time.Now().Add(cfg.Bound),
	}
	l.staleTimer = time.AfterFunc(cfg.Bound, l.expire)
	go l.run(ctx)
	return l, nil
}

// Check returns [auth.ErrRevokedToken] if the session of p has ended. For a token that belongs to no
// session, it returns that error if the token was issued (iat) in or before the second in which the
// tokens of its user were revoked: times in tokens are whole seconds, so a token that was issued
// later in that second is refused, too. Package session adds 30 seconds for clocks that differ. Check
// returns a [*auth.RetryError] of [auth.ErrRevocationUnknown], with its cause, if the revocations have
// not been read recently enough.
func (l *List) Check(ctx context.Context, p *auth.Principal) error {
	if err := l.current(ctx); err != nil {
		return err
	}
	if l.set.refuses(p) {
		return auth.ErrRevokedToken
	}
	return nil
}

// CheckID is Check for whatever a token of the session with this ID would be. The feed also has IDs that are no
// sessions, but states that were replaced, such as those of roles: see package roles.
func (l *List) CheckID(ctx context.Context, sessionID string) error {
	if err := l.current(ctx); err != nil {
		return err
	}
	if l.set.ended(sessionID) {
		return auth.ErrRevokedToken
	}
	return nil
}

// current returns an error if the revocations have not been read recently enough. It reads them with Exact.
func (l *List) current(ctx context.Context) error {
	switch {
	case l.config.Exact:
		if err := l.Sync(ctx); err != nil {
			return l.retry(err)
		}
	case !l.config.DangerouslyServeStale && l.stale():
		return l.retry(l.unknown())
	}
	return nil
}

// stale reports whether the revocations have not been read recently enough.
func (l *List) stale() bool {
	now := time.Now()
	return l.fresh.Load().over(now, l.wall(now).UnixNano())
}

// unknown returns [auth.ErrRevocationUnknown], which wraps why the last read failed, if it did.
func (l *List) unknown() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	return auth.ErrRevocationUnknown
}

// retry says when the feed will be read again, if an error says that it could not be read.
func (l *List) retry(err error) error {
	if !errors.Is(err, auth.ErrRevocationUnknown) {
		return err
	}
	return &auth.RetryError{Err: err, After: max(l.config.Bound/4, time.Second)}
}

// Changed returns a channel that is closed when Check may answer otherwise than it did before the call
// of Changed: when a revocation was read that was not known, and when the revocations become stale or
// fresh again. It is for package stream, and for hosts that hold connections open: call Changed, then
// Check, and wait for the channel before the next Check.
func (l *List) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// announce closes the channel of Changed. The caller holds l.mu.
func (l *List) announce() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Sync reads the feed now. When it returns nil, every revocation that was recorded before the call
// is in effect here. Call it when the store notifies the host of a new revocation, to be faster than
// [Config].Bound; a notification that is lost costs time alone. It returns
// [auth.ErrRevocationUnknown] if the feed could not be read, or ctx's error.
func (l *List) Sync(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A read that has begun already may have missed the latest revocations: wait for the next one.
	for next := l.started + 1; l.finished < next; {
		readDone := l.readDone
		l.mu.Unlock()
		err := l.awaitRead(ctx, readDone)
		l.mu.Lock()
		if err != nil {
			return err
		}
	}
	return l.err
}

// awaitRead asks for a read and waits until readDone is closed.
func (l *List) awaitRead(ctx context.Context, readDone <-chan struct{}) error {
	select {
	case l.wake <- struct{}{}:
	default: // another call has asked
	}
	select {
	case <-readDone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("revocation: %w", ctx.Err())
	case <-l.closed:
		return fmt.Errorf("%w: closed", auth.ErrRevocationUnknown)
	}
}

// Close ends the goroutine and waits until it has ended. From then on Check returns
// [auth.ErrRevocationUnknown] or, with DangerouslyServeStale, answers from what was read before. It
// returns nil.
func (l *List) Close() error {
	l.stop()
	<-l.closed
	l.mu.Lock()
	defer l.mu.Unlock()
	l.staleTimer.Stop()
	l.fresh.Store(nil)
	l.announce()
	return nil
}

// run reads the feed until ctx ends.
func (l *List) run(ctx context.Context) {
	defer close(l.closed)
	ticker := time.NewTicker(l.config.Bound / 4)
	defer ticker.Stop()
	for ctx.Err() == nil {
		l.read(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-l.wake:
		}
	}
}

// read brings the set up to date with the feed.
func (l *List) read(ctx context.Context) {
	l.mu.Lock()
	l.started++
	l.mu.Unlock()
	began := time.Now()
	wall := l.wall(began).Round(0)
	if l.wentBack(began, wall) {
		l.cursor = ""
	}
	ctx, cancel := context.WithTimeoutCause(ctx, max(l.config.Bound, readLimit), errSlowFeed)
	defer cancel()
	// A read of every revocation may take longer than Bound, but a feed that is silent for that long
	// does not answer: a dead connection must not hold up the next read.
	ctx, silent := context.WithCancelCause(ctx)
	defer silent(nil)
	silence := time.AfterFunc(l.config.Bound, func() { silent(errSlowFeed) })
	defer silence.Stop()
	received, added := 0, false
	next, err := l.feed.RevokedSince(ctx, l.cursor, func(r auth.Revocation) {
		if received++; received%256 == 1 {
			silence.Reset(l.config.Bound)
		}
		if l.set.add(r, wall) {
			added = true
		}
	})
	if err != nil {
		// After a failover another server may answer that had not received the last numbers and
		// gives them to other revocations: the cursor would skip those. Read from the beginning.
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		next, err = "", fmt.Errorf("%w: %w", auth.ErrRevocationUnknown, err)
	}
	l.cursor = next
	if began.Sub(l.pruned) > pruneEvery {
		l.pruned = began
		l.set.prune(wall)
	}
	l.finish(began, wall, added, err)
}

// wentBack reports whether the wall clock has gone back since everything was read. While it was
// ahead, revocations were passed over as expired whose tokens are accepted again.
func (l *List) wentBack(now, wall time.Time) bool {
	if l.begun.IsZero() {
		l.begun, l.lead = now, wall.Sub(now.Round(0))
	}
	lead := wall.Sub(l.begun.Round(0)) - now.Sub(l.begun)
	if l.lead-lead > maxStep {
		l.lead = lead
		return true
	}
	l.lead = max(l.lead, lead)
	return false
}

// finish records how a read ended that began at began, which was wall by the wall clock, and wakes
// the calls that wait for it. added says that the read brought revocations that were not known.
func (l *List) finish(began, wall time.Time, added bool, err error) {
	l.mu.Lock()
	l.finished, l.err = l.started, err
	close(l.readDone)
	l.readDone = make(chan struct{})
	recovered := false
	// An answer is as old as its question: one that took longer than Bound is stale when it comes.
	if deadline := began.Add(l.config.Bound); err == nil && time.Now().Before(deadline) {
		l.deadline = deadline
		l.staleTimer.Reset(time.Until(deadline))
		l.fresh.Store(&freshness{deadline, wall.Add(-maxStep).UnixNano(), wall.Add(l.config.Bound).UnixNano()})
		recovered, l.reportedDown = l.reportedDown, false
	}
	if added || recovered {
		l.announce()
	}
	l.mu.Unlock()
	if recovered {
		l.emit(auth.Event{Kind: auth.EventFeedUp})
	}
}

// expire emits an event unless a read has moved the deadline since the timer was set.
func (l *List) expire() {
	l.mu.Lock()
	if time.Now().Before(l.deadline) {
		l.mu.Unlock()
		return
	}
	reported := l.reportedDown
	l.reportedDown = true
	l.announce()
	err := l.err
	l.mu.Unlock()
	if !reported {
		l.emit(auth.Event{Kind: auth.EventFeedDown, Err: err})
	}
}

func (l *List) emit(e auth.Event) {
	if l.config.Events != nil {
		l.config.Events(context.Background(), e)
	}
}
