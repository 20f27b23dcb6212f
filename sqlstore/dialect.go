package sqlstore

import (
	"errors"
	"fmt"
	"strings"
)

// Dialect names the dialect of SQL of a database.
type Dialect string

// The dialects, with the oldest version of the server that has the features in use.
const (
	SQLite     Dialect = "sqlite"     // 3.37
	PostgreSQL Dialect = "postgresql" // 12, in a database with encoding UTF8
	MySQL      Dialect = "mysql"      // MySQL 8.0.16, MariaDB 10.5
)

func (d Dialect) known() bool { return d == SQLite || d == PostgreSQL || d == MySQL }

// maxPrefix leaves room for the longest name of a table or an index within 63 bytes.
const maxPrefix = 30

// isPrefix reports whether a table prefix needs no quotes in any dialect.
func isPrefix(s string) bool {
	for i, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || i > 0 && (c == '_' || c >= '0' && c <= '9')) {
			return false
		}
	}
	return s != "" && len(s) <= maxPrefix
}

// query translates text, in which ? stands for a parameter, {prefix} for the table prefix and {now}
// for the server's time, into the dialect. Only constants of this package are passed as text.
func (d Dialect) query(prefix, text string) string {
	text = strings.ReplaceAll(text, "{prefix}", prefix)
	text = strings.ReplaceAll(text, "{now}", d.clock())
	if d != PostgreSQL {
		return text
	}
	var b strings.Builder
	parts := strings.Split(text, "?")
	for i, part := range parts[:len(parts)-1] {
		fmt.Fprintf(&b, "%s$%d", part, i+1)
	}
	b.WriteString(parts[len(parts)-1])
	return b.String()
}

// clock returns the expression of the time in microseconds since 1970, UTC. SQLite takes it from the
// machine, which all processes that use a file share, in whole milliseconds.
func (d Dialect) clock() string {
	switch d {
	case PostgreSQL:
		return "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
	case MySQL:
		return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
	default:
		return "(CAST((julianday('now') - 2440587.5) * 86400000 + 0.5 AS INTEGER) * 1000)"
	}
}

// forUpdate returns the end of a SELECT that locks its rows until the transaction ends. A transaction
// of SQLite has locked the whole file.
func (d Dialect) forUpdate() string {
	if d == SQLite {
		return ""
	}
	return " FOR UPDATE"
}

// deleteSome returns a DELETE of at most [pruneBatch] rows of a table with this key. Except on MySQL
// it takes the parameters of where twice: the second check spares a row that has changed since it
// was selected.
func (d Dialect) deleteSome(table, key, where string) string {
	begin := "DELETE FROM {prefix}" + table + " WHERE " + where
	limit := fmt.Sprintf(" LIMIT %d", pruneBatch)
	if d == MySQL {
		return begin + limit
	}
	return begin + " AND (" + key + ") IN (SELECT " + key + " FROM {prefix}" + table + " WHERE " + where + limit + ")"
}

// ignoreConflict returns the end of an INSERT that skips a row whose key is taken, without an error.
// MySQL's INSERT IGNORE would also hide other errors, so there the conflict stays an error: see
// duplicate.
func (d Dialect) ignoreConflict() string {
	if d == MySQL {
		return ""
	}
	return " ON CONFLICT DO NOTHING"
}

// Numbers of the errors of MySQL and MariaDB that a store handles.
const (
	errDuplicateColumn = 1060
	errDuplicateEntry  = 1062
	errDeadlock        = 1213
	errTruncatedValue  = 1292
	errWrongValue      = 1366
	errOutOfRange      = 1264
	errDecimalOverflow = 1916 // MariaDB: a number of more than 65 digits
	errRecordChanged   = 1020 // MariaDB under innodb_snapshot_isolation
)

// mysqlError returns the number of a server's error, or 0. It reads the text, because drivers offer
// the number only in types of their own. All drivers begin the text with the number, as the server's
// own client does: "Error 1062 (23000): …".
func mysqlError(err error) (number int) {
	for ; err != nil; err = errors.Unwrap(err) {
		const prefix = "error "
		if text := err.Error(); len(text) > len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			if _, scanErr := fmt.Sscanf(text[len(prefix):], "%d", &number); scanErr == nil {
				return number
			}
		}
	}
	return 0
}

// duplicate reports whether an INSERT failed because a key is taken. PostgreSQL and SQLite report an
// error for an INSERT without ON CONFLICT, such as one by a trigger of a view.
func (d Dialect) duplicate(err error) bool {
	switch {
	case err == nil:
		return false
	case d == MySQL:
		return mysqlError(err) == errDuplicateEntry
	case d == PostgreSQL:
		return sqlState(err) == "23505"
	}
	return strings.Contains(err.Error(), "UNIQUE constraint failed")
}

// columnExists reports whether an ALTER TABLE failed because the column that it adds exists. MySQL
// has no ADD COLUMN IF NOT EXISTS, and commits a step before the row that records it: a server that
// stopped between the two meets the column again.
func (d Dialect) columnExists(err error) bool {
	return d == MySQL && mysqlError(err) == errDuplicateColumn
}

// notOfType reports whether a statement failed because a parameter is no value of the type that it is
// compared with, such as "2a" with an integer.
func (d Dialect) notOfType(err error) bool {
	switch d {
	case MySQL:
		switch mysqlError(err) {
		case errTruncatedValue, errWrongValue, errOutOfRange, errDecimalOverflow:
			return true
		}
	case PostgreSQL:
		state := sqlState(err)
		return state == "22P02" || state == "22003" // invalid text representation; out of range
	}
	return false
}

// sqlState returns the code of an error of PostgreSQL, or "".
func sqlState(err error) string {
	var e interface{ SQLState() string } // implemented by the errors of pgx and lib/pq
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

// transient reports whether the database undid a statement in favour of another transaction, so that
// the statement may succeed when it is repeated.
func (d Dialect) transient(err error) bool {
	switch d {
	case MySQL:
		number := mysqlError(err)
		return number == errDeadlock || number == errRecordChanged
	case PostgreSQL:
		state := sqlState(err)
		return state == "40001" || state == "40P01"
	}
	return false // SQLite waits: PRAGMA busy_timeout
}
