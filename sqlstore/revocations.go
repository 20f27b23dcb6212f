package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// feedStatements are the statements on revocations.
//
// A revocation is recorded in the transaction that deletes the session, and has a number. A cursor is
// a number below which no revocation will appear any more. The order in which transactions begin or
// ask for numbers does not guarantee that, because they commit in another order:
//
//   - On PostgreSQL the number is that of the transaction. All transactions below the lowest number
//     that is running have ended. But a crash of the server, or of one of its processes, may forget
//     the numbers of transactions that it has not written, and assign them again. It has written what
//     others can see, because revoke demands that. So a cursor is never above the number that follows
//     the last visible revocation.
//   - SQLite has one writer at a time, so numbers are committed in their order.
//   - On MySQL a revocation is committed without a number, and readers always read those without one.
//     A second statement then assigns the next number, and is committed before another can assign
//     one. If that statement fails, or is never sent, the revocation is read every time until it
//     expires. InnoDB shows a number before it has written it, so a crash may forget one that was
//     read. Numbers are therefore never below the clock, and none is assigned again.
//
// No transaction holds a lock that others wait for while it waits for its client.
type feedStatements struct {
	position, since             *statement
	recordOne, recordAll        *statement
	deleteOne, deleteAll        *statement
	recordUser, number, publish *statement
}

func newFeedStatements(d Dialect, prefix string) feedStatements {
	const (
		columns = "{prefix}revocations (batch, session_id, user_id, issued_at, expires_at)"
		record  = "INSERT INTO " + columns + " SELECT ?, id, '', 0, ? FROM {prefix}sessions WHERE "
		others  = "user_id = ? AND id <> ?"
	)
	position := map[Dialect]string{
		// The cursor names the server that answered, because after a failover the new primary may
		// assign numbers that were lost again.
		PostgreSQL: "SELECT LEAST(txid_snapshot_xmin(txid_current_snapshot()), COALESCE(MAX(number) + 1, 0))," +
			" (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text FROM {prefix}revocations",
		MySQL:  "SELECT number + 1, CONCAT_WS('/', @@hostname, @@port, @@server_id) FROM {prefix}revocations_last",
		SQLite: "SELECT COALESCE(MAX(number), 0) + 1, '' FROM {prefix}revocations",
	}
	unnumbered := map[Dialect]string{MySQL: " OR number = 0"}
	return feedStatements{
		position: newStatement(d, prefix, position[d]),
		since: newStatement(d, prefix, "SELECT session_id, user_id, issued_at, expires_at FROM {prefix}revocations"+
			" WHERE (number >= ?"+unnumbered[d]+") AND expires_at > {now} - "+strconv.FormatInt(clockSlack.Microseconds(), 10)),

		recordOne:  newStatement(d, prefix, record+"id = ?"+d.forUpdate()),
		recordAll:  newStatement(d, prefix, record+others+d.forUpdate()),
		recordUser: newStatement(d, prefix, "INSERT INTO "+columns+" VALUES (?, '', ?, ?, ?)"),
		deleteOne:  newStatement(d, prefix, "DELETE FROM {prefix}sessions WHERE id = ?"),
		// It spares sessions that were created after recordAll ran: they are not recorded.
		deleteAll: newStatement(d, prefix, "DELETE FROM {prefix}sessions WHERE "+others+
			" AND id IN (SELECT session_id FROM {prefix}revocations WHERE batch = ?)"),

		number: newStatement(d, prefix, "UPDATE {prefix}revocations_last l JOIN {prefix}revocations r ON r.batch = ?"+
			" SET l.number = GREATEST(l.number + 1, {now}), r.number = GREATEST(l.number + 1, {now})"),
		// It also keeps a server that answers before it has written (synchronous_commit off) from doing
		// so: a crash would forget the revocation, and the session would be back.
		publish: newStatement(d, prefix, "SELECT pg_notify('{prefix}revocations', ''), set_config('synchronous_commit',"+
			" CASE current_setting('synchronous_commit') WHEN 'off' THEN 'local' ELSE current_setting('synchronous_commit') END, true)"),
	}
}

