package drivertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/sqlstore"
)

// unmigrated returns a store whose tables do not exist.
func (tt target) unmigrated(t testing.TB) (*sqlstore.Store, *sql.DB, string) {
	t.Helper()
	db := open(t, tt.driver, tt.source(t))
	p := prefix(t, db)
	s, err := sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: p})
	if err != nil {
		t.Fatal(err)
	}
	return s, db, p
}

func exec(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := db.ExecContext(bounded(t), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// versions returns the versions that the database has recorded.
func versions(t testing.TB, db *sql.DB, p string) (list []int) {
	t.Helper()
	rows, err := db.QueryContext(bounded(t), "SELECT version FROM "+p+"migrations ORDER BY version")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v int
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// migrateTo runs the steps up to a version, as a tool of the host's does.
func (tt target) migrateTo(t testing.TB, db *sql.DB, p string, version int) {
	t.Helper()
	steps, err := sqlstore.Migrations(tt.dialect, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps[:version+1] {
		exec(t, db, statements(step)...)
	}
}

// statements returns the statements of a step one by one.
func statements(step sqlstore.Migration) []string {
	return strings.Split(strings.TrimSuffix(step.SQL, ";\n"), ";\n")
}

// latest returns the versions that a migrated database has recorded.
func latest(t testing.TB, dialect sqlstore.Dialect) (list []int) {
	t.Helper()
	steps, err := sqlstore.Migrations(dialect, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps[1:] {
		list = append(list, step.Version)
	}
	return list
}

func TestMigrateAgain(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		alice := user("1", "alice")
		create(t, s, alice)
		for range 2 {
			if err := s.Migrate(bounded(t)); err != nil {
				t.Fatal(err)
			}
		}
		hasUser(t, s, alice)
		if got, want := versions(t, db, p), latest(t, tt.dialect); !slices.Equal(got, want) {
			t.Errorf("the database has the versions %v, want %v", got, want)
		}
	})
}

// TestMigrateAtOnce starts eight replicas on an empty database, on one where the first step is done,
// and on one where all but the last are.
func TestMigrateAtOnce(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		for _, done := range []int{0, 1, len(latest(t, tt.dialect))} {
			t.Run(fmt.Sprintf("%d done", done), func(t *testing.T) { testMigrateAtOnce(t, tt, done) })
		}
	})
}

func testMigrateAtOnce(t *testing.T, tt target, done int) {
	source := tt.source(t)
	db := open(t, tt.driver, source)
	p := prefix(t, db)
	tt.migrateTo(t, db, p, done-1)
	const replicas = 8
	results := make(chan error)
	for range replicas {
		s, err := sqlstore.New(open(t, tt.driver, source), tt.dialect, sqlstore.Config{TablePrefix: p})
		if err != nil {
			t.Fatal(err)
		}
		go func() { results <- s.Migrate(bounded(t)) }()
	}
	for range replicas {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if got, want := versions(t, db, p), latest(t, tt.dialect); !slices.Equal(got, want) {
		t.Errorf("the database has the versions %v, want %v", got, want)
	}
}

// TestMigrateByOtherTool runs the SQL of [sqlstore.Migrations], and then Migrate.
func TestMigrateByOtherTool(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, p := tt.unmigrated(t)
		tt.migrateTo(t, db, p, len(latest(t, tt.dialect)))
		if err := s.Migrate(bounded(t)); err != nil {
			t.Fatal(err)
		}
		create(t, s, user("1", "alice"))
	})
}

// TestMigrateGoesOn stops a migration in the middle of a step, as a power cut would, and calls
// Migrate again.
func TestMigrateGoesOn(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		resume := func(s *sqlstore.Store, db *sql.DB, p string) {
			t.Helper()
			if err := s.Migrate(bounded(t)); err != nil {
				t.Fatal(err)
			}
			if got, want := versions(t, db, p), latest(t, tt.dialect); !slices.Equal(got, want) {
				t.Errorf("the database has the versions %v, want %v", got, want)
			}
			create(t, s, user("1", "alice"))
			write(t, s, record("key", "1"))
			ownedKeys(t, s, "1", "key")
		}
		if tt.dialect == sqlstore.MySQL { // it commits each change of the schema at once
			for _, version := range latest(t, tt.dialect) {
				for done := range len(statements(mustStep(t, tt.dialect, "", version))) {
					s, db, p := tt.unmigrated(t)
					tt.migrateTo(t, db, p, version-1)
					exec(t, db, statements(mustStep(t, tt.dialect, p, version))[:done]...)
					resume(s, db, p)
				}
			}
			return
		}
		// The row that ends a step cannot be written, so that all of the step is undone.
		s, db, p := tt.unmigrated(t)
		exec(t, db, "CREATE TABLE "+p+"migrations (version INTEGER NOT NULL PRIMARY KEY CHECK (version > 1000))")
		if err := s.Migrate(bounded(t)); err == nil {
			t.Fatal("Migrate returned nil")
		}
		if _, err := db.ExecContext(bounded(t), "SELECT * FROM "+p+"users"); err == nil {
			t.Error("a part of a step was kept")
		}
		exec(t, db, "DROP TABLE "+p+"migrations")
		resume(s, db, p)
	})
}

