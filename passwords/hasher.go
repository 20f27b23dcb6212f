// Package passwords holds the rules for what may be a password, and makes and checks password hashes:
// bcrypt and Argon2id, a chain for tables with hashes of several formats, a pepper, and a limit for
// how many hashes are computed at once.
package passwords

import "context"

// Hasher makes and checks encoded password hashes. Implementations are safe for concurrent use.
// Package authtest holds the suite that proves one right.
type Hasher interface {
	// Hash returns an encoded hash of password with a new random salt and the Hasher's current
	// parameters. The encoding names algorithm and parameters, so that Verify needs nothing else. It
	// returns an [*Error] if it cannot hash this password.
	Hash(ctx context.Context, password string) (encoded string, err error)

	// Verify returns nil if encoded is a hash of password, and [ErrMismatch] if it is not. It returns
	// [ErrUnknownHash] if the format is not one of this Hasher's, and [ErrMalformedHash] if it is, but
	// the hash is broken or would cost more than the Hasher's bounds allow; both are decided before
	// any costly work. It may return an [*Error] instead of ErrMismatch if no hash of the format can
	// be of such a password.
	Verify(ctx context.Context, encoded, password string) error

	// NeedsRehash reports whether encoded is weaker than the hashes that Hash makes now: another
	// algorithm, or a lower cost. It never asks for a downgrade.
	NeedsRehash(encoded string) bool
}
