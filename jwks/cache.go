package jwks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth/internal/jwkset"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/passwords"
)

// Bounds on what an issuer's Cache-Control asks for. The lower bound limits how often a verifier
// fetches; the upper bound limits how long a withdrawn key stays in use.
const (
	minRefresh     = 5 * time.Minute
	defaultRefresh = 15 * time.Minute
	maxRefresh     = time.Hour
)

// emptyAfter is how long fetched keys are used after the issuer has been seen to publish a set without
// a usable key. It may be a mistake that lasts for a moment, or the issuer may have withdrawn its keys.
const emptyAfter = 5 * time.Minute

// cache holds the keys of one issuer as they were last fetched, and decides when to fetch them
// again. At most one fetch runs at a time. It belongs to no request, so it goes on when the request
// that caused it ends. See decision 0032.
type cache struct {
	source   *source
	issuer   string
	ring     *jwt.KeyRing  // the fetched keys
	refresh  time.Duration // 0: as the response's Cache-Control says
	cooldown time.Duration
	maxStale time.Duration
	timeout  time.Duration
	logger   *slog.Logger

	held atomic.Pointer[held] // nil before the first successful fetch

	// keyIssuer has the member issuer of each JWK, by the ID of the key: of the keys in the ring, and
	// of those that they replaced, because a request may still use the ring as it was.
	keyIssuer  atomic.Pointer[map[string]string]
	lastIssuer map[string]string // of the keys in the ring alone; only a fetch uses it

	// prints identifies the keys of the ring; only a fetch uses it. If a fetched set is equal, the
	// ring is not replaced, so that its table of verified tokens stays.
	prints []string
	faults string // text of the faults that were logged; only a fetch uses it

	mu        sync.Mutex
	fetch     *fetch    // the running fetch, or nil
	err       error     // error of the last fetch; nil if it succeeded
	retryAt   time.Time // earliest time of the next fetch after one that failed
	unknownAt time.Time // no fetch for unknown keys before this time
}

// held says until when fetched keys may be used. From due on, a background fetch is started. From
// late on, requests wait for a fetch. From end on, the keys are not used any more.
type held struct{ due, late, end time.Time }

func (h *held) serves(now time.Time) bool { return h != nil && now.Before(h.end) }
func (h *held) isLate(now time.Time) bool { return !now.Before(h.late) }
func (h *held) isDue(now time.Time) bool  { return !now.Before(h.due) }

// fetch is one fetch of the keys. done is closed when it has ended, with or without success.
type fetch struct{ done chan struct{} }

// finished stands for a fetch that ended before its caller could wait for it.
var finished = func() *fetch {
	f := &fetch{make(chan struct{})}
	close(f.done)
	return f
}()

// wait returns nil when the fetch has ended, or ctx's error if ctx ends first.
func (f *fetch) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("auth/jwks: wait for keys: %w", ctx.Err())
	}
}

// reason is why keys are fetched.
type reason int

const (
	dueKeys    reason = iota // there are no keys, or they are old
	unknownKey               // a token names a key that is not in the set
)

func newCache(cfg *Config, s *source, ring *jwt.KeyRing) *cache {
	return &cache{
		source: s, issuer: cmp.Or(cfg.Tokens.Issuer, cfg.KeysURL), ring: ring, refresh: cfg.Refresh,
		cooldown: cfg.Cooldown, maxStale: cfg.MaxStale, timeout: cfg.Timeout, logger: cfg.Logger,
	}
}

// start returns a fetch that brings newer keys than seen, and begins it unless one is running. It
// returns nil if the Cooldown forbids a fetch now.
func (c *cache) start(seen *held, why reason) *fetch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fetch != nil {
		return c.fetch
	}
	if c.held.Load() != seen {
		return finished
	}
	now := time.Now()
	if c.err != nil && now.Before(c.retryAt) {
		return nil
	}
	if why == unknownKey {
		if now.Before(c.unknownAt) {
			return nil
		}
		c.unknownAt = now.Add(c.cooldown)
	}
	c.fetch = &fetch{make(chan struct{})}
	go c.run(c.fetch)
	return c.fetch
}

