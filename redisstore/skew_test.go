package redisstore_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// TestSkew has replicas whose clocks are half an hour ahead and behind share a session
// with one whose clock is right: the window of ten minutes in which a used token is
// answered again is measured by the server's clock, and so it is open.
func TestSkew(t *testing.T) {
	client := connect(t, options(t))
	p, users := prefix(t, client), memstore.New()
	keys, err := jwt.NewKeyRing(newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	replica := func(t *testing.T, s auth.SessionStore) *auth.Authenticator {
		t.Helper()
		tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		a, err := auth.New(users, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys, RefreshWindow: 10 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	refreshed := func(t *testing.T, a *auth.Authenticator, token string) string {
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
	newest := refreshed(t, right, used)
	for _, skew := range []time.Duration{30 * time.Minute, -30 * time.Minute} {
		now := time.Now().Add(skew)
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(now)) // the clock in here stands in the year 2000
			skewed := replica(t, newStore(t, connect(t, options(t)), p))
			if got := refreshed(t, skewed, used); got != newest {
				t.Errorf("%v off: a token that was used a moment ago gets another answer", skew)
			}
			used, newest = newest, refreshed(t, skewed, newest)
		})
		if got := refreshed(t, right, used); got != newest {
			t.Errorf("after a replica that is %v off: a token that was used a moment ago gets another answer", skew)
		}
		used, newest = newest, refreshed(t, right, newest)
	}
	if list, err := right.Sessions(bounded(t), user.ID); err != nil || len(list) != 1 {
		t.Errorf("%d sessions, %v, want 1", len(list), err)
	}
}
