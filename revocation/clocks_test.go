package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/session"
)

// machineClock is a clock that is off, and by another time from step on.
type machineClock struct {
	before, after time.Duration
	step          time.Time
}

func (c machineClock) now() time.Time { return c.at(time.Now()) }

// at returns what the clock shows at a time.
func (c machineClock) at(now time.Time) time.Time {
	if now.Before(c.step) {
		return now.Add(c.before)
	}
	return now.Add(c.after)
}

// clockedStore is a store on a machine whose clock is off, as replica sees it. The times that a
// session.Keeper reads itself are moved to the clock of the replica.
type clockedStore struct {
	*memstore.Store
	clock, replica machineClock
}

func (s clockedStore) CreateSession(ctx context.Context, created auth.Session) error {
	return s.Store.CreateSession(clock.With(ctx, s.clock.now), created)
}

func (s clockedStore) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	return s.Store.Session(clock.With(ctx, s.clock.now), id)
}

func (s clockedStore) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	return s.Store.DeleteSession(clock.With(ctx, s.clock.now), id, expiry)
}

func (s clockedStore) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	skew := time.Until(s.replica.now())
	return s.Store.DeleteUserSessions(clock.With(ctx, s.clock.now), userID, except, issuedAt.Add(skew), expiry.Add(skew))
}

func (s clockedStore) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	return s.Store.RevokedSince(clock.With(ctx, s.clock.now), cursor, each)
}

// replica is a process with a clock that is off.
type replica struct {
	clock  machineClock
	store  clockedStore
	keeper *session.Keeper
	list   *revocation.List
}

func newReplicaBy(t *testing.T, store *memstore.Store, ofStore, ofReplica machineClock, bound time.Duration) *replica {
	t.Helper()
	r := &replica{clock: ofReplica, store: clockedStore{store, ofStore, ofReplica}}
	var err error
	r.keeper, err = session.New(session.Config{
		Store: r.store, Keys: testkit.Secrets(t), Idle: time.Minute, TokenLife: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.start(t, bound)
	return r
}

// start follows the store, in the place of a list from before.
func (r *replica) start(t *testing.T, bound time.Duration) {
	t.Helper()
	r.stop(t)
	var err error
	if r.list, err = revocation.FollowBy(r.clock.at, r.store, revocation.Config{Bound: bound}); err != nil {
		t.Fatal(err)
	}
	if err := r.list.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (r *replica) stop(t *testing.T) {
	t.Helper()
	if r.list == nil {
		return
	}
	if err := r.list.Close(); err != nil {
		t.Error(err)
	}
	r.list = nil
}

const (
	tokenLife = 15 * time.Minute
	leeway    = 5 * time.Minute // the most that a jwt.Verifier allows
)

// login begins a session and returns an access token of it. The times are by the replica's clock.
func (r *replica) login(t *testing.T, user string) *auth.Principal {
	t.Helper()
	s := r.keeper.Draft(user, auth.Device{})
	now := r.clock.now()
	skew := time.Until(now)
	s.CreatedAt, s.LastUsedAt, s.ExpiresAt = s.CreatedAt.Add(skew), s.LastUsedAt.Add(skew), s.ExpiresAt.Add(skew)
	if _, err := r.keeper.Create(t.Context(), &s, nil, now.Add(tokenLife)); err != nil {
		t.Fatal(err)
	}
	return principal(t, auth.Claims{Subject: user, SessionID: s.ID, IssuedAt: now, Expiry: now.Add(tokenLife)})
}

// accepts reports whether the replica accepts a token, as its verifier does.
func (r *replica) accepts(t *testing.T, p *auth.Principal) bool {
	t.Helper()
	now := r.clock.now()
	if now.Before(p.IssuedAt().Add(-leeway)) || !now.Before(p.Expiry().Add(leeway)) {
		return false
	}
	err := r.list.Check(t.Context(), p)
	if err != nil && !errors.Is(err, auth.ErrRevokedToken) && !errors.Is(err, auth.ErrRevocationUnknown) {
		t.Fatal(err)
	}
	return err == nil
}

// cell is one row of the table of clocks.
type cell struct {
	name     string
	store    *memstore.Store
	replicas [2]*replica // both verify; tokens come from the first
	revoked  map[string]*auth.Principal
}

// TestClocks revokes access tokens while the clocks of the store, of the replica that issued the
// tokens and of another one are wrong, become wrong, are set right, or change from ahead to behind. No
// replica accepts a revoked token later than Bound after the revocation, whichever replica made it:
// not before or after the step, nor when it starts again.
func TestClocks(t *testing.T) {
	t.Parallel()
	skews := []time.Duration{0}
	for _, skew := range []time.Duration{5 * time.Second, 4 * time.Minute, 21 * time.Minute, 3 * time.Hour} {
		skews = append(skews, skew, -skew)
	}
	if testing.Short() {
		skews = []time.Duration{0, 5 * time.Second, 21 * time.Minute, -3 * time.Hour}
	}
	for name, course := range map[string]func(skew time.Duration) (before, after time.Duration){
		"constant":         func(skew time.Duration) (before, after time.Duration) { return skew, skew },
		"set right":        func(skew time.Duration) (before, after time.Duration) { return skew, 0 },
		"becoming wrong":   func(skew time.Duration) (before, after time.Duration) { return 0, skew },
		"to the other end": func(skew time.Duration) (before, after time.Duration) { return skew, -skew },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testClocks(t, skews, course) })
		})
	}
}

