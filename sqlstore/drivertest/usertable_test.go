package drivertest

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// hostTable creates a table of users as a host may have it, with reserved words of SQL among its
// names. It returns a store on the table, and the quoted name.
func (tt target) hostTable(t testing.TB, id, text, more string, names sqlstore.UserTable) (s *sqlstore.Store, db *sql.DB, table string) {
	t.Helper()
	db = open(t, tt.driver, tt.source(t))
	p := prefix(t, db)
	names.Table, names.ID, names.Username, names.PasswordHash = p+"Order", "Key", "select", "pw"
	create := `CREATE TABLE "` + names.Table + `" ("Key" ` + id + ` NOT NULL PRIMARY KEY, "select" ` + text + ` NOT NULL UNIQUE,` +
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

// exact returns a type of text that is compared byte for byte.
func (tt target) exact() string {
	return map[sqlstore.Dialect]string{
		sqlstore.MySQL: "VARBINARY(255)", sqlstore.PostgreSQL: `varchar(255) COLLATE "C"`, sqlstore.SQLite: "TEXT",
	}[tt.dialect]
}

// TestUserTable runs the suites on a host's table.
func TestUserTable(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, table := tt.hostTable(t, tt.exact(), tt.exact(), ", locked BOOLEAN, since BIGINT", sqlstore.UserTable{Disabled: "locked", CreatedAt: "since"})
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

// TestUserTableMinimal uses a host's table without the optional columns, with a row of the host's that
// has no hash.
func TestUserTableMinimal(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, table := tt.hostTable(t, tt.exact(), tt.exact(), "", sqlstore.UserTable{})
		q := table[:1]
		exec(t, db, "INSERT INTO "+table+" ("+q+"Key"+q+", "+q+"select"+q+") VALUES ('1', 'alice')")
		alice := auth.User{ID: "1", Username: "alice"}
		hasUser(t, s, alice)
		if err := s.ReplacePasswordHash(bounded(t), "1", "other", "new"); !errors.Is(err, auth.ErrConflict) {
			t.Errorf("ReplacePasswordHash of another hash: %v", err)
		}
		if err := s.ReplacePasswordHash(bounded(t), "1", "", "new"); err != nil {
			t.Errorf("ReplacePasswordHash where there is no hash: %v", err)
		}
		alice.PasswordHash = "new"
		hasUser(t, s, alice)

		bob := user("2", "bob")
		bob.Disabled = true
		storeFailure(t, "CreateUser of a disabled user", createUser(bounded(t), s, bob))
		storeFailure(t, "SetDisabled", s.SetDisabled(bounded(t), "1", true))
		hasNoUser(t, s, bob)
		hasUser(t, s, alice)
	})
}

