package drivertest

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// configFaults returns the fields and values of the faults in err, in order.
func configFaults(err error) (list []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			list = append(list, configFaults(err)...)
		}
		return list
	}
	var fault *cfgerr.Error
	if errors.As(err, &fault) {
		list = append(list, strings.TrimPrefix(fault.Field, "sqlstore.Config.")+"="+fault.Value)
	}
	return list
}

// hostColumns are columns of a host's table by what they are for. Other columns of the table do not
// matter.
const hostColumns = "email VARCHAR(255) NOT NULL UNIQUE, pw VARCHAR(1024), " +
	"padded CHAR(20), locked BOOLEAN, ordinal INTEGER, micros BIGINT, amount DECIMAL(10, 2)"

// TestCheckColumns names columns that are not there or have other types: Check names each.
func TestCheckColumns(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		db := open(t, tt.driver, tt.source(t))
		p := prefix(t, db)
		at := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "timestamptz", sqlstore.MySQL: "DATETIME(6)", sqlstore.SQLite: "DATETIME"}[tt.dialect]
		exec(t, db, "CREATE TABLE "+p+"people (id "+tableIDs[1].column[tt.dialect]+" PRIMARY KEY, "+hostColumns+", created_at "+at+")")
		t.Cleanup(func() { exec(t, db, "DROP TABLE "+p+"people") })
		check := func(table sqlstore.UserTable, columns ...string) []string {
			t.Helper()
			cfg := sqlstore.Config{TablePrefix: p, Users: table}
			for _, name := range columns {
				cfg.Columns = append(cfg.Columns, sqlstore.Column{Name: name, Value: func(context.Context, auth.User) (any, error) { return "x", nil }})
			}
			s, err := sqlstore.New(db, tt.dialect, cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Migrate(bounded(t)); err != nil {
				t.Fatal(err)
			}
			err = s.Check(bounded(t))
			if found := configFaults(err); err == nil || found != nil {
				return found
			}
			if !strings.Contains(err.Error(), table.Table) {
				t.Errorf("Check: %v, want an error that names the table", err)
			}
			return nil
		}
		small, noSchema := []string{"Users.CreatedAt=ordinal"}, []string{"Users.Table=nowhere_" + p + ".people"}
		if tt.dialect == sqlstore.SQLite {
			small = nil    // every integer has 64 bits
			noSchema = nil // the database itself refuses to look there, with an error that names it
		}
		for _, row := range []struct {
			name    string
			table   sqlstore.UserTable
			columns []string
			want    []string
		}{
			{"all right", sqlstore.UserTable{Table: p + "people", Username: "email", PasswordHash: "pw", Disabled: "locked", CreatedAt: "micros"}, []string{"padded", "amount"}, nil},
			{"no table", sqlstore.UserTable{Table: p + "peeple"}, nil, []string{"Users.Table=" + p + "peeple"}},
			{"no schema", sqlstore.UserTable{Table: "nowhere_" + p + ".people"}, nil, noSchema},
			{"other names", sqlstore.UserTable{Table: p + "people", Username: "e_mail", PasswordHash: "passwort"}, []string{"full_name"},
				[]string{"Users.Username=e_mail", "Users.PasswordHash=passwort", "Columns[0].Name=full_name"}},
			{"default names", sqlstore.UserTable{Table: p + "people"}, nil, []string{"Users.Username=username", "Users.PasswordHash=password_hash"}},
			{"a timestamp", sqlstore.UserTable{Table: p + "people", Username: "email", PasswordHash: "pw", CreatedAt: "created_at"}, nil, []string{"Users.CreatedAt=created_at"}},
			{"32 bits", sqlstore.UserTable{Table: p + "people", Username: "email", PasswordHash: "pw", CreatedAt: "ordinal"}, nil, small},
			{"other types", sqlstore.UserTable{Table: p + "people", ID: "amount", Username: "micros", PasswordHash: "locked", Disabled: "email", CreatedAt: "pw"}, nil,
				[]string{"Users.ID=amount", "Users.Username=micros", "Users.PasswordHash=locked", "Users.Disabled=email", "Users.CreatedAt=pw"}},
		} {
			if got := check(row.table, row.columns...); !slices.Equal(got, row.want) {
				t.Errorf("%s: Check finds faults in %q, want %q", row.name, got, row.want)
			}
		}
		if tt.dialect == sqlstore.PostgreSQL {
			padded := sqlstore.UserTable{Table: p + "people", Username: "padded", PasswordHash: "pw"} // comes back with spaces
			if got := check(padded); !slices.Equal(got, []string{"Users.Username=padded"}) {
				t.Errorf("Check finds faults in %q", got)
			}
			capital := sqlstore.UserTable{Table: p + "people", Username: "Email", PasswordHash: "pw"}
			if got := check(capital); !slices.Equal(got, []string{"Users.Username=Email"}) {
				t.Errorf("Check finds faults in %q", got)
			}
		}
	})
}

