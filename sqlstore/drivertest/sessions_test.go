package drivertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/sqlstore"
)

func TestSessionStore(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		authtest.TestSessionStore(t, func(t *testing.T) auth.SessionStore {
			exec(t, db, "DELETE FROM "+p+"sessions", "DELETE FROM "+p+"revocations")
			return s
		})
	})
}

// login returns a session of a test, whose ID begins with name.
func login(name, userID string) auth.Session {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return auth.Session{
		ID: (name + strings.Repeat("-", 22))[:22], UserID: userID, CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour),
		Device: auth.Device{UserAgent: "curl/8", IP: netip.MustParseAddr("2001:db8::1")}, Version: 1, State: []byte("state of " + name),
	}
}

// createLogins adds sessions.
func createLogins(t testing.TB, s auth.SessionStore, sessions ...auth.Session) {
	t.Helper()
	for _, session := range sessions {
		if err := s.CreateSession(bounded(t), session); err != nil {
			t.Fatalf("CreateSession: %v", err)
		}
	}
}

// revoked counts the sessions and users in the feed since cursor, by ID.
func revoked(t testing.TB, s auth.SessionStore, cursor string) (ids map[string]int, next string) {
	t.Helper()
	ids = make(map[string]int)
	next, err := s.RevokedSince(bounded(t), cursor, func(r auth.Revocation) { ids[r.SessionID+r.UserID]++ })
	if err != nil {
		t.Fatalf("RevokedSince: %v", err)
	}
	return ids, next
}

