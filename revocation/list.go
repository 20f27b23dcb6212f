package revocation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Bounds of the time after which a revocation is in effect everywhere.
const (
	defaultBound = 5 * time.Second
	minBound     = 100 * time.Millisecond
	maxBound     = 5 * time.Minute

	pruneEvery     = 30 * time.Second
	firstReadLimit = time.Minute // of all revocations there are
)

// Feed is what a [List] reads: an [session.Store] is one.
type Feed interface {
	// RevokedSince is that of [session.Store].
	RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (next string, err error)
}

// Config is what [Follow] may be told. Its zero is safe.
type Config struct {
	// Bound is how long a revocation may take to be in effect here, wherever it
	// was made. The feed is read four times in it; where it could not be read
	// for so long, nobody knows which tokens are revoked, and Check returns
	// [auth.ErrRevocationUnknown] for each. 0: 5 s; 100 ms to 5 min.
	Bound time.Duration

	// Exact asks the feed on each Check, which then takes as long as the store
	// does: a revocation is in effect everywhere at once. Checks at one time
	// share an answer.
	Exact bool

	// DangerouslyServeStale goes by the revocations that are known when the feed
	// cannot be read: who was logged out since gets in until a token expires.
	// Events says so by [auth.EventFeedDown].
	DangerouslyServeStale bool

	// Events receives [auth.EventFeedDown] and [auth.EventFeedUp]. It must return
	// soon. nil: nobody is told.
	Events func(ctx context.Context, e auth.Event)
}

// List is the access tokens that ended before their time. Its Check is for
// [jwt.IssuerConfig] and [jwt.VerifierConfig]: it looks at memory alone, in which
// a goroutine keeps what the feed says, at most 64 bytes for each revocation until
// its tokens have expired. It is safe for concurrent use.
type List struct {
	feed   Feed
	config Config
	set    *set
	stale  atomic.Bool // the set is older than Bound

	wake   chan struct{} // asks for a read now
	stop   context.CancelFunc
	closed chan struct{} // closed when the goroutine has ended

	cursor string    // the goroutine's own
	pruned time.Time // the goroutine's own: when the set was

	mu       sync.Mutex
	started  uint64        // reads
	finished uint64        // reads
	err      error         // of the last read that finished
	change   chan struct{} // closed when a read finishes
	deadline time.Time     // when the set becomes stale
	expiring *time.Timer   // and the timer for that
	down     bool          // EventFeedDown was told
}

var errZero = errors.New("revocation: zero value is not usable, use Follow")

