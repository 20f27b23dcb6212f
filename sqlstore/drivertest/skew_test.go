package drivertest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// TestSkew refreshes a session at replicas whose clocks are half an hour ahead and behind, and at one
// whose clock is right. The window of ten minutes, in which a used token gets the same answer again, is
// measured by the database's clock, and is therefore open.
func TestSkew(t *testing.T) {
	for _, tt := range targets {
		t.Run(tt.name, func(t *testing.T) {
			tt = tt.shared(t)
			s, _, p := tt.store(t)
			create(t, s, user("1", "alice"))
			keys := newKeys(t)
			right := newReplica(t, s, keys, longWindow)
			first, err := right.LoginUser(bounded(t), "1", "pwd")
			if err != nil {
				t.Fatal(err)
			}
			used, newest := first.RefreshToken, refreshed(t, right, first.RefreshToken)
			for _, skew := range []time.Duration{30 * time.Minute, -30 * time.Minute} {
				now := time.Now().Add(skew)
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(time.Until(now)) // the clock of a bubble begins in the year 2000
					skewed := newReplica(t, tt.reopen(t, p), keys, longWindow)
					if got := refreshed(t, skewed, used); got != newest {
						t.Errorf("clock off by %v: a token that was used a moment ago gets another answer", skew)
					}
					used, newest = newest, refreshed(t, skewed, newest)
				})
				if got := refreshed(t, right, used); got != newest {
					t.Errorf("after a replica whose clock is off by %v: a token that was used a moment ago gets another answer", skew)
				}
				used, newest = newest, refreshed(t, right, newest)
			}
			if list, err := right.Sessions(bounded(t), "1"); err != nil || len(list) != 1 {
				t.Errorf("the user has %d sessions, %v, want 1", len(list), err)
			}
		})
	}
}

// serverKeys are the keys that the replicas of one program share.
type serverKeys struct {
	access  *jwt.KeyRing  // signs access tokens
	refresh *secrets.Ring // authenticates refresh tokens
}

func newKeys(t testing.TB) serverKeys {
	t.Helper()
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		t.Fatal(err)
	}
	access, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	refresh, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	return serverKeys{access, refresh}
}

// longWindow is the longest window of used refresh tokens, so that no test exceeds it by accident.
// shortWindow is the shortest, for tests in which a thief comes later.
const (
	longWindow  = 10 * time.Minute
	shortWindow = time.Millisecond
)

// newReplica returns an Authenticator on a store.
func newReplica(t testing.TB, s *sqlstore.Store, keys serverKeys, window time.Duration) *auth.Authenticator {
	t.Helper()
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys.access})
	if err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(s, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys.refresh, RefreshWindow: window, SessionsPerUser: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func refreshed(t testing.TB, a *auth.Authenticator, token string) string {
	t.Helper()
	got, err := a.Refresh(bounded(t), token)
	if err != nil {
		t.Fatal(err)
	}
	return got.RefreshToken
}
