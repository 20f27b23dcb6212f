// Package sqlite keeps users, sessions and records in an SQLite file. It brings the driver
// modernc.org/sqlite, which needs no C compiler; package sqlstore alone brings
// none.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // registers "sqlite"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// Store is a [sqlstore.Store] on a file that it opened itself.
type Store struct {
	*sqlstore.Store
	db *sql.DB
}

// pragmas are what every connection is set up with.
var pragmas = []string{
	// First, so that the others wait for a lock, too. It ends with the context.
	"busy_timeout(10000)",
	// Readers do not wait for a writer, nor it for them.
	"journal_mode(WAL)",
	// A change is on the disk before it is acknowledged. NORMAL would lose the
	// last of them with the power: a password would be the old one again.
	"synchronous(FULL)",
	"foreign_keys(ON)",
	// What is replaced, as a hash, does not stay behind in the file.
	"secure_delete(ON)",
	// Nothing in the file's schema runs functions with side effects.
	"trusted_schema(OFF)",
}

// connections is how many may be open at once. Look-ups are bound by the
// processor and writes come one by one, so that more would only cost memory.
const connections = 16

// Open opens the database file at path and brings its tables up to date. A file
// that does not exist is created, readable and writable by its owner alone; its
// folder must exist, on a local disk, and SQLite keeps two more files beside it
// (path-wal, path-shm). Several programs may use one file at a time; copy it with
// SQLite's own backup, not file by file.
//
// Every change that was acknowledged survives the end of the process and, as far
// as the disk keeps its word, of the power.
func Open(ctx context.Context, path string, cfg sqlstore.Config) (*Store, error) {
	if path == "" || path == ":memory:" {
		return nil, &auth.ConfigError{Field: "sqlite.Open.path", Value: path, Reason: "must name a file; for users in memory there is auth.NewMemoryStore"}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("auth: open SQLite: %w", err)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("auth: open SQLite: %w", err)
	}
	db, err := sql.Open("sqlite", source(path))
	if err != nil {
		return nil, fmt.Errorf("auth: open SQLite: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	s, err := prepare(ctx, db, cfg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{Store: s, db: db}, nil
}

// prepare makes a store of an open database.
func prepare(ctx context.Context, db *sql.DB, cfg sqlstore.Config) (*sqlstore.Store, error) {
	s, err := sqlstore.New(db, sqlstore.SQLite, cfg)
	if err != nil {
		return nil, err
	}
	return s, s.Migrate(ctx)
}

// DB returns the database, for tables of the program's own.
func (s *Store) DB() *sql.DB { return s.db }

// Close closes the database. Calls that run are waited for, later ones fail.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("auth: close SQLite: %w", err)
	}
	return nil
}

// create makes an empty file for its owner alone, if there is none: SQLite would
// let everybody read it, and gives the files beside it the same mode. A file that
// exists is not opened, because closing it would drop the locks that other
// connections of this process hold on it.
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another program was faster
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// source names the file as the driver takes it.
func source(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	query := url.Values{"_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}
