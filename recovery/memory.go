package recovery

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed-e36e2130/auth"
)

// MemoryAddresses is an [Addresses] in the program's memory, for tests and first
// steps. It knows no users: an ID without an address is a user without one.
type MemoryAddresses struct {
	mu    sync.RWMutex
	users map[string]string // by address
	rows  map[string]row    // by user
}

type row struct {
	address  string
	verified bool
}

// NewMemoryAddresses returns an empty one.
func NewMemoryAddresses() *MemoryAddresses {
	return &MemoryAddresses{users: make(map[string]string), rows: make(map[string]row)}
}

// UserByAddress implements [Addresses].
func (m *MemoryAddresses) UserByAddress(ctx context.Context, address string) (string, error) {
	if err := m.usable(ctx); err != nil {
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
	if err := m.usable(ctx); err != nil {
		return "", false, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, found := m.rows[userID]
	if !found {
		return "", false, auth.ErrUserNotFound
	}
	return r.address, r.verified, nil
}

// ReplaceAddress implements [Addresses].
func (m *MemoryAddresses) ReplaceAddress(ctx context.Context, userID, old, replacement string, verified bool) error {
	if err := m.usable(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows[userID].address != old {
		return auth.ErrConflict
	}
	if owner, taken := m.users[replacement]; taken && owner != userID {
		return auth.ErrUserExists
	}
	delete(m.users, old)
	delete(m.rows, userID)
	if replacement != "" {
		m.users[replacement] = userID
		m.rows[userID] = row{replacement, verified}
	}
	return nil
}

func (m *MemoryAddresses) usable(ctx context.Context) error {
	if m == nil || m.rows == nil {
		return errZero
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("recovery: memory addresses: %w", err)
	}
	return nil
}
