package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/revocation"
)

// feed is a Feed whose cursor is the number of entries that were read.
type feed struct {
	mu      sync.Mutex
	entries []auth.Revocation
	cursors []string                        // cursors of the reads since takeCursors was called
	fails   error                           // result of each read, unless nil
	delay   func(ctx context.Context) error // called between looking entries up and returning them, unless nil
}

func (f *feed) record(r ...auth.Revocation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, r...)
}

func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = err
}

func (f *feed) slowDown(delay func(ctx context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay = delay
}

// takeCursors returns the cursors of the reads since it was last called.
func (f *feed) takeCursors() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	cursors := f.cursors
	f.cursors = nil
	return cursors
}

func (f *feed) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	f.mu.Lock()
	f.cursors = append(f.cursors, cursor)
	err, entries, delay := f.fails, f.entries, f.delay
	f.mu.Unlock()
	if delay != nil {
		if err := delay(ctx); err != nil {
			return cursor, err
		}
	}
	if err != nil {
		return cursor, err
	}
	after, _ := strconv.Atoi(cursor)
	for _, r := range entries[after:] {
		each(r)
	}
	return strconv.Itoa(len(entries)), nil
}

func follow(t testing.TB, f revocation.Feed, cfg revocation.Config) *revocation.List {
	t.Helper()
	l, err := revocation.Follow(f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// sid returns the n-th session ID, in the form that package session gives them.
func sid(n int) string {
	return strings.Repeat("A", 8) + fmt.Sprintf("%013d", n) + "A"
}

// principal returns the principal of these claims, whose subject is ada unless they have one.
func principal(t testing.TB, c auth.Claims) *auth.Principal {
	t.Helper()
	if c.Subject == "" {
		c.Subject = "ada"
	}
	p, err := jwt.NewPrincipal(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// inSession returns the principal of a token that belongs to a session.
func inSession(t testing.TB, sessionID string) *auth.Principal {
	t.Helper()
	return principal(t, auth.Claims{SessionID: sessionID})
}

// checks fails the test unless Check of p returns want.
func checks(t testing.TB, l *revocation.List, p *auth.Principal, want error) {
	t.Helper()
	err := l.Check(t.Context(), p)
	if err != want && !(want != nil && errors.Is(err, want)) {
		t.Errorf("Check returned %v, want %v", err, want)
	}
	retry, ok := errors.AsType[*auth.RetryError](err)
	if ok != (want == auth.ErrRevocationUnknown) || ok && retry.After < time.Second {
		t.Errorf("Check returned %v, want a *RetryError if the state is unknown", err)
	}
}

// The answer to a request whose token may have been revoked says when to try again.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for bound, want := range map[time.Duration]string{0: "2", time.Second: "1", 4 * time.Second: "1", time.Minute: "15"} {
		for _, exact := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				f := new(feed)
				f.slowDown(func(context.Context) error { return errors.New("down") })
				l, err := revocation.Follow(f, revocation.Config{Bound: bound, Exact: exact})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				m, err := auth.NewMiddleware(checked{l, inSession(t, sid(1))}, auth.MiddlewareConfig{})
				if err != nil {
					t.Fatal(err)
				}
				r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
				r.Header.Set("Authorization", "Bearer token")
				m.Require(http.NotFoundHandler()).ServeHTTP(w, r)
				if w.Code != 503 || w.Header().Get("Retry-After") != want {
					t.Errorf("with a bound of %v, exact %t: %d, Retry-After %q, want 503 and %q", bound, exact, w.Code, w.Header().Get("Retry-After"), want)
				}
			})
		}
	}
}

// checked is a verifier that finds one principal in every token, and asks a List.
type checked struct {
	list *revocation.List
	p    *auth.Principal
}

func (c checked) Verify(ctx context.Context, _ string) (*auth.Principal, error) {
	return c.p, c.list.Check(ctx, c.p)
}