// TestUserTableOfTypedIDs uses a host's table whose IDs are not text: accounts are registered, log in
// and are deleted, with a Config.NewUserID that returns IDs of that type.
func TestUserTableOfTypedIDs(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		for kind, id := range map[string][2]string{
			"BIGINT": {"42", "042"},
			"uuid":   {"018f3c5e-7a10-7cc0-9000-00000000002a", "018F3C5E-7A10-7CC0-9000-00000000002A"},
		} {
			if kind == "uuid" && tt.dialect != sqlstore.PostgreSQL {
				continue
			}
			s, _, _ := tt.hostTable(t, kind, tt.exact(), ", locked BOOLEAN", sqlstore.UserTable{Disabled: "locked"})
			keys := newKeys(t)
			tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys.access})
			if err != nil {
				t.Fatal(err)
			}
			a, err := auth.New(s, tokens, auth.Config{
				Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys.refresh, Accounts: s,
				NewUserID: func(context.Context) (string, error) { return id[0], nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			ada, err := a.Register(bounded(t), "ada", "correct horse")
			if err != nil || ada.ID != id[0] {
				t.Fatalf("%s: Register returned the ID %q, %v", kind, ada.ID, err)
			}
			login, err := a.Login(bounded(t), "ada", "correct horse")
			if err != nil || login.Principal.Subject() != id[0] {
				t.Fatalf("%s: Login returned %v, %v", kind, login.Principal, err)
			}
			if _, err := s.UserByID(bounded(t), id[1]); !errors.Is(err, auth.ErrUserNotFound) {
				t.Errorf("%s: UserByID in another spelling: %v", kind, err)
			}
			if _, err := a.Register(bounded(t), "bob", "correct horse"); !errors.Is(err, auth.ErrUserExists) {
				t.Errorf("%s: Register with a taken ID: %v", kind, err)
			}
			if err := a.SetPassword(bounded(t), id[0], "battery staple"); err != nil {
				t.Errorf("%s: SetPassword: %v", kind, err)
			}
			if _, err := a.Refresh(bounded(t), login.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
				t.Errorf("%s: Refresh after SetPassword: %v", kind, err)
			}
			// A login code for an unknown address must not cause a look-up with an empty ID.
			flows, err := recovery.New(a, recovery.NewMemoryAddresses(), s, make(outbox), recovery.Config{BaseURL: "https://app.test"})
			if err != nil {
				t.Fatal(err)
			}
			challenge, err := flows.RequestLoginCode(bounded(t), "nobody@example.com")
			if err := errors.Join(err, flows.Close(bounded(t))); err != nil {
				t.Fatal(err)
			}
			if _, err := flows.LoginByCode(bounded(t), challenge, "123456"); !errors.Is(err, recovery.ErrInvalidToken) {
				t.Errorf("%s: the code of an unknown address: %v", kind, err)
			}
			for call, err := range map[string]error{
				"Disable": a.Disable(bounded(t), id[0]), "Enable": a.Enable(bounded(t), id[0]), "Delete": a.Delete(bounded(t), id[0]),
			} {
				if err != nil {
					t.Errorf("%s: %s: %v", kind, call, err)
				}
			}
		}
	})
}

// TestUserTableFoldsCase uses a host's table whose collation ignores case: a look-up finds the user
// whose name has the canonical form that is asked for, or none.
func TestUserTableFoldsCase(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		text, folds := map[sqlstore.Dialect]string{
			sqlstore.MySQL: "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", sqlstore.SQLite: "TEXT COLLATE NOCASE",
		}[tt.dialect]
		if !folds {
			return // no such collation exists on every installation of PostgreSQL
		}
		s, _, _ := tt.hostTable(t, text, text, "", sqlstore.UserTable{})
		alice := auth.User{ID: "a", Username: "alice", PasswordHash: "$hash$"}
		create(t, s, alice)
		hasUser(t, s, alice)
		hasNoUser(t, s, auth.User{ID: "A", Username: "ALICE"})
		// No login finds Alice, so nobody is told that the user exists.
		if err := createUser(bounded(t), s, auth.User{ID: "2", Username: "Alice"}); !errors.Is(err, auth.ErrInvalidUsername) {
			t.Errorf("CreateUser of a name that the collation takes for another: %v", err)
		}
	})
}

