// Package sqlite keeps users, sessions, records and addresses in an SQLite file. It is a module of its
// own, because it imports the driver modernc.org/sqlite, which needs no C compiler.
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
	"runtime"
	"strings"

	_ "modernc.org/sqlite" // registers "sqlite"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// Store is a [sqlstore.Store] on a file that [Open] opened.
type Store struct {
	*sqlstore.Store
	db, feed *sql.DB
}

// pragmas are the settings of every connection.
var pragmas = []string{
	// This is the first, so that the others also wait for a lock. The wait ends with the context.
	"busy_timeout(10000)",
	// Readers do not wait for a writer, nor a writer for readers.
	"journal_mode(WAL)",
	// A change is on the disk before it is acknowledged. With NORMAL a power failure would undo the
	// latest changes: an old password would be valid again.
	"synchronous(FULL)",
	"foreign_keys(ON)",
	// A replaced value, such as a hash, does not remain in the file.
	"secure_delete(ON)",
	// The schema in the file cannot run functions with side effects.
	"trusted_schema(OFF)",
}

// maxConnections is how many connections may be open at once. More would only cost memory, because
// the processor limits look-ups, and writes run one at a time.
const maxConnections = 16

// Open opens the database file at path and brings its tables up to date. It creates a file that does
// not exist, readable and writable by its owner alone, and refuses one that every user of the machine
// can read or write. A group may have access: that is up to the administrator. The folder must exist,
// on a local disk; SQLite keeps two more files in it (path-wal, path-shm). Several programs may use
// one file at a time. Copy it with SQLite's own backup, not file by file.
//
// Every acknowledged change survives a crash of the process, and a power failure if the disk honours
// flushes.
//
// Revocations are read on a connection of their own, which no other call can use up: leave cfg.FeedDB
// empty.
//
// It returns a [*cfgerr.Error] for each fault of the path or of cfg. Errors of the file system and of
// SQLite are wrapped.
func Open(ctx context.Context, path string, cfg sqlstore.Config) (*Store, error) {
	if path == "" || path == ":memory:" {
		return nil, &cfgerr.Error{Field: "sqlite.Open.path", Value: path, Reason: "must name a file; package memstore keeps users in memory"}
	}
	if cfg.FeedDB != nil {
		return nil, &cfgerr.Error{Field: "sqlite.Open.cfg.FeedDB", Reason: "is opened by Open: leave it empty"}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("auth: open SQLite: %w", err)
	}
	if err := createFile(path); err != nil {
		return nil, fmt.Errorf("auth: open SQLite: %w", err)
	}
	if err := checkModes(path); err != nil {
		return nil, err
	}
	s := &Store{}
	if s.db, err = pool(path, maxConnections); err != nil {
		return nil, err
	}
	if s.feed, err = pool(path, 1); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	cfg.FeedDB = s.feed
	if s.Store, err = sqlstore.New(s.db, sqlstore.SQLite, cfg); err == nil {
		err = s.Migrate(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// pool returns a pool of so many connections, which are opened when they are needed.
func pool(path string, connections int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", source(path))
	if err != nil {
		return nil, fmt.Errorf("auth: open SQLite: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// DB returns the database, for tables of the program's own.
func (s *Store) DB() *sql.DB { return s.db }

// Close closes the database. It waits for running calls; later calls fail.
func (s *Store) Close() error {
	err := s.db.Close()
	if s.feed != nil {
		err = errors.Join(err, s.feed.Close())
	}
	if err != nil {
		return fmt.Errorf("auth: close SQLite: %w", err)
	}
	return nil
}

// createFile creates an empty file with mode 0600, if there is none: SQLite would let everybody read
// the file, and gives the two files beside it the same mode. It does not open an existing file,
// because closing that would release the locks that other connections of this process hold on it.
func createFile(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another program created it first
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// checkModes returns a [*cfgerr.Error] for each of the database's files that users outside its owner
// and group can read or write (CWE-732): they hold password hashes, and a user who can write
// them can log in as anybody. The owner is not checked, because root may open the file of the service.
func checkModes(path string) error {
	if runtime.GOOS == "windows" {
		return nil // there are no such modes
	}
	var faults cfgerr.Faults
	for _, file := range []string{path, path + "-wal", path + "-shm", path + "-journal"} {
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() {
			continue // SQLite reports it
		}
		if mode := info.Mode().Perm(); mode&0o007 != 0 {
			faults.Add("sqlite.Open.path", file, fmt.Sprintf("mode %04o gives every user of the machine access; run chmod 600", mode))
		}
	}
	return faults.Err()
}

// source returns the data source name of the file for the driver.
func source(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	query := url.Values{"_pragma": pragmas}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}
