package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
)

// maxRole is the capacity of the column of a role, in bytes. A user and an organisation may have maxName.
const maxRole = 64

// roleStatements are the statements on roles. The row of a user in role_versions decides between concurrent
// changes.
type roleStatements struct {
	version, byUser, holders        *statement
	lockVersion, insert, swap       *statement // of versions
	lockHolders, remove, add, feed  *statement
	forget, forgetVersion, forgetBy *statement
}

func newRoleStatements(d Dialect, prefix string) roleStatements {
	const lasts = " AND (ends_at IS NULL OR ends_at > {now})"
	return roleStatements{
		// It returns one row whether the user has a version or not, because the time is needed either way.
		version: newStatement(d, prefix, "SELECT {now}, v.version FROM (SELECT 1) AS one LEFT JOIN {prefix}role_versions v ON v.user_id = ?"),
		byUser:  newStatement(d, prefix, "SELECT user_id, org, role, granted_by, granted_at, ends_at FROM {prefix}roles WHERE user_id = ?"+lasts),
		holders: newStatement(d, prefix, "SELECT user_id, org, role, granted_by, granted_at, ends_at FROM {prefix}roles"+
			" WHERE role = ? AND org = ? AND user_id > ?"+lasts+" ORDER BY user_id LIMIT ?"),

		lockVersion: newStatement(d, prefix, "SELECT version FROM {prefix}role_versions WHERE user_id = ?"+d.forUpdate()),
		insert:      newStatement(d, prefix, "INSERT INTO {prefix}role_versions (version, user_id) VALUES (?, ?)"+d.ignoreConflict()),
		swap:        newStatement(d, prefix, "UPDATE {prefix}role_versions SET version = ? WHERE user_id = ? AND version = ?"),
		lockHolders: newStatement(d, prefix, "SELECT user_id FROM {prefix}roles WHERE role = ? AND org = ? AND ends_at IS NULL ORDER BY user_id"+d.forUpdate()),
		remove:      newStatement(d, prefix, "DELETE FROM {prefix}roles WHERE user_id = ? AND org = ? AND role = ?"),
		add:         newStatement(d, prefix, "INSERT INTO {prefix}roles (user_id, org, role, granted_by, granted_at, ends_at) VALUES (?, ?, ?, ?, ?, ?)"),
		feed:        newStatement(d, prefix, "INSERT INTO {prefix}revocations (batch, session_id, user_id, issued_at, expires_at) VALUES (?, ?, '', 0, ?)"),

		forget:        newStatement(d, prefix, "DELETE FROM {prefix}roles WHERE user_id = ?"),
		forgetVersion: newStatement(d, prefix, "DELETE FROM {prefix}role_versions WHERE user_id = ?"),
		forgetBy:      newStatement(d, prefix, "UPDATE {prefix}roles SET granted_by = '' WHERE granted_by = ?"),
	}
}

// Assignments is the method of a Store of package roles.
func (s *Store) Assignments(ctx context.Context, userID string) (assignment.State, time.Time, error) {
	const doing = "look up roles"
	none := assignment.State{}
	if err := ctx.Err(); err != nil {
		return none, time.Time{}, failed(ctx, doing, err)
	}
	if !isName(userID) {
		userID = "" // nobody has such an ID, and some servers would fail on it: ask for the time alone
	}
	// The version is read first: if a change comes between, the version is one that has been retired, and is found
	// out, whatever the assignments are.
	var now int64
	var version sql.NullString
	if err := s.row(ctx, s.roles.version, []any{userID}, &now, &version); err != nil {
		return none, time.Time{}, failed(ctx, doing, err)
	}
	if !version.Valid {
		return none, fromMicro(now), nil
	}
	list, err := s.assignments(ctx, s.roles.byUser, userID)
	if err != nil {
		return none, time.Time{}, failed(ctx, doing, err)
	}
	return assignment.State{Version: version.String, Assignments: list}, fromMicro(now), nil
}

// Holders is the method of a Store of package roles.
func (s *Store) Holders(ctx context.Context, role, org, after string, limit int) ([]assignment.Assignment, error) {
	const doing = "list holders of a role"
	if err := ctx.Err(); err != nil {
		return nil, failed(ctx, doing, err)
	}
	if !isName(role) || org != "" && !isName(org) || after != "" && !isName(after) {
		return nil, nil // nobody has such a role, and some servers would fail on it
	}
	list, err := s.assignments(ctx, s.roles.holders, role, org, after, limit)
	if err != nil {
		return nil, failed(ctx, doing, err)
	}
	return list, nil
}

