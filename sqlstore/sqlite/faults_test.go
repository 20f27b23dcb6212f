package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// storeFailure returns an error unless err is a failure of the store: an error that does not match any
// error that the contracts name.
func storeFailure(call string, err error) error {
	if err == nil {
		return fmt.Errorf("%s returned nil", call)
	}
	for _, named := range []error{auth.ErrUserExists, auth.ErrUserNotFound, auth.ErrConflict, auth.ErrInvalidUsername, auth.ErrInvalidCredentials} {
		if errors.Is(err, named) {
			return fmt.Errorf("%s returned %v, which is %v", call, err, named)
		}
	}
	if !strings.HasPrefix(err.Error(), "auth: sql store: ") {
		return fmt.Errorf("%s returned %q, which does not begin with the name of the package", call, err)
	}
	return nil
}

// intact fails the test unless the file passes SQLite's integrity check.
func intact(t testing.TB, s *sqlite.Store) {
	t.Helper()
	var verdict string
	if err := s.DB().QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %s, %v", verdict, err)
	}
}

// TestClosedInUse closes a store while users register. Every acknowledged user is registered.
func TestClosedInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	s, err := sqlite.Open(t.Context(), path, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var acknowledged []auth.User
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d", w, i)
				err := createUser(t.Context(), s, user(name, name))
				if err != nil {
					if err := storeFailure("CreateUser", err); err != nil {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				if acknowledged = append(acknowledged, user(name, name)); len(acknowledged) == 50 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	select {
	case <-enough:
	case <-ended:
		t.Error("the registrations failed before the store was closed")
	}
	closeStore(t, s)
	wg.Wait()
	if _, err := s.UserByID(t.Context(), "0-0"); storeFailure("UserByID", err) != nil {
		t.Error(storeFailure("UserByID", err))
	}
	again := open(t, path)
	for _, u := range acknowledged {
		hasUser(t, again, u)
	}
	intact(t, again)
}

// TestOpenAtOnce opens a new file in many calls at once.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := sqlite.Open(t.Context(), path, sqlstore.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := createUser(t.Context(), s, user(fmt.Sprint(i), fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
			closeStore(t, s)
		})
	}
	wg.Wait()
	s := open(t, path)
	for i := range 8 {
		hasUser(t, s, user(fmt.Sprint(i), fmt.Sprint(i)))
	}
	intact(t, s)
}

// TestContextEndsInTransaction ends contexts at every moment of a transaction, as clients do that hang
// up. No connection is left with an open transaction.
func TestContextEndsInTransaction(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "auth.db"))
	unknown, expiry := strings.Repeat("a", 22), time.Now().Add(time.Hour)
	shortest := time.Hour // duration of the fastest transaction
	for range 20 {
		begin := time.Now()
		if err := s.DeleteSession(t.Context(), unknown, expiry); !errors.Is(err, auth.ErrSessionNotFound) {
			t.Fatal(err)
		}
		shortest = min(shortest, time.Since(begin))
	}
	ended := 0
	for i := range 600 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(i%200)*shortest/150, cancel)
		if err := s.DeleteSession(ctx, unknown, expiry); errors.Is(err, context.Canceled) {
			ended++
		}
		cancel()
		if err := s.DeleteSession(t.Context(), unknown, expiry); !errors.Is(err, auth.ErrSessionNotFound) {
			t.Fatalf("DeleteSession after %d contexts that ended: %v", ended, err)
		}
	}
	if ended == 0 {
		t.Error("no context ended during a transaction")
	}
}
