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

// TestSessionsOfUser lists the sessions of a user, and ends them in every possible way at one replica.
// At the other replica the access tokens of those sessions end, and no others.
func TestSessionsOfUser(t *testing.T) {
	each(t, slices.Concat(targets, variants[:2]), func(t *testing.T, tt target) {
		tt = tt.shared(t)
		s, _, p := tt.store(t)
		keys := newKeys(t)
		here := newService(t, s, keys, revocation.Config{Bound: 5 * time.Minute}, nil, nil)
		there := newService(t, tt.reopen(t, p), keys, revocation.Config{Bound: 5 * time.Minute}, nil, nil)
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
		// expect fails the test unless alice has exactly the sessions of valid, and the tokens of ended
		// are refused.
		expect := func(after string, valid []auth.Tokens, ended ...auth.Tokens) {
			t.Helper()
			if err := there.list.Sync(bounded(t)); err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for _, tokens := range valid {
				want = append(want, tokens.Principal.SessionID())
				if code := there.profile(t, tokens.AccessToken); code != http.StatusOK {
					t.Errorf("after %s: the profile of a valid session answers %d, want 200", after, code)
				}
			}
			for _, tokens := range ended {
				if code := there.profile(t, tokens.AccessToken); code != http.StatusUnauthorized {
					t.Errorf("after %s: the profile of an ended session answers %d, want 401", after, code)
				}
			}
			sessions, err := there.auth.Sessions(bounded(t), alice.ID)
			for _, session := range sessions {
				got = append(got, session.ID)
			}
			slices.Sort(want)
			slices.Sort(got)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("after %s: the user has the sessions %q, %v, want %q", after, got, err, want)
			}
			for _, tokens := range ended { // last, because a refresh could itself end the session
				if _, err := there.auth.Refresh(bounded(t), tokens.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
					t.Errorf("after %s: Refresh of an ended session: %v", after, err)
				}
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		ctx := bounded(t)
		phone, laptop, tablet := login("alice", password, "phone", "192.0.2.1"), login("alice", password, "laptop", "2001:db8::1"), login("alice", password, "tablet", "192.0.2.3")
		other := login("bob", password, "phone", "192.0.2.4")
		expect("login", []auth.Tokens{phone, laptop, tablet})
		sessions, err := there.auth.Sessions(ctx, alice.ID)
		must(err)
		for _, session := range sessions {
			if session.ID != laptop.Principal.SessionID() {
				continue
			}
			if session.UserAgent != "laptop" || session.IP != netip.MustParseAddr("2001:db8::1") ||
				session.CreatedAt.IsZero() || session.LastUsedAt.Before(session.CreatedAt) {
				t.Errorf("the laptop's session is %+v", session)
			}
		}
		if err := here.auth.EndSession(ctx, bob.ID, phone.Principal.SessionID()); !errors.Is(err, auth.ErrSessionNotFound) {
			t.Errorf("EndSession of another user's session: %v", err)
		}
		must(here.auth.EndSession(ctx, alice.ID, phone.Principal.SessionID()))
		expect("EndSession", []auth.Tokens{laptop, tablet}, phone)
		must(here.auth.EndSessions(ctx, alice.ID, laptop.Principal.SessionID()))
		expect("EndSessions of the others", []auth.Tokens{laptop}, phone, tablet)
		again, err := here.auth.ChangePassword(ctx, alice.ID, password, "battery staple")
		must(err)
		expect("ChangePassword", []auth.Tokens{again}, laptop)
		must(here.auth.EndSessions(ctx, alice.ID, ""))
		expect("EndSessions", nil, again)
		last := login("alice", "battery staple", "phone", "192.0.2.1")
		must(here.auth.Disable(ctx, alice.ID))
		expect("Disable", nil, last)
		must(here.auth.Enable(ctx, alice.ID))
		last = login("alice", "battery staple", "phone", "192.0.2.1")
		expect("Enable", []auth.Tokens{last})
		must(here.auth.Delete(ctx, alice.ID))
		expect("Delete", nil, last)
		if code := there.profile(t, other.AccessToken); code != http.StatusOK {
			t.Errorf("the profile of another user answers %d, want 200", code)
		}
	})
}

// TestKeysRotate refreshes at two replicas while the keys of refresh tokens and of access tokens rotate
// again and again, at each replica at another time. No client is logged out, and each access token is
// valid at the other replica.
func TestKeysRotate(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		const clients, rotations = 4, 5
		tt = tt.shared(t)
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
			store := tt.reopen(t, p)
			if replicas[i], err = auth.New(store, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: store, RefreshKeys: refresh}); err != nil {
				t.Fatal(err)
			}
		}
		var refreshes [clients]atomic.Int64
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
						t.Errorf("Refresh of an honest client: %v", err)
						stop.Store(true)
						return
					}
					if _, err := replicas[(n+1)%2].Verify(t.Context(), got.AccessToken); err != nil {
						t.Errorf("Verify at the other replica: %v", err)
					}
					tokens = got
					refreshes[i].Add(1)
				}
			})
		}
		// step replaces the keys of one replica after the other, and waits until each client has
		// refreshed since.
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
			for i := range refreshes {
				for begin := refreshes[i].Load(); refreshes[i].Load() < begin+2 && !stop.Load(); {
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