// TestFeedOverlapping reads the feed while a deletion runs that began before others and ends after
// them. SQLite has no such deletions, because it has one writer.
func TestFeedOverlapping(t *testing.T) {
	each(t, slices.Concat(targets[1:], variants[1:]), func(t *testing.T, tt target) {
		if tt.dialect == sqlstore.SQLite {
			return
		}
		s, db, p := tt.store(t)
		slow, quick, late := login("slow", "alice"), login("quick", "bob"), login("late", "carol")
		createLogins(t, s, slow, quick, late)
		_, cursor := revoked(t, s, "")
		// A trigger makes the deletion wait for a lock that the test holds.
		var release func(...string)
		waiting := "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%" + p + "sessions%'"
		if tt.dialect == sqlstore.PostgreSQL {
			key := fmt.Sprint(rand.Int64())
			exec(t, db, "CREATE FUNCTION "+p+"wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock("+key+"); RETURN OLD; END'",
				"CREATE TRIGGER "+p+"wait BEFORE DELETE ON "+p+"sessions FOR EACH ROW WHEN (OLD.user_id = 'alice') EXECUTE FUNCTION "+p+"wait()")
			defer exec(t, db, "DROP FUNCTION "+p+"wait CASCADE")
			release = session(t, db, "BEGIN", "SELECT pg_advisory_xact_lock("+key+")")
		} else {
			waiting = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User lock' AND INFO LIKE '%" + p + "%'"
			exec(t, db, "CREATE TRIGGER "+p+"wait BEFORE DELETE ON "+p+"sessions FOR EACH ROW"+
				" DO IF(OLD.user_id = 'alice', GET_LOCK('"+p+"wait', 60) + RELEASE_LOCK('"+p+"wait'), 0)")
			release = session(t, db, "SELECT GET_LOCK('"+p+"wait', 0)")
		}
		done := make(chan error, 1)
		go func() { done <- s.DeleteUserSessions(bounded(t), "alice", "", time.Now(), time.Now().Add(time.Hour)) }()
		eventually(t, func() error { // until it has recorded the revocation and waits
			var n int
			if err := db.QueryRowContext(bounded(t), waiting).Scan(&n); err != nil || n == 0 {
				return fmt.Errorf("the deletion does not wait: %v", err)
			}
			return nil
		})
		if err := s.DeleteSession(bounded(t), quick.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		var got map[string]int
		for range 3 { // as a replica that follows the feed and advances as far as it can
			got, cursor = revoked(t, s, cursor)
		}
		select {
		case err := <-done:
			t.Fatalf("the slow deletion returned too early: %v", err)
		default:
		}
		if got[slow.ID] != 0 {
			t.Error("the feed holds a deletion that is not committed")
		}
		if tt.dialect == sqlstore.PostgreSQL {
			release("ROLLBACK")
		} else {
			release("SELECT RELEASE_LOCK('" + p + "wait')")
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteSession(bounded(t), late.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		got, cursor = revoked(t, s, cursor)
		for _, id := range []string{slow.ID, "alice", late.ID} {
			if got[id] == 0 {
				t.Errorf("the feed skipped %s: %v", id, got)
			}
		}
		// The cursor advances beyond committed deletions. On a shared server other transactions may hold
		// it back for a moment.
		eventually(t, func() error {
			if got, _ := revoked(t, s, cursor); len(got) > 0 {
				_, cursor = revoked(t, s, cursor)
				return fmt.Errorf("the feed returns %v again", got)
			}
			return nil
		})
	})
}

// TestCursors reads the feed from the beginning if the cursor is from another server, and refuses
// malformed cursors.
func TestCursors(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, _, _ := tt.store(t)
		session := login("one", "alice")
		createLogins(t, s, session)
		if err := s.DeleteSession(bounded(t), session.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got, _ := revoked(t, s, "4000000000000000000@elsewhere"); got[session.ID] == 0 {
			t.Error("a cursor of another server skips revocations")
		}
		// Such a cursor exists after a restore from a backup, or after a crash that lost commits.
		_, cursor := revoked(t, s, "")
		_, server, _ := strings.Cut(cursor, "@")
		if got, _ := revoked(t, s, "4000000000000000000@"+server); got[session.ID] == 0 {
			t.Error("a cursor beyond the numbers of this server skips revocations")
		}
		for _, cursor := range []string{"1", "@", "x@", "-1@", "9223372036854775808@", "1 OR 1=1@"} {
			next, err := s.RevokedSince(bounded(t), cursor, func(auth.Revocation) {})
			storeFailure(t, "RevokedSince "+cursor, err)
			if next != cursor {
				t.Errorf("RevokedSince returned the cursor %q with its error, want %q", next, cursor)
			}
		}
	})
}

// TestFeedForgottenNumber makes MariaDB forget a number that a replica has read, as a crash does that
// comes before the number is written. The next revocation does not get the same number.
func TestFeedForgottenNumber(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		if tt.dialect != sqlstore.MySQL {
			return // TestFeedAfterCrash crashes a PostgreSQL; SQLite writes before others read
		}
		s, db, p := tt.store(t)
		first, second := login("first", "alice"), login("second", "alice")
		createLogins(t, s, first, second)
		if err := s.DeleteSession(bounded(t), first.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		var last int64
		if err := db.QueryRowContext(bounded(t), "SELECT number FROM "+p+"revocations_last").Scan(&last); err != nil {
			t.Fatal(err)
		}
		_, cursor := revoked(t, s, "")
		exec(t, db, fmt.Sprintf("UPDATE %srevocations_last SET number = %d", p, last-1))
		exec(t, db, "UPDATE "+p+"revocations SET number = 0")
		if err := s.DeleteSession(bounded(t), second.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got, _ := revoked(t, s, cursor); got[second.ID] == 0 {
			t.Error("a revocation got a number that a replica has read before, and is passed over")
		}
	})
}

// TestPrune deletes, in batches, all rows that expired more than 25 hours ago, and no others.
func TestPrune(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		const old = 2500 // more than two batches
		expired := time.Now().Add(-25*time.Hour - time.Minute).UnixMicro()
		tx, err := db.BeginTx(bounded(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		state := map[bool]string{true: `'\x00'`, false: "x'00'"}[tt.dialect == sqlstore.PostgreSQL]
		rows := map[string][]string{}
		for i := range old {
			at := expired - int64(i)*time.Minute.Microseconds()
			for into, row := range map[string]string{
				"sessions (id, user_id, created_at, last_used_at, expires_at, user_agent, ip, version, state)": fmt.Sprintf("('%022d', 'old', 0, 0, %d, '', '', 1, %s)", i, at, state),
				"records (id, value, version, expires_at)":                                                     fmt.Sprintf("('old:%d', %s, 1, %d)", i, state, at),
				"revocations (batch, session_id, user_id, issued_at, expires_at)":                              fmt.Sprintf("(%d, '%022d', '', 0, %d)", i, i, at),
			} {
				rows[into] = append(rows[into], row)
			}
		}
		for into, all := range rows {
			for some := range slices.Chunk(all, 500) {
				if _, err := tx.ExecContext(bounded(t), "INSERT INTO "+p+into+" VALUES "+strings.Join(some, ", ")); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		// What expired within the last 25 hours stays. The test has five minutes for the rest.
		recent := time.Now().Add(5*time.Minute - 25*time.Hour)
		one := login("one", "alice")
		one.ExpiresAt = recent
		createLogins(t, s, one, login("two", "alice"))
		if err := s.DeleteUserSessions(bounded(t), "bob", "", time.Now(), recent); err != nil {
			t.Fatal(err)
		}
		for _, r := range []auth.Record{
			{Key: "recent", Version: 1, ExpiresAt: recent}, {Key: "new", Version: 1, ExpiresAt: time.Now().Add(time.Hour)}, {Key: "forever", Version: 1},
		} {
			if err := s.ReplaceRecord(bounded(t), 0, r); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		for range 3 { // on three replicas at once
			wg.Go(func() {
				if err := s.Prune(bounded(t)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for table, want := range map[string]int{"sessions": 2, "revocations": 1, "records": 3} {
			var n int
			if err := db.QueryRowContext(bounded(t), "SELECT COUNT(*) FROM "+p+table).Scan(&n); err != nil || n != want {
				t.Errorf("Prune left %d rows of %s, %v, want %d", n, table, err, want)
			}
		}
	})
}

// TestSessionLimits checks that a session that the columns cannot hold is an error of the store's own,
// on every dialect and before the database sees it.
func TestSessionLimits(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, _, _ := tt.store(t)
		valid := login("one", "alice")
		createLogins(t, s, valid)
		for name, change := range map[string]func(*auth.Session){
			"a short ID":        func(s *auth.Session) { s.ID = s.ID[1:] },
			"a long ID":         func(s *auth.Session) { s.ID += "-" },
			"NUL in the ID":     func(s *auth.Session) { s.ID = "\x00" + s.ID[1:] },
			"no user":           func(s *auth.Session) { s.UserID = "" },
			"a long user ID":    func(s *auth.Session) { s.UserID = strings.Repeat("u", 256) },
			"a long user agent": func(s *auth.Session) { s.UserAgent = strings.Repeat("u", 257) },
			"NUL":               func(s *auth.Session) { s.UserAgent = "a\x00" },
			"no UTF-8":          func(s *auth.Session) { s.UserAgent = "a\xff" },
			"a zone":            func(s *auth.Session) { s.IP = netip.MustParseAddr("fe80::1%eth0") },
			"a long state":      func(s *auth.Session) { s.State = make([]byte, 513) },
		} {
			session := login("two", "alice")
			change(&session)
			storeFailure(t, "CreateSession with "+name, s.CreateSession(bounded(t), session))
			next := valid
			next.Version++
			change(&next)
			storeFailure(t, "ReplaceSession with "+name, s.ReplaceSession(bounded(t), valid, next))
		}
		if err := s.ReplaceSession(bounded(t), valid, valid); err != nil {
			t.Errorf("ReplaceSession by an equal session returned %v", err)
		}
		if err := s.ReplaceSession(bounded(t), login("none", "alice"), login("none", "alice")); !errors.Is(err, auth.ErrConflict) {
			t.Errorf("ReplaceSession of an absent session returned %v", err)
		}
		storeFailure(t, "DeleteUserSessions of the empty user", s.DeleteUserSessions(bounded(t), "", "", time.Now(), time.Now().Add(time.Hour)))
		// A malformed ID spares no session, and does not count as the empty ID.
		createLogins(t, s, login("three", "bob"))
		for _, except := range []string{"short", "\x00" + valid.ID[1:], "\xff"} {
			if err := s.DeleteUserSessions(bounded(t), "bob", except, time.Now(), time.Now().Add(time.Hour)); err != nil {
				t.Errorf("DeleteUserSessions except %q: %v", except, err)
			}
		}
		if got, _ := revoked(t, s, ""); len(got) != 1 || got[login("three", "").ID] != 1 {
			t.Errorf("the feed holds %v, want only the session", got)
		}
		if list, err := s.Sessions(bounded(t), "alice"); err != nil || len(list) != 1 {
			t.Errorf("the user has %d sessions, %v, want only the first", len(list), err)
		}
		if got, _, err := s.Session(bounded(t), valid.ID); err != nil || got.Version != 1 {
			t.Errorf("the session was changed: %+v, %v", got, err)
		}
	})
}

// TestFeedUnnumbered simulates a program on MySQL that stops between the commit of a deletion and the
// statement that numbers it: the deletion is read with every cursor.
func TestFeedUnnumbered(t *testing.T) {
	t.Parallel()
	s, db, p := targets[2].store(t)
	session := login("one", "alice")
	createLogins(t, s, session)
	if err := s.DeleteSession(bounded(t), session.ID, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "UPDATE "+p+"revocations SET number = 0")
	_, cursor := revoked(t, s, "")
	for range 2 {
		got, next := revoked(t, s, cursor)
		if got[session.ID] != 1 {
			t.Errorf("the feed holds %v, want the session", got)
		}
		cursor = next
	}
}

// TestSessionsCancelled cancels calls at random moments. A session either exists, or is deleted and its
// revocation is recorded; no connection stays in use.
func TestSessionsCancelled(t *testing.T) {
	each(t, slices.Concat(targets, variants[:2]), func(t *testing.T, tt target) {
		s, db, _ := tt.store(t)
		db.SetMaxOpenConns(4)
		const n = 300
		var wg sync.WaitGroup
		results := make([]error, n)
		for i := range n {
			session := login(fmt.Sprintf("%d-", i), fmt.Sprintf("user-%d", i%3))
			createLogins(t, s, session)
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), rand.N(6*time.Millisecond))
				defer cancel()
				next := session
				next.Version++
				if err := s.ReplaceSession(ctx, session, next); err != nil {
					storeFailure(t, "ReplaceSession", err)
				}
				results[i] = s.DeleteSession(ctx, session.ID, time.Now().Add(time.Hour))
			})
		}
		wg.Wait()
		cancelled := 0
		// A server may notice late that the client has gone, and commit until then.
		eventually(t, func() error {
			cancelled = 0
			feed, _ := revoked(t, s, "")
			for i, err := range results {
				id := login(fmt.Sprintf("%d-", i), "").ID
				_, _, missing := s.Session(bounded(t), id)
				if err != nil {
					cancelled++
				}
				if gone := errors.Is(missing, auth.ErrSessionNotFound); gone != (feed[id] == 1) || err == nil && !gone {
					return fmt.Errorf("session %d: DeleteSession returned %v; deleted: %t, times in the feed: %d", i, err, gone, feed[id])
				}
			}
			return nil
		})
		t.Logf("%d of %d calls were cancelled", cancelled, n)
		eventually(t, func() error {
			if stats := db.Stats(); stats.InUse != 0 {
				return fmt.Errorf("%d connections are in use after all calls have returned", stats.InUse)
			}
			return nil
		})
	})
}