// TestUserTableExactIDs uses a host's tables whose columns take several spellings for one ID. In every
// method an ID that is not the stored text byte for byte finds nobody.
func TestUserTableExactIDs(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		type column struct {
			kind, id  string
			spellings []string
		}
		columns := []column{{"BIGINT", "2", []string{
			" 2", "2 ", "02", "+2", "2.0", "2e0", "0x2", "2abc", "\t2", "2\n", "２", "two", "-2", "92233720368547758080",
		}}}
		switch tt.dialect {
		case sqlstore.PostgreSQL:
			id := "018f3c5e-7a10-7cc0-9000-00000000002a"
			columns = append(columns, column{"uuid", id, []string{strings.ToUpper(id), "{" + id + "}", strings.ReplaceAll(id, "-", ""), "two"}})
		case sqlstore.MySQL:
			columns = append(columns, column{"VARCHAR(255) CHARACTER SET latin1", "ada-é", []string{"Ada-é", "ada-e", "ada-é "}})
		case sqlstore.SQLite:
			columns = append(columns, column{"TEXT COLLATE NOCASE", "ada", []string{"Ada"}}, column{"TEXT COLLATE RTRIM", "ada", []string{"ada "}})
		}
		for _, c := range columns {
			s, _, _ := tt.hostTable(t, c.kind, tt.exact(), ", locked BOOLEAN", sqlstore.UserTable{Disabled: "locked"})
			ada := auth.User{ID: c.id, Username: "ada", PasswordHash: "$hash$"}
			create(t, s, ada)
			if err := s.ReplaceAddress(bounded(t), ada.ID, "", "ada@example.com", true); err != nil {
				t.Fatalf("%s: ReplaceAddress: %v", c.kind, err)
			}
			for _, id := range c.spellings {
				for call, f := range map[string]func(context.Context) error{
					"UserByID":             func(ctx context.Context) error { _, err := s.UserByID(ctx, id); return err },
					"ReplacePasswordHash":  func(ctx context.Context) error { return s.ReplacePasswordHash(ctx, id, ada.PasswordHash, "$new$") },
					"ReplacePasswordHash*": func(ctx context.Context) error { return s.ReplacePasswordHash(ctx, id, "$other$", "$new$") },
					"SetDisabled":          func(ctx context.Context) error { return s.SetDisabled(ctx, id, true) },
					"ReplaceAddress":       func(ctx context.Context) error { return s.ReplaceAddress(ctx, id, "", "eve@example.com", true) },
					"Address":              func(ctx context.Context) error { _, _, err := s.Address(ctx, id); return err },
					"DeleteUser":           func(ctx context.Context) error { return s.DeleteUser(ctx, id) },
				} {
					if err := f(bounded(t)); !errors.Is(err, auth.ErrUserNotFound) {
						t.Errorf("%s: %s of %q: %v, want %v", c.kind, call, id, err, auth.ErrUserNotFound)
					}
				}
			}
			hasUser(t, s, ada)
			if owner, err := s.UserByAddress(bounded(t), "ada@example.com"); err != nil || owner != ada.ID {
				t.Errorf("%s: the address belongs to %q, %v, want %q", c.kind, owner, err, ada.ID)
			}
			for call, err := range map[string]error{
				"ReplacePasswordHash": s.ReplacePasswordHash(bounded(t), c.id, ada.PasswordHash, "$new$"),
				"SetDisabled":         s.SetDisabled(bounded(t), c.id, true),
			} {
				if err != nil {
					t.Errorf("%s: %s of the ID itself: %v", c.kind, call, err)
				}
			}
			ada.PasswordHash, ada.Disabled = "$new$", true
			hasUser(t, s, ada)
			if err := s.DeleteUser(bounded(t), c.id); err != nil {
				t.Errorf("%s: DeleteUser of the ID itself: %v", c.kind, err)
			}
			hasNoUser(t, s, ada)
		}
	})
}

// TestUserTableLeftovers deletes what is left of a user whose row the host has deleted, in a table that
// refuses the ID because it is no integer.
func TestUserTableLeftovers(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, _, _ := tt.hostTable(t, "BIGINT", tt.exact(), "", sqlstore.UserTable{})
		for _, id := range []string{"7", "gone"} {
			if err := s.ReplaceRecord(bounded(t), 0, auth.Record{Key: "of-" + id, Owner: id, Version: 1}); err != nil {
				t.Fatal(err)
			}
			if err := s.DeleteUser(bounded(t), id); !errors.Is(err, auth.ErrUserNotFound) {
				t.Errorf("DeleteUser of %q: %v, want %v", id, err, auth.ErrUserNotFound)
			}
			if list, err := s.Records(bounded(t), id); err != nil || len(list) != 0 {
				t.Errorf("%q owns %d records, %v, after DeleteUser", id, len(list), err)
			}
		}
	})
}
