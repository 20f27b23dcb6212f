package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// What the columns of records hold, in bytes.
const (
	maxKey   = 200
	maxValue = 4096
)

// recordStatements are what a store says about records.
type recordStatements struct {
	byKey, insert, takeOver, replace, remove *statement
}

func newRecordStatements(d Dialect, prefix string) recordStatements {
	const (
		set   = "UPDATE {prefix}records SET value = ?, version = ?, expires_at = ? WHERE id = ? AND "
		lives = " AND (expires_at IS NULL OR expires_at > {now})"
	)
	return recordStatements{
		// One row, for the time, whether there is a record or not.
		byKey:    newStatement(d, prefix, "SELECT {now}, r.value, r.version, r.expires_at FROM (SELECT 1) AS one LEFT JOIN {prefix}records r ON r.id = ?"),
		insert:   newStatement(d, prefix, "INSERT INTO {prefix}records (value, version, expires_at, id) VALUES (?, ?, ?, ?)"+d.ignoreConflict()),
		takeOver: newStatement(d, prefix, set+"expires_at <= {now}"),
		replace:  newStatement(d, prefix, set+"version = ?"+lives),
		remove:   newStatement(d, prefix, "DELETE FROM {prefix}records WHERE id = ? AND version = ?"+lives),
	}
}

// Record implements [auth.RecordStore]. The time is that of [Store.Session].
func (s *Store) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	const doing = "look up record"
	if err := ctx.Err(); err != nil {
		return auth.Record{}, time.Time{}, failed(ctx, doing, err)
	}
	if !isKey(key) {
		return auth.Record{}, time.Time{}, failed(ctx, doing, errKey)
	}
	var now int64
	var value []byte
	var version, expires sql.NullInt64
	if err := s.row(ctx, s.records.byKey, []any{key}, &now, &value, &version, &expires); err != nil {
		return auth.Record{}, time.Time{}, failed(ctx, doing, err)
	}
	if !version.Valid || expires.Valid && expires.Int64 <= now {
		return auth.Record{}, fromMicro(now), nil
	}
	r := auth.Record{Key: key, Value: value, Version: version.Int64}
	if expires.Valid {
		r.ExpiresAt = fromMicro(expires.Int64)
	}
	return r, fromMicro(now), nil
}

// ReplaceRecord implements [auth.RecordStore]. It returns an error, too, if the
// columns cannot hold r.
func (s *Store) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	const doing = "replace record"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	switch {
	case !isKey(r.Key):
		return failed(ctx, doing, errKey)
	case len(r.Value) > maxValue:
		return failed(ctx, doing, fmt.Errorf("the value must be of at most %d bytes", maxValue))
	case r.Version == 0:
		return failed(ctx, doing, fmt.Errorf("the version must not be 0"))
	}
	expires := sql.NullInt64{Int64: r.ExpiresAt.UnixMicro(), Valid: !r.ExpiresAt.IsZero()}
	args := []any{notNull(r.Value), r.Version, expires, r.Key}
	written, err := int64(0), error(nil)
	if old != 0 {
		written, err = s.exec(ctx, s.records.replace, append(args, old)...)
		if err == nil && written == 0 && old == r.Version {
			// MySQL counts the rows that changed, not those that it found.
			var stored auth.Record
			if stored, _, err = s.Record(ctx, r.Key); err == nil && stored.Version == old {
				return nil
			}
		}
	} else {
		written, err = s.exec(ctx, s.records.insert, args...)
		if s.dialect.duplicate(err) || err == nil && written == 0 {
			written, err = s.exec(ctx, s.records.takeOver, args...)
		}
	}
	switch {
	case err != nil:
		return failed(ctx, doing, err)
	case written == 0:
		return auth.ErrConflict
	}
	return nil
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

// notNull returns b as it is stored: drivers take nil for NULL.
func notNull(b []byte) []byte { return append([]byte{}, b...) }
