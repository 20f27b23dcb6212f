package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
)

// statement is a query that is prepared when it is first needed and kept until its database is
// closed. That halves the time of a look-up on SQLite, and saves a third of it on MySQL, where the
// driver would prepare the query each time. On PostgreSQL preparing is left to the driver: pgx does
// it by itself, and a program behind a pooler that cannot keep statements has configured it not to.
type statement struct {
	query     string
	direct    bool // never prepared by this package
	returning bool // changes rows, and returns one for each
	prepared  atomic.Pointer[sql.Stmt]
}

func newStatement(d Dialect, prefix, text string) *statement {
	return &statement{query: d.query(prefix, text), direct: d == PostgreSQL}
}

// exec runs the statement and returns how many rows it affected.
func (q *statement) exec(ctx context.Context, db *sql.DB, args ...any) (rows int64, err error) {
	if q.returning {
		// Read to the end: an error of the commit comes with the last row.
		err := q.rows(ctx, db, func(*sql.Rows) error { rows++; return nil }, args...)
		return rows, err
	}
	var result sql.Result
	if q.direct {
		result, err = db.ExecContext(ctx, q.query, args...)
	} else {
		var stmt *sql.Stmt
		if stmt, err = q.prepare(ctx, db); err == nil {
			result, err = stmt.ExecContext(ctx, args...)
		}
	}
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// execIn runs the statement in a transaction and returns how many rows it affected, at most one if it
// returns them.
func (q *statement) execIn(ctx context.Context, tx querier, args ...any) (rows int64, err error) {
	if q.returning {
		err := tx.QueryRowContext(ctx, q.query, args...).Scan(&rows)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return rows, err // RETURNING 1
	}
	result, err := tx.ExecContext(ctx, q.query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// row runs the statement and stores the columns of its one row in dest. It returns [sql.ErrNoRows] if
// there is none.
func (q *statement) row(ctx context.Context, db *sql.DB, args []any, dest ...any) error {
	if q.direct {
		return db.QueryRowContext(ctx, q.query, args...).Scan(dest...)
	}
	stmt, err := q.prepare(ctx, db)
	if err != nil {
		return err
	}
	return stmt.QueryRowContext(ctx, args...).Scan(dest...)
}

// rows runs the statement and calls each for every row; each scans the row.
func (q *statement) rows(ctx context.Context, db *sql.DB, each func(*sql.Rows) error, args ...any) (err error) {
	var rows *sql.Rows
	if q.direct {
		rows, err = db.QueryContext(ctx, q.query, args...)
	} else {
		var stmt *sql.Stmt
		if stmt, err = q.prepare(ctx, db); err == nil {
			rows, err = stmt.QueryContext(ctx, args...)
		}
	}
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// prepare returns the prepared statement, and prepares it if this is the first call.
func (q *statement) prepare(ctx context.Context, db *sql.DB) (*sql.Stmt, error) {
	if stmt := q.prepared.Load(); stmt != nil {
		return stmt, nil
	}
	stmt, err := db.PrepareContext(ctx, q.query)
	if err != nil {
		return nil, err
	}
	if !q.prepared.CompareAndSwap(nil, stmt) {
		_ = stmt.Close() // a concurrent call prepared it first
	}
	return q.prepared.Load(), nil
}
