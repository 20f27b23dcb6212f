package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth"
)

// Capacities of the columns of users, in bytes.
const (
	maxName = 255
	maxHash = 1024
)

// userStatements are the statements on users. Where one takes an ID, it takes it twice: see exactly.
type userStatements struct {
	insert, byID, byUsername, replaceHash, remove *statement
	list                                          *statement // the users after a username
	newID                                         *statement // the ID of a username, which it takes twice
	lock                                          *statement // locks the row of a user until the transaction ends
	disable                                       *statement // nil if the table has no such column

	table UserTable // with a name for each column that the table has
	host  bool      // the table is the host's
	more  []Column
}

// CreateUser implements [auth.UserStore]. It returns [auth.ErrInvalidUsername] if the column cannot
// hold the username, also because a unique index has it for a row that no login finds.
func (s *Store) CreateUser(ctx context.Context, u auth.User) (id string, err error) {
	const doing = "create user"
	if err := ctx.Err(); err != nil {
		return "", failed(ctx, doing, err)
	}
	if !isName(u.Username) {
		return "", fmt.Errorf("%w: it must be UTF-8 without NUL, of 1 to %d bytes", auth.ErrInvalidUsername, maxName)
	}
	if !isName(u.ID) && !s.users.table.GeneratedIDs {
		return "", fmt.Errorf("auth: sql store: %s: the ID must be UTF-8 without NUL, of 1 to %d bytes", doing, maxName)
	}
	if !isHash(u.PasswordHash) {
		return "", errHash(doing)
	}
	if u.Disabled && s.users.disable == nil {
		return "", failed(ctx, doing, errNoDisabled)
	}
	args, err := s.users.args(ctx, u)
	if err != nil {
		return "", failed(ctx, doing, err)
	}
	if s.users.table.Names == TypedNames { // no index tells that the name is there in another spelling
		if _, err := s.UserByUsername(ctx, u.Username); !errors.Is(err, auth.ErrUserNotFound) {
			return "", cmp.Or(existing(err), auth.ErrUserExists)
		}
	}
	switch id, err = s.insertUser(ctx, u, args); {
	case errors.Is(err, errTaken) || s.dialect.duplicate(err):
		return "", s.taken(ctx, u)
	case s.dialect.notOfType(err) && !s.users.table.GeneratedIDs:
		return "", failed(ctx, doing, fmt.Errorf("%w (column %s takes no such ID: set Config.Users.GeneratedIDs or auth.Config.NewUserID)", err, s.users.table.ID))
	case err != nil:
		return "", failed(ctx, doing, err)
	}
	return id, nil
}

// errTaken says that a unique index has refused a new row.
var errTaken = errors.New("a unique index has the value")

// insertUser inserts the row of a user and returns the ID of the row.
func (s *Store) insertUser(ctx context.Context, u auth.User, args []any) (id string, err error) {
	insert, t := s.users.insert, s.users.table
	conflict := func(inserted int64) bool { return s.dialect == PostgreSQL && inserted == 0 } // otherwise it is an error
	if !t.GeneratedIDs {
		inserted, err := s.exec(ctx, insert, args...)
		if err == nil && conflict(inserted) {
			err = errTaken
		}
		return u.ID, err
	}
	err = s.transaction(ctx, func(tx querier) error {
		result, err := tx.ExecContext(ctx, insert.query, args...)
		if err != nil {
			return err
		}
		if inserted, err := result.RowsAffected(); err != nil || conflict(inserted) {
			return cmp.Or(err, errTaken)
		}
		return tx.QueryRowContext(ctx, s.users.newID.query, u.Username, u.Username).Scan(&id)
	})
	return id, err
}

// taken returns the error for a user whom a unique index has refused. The user may log in only if a
// look-up finds the row that is in the way.
func (s *Store) taken(ctx context.Context, u auth.User) error {
	if _, err := s.UserByUsername(ctx, u.Username); !errors.Is(err, auth.ErrUserNotFound) {
		return cmp.Or(existing(err), auth.ErrUserExists)
	}
	if !s.users.table.GeneratedIDs {
		if _, err := s.UserByID(ctx, u.ID); !errors.Is(err, auth.ErrUserNotFound) {
			return cmp.Or(err, auth.ErrUserExists)
		}
	}
	if len(s.users.more) > 0 {
		return auth.ErrUserExists // one of the host's columns
	}
	return fmt.Errorf("%w: %w", auth.ErrInvalidUsername, &auth.UsernameError{Reason: "it differs too little from another one, or was in use before"})
}

// existing returns the error of a look-up by username, or nil if several rows have the name.
func existing(err error) error {
	if errors.Is(err, errTwins) {
		return nil
	}
	return err
}

// UserByID implements [auth.UserStore].
func (s *Store) UserByID(ctx context.Context, id string) (auth.User, error) {
	found, err := s.find(ctx, s.users.byID, id, id, id)
	if err != nil {
		return auth.User{}, err
	}
	for _, u := range found {
		if u.ID == id {
			return u, nil
		}
	}
	return auth.User{}, auth.ErrUserNotFound
}

// UserByUsername implements [auth.UserStore]. See [Names] for a table of the host's. It fails if several
// rows have the name.
func (s *Store) UserByUsername(ctx context.Context, username string) (auth.User, error) {
	found, err := s.find(ctx, s.users.byUsername, username, username)
	if err != nil {
		return auth.User{}, err
	}
	u, err := s.theUser(slices.DeleteFunc(found, func(u auth.User) bool { return !s.isNameOf(u.Username, username) }), username)
	if errors.Is(err, errTwins) {
		return u, failed(ctx, lookUp, err)
	}
	return u, err
}

