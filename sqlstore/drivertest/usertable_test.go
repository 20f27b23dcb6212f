package drivertest

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// hostTable makes a table of users as a host may have it, some of its names being
// words that SQL reserves, and returns a store on it and the name as SQL takes it.
func (tt target) hostTable(t testing.TB, text, more string, names sqlstore.UserTable) (s *sqlstore.Store, db *sql.DB, table string) {
	t.Helper()
	db = open(t, tt.driver, tt.source(t))
	p := prefix(t, db)
	names.Table, names.ID, names.Username, names.PasswordHash = p+"Order", "Key", "select", "pw"
	create := `CREATE TABLE "` + names.Table + `" ("Key" ` + text + ` NOT NULL PRIMARY KEY, "select" ` + text + ` NOT NULL UNIQUE,` +
		` pw VARCHAR(1024), email VARCHAR(255) NOT NULL DEFAULT ''` + more + `)`
	table = `"` + names.Table + `"`
	if tt.dialect == sqlstore.MySQL {
		create, table = strings.ReplaceAll(create, `"`, "`"), "`"+names.Table+"`"
	}
	exec(t, db, create)
	t.Cleanup(func() { exec(t, db, "DROP TABLE "+table) })
	s, err := sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: p, Users: names})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return s, db, table
}

// exact is a type of text that is compared byte for byte.
func (tt target) exact() string {
	return map[sqlstore.Dialect]string{
		sqlstore.MySQL: "VARBINARY(255)", sqlstore.PostgreSQL: `varchar(255) COLLATE "C"`, sqlstore.SQLite: "TEXT",
	}[tt.dialect]
}

// TestUserTable runs the suites on a table that the host made.
func TestUserTable(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, table := tt.hostTable(t, tt.exact(), ", locked BOOLEAN, since BIGINT", sqlstore.UserTable{Disabled: "locked", CreatedAt: "since"})
		authtest.TestUserStore(t, func(t *testing.T) auth.UserStore {
			exec(t, db, "DELETE FROM "+table)
			return s
		})
		authtest.TestAccountStore(t, func(t *testing.T) authtest.Accounts {
			exec(t, db, "DELETE FROM "+table)
			return s
		})
	})
}

// TestUserTableOfFew has a host's table without the columns that need not be, and
// with rows of the host's own, in which there is no hash.
func TestUserTableOfFew(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, table := tt.hostTable(t, tt.exact(), "", sqlstore.UserTable{})
		q := table[:1]
		exec(t, db, "INSERT INTO "+table+" ("+q+"Key"+q+", "+q+"select"+q+") VALUES ('1', 'alice')")
		alice := auth.User{ID: "1", Username: "alice"}
		hasUser(t, s, alice)
		if err := s.ReplacePasswordHash(bounded(t), "1", "other", "new"); !errors.Is(err, auth.ErrConflict) {
			t.Errorf("ReplacePasswordHash of another: %v", err)
		}
		if err := s.ReplacePasswordHash(bounded(t), "1", "", "new"); err != nil {
			t.Errorf("ReplacePasswordHash where there is none: %v", err)
		}
		alice.PasswordHash = "new"
		hasUser(t, s, alice)

		bob := user("2", "bob")
		bob.Disabled = true
		ofTheWorld(t, "CreateUser of a disabled one", s.CreateUser(bounded(t), bob))
		ofTheWorld(t, "SetDisabled", s.SetDisabled(bounded(t), "1", true))
		hasNot(t, s, bob)
		hasUser(t, s, alice)
	})
}

// TestUserTableFoldsCase has a host's table that takes names for one that are two:
// who is found is who was asked for, or nobody.
func TestUserTableFoldsCase(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		text, folds := map[sqlstore.Dialect]string{
			sqlstore.MySQL: "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", sqlstore.SQLite: "TEXT COLLATE NOCASE",
		}[tt.dialect]
		if !folds {
			return // PostgreSQL has none that every installation has
		}
		s, _, _ := tt.hostTable(t, text, "", sqlstore.UserTable{})
		alice := auth.User{ID: "a", Username: "alice", PasswordHash: "$hash$"}
		create(t, s, alice)
		hasUser(t, s, alice)
		hasNot(t, s, auth.User{ID: "A", Username: "ALICE"})
		if err := s.CreateUser(bounded(t), auth.User{ID: "2", Username: "Alice"}); !errors.Is(err, auth.ErrUserExists) {
			t.Errorf("CreateUser of a name that is taken there: %v", err)
		}
	})
}
