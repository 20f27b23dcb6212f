package stream_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/stream"
)

// records is a store whose clock is off, and that can be down or hang.
type records struct {
	*memstore.Store
	skew  time.Duration
	down  atomic.Bool
	hangs atomic.Bool
}

func (r *records) by(ctx context.Context) context.Context {
	return clock.With(ctx, func() time.Time { return time.Now().Add(r.skew) })
}

func (r *records) fails(ctx context.Context) error {
	if r.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if r.down.Load() {
		return errors.New("down")
	}
	return nil
}

func (r *records) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	if err := r.fails(ctx); err != nil {
		return auth.Record{}, time.Time{}, err
	}
	return r.Store.Record(r.by(ctx), key)
}

func (r *records) ReplaceRecord(ctx context.Context, old int64, record auth.Record) error {
	if err := r.fails(ctx); err != nil {
		return err
	}
	return r.Store.ReplaceRecord(r.by(ctx), old, record)
}

func (r *records) DeleteRecord(ctx context.Context, key string, version int64) error {
	if err := r.fails(ctx); err != nil {
		return err
	}
	return r.Store.DeleteRecord(r.by(ctx), key, version)
}

// A renewal at one replica lets the streams of the login go on at both, until the new token expires,
// whatever the clock of the store says.
func TestRenew(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, 3 * time.Hour, -3 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			store := &records{Store: memstore.New(), skew: skew}
			cfg := stream.Config{Leeway: jwt.NoLeeway, Records: store}
			here, there := newStreams(t, accept, cfg), newStreams(t, accept, cfg)
			alone := newStreams(t, accept, stream.Config{Leeway: jwt.NoLeeway})
			start := time.Now()
			login := func(c auth.Claims, life time.Duration) *auth.Principal {
				c.IssuedAt, c.Expiry, c.TokenID, c.AuthTime = start, start.Add(life), life.String(), start.Add(-life)
				return caller(t, c)
			}
			ada := auth.Claims{Subject: "ada", SessionID: "a", Scopes: []string{"x", "y"}, Roles: []string{"r"}, Custom: map[string]any{"org": 1}}
			old := login(ada, time.Minute)
			local, remote, single := begin(t, here, old, stream.Cut()), begin(t, there, old, stream.Cut()), begin(t, alone, old, stream.Cut())
			if err := here.Renew(t.Context(), login(ada, time.Hour)); err != nil {
				t.Fatal(err)
			}
			if err := here.Renew(t.Context(), login(ada, 30*time.Minute)); err != nil { // an older token changes nothing
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			goesOn(t, "renewed here", local)
			goesOn(t, "renewed at another replica", remote)
			endsBy(t, "without Records, renewed at another replica", single, auth.ErrExpiredToken)
			time.Sleep(59*time.Minute - time.Nanosecond)
			goesOn(t, "before the new token has expired", local)
			goesOn(t, "before the new token has expired, at another replica", remote)
			time.Sleep(time.Nanosecond)
			endsBy(t, "the new token has expired", local, auth.ErrExpiredToken)
			endsBy(t, "the new token has expired, at another replica", remote, auth.ErrExpiredToken)
		})
	}
}

// A token of another session or user, or one that says something else, renews nothing.
func TestRenewByOthers(t *testing.T) {
	t.Parallel()
	own := auth.Claims{
		Subject: "ada", SessionID: "a", Issuer: "i", Scopes: []string{"x", "y"}, Roles: []string{"r", "q"},
		AMR: []string{"pwd"}, Custom: map[string]any{"org": "acme"},
	}
	for name, change := range map[string]func(*auth.Claims){
		"another user":                  func(c *auth.Claims) { c.Subject = "eve" },
		"another session":               func(c *auth.Claims) { c.SessionID = "b" },
		"another user and session":      func(c *auth.Claims) { c.Subject, c.SessionID = "eve", "e" },
		"another issuer":                func(c *auth.Claims) { c.Issuer = "j" },
		"a scope less":                  func(c *auth.Claims) { c.Scopes = []string{"x"} },
		"a scope more":                  func(c *auth.Claims) { c.Scopes = []string{"x", "y", "z"} },
		"a role less":                   func(c *auth.Claims) { c.Roles = []string{"r"} },
		"another kind":                  func(c *auth.Claims) { c.Kind = auth.KindAgent },
		"an actor":                      func(c *auth.Claims) { c.Actors = []string{"agent"} },
		"another client":                func(c *auth.Claims) { c.ClientID = "other" },
		"another organisation":          func(c *auth.Claims) { c.Custom = map[string]any{"org": "evil"} },
		"other methods":                 func(c *auth.Claims) { c.AMR = nil },
		"the same in another order":     func(c *auth.Claims) { c.Scopes, c.Roles = []string{"y", "x"}, []string{"q", "r"} },
		"the same, and another TokenID": func(c *auth.Claims) { c.TokenID = "2" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				same := name[:8] == "the same"
				cfg := stream.Config{Leeway: jwt.NoLeeway, Records: memstore.New()}
				here, there := newStreams(t, accept, cfg), newStreams(t, accept, cfg)
				c := own
				c.Expiry = time.Now().Add(time.Minute)
				streams := []context.Context{begin(t, here, caller(t, c), stream.Cut()), begin(t, there, caller(t, c), stream.Cut())}
				c.Expiry = time.Now().Add(time.Hour)
				change(&c)
				if err := here.Renew(t.Context(), authtest.Principal(t, c)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				for _, ctx := range streams {
					if same {
						goesOn(t, name, ctx)
					} else {
						endsBy(t, name, ctx, auth.ErrExpiredToken)
					}
				}
			})
		})
	}
}

