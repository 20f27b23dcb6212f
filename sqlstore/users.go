package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	lock                                          *statement // locks the row of a user until the transaction ends

	disable *statement              // nil if the table has no such column
	args    func(u auth.User) []any // returns the parameters of insert
}

// CreateUser implements [auth.UserStore]. It returns [auth.ErrInvalidUsername] if the column cannot
// hold the username.
func (s *Store) CreateUser(ctx context.Context, u auth.User) (id string, err error) {
	const doing = "create user"
	if err := ctx.Err(); err != nil {
		return "", failed(ctx, doing, err)
	}
	if !isName(u.Username) {
		return "", fmt.Errorf("%w: it must be UTF-8 without NUL, of 1 to %d bytes", auth.ErrInvalidUsername, maxName)
	}
	if !isName(u.ID) {
		return "", fmt.Errorf("auth: sql store: %s: the ID must be UTF-8 without NUL, of 1 to %d bytes", doing, maxName)
	}
	if !isHash(u.PasswordHash) {
		return "", errHash(doing)
	}
	if u.Disabled && s.users.disable == nil {
		return "", failed(ctx, doing, errNoDisabled)
	}
	inserted, err := s.exec(ctx, s.users.insert, s.users.args(u)...)
	if s.dialect.duplicate(err) || err == nil && inserted == 0 {
		return "", auth.ErrUserExists
	}
	if err != nil {
		return "", failed(ctx, doing, err)
	}
	return u.ID, nil
}

// UserByID implements [auth.UserStore].
func (s *Store) UserByID(ctx context.Context, id string) (auth.User, error) {
	u, err := s.user(ctx, s.users.byID, id, id, id)
	if err == nil && u.ID != id {
		return auth.User{}, auth.ErrUserNotFound
	}
	return u, err
}

// UserByUsername implements [auth.UserStore].
func (s *Store) UserByUsername(ctx context.Context, username string) (auth.User, error) {
	u, err := s.user(ctx, s.users.byUsername, username, username)
	if err == nil && u.Username != username {
		return auth.User{}, auth.ErrUserNotFound // the collation of a host's table found another name
	}
	return u, err
}

// user returns the user that query finds with args, which are key once or twice.
func (s *Store) user(ctx context.Context, query *statement, key string, args ...any) (auth.User, error) {
	const doing = "look up user"
	if err := ctx.Err(); err != nil {
		return auth.User{}, failed(ctx, doing, err)
	}
	if !isName(key) {
		return auth.User{}, auth.ErrUserNotFound // some servers would fail on such a parameter
	}
	var u auth.User
	var hash sql.NullString
	var disabled sql.NullBool
	var created sql.NullInt64
	err := s.row(ctx, query, args, &u.ID, &u.Username, &hash, &disabled, &created)
	if errors.Is(err, sql.ErrNoRows) || s.dialect.notOfType(err) {
		return auth.User{}, auth.ErrUserNotFound
	}
	if err != nil {
		return auth.User{}, failed(ctx, doing, err)
	}
	u.PasswordHash, u.Disabled = hash.String, disabled.Bool
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
		_, err = s.UserByID(ctx, id)
	}
	return err
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
			result, err := tx.ExecContext(ctx, remove.query, id, id)
			if err != nil {
				return err
			}
			if deleted, err = result.RowsAffected(); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, s.addresses.remove.query, id); err != nil {
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