// mustStep returns a step of the schema.
func mustStep(t testing.TB, dialect sqlstore.Dialect, p string, version int) sqlstore.Migration {
	t.Helper()
	steps, err := sqlstore.Migrations(dialect, p)
	if err != nil {
		t.Fatal(err)
	}
	return steps[version]
}

// TestMigrateNewer calls Migrate on tables that a newer program has changed: it fails.
func TestMigrateNewer(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		exec(t, db, "INSERT INTO "+p+"migrations (version) VALUES (1000)")
		err := s.Migrate(bounded(t))
		storeFailure(t, "Migrate", err)
		if err != nil && !strings.Contains(err.Error(), "1000") {
			t.Errorf("%q does not name the version", err)
		}
		if got, want := versions(t, db, p), append(latest(t, tt.dialect), 1000); !slices.Equal(got, want) {
			t.Errorf("the database has the versions %v, want %v", got, want)
		}
	})
}

// TestMigrateForeignTable calls Migrate where another program has a table of the same name: it fails,
// and leaves the table as it is.
func TestMigrateForeignTable(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		if tt.dialect == sqlstore.MySQL {
			return // its steps use CREATE TABLE IF NOT EXISTS, so that an interrupted step can run again
		}
		s, db, p := tt.unmigrated(t)
		exec(t, db, "CREATE TABLE "+p+"users (id INTEGER NOT NULL PRIMARY KEY, email TEXT)")
		storeFailure(t, "Migrate", s.Migrate(bounded(t)))
		exec(t, db, "INSERT INTO "+p+"users (id, email) VALUES (1, 'alice@example.com')")
	})
}

// TestMigrateWaits calls Migrate while another migration holds the lock: it waits until its context
// ends.
func TestMigrateWaits(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, p := tt.unmigrated(t)
		release := tt.lock(t, db, p)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // longer than one wait of GET_LOCK
		defer cancel()
		start := time.Now()
		err := s.Migrate(ctx)
		if took := time.Since(start); took > time.Minute {
			t.Errorf("Migrate took %v", took)
		}
		storeFailure(t, "Migrate", err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Migrate returned %v, want %v", err, context.DeadlineExceeded)
		}
		release()
		if err := s.Migrate(bounded(t)); err != nil {
			t.Fatal(err)
		}
		create(t, s, user("1", "alice"))
	})
}

// lock takes the lock that a running Migrate of another program holds.
func (tt target) lock(t testing.TB, db *sql.DB, p string) (release func()) {
	t.Helper()
	switch tt.dialect {
	case sqlstore.SQLite:
		conn := session(t, db, "BEGIN IMMEDIATE")
		return func() { conn("ROLLBACK") }
	case sqlstore.MySQL:
		conn := session(t, db, "SELECT GET_LOCK('"+p+"migrations', 0)")
		return func() { conn("SELECT RELEASE_LOCK('" + p + "migrations')") }
	default:
		// The number of PostgreSQL's lock is private to the package, but a migration also waits for a
		// transaction that creates the table.
		conn := session(t, db, "BEGIN", "CREATE TABLE "+p+"migrations (version INTEGER)")
		return func() { conn("ROLLBACK") }
	}
}

// session runs statements on a new connection, and returns a function that runs more on it.
func session(t testing.TB, db *sql.DB, statements ...string) (run func(...string)) {
	t.Helper()
	conn, err := db.Conn(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	run = func(statements ...string) {
		t.Helper()
		for _, statement := range statements {
			if _, err := conn.ExecContext(bounded(t), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
	run(statements...)
	return run
}
