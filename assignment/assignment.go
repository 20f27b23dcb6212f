// Package assignment holds the contract of the store of roles: which user has which role. What roles mean, and
// who may change them, is decided by package roles.
package assignment

import (
	"context"
	"errors"
	"time"

	"github.com/seed-e36e2130/auth/session"
)

// ErrLast is the error of a change that would leave a role without a holder, where the change says that it must
// have one.
var ErrLast = errors.New("auth: nobody else has this role: give it to another user first")

// Assignment is a role that a user has.
type Assignment struct {
	UserID    string
	Role      string
	Org       string    // organisation that the role is limited to, at most 255 bytes; "": none
	GrantedBy string    // ID of the user who granted it; "": an operator, or a user who was deleted
	GrantedAt time.Time // UTC, whole microseconds, as all times here
	Until     time.Time // end, by the store's clock; zero: none
}

// State is what a user has.
type State struct {
	// Version names this state, and no other that the user had: 22 characters of base64url. "": the roles of the
	// user were never changed.
	Version     string
	Assignments []Assignment // those that have not ended, in any order
}

// Change is a change of one assignment.
type Change struct {
	Assignment      // what to write in the place of the assignment with its UserID, Role and Org, if there is one
	Remove     bool // whether to remove that one instead

	Old     string // version of the user's state that is changed
	New     string // version that it gets
	Retired string // version that tokens issued under Old have: Old, or what stands for "" in tokens

	// Expiry is when the last token with the retired version has expired.
	Expiry time.Time

	// Keep says that the role must be left with another holder in its Org, without an end.
	Keep bool

	// By is the ID of a user whose state must have the version ByVersion, which is not empty: who has no roles
	// grants none. "": nobody's.
	By, ByVersion string
}

// Store keeps assignments. It contains no rules: it writes what it is given if versions are what the caller
// expects. Package roles/rolestest holds the suite that proves one right.
//
// Every method honours ctx and is safe for concurrent use, by any number of processes. What is returned is the
// caller's own copy. An error other than those named below means an infrastructure failure.
type Store interface {
	// Assignments returns the state of a user as it was last written, never an older one, and the store's own time.
	// A user who is not there has the zero State.
	Assignments(ctx context.Context, userID string) (s State, now time.Time, err error)

	// ReplaceAssignment makes a change and, in the same atomic step, records a [session.Revocation] with Retired
	// as its SessionID, and Expiry. Then nothing else has changed but the user's version, from Old to New. It
	// returns ErrConflict of package session if Old or ByVersion is not what the store has, [ErrLast] if Keep
	// demands another holder and there is none, and ErrUserNotFound of package auth if there is no such user; and
	// then nothing has changed. That there is nothing to remove is no error.
	ReplaceAssignment(ctx context.Context, c Change) error

	// Holders returns the assignments of a role in an organisation that have not ended, of at most limit users
	// whose IDs come after the ID after, in the order of their IDs, by bytes.
	Holders(ctx context.Context, role, org, after string, limit int) ([]Assignment, error)

	// RevokedSince is the method of [session.Store]. The store that deletes a user also deletes the user's
	// assignments, and clears GrantedBy where it names the user.
	RevokedSince(ctx context.Context, cursor string, each func(session.Revocation)) (next string, err error)
}
