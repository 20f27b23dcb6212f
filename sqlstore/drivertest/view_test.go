package drivertest

import (
	"database/sql"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// members returns a store on the view that docs/stores.md shows, whose table has rows that are marked as
// deleted, and the table.
func (tt target) members(t *testing.T) (s *sqlstore.Store, db *sql.DB, people string) {
	t.Helper()
	text, err := os.ReadFile("testdata/view." + string(tt.dialect) + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	db = open(t, tt.driver, tt.source(t))
	p := prefix(t, db)
	people = p + "people"
	script := regexp.MustCompile(`\b(people|members)`).ReplaceAllString(string(text), p+"$1")
	for statement := range strings.SplitSeq(script, ";\n\n") { // those of SQLite's triggers have more than one
		statement = strings.TrimSuffix(strings.TrimSpace(statement), ";")
		if tt.dialect == sqlstore.SQLite || tt.dialect == sqlstore.PostgreSQL {
			exec(t, db, statement)
			continue
		}
		exec(t, db, strings.Split(statement, ";\n")...)
	}
	t.Cleanup(func() {
		exec(t, db, "DROP VIEW "+p+"members", "DROP TABLE "+people)
		if tt.dialect == sqlstore.PostgreSQL {
			exec(t, db, "DROP FUNCTION "+p+"members_write")
		}
	})
	s, err = sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: p, Users: sqlstore.UserTable{
		Table: p + "members", Username: "email", PasswordHash: "password", Disabled: "banned", CreatedAt: "created_at", GeneratedIDs: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return s, db, people
}

// TestView runs the suites on a view with triggers that hides the rows that are marked as deleted. In
// MariaDB, whose views have no triggers, the view names a column, and DeleteUser deletes the row.
func TestView(t *testing.T) {
	each(t, slices.Concat(targets, variants[:2], []target{pooled}), func(t *testing.T, tt target) {
		s, db, people := tt.members(t)
		if err := s.Check(bounded(t)); err != nil {
			t.Errorf("Check: %v", err)
		}
		authtest.TestUserStore(t, func(t *testing.T) auth.UserStore {
			exec(t, db, "DELETE FROM "+people)
			return s
		}, authtest.TableIDs)
		authtest.TestAccountStore(t, func(t *testing.T) authtest.Accounts {
			exec(t, db, "DELETE FROM "+people)
			return s
		}, authtest.TableIDs)
	})
}

// TestViewKeepsRows deletes a user of a view: the row is marked, and nobody logs in by it. A status of
// the host's own stays through other changes.
func TestViewKeepsRows(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		if tt.dialect == sqlstore.MySQL {
			return // the row is gone
		}
		s, db, people := tt.members(t)
		id, err := s.CreateUser(bounded(t), user("", "ada"))
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, "UPDATE "+people+" SET status = 'on probation'")
		if err := s.ReplacePasswordHash(bounded(t), id, "$hash$of-", "$hash$new"); err != nil {
			t.Errorf("ReplacePasswordHash: %v", err)
		}
		if err := s.SetDisabled(bounded(t), id, false); err != nil {
			t.Errorf("SetDisabled: %v", err)
		}
		if err := s.DeleteUser(bounded(t), id); err != nil {
			t.Fatal(err)
		}
		if _, err := s.UserByUsername(bounded(t), "ada"); !errors.Is(err, auth.ErrUserNotFound) {
			t.Errorf("UserByUsername of a user who was deleted: %v", err)
		}
		var status string
		var deleted bool
		if err := db.QueryRowContext(bounded(t), "SELECT status, deleted_at IS NOT NULL FROM "+people).Scan(&status, &deleted); err != nil || status != "on probation" || !deleted {
			t.Errorf("the row has the status %q, deleted: %t, %v", status, deleted, err)
		}
		if _, err := s.CreateUser(bounded(t), user("", "ada")); err != nil {
			t.Errorf("CreateUser under the name that is free again: %v", err)
		}
	})
}

// TestViewHidesNames registers a name that a hidden row has in the unique index. The user cannot log in,
// and is not told that the user exists.
func TestViewHidesNames(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, people := tt.members(t)
		if tt.dialect != sqlstore.MySQL {
			exec(t, db, "DROP INDEX "+people+"_email", "CREATE UNIQUE INDEX "+people+"_email ON "+people+" (email)")
		}
		id, err := s.CreateUser(bounded(t), user("", "ada"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateUser(bounded(t), user("", "ada")); !errors.Is(err, auth.ErrUserExists) {
			t.Errorf("CreateUser of a name that is taken: %v", err)
		}
		exec(t, db, "UPDATE "+people+" SET deleted_at = CURRENT_TIMESTAMP WHERE id = "+id)
		_, err = s.CreateUser(bounded(t), user("", "ada"))
		if reason, ok := errors.AsType[*auth.UsernameError](err); !ok || !errors.Is(err, auth.ErrInvalidUsername) || errors.Is(err, auth.ErrUserExists) {
			t.Errorf("CreateUser of a name that a hidden row has: %v (%v), want %v", err, reason, auth.ErrInvalidUsername)
		}
	})
}

// TestViewThatRefuses disables a user of a view whose trigger takes no changes: nobody is told that the
// user is disabled.
func TestViewThatRefuses(t *testing.T) {
	each(t, targets[1:2], func(t *testing.T, tt target) {
		s, db, people := tt.members(t)
		id, err := s.CreateUser(bounded(t), user("", "ada"))
		if err != nil {
			t.Fatal(err)
		}
		exec(t, db, "CREATE OR REPLACE FUNCTION "+strings.TrimSuffix(people, "people")+"members_write() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
		storeFailure(t, "SetDisabled", s.SetDisabled(bounded(t), id, true))
		if err := s.SetDisabled(bounded(t), id, false); err != nil {
			t.Errorf("SetDisabled to what is stored: %v", err)
		}
	})
}