func (s *Store) assignments(ctx context.Context, q *statement, args ...any) (list []assignment.Assignment, err error) {
	err = s.retry(ctx, func() error {
		list = nil
		return q.rows(ctx, s.db, func(rows *sql.Rows) error {
			var a assignment.Assignment
			var granted int64
			var ends sql.NullInt64
			if err := rows.Scan(&a.UserID, &a.Org, &a.Role, &a.GrantedBy, &granted, &ends); err != nil {
				return err
			}
			a.GrantedAt, a.Until = fromMicro(granted), fromExpiry(ends)
			list = append(list, a)
			return nil
		}, args...)
	})
	return list, err
}

// ReplaceAssignment is the method of a Store of package roles. It also returns an error if the columns cannot hold
// the change.
func (s *Store) ReplaceAssignment(ctx context.Context, c assignment.Change) error {
	const doing = "change roles"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isName(c.UserID) {
		return auth.ErrUserNotFound
	}
	if !isName(c.Role) || len(c.Role) > maxRole || c.Org != "" && !isName(c.Org) || c.GrantedBy != "" && !isName(c.GrantedBy) ||
		!isSessionID(c.New) || !isSessionID(c.Retired) {
		return failed(ctx, doing, fmt.Errorf("a role must be UTF-8 without NUL, of at most %d bytes, other IDs of at most %d, and versions of 22 characters", maxRole, maxName))
	}
	err := s.revoke(ctx, func(tx querier, batch int64) error { return s.replaceAssignment(ctx, tx, batch, c) })
	for _, answer := range []error{auth.ErrUserNotFound, auth.ErrConflict, assignment.ErrLast} {
		if errors.Is(err, answer) {
			return answer
		}
	}
	if err != nil {
		return failed(ctx, doing, err)
	}
	return nil
}

// replaceAssignment makes a change in a transaction, and records that the version is retired.
func (s *Store) replaceAssignment(ctx context.Context, tx querier, batch int64, c assignment.Change) error {
	if err := s.lockUser(ctx, tx, c.UserID); err != nil {
		return err
	}
	if c.By != "" {
		var version string
		err := tx.QueryRowContext(ctx, s.roles.lockVersion.query, c.By).Scan(&version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if version == "" || version != c.ByVersion {
			return auth.ErrConflict
		}
	}
	if err := s.swapVersion(ctx, tx, c); err != nil {
		return err
	}
	if c.Keep {
		if err := s.hasOtherHolder(ctx, tx, c); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, s.roles.remove.query, c.UserID, c.Org, c.Role); err != nil {
		return err
	}
	if !c.Remove {
		ends := sql.NullInt64{Int64: c.Until.UnixMicro(), Valid: !c.Until.IsZero()}
		if _, err := tx.ExecContext(ctx, s.roles.add.query, c.UserID, c.Org, c.Role, c.GrantedBy, c.GrantedAt.UnixMicro(), ends); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, s.roles.feed.query, batch, c.Retired, c.Expiry.UnixMicro())
	return err
}

// swapVersion returns [auth.ErrConflict] unless the user's version is c.Old, and makes it c.New.
func (s *Store) swapVersion(ctx context.Context, tx querier, c assignment.Change) error {
	q, args := s.roles.swap, []any{c.New, c.UserID, c.Old}
	if c.Old == "" {
		q, args = s.roles.insert, args[:2]
	}
	result, err := tx.ExecContext(ctx, q.query, args...)
	if s.dialect.duplicate(err) {
		return auth.ErrConflict
	}
	if err != nil {
		return err
	}
	written, err := result.RowsAffected()
	if err == nil && written == 0 {
		return auth.ErrConflict
	}
	return err
}

// hasOtherHolder returns [assignment.ErrLast] unless another user has the role without an end. It locks the rows of
// all holders, in the order of their users: of two changes that each count on the other's row, the second waits.
func (s *Store) hasOtherHolder(ctx context.Context, tx querier, c assignment.Change) error {
	rows, err := tx.QueryContext(ctx, s.roles.lockHolders.query, c.Role, c.Org)
	if err != nil {
		return err
	}
	defer rows.Close()
	other := false
	for rows.Next() {
		var userID string
		if err := rows.Scan(&userID); err != nil {
			return err
		}
		other = other || userID != c.UserID
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if !other {
		return assignment.ErrLast
	}
	return rows.Close()
}

// forgetUser deletes the roles of a user in a transaction, and the user's ID where it says who granted a role.
func (s *Store) forgetUser(ctx context.Context, tx querier, userID string) error {
	for _, q := range []*statement{s.roles.forget, s.roles.forgetVersion, s.roles.forgetBy} {
		if _, err := tx.ExecContext(ctx, q.query, userID); err != nil {
			return err
		}
	}
	return nil
}
