package drivertest

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
)

// TestSessionsOfUser lists the sessions of a user and ends them in every way there
// is, at one replica. At the other the access tokens of those, and no others, end.
func TestSessionsOfUser(t *testing.T) {
	each(t, slices.Concat(targets, variants[:2]), func(t *testing.T, tt target) {
		source := tt.source(t) // the same for both
		tt.source = func(testing.TB) string { return source }
		s, _, p := tt.store(t)
		keys := newKeys(t)
		here := newService(t, s, keys, revocation.Config{Bound: 5 * time.Minute}, nil, nil)
		there := newService(t, tt.again(t, p), keys, revocation.Config{Bound: 5 * time.Minute}, nil, nil)
		alice, err := here.auth.Register(bounded(t), "alice", password)
		if err != nil {
			t.Fatal(err)
		}
		bob, err := here.auth.Register(bounded(t), "bob", password)
		if err != nil {
			t.Fatal(err)
		}
		login := func(username, with, agent, ip string) auth.Tokens {
			t.Helper()
			got, err := here.auth.Login(auth.WithDevice(bounded(t), auth.Device{UserAgent: agent, IP: netip.MustParseAddr(ip)}), username, with)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		// live fails the test unless these are the sessions of alice, and the tokens
		// of dead are good for nothing.
		live := func(after string, list []auth.Tokens, dead ...auth.Tokens) {
			t.Helper()
			if err := there.list.Sync(bounded(t)); err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for _, tokens := range list {
				want = append(want, tokens.Principal.SessionID())
				if code := there.profile(t, tokens.AccessToken); code != http.StatusOK {
					t.Errorf("after %s: a session that goes on is answered %d", after, code)
				}
			}
			for _, tokens := range dead {
				if code := there.profile(t, tokens.AccessToken); code != http.StatusUnauthorized {
					t.Errorf("after %s: a session that ended is answered %d", after, code)
				}
			}
			sessions, err := there.auth.Sessions(bounded(t), alice.ID)
			for _, one := range sessions {
				got = append(got, one.ID)
			}
			slices.Sort(want)
			slices.Sort(got)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("after %s: sessions %q, %v, want %q", after, got, err, want)
			}
			for _, tokens := range dead { // last, for this could end it, too
				if _, err := there.auth.Refresh(bounded(t), tokens.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
					t.Errorf("after %s: Refresh of a session that ended: %v", after, err)
				}
			}
		}
		done := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ctx := bounded(t)
		phone, laptop, tablet := login("alice", password, "phone", "192.0.2.1"), login("alice", password, "laptop", "2001:db8::1"), login("alice", password, "tablet", "192.0.2.3")
		other := login("bob", password, "phone", "192.0.2.4")
		live("login", []auth.Tokens{phone, laptop, tablet})
		sessions, err := there.auth.Sessions(ctx, alice.ID)
		done(err)
		for _, one := range sessions {
			if one.ID == laptop.Principal.SessionID() && (one.UserAgent != "laptop" || one.IP != netip.MustParseAddr("2001:db8::1") || one.CreatedAt.IsZero() || one.LastUsedAt.Before(one.CreatedAt)) {
				t.Errorf("the laptop's session is %+v", one)
			}
		}
		if err := here.auth.EndSession(ctx, bob.ID, phone.Principal.SessionID()); !errors.Is(err, auth.ErrSessionNotFound) {
			t.Errorf("another ends it: %v", err)
		}
		done(here.auth.EndSession(ctx, alice.ID, phone.Principal.SessionID()))
		live("EndSession", []auth.Tokens{laptop, tablet}, phone)
		done(here.auth.EndSessions(ctx, alice.ID, laptop.Principal.SessionID()))
		live("EndSessions of the others", []auth.Tokens{laptop}, phone, tablet)
		again, err := here.auth.ChangePassword(ctx, alice.ID, password, "battery staple")
		done(err)
		live("ChangePassword", []auth.Tokens{again}, laptop)
		done(here.auth.EndSessions(ctx, alice.ID, ""))
		live("EndSessions", nil, again)
		last := login("alice", "battery staple", "phone", "192.0.2.1")
		done(here.auth.Disable(ctx, alice.ID))
		live("Disable", nil, last)
		done(here.auth.Enable(ctx, alice.ID))
		last = login("alice", "battery staple", "phone", "192.0.2.1")
		live("Enable", []auth.Tokens{last})
		done(here.auth.Delete(ctx, alice.ID))
		live("Delete", nil, last)
		if code := there.profile(t, other.AccessToken); code != http.StatusOK {
			t.Errorf("another user's session is answered %d", code)
		}
	})
}

// TestKeysRotate has clients refresh at two replicas, whose keys, those of the refresh
// tokens and those that sign, are rotated again and again, each replica at another
// time. None is logged out, and each access token is good at the other replica.
func TestKeysRotate(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		const clients, rotations = 4, 5
		source := tt.source(t) // the same for both
		tt.source = func(testing.TB) string { return source }
		s, _, p := tt.store(t)
		create(t, s, user("1", "alice"))
		type generation struct {
			refresh secrets.Key // authenticates refresh tokens
			access  jwt.Key     // signs access tokens
		}
		generate := func() generation {
			return generation{secrets.Generate(), testkit.Generated(t, jwt.EdDSA)}
		}
		current := generate()
		var rings [2]serverKeys // by replica
		var replicas [2]*auth.Authenticator
		for i := range replicas {
			access := testkit.RingOf(t, current.access)
			refresh, err := secrets.NewRing(current.refresh)
			if err != nil {
				t.Fatal(err)
			}
			rings[i] = serverKeys{access, refresh}
			tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: access})
			if err != nil {
				t.Fatal(err)
			}
			store := tt.again(t, p)
			if replicas[i], err = auth.New(store, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: store, RefreshKeys: refresh}); err != nil {
				t.Fatal(err)
			}
		}
		var done [clients]atomic.Int64
		var stop atomic.Bool
		var wg sync.WaitGroup
		for i := range clients {
			tokens, err := replicas[0].LoginUser(bounded(t), "1", "pwd")
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for n := i; !stop.Load(); n++ {
					got, err := replicas[n%2].Refresh(bounded(t), tokens.RefreshToken)
					if err != nil {
						t.Errorf("an honest client: %v", err)
						stop.Store(true)
						return
					}
					if _, err := replicas[(n+1)%2].Verify(t.Context(), got.AccessToken); err != nil {
						t.Errorf("the other replica: %v", err)
					}
					tokens = got
					done[i].Add(1)
				}
			})
		}
		// step replaces the keys of one replica after the other, and waits until each
		// client has got tokens since.
		step := func(first generation, older ...generation) {
			t.Helper()
			var olderRefresh []secrets.Key
			var olderAccess []jwt.Key
			for _, keys := range older {
				olderRefresh, olderAccess = append(olderRefresh, keys.refresh), append(olderAccess, keys.access)
			}
			for _, ring := range rings {
				if err := ring.refresh.Replace(first.refresh, olderRefresh...); err != nil {
					t.Error(err)
				}
				if err := ring.access.Replace(first.access, olderAccess...); err != nil {
					t.Error(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			for i := range done {
				for begin := done[i].Load(); done[i].Load() < begin+2 && !stop.Load(); {
					time.Sleep(time.Millisecond)
				}
			}
		}
		for range rotations {
			next := generate()
			step(current, next) // every replica accepts the next keys
			step(next, current) // every replica uses them
			step(next)          // the old keys are gone
			current = next
		}
		stop.Store(true)
		wg.Wait()
	})
}
