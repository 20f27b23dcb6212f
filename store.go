package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth/record"
	"github.com/seed-e36e2130/auth/session"
)

// The contracts of sessions: see package session.
type (
	Session      = session.Session
	SessionStore = session.Store
	Revocation   = session.Revocation
	Device       = session.Device
	DeviceToken  = session.DeviceToken
)

// The contracts of records: see package record.
type (
	Record      = record.Record
	RecordStore = record.Store
)

// User is one account as a [UserStore] keeps it. Printed, logged or written as JSON it does not
// show the hash.
type User struct {
	ID           string    // never changes, never reused; becomes the token's subject: see [Config].NewUserID
	Username     string    // canonical form: see [Config].NormalizeUsername
	PasswordHash string    `json:"-"` // encoded by a [passwords.Hasher]; empty: no password login
	Disabled     bool      // refused at login like a wrong password
	CreatedAt    time.Time // UTC, whole microseconds
}

// Format prints u with any verb, and "[REDACTED]" for a PasswordHash.
func (u User) Format(f fmt.State, verb rune) {
	if u.PasswordHash != "" {
		u.PasswordHash = "[REDACTED]"
	}
	type plain User
	fmt.Fprintf(f, fmt.FormatString(f, verb), plain(u))
}

// UserStore keeps accounts. It is small enough to write over a users table that already exists;
// package authtest holds the suite that proves one right.
//
// Every method honours ctx and is safe for concurrent use. Strings come back as they went in, byte
// for byte, and what is returned is the caller's own copy. An error that is not one of those named
// below means an infrastructure failure (the database is down), and must not be one of them: a
// caller treats the two differently.
type UserStore interface {
	// CreateUser adds u and returns the ID that it is kept under: u.ID, or the table's own if the
	// table makes the IDs. It returns [ErrUserExists] if the ID or the Username is taken, decided
	// by the store's own unique index (of concurrent calls for one name exactly one succeeds), and
	// then nothing has changed. ctx has the values of the context that [Authenticator.Register] was
	// called with, for columns that User does not have.
	CreateUser(ctx context.Context, u User) (id string, err error)

	// UserByID returns the user, or [ErrUserNotFound].
	UserByID(ctx context.Context, id string) (User, error)

	// UserByUsername returns the user with exactly this canonical username, or [ErrUserNotFound]. A
	// table that keeps names as people typed them returns the user whose name has this canonical
	// form. Where a host wants the collation of a column to decide, the user may even have another
	// name: attempts are then counted at that name, [User].Username.
	UserByUsername(ctx context.Context, username string) (User, error)

	// ReplacePasswordHash sets the password hash of user id to replacement if it is old, in one
	// atomic step. It returns [ErrConflict] if the stored hash is another and [ErrUserNotFound] if
	// there is no such user; then nothing has changed.
	ReplacePasswordHash(ctx context.Context, id, old, replacement string) error
}

// AccountStore is what disabling and deleting accounts needs of a store, in addition to
// [UserStore]; package authtest holds its suite. What UserStore says of contexts and errors holds
// here.
type AccountStore interface {
	// SetDisabled sets [User].Disabled. It returns [ErrUserNotFound] if there is no such user.
	SetDisabled(ctx context.Context, id string, disabled bool) error

	// DeleteUser removes the user, whose name is free then. It returns [ErrUserNotFound] if there
	// is none.
	DeleteUser(ctx context.Context, id string) error
}
