package recovery

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed-e36e2130/auth"
)

// MemoryAddresses is an [Addresses] in the program's memory, for tests and first steps. It does not
// know which users exist: an ID without an address is a user without one.
type MemoryAddresses struct {
	mu     sync.RWMutex
	users  map[string]string // IDs by address
	stored map[string]storedAddress
}

type storedAddress struct {
	address  string
	verified bool
}

// NewMemoryAddresses returns an empty MemoryAddresses.
func NewMemoryAddresses() *MemoryAddresses {
	return &MemoryAddresses{users: make(map[string]string), stored: make(map[string]storedAddress)}
}

// UserByAddress implements [Addresses].
func (m *MemoryAddresses) UserByAddress(ctx context.Context, address string) (string, error) {
	if err := ended(ctx); err != nil {
		return "", err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	id, found := m.users[address]
	if !found {
		return "", auth.ErrUserNotFound
	}
	return id, nil
}

// Address implements [Addresses].
func (m *MemoryAddresses) Address(ctx context.Context, userID string) (string, bool, error) {
	if err := ended(ctx); err != nil {
		return "", false, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	s, found := m.stored[userID]
	if !found {
		return "", false, auth.ErrUserNotFound
	}
	return s.address, s.verified, nil
}

// ReplaceAddress implements [Addresses].
func (m *MemoryAddresses) ReplaceAddress(ctx context.Context, userID, old, replacement string, verified bool) error {
	if err := ended(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stored[userID].address != old {
		return auth.ErrConflict
	}
	if owner, taken := m.users[replacement]; taken && owner != userID {
		return auth.ErrUserExists
	}
	delete(m.users, old)
	delete(m.stored, userID)
	if replacement != "" {
		m.users[replacement] = userID
		m.stored[userID] = storedAddress{replacement, verified}
	}
	return nil
}

// ended returns an error if ctx has ended.
func ended(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("recovery: memory addresses: %w", err)
	}
	return nil
}
