package memstore

import (
	"context"

	"github.com/seed-e36e2130/auth"
)

// address is the address of a user. Its zero value stands for none.
type address struct {
	text     string
	verified bool
}

// UserByAddress is the method of an Addresses of package recovery.
func (s *Store) UserByAddress(ctx context.Context, address string) (userID string, err error) {
	if err := s.usable(ctx); err != nil {
		return "", err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, found := s.residents[address]
	if !found {
		return "", auth.ErrUserNotFound
	}
	return id, nil
}

// Address is the method of an Addresses of package recovery.
func (s *Store) Address(ctx context.Context, userID string) (text string, verified bool, err error) {
	if err := s.usable(ctx); err != nil {
		return "", false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, found := s.addresses[userID]
	if !found {
		return "", false, auth.ErrUserNotFound
	}
	return a.text, a.verified, nil
}

// ReplaceAddress is the method of an Addresses of package recovery.
func (s *Store) ReplaceAddress(ctx context.Context, userID, old, replacement string, verified bool) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, found := s.users[userID]; !found {
		return auth.ErrUserNotFound
	}
	if s.addresses[userID].text != old {
		return auth.ErrConflict
	}
	if resident, taken := s.residents[replacement]; taken && resident != userID {
		return auth.ErrUserExists
	}
	s.putAddress(userID, address{replacement, verified})
	return nil
}

// putAddress puts a in the place of the address of a user.
func (s *Store) putAddress(userID string, a address) {
	delete(s.residents, s.addresses[userID].text)
	delete(s.addresses, userID)
	if a.text != "" {
		s.residents[a.text], s.addresses[userID] = userID, a
	}
}
