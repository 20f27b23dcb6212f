package drivertest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
)

// TestAPIKeys has two replicas create, use, roll and end API keys in each store.
func TestAPIKeys(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		stores := tt.replicas(t)
		useAPIKeys(t, stores[0], stores[1])
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		s := memstore.New()
		useAPIKeys(t, s, s)
	})
	t.Run("Redis", func(t *testing.T) {
		t.Parallel()
		users, inRedis := memstore.New(), redisStore(t)
		s := struct {
			auth.UserStore
			auth.AccountStore
			auth.SessionStore
			auth.RecordStore
		}{users, users, inRedis, inRedis}
		useAPIKeys(t, s, s)
	})
}

func useAPIKeys(t *testing.T, stores ...everyStore) {
	const perUser = 5
	ctx, signing := bounded(t), newKeys(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var accounts [2]*auth.Authenticator
	var keys [2]*apikey.Keys
	for i, s := range stores {
		revoked, err := revocation.Follow(s, revocation.Config{Exact: true}) // so that nothing waits for the bound
		must(err)
		t.Cleanup(func() { revoked.Close() })
		tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: signing.access, Check: revoked.Check})
		must(err)
		accounts[i], err = auth.New(s, tokens, auth.Config{
			Hasher: authtest.FastHasher(t), Accounts: s, Records: s, Sessions: s, RefreshKeys: signing.refresh,
			Claims: func(_ context.Context, _ auth.User, c *auth.Claims) error {
				c.Scopes, c.Roles = []string{"read"}, []string{"editor"}
				return nil
			},
		})
		must(err)
		keys[i], err = apikey.New("myapp_live", s, s, apikey.Config{PerUser: perUser, Check: revoked.Check, CacheTime: apikey.NoCache})
		must(err)
	}
	_, err := accounts[0].Register(ctx, "ada", password)
	must(err)
	login, err := accounts[0].Login(ctx, "ada", password)
	must(err)
	ada := login.Principal
	verifies := func(secret apikey.Secret, want error, what string) {
		t.Helper()
		for i, k := range keys {
			if p, err := k.Verify(ctx, string(secret)); !errors.Is(err, want) || err == nil && p.Subject() != ada.Subject() {
				t.Errorf("%s, replica %d: got %v and %v, want %v", what, i, p, err, want)
			}
		}
	}

	key, first, err := keys[0].Create(ctx, ada, apikey.Spec{Name: "a", Scopes: []string{"read"}, Roles: []string{"editor"}})
	must(err)
	verifies(first, nil, "a key")
	_, second, err := keys[1].Roll(ctx, ada, key.ID, time.Hour)
	must(err)
	verifies(first, nil, "the old secret in the overlap")
	verifies(second, nil, "the new secret")
	_, third, err := keys[0].Roll(ctx, ada, key.ID, 0)
	must(err)
	verifies(first, auth.ErrInvalidToken, "the secret before the last")
	verifies(second, auth.ErrInvalidToken, "the old secret without overlap")
	verifies(third, nil, "the last secret")

	var tooMany atomic.Int64
	made := atOnce(func(i int) error {
		_, _, err := keys[i%2].Create(ctx, ada, apikey.Spec{Name: "b"})
		if errors.Is(err, apikey.ErrTooMany) {
			tooMany.Add(1)
		} else if err != nil {
			t.Error(err)
		}
		return err
	})
	list, err := keys[1].List(ctx, ada.Subject())
	must(err)
	if made != perUser-1 || made+int(tooMany.Load()) != guessers || len(list) != perUser {
		t.Errorf("%d keys were created at once and %d refused; the user has %d, want %d", made, tooMany.Load(), len(list), perUser)
	}

	must(accounts[1].EndSessions(ctx, ada.Subject(), ""))
	verifies(third, nil, "a key after the end of sessions")
	must(accounts[1].Disable(ctx, ada.Subject()))
	verifies(third, auth.ErrRevokedToken, "the key of a disabled user")
	must(accounts[1].Enable(ctx, ada.Subject()))
	verifies(third, nil, "the key of a user who is enabled again")
	must(keys[1].Delete(ctx, ada.Subject(), key.ID))
	verifies(third, auth.ErrInvalidToken, "a deleted key")
	deleted := atOnce(func(i int) error { return keys[i%2].Delete(ctx, ada.Subject(), list[4].ID) })
	if deleted != 1 {
		t.Errorf("%d calls deleted one key", deleted)
	}
	_, last, err := keys[0].Create(ctx, ada, apikey.Spec{Name: "c"})
	must(err)
	verifies(last, nil, "another key")
	must(accounts[0].Delete(ctx, ada.Subject()))
	verifies(last, auth.ErrInvalidToken, "the key of a deleted user")
	if list, err := stores[1].Records(ctx, ada.Subject()); err != nil || len(list) != 0 {
		t.Errorf("the user has left %d records, %v", len(list), err)
	}
}
