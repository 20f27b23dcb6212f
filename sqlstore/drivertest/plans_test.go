package drivertest

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// planUses is how often each statement of TestPlans runs.
const planUses = 300

// TestPlans lets the server count what it reads: no use of a session, of the feed or of an owner's
// records reads a row of another. On PostgreSQL nearly every row that a refresh writes fits on the
// page of the old one, because no index changes. This covers what package oauth asks for: the record and the
// session of a grant by their keys, all of a user, and what Prune deletes.
func TestPlans(t *testing.T) {
	each(t, targets[1:], func(t *testing.T, tt target) { plans(t, tt, 20_000) })
}

// BenchmarkPlans does what TestPlans does where there are a million grants, each with a record and a session,
// and as many revocations. Run it with -benchtime 1x: it takes minutes, most of them to fill the tables.
func BenchmarkPlans(b *testing.B) {
	for _, tt := range targets[1:] {
		b.Run(tt.name, func(b *testing.B) {
			for range b.N {
				plans(b, tt, 1_000_000)
			}
		})
	}
}

// plans fails the test unless all uses of tables with this many rows go by an index.
func plans(t testing.TB, tt target, rows int) {
	t.Helper()
	s, db, p := tt.store(t)
	if tt.dialect == sqlstore.MySQL {
		db.SetMaxOpenConns(1) // the server counts for each connection
	}
	tt.fill(t, db, p, rows)
	_, cursor := revoked(t, s, "")
	if tt.dialect == sqlstore.MySQL {
		before := steps(t, db)
		use(t, s, cursor)
		if n := steps(t, db) - before; n > 15*planUses {
			t.Errorf("the server stepped over %d rows in %d uses of tables of %d", n, planUses, rows)
		}
		return
	}
	tables := []string{p + "sessions", p + "records"}
	before := make(map[string]counts)
	eventually(t, func() error { // the server publishes its counts with a delay
		for _, table := range tables {
			c, err := tableCounts(t, db, table)
			if err == nil && c.inserted < rows {
				err = errors.New("the rows are not counted yet")
			}
			if err != nil {
				return err
			}
			before[table] = c
		}
		return nil
	})
	use(t, s, cursor)
	eventually(t, func() error {
		for _, table := range tables {
			c, err := tableCounts(t, db, table)
			switch {
			case err != nil:
				return err
			case c.updated < planUses:
				return fmt.Errorf("%d of %d updates are counted", c.updated, planUses)
			case c.scans > before[table].scans || c.inPlace < c.updated*9/10:
				t.Errorf("%s: %d scans of the whole table; %d of %d rows were written beside the old one",
					table, c.scans-before[table].scans, c.inPlace, c.updated)
			}
		}
		return nil
	})
}

// fill writes this many rows into each table. Each user has five sessions and five records.
func (tt target) fill(t testing.TB, db *sql.DB, p string, rows int) {
	t.Helper()
	numbers := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: fmt.Sprintf("generate_series(1, %d) AS n(i)", rows),
		sqlstore.MySQL:      fmt.Sprintf("(WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i FROM c) n", rows),
	}[tt.dialect]
	octet, analyze := "x'00'", "ANALYZE TABLE "
	if tt.dialect == sqlstore.PostgreSQL {
		octet, analyze = `'\x00'`, "ANALYZE "
	} else {
		exec(t, db, fmt.Sprintf("SET max_recursive_iterations = %d", rows))
	}
	later := time.Now().Add(time.Hour).UnixMicro()
	exec(t, db,
		fmt.Sprintf("INSERT INTO %ssessions (id, user_id, created_at, last_used_at, expires_at, user_agent, ip, version, state)"+
			" SELECT lpad(concat(i, ''), 22, '0'), concat('user-', i %% %d), 0, 0, %d, '', '', 1, %s FROM %s", p, rows/5, later, octet, numbers),
		fmt.Sprintf("INSERT INTO %srevocations (batch, session_id, user_id, issued_at, expires_at, number)"+
			" SELECT i, lpad(concat(i, ''), 22, 'r'), '', 0, %d, i FROM %s", p, later, numbers),
		fmt.Sprintf("INSERT INTO %srecords (id, owner, value, version, expires_at)"+
			" SELECT concat('key-', i), concat('user-', i %% %d), %s, 1, %d FROM %s", p, rows/5, octet, later, numbers),
		analyze+p+"sessions", analyze+p+"revocations", analyze+p+"records")
	if tt.dialect == sqlstore.MySQL {
		exec(t, db, "UPDATE "+p+"revocations_last SET number = "+fmt.Sprint(rows))
	}
}

