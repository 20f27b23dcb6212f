// Package drivertest tests sqlstore with the databases and drivers that it supports. It is a module of
// its own, so that programs that import sqlstore do not download the drivers.
package drivertest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "github.com/ncruces/go-sqlite3/driver"
	_ "modernc.org/sqlite"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// A target is a database and the driver that reaches it.
type target struct {
	name    string
	dialect sqlstore.Dialect
	driver  string // name in database/sql
	source  func(testing.TB) string
}

// targets holds one target for each dialect.
var targets = []target{
	{"SQLite", sqlstore.SQLite, "sqlite", sqliteFile},
	{"PostgreSQL", sqlstore.PostgreSQL, "pgx", postgres()},
	{"MariaDB", sqlstore.MySQL, "mysql", mariadb(nil)},
}

// pooled is behind PgBouncer, whose sessions share connections in turn: docs/deployment.md shows the
// settings of the drivers.
var pooled = target{"PostgreSQL behind PgBouncer", sqlstore.PostgreSQL, "pgx", pgbouncer("default_query_exec_mode", "exec")}

// variants holds other drivers, and settings that change the replies of a driver or a server.
var variants = []target{
	{"SQLite by ncruces", sqlstore.SQLite, "sqlite3", sqliteFile},
	{"PostgreSQL by pq", sqlstore.PostgreSQL, "postgres", postgres()},
	{"PostgreSQL serializable", sqlstore.PostgreSQL, "pgx", postgres("default_transaction_isolation", "serializable")},
	pooled,
	{"PostgreSQL by pq behind PgBouncer", sqlstore.PostgreSQL, "postgres", pgbouncer("binary_parameters", "yes")},
	{"PostgreSQL without statements", sqlstore.PostgreSQL, "pgx", postgres("default_query_exec_mode", "simple_protocol")},
	{"MariaDB found rows", sqlstore.MySQL, "mysql", mariadb(func(c *mysql.Config) { c.ClientFoundRows = true })},
	{"MariaDB without statements", sqlstore.MySQL, "mysql", mariadb(func(c *mysql.Config) { c.InterpolateParams = true })},
	{"MariaDB not strict", sqlstore.MySQL, "mysql", mariadb(func(c *mysql.Config) { c.Params = map[string]string{"sql_mode": "''"} })},
	{"MariaDB serializable", sqlstore.MySQL, "mysql", mariadb(func(c *mysql.Config) {
		c.Params = map[string]string{"tx_isolation": "'SERIALIZABLE'"}
	})},
	{"MariaDB other collation", sqlstore.MySQL, "mysql", mariadb(func(c *mysql.Config) { c.Collation = "utf8mb4_unicode_ci"; c.ParseTime = true })},
}

func sqliteFile(t testing.TB) string {
	path := filepath.ToSlash(filepath.Join(t.TempDir(), "auth.db"))
	return "file:" + path + "?_pragma=busy_timeout(120000)&_pragma=journal_mode(WAL)&_txlock=immediate"
}

func postgres(params ...string) func(testing.TB) string {
	return postgresAt("PostgreSQL", "AUTH_TEST_POSTGRES", params...)
}

// pgbouncer reaches the server through PgBouncer in transaction mode.
func pgbouncer(params ...string) func(testing.TB) string {
	return postgresAt("PgBouncer in transaction mode", "AUTH_TEST_PGBOUNCER", params...)
}

func postgresAt(counterpart, variable string, params ...string) func(testing.TB) string {
	return func(t testing.TB) string {
		source := testenv.Require(t, counterpart, variable)
		u, err := url.Parse(source)
		if err != nil || u.Host == "" {
			t.Fatalf("%s must be a URL such as postgres://user:password@127.0.0.1:5432/database?sslmode=disable", variable)
		}
		q := u.Query()
		for i := 0; i < len(params); i += 2 {
			q.Set(params[i], params[i+1])
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
}

func mariadb(change func(*mysql.Config)) func(testing.TB) string {
	return func(t testing.TB) string {
		cfg, err := mysql.ParseDSN(testenv.Require(t, "MariaDB", "AUTH_TEST_MARIADB"))
		if err != nil {
			t.Fatalf("AUTH_TEST_MARIADB must be a data source name such as user:password@tcp(127.0.0.1:3306)/database")
		}
		if change != nil {
			change(cfg)
		}
		return cfg.FormatDSN()
	}
}

// open returns a new pool on a database. The same source leads to the same database.
func open(t testing.TB, driver, source string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	t.Cleanup(func() { db.Close() })
	return db
}

// prefix returns an unused table prefix. The tables with that prefix are dropped after the test.
func prefix(t testing.TB, db *sql.DB) string {
	t.Helper()
	p := "t" + strings.ToLower(rand.Text()[:20]) + "_"
	t.Cleanup(func() {
		for _, table := range []string{"users", "sessions", "revocations", "revocations_last", "records", "addresses", "roles", "role_versions", "migrations"} {
			if _, err := db.ExecContext(context.Background(), "DROP TABLE IF EXISTS "+p+table); err != nil {
				t.Errorf("cannot drop a table of the test: %v", err)
			}
		}
	})
	return p
}

// shared returns tt with the source of this call for all later ones, so that they open the same
// database.
func (tt target) shared(t testing.TB) target {
	t.Helper()
	source := tt.source(t)
	tt.source = func(testing.TB) string { return source }
	return tt
}

// store returns an empty store on new tables.
func (tt target) store(t testing.TB) (*sqlstore.Store, *sql.DB, string) {
	t.Helper()
	db := open(t, tt.driver, tt.source(t))
	p := prefix(t, db)
	s, err := sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: p})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return s, db, p
}

// reopen returns a store on the tables with a prefix, with a pool of its own, as another program has.
func (tt target) reopen(t testing.TB, p string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(open(t, tt.driver, tt.source(t)), tt.dialect, sqlstore.Config{TablePrefix: p})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bounded returns a context that ends a test that hangs.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// each runs a subtest for every target of a list.
func each(t *testing.T, list []target, f func(t *testing.T, tt target)) {
	t.Helper()
	t.Parallel()
	for _, tt := range list {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f(t, tt)
		})
	}
}
