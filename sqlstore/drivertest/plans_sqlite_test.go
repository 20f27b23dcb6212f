package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// recorder is a [driver.Connector] that notes the statements that its connections prepare.
type recorder struct {
	driver driver.Driver
	source string

	mu         sync.Mutex
	statements map[string]bool
}

func (r *recorder) Driver() driver.Driver { return r.driver }

func (r *recorder) Connect(context.Context) (driver.Conn, error) {
	conn, err := r.driver.Open(r.source)
	return recordedConn{conn, r}, err
}

// recordedConn hides the optional interfaces of a connection, so that each statement is prepared.
type recordedConn struct {
	driver.Conn
	to *recorder
}

func (c recordedConn) Prepare(query string) (driver.Stmt, error) {
	c.to.mu.Lock()
	defer c.to.mu.Unlock()
	c.to.statements[query] = true
	return c.Conn.Prepare(query)
}

// TestPlansSQLite asks SQLite for the plan of each statement that a store runs: none reads a whole
// table.
func TestPlansSQLite(t *testing.T) {
	t.Parallel()
	tt := targets[0]
	source := tt.source(t)
	plain := open(t, tt.driver, source)
	r := &recorder{driver: plain.Driver(), source: source, statements: make(map[string]bool)}
	db := sql.OpenDB(r)
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(db, tt.dialect, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(bounded(t)); err != nil {
		t.Fatal(err)
	}
	clear(r.statements)

	// Each call runs its statements, in whatever order and with whatever result.
	phone := login("phone", "1")
	createLogins(t, s, phone)
	if err := s.DeleteSession(bounded(t), phone.ID, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	alice, note := user("1", "alice"), record("note", "1")
	write(t, s, note, record("key", "1"))
	if err := s.ReplaceRecord(bounded(t), note.Version, note); err != nil {
		t.Fatal(err)
	}
	create(t, s, alice)
	change := assignment.Change{
		Assignment: assignment.Assignment{UserID: "1", Role: "admin", GrantedAt: time.Now()},
		New:        strings.Repeat("a", 22), Retired: strings.Repeat("r", 22), Expiry: time.Now().Add(time.Hour),
	}
	if err := s.ReplaceAssignment(bounded(t), change); err != nil {
		t.Fatal(err)
	}
	change.Old, change.New, change.Keep, change.By, change.ByVersion = change.New, strings.Repeat("b", 22), true, "1", change.New
	if err := s.ReplaceAssignment(bounded(t), change); !errors.Is(err, assignment.ErrLast) && !errors.Is(err, auth.ErrConflict) {
		t.Fatal(err)
	}
	if _, _, err := s.Assignments(bounded(t), "1"); err != nil {
		t.Fatal(err)
	}
	for _, call := range calls(s, alice) {
		_ = call(bounded(t))
	}
	plans := 0
	for statement := range r.statements {
		if strings.HasPrefix(statement, "BEGIN") || statement == "COMMIT" || statement == "ROLLBACK" {
			continue
		}
		for _, step := range plan(t, plain, statement) {
			if strings.HasPrefix(step, "SCAN ") && step != "SCAN CONSTANT ROW" && step != "SCAN one" {
				t.Errorf("%s\nin the plan of %s", step, statement)
			}
		}
		plans++
	}
	if plans < 30 {
		t.Errorf("the store ran %d statements: the recorder misses some", plans)
	}
}

// plan returns the steps of SQLite's plan for a statement.
func plan(t testing.TB, db *sql.DB, statement string) (list []string) {
	t.Helper()
	rows, err := db.QueryContext(bounded(t), "EXPLAIN QUERY PLAN "+statement, make([]any, strings.Count(statement, "?"))...)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		list = append(list, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
