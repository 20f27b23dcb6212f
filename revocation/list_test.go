package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/jwt"
)

// feed is a Feed whose numbers are its cursors.
type feed struct {
	mu      sync.Mutex
	entries []auth.Revocation
	cursors []string                        // that were asked for
	fails   error                           // unless nil: what reading returns
	during  func(ctx context.Context) error // unless nil: called after the entries were looked up, before they are told
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

func (f *feed) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.cursors
	f.cursors = nil
	return asked
}

func (f *feed) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	f.mu.Lock()
	f.cursors = append(f.cursors, cursor)
	err, entries, during := f.fails, f.entries, f.during
	f.mu.Unlock()
	if during != nil {
		if err := during(ctx); err != nil {
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

// sid returns the n-th session ID, in the form of package auth.
func sid(n int) string {
	return strings.Repeat("A", 8) + fmt.Sprintf("%013d", n) + "A"
}

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

func of(t testing.TB, sessionID string) *auth.Principal {
	t.Helper()
	return principal(t, auth.Claims{SessionID: sessionID})
}

func checks(t testing.TB, l *revocation.List, p *auth.Principal, want error) {
	t.Helper()
	if err := l.Check(t.Context(), p); err != want && !(want != nil && errors.Is(err, want)) {
		t.Errorf("Check returned %v, want %v", err, want)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l, err := revocation.Follow(f, revocation.Config{})
		if err != nil {
			t.Fatal(err)
		}
		checks(t, l, of(t, sid(1)), auth.ErrRevocationUnknown) // not read yet
		synctest.Wait()
		checks(t, l, of(t, sid(1)), nil)
		for n := range 3 {
			f.record(auth.Revocation{SessionID: sid(n), Expiry: time.Now().Add(time.Hour)})
			time.Sleep(5*time.Second/4 + time.Millisecond)
			synctest.Wait()
			for m := range 4 {
				want := auth.ErrRevokedToken
				if m > n {
					want = nil
				}
				checks(t, l, of(t, sid(m)), want)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		checks(t, l, of(t, sid(9)), auth.ErrRevocationUnknown)
		if err := l.Sync(t.Context()); !errors.Is(err, auth.ErrRevocationUnknown) {
			t.Errorf("Sync after Close returned %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("Close, again, returned %v", err)
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
			t.Errorf("%+v: %v", tt.cfg, err)
		}
	}
	for _, l := range []*revocation.List{nil, new(revocation.List)} {
		check, sync := l.Check(t.Context(), of(t, sid(1))), l.Sync(t.Context())
		if check == nil || sync == nil || l.Close() == nil || errors.Is(check, auth.ErrInvalidToken) {
			t.Errorf("zero List: %v, %v", check, sync)
		}
	}
}

// What is served is never older than the bound.
func TestStale(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, serve := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := new(feed)
			var mu sync.Mutex
			var events []auth.Event
			told := func() []auth.Event {
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
			checks(t, l, of(t, sid(1)), auth.ErrRevokedToken)
			checks(t, l, of(t, sid(3)), nil)
			if told := told(); len(told) > 0 {
				t.Errorf("told %v", told)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
			checks(t, l, of(t, sid(3)), stale)
			if serve {
				checks(t, l, of(t, sid(1)), auth.ErrRevokedToken)
			}
			time.Sleep(time.Minute)
			if told := told(); len(told) != 1 || told[0].Kind != auth.EventFeedDown || !errors.Is(told[0].Err, down) {
				t.Errorf("told %v", told)
			}
			f.fail(nil)
			time.Sleep(time.Second)
			synctest.Wait()
			checks(t, l, of(t, sid(2)), auth.ErrRevokedToken)
			checks(t, l, of(t, sid(3)), nil)
			if told := told(); len(told) != 2 || told[1].Kind != auth.EventFeedUp {
				t.Errorf("told %v", told)
			}
		})
	}
}

// A store that neither answers nor fails is no better than one that fails.
func TestHanging(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l := follow(t, f, revocation.Config{Bound: 4 * time.Second})
		time.Sleep(time.Millisecond)
		f.mu.Lock()
		f.during = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		f.mu.Unlock()
		time.Sleep(4 * time.Second)
		synctest.Wait()
		checks(t, l, of(t, sid(1)), auth.ErrRevocationUnknown)
		if asked := f.asked(); len(asked) != 2 {
			t.Errorf("%d reads at once", len(asked))
		}
		// A slow answer is of when it was asked for, so it is old when it comes.
		f.mu.Lock()
		f.during = func(ctx context.Context) error { time.Sleep(1900 * time.Millisecond); return nil }
		f.mu.Unlock()
		time.Sleep(time.Minute)
		for range 100 {
			time.Sleep(97 * time.Millisecond)
			checks(t, l, of(t, sid(1)), nil)
		}
		f.mu.Lock()
		f.during = func(ctx context.Context) error { time.Sleep(4 * time.Second); return nil }
		f.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		checks(t, l, of(t, sid(1)), auth.ErrRevocationUnknown)
	})
}

// After a failure another server may answer, to which an old cursor says nothing.
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
		if got, want := strings.Join(f.asked(), "|"), "|5|5|5||7"; got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
	})
}

