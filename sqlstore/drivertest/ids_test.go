package drivertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// tableIDs are columns for IDs that hosts have.
var tableIDs = []struct {
	name      string
	column    map[sqlstore.Dialect]string // none: the dialect has no such column
	generated bool
	ids       func(int) string
}{
	{"integers of the host", map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "bigserial", sqlstore.MySQL: "BIGINT AUTO_INCREMENT", sqlstore.SQLite: "INTEGER",
	}, false, authtest.IntegerIDs},
	{"integers of the database", map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "bigserial", sqlstore.MySQL: "BIGINT AUTO_INCREMENT", sqlstore.SQLite: "INTEGER",
	}, true, authtest.TableIDs},
	{"small integers of the database", map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "integer GENERATED ALWAYS AS IDENTITY", sqlstore.MySQL: "INT UNSIGNED AUTO_INCREMENT",
	}, true, authtest.TableIDs},
	{"UUIDs of the host", map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "uuid", sqlstore.MySQL: "CHAR(36)", sqlstore.SQLite: "TEXT",
	}, false, authtest.UUIDs},
	{"UUIDs of the database", map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "uuid DEFAULT gen_random_uuid()", sqlstore.MySQL: "CHAR(36) DEFAULT (uuid())", sqlstore.SQLite: "TEXT DEFAULT (lower(hex(randomblob(16))))",
	}, true, authtest.TableIDs},
}

// TestUserTableIDs runs the suites on hosts' tables whose IDs are integers and UUIDs, of the host's
// making and of the database's.
func TestUserTableIDs(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		for _, table := range tableIDs {
			column := table.column[tt.dialect]
			variant := !slices.ContainsFunc(targets, func(main target) bool { return main.name == tt.name })
			if column == "" || variant && table.name != tableIDs[1].name {
				continue
			}
			t.Run(table.name, func(t *testing.T) {
				s, db, name := tt.hostTable(t, column, tt.exact(), ", locked BOOLEAN, since BIGINT",
					sqlstore.UserTable{Disabled: "locked", CreatedAt: "since", GeneratedIDs: table.generated})
				if err := s.Check(bounded(t)); err != nil {
					t.Errorf("Check: %v", err)
				}
				authtest.TestUserStore(t, func(t *testing.T) auth.UserStore {
					exec(t, db, "DELETE FROM "+name)
					return s
				}, table.ids)
				authtest.TestAccountStore(t, func(t *testing.T) authtest.Accounts {
					exec(t, db, "DELETE FROM "+name)
					return s
				}, table.ids)
			})
		}
	})
}

// TestGeneratedIDs registers accounts in a table that makes the IDs: Register returns the ID, the event
// and the token carry it, and other methods take it.
func TestGeneratedIDs(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, table := tt.hostTable(t, tableIDs[1].column[tt.dialect], tt.exact(), "", sqlstore.UserTable{GeneratedIDs: true})
		exec(t, db, strings.ReplaceAll("INSERT INTO "+table+" (Qselect"+"Q) VALUES ('old')", "Q", table[:1]))
		keys := newKeys(t)
		tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys.access})
		if err != nil {
			t.Fatal(err)
		}
		var events []auth.Event
		a, err := auth.New(s, tokens, auth.Config{
			Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys.refresh, Accounts: s, Records: s,
			Events: func(_ context.Context, e auth.Event) { events = append(events, e) },
		})
		if err != nil {
			t.Fatal(err)
		}
		ada, err := a.Register(bounded(t), "ada", "correct horse")
		if err != nil || ada.ID != "2" {
			t.Fatalf("Register returned the ID %q, %v, want 2", ada.ID, err)
		}
		bob, err := a.Create(bounded(t), "bob")
		if err != nil || bob.ID != "3" {
			t.Fatalf("Create returned the ID %q, %v, want 3", bob.ID, err)
		}
		login, err := a.Login(bounded(t), "ada", "correct horse")
		if err != nil || login.Principal.Subject() != "2" {
			t.Fatalf("Login returned %v, %v", login.Principal, err)
		}
		var told []string
		for _, e := range events {
			told = append(told, string(e.Kind)+" "+e.UserID)
		}
		if want := []string{"registered 2", "registered 3", "login 2"}; !slices.Equal(told, want) {
			t.Errorf("events %q, want %q", told, want)
		}
		if err := a.SetPassword(bounded(t), bob.ID, "battery staple"); err != nil {
			t.Errorf("SetPassword: %v", err)
		}
		if _, err := a.Register(bounded(t), "ada", "correct horse"); !errors.Is(err, auth.ErrUserExists) {
			t.Errorf("Register of a taken name: %v", err)
		}
		if err := a.Delete(bounded(t), ada.ID); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
}

// TestNamesAsKeys uses a table whose primary key is the username: it is the ID as well.
func TestNamesAsKeys(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		db := open(t, tt.driver, tt.source(t))
		p := prefix(t, db)
		exec(t, db, "CREATE TABLE "+p+"people (email "+tt.exact()+" PRIMARY KEY, pw VARCHAR(1024), locked BOOLEAN)")
		t.Cleanup(func() { exec(t, db, "DROP TABLE "+p+"people") })
		s, err := sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: p, Users: sqlstore.UserTable{
			Table: p + "people", ID: "email", Username: "email", PasswordHash: "pw", Disabled: "locked", GeneratedIDs: true,
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Migrate(bounded(t)), s.Check(bounded(t))); err != nil {
			t.Fatal(err)
		}
		ada := auth.User{ID: "made-by-the-library", Username: "ada@example.com", PasswordHash: "$hash$"}
		id, err := s.CreateUser(bounded(t), ada)
		if ada.ID = ada.Username; err != nil || id != ada.ID {
			t.Fatalf("CreateUser returned the ID %q, %v, want %q", id, err, ada.ID)
		}
		hasUser(t, s, ada)
		if _, err := s.CreateUser(bounded(t), ada); !errors.Is(err, auth.ErrUserExists) {
			t.Errorf("CreateUser of a taken name: %v", err)
		}
		if err := errors.Join(s.SetDisabled(bounded(t), id, true), s.ReplacePasswordHash(bounded(t), id, "$hash$", "$new$")); err != nil {
			t.Error(err)
		}
		ada.Disabled, ada.PasswordHash = true, "$new$"
		hasUser(t, s, ada)
		if err := s.DeleteUser(bounded(t), id); err != nil {
			t.Errorf("DeleteUser: %v", err)
		}
		hasNoUser(t, s, ada)
	})
}

// TestForeignIDOfRegister registers into a table of integers with IDs that it cannot hold: the error
// says what to set.
func TestForeignIDOfRegister(t *testing.T) {
	each(t, targets[1:], func(t *testing.T, tt target) { // SQLite keeps any value in any column
		s, _, _ := tt.hostTable(t, "BIGINT", tt.exact(), "", sqlstore.UserTable{})
		err := createUser(bounded(t), s, user("made-by-the-library", "ada"))
		storeFailure(t, "CreateUser", err)
		if err != nil && (!strings.Contains(err.Error(), "GeneratedIDs") || !strings.Contains(err.Error(), "column Key")) {
			t.Errorf("CreateUser: %v, want an error that names the column and GeneratedIDs", err)
		}
	})
}
