// Package memstore keeps users, sessions and records in the memory of the program, for tests and first
// steps.
package memstore

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/clock"
)

// Store is an [auth.UserStore], an [auth.AccountStore], an [auth.SessionStore], an [auth.RecordStore]
// an Addresses of package recovery and a Store of package roles. It is lost when the program ends, other processes do not see it, and it grows
// with each registration, without bound. Package sqlstore keeps accounts in a database. It is safe for
// concurrent use.
type Store struct {
	mu    sync.RWMutex
	users map[string]func() auth.User // users by ID, in functions, because package fmt does not look into those
	ids   map[string]string           // IDs by username

	sessions sessionTable
	roles    roleTable
	records  map[string]func() auth.Record // records by key
	owned    map[string]map[string]bool    // keys by owner

	addresses map[string]address // addresses by user
	residents map[string]string  // IDs of users by address
}

// New returns an empty store.
func New() *Store {
	return &Store{
		users: make(map[string]func() auth.User), ids: make(map[string]string),
		records: make(map[string]func() auth.Record), owned: make(map[string]map[string]bool),
		addresses: make(map[string]address), residents: make(map[string]string),
	}
}

// CreateUser implements [auth.UserStore].
func (s *Store) CreateUser(ctx context.Context, u auth.User) (string, error) {
	if err := s.usable(ctx); err != nil {
		return "", err
	}
	u.CreatedAt = clock.Microseconds(u.CreatedAt)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.users[u.ID]; taken {
		return "", auth.ErrUserExists
	}
	if _, taken := s.ids[u.Username]; taken {
		return "", auth.ErrUserExists
	}
	s.users[u.ID] = func() auth.User { return u }
	s.ids[u.Username] = u.ID
	return u.ID, nil
}

// UserByID implements [auth.UserStore].
func (s *Store) UserByID(ctx context.Context, id string) (auth.User, error) {
	if err := s.usable(ctx); err != nil {
		return auth.User{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	u, found := s.users[id]
	if !found {
		return auth.User{}, auth.ErrUserNotFound
	}
	return u(), nil
}

// UserByUsername implements [auth.UserStore].
func (s *Store) UserByUsername(ctx context.Context, username string) (auth.User, error) {
	if err := s.usable(ctx); err != nil {
		return auth.User{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, found := s.ids[username]
	if !found {
		return auth.User{}, auth.ErrUserNotFound
	}
	return s.users[id](), nil
}

// ReplacePasswordHash implements [auth.UserStore].
func (s *Store) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	return s.change(ctx, id, func(u *auth.User) error {
		if u.PasswordHash != old {
			return auth.ErrConflict
		}
		u.PasswordHash = replacement
		return nil
	})
}

// SetDisabled implements [auth.AccountStore].
func (s *Store) SetDisabled(ctx context.Context, id string, disabled bool) error {
	return s.change(ctx, id, func(u *auth.User) error {
		u.Disabled = disabled
		return nil
	})
}

// change stores a user as f changes it. It returns the error of f, and stores nothing then.
func (s *Store) change(ctx context.Context, id string, f func(*auth.User) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, found := s.users[id]
	if !found {
		return auth.ErrUserNotFound
	}
	u := stored()
	if err := f(&u); err != nil {
		return err
	}
	s.users[id] = func() auth.User { return u }
	return nil
}

// DeleteUser implements [auth.AccountStore].
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, found := s.users[id]
	if !found {
		return auth.ErrUserNotFound
	}
	delete(s.ids, stored().Username)
	s.putAddress(id, address{})
	s.roles.forget(id)
	delete(s.users, id)
	return nil
}

// Prune removes all records that have expired. Nothing has to call it: each write removes a few.
func (s *Store) Prune(ctx context.Context) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepRecords(clock.In(ctx), len(s.records))
	return nil
}

// Check returns an error only if ctx has ended: there are no tables that could be wrong.
func (s *Store) Check(ctx context.Context) error { return s.usable(ctx) }

// usable returns an error if ctx has ended.
func (s *Store) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("auth: memory store: %w", err)
	}
	return nil
}
