package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed-e36e2130/auth"
)

// addressStatements are the statements on addresses.
type addressStatements struct {
	byAddress, byUser, insert, remove *statement
}

func newAddressStatements(d Dialect, prefix string) addressStatements {
	return addressStatements{
		byAddress: newStatement(d, prefix, "SELECT user_id FROM {prefix}addresses WHERE address = ?"),
		byUser:    newStatement(d, prefix, "SELECT address, verified FROM {prefix}addresses WHERE user_id = ?"),
		insert:    newStatement(d, prefix, "INSERT INTO {prefix}addresses (user_id, address, verified) VALUES (?, ?, ?)"+d.ignoreConflict()),
		remove:    newStatement(d, prefix, "DELETE FROM {prefix}addresses WHERE user_id = ?"),
	}
}

// UserByAddress implements Addresses of package recovery.
func (s *Store) UserByAddress(ctx context.Context, address string) (userID string, err error) {
	err = s.address(ctx, s.addresses.byAddress, address, &userID)
	return userID, err
}

// Address implements Addresses of package recovery.
func (s *Store) Address(ctx context.Context, userID string) (address string, verified bool, err error) {
	err = s.address(ctx, s.addresses.byUser, userID, &address, &verified)
	return address, verified, err
}

func (s *Store) address(ctx context.Context, query *statement, key string, dest ...any) error {
	const doing = "look up address"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if !isName(key) {
		return auth.ErrUserNotFound // some servers would fail on such a parameter
	}
	switch err := s.row(ctx, query, []any{key}, dest...); {
	case errors.Is(err, sql.ErrNoRows):
		return auth.ErrUserNotFound
	case err != nil:
		return failed(ctx, doing, err)
	}
	return nil
}

// ReplaceAddress implements Addresses of package recovery. It returns [auth.ErrInvalidUsername] if
// the column cannot hold replacement.
//
// [Store.DeleteUser] deletes the address. A program that deletes users by other means must free the
// address: with this method before, or with DeleteUser after.
func (s *Store) ReplaceAddress(ctx context.Context, userID, old, replacement string, verified bool) error {
	const doing = "replace address"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	if replacement != "" && !isName(replacement) {
		return fmt.Errorf("%w: an address must be UTF-8 without NUL, of at most %d bytes", auth.ErrInvalidUsername, maxName)
	}
	if !isName(userID) {
		return auth.ErrUserNotFound
	}
	err := s.transaction(ctx, func(tx querier) error {
		if err := s.lockUser(ctx, tx, userID); err != nil {
			return err
		}
		var current string
		err := tx.QueryRowContext(ctx, s.addresses.byUser.query, userID).Scan(&current, new(bool))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if current != old {
			return auth.ErrConflict
		}
		if _, err := tx.ExecContext(ctx, s.addresses.remove.query, userID); err != nil || replacement == "" {
			return err
		}
		return s.insertAddress(ctx, tx, userID, replacement, verified)
	})
	for _, answer := range []error{auth.ErrUserNotFound, auth.ErrUserExists, auth.ErrConflict} {
		if errors.Is(err, answer) {
			return answer
		}
	}
	if err != nil {
		return failed(ctx, doing, err)
	}
	return nil
}

// lockUser locks the row of a user until the transaction ends, so that of two concurrent changes or
// deletions of an account the later one sees the result of the earlier one.
func (s *Store) lockUser(ctx context.Context, tx querier, userID string) error {
	var id string
	err := tx.QueryRowContext(ctx, s.users.lock.query, userID, userID).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) || s.dialect.notOfType(err) || err == nil && id != userID {
		return auth.ErrUserNotFound
	}
	return err
}

// insertAddress returns [auth.ErrUserExists] if another user has the address.
func (s *Store) insertAddress(ctx context.Context, tx querier, userID, address string, verified bool) error {
	result, err := tx.ExecContext(ctx, s.addresses.insert.query, userID, address, verified)
	if s.dialect.duplicate(err) {
		return auth.ErrUserExists
	}
	if err != nil {
		return err
	}
	inserted, err := result.RowsAffected()
	if err == nil && inserted == 0 {
		return auth.ErrUserExists
	}
	return err
}
