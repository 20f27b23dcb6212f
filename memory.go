package auth

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// MemoryStore is a [UserStore], an [AccountStore], a [SessionStore] and a
// [RecordStore] in the program's memory, for tests and first steps. It forgets every account when the program ends, other
// processes do not see it, and it grows with each registration, without bound:
// package sqlstore keeps accounts in a database.
type MemoryStore struct {
	mu    sync.RWMutex
	users map[string]func() User // by ID; package fmt looks into no function for the hash
	ids   map[string]string      // by username

	sessions memorySessions
	records  map[string]func() Record // by key; nil: none yet
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{users: make(map[string]func() User), ids: make(map[string]string)}
}

// CreateUser implements [UserStore].
func (s *MemoryStore) CreateUser(ctx context.Context, u User) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	// As a database keeps it: no zone, no nanoseconds, no monotonic reading.
	u.CreatedAt = time.UnixMicro(u.CreatedAt.UnixMicro()).UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.users[u.ID]; taken {
		return ErrUserExists
	}
	if _, taken := s.ids[u.Username]; taken {
		return ErrUserExists
	}
	s.users[u.ID] = func() User { return u }
	s.ids[u.Username] = u.ID
	return nil
}

// UserByID implements [UserStore].
func (s *MemoryStore) UserByID(ctx context.Context, id string) (User, error) {
	if err := s.usable(ctx); err != nil {
		return User{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	u, found := s.users[id]
	if !found {
		return User{}, ErrUserNotFound
	}
	return u(), nil
}

// UserByUsername implements [UserStore].
func (s *MemoryStore) UserByUsername(ctx context.Context, username string) (User, error) {
	if err := s.usable(ctx); err != nil {
		return User{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, found := s.ids[username]
	if !found {
		return User{}, ErrUserNotFound
	}
	return s.users[id](), nil
}

// ReplacePasswordHash implements [UserStore].
func (s *MemoryStore) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, found := s.users[id]
	if !found {
		return ErrUserNotFound
	}
	u := stored()
	if u.PasswordHash != old {
		return ErrConflict
	}
	u.PasswordHash = replacement
	s.users[id] = func() User { return u }
	return nil
}

// SetDisabled implements [AccountStore].
func (s *MemoryStore) SetDisabled(ctx context.Context, id string, disabled bool) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, found := s.users[id]
	if !found {
		return ErrUserNotFound
	}
	u := stored()
	u.Disabled = disabled
	s.users[id] = func() User { return u }
	return nil
}

// DeleteUser implements [AccountStore].
func (s *MemoryStore) DeleteUser(ctx context.Context, id string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, found := s.users[id]
	if !found {
		return ErrUserNotFound
	}
	delete(s.ids, stored().Username)
	delete(s.users, id)
	return nil
}

// usable returns why the store cannot serve this call, or nil.
func (s *MemoryStore) usable(ctx context.Context) error {
	if s.users == nil {
		return errUnusable
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("auth: memory store: %w", err)
	}
	return nil
}
