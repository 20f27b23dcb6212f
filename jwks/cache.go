package jwks

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// Bounds on what an issuer's Cache-Control asks for. The lower one keeps a
// verifier from fetching for each few requests, the upper one keeps a key that was
// withdrawn from serving for long.
const (
	leastRefresh  = 5 * time.Minute
	presetRefresh = 15 * time.Minute
	mostRefresh   = time.Hour
)

// cache is the keys of one issuer as they were fetched last, and when to fetch
// them again. One fetch is under way at most; it belongs to no request.
type cache struct {
	source   *source
	issuer   string
	ring     *jwt.KeyRing // what held holds
	refresh  time.Duration // 0: as the answer says
	cooldown time.Duration
	maxStale time.Duration
	timeout  time.Duration
	logger   *slog.Logger

	held   atomic.Pointer[held] // nil before the first fetch
	prints []string             // of the ring's keys; the fetch's own. An equal set leaves the ring, and what was learned of tokens

	mu        sync.Mutex
	fetch     *fetch    // under way, or nil
	err       error     // of the last fetch; nil: it succeeded
	retryAt   time.Time // no fetch before, if the last one failed
	unknownAt time.Time // no fetch for unknown keys before
}

// held says from when on keys that were fetched are due to be fetched anew, are
// too late to be used before that, and are not used at all.
type held struct{ due, late, end time.Time }

func (h *held) serves(now time.Time) bool { return h != nil && now.Before(h.end) }
func (h *held) isLate(now time.Time) bool { return !now.Before(h.late) }
func (h *held) isDue(now time.Time) bool  { return !now.Before(h.due) }

// fetch is one fetch; done is closed at its end, whatever came of it.
type fetch struct{ done chan struct{} }

// finished stands for a fetch that ended before anybody waited for it.
var finished = func() *fetch {
	f := &fetch{make(chan struct{})}
	close(f.done)
	return f
}()

// wait returns when the fetch ended, or ctx and then its error.
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
	dueKeys    reason = iota // there are none, or they are old
	unknownKey               // a token names one that is not there
)

func newCache(cfg *Config, s *source, ring *jwt.KeyRing) *cache {
	return &cache{
		source: s, issuer: cfg.Tokens.Issuer, ring: ring, refresh: cfg.Refresh,
		cooldown: cfg.Cooldown, maxStale: cfg.MaxStale, timeout: cfg.Timeout, logger: cfg.Logger,
	}
}

// start returns the fetch that brings newer keys than seen, and begins it if need
// be; it returns nil if it is too early for one.
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
	begun := time.Now() // the answer is no younger
	set, err := c.source.fetch(ctx)
	changed := err == nil && !slices.Equal(c.prints, set.prints)
	if changed {
		err = c.ring.Replace(set.keys[0], set.keys[1:]...)
	}
	if err == nil {
		c.prints = set.prints
		c.hold(set.maxAge, begun)
	} else {
		err = fmt.Errorf("keys of %s: %w", c.issuer, err)
	}

	c.mu.Lock()
	c.err, c.retryAt, c.fetch = err, time.Now().Add(c.cooldown), nil
	c.mu.Unlock()
	close(f.done)

	switch {
	case err != nil:
		c.log(slog.LevelWarn, "auth/jwks: keys not fetched", slog.Any("error", err))
	case changed:
		c.log(slog.LevelInfo, "auth/jwks: keys changed", slog.Int("keys", len(set.keys)))
		for _, fault := range set.faults {
			c.log(slog.LevelWarn, "auth/jwks: key refused", slog.Any("error", fault))
		}
	}
}

// hold notes that the ring holds what the issuer published when the fetch began.
func (c *cache) hold(maxAge time.Duration, begun time.Time) {
	refresh := c.refresh
	switch {
	case refresh != 0:
	case maxAge < 0:
		refresh = presetRefresh
	default:
		refresh = min(max(maxAge, leastRefresh), mostRefresh)
	}
	refresh = min(refresh, c.maxStale/2)
	c.held.Store(&held{begun.Add(refresh), begun.Add(2 * refresh), begun.Add(c.maxStale)})
}

// renew waits for newer keys than seen, which are too old or none. Where they
// still serve and the issuer is down, it only asks for newer ones.
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
	return auth.ErrKeysUnavailable
}

// failure returns why the last fetch failed and when the next is possible, or nil
// if it succeeded or there was none.
func (c *cache) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return nil
	}
	return &auth.RetryError{
		Err:   fmt.Errorf("%w: %w", auth.ErrKeysUnavailable, c.err),
		After: max(time.Until(c.retryAt), time.Second),
	}
}

func (c *cache) log(level slog.Level, message string, attrs ...slog.Attr) {
	if c.logger != nil {
		c.logger.LogAttrs(context.Background(), level, message, append(attrs, slog.String("issuer", c.issuer))...)
	}
}