// run is the goroutine of a fetch.
func (c *cache) run(f *fetch) {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	begun := time.Now() // the age counts from before the request, so that it is never too low
	set, maxAge, err := c.source.fetch(ctx)
	changed := err == nil && !slices.Equal(c.prints, set.Prints)
	if changed {
		issuers := maps.Clone(set.Issuer)
		for id, issuer := range c.lastIssuer {
			if _, again := issuers[id]; !again {
				issuers[id] = issuer
			}
		}
		c.lastIssuer = set.Issuer
		c.keyIssuer.Store(&issuers)
		err = c.ring.Replace(set.Keys[0], set.Keys[1:]...)
	}
	if err == nil {
		c.prints = set.Prints
		c.hold(maxAge, begun)
	} else {
		if errors.Is(err, jwkset.ErrNoKeys) {
			c.endSoon(begun)
		}
		err = fmt.Errorf("keys of %s: %w", c.issuer, err)
	}
	var refused []error // to be logged
	if faults := fmt.Sprint(set.Faults); err == nil && (changed || faults != c.faults) {
		refused, c.faults = set.Faults, faults
	}

	c.mu.Lock()
	c.err, c.retryAt, c.fetch = err, time.Now().Add(c.cooldown), nil
	c.mu.Unlock()
	close(f.done)

	switch {
	case err != nil:
		c.log(slog.LevelWarn, "auth/jwks: keys not fetched", slog.Any("error", err))
	case changed:
		c.log(slog.LevelInfo, "auth/jwks: keys changed", slog.Int("keys", len(set.Keys)))
	}
	for _, fault := range refused {
		c.log(slog.LevelWarn, "auth/jwks: key refused", slog.Any("error", fault))
	}
}

// endSoon bounds the use of the keys that are held: at the time now, the issuer published none. Until
// then they are due, so that requests look for new ones.
func (c *cache) endSoon(now time.Time) {
	h := c.held.Load()
	if h == nil {
		return
	}
	end := now.Add(emptyAfter)
	if h.end.Before(end) { // also if the set was seen empty before
		end = h.end
	}
	c.held.Store(&held{due: now, late: end, end: end})
}

// hold records that the ring holds what the issuer published at the time begun.
func (c *cache) hold(maxAge time.Duration, begun time.Time) {
	refresh := c.refresh
	switch {
	case refresh != 0:
	case maxAge < 0:
		refresh = defaultRefresh
	default:
		refresh = min(max(maxAge, minRefresh), maxRefresh)
	}
	refresh = min(refresh, c.maxStale/2)
	c.held.Store(&held{due: begun.Add(refresh), late: begun.Add(2 * refresh), end: begun.Add(c.maxStale)})
}

// renew waits for newer keys than seen, which are missing or late. If the last fetch failed and the
// keys in seen may still be used, it starts a fetch without waiting for it.
func (c *cache) renew(ctx context.Context, seen *held) error {
	down := c.failure()
	f := c.start(seen, dueKeys)
	if f != nil && !(down != nil && seen.serves(time.Now())) {
		if err := f.wait(ctx); err != nil {
			return err
		}
	}
	if c.held.Load().serves(time.Now()) {
		return nil
	}
	if err := c.failure(); err != nil {
		return err
	}
	return jwt.ErrKeysUnavailable
}

// failure returns why the last fetch failed and when the next one is possible. It returns nil if
// the last fetch succeeded or there was none.
func (c *cache) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return nil
	}
	return &passwords.RetryError{
		Err:   fmt.Errorf("%w: %w", jwt.ErrKeysUnavailable, c.err),
		After: max(time.Until(c.retryAt), time.Second),
	}
}

// issuerOf returns the member issuer of the JWK of a key, or "" if it has none.
func (c *cache) issuerOf(keyID string) string {
	if issuers := c.keyIssuer.Load(); issuers != nil {
		return (*issuers)[keyID]
	}
	return ""
}

func (c *cache) log(level slog.Level, message string, attrs ...slog.Attr) {
	logger := c.logger
	if logger == nil {
		logger = slog.Default()
	}
	logger.LogAttrs(context.Background(), level, message, append(attrs, slog.String("issuer", c.issuer))...)
}