// use runs the statements whose plans are tested.
func use(t testing.TB, s *sqlstore.Store, cursor string) {
	t.Helper()
	for i := range planUses {
		session, _, err := s.Session(bounded(t), fmt.Sprintf("%022d", 1+i*61))
		if err != nil {
			t.Fatal(err)
		}
		next := session
		next.Version++
		next.ExpiresAt = next.ExpiresAt.Add(time.Second)
		if err := s.ReplaceSession(bounded(t), session, next); err != nil {
			t.Fatal(err)
		}
		owner := fmt.Sprint("user-", i)
		if list, err := s.Sessions(bounded(t), owner); err != nil || len(list) != 5 {
			t.Fatalf("%d sessions, %v, want 5", len(list), err)
		}
		useRecords(t, s, owner)
		useKey(t, s, i)
		if i%30 == 0 {
			last := fmt.Sprint("user-", 3000+i)
			if err := s.DeleteUserSessions(bounded(t), last, "", time.Now(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			_, cursor = revoked(t, s, cursor)
			if err := s.DeleteRecords(bounded(t), last); err != nil {
				t.Fatal(err)
			}
			ownedKeys(t, s, last)
		}
	}
	if err := s.Prune(bounded(t)); err != nil {
		t.Fatal(err)
	}
}

// useRecords lists the records of an owner and replaces one.
func useRecords(t testing.TB, s auth.RecordStore, owner string) {
	t.Helper()
	list, err := s.Records(bounded(t), owner)
	if err != nil || len(list) != 5 {
		t.Fatalf("%d records, %v, want 5", len(list), err)
	}
	r := list[0]
	old := r.Renew()
	r.ExpiresAt = r.ExpiresAt.Add(time.Second)
	if err := s.ReplaceRecord(bounded(t), old, r); err != nil {
		t.Fatal(err)
	}
}

// useKey reads a record by its key, and writes, replaces and deletes another.
func useKey(t testing.TB, s auth.RecordStore, i int) {
	t.Helper()
	if r, _, err := s.Record(bounded(t), fmt.Sprint("key-", 1+i*61)); err != nil || r.Version == 0 {
		t.Fatalf("record of version %d, %v", r.Version, err)
	}
	r := record(fmt.Sprint("another-", i), "")
	write(t, s, r)
	old := r.Renew()
	if err := s.ReplaceRecord(bounded(t), old, r); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRecord(bounded(t), r.Key, r.Version); err != nil {
		t.Fatal(err)
	}
}

// counts are what PostgreSQL has counted on a table.
type counts struct {
	scans, inserted, updated int
	inPlace                  int // updates that changed no index and stayed on the page
}

func tableCounts(t testing.TB, db *sql.DB, table string) (c counts, err error) {
	const query = "SELECT seq_scan, n_tup_ins, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = $1"
	err = db.QueryRowContext(bounded(t), query, table).Scan(&c.scans, &c.inserted, &c.updated, &c.inPlace)
	return c, err
}

// steps returns how many rows MariaDB has stepped over on the one connection of db.
func steps(t testing.TB, db *sql.DB) (sum int) {
	t.Helper()
	for _, name := range []string{"Handler_read_rnd_next", "Handler_read_next"} {
		var n int
		if err := db.QueryRowContext(bounded(t), "SHOW SESSION STATUS LIKE '"+name+"'").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}
