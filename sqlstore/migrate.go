package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

// Migrate creates the tables, or brings existing ones up to date. If several programs call it at the
// same time, one does the work and the others wait. On PostgreSQL and SQLite it does all of the work
// or none; MySQL commits each change of the schema at once, and the next call continues from there.
// The right to create and alter tables is needed only if there is something to do.
//
// It returns an error, and changes nothing, if a newer version of this package has changed the
// tables.
func (s *Store) Migrate(ctx context.Context) error {
	steps, err := Migrations(s.dialect, s.prefix)
	if err != nil {
		return err
	}
	const doing = "migrate"
	latest := steps[len(steps)-1].Version
	// An error here usually means that the table does not exist yet. Any other error comes back with
	// the next statement.
	if version, err := s.version(ctx, s.db); err == nil && version >= latest {
		if version > latest {
			return failed(ctx, doing, newerError(version, latest))
		}
		return nil
	}
	if err := s.migrationLock(ctx, func(db querier) error { return s.runNew(ctx, db, steps) }); err != nil {
		return failed(ctx, doing, err)
	}
	return nil
}

// runNew executes the steps that the database has not seen. The first step creates the table that
// records them, unless it exists.
func (s *Store) runNew(ctx context.Context, db querier, steps []Migration) error {
	if err := s.run(ctx, db, steps[0]); err != nil {
		return err
	}
	version, err := s.version(ctx, db)
	if err != nil {
		return err
	}
	if latest := steps[len(steps)-1].Version; version > latest {
		return newerError(version, latest)
	}
	for _, step := range steps[version+1:] {
		if err := s.run(ctx, db, step); err != nil {
			return err
		}
	}
	return nil
}

func newerError(version, latest int) error {
	return fmt.Errorf("the tables have version %d, but this program supports versions up to %d: use a newer one", version, latest)
}

// run executes the statements of a step.
func (s *Store) run(ctx context.Context, db querier, m Migration) error {
	for _, statement := range m.statements() {
		if _, err := db.ExecContext(ctx, statement); err != nil && !s.dialect.columnExists(err) {
			return fmt.Errorf("%04d_%s: %w", m.Version, m.Name, err)
		}
	}
	return nil
}

// version returns the version of the last step that was run.
func (s *Store) version(ctx context.Context, db querier) (version int, err error) {
	const last = "SELECT COALESCE(MAX(version), 0) FROM {prefix}migrations"
	err = db.QueryRowContext(ctx, s.dialect.query(s.prefix, last)).Scan(&version)
	return version, err
}

// migrationLock calls f while no other migration of the same tables runs.
func (s *Store) migrationLock(ctx context.Context, f func(querier) error) error {
	switch s.dialect {
	case PostgreSQL:
		return s.migrationLockPostgreSQL(ctx, f)
	case MySQL:
		return s.migrationLockMySQL(ctx, f)
	default:
		return s.migrationLockSQLite(ctx, f)
	}
}

// migrationLockSQLite calls f in a transaction, because only one can write. The first process that
// opens a file after a crash recovers it, and the last one that closes it cleans up. Meanwhile SQLite
// refuses all others at once, whatever their busy_timeout: try again.
func (s *Store) migrationLockSQLite(ctx context.Context, f func(querier) error) error {
	const patience = 2 * time.Second
	for begin := time.Now(); ; {
		err := s.transaction(ctx, f)
		if err == nil || !strings.Contains(err.Error(), "database is locked") || time.Since(begin) > patience {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// migrationLockPostgreSQL calls f in a transaction that holds a lock until it ends.
func (s *Store) migrationLockPostgreSQL(ctx context.Context, f func(querier) error) error {
	return s.transaction(ctx, func(tx querier) error {
		name := fnv.New64a()
		name.Write([]byte(s.prefix + "migrations"))
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(name.Sum64())); err != nil {
			return err
		}
		return f(tx)
	})
}

// migrationLockMySQL calls f on a connection that holds a named lock.
func (s *Store) migrationLockMySQL(ctx context.Context, f func(querier) error) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	name := s.prefix + "migrations"
	for locked := (sql.NullInt64{}); locked.Int64 != 1; {
		// Wait for one second at a time, because the end of ctx does not end the wait on the server.
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 1)", name).Scan(&locked); err != nil {
			return err
		}
		if !locked.Valid {
			return errors.New("GET_LOCK failed")
		}
	}
	defer restore(ctx, conn, "SELECT RELEASE_LOCK(?)", name)
	return f(conn)
}
