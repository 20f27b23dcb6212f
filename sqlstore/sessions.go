package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Capacities of the columns of sessions, in bytes.
const (
	sessionIDLength = 22
	maxUserAgent    = 256
	maxState        = 512
)

// sessionStatements are the statements on sessions.
type sessionStatements struct {
	insert, byID, byUser, replace *statement
}

func newSessionStatements(d Dialect, prefix string) sessionStatements {
	const columns = "id, user_id, created_at, last_used_at, expires_at, user_agent, ip, version"
	return sessionStatements{
		insert: newStatement(d, prefix, "INSERT INTO {prefix}sessions ("+columns+", state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"+d.ignoreConflict()),
		byID:   newStatement(d, prefix, "SELECT "+columns+", state, {now} FROM {prefix}sessions WHERE id = ?"),
		byUser: newStatement(d, prefix, "SELECT "+columns+" FROM {prefix}sessions WHERE user_id = ?"),
		replace: newStatement(d, prefix, "UPDATE {prefix}sessions SET last_used_at = ?, expires_at = ?, user_agent = ?, ip = ?, version = ?, state = ?"+
			" WHERE id = ? AND version = ?"),
	}
}

// CreateSession implements [auth.SessionStore]. It returns an error if the columns cannot hold the
// session: an ID is 22 bytes long, a user agent at most 256, a state at most 512.
func (s *Store) CreateSession(ctx context.Context, session auth.Session) error {
	const doing = "create session"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if err := sessionFits(session); err != nil {
		return failed(ctx, doing, err)
	}
	inserted, err := s.exec(ctx, s.sessions.insert,
		session.ID, session.UserID, session.CreatedAt.UnixMicro(), session.LastUsedAt.UnixMicro(), session.ExpiresAt.UnixMicro(),
		session.UserAgent, ipText(session.IP), session.Version, notNull(session.State))
	if s.dialect.duplicate(err) || err == nil && inserted == 0 {
		return auth.ErrConflict
	}
	if err != nil {
		return failed(ctx, doing, err)
	}
	return nil
}

// Session implements [auth.SessionStore]. The time comes from the clock of the database server, or
// from that of the machine on SQLite.
func (s *Store) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	const doing = "look up session"
	if err := ctx.Err(); err != nil {
		return auth.Session{}, time.Time{}, failed(ctx, doing, err)
	}
	if !isSessionID(id) {
		return auth.Session{}, time.Time{}, auth.ErrSessionNotFound
	}
	var row sessionRow
	var now int64
	err := s.row(ctx, s.sessions.byID, []any{id}, append(row.columns(), &row.State, &now)...)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Session{}, time.Time{}, auth.ErrSessionNotFound
	}
	if err == nil {
		err = row.decode()
	}
	if err != nil {
		return auth.Session{}, time.Time{}, failed(ctx, doing, err)
	}
	return row.Session, fromMicro(now), nil
}

// Sessions implements [auth.SessionStore].
func (s *Store) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	const doing = "list sessions"
	if err := ctx.Err(); err != nil {
		return nil, failed(ctx, doing, err)
	}
	if !isName(userID) {
		return nil, nil
	}
	var list []auth.Session
	err := s.retry(ctx, func() error {
		list = nil
		return s.sessions.byUser.rows(ctx, s.db, func(rows *sql.Rows) error {
			var row sessionRow
			if err := rows.Scan(row.columns()...); err != nil {
				return err
			}
			if err := row.decode(); err != nil {
				return err
			}
			list = append(list, row.Session)
			return nil
		}, userID)
	})
	if err != nil {
		return nil, failed(ctx, doing, err)
	}
	return list, nil
}

// ReplaceSession implements [auth.SessionStore]. It also returns an error if the columns cannot hold
// replacement.
func (s *Store) ReplaceSession(ctx context.Context, old, replacement auth.Session) error {
	const doing = "replace session"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isSessionID(old.ID) {
		return auth.ErrConflict
	}
	if err := sessionFits(replacement); err != nil {
		return failed(ctx, doing, err)
	}
	replaced, err := s.exec(ctx, s.sessions.replace,
		replacement.LastUsedAt.UnixMicro(), replacement.ExpiresAt.UnixMicro(),
		replacement.UserAgent, ipText(replacement.IP), replacement.Version, notNull(replacement.State),
		old.ID, old.Version)
	switch {
	case err != nil:
		return failed(ctx, doing, err)
	case replaced > 0:
		return nil
	case old.Version == replacement.Version:
		// MySQL reports 0 rows when the new values equal the stored ones, so look the version up.
		if stored, _, err := s.Session(ctx, old.ID); err != nil && !errors.Is(err, auth.ErrSessionNotFound) {
			return err
		} else if err == nil && stored.Version == old.Version {
			return nil
		}
	}
	return auth.ErrConflict
}

// sessionFits returns an error if the columns cannot hold s.
func sessionFits(s auth.Session) error {
	switch {
	case !isSessionID(s.ID):
		return fmt.Errorf("the session ID must be of %d bytes", sessionIDLength)
	case !isName(s.UserID):
		return errUserID
	case len(s.UserAgent) > maxUserAgent || !isText(s.UserAgent):
		return fmt.Errorf("the user agent must be UTF-8 without NUL, of at most %d bytes", maxUserAgent)
	case s.IP.Zone() != "":
		return errors.New("the IP address must have no zone")
	case len(s.State) > maxState:
		return fmt.Errorf("the state must be of at most %d bytes", maxState)
	}
	return nil
}

var errUserID = fmt.Errorf("the user ID must be UTF-8 without NUL, of 1 to %d bytes", maxName)

// isSessionID reports whether the column for the IDs of sessions can hold id.
func isSessionID(id string) bool { return len(id) == sessionIDLength && isText(id) }

// ipText returns an IP address as it is stored, the empty text for none.
func ipText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}

// sessionRow is a session as it is scanned from a row.
type sessionRow struct {
	auth.Session
	created, lastUsed, expires int64
	ip                         string
}

// columns returns the destinations of all columns but the state.
func (r *sessionRow) columns() []any {
	return []any{&r.ID, &r.UserID, &r.created, &r.lastUsed, &r.expires, &r.UserAgent, &r.ip, &r.Version}
}

// decode sets the fields of the session whose columns have another type.
func (r *sessionRow) decode() (err error) {
	r.CreatedAt, r.LastUsedAt, r.ExpiresAt = fromMicro(r.created), fromMicro(r.lastUsed), fromMicro(r.expires)
	if r.ip != "" {
		r.IP, err = netip.ParseAddr(r.ip)
	}
	return err
}

func fromMicro(t int64) time.Time { return time.UnixMicro(t).UTC() }
