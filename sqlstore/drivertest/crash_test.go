//go:build unix

package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// crashing returns a PostgreSQL of the test's own, which writes what nobody waits for after a long
// delay, and an empty store on it.
func crashing(t *testing.T) (*ownPostgres, *sqlstore.Store, *sql.DB) {
	t.Helper()
	own := newOwnPostgres(t)
	db := open(t, "pgx", own.source())
	exec(t, db, "ALTER SYSTEM SET wal_writer_delay = '10s'")
	exec(t, db, "SELECT pg_reload_conf()")
	s, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return own, s, db
}

// killBackend kills the process of one connection. The server then ends all the others, recovers what
// it has written, and goes on; its main process, and the time of its start, stay.
func killBackend(t *testing.T, db *sql.DB) {
	t.Helper()
	var conns [2]*sql.Conn
	for i := range conns {
		var err error
		if conns[i], err = db.Conn(bounded(t)); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
	}
	var pid int
	if err := conns[0].QueryRowContext(bounded(t), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { // once the other connection has ended, none is accepted before the recovery
		if err := conns[1].PingContext(bounded(t)); err == nil {
			return fmt.Errorf("the server has not noticed that process %d is dead", pid)
		}
		return nil
	})
	db.SetMaxIdleConns(0) // drops connections that have ended
	eventually(t, func() error { return db.PingContext(bounded(t)) })
	db.SetMaxIdleConns(16)
}

// burn uses up numbers of transactions that write nothing, so that a crash forgets them. It returns the
// lowest number that is not in use yet.
func burn(t *testing.T, db *sql.DB) (next int64) {
	t.Helper()
	for range 20 {
		tx, err := db.BeginTx(bounded(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRowContext(bounded(t), "SELECT txid_current() + 1").Scan(&next); err != nil {
			t.Fatal(err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	return next
}

// TestFeedAfterCrash kills a process of PostgreSQL, after which the server assigns some numbers of
// transactions again. A revocation that gets such a number is not passed over by a replica that has read
// the feed before.
func TestFeedAfterCrash(t *testing.T) {
	t.Parallel()
	_, s, db := crashing(t)
	const crashes = 8
	again := 0
	for i := range crashes {
		before, after := login(fmt.Sprintf("before-%d", i), "alice"), login(fmt.Sprintf("after-%d", i), "alice")
		createLogins(t, s, before, after)
		end := func(session auth.Session) {
			t.Helper()
			eventually(t, func() error { return s.DeleteSession(bounded(t), session.ID, time.Now().Add(time.Hour)) })
		}
		end(before)
		next := burn(t, db)
		_, cursor := revoked(t, s, "")
		if got, _ := revoked(t, s, cursor); len(got) != 0 {
			t.Errorf("%d revocations are read again", len(got))
		}
		killBackend(t, db)
		end(after)
		var number int64
		if err := db.QueryRowContext(bounded(t), "SELECT number FROM auth_revocations WHERE session_id = $1", after.ID).Scan(&number); err != nil {
			t.Fatal(err)
		}
		if number < next {
			again++
		}
		burn(t, db)
		burn(t, db)
		got, cursor := revoked(t, s, cursor)
		if got[after.ID] == 0 {
			t.Errorf("revocation %d is passed over, with a cursor from when the next number was %d", number, next)
		}
		if got, _ := revoked(t, s, cursor); len(got) != 0 {
			t.Errorf("%d revocations are read again after a crash", len(got))
		}
	}
	if again == 0 {
		t.Errorf("no number was assigned again in %d crashes: the test proves nothing", crashes)
	}
}

// TestRevocationOutlivesCrash ends sessions on a PostgreSQL that answers before it has written
// (synchronous_commit off), and kills a process of it. Revocations that were acknowledged are still
// there.
func TestRevocationOutlivesCrash(t *testing.T) {
	t.Parallel()
	_, s, db := crashing(t)
	one, other := login("one", "alice"), login("other", "bob")
	createLogins(t, s, one, other)
	exec(t, db, "ALTER ROLE auth SET synchronous_commit = off")
	db.SetMaxIdleConns(0) // new connections have the setting
	lost := login("lost", "carol")
	for name, f := range map[string]func(context.Context) error{
		"DeleteSession": func(ctx context.Context) error { return s.DeleteSession(ctx, one.ID, time.Now().Add(time.Hour)) },
		"DeleteUserSessions": func(ctx context.Context) error {
			return s.DeleteUserSessions(ctx, "bob", "", time.Now(), time.Now().Add(time.Hour))
		},
	} {
		if err := f(bounded(t)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	createLogins(t, s, lost)
	killBackend(t, db)
	got, _ := revoked(t, s, "")
	for _, id := range []string{one.ID, other.ID, "bob"} {
		if got[id] == 0 {
			t.Errorf("the revocation of %s was lost", id)
		}
	}
	if _, _, err := s.Session(bounded(t), lost.ID); err == nil {
		t.Error("the server has lost nothing: the test proves nothing")
	}
}
