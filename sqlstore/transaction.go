package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"
)

// querier has the methods that [sql.DB], [sql.Conn] and [sql.Tx] have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// transaction calls f in a transaction, and calls it again if the database undid the transaction in
// favour of another one.
func (s *Store) transaction(ctx context.Context, f func(querier) error) error {
	if s.dialect == SQLite {
		return s.exclusively(ctx, func() error { return s.transactionSQLite(ctx, f) })
	}
	return s.retry(ctx, func() error {
		// Read committed, whatever the database's default: a statement must see what was committed
		// while an earlier one waited, and InnoDB must lock rows, not gaps.
		tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // does nothing after Commit
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// transactionSQLite calls f in a transaction that takes the write lock when it begins. SQLite can
// refuse a transaction that reads first and writes later, without waiting for the lock.
func (s *Store) transactionSQLite(ctx context.Context, f func(querier) error) error {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		err = f(conn)
	}
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// Roll back even if BEGIN failed, because ctx may have ended after the transaction began. An
		// open transaction would block all other writers, and take in later statements on conn.
		restore(ctx, conn, "ROLLBACK")
	}
	return err
}

// restore runs a statement that returns a connection to its initial state, even after ctx has ended.
// If that fails, it closes the connection.
func restore(ctx context.Context, conn *sql.Conn, statement string, args ...any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := conn.ExecContext(ctx, statement, args...); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
