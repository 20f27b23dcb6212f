package redisstore_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// TestSkew has replicas whose clocks are two minutes ahead and behind, and a replica whose clock is
// right, share a session. The window in which a used token is answered again is measured by the
// server's clock, so it is open.
func TestSkew(t *testing.T) {
	client := connect(t, options(t))
	p, users, keys := prefix(t, client), memstore.New(), newSecrets(t)
	replica := func(t *testing.T, s auth.SessionStore) *auth.Authenticator {
		t.Helper()
		tokens := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: keys.signing})
		a, err := auth.New(users, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys.refresh})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	refresh := func(t *testing.T, a *auth.Authenticator, token string) string {
		t.Helper()
		got, err := a.Refresh(bounded(t), token)
		if err != nil {
			t.Fatal(err)
		}
		return got.RefreshToken
	}
	right := replica(t, newStore(t, client, p))
	user, err := right.Register(bounded(t), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	used := login(t, right).RefreshToken
	newest := refresh(t, right, used)
	for _, skew := range []time.Duration{2 * time.Minute, -2 * time.Minute} {
		now := time.Now().Add(skew)
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(now)) // the clock of a bubble begins in the year 2000
			skewed := replica(t, newStore(t, connect(t, options(t)), p))
			if got := refresh(t, skewed, used); got != newest {
				t.Errorf("clock off by %v: a token that was just used gets another answer", skew)
			}
			used, newest = newest, refresh(t, skewed, newest)
		})
		if got := refresh(t, right, used); got != newest {
			t.Errorf("after a replica whose clock is off by %v: a token that was just used gets another answer", skew)
		}
		used, newest = newest, refresh(t, right, newest)
	}
	if list, err := right.Sessions(bounded(t), user.ID); err != nil || len(list) != 1 {
		t.Errorf("%d sessions, %v, want 1", len(list), err)
	}
}