func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		f.slowDown(func(context.Context) error { time.Sleep(time.Millisecond); return nil })
		l, err := revocation.Follow(f, revocation.Config{})
		if err != nil {
			t.Fatal(err)
		}
		checks(t, l, inSession(t, sid(1)), auth.ErrRevocationUnknown) // the first read takes a millisecond
		time.Sleep(time.Millisecond)
		synctest.Wait()
		f.slowDown(nil)
		checks(t, l, inSession(t, sid(1)), nil)
		for n := range 3 {
			f.record(auth.Revocation{SessionID: sid(n), Expiry: time.Now().Add(time.Hour)})
			time.Sleep(5*time.Second/4 + time.Millisecond)
			synctest.Wait()
			for m := range 4 {
				want := auth.ErrRevokedToken
				if m > n {
					want = nil
				}
				checks(t, l, inSession(t, sid(m)), want)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		checks(t, l, inSession(t, sid(9)), auth.ErrRevocationUnknown)
		if err := l.Sync(t.Context()); !errors.Is(err, auth.ErrRevocationUnknown) {
			t.Errorf("Sync after Close returned %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("a second Close returned %v", err)
		}
	})
}

func TestFollowFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		feed  revocation.Feed
		cfg   revocation.Config
		field string
	}{
		{nil, revocation.Config{}, "revocation.Follow.feed"},
		{new(feed), revocation.Config{Bound: -1}, "revocation.Config.Bound"},
		{new(feed), revocation.Config{Bound: time.Millisecond}, "revocation.Config.Bound"},
		{new(feed), revocation.Config{Bound: time.Hour}, "revocation.Config.Bound"},
		{new(feed), revocation.Config{Exact: true, DangerouslyServeStale: true}, "revocation.Config.DangerouslyServeStale"},
	} {
		l, err := revocation.Follow(tt.feed, tt.cfg)
		if fault, ok := errors.AsType[*auth.ConfigError](err); !ok || fault.Field != tt.field || l != nil {
			t.Errorf("Follow with %+v returned %v, want a fault of %s", tt.cfg, err, tt.field)
		}
	}
}

// Check answers from revocations that are at most as old as the bound, unless DangerouslyServeStale.
func TestStale(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, serve := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := new(feed)
			var mu sync.Mutex
			var events []auth.Event
			emitted := func() []auth.Event {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(events)
			}
			l := follow(t, f, revocation.Config{
				Bound: 4 * time.Second, DangerouslyServeStale: serve,
				Events: func(_ context.Context, e auth.Event) {
					mu.Lock()
					defer mu.Unlock()
					events = append(events, e)
				},
			})
			f.record(auth.Revocation{SessionID: sid(1), Expiry: time.Now().Add(time.Hour)})
			stale := auth.ErrRevocationUnknown
			if serve {
				stale = nil
			}
			time.Sleep(10*time.Second + time.Millisecond) // the last read was at 10 s
			f.fail(down)
			f.record(auth.Revocation{SessionID: sid(2), Expiry: time.Now().Add(time.Hour)})
			time.Sleep(3998 * time.Millisecond)
			checks(t, l, inSession(t, sid(1)), auth.ErrRevokedToken)
			checks(t, l, inSession(t, sid(3)), nil)
			if got := emitted(); len(got) > 0 {
				t.Errorf("emitted %v", got)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			checks(t, l, inSession(t, sid(3)), stale)
			if err := l.Check(t.Context(), inSession(t, sid(3))); !serve && !errors.Is(err, down) {
				t.Errorf("%v does not wrap the cause, which the log is to show", err)
			}
			if serve {
				checks(t, l, inSession(t, sid(1)), auth.ErrRevokedToken)
			}
			time.Sleep(time.Minute)
			if got := emitted(); len(got) != 1 || got[0].Kind != auth.EventFeedDown || !errors.Is(got[0].Err, down) {
				t.Errorf("emitted %v", got)
			}
			f.fail(nil)
			time.Sleep(time.Second)
			synctest.Wait()
			checks(t, l, inSession(t, sid(2)), auth.ErrRevokedToken)
			checks(t, l, inSession(t, sid(3)), nil)
			if got := emitted(); len(got) != 2 || got[1].Kind != auth.EventFeedUp {
				t.Errorf("emitted %v", got)
			}
		})
	}
}