// TestCheckMigrations checks tables that do not exist, that are behind, and that are ahead, as while an
// upgrade rolls out.
func TestCheckMigrations(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, p := tt.unmigrated(t)
		says := func(words ...string) {
			t.Helper()
			err := s.Check(bounded(t))
			storeFailure(t, "Check", err)
			for _, word := range words {
				if err != nil && !strings.Contains(err.Error(), word) {
					t.Errorf("Check: %v, want an error that says %q", err, word)
				}
			}
		}
		says("run Migrate", p)
		latest := len(latest(t, tt.dialect))
		tt.migrateTo(t, db, p, latest-1)
		says("run Migrate")
		if err := s.Migrate(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(bounded(t)); err != nil {
			t.Errorf("Check: %v", err)
		}
		exec(t, db, "INSERT INTO "+p+"migrations (version) VALUES (1000)")
		if err := s.Check(bounded(t)); err != nil {
			t.Errorf("Check beside a newer version: %v", err)
		}
		exec(t, db, "DELETE FROM "+p+"migrations WHERE version = 1000", "DROP TABLE "+p+"sessions")
		says(p + "sessions")
	})
}

// readOnly returns a target that reaches the same database, where nothing can be written.
func (tt target) readOnly(t *testing.T, db *sql.DB) target {
	t.Helper()
	switch tt.dialect {
	case sqlstore.PostgreSQL:
		source, err := url.Parse(tt.source(t))
		if err != nil {
			t.Fatal(err)
		}
		q := source.Query()
		q.Set("default_transaction_read_only", "on")
		source.RawQuery = q.Encode()
		tt.source = func(testing.TB) string { return source.String() }
	case sqlstore.MySQL:
		cfg, err := mysql.ParseDSN(tt.source(t))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Params = map[string]string{"transaction_read_only": "1"}
		if isMariaDB(t, db) {
			cfg.Params = map[string]string{"tx_read_only": "1"}
		}
		tt.source = func(testing.TB) string { return cfg.FormatDSN() }
	default:
		exec(t, db, "PRAGMA wal_checkpoint(TRUNCATE)")
		path, _, _ := strings.Cut(strings.TrimPrefix(tt.source(t), "file:"), "?")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := path + ".copy"
		if err := os.WriteFile(copied, data, 0o600); err != nil {
			t.Fatal(err)
		}
		tt.source = func(testing.TB) string { return "file:" + copied + "?immutable=1&mode=ro" }
	}
	return tt
}

func isMariaDB(t *testing.T, db *sql.DB) bool {
	t.Helper()
	var version string
	if err := db.QueryRowContext(bounded(t), "SELECT VERSION()").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(version, "MariaDB")
}

// TestCheckReadOnly checks a database that can be read and not written, as a replica is.
func TestCheckReadOnly(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		tt = tt.shared(t)
		s, db, p := tt.store(t)
		create(t, s, user("1", "ada"))
		replica := tt.readOnly(t, db).reopen(t, p)
		hasUser(t, replica, must(s.UserByID(bounded(t), "1")))
		err := replica.Check(bounded(t))
		storeFailure(t, "Check", err)
		if err != nil && (!strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), p)) {
			t.Errorf("Check: %v, want an error that says read-only", err)
		}
		if err := s.Check(bounded(t)); err != nil {
			t.Errorf("Check of the primary: %v", err)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestCheckRights checks a host's table that the program may read and not change.
func TestCheckRights(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		db := open(t, tt.driver, tt.source(t))
		p := prefix(t, db)
		// A view over more than one table can be read and not changed in any dialect.
		exec(t, db, "CREATE TABLE "+p+"people (id VARCHAR(36) PRIMARY KEY, email VARCHAR(255) NOT NULL UNIQUE, pw VARCHAR(1024))",
			"CREATE VIEW "+p+"joined AS SELECT id, email, MAX(pw) AS pw FROM "+p+"people GROUP BY id, email")
		t.Cleanup(func() { exec(t, db, "DROP VIEW "+p+"joined", "DROP TABLE "+p+"people") })
		s, err := sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: p, Users: sqlstore.UserTable{Table: p + "joined", Username: "email", PasswordHash: "pw"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Migrate(bounded(t)); err != nil {
			t.Fatal(err)
		}
		err = s.Check(bounded(t))
		storeFailure(t, "Check", err)
		if err != nil && (!strings.Contains(err.Error(), `"pw"`) || !strings.Contains(err.Error(), "changed")) {
			t.Errorf("Check: %v, want an error that names the column", err)
		}
	})
}

// TestCheckUnreachable checks a database that is not there.
func TestCheckUnreachable(t *testing.T) {
	each(t, targets[1:], func(t *testing.T, tt target) {
		source := map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: "postgres://auth@127.0.0.1:1/auth?sslmode=disable", sqlstore.MySQL: "auth@tcp(127.0.0.1:1)/auth",
		}[tt.dialect]
		s, err := sqlstore.New(open(t, tt.driver, source), tt.dialect, sqlstore.Config{})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Check(bounded(t))
		storeFailure(t, "Check", err)
		if err != nil && strings.Contains(err.Error(), "Migrate") {
			t.Errorf("Check: %v", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Check(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Check with a context that has ended: %v", err)
		}
	})
}
