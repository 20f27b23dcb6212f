package drivertest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/recovery/recoverytest"
	"github.com/seed-e36e2130/auth/sqlstore"
)

var _ recovery.Addresses = (*sqlstore.Store)(nil)

func TestAddresses(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		recoverytest.TestAddresses(t, func(t *testing.T) (recovery.Addresses, string, string) {
			exec(t, db, "DELETE FROM "+p+"addresses", "DELETE FROM "+p+"users")
			create(t, s, user("1", "ada"), user("2", "eve"))
			return s, "1", "2"
		})
	})
}

// TestAddressesOfUsers runs the suite with users in a host's table, and deletes the users.
func TestAddressesOfUsers(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, table := tt.hostTable(t, tt.exact(), tt.exact(), "", sqlstore.UserTable{})
		recoverytest.TestAddresses(t, func(t *testing.T) (recovery.Addresses, string, string) {
			for _, id := range []string{"1", "2"} {
				if err := s.DeleteUser(bounded(t), id); err != nil && !errors.Is(err, auth.ErrUserNotFound) {
					t.Fatal(err)
				}
			}
			create(t, s, user("1", "ada"), user("2", "eve"))
			return s, "1", "2"
		})

		// The host deletes the row of a user itself.
		exec(t, db, "DELETE FROM "+table)
		replace := func(id, old, replacement string) error {
			return s.ReplaceAddress(bounded(t), id, old, replacement, true)
		}
		create(t, s, user("3", "lin"))
		if err := replace("3", "", "lin@example.com"); err != nil {
			t.Fatal(err)
		}
		exec(t, db, "DELETE FROM "+table)
		if err := replace("3", "lin@example.com", "more@example.com"); !errors.Is(err, auth.ErrUserNotFound) {
			t.Errorf("ReplaceAddress of an unknown user: %v", err)
		}
		if err := s.DeleteUser(bounded(t), "3"); !errors.Is(err, auth.ErrUserNotFound) {
			t.Errorf("DeleteUser of an unknown user: %v", err)
		}
		if id, err := s.UserByAddress(bounded(t), "lin@example.com"); !errors.Is(err, auth.ErrUserNotFound) {
			t.Errorf("UserByAddress after DeleteUser: %q, %v", id, err)
		}
	})
}

func TestAddressLimits(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, _, _ := tt.store(t)
		create(t, s, user("1", "ada"))
		for name, text := range map[string]string{"too long": strings.Repeat("n", 256), "NUL": "a\x00@b", "not UTF-8": "a\xff@b"} {
			if err := s.ReplaceAddress(bounded(t), "1", "", text, true); !errors.Is(err, auth.ErrInvalidUsername) {
				t.Errorf("ReplaceAddress with an address that is %s: %v", name, err)
			}
			if err := s.ReplaceAddress(bounded(t), text, "", "ada@example.com", true); !errors.Is(err, auth.ErrUserNotFound) {
				t.Errorf("ReplaceAddress with an ID that is %s: %v", name, err)
			}
			if _, err := s.UserByAddress(bounded(t), text); !errors.Is(err, auth.ErrUserNotFound) {
				t.Errorf("UserByAddress with an address that is %s: %v", name, err)
			}
		}
		longest := strings.Repeat("n", 255)
		if err := s.ReplaceAddress(bounded(t), "1", "", longest, true); err != nil {
			t.Fatal(err)
		}
		if id, err := s.UserByAddress(bounded(t), longest); err != nil || id != "1" {
			t.Errorf("UserByAddress with the longest address: %q, %v", id, err)
		}
	})
}