// A store that does not answer is treated like one that fails.
func TestHanging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l := follow(t, f, revocation.Config{Bound: 4 * time.Second})
		time.Sleep(time.Millisecond)
		f.slowDown(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		time.Sleep(4 * time.Second)
		synctest.Wait()
		checks(t, l, inSession(t, sid(1)), auth.ErrRevocationUnknown)
		if cursors := f.takeCursors(); len(cursors) != 2 {
			t.Errorf("%d reads, want 2: the one that hangs is not repeated", len(cursors))
		}
		// An answer is as old as its question, so a slow one is stale sooner.
		f.slowDown(func(ctx context.Context) error { time.Sleep(1900 * time.Millisecond); return nil })
		time.Sleep(time.Minute)
		for range 100 {
			time.Sleep(97 * time.Millisecond)
			checks(t, l, inSession(t, sid(1)), nil)
		}
		f.slowDown(func(ctx context.Context) error { time.Sleep(4 * time.Second); return nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		checks(t, l, inSession(t, sid(1)), auth.ErrRevocationUnknown)
	})
}

// After a failed read the feed is read from the beginning: another server may answer, for which the
// old cursor means nothing.
func TestCursor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		f.record(make([]auth.Revocation, 5)...)
		follow(t, f, revocation.Config{Bound: 4 * time.Second})
		time.Sleep(2*time.Second + time.Millisecond)
		f.fail(errors.New("down"))
		time.Sleep(time.Second)
		f.fail(nil)
		f.record(make([]auth.Revocation, 2)...)
		time.Sleep(2 * time.Second)
		if got, want := strings.Join(f.takeCursors(), "|"), "|5|5|5||7"; got != want {
			t.Errorf("read from the cursors %s, want %s", got, want)
		}
	})
}

// Sync does not rely on a read that began before the call: it may have missed a revocation.
func TestSync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l := follow(t, f, revocation.Config{Bound: time.Minute})
		synctest.Wait()
		f.slowDown(func(context.Context) error { time.Sleep(time.Second); return nil })
		go func() { _ = l.Sync(t.Context()) }()
		time.Sleep(time.Millisecond) // the read has looked its entries up
		f.record(auth.Revocation{SessionID: sid(1), Expiry: time.Now().Add(time.Hour)})
		if err := l.Sync(t.Context()); err != nil {
			t.Error(err)
		}
		checks(t, l, inSession(t, sid(1)), auth.ErrRevokedToken)

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := l.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sync returned %v", err)
		}
		f.fail(errors.New("down"))
		time.Sleep(10 * time.Second)
		if err := l.Sync(t.Context()); !errors.Is(err, auth.ErrRevocationUnknown) {
			t.Errorf("Sync returned %v", err)
		}
	})
}

func TestExact(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l := follow(t, f, revocation.Config{Exact: true, Bound: time.Minute})
		checks(t, l, inSession(t, sid(1)), nil)
		f.record(auth.Revocation{SessionID: sid(1), Expiry: time.Now().Add(time.Hour)})
		checks(t, l, inSession(t, sid(1)), auth.ErrRevokedToken)

		f.slowDown(func(context.Context) error { time.Sleep(time.Second); return nil })
		f.takeCursors()
		var callers sync.WaitGroup
		for range 1000 {
			callers.Go(func() { checks(t, l, inSession(t, sid(2)), nil) })
		}
		callers.Wait()
		if cursors := f.takeCursors(); len(cursors) > 3 {
			t.Errorf("1,000 concurrent checks took %d reads, want at most 3", len(cursors))
		}

		f.fail(errors.New("down"))
		checks(t, l, inSession(t, sid(2)), auth.ErrRevocationUnknown)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Check(ctx, inSession(t, sid(2))); !errors.Is(err, context.Canceled) || errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("Check returned %v", err)
		}
	})
}

