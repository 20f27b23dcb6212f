package auth_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/passwords"
)

// counted is a Hasher that counts how many calls of Verify run at once.
type counted struct {
	auth.Hasher
	now, most, calls atomic.Int32
}

func (c *counted) Verify(ctx context.Context, encoded, password string) error {
	c.calls.Add(1)
	now := c.now.Add(1)
	defer c.now.Add(-1)
	time.Sleep(time.Millisecond) // in a bubble: until all who may be at it are
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	return c.Hasher.Verify(ctx, encoded, password)
}

// Sixty-four who log in at once, half of them under names that do not exist, never
// take the 19 MiB of Argon2id more than twice at a time.
func TestArgon2idFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testArgon2idFlood)
}

func testArgon2idFlood(t *testing.T) {
	c := &counted{Hasher: passwords.Argon2id{}}
	a := newAuthenticator(t, nil, auth.Config{Hasher: passwords.Limit(c, 2)})
	if _, err := a.Register(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	const logins = 64
	c.calls.Store(0)
	var all sync.WaitGroup
	for i := range logins {
		all.Go(func() {
			if _, err := a.Login(t.Context(), []string{"ada", "nobody"}[i%2], "wrong password"); err != auth.ErrInvalidCredentials {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if calls, most := c.calls.Load(), c.most.Load(); calls != logins || most != 2 {
		t.Errorf("%d hashes were computed, %d at once, want %d and 2", calls, most, logins)
	}
}
