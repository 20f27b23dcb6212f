package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"time"
)

// querier is what a [sql.DB], a [sql.Conn] and a [sql.Tx] have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// transaction calls f in a transaction, and again if the database undid it in
// favour of another's.
func (s *Store) transaction(ctx context.Context, f func(querier) error) error {
	if s.dialect == SQLite {
		return s.turn(ctx, func() error { return s.transactionSQLite(ctx, f) })
	}
	return s.retry(ctx, func() error {
		// Not the database's default level: a statement sees what was committed
		// while it or one before it waited, and InnoDB locks rows, not gaps.
		tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // after Commit it does nothing
		if err := f(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// transactionSQLite calls f in a transaction that is the writer from its start:
// one that reads first and then wants to write can be refused without waiting.
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
		// Also where BEGIN failed: it may have begun, and ctx ended then. Left open,
		// it would keep all others from writing and swallow what came after it.
		afterwards(ctx, conn, "ROLLBACK")
	}
	return err
}

// afterwards runs a statement that gives a connection back as it was, even after
// ctx has ended. A connection on which that fails is closed instead.
func afterwards(ctx context.Context, conn *sql.Conn, statement string, args ...any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := conn.ExecContext(ctx, statement, args...); err != nil {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
}