// Follow returns a list that follows feed until Close, or every fault of cfg as an
// [*cfgerr.Error]. It does not wait for the store: until the feed was read
// once, Check returns [auth.ErrRevocationUnknown].
func Follow(feed Feed, cfg Config) (*List, error) {
	var faults []error
	if feed == nil {
		faults = append(faults, &auth.ConfigError{Field: "revocation.Follow.feed", Reason: "is required"})
	}
	switch {
	case cfg.Bound == 0:
		cfg.Bound = defaultBound
	case cfg.Bound < minBound || cfg.Bound > maxBound:
		faults = append(faults, &auth.ConfigError{Field: "revocation.Config.Bound", Value: cfg.Bound.String(), Reason: "must be 0 or 100ms to 5m"})
	}
	if cfg.Exact && cfg.DangerouslyServeStale {
		faults = append(faults, &auth.ConfigError{Field: "revocation.Config.DangerouslyServeStale", Reason: "contradicts Exact"})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &List{
		feed: feed, config: cfg, set: newSet(),
		wake: make(chan struct{}, 1), stop: stop, closed: make(chan struct{}), change: make(chan struct{}),
		deadline: time.Now().Add(cfg.Bound),
	}
	l.stale.Store(true)
	l.expiring = time.AfterFunc(cfg.Bound, l.expire)
	go l.follow(ctx)
	return l, nil
}

// Check returns [jwt.ErrRevokedToken] if the session of p has ended or, for a token
// without a session, if p was issued (iat) in or before the second in which the
// tokens of its user were revoked: times of tokens are whole seconds, so one that
// was issued later in that second is refused, too. It returns
// [auth.ErrRevocationUnknown] if that cannot be said.
func (l *List) Check(ctx context.Context, p *auth.Principal) error {
	switch {
	case l == nil || l.feed == nil:
		return errZero
	case l.config.Exact:
		if err := l.Sync(ctx); err != nil {
			return err
		}
	case l.stale.Load() && !l.config.DangerouslyServeStale:
		return auth.ErrRevocationUnknown
	}
	if l.set.refuses(p) {
		return auth.ErrRevokedToken
	}
	return nil
}

// Sync reads the feed now, and returns when all that was recorded before the call
// is in effect here. Call it where the store can tell that there is something
// new: the feed is read all the same, so a message lost costs time alone. It
// returns [auth.ErrRevocationUnknown] if the feed could not be read, or ctx's error.
func (l *List) Sync(ctx context.Context) error {
	if l == nil || l.feed == nil {
		return errZero
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for next := l.started + 1; l.finished < next; {
		change := l.change
		l.mu.Unlock()
		select {
		case l.wake <- struct{}{}:
		default: // asked already
		}
		var err error
		select {
		case <-change:
		case <-ctx.Done():
			err = fmt.Errorf("revocation: %w", ctx.Err())
		case <-l.closed:
			err = fmt.Errorf("%w: closed", auth.ErrRevocationUnknown)
		}
		l.mu.Lock()
		if err != nil {
			return err
		}
	}
	return l.err
}

// Close ends the goroutine, and waits until it has. From then on Check returns
// [auth.ErrRevocationUnknown], or what is known with DangerouslyServeStale.
func (l *List) Close() error {
	if l == nil || l.feed == nil {
		return errZero
	}
	l.stop()
	<-l.closed
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expiring.Stop()
	l.stale.Store(true)
	return nil
}

// follow reads the feed until ctx ends.
func (l *List) follow(ctx context.Context) {
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

// read brings the set up to date.
func (l *List) read(ctx context.Context) {
	l.mu.Lock()
	l.started++
	l.mu.Unlock()
	began, limit := time.Now(), l.config.Bound
	if l.cursor == "" {
		limit = max(limit, firstReadLimit)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	next, err := l.feed.RevokedSince(ctx, l.cursor, func(one auth.Revocation) { l.set.add(one, began) })
	if err != nil {
		// Another server may answer next, which has lost, and given to others,
		// numbers that this cursor is beyond. So begin anew.
		next, err = "", fmt.Errorf("%w: %w", auth.ErrRevocationUnknown, err)
	}
	l.cursor = next
	if began.Sub(l.pruned) > pruneEvery {
		l.pruned = began
		l.set.prune(began)
	}
	l.finish(began, err)
}

// finish tells everybody who waits how a read ended.
func (l *List) finish(began time.Time, err error) {
	l.mu.Lock()
	l.finished, l.err = l.started, err
	close(l.change)
	l.change = make(chan struct{})
	up := false
	if deadline := began.Add(l.config.Bound); err == nil && time.Now().Before(deadline) {
		l.deadline = deadline
		l.expiring.Reset(time.Until(deadline))
		l.stale.Store(false)
		up, l.down = l.down, false
	}
	l.mu.Unlock()
	if up {
		l.tell(auth.Event{Kind: auth.EventFeedUp})
	}
}

// expire is called when the set may have become stale.
func (l *List) expire() {
	l.mu.Lock()
	if time.Now().Before(l.deadline) {
		l.mu.Unlock()
		return
	}
	l.stale.Store(true)
	told := l.down
	l.down = true
	err := l.err
	l.mu.Unlock()
	if !told {
		l.tell(auth.Event{Kind: auth.EventFeedDown, Err: err})
	}
}

func (l *List) tell(e auth.Event) {
	if l.config.Events != nil {
		l.config.Events(context.Background(), e)
	}
}
