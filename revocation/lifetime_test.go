package revocation_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
)

// margin is how much longer a store keeps a revocation than the longest token may live: for the leeway
// of verifiers and for clocks that differ.
const margin = 10*time.Minute + clock.Slack

// newAccounts returns accounts in store whose tokens come from issuer.
func newAccounts(t *testing.T, store *memstore.Store, issuer auth.TokenIssuer) *auth.Authenticator {
	t.Helper()
	refreshKeys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.New(store, issuer, auth.Config{
		Hasher: authtest.FastHasher(t), Accounts: store, Sessions: store, RefreshKeys: refreshKeys,
	})
	if err != nil {
		t.Fatal(err)
	}
	return accounts
}

// disabled registers a user and disables the account. It returns two access tokens from before that:
// one of a login, which belongs to a session, and one that belongs to none.
func disabled(t *testing.T, accounts *auth.Authenticator, issuer auth.TokenIssuer) (withSession, withoutSession string) {
	t.Helper()
	const password = "correct horse battery"
	u, err := accounts.Register(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := accounts.Login(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	withoutSession = testkit.Issue(t, issuer, auth.Claims{Subject: u.ID})
	if err := accounts.Disable(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	return tokens.AccessToken, withoutSession
}

// newReplica returns the list of a replica that starts now and has read the store once.
func newReplica(t *testing.T, store *memstore.Store) *revocation.List {
	t.Helper()
	l := follow(t, store, revocation.Config{Bound: 5 * time.Minute})
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// recorded returns how many revocations the store still keeps for a replica that starts now.
func recorded(t *testing.T, store *memstore.Store) (n int) {
	t.Helper()
	if _, err := store.RevokedSince(t.Context(), "", func(auth.Revocation) { n++ }); err != nil {
		t.Fatal(err)
	}
	return n
}

// hostIssuer is a host's own TokenIssuer. Its tokens are random text, and what they say is in a table
// that all replicas share.
type hostIssuer struct {
	lifetime time.Duration
	check    func(context.Context, *auth.Principal) error // nil: no token is revoked
	table    *tokenTable
}

type tokenTable struct {
	mu         sync.Mutex
	principals map[string]*auth.Principal // the key is the token
}

func (h *hostIssuer) MaxLifetime() time.Duration { return h.lifetime }

func (h *hostIssuer) Issue(_ context.Context, c auth.Claims) (string, error) {
	c.IssuedAt, c.Expiry = time.Now(), time.Now().Add(h.lifetime)
	p, err := jwt.NewPrincipal(c)
	if err != nil {
		return "", err
	}
	token := rand.Text()
	h.table.mu.Lock()
	defer h.table.mu.Unlock()
	h.table.principals[token] = p
	return token, nil
}

func (h *hostIssuer) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	h.table.mu.Lock()
	p := h.table.principals[token]
	h.table.mu.Unlock()
	switch {
	case p == nil:
		return nil, auth.ErrInvalidToken
	case !time.Now().Before(p.Expiry()):
		return nil, auth.ErrExpiredToken
	case h.check != nil:
		if err := h.check(ctx, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// TestRevocationOutlivesTokensOfHost: a revocation is kept for as long as the longest token of this
// issuer may live, also where that is longer than any token of a jwt.Issuer.
func TestRevocationOutlivesTokensOfHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const lifetime = 48 * time.Hour
		store := memstore.New()
		issuer := &hostIssuer{lifetime: lifetime, table: &tokenTable{principals: make(map[string]*auth.Principal)}}
		withSession, withoutSession := disabled(t, newAccounts(t, store, issuer), issuer)
		end := time.Now().Add(lifetime)

		for _, age := range []time.Duration{0, 24*time.Hour + 30*time.Minute, lifetime - time.Second} {
			time.Sleep(time.Until(end.Add(age - lifetime)))
			replica := *issuer
			replica.check = newReplica(t, store).Check
			for name, token := range map[string]string{"of a session": withSession, "without a session": withoutSession} {
				if _, err := issuer.Verify(t.Context(), token); err != nil {
					t.Fatalf("the token %s is no longer valid after %v, so this test shows nothing: %v", name, age, err)
				}
				if _, err := replica.Verify(t.Context(), token); !errors.Is(err, auth.ErrRevokedToken) {
					t.Errorf("a replica that starts %v after Disable answers %v for the token %s, want ErrRevokedToken", age, err, name)
				}
			}
		}

		time.Sleep(time.Until(end.Add(margin + time.Second)))
		if n := recorded(t, store); n != 0 {
			t.Errorf("%d revocations are still kept when all tokens have expired and the margin is over", n)
		}
	})
}

// TestRevocationOfIssuerIsForgotten: with a jwt.Issuer a revocation is kept for 24 hours, which is the
// longest that a host may choose for its tokens, and for the margin.
func TestRevocationOfIssuerIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		issuer := testkit.NewIssuer(t, jwt.IssuerConfig{Lifetime: 24 * time.Hour})
		withSession, withoutSession := disabled(t, newAccounts(t, store, issuer), issuer)
		end := time.Now().Add(24 * time.Hour)

		time.Sleep(time.Until(end.Add(-time.Second)))
		late := newReplica(t, store)
		for _, token := range []string{withSession, withoutSession} {
			checks(t, late, testkit.Verify(t, issuer, token), auth.ErrRevokedToken)
		}
		time.Sleep(time.Until(end.Add(margin - time.Second)))
		if n := recorded(t, store); n != 2 {
			t.Errorf("%d revocations are kept before the margin is over, want 2: of the session and of the user", n)
		}
		time.Sleep(2 * time.Second)
		if n := recorded(t, store); n != 0 {
			t.Errorf("%d revocations are kept after 24 hours and the margin, want 0", n)
		}
	})
}
