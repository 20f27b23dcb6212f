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

// Migrate brings the tables up to date, creating them if there are none. Of
// programs that call it at the same time one does the work and the others wait.
// On PostgreSQL and SQLite all is done or nothing; MySQL commits each table as it
// makes it, and the next call goes on from there. The right to create tables is
// needed only where there is something to do.
//
// It returns an error, and changes nothing, if a newer version of this package
// has changed the tables.
func (s *Store) Migrate(ctx context.Context) error {
	steps, err := Migrations(s.dialect, s.prefix)
	if err != nil {
		return err
	}
	const doing = "migrate"
	latest := steps[len(steps)-1].Version
	// An error here says as a rule that there is no such table yet; the next
	// statement meets any other again.
	if at, err := s.version(ctx, s.db); err == nil && at >= latest {
		if at > latest {
			return failed(ctx, doing, newer(at, latest))
		}
		return nil
	}
	err = s.exclusive(ctx, func(db querier) error {
		if err := s.run(ctx, db, steps[0]); err != nil {
			return err
		}
		at, err := s.version(ctx, db)
		if err != nil {
			return err
		}
		if at > latest {
			return newer(at, latest)
		}
		for _, step := range steps[at+1:] {
			if err := s.run(ctx, db, step); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return failed(ctx, doing, err)
	}
	return nil
}

func newer(at, latest int) error {
	return fmt.Errorf("the tables are of version %d, this program knows them up to %d: use the newer one", at, latest)
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

// version returns the last step that was run.
func (s *Store) version(ctx context.Context, db querier) (version int, err error) {
	const last = "SELECT COALESCE(MAX(version), 0) FROM {prefix}migrations"
	err = db.QueryRowContext(ctx, s.dialect.query(s.prefix, last)).Scan(&version)
	return version, err
}

// exclusive calls f while nobody else's f runs on the same tables.
func (s *Store) exclusive(ctx context.Context, f func(querier) error) error {
	switch s.dialect {
	case PostgreSQL:
		return s.exclusivePostgreSQL(ctx, f)
	case MySQL:
		return s.exclusiveMySQL(ctx, f)
	default:
		return s.exclusiveSQLite(ctx, f)
	}
}

// exclusiveSQLite calls f in a transaction, all of which are exclusive. Who opens a
// file first after a crash recovers it, and who opens it for the last time cleans
// up: meanwhile SQLite refuses others at once, whatever their busy_timeout.
func (s *Store) exclusiveSQLite(ctx context.Context, f func(querier) error) error {
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

// exclusivePostgreSQL calls f in a transaction under a lock that ends with it.
func (s *Store) exclusivePostgreSQL(ctx context.Context, f func(querier) error) error {
	return s.transaction(ctx, func(tx querier) error {
		name := fnv.New64a()
		name.Write([]byte(s.prefix + "migrations"))
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(name.Sum64())); err != nil {
			return err
		}
		return f(tx)
	})
}

// exclusiveMySQL calls f on a connection that holds a lock by name.
func (s *Store) exclusiveMySQL(ctx context.Context, f func(querier) error) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	name := s.prefix + "migrations"
	for locked := (sql.NullInt64{}); locked.Int64 != 1; {
		// A second at a time, for ctx cannot end the wait on the server.
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 1)", name).Scan(&locked); err != nil {
			return err
		}
		if !locked.Valid {
			return errors.New("GET_LOCK failed")
		}
	}
	defer afterwards(ctx, conn, "SELECT RELEASE_LOCK(?)", name)
	return f(conn)
}
