package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Config is what a [Store] can be told.
type Config struct {
	// TablePrefix begins the name of every table. Empty: "auth_". Lower-case
	// ASCII letters, digits and underscores after a first letter, at most 30.
	TablePrefix string

	// Users is for a table of users that the program already has. Its zero: the
	// one that [Store.Migrate] makes, which otherwise stays empty.
	Users UserTable
}

// Store is an [auth.UserStore], [auth.AccountStore], [session.Store] and
// [auth.RecordStore] on a database, and the Addresses of package recovery.
// Usernames, addresses and IDs of users are UTF-8 without NUL, of 1 to 255 bytes,
// hashes of at most 1024.
//
// An error that is none of the contract's, the end of a context included, leaves
// it open whether a change was made: the answer of a database can be lost after
// the deed.
type Store struct {
	db        *sql.DB
	dialect   Dialect
	prefix    string
	users     userStatements
	logins    sessionStatements
	feed      feedStatements
	records   recordStatements
	addresses addressStatements
	prune     pruneStatements

	// SQLite has one writer at a time and lets the others poll. Those of this
	// Store wait in line instead: the slowest of 64 is then ten times as fast.
	// nil on servers.
	writer chan struct{}
}

var (
	_ auth.UserStore    = (*Store)(nil)
	_ auth.AccountStore = (*Store)(nil)
	_ auth.SessionStore = (*Store)(nil)
	_ auth.RecordStore  = (*Store)(nil)
)

// New returns a store on db, which stays the caller's to set up and to close. It
// does not connect: see [Store.Migrate] for the tables. On SQLite, set a
// busy_timeout, in which a write waits for those of other connections.
func New(db *sql.DB, dialect Dialect, cfg Config) (*Store, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: field, Value: value, Reason: reason})
	}
	if db == nil {
		fault("sqlstore.New.db", "", "is nil")
	}
	if !dialect.known() {
		fault("sqlstore.New.dialect", string(dialect), "is none of SQLite, PostgreSQL and MySQL")
	}
	prefix := cfg.TablePrefix
	if prefix == "" {
		prefix = defaultPrefix
	}
	if !isPrefix(prefix) {
		fault("sqlstore.Config.TablePrefix", prefix, prefixRule)
	}
	users := cfg.Users.complete(prefix, fault)
	if faults != nil {
		return nil, errors.Join(faults...)
	}
	s := &Store{
		db: db, dialect: dialect, prefix: prefix,
		users:     newUserStatements(dialect, users),
		logins:    newSessionStatements(dialect, prefix),
		feed:      newFeedStatements(dialect, prefix),
		records:   newRecordStatements(dialect, prefix),
		addresses: newAddressStatements(dialect, prefix),
		prune:     newPruneStatements(dialect, prefix),
	}
	if dialect == SQLite {
		s.writer = make(chan struct{}, 1)
	}
	return s, nil
}

// Channel returns the channel that PostgreSQL notifies of each revocation when it is
// committed, as in "auth_revocations", for LISTEN. On other databases it is empty.
func (s *Store) Channel() string {
	if s.dialect != PostgreSQL {
		return ""
	}
	return s.prefix + "revocations"
}

const (
	defaultPrefix = "auth_"
	prefixRule    = "must be lower-case ASCII letters, digits and underscores after a first letter, at most 30"
)

// exec runs a statement that changes rows, in its turn, and returns how many it
// affected.
func (s *Store) exec(ctx context.Context, q *statement, args ...any) (rows int64, err error) {
	err = s.turn(ctx, func() error {
		return s.retry(ctx, func() (err error) {
			rows, err = q.exec(ctx, s.db, args...)
			return err
		})
	})
	return rows, err
}

// row runs a statement and stores the columns of its one row in dest. It returns
// [sql.ErrNoRows] if there is none.
func (s *Store) row(ctx context.Context, q *statement, args []any, dest ...any) error {
	return s.retry(ctx, func() error { return q.row(ctx, s.db, args, dest...) })
}

// turn calls f, which changes the database, while no other turn runs.
func (s *Store) turn(ctx context.Context, f func() error) error {
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

// retry calls f, and again if the database undid it in favour of another's.
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
	if over := ctx.Err(); over != nil && !errors.Is(err, over) {
		// Some drivers say only that something interrupted them.
		return fmt.Errorf("auth: sql store: %s: %w: %w", doing, over, err)
	}
	return fmt.Errorf("auth: sql store: %s: %w", doing, err)
}