const lookUp = "look up user"

// find returns the users that query finds with args, which are key once or twice.
func (s *Store) find(ctx context.Context, query *statement, key string, args ...any) (found []auth.User, err error) {
	if err := ctx.Err(); err != nil {
		return nil, failed(ctx, lookUp, err)
	}
	if !isName(key) {
		return nil, nil // some servers would fail on such a parameter
	}
	err = s.retry(ctx, func() error {
		found = nil
		return query.rows(ctx, s.db, func(rows *sql.Rows) error {
			u, err := scanUser(rows)
			found = append(found, u)
			return err
		}, args...)
	})
	if s.dialect.notOfType(err) {
		return nil, nil
	}
	if err != nil {
		return nil, failed(ctx, lookUp, err)
	}
	return found, nil
}

// scanUser reads the row of a user.
func scanUser(rows *sql.Rows) (u auth.User, err error) {
	var name, hash sql.NullString
	var disabled sql.NullBool
	var created sql.NullInt64
	if err := rows.Scan(&u.ID, &name, &hash, &disabled, &created); err != nil {
		return auth.User{}, err
	}
	u.Username, u.PasswordHash, u.Disabled = name.String, hash.String, disabled.Bool
	if created.Valid {
		u.CreatedAt = fromMicro(created.Int64)
	}
	return u, nil
}

// ReplacePasswordHash implements [auth.UserStore].
func (s *Store) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	const doing = "replace password hash"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isHash(replacement) {
		return errHash(doing)
	}
	if !isName(id) {
		return auth.ErrUserNotFound
	}
	if isHash(old) {
		replaced, err := s.exec(ctx, s.users.replaceHash, replacement, id, id, old)
		if err != nil {
			return s.failedFor(ctx, doing, id, err)
		}
		if replaced > 0 {
			return nil
		}
	}
	u, err := s.UserByID(ctx, id)
	switch {
	case err != nil:
		return err
	case u.PasswordHash == old && old == replacement:
		return nil // MySQL reports 0 rows when the new value equals the stored one
	}
	return auth.ErrConflict
}

// SetDisabled implements [auth.AccountStore].
func (s *Store) SetDisabled(ctx context.Context, id string, disabled bool) error {
	const doing = "disable user"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isName(id) {
		return auth.ErrUserNotFound
	}
	if s.users.disable == nil {
		return failed(ctx, doing, errNoDisabled)
	}
	changed, err := s.exec(ctx, s.users.disable, disabled, id, id)
	if err != nil {
		return s.failedFor(ctx, doing, id, err)
	}
	if changed == 0 { // no such user, or MySQL found the same value stored
		u, err := s.UserByID(ctx, id)
		if err == nil && u.Disabled != disabled {
			err = failed(ctx, doing, errors.New("the table has not taken the change"))
		}
		return err
	}
	return nil
}

// DeleteUser implements [auth.AccountStore]. In the same transaction it deletes the user's address
// (see [Store.ReplaceAddress]) and the records that the user owns. It therefore needs the tables of
// [Store.Migrate] even if Config.Users names a table of the host's, and it deletes them even if
// there is no such user.
func (s *Store) DeleteUser(ctx context.Context, id string) error {
	const doing = "delete user"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isName(id) {
		return auth.ErrUserNotFound
	}
	deleted, err := s.deleteUser(ctx, id, s.users.remove)
	if s.dialect.notOfType(err) {
		if err := s.failedFor(ctx, doing, id, err); !errors.Is(err, auth.ErrUserNotFound) {
			return err
		}
		deleted, err = s.deleteUser(ctx, id, nil)
	}
	switch {
	case err != nil:
		return failed(ctx, doing, err)
	case deleted == 0:
		return auth.ErrUserNotFound
	}
	return nil
}

// deleteUser deletes what the store has of a user in one transaction. It returns how many users remove
// has deleted; nil deletes none.
func (s *Store) deleteUser(ctx context.Context, id string, remove *statement) (deleted int64, err error) {
	err = s.transaction(ctx, func(tx querier) error {
		if remove != nil {
			if deleted, err = remove.execIn(ctx, tx, id, id); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, s.addresses.remove.query, id); err != nil {
			return err
		}
		if err := s.forgetUser(ctx, tx, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, s.records.removeOwned.query, id)
		return err
	})
	return deleted, err
}

// failedFor returns the error of a statement that has failed for the user id. A host's table whose IDs
// are not text may refuse an ID of another form. Nobody has such an ID.
func (s *Store) failedFor(ctx context.Context, doing, id string, err error) error {
	if s.dialect.notOfType(err) {
		if _, err := s.UserByID(ctx, id); errors.Is(err, auth.ErrUserNotFound) {
			return err
		}
	}
	return failed(ctx, doing, err)
}

// isName reports whether the columns for IDs and usernames can hold s.
func isName(s string) bool { return s != "" && len(s) <= maxName && isText(s) }

// isHash reports whether the column for password hashes can hold s.
func isHash(s string) bool { return len(s) <= maxHash && isText(s) }

// isText reports whether s is text in every dialect. PostgreSQL has no NUL in text.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

var errNoDisabled = errors.New("Config.Users names no column for Disabled")

func errHash(doing string) error {
	return fmt.Errorf("auth: sql store: %s: the password hash must be UTF-8 without NUL, of at most %d bytes", doing, maxHash)
}