// A revocation of a user ends the tokens without a session that were issued in its second or before.
func TestUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l := follow(t, f, revocation.Config{})
		revokedAt := time.Now().Add(700 * time.Millisecond) // 300 ms before the next second
		f.record(
			auth.Revocation{UserID: "ada", IssuedAt: revokedAt, Expiry: revokedAt.Add(time.Hour)},
			auth.Revocation{UserID: "ada", IssuedAt: revokedAt.Add(-time.Hour), Expiry: revokedAt.Add(time.Minute)}, // an older revocation changes nothing
		)
		time.Sleep(5 * time.Second)
		for _, tt := range []struct {
			claims auth.Claims
			want   error
		}{
			{auth.Claims{Subject: "ada", IssuedAt: revokedAt.Add(-time.Hour)}, auth.ErrRevokedToken},
			{auth.Claims{Subject: "ada", IssuedAt: revokedAt}, auth.ErrRevokedToken},
			{auth.Claims{Subject: "ada", IssuedAt: revokedAt.Add(299 * time.Millisecond)}, auth.ErrRevokedToken},
			{auth.Claims{Subject: "ada", IssuedAt: revokedAt.Add(300 * time.Millisecond)}, nil},
			{auth.Claims{Subject: "ada"}, auth.ErrRevokedToken},
			{auth.Claims{Subject: "Ada", IssuedAt: revokedAt}, nil},
			{auth.Claims{Subject: "bob", IssuedAt: revokedAt}, nil},
			{auth.Claims{Subject: "ada", SessionID: sid(1), IssuedAt: revokedAt}, nil}, // only a revocation of its session ends it
			{auth.Claims{Subject: "bob", SessionID: "ada", IssuedAt: revokedAt}, nil},
		} {
			checks(t, l, principal(t, tt.claims), tt.want)
		}
	})
}

// A revocation of one ID refuses no other ID, whatever their form.
func TestSessionIDs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l := follow(t, f, revocation.Config{})
		ids := []string{
			"AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAQ", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAA=AAAAAAAAAA",
			"aAAAAAAAAAAAAAAAAAAAAA", "_AAAAAAAAAAAAAAAAAAAAA", "-AAAAAAAAAAAAAAAAAAAAA", "/AAAAAAAAAAAAAAAAAAAAA", "______________________w"[:22],
			"A", "018f3c5e-7a10-7cc0-9000-000000000001", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA\u00e9",
		}
		for i := range 128 {
			b := []byte("BBBBBBBBBBBBBBBBBBBBBA")
			b[i%21] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[i/2]
			if id := string(b); !strings.Contains(strings.Join(ids, " "), id) {
				ids = append(ids, id)
			}
		}
		for i, id := range ids {
			f.record(auth.Revocation{SessionID: id, Expiry: time.Now().Add(time.Hour)})
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			for j, id := range ids {
				want := auth.ErrRevokedToken
				if j > i {
					want = nil
				}
				checks(t, l, inSession(t, id), want)
			}
		}
	})
}