// A read that had begun before the call says nothing of what came between.
func TestSync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l := follow(t, f, revocation.Config{Bound: time.Minute})
		synctest.Wait()
		f.mu.Lock()
		f.during = func(context.Context) error { time.Sleep(time.Second); return nil }
		f.mu.Unlock()
		go func() { _ = l.Sync(t.Context()) }()
		time.Sleep(time.Millisecond) // that read has its entries
		f.record(auth.Revocation{SessionID: sid(1), Expiry: time.Now().Add(time.Hour)})
		if err := l.Sync(t.Context()); err != nil {
			t.Error(err)
		}
		checks(t, l, of(t, sid(1)), auth.ErrRevokedToken)

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
		checks(t, l, of(t, sid(1)), nil)
		f.record(auth.Revocation{SessionID: sid(1), Expiry: time.Now().Add(time.Hour)})
		checks(t, l, of(t, sid(1)), auth.ErrRevokedToken)

		f.mu.Lock()
		f.during = func(context.Context) error { time.Sleep(time.Second); return nil }
		f.mu.Unlock()
		f.asked()
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { checks(t, l, of(t, sid(2)), nil) })
		}
		all.Wait()
		if asked := f.asked(); len(asked) > 3 {
			t.Errorf("1,000 checks at once took %d reads", len(asked))
		}

		f.fail(errors.New("down"))
		checks(t, l, of(t, sid(2)), auth.ErrRevocationUnknown)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Check(ctx, of(t, sid(2))); !errors.Is(err, context.Canceled) || errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("Check returned %v", err)
		}
	})
}

// The tokens of a user that belong to no session end by the second of their issue,
// the second of the revocation included.
func TestUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := new(feed)
		l := follow(t, f, revocation.Config{})
		at := time.Now().Add(700 * time.Millisecond)
		f.record(
			auth.Revocation{UserID: "ada", IssuedAt: at, Expiry: at.Add(time.Hour)},
			auth.Revocation{UserID: "ada", IssuedAt: at.Add(-time.Hour), Expiry: at.Add(time.Minute)}, // an older one changes nothing
		)
		time.Sleep(5 * time.Second)
		for _, tt := range []struct {
			claims auth.Claims
			want   error
		}{
			{auth.Claims{Subject: "ada", IssuedAt: at.Add(-time.Hour)}, auth.ErrRevokedToken},
			{auth.Claims{Subject: "ada", IssuedAt: at}, auth.ErrRevokedToken},
			{auth.Claims{Subject: "ada", IssuedAt: at.Add(299 * time.Millisecond)}, auth.ErrRevokedToken},
			{auth.Claims{Subject: "ada", IssuedAt: at.Add(300 * time.Millisecond)}, nil},
			{auth.Claims{Subject: "ada"}, auth.ErrRevokedToken},
			{auth.Claims{Subject: "Ada", IssuedAt: at}, nil},
			{auth.Claims{Subject: "bob", IssuedAt: at}, nil},
			{auth.Claims{Subject: "ada", SessionID: sid(1), IssuedAt: at}, nil}, // its session speaks for it
			{auth.Claims{Subject: "bob", SessionID: "ada", IssuedAt: at}, nil},
		} {
			checks(t, l, principal(t, tt.claims), tt.want)
		}
	})
}

// No two IDs are taken for one, whatever their form.
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
				checks(t, l, of(t, id), want)
			}
		}
	})
}

// Many readers beside a writer, for the race detector, while the table grows.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	f := new(feed)
	l := follow(t, f, revocation.Config{Bound: 5 * time.Minute})
	const n = 3000
	principals := make([]*auth.Principal, n)
	for i := range principals {
		principals[i] = of(t, sid(i))
	}
	expiry := time.Now().Add(time.Hour)
	var readers sync.WaitGroup
	revoked := func(i int) bool { return errors.Is(l.Check(t.Context(), principals[i]), auth.ErrRevokedToken) }
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for seen := 0; ; {
				for seen < n && revoked(seen) {
					seen++ // once revoked, always revoked
				}
				for i := range seen {
					if !revoked(i) {
						t.Errorf("%d is not revoked any more", i)
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
