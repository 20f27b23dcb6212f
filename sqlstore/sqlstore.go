package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// Config holds the settings of a [Store]. The zero Config is valid.
type Config struct {
	// TablePrefix begins the name of every table: a lower-case ASCII letter, then lower-case ASCII
	// letters, digits and underscores, at most 30 characters. Empty means "auth_".
	TablePrefix string

	// Users names a table of users that the program already has. Its zero value means the table that
	// [Store.Migrate] creates; otherwise that table stays empty.
	Users UserTable

	// Columns are further columns of Users.Table that CreateUser fills. A unique index on one of them
	// makes CreateUser return [auth.ErrUserExists], too.
	Columns []Column

	// NormalizeUsername is the function that [auth.Config] has under this name, for names that Users
	// stores in another form. nil: [auth.CanonicalUsername].
	NormalizeUsername func(username string) (string, error)

	// FeedDB is a second pool on the same database, for [Store.RevokedSince] alone: one connection is
	// enough. The caller sets it up and closes it. Give it where the pool of New is limited: when all its
	// connections wait for a slow or locked database, revocations cannot be read, and a revocation.List
	// then answers 503 on every protected route. nil: the pool of New.
	FeedDB *sql.DB
}

// Store is an [auth.UserStore], [auth.AccountStore], [auth.SessionStore] and [auth.RecordStore] on a
// database, and implements Addresses of package recovery and Store of package roles. Usernames, addresses and
// IDs of users are UTF-8 without NUL, of 1 to 255 bytes, password hashes of at most 1,024.
//
// After an error that the contract does not name, such as the end of a context, a change may or may
// not have been made: the database's reply can be lost after the commit.
type Store struct {
	db        *sql.DB
	feedDB    *sql.DB // for RevokedSince: db, or a pool of its own
	dialect   Dialect
	prefix    string
	users     userStatements
	sessions  sessionStatements
	feed      feedStatements
	records   recordStatements
	addresses addressStatements
	roles     roleStatements
	prune     pruneStatements
	namesRead atomic.Bool                           // Check has read the usernames
	ownRule   func(username string) (string, error) // nil: auth.CanonicalUsername

	// writer is held by the call that writes. SQLite has one writer at a time and makes the others
	// poll; the calls of one Store queue here instead, which makes the slowest of 64 ten times as
	// fast. It is nil on servers.
	writer chan struct{}
}

var (
	_ auth.UserStore    = (*Store)(nil)
	_ auth.AccountStore = (*Store)(nil)
	_ auth.SessionStore = (*Store)(nil)
	_ auth.RecordStore  = (*Store)(nil)
)

// New returns a store on db, which the caller sets up and closes. New does not connect; see
// [Store.Migrate] for the tables. On SQLite, set a busy_timeout, the time that a write waits for
// writes of other connections.
//
// It returns a [*cfgerr.Error] for each fault, joined.
func New(db *sql.DB, dialect Dialect, cfg Config) (*Store, error) {
	faults := cfgerr.Faults{Prefix: "sqlstore."}
	faults.Require("New.db", db != nil)
	if !dialect.known() {
		faults.Add("New.dialect", string(dialect), dialectRule)
	}
	prefix := cfg.TablePrefix
	if prefix == "" {
		prefix = defaultPrefix
	}
	if !isPrefix(prefix) {
		faults.Add("Config.TablePrefix", prefix, prefixRule)
	}
	cfg.Users.check(&faults, cfg.Columns)
	if cfg.FeedDB != nil && cfg.FeedDB == db {
		faults.Add("Config.FeedDB", "", "is the pool that New was given: give another one, or none")
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if cfg.FeedDB == nil {
		cfg.FeedDB = db
	}
	s := &Store{
		db: db, feedDB: cfg.FeedDB, dialect: dialect, prefix: prefix,
		ownRule:   cfg.NormalizeUsername,
		users:     newUserStatements(dialect, cfg.Users.withDefaults(prefix), cfg.Columns, cfg.Users.Table != ""),
		sessions:  newSessionStatements(dialect, prefix),
		feed:      newFeedStatements(dialect, prefix),
		records:   newRecordStatements(dialect, prefix),
		addresses: newAddressStatements(dialect, prefix),
		roles:     newRoleStatements(dialect, prefix),
		prune:     newPruneStatements(dialect, prefix),
	}
	if dialect == SQLite {
		s.writer = make(chan struct{}, 1)
	}
	return s, nil
}

// Channel returns the channel on which PostgreSQL sends a notification of each revocation when it is
// committed, such as "auth_revocations", for LISTEN. On other databases it is empty.
func (s *Store) Channel() string {
	if s.dialect != PostgreSQL {
		return ""
	}
	return s.prefix + "revocations"
}

const (
	defaultPrefix = "auth_"
	prefixRule    = "must be lower-case ASCII letters, digits and underscores after a first letter, at most 30"
	dialectRule   = "must be SQLite, PostgreSQL or MySQL"
)

// exec runs a statement that changes rows, when no other write of this Store runs, and returns how
// many rows it affected.
func (s *Store) exec(ctx context.Context, q *statement, args ...any) (rows int64, err error) {
	err = s.exclusively(ctx, func() error {
		return s.retry(ctx, func() (err error) {
			rows, err = q.exec(ctx, s.db, args...)
			return err
		})
	})
	return rows, err
}

// row runs a statement and stores the columns of its one row in dest. It returns [sql.ErrNoRows] if
// there is none.
func (s *Store) row(ctx context.Context, q *statement, args []any, dest ...any) error {
	return s.retry(ctx, func() error { return q.row(ctx, s.db, args, dest...) })
}

// exclusively calls f, which writes. On SQLite it first waits for the other writes of this Store.
func (s *Store) exclusively(ctx context.Context, f func() error) error {
	if s.writer != nil {
		select {
		case s.writer <- struct{}{}:
			defer func() { <-s.writer }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return f()
}

// retry calls f, and calls it again if the database undid it in favour of another transaction.
func (s *Store) retry(ctx context.Context, f func() error) error {
	const attempts = 10
	for i := 0; ; i++ {
		err := f()
		if i == attempts-1 || !s.dialect.transient(err) {
			return err
		}
		select {
		case <-time.After(time.Millisecond << i):
		case <-ctx.Done():
			return err
		}
	}
}

// failed wraps an error of the database.
func failed(ctx context.Context, doing string, err error) error {
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		// Some drivers report only that they were interrupted.
		return fmt.Errorf("auth: sql store: %s: %w: %w", doing, ended, err)
	}
	return fmt.Errorf("auth: sql store: %s: %w", doing, err)
}
