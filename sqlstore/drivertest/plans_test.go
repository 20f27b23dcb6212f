package drivertest

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/sqlstore"
)

// TestPlans has the server count what it reads: no use of a session, nor the feed,
// looks at a row of another. And nearly every new row of a refresh finds room beside
// the old one on PostgreSQL, where no index changes then.
func TestPlans(t *testing.T) {
	each(t, targets[1:], func(t *testing.T, tt target) {
		const rows, uses = 20_000, 300
		s, db, p := tt.store(t)
		numbers := map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: fmt.Sprintf("generate_series(1, %d) AS n(i)", rows),
			sqlstore.MySQL:      fmt.Sprintf("(WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i FROM c) n", rows),
		}[tt.dialect]
		state, analyze := "x'00'", "ANALYZE TABLE "
		if tt.dialect == sqlstore.PostgreSQL {
			state, analyze = `'\x00'`, "ANALYZE "
		} else {
			db.SetMaxOpenConns(1) // the server counts by connection
			exec(t, db, fmt.Sprintf("SET max_recursive_iterations = %d", rows))
		}
		later := time.Now().Add(time.Hour).UnixMicro()
		exec(t, db,
			fmt.Sprintf("INSERT INTO %ssessions (id, user_id, created_at, last_used_at, expires_at, user_agent, ip, version, state)"+
				" SELECT lpad(concat(i, ''), 22, '0'), concat('user-', i %% 4000), 0, 0, %d, '', '', 1, %s FROM %s", p, later, state, numbers),
			fmt.Sprintf("INSERT INTO %srevocations (batch, session_id, user_id, issued_at, expires_at, number)"+
				" SELECT i, lpad(concat(i, ''), 22, 'r'), '', 0, %d, i FROM %s", p, later, numbers),
			analyze+p+"sessions", analyze+p+"revocations")
		if tt.dialect == sqlstore.MySQL {
			exec(t, db, "UPDATE "+p+"revocations_last SET number = "+fmt.Sprint(rows))
		}
		_, cursor := revoked(t, s, "")
		var scanned int
		eventually(t, func() error { // the server's counts are some seconds old
			if tt.dialect == sqlstore.MySQL {
				return nil
			}
			var inserted int
			err := db.QueryRowContext(bounded(t), "SELECT seq_scan, n_tup_ins FROM pg_stat_user_tables WHERE relname = $1", p+"sessions").Scan(&scanned, &inserted)
			if err == nil && inserted < rows {
				err = errors.New("the rows were not counted")
			}
			return err
		})
		before := steps(t, tt, db)
		for i := range uses {
			one, _, err := s.Session(bounded(t), fmt.Sprintf("%022d", 1+i*61))
			if err != nil {
				t.Fatal(err)
			}
			next := one
			next.Version++
			next.ExpiresAt = next.ExpiresAt.Add(time.Second)
			if err := s.ReplaceSession(bounded(t), one, next); err != nil {
				t.Fatal(err)
			}
			if list, err := s.Sessions(bounded(t), fmt.Sprint("user-", i)); err != nil || len(list) != 5 {
				t.Fatalf("%d sessions, %v, want 5", len(list), err)
			}
			if i%30 == 0 {
				if err := s.DeleteUserSessions(bounded(t), fmt.Sprint("user-", 3000+i), "", time.Now(), time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				_, cursor = revoked(t, s, cursor)
			}
		}
		if tt.dialect == sqlstore.MySQL {
			if n := steps(t, tt, db) - before; n > 10*uses {
				t.Errorf("%d rows were stepped over in %d uses of a table of %d", n, uses, rows)
			}
			return
		}
		eventually(t, func() error {
			var scans, changed, beside int
			err := db.QueryRowContext(bounded(t), "SELECT seq_scan, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = $1", p+"sessions").Scan(&scans, &changed, &beside)
			switch {
			case err != nil:
				return err
			case changed < uses:
				return fmt.Errorf("%d of %d refreshes were counted", changed, uses)
			case scans > scanned || beside < changed*9/10:
				t.Errorf("%d scans of the whole table; %d of %d rows were written beside the old one", scans-scanned, beside, changed)
			}
			return nil
		})
	})
}

// steps is how many rows MariaDB has stepped over on the one connection of db.
func steps(t testing.TB, tt target, db *sql.DB) (sum int) {
	t.Helper()
	if tt.dialect != sqlstore.MySQL {
		return 0
	}
	for _, name := range []string{"Handler_read_rnd_next", "Handler_read_next"} {
		var n int
		if err := db.QueryRowContext(bounded(t), "SHOW SESSION STATUS LIKE '"+name+"'").Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}
