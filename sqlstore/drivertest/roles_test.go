package drivertest

import (
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/assignment"
	"github.com/seed-e36e2130/auth/roles/rolestest"
	"github.com/seed-e36e2130/auth/sqlstore"
)

var _ assignment.Store = (*sqlstore.Store)(nil)

func TestRoles(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		rolestest.TestStore(t, func(t *testing.T) (assignment.Store, [3]string) {
			exec(t, db, "DELETE FROM "+p+"roles", "DELETE FROM "+p+"role_versions", "DELETE FROM "+p+"users")
			create(t, s, user("1", "ada"), user("2", "eve"), user("30", "lin"))
			return s, [3]string{"1", "2", "30"}
		})
	})
}

// A user who is deleted has no roles, is nobody's granter, and a user with the same ID inherits nothing. Roles that
// ended long ago are pruned.
func TestRolesOfDeletedUsers(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		create(t, s, user("1", "ada"), user("2", "eve"))
		version := func(i byte) string { return "AAAAAAAAAAAAAAAAAAAAA" + string('A'+i) }
		grant := func(a assignment.Assignment, old, replacement string) {
			t.Helper()
			a.GrantedAt = time.Now()
			c := assignment.Change{Assignment: a, Old: old, New: replacement, Retired: version(9), Expiry: time.Now().Add(time.Hour)}
			if err := s.ReplaceAssignment(bounded(t), c); err != nil {
				t.Fatal(err)
			}
		}
		grant(assignment.Assignment{UserID: "1", Role: "admin"}, "", version(1))
		grant(assignment.Assignment{UserID: "2", Role: "editor", GrantedBy: "1"}, "", version(2))
		grant(assignment.Assignment{UserID: "2", Role: "former", Until: time.Now().Add(-26 * time.Hour)}, version(2), version(3))
		if err := s.DeleteUser(bounded(t), "1"); err != nil {
			t.Fatal(err)
		}
		create(t, s, user("1", "ada"))
		if state, _, err := s.Assignments(bounded(t), "1"); err != nil || state.Version != "" || state.Assignments != nil {
			t.Errorf("the next user with the ID has %+v, %v", state, err)
		}
		if list, err := s.Holders(bounded(t), "editor", "", "", 10); err != nil || len(list) != 1 || list[0].GrantedBy != "" {
			t.Errorf("the role of another user: %+v, %v", list, err)
		}
		count := func(want int) {
			t.Helper()
			var n int
			if err := db.QueryRowContext(bounded(t), "SELECT COUNT(*) FROM "+p+"roles").Scan(&n); err != nil || n != want {
				t.Errorf("%d roles, %v, want %d", n, err, want)
			}
		}
		count(2)
		if err := s.Prune(bounded(t)); err != nil {
			t.Fatal(err)
		}
		count(1)
	})
}