// A renewal in the time of grace lets a stream go on, and its handler learns of the next expiry. A
// revocation ends it all the same, and a revoked session renews nothing.
func TestRenewInGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, store := newRevocable(), memstore.New()
		cfg := stream.Config{Leeway: jwt.NoLeeway, Records: store, Changed: r.Changed}
		here, there := newStreams(t, r.Check, cfg), newStreams(t, r.Check, cfg)
		token := func(life time.Duration) *auth.Principal { return caller(t, auth.Claims{Expiry: time.Now().Add(life)}) }
		streams := []context.Context{begin(t, here, token(time.Minute), stream.Grace(10*time.Second)), begin(t, there, token(time.Minute), stream.Grace(10*time.Second))}
		expired := []<-chan struct{}{stream.Expired(streams[0]), stream.Expired(streams[1])}
		time.Sleep(65 * time.Second)
		if err := here.Renew(t.Context(), token(time.Minute)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		for i, ctx := range streams {
			goesOn(t, "renewed in the time of grace", ctx)
			if !isClosed(expired[i]) || isClosed(stream.Expired(ctx)) {
				t.Error("the handler does not learn of the first expiry, or still sees it after the renewal")
			}
		}
		time.Sleep(56 * time.Second)
		for _, ctx := range streams {
			goesOn(t, "in the second time of grace", ctx)
			if !isClosed(stream.Expired(ctx)) {
				t.Error("the handler does not learn of the second expiry")
			}
		}
		renewed := token(time.Hour)
		r.revoke(renewed.SessionID())
		time.Sleep(time.Second / 20) // two checks of all streams are that far apart
		for _, ctx := range streams {
			endsBy(t, "revoked", ctx, auth.ErrRevokedToken)
		}
		if err := here.Renew(t.Context(), renewed); !errors.Is(err, auth.ErrRevokedToken) {
			t.Errorf("a revoked session: Renew returns %v", err)
		}
	})
}

// Without the store, a stream that may have been renewed elsewhere ends: at once, or after 2 seconds
// without an answer.
func TestRenewStoreDown(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := &records{Store: memstore.New()}
			s := newStreams(t, accept, stream.Config{Leeway: jwt.NoLeeway, Records: store})
			token := caller(t, auth.Claims{Expiry: time.Now().Add(time.Minute)})
			ctx := begin(t, s, token, stream.Cut())
			time.Sleep(30 * time.Second)
			store.down.Store(true)
			if err := s.Renew(t.Context(), token); auth.HTTPStatus(err) != 500 {
				t.Errorf("the store is down: Renew returns %v", err)
			}
			store.hangs.Store(hangs)
			time.Sleep(30 * time.Second)
			if hangs {
				goesOn(t, "while the store does not answer", ctx)
				time.Sleep(2 * time.Second)
			}
			endsBy(t, "the store is down", ctx, auth.ErrExpiredToken)
		})
	}
}

// The endpoint answers 204 to a POST of a caller with a session.
func TestRenewHandler(t *testing.T) {
	t.Parallel()
	s := newStreams(t, accept, stream.Config{})
	withSession := caller(t, auth.Claims{})
	for name, row := range map[string]struct {
		method string
		caller *auth.Principal
		status int
	}{
		"a caller":       {"POST", withSession, 204},
		"another method": {"GET", withSession, 405},
		"no caller":      {"POST", nil, 401},
		"no session":     {"POST", authtest.Principal(t, auth.Claims{Subject: "ada", Expiry: time.Now().Add(time.Hour)}), 400},
		"no expiry":      {"POST", authtest.Principal(t, auth.Claims{Subject: "ada", SessionID: "a"}), 400},
	} {
		r, w := httptest.NewRequest(row.method, "/", http.NoBody), httptest.NewRecorder()
		if row.caller != nil {
			r = r.WithContext(auth.NewContext(r.Context(), row.caller))
		}
		s.RenewHandler().ServeHTTP(w, r)
		if w.Code != row.status {
			t.Errorf("%s: %d, want %d", name, w.Code, row.status)
		}
	}
}