// DeleteSession implements [auth.SessionStore].
func (s *Store) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	const doing = "delete session"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isSessionID(id) {
		return auth.ErrSessionNotFound
	}
	err := s.revoke(ctx, func(tx querier, batch int64) error {
		result, err := tx.ExecContext(ctx, s.feed.recordOne.query, batch, expiry.UnixMicro(), id)
		if err != nil {
			return err
		}
		switch recorded, err := result.RowsAffected(); {
		case err != nil:
			return err
		case recorded == 0:
			return auth.ErrSessionNotFound
		}
		_, err = tx.ExecContext(ctx, s.feed.deleteOne.query, id)
		return err
	})
	switch {
	case errors.Is(err, auth.ErrSessionNotFound):
		return auth.ErrSessionNotFound
	case err != nil:
		return failed(ctx, doing, err)
	}
	return nil
}

// DeleteUserSessions implements [auth.SessionStore].
func (s *Store) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	const doing = "delete sessions"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isName(userID) {
		return failed(ctx, doing, errUserID)
	}
	all := except == ""
	if !isSessionID(except) {
		except = "" // no session has such an ID, and some servers would fail on it
	}
	err := s.revoke(ctx, func(tx querier, batch int64) error {
		if _, err := tx.ExecContext(ctx, s.feed.recordAll.query, batch, expiry.UnixMicro(), userID, except); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.feed.deleteAll.query, userID, except, batch); err != nil {
			return err
		}
		if !all {
			return nil
		}
		_, err := tx.ExecContext(ctx, s.feed.recordUser.query, batch, userID, issuedAt.UnixMicro(), expiry.UnixMicro())
		return err
	})
	if err != nil {
		return failed(ctx, doing, err)
	}
	return nil
}

// revoke calls f in a transaction; f deletes sessions and records the deletions under batch.
func (s *Store) revoke(ctx context.Context, f func(tx querier, batch int64) error) error {
	var batch int64
	err := s.transaction(ctx, func(tx querier) error {
		batch = newBatch()
		if err := f(tx, batch); err != nil || s.dialect != PostgreSQL {
			return err
		}
		_, err := tx.ExecContext(ctx, s.feed.publish.query)
		return err
	})
	if err == nil && s.dialect == MySQL {
		_, _ = s.exec(ctx, s.feed.number, batch) // it may fail: see feedStatements
	}
	return err
}

// newBatch returns 63 random bits.
func newBatch() int64 {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand
	return int64(binary.BigEndian.Uint64(b[:]) >> 1)
}

// RevokedSince implements [auth.SessionStore]. On PostgreSQL, revocations that are newer than the
// oldest open write transaction, including those of the host, are read again each time.
func (s *Store) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (next string, err error) {
	const doing = "read revocations"
	if err := ctx.Err(); err != nil {
		return cursor, failed(ctx, doing, err)
	}
	after, server, err := parseCursor(cursor)
	if err != nil {
		return cursor, failed(ctx, doing, err)
	}
	err = s.retry(ctx, func() error {
		// Read the position first, so that it is not beyond what is read below.
		var position int64
		var answering string
		if err := s.feed.position.row(ctx, s.feedDB, nil, &position, &answering); err != nil {
			return err
		}
		from := after
		if server != answering || position < after { // the server has lost numbers since
			from = 0
		}
		next = strconv.FormatInt(position, 10) + "@" + answering
		return s.feed.since.rows(ctx, s.feedDB, func(rows *sql.Rows) error {
			var r auth.Revocation
			var issued, expires int64
			if err := rows.Scan(&r.SessionID, &r.UserID, &issued, &expires); err != nil {
				return err
			}
			if r.SessionID == "" {
				r.IssuedAt = fromMicro(issued)
			}
			r.Expiry = fromMicro(expires)
			each(r)
			return nil
		}, from)
	})
	if err != nil {
		s.discardIdle(ctx)
		return cursor, failed(ctx, doing, err)
	}
	return next, nil
}

// parseCursor splits a cursor into a number and the server that returned it.
func parseCursor(cursor string) (after int64, server string, err error) {
	if cursor == "" {
		return 0, "", nil
	}
	number, server, found := strings.Cut(cursor, "@")
	after, err = strconv.ParseInt(number, 10, 64)
	if !found || err != nil || after < 0 {
		return 0, "", fmt.Errorf("malformed cursor %q", cursor)
	}
	return after, server, nil
}
