package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Capacities of the columns of records, in bytes. An owner is the ID of a user: see maxName.
const (
	maxKey   = 200
	maxValue = 4096
)

// recordStatements are the statements on records.
type recordStatements struct {
	byKey, insert, takeOver, replace, remove *statement
	byOwner, removeOwned                     *statement
}

func newRecordStatements(d Dialect, prefix string) recordStatements {
	const (
		set   = "UPDATE {prefix}records SET owner = ?, value = ?, version = ?, expires_at = ? WHERE id = ? AND "
		lives = " AND (expires_at IS NULL OR expires_at > {now})"
	)
	return recordStatements{
		// It returns one row whether the record exists or not, because the time is needed either way.
		byKey: newStatement(d, prefix, "SELECT {now}, r.owner, r.value, r.version, r.expires_at"+
			" FROM (SELECT 1) AS one LEFT JOIN {prefix}records r ON r.id = ?"),
		insert:   newStatement(d, prefix, "INSERT INTO {prefix}records (owner, value, version, expires_at, id) VALUES (?, ?, ?, ?, ?)"+d.ignoreConflict()),
		takeOver: newStatement(d, prefix, set+"expires_at <= {now}"),
		replace:  newStatement(d, prefix, set+"version = ?"+lives),
		remove:   newStatement(d, prefix, "DELETE FROM {prefix}records WHERE id = ? AND version = ?"+lives),

		byOwner:     newStatement(d, prefix, "SELECT id, value, version, expires_at FROM {prefix}records WHERE owner = ?"+lives),
		removeOwned: newStatement(d, prefix, "DELETE FROM {prefix}records WHERE owner = ?"),
	}
}

// Record implements [auth.RecordStore]. The time comes from the same clock as that of
// [Store.Session].
func (s *Store) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	const doing = "look up record"
	if err := ctx.Err(); err != nil {
		return auth.Record{}, time.Time{}, failed(ctx, doing, err)
	}
	if !isKey(key) {
		return auth.Record{}, time.Time{}, failed(ctx, doing, errKey)
	}
	var now int64
	var owner sql.NullString
	var value []byte
	var version, expires sql.NullInt64
	if err := s.row(ctx, s.records.byKey, []any{key}, &now, &owner, &value, &version, &expires); err != nil {
		return auth.Record{}, time.Time{}, failed(ctx, doing, err)
	}
	if !version.Valid || expires.Valid && expires.Int64 <= now {
		return auth.Record{}, fromMicro(now), nil
	}
	r := auth.Record{Key: key, Owner: owner.String, Value: value, Version: version.Int64, ExpiresAt: fromExpiry(expires)}
	return r, fromMicro(now), nil
}

// fromExpiry returns the time in the column expires_at, where NULL stands for never.
func fromExpiry(expires sql.NullInt64) time.Time {
	if !expires.Valid {
		return time.Time{}
	}
	return fromMicro(expires.Int64)
}

// ReplaceRecord implements [auth.RecordStore]. It also returns an error if the columns cannot
// hold r.
func (s *Store) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	const doing = "replace record"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if err := recordFits(r); err != nil {
		return failed(ctx, doing, err)
	}
	var written bool
	var err error
	if old == 0 {
		written, err = s.writeNewRecord(ctx, r)
	} else {
		written, err = s.swapRecord(ctx, old, r)
	}
	switch {
	case err != nil:
		return failed(ctx, doing, err)
	case !written:
		return auth.ErrConflict
	}
	return nil
}

// recordFits returns an error if the columns cannot hold r.
func recordFits(r auth.Record) error {
	switch {
	case !isKey(r.Key):
		return errKey
	case r.Owner != "" && !isName(r.Owner):
		return fmt.Errorf("the owner must be UTF-8 without NUL, of at most %d bytes", maxName)
	case len(r.Value) > maxValue:
		return fmt.Errorf("the value must be of at most %d bytes", maxValue)
	case r.Version == 0:
		return errors.New("the version must not be 0")
	}
	return nil
}

// recordArgs are the parameters that insert, takeOver and replace have in common.
func recordArgs(r auth.Record) []any {
	return []any{
		sql.NullString{String: r.Owner, Valid: r.Owner != ""}, notNull(r.Value), r.Version,
		sql.NullInt64{Int64: r.ExpiresAt.UnixMicro(), Valid: !r.ExpiresAt.IsZero()}, r.Key,
	}
}

// writeNewRecord writes r if there is no record with its key, or one that has expired.
func (s *Store) writeNewRecord(ctx context.Context, r auth.Record) (written bool, err error) {
	rows, err := s.exec(ctx, s.records.insert, recordArgs(r)...)
	if s.dialect.duplicate(err) || err == nil && rows == 0 {
		rows, err = s.exec(ctx, s.records.takeOver, recordArgs(r)...)
	}
	return rows > 0, err
}

// swapRecord writes r in the place of the record that has its key and the version old.
func (s *Store) swapRecord(ctx context.Context, old int64, r auth.Record) (written bool, err error) {
	rows, err := s.exec(ctx, s.records.replace, append(recordArgs(r), old)...)
	if err != nil || rows > 0 || old != r.Version {
		return rows > 0, err
	}
	// MySQL reports 0 rows when the new values equal the stored ones, so look the version up.
	stored, _, err := s.Record(ctx, r.Key)
	return stored.Version == old, err
}

// DeleteRecord implements [auth.RecordStore].
func (s *Store) DeleteRecord(ctx context.Context, key string, version int64) error {
	const doing = "delete record"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isKey(key) {
		return failed(ctx, doing, errKey)
	}
	switch deleted, err := s.exec(ctx, s.records.remove, key, version); {
	case err != nil:
		return failed(ctx, doing, err)
	case deleted == 0:
		return auth.ErrConflict
	}
	return nil
}

// Records implements [auth.RecordStore].
func (s *Store) Records(ctx context.Context, owner string) ([]auth.Record, error) {
	const doing = "list records"
	if err := ctx.Err(); err != nil {
		return nil, failed(ctx, doing, err)
	}
	if !isName(owner) {
		return nil, nil // no record has such an owner, and some servers would fail on it
	}
	var list []auth.Record
	err := s.retry(ctx, func() error {
		list = nil
		return s.records.byOwner.rows(ctx, s.db, func(rows *sql.Rows) error {
			r := auth.Record{Owner: owner}
			var expires sql.NullInt64
			if err := rows.Scan(&r.Key, &r.Value, &r.Version, &expires); err != nil {
				return err
			}
			r.ExpiresAt = fromExpiry(expires)
			list = append(list, r)
			return nil
		}, owner)
	})
	if err != nil {
		return nil, failed(ctx, doing, err)
	}
	return list, nil
}

// DeleteRecords implements [auth.RecordStore].
func (s *Store) DeleteRecords(ctx context.Context, owner string) error {
	const doing = "delete records"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isName(owner) {
		return nil
	}
	if _, err := s.exec(ctx, s.records.removeOwned, owner); err != nil {
		return failed(ctx, doing, err)
	}
	return nil
}

var errKey = fmt.Errorf("the key must be of 1 to %d characters of printable ASCII without space", maxKey)

// isKey reports whether the column for the keys of records holds key.
func isKey(key string) bool {
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return key != "" && len(key) <= maxKey
}

// notNull returns a copy of b that is never nil, because drivers send nil as NULL.
func notNull(b []byte) []byte { return append([]byte{}, b...) }