func testClocks(t *testing.T, skews []time.Duration, course func(skew time.Duration) (before, after time.Duration)) {
	const bound = 5 * time.Minute
	step := time.Now().Add(10 * time.Minute)
	by := func(skew time.Duration) (c machineClock) {
		c.before, c.after = course(skew)
		c.step = step
		return c
	}
	var cells []*cell
	for _, ofStore := range skews {
		for _, ofA := range skews {
			for _, ofB := range skews {
				c := &cell{name: fmt.Sprintf("store %v, A %v, B %v", ofStore, ofA, ofB), store: memstore.New()}
				for i, skew := range []time.Duration{ofA, ofB} {
					c.replicas[i] = newReplicaBy(t, c.store, by(ofStore), by(skew), bound)
				}
				c.revoke(t)
				cells = append(cells, c)
			}
		}
	}
	revoked := time.Now()
	check := func(when string) {
		for _, c := range cells {
			for i, r := range c.replicas {
				for token, p := range c.revoked {
					if r.accepts(t, p) {
						t.Errorf("%s: %s, %v after the revocation %s accepts the token %s",
							c.name, when, time.Since(revoked), []string{"A", "B"}[i], token)
					}
				}
			}
		}
	}
	restart := func() {
		for _, c := range cells {
			for _, r := range c.replicas {
				r.start(t, bound)
			}
		}
	}
	time.Sleep(bound)
	check("before the step")
	restart()
	check("started again before the step")
	follow := func(until time.Duration) {
		for time.Since(revoked) < until-bound {
			time.Sleep(bound - time.Second)
			check("following")
		}
		time.Sleep(time.Until(revoked.Add(until)))
		check("following")
	}
	follow(tokenLife + leeway/2)
	restart()
	check("started again in the leeway")
	follow(30 * time.Minute)
	for _, c := range cells {
		c.forget(t)
	}
	for time.Since(revoked) < 7*time.Hour {
		restart()
		check("started again")
		for _, c := range cells {
			for _, r := range c.replicas {
				r.stop(t)
			}
		}
		time.Sleep(17 * time.Minute)
	}
}

// revoke issues tokens on the first replica and revokes them.
func (c *cell) revoke(t *testing.T) {
	t.Helper()
	a := c.replicas[0]
	c.revoked = make(map[string]*auth.Principal)
	for i, r := range c.replicas {
		name := []string{"A", "B"}[i]
		ended, all := a.login(t, "ada"), a.login(t, "bob")
		c.forget(t)
		if deleted, err := r.keeper.DeleteOf(t.Context(), "ada", ended.SessionID()); err != nil || !deleted {
			t.Errorf("%s: %s: ending a session: %v, %v", c.name, name, deleted, err)
		}
		c.revoked["of a session that "+name+" ended"] = ended
		user := "user of " + name
		now := a.clock.now()
		single := principal(t, auth.Claims{Subject: user, IssuedAt: now, Expiry: now.Add(tokenLife)})
		for _, id := range []string{"bob", user} {
			if err := r.keeper.DeleteAll(t.Context(), id, ""); err != nil {
				t.Fatal(err)
			}
		}
		c.revoked["of a user whose sessions "+name+" ended"] = all
		// A token without a session that comes from a clock that is further ahead of the one that
		// revokes cannot be distinguished from one that is issued later.
		if now.Sub(r.clock.now()) <= 30*time.Second {
			c.revoked["without a session, of a user whose sessions "+name+" ended"] = single
		}
	}
	c.forget(t)
}

// forget makes the store look for what it may forget.
func (c *cell) forget(t *testing.T) {
	t.Helper()
	s := c.replicas[0].store
	for range 70 {
		if err := s.DeleteUserSessions(t.Context(), "nobody", "", time.Unix(0, 0), time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for range 4 {
		c.replicas[0].login(t, "carol")
	}
}

// TestWallClockGoesBack steps the wall clock of a replica. Until it has read everything again, it
// refuses every token, because it may have forgotten revocations while the clock was ahead.
func TestWallClockGoesBack(t *testing.T) {
	t.Parallel()
	for back, refuses := range map[time.Duration]bool{10 * time.Second: false, time.Minute: true, 3 * time.Hour: true} {
		synctest.Test(t, func(t *testing.T) {
			f := new(feed)
			f.record(auth.Revocation{SessionID: sid(1), Expiry: time.Now().Add(time.Hour)})
			skew := new(atomic.Int64)
			skew.Store(int64(2 * time.Hour)) // the revocation has expired by this clock
			l, err := revocation.FollowBy(func(now time.Time) time.Time { return now.Add(time.Duration(skew.Load())) }, f, revocation.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			p := inSession(t, sid(1))
			checks(t, l, p, nil)
			f.takeCursors()
			skew.Add(-int64(back))
			if refuses {
				checks(t, l, p, auth.ErrRevocationUnknown)
			} else {
				checks(t, l, p, nil)
			}
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if back > 2*time.Hour {
				checks(t, l, p, auth.ErrRevokedToken)
			} else {
				checks(t, l, p, nil)
			}
			if again := slices.Contains(f.takeCursors(), ""); again != refuses {
				t.Errorf("after a step of %v everything is read again: %t, want %t", back, again, refuses)
			}
		})
	}
}