// Readers run beside a writer while the table grows, for the race detector.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	f := new(feed)
	l := follow(t, f, revocation.Config{Bound: 5 * time.Minute})
	const n = 3000
	principals := make([]*auth.Principal, n)
	for i := range principals {
		principals[i] = inSession(t, sid(i))
	}
	expiry := time.Now().Add(time.Hour)
	var readers sync.WaitGroup
	revoked := func(i int) bool { return errors.Is(l.Check(t.Context(), principals[i]), auth.ErrRevokedToken) }
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for seen := 0; ; {
				for seen < n && revoked(seen) {
					seen++ // a session that was seen as revoked must stay revoked
				}
				for i := range seen {
					if !revoked(i) {
						t.Errorf("session %d was revoked and is accepted again", i)
						return
					}
				}
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		f.record(auth.Revocation{SessionID: sid(i), Expiry: expiry})
		if i%100 == 99 {
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	readers.Wait()
	for _, p := range principals {
		checks(t, l, p, auth.ErrRevokedToken)
	}
}

// growing is a feed whose first read returns a revocation now and then, for longer than Bound.
type growing struct{ reads atomic.Int32 }

// RevokedSince implements [revocation.Feed].
func (f *growing) RevokedSince(ctx context.Context, _ string, each func(auth.Revocation)) (string, error) {
	if f.reads.Add(1) > 1 {
		return "1", nil
	}
	for i := range 4 * 256 { // a read shows that it goes on at every 256th revocation
		if i%256 == 0 {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(4 * time.Second):
			}
		}
		each(auth.Revocation{SessionID: sid(i), Expiry: time.Now().Add(time.Hour)})
	}
	return "1", nil
}

// A feed that is silent for Bound does not hold up the next read, and a long read that goes on is not
// cut off.
func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		feed := new(silentOnce)
		began := time.Now()
		list, err := revocation.Follow(feed, revocation.Config{Bound: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		for list.Check(t.Context(), inSession(t, sid(1))) != nil {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("back %v after the feed answers anybody, want at most twice the bound", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		feed := new(growing)
		list, err := revocation.Follow(feed, revocation.Config{Bound: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		time.Sleep(30 * time.Second)
		if err := list.Check(t.Context(), inSession(t, sid(700))); err != auth.ErrRevokedToken {
			t.Errorf("a revocation of the long read: %v, after %d reads", err, feed.reads.Load())
		}
	})
}

// silentOnce does not answer its first read, as a dead connection does not.
type silentOnce struct{ reads atomic.Int32 }

// RevokedSince implements [revocation.Feed].
func (f *silentOnce) RevokedSince(ctx context.Context, _ string, _ func(auth.Revocation)) (string, error) {
	if f.reads.Add(1) == 1 {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "1", nil
}

// Changed announces a revocation that was not known, staleness and its end, and nothing else.
func TestChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l, err := revocation.Follow(f, revocation.Config{Bound: 4 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		changed := l.Changed()
		announces := func(what string, want bool) {
			t.Helper()
			synctest.Wait()
			select {
			case <-changed:
				if !want {
					t.Errorf("%s: Changed announces it", what)
				}
			default:
				if want {
					t.Errorf("%s: Changed does not announce it", what)
				}
			}
			changed = l.Changed()
		}
		time.Sleep(10 * time.Second)
		announces("nothing", false)
		known := auth.Revocation{SessionID: sid(1), Expiry: time.Now().Add(time.Hour)}
		f.record(known)
		time.Sleep(time.Second)
		announces("a revocation", true)
		f.record(known)
		time.Sleep(time.Second)
		announces("a revocation that is known", false)
		f.record(auth.Revocation{SessionID: sid(2), Expiry: time.Now().Add(-time.Hour)})
		time.Sleep(time.Second)
		announces("a revocation that has expired", false)
		user := auth.Revocation{UserID: "ada", IssuedAt: time.Now(), Expiry: time.Now().Add(time.Hour)}
		f.record(user)
		time.Sleep(time.Second)
		announces("a user", true)
		user.IssuedAt = user.IssuedAt.Add(time.Minute)
		f.record(user)
		time.Sleep(time.Second)
		announces("later tokens of the user", true)
		f.fail(errors.New("down"))
		time.Sleep(3 * time.Second)
		announces("a failure within the bound", false)
		time.Sleep(time.Second)
		announces("staleness", true)
		f.fail(nil)
		time.Sleep(time.Second)
		announces("the end of staleness", true)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		announces("Close", true)
	})
}
