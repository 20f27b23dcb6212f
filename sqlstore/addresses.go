package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/seed-e36e2130/auth"
)

// addressStatements are what a store says about addresses.
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
		return auth.ErrUserNotFound // and some servers would fail on it
	}
	switch err := s.row(ctx, query, []any{key}, dest...); {
	case errors.Is(err, sql.ErrNoRows):
		return auth.ErrUserNotFound
	case err != nil:
		return failed(ctx, doing, err)
	}
	return nil
}

// ReplaceAddress implements Addresses of package recovery. It returns
// [auth.ErrInvalidUsername] if the column cannot hold replacement. DeleteUser takes
// the address away; who deletes from a table of users by other means gives the
// user's address free by this method before, or by DeleteUser after.
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
		// The row of the user is the lock: of two who change one account, or delete
		// it, the second sees what the first has done.
		var id, present string
		switch err := tx.QueryRowContext(ctx, s.users.lock.query, userID).Scan(&id); {
		case errors.Is(err, sql.ErrNoRows), err == nil && id != userID:
			return auth.ErrUserNotFound
		case err != nil:
			return err
		}
		err := tx.QueryRowContext(ctx, s.addresses.byUser.query, userID).Scan(&present, new(bool))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if present != old {
			return auth.ErrConflict
		}
		if _, err := tx.ExecContext(ctx, s.addresses.remove.query, userID); err != nil || replacement == "" {
			return err
		}
		result, err := tx.ExecContext(ctx, s.addresses.insert.query, userID, replacement, verified)
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
