package memstore_test

import (
	"errors"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/recovery/recoverytest"
)

func newUsers(t *testing.T) (s *memstore.Store, ada, eve string) {
	t.Helper()
	s, ada, eve = memstore.New(), "1", "2"
	for name, id := range map[string]string{"ada": ada, "eve": eve} {
		if _, err := s.CreateUser(t.Context(), auth.User{ID: id, Username: name}); err != nil {
			t.Fatal(err)
		}
	}
	return s, ada, eve
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	recoverytest.TestAddresses(t, func(t *testing.T) (recovery.Addresses, string, string) { return newUsers(t) })
}

// TestDeletedAddress checks that an address ends with its user, and is free for another.
func TestDeletedAddress(t *testing.T) {
	t.Parallel()
	s, ada, eve := newUsers(t)
	if err := s.ReplaceAddress(t.Context(), ada, "", "ada@example.com", true); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteUser(t.Context(), ada); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Address(t.Context(), ada); !errors.Is(err, auth.ErrUserNotFound) {
		t.Errorf("the deleted user's address: %v", err)
	}
	if err := s.ReplaceAddress(t.Context(), eve, "", "ada@example.com", true); err != nil {
		t.Error(err)
	}
	if err := s.ReplaceAddress(t.Context(), ada, "", "eve@example.com", true); !errors.Is(err, auth.ErrUserNotFound) {
		t.Errorf("an address for nobody: %v", err)
	}
}
