package recovery_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// slowStores take a second for each call, and count the calls that were cancelled meanwhile.
type slowStores struct {
	auth.RecordStore
	recovery.Addresses

	mu               sync.Mutex
	calls, cancelled int
}

func (s *slowStores) wait(ctx context.Context) {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		s.mu.Lock()
		s.cancelled++
		s.mu.Unlock()
	}
}

func (s *slowStores) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	s.wait(ctx)
	return s.RecordStore.Record(ctx, key)
}

func (s *slowStores) UserByAddress(ctx context.Context, address string) (string, error) {
	s.wait(ctx)
	return s.Addresses.UserByAddress(ctx, address)
}

func (s *slowStores) Address(ctx context.Context, userID string) (string, bool, error) {
	s.wait(ctx)
	return s.Addresses.Address(ctx, userID)
}

// A client that hangs up cancels no call of a store that has begun, and nothing else begins after it.
func TestHungUpClientsCancelNoStoreCall(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		slow := &slowStores{RecordStore: f.store, Addresses: f.addresses}
		r, err := recovery.New(f.accounts, slow, slow, f.outbox, recovery.Config{BaseURL: "https://app.example.com/account"})
		if err != nil {
			t.Fatal(err)
		}
		token := strings.Repeat("A", 64)
		for name, call := range map[string]func(context.Context) error{
			"Reset":       func(ctx context.Context) error { return r.Reset(ctx, token, password) },
			"LoginByLink": func(ctx context.Context) error { _, err := r.LoginByLink(ctx, token); return err },
		} {
			slow.calls, slow.cancelled = 0, 0
			ctx, hangUp := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- call(ctx) }()
			time.Sleep(time.Second / 2)
			synctest.Wait()
			hangUp()
			err := <-ended
			if slow.calls != 1 || slow.cancelled != 0 {
				t.Errorf("%s: %v, with %d calls of which %d were cancelled, want 1 and none", name, err, slow.calls, slow.cancelled)
			}
			if err := call(ctx); !errors.Is(err, context.Canceled) || slow.calls != 1 {
				t.Errorf("%s with an ended context: %v, and %d calls, want context.Canceled and no further call", name, err, slow.calls)
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
