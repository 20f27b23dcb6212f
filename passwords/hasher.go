package passwords

import "context"

// Hasher turns passwords into encoded hashes and checks them. Implementations
// are safe for concurrent use. Package authtest holds the suite that proves one
// right.
type Hasher interface {
	// Hash returns the encoded hash of password under a fresh random salt, with
	// the Hasher's current parameters. The encoding names algorithm and
	// parameters, so that Verify needs nothing else. It returns a
	// [*Error] if it can hash no such password.
	Hash(ctx context.Context, password string) (encoded string, err error)

	// Verify returns nil if encoded is a hash of password, [ErrMismatch] if it
	// is not, [ErrUnknownHash] if the format is none of this Hasher's, and
	// [ErrMalformedHash] if the format is its own but broken or beyond the bounds
	// on what checking may cost: decided before any costly work. It may return a
	// [*Error] in place of ErrMismatch where no hash of the format can be
	// of such a password.
	Verify(ctx context.Context, encoded, password string) error

	// NeedsRehash reports whether encoded is weaker than what Hash makes now:
	// another algorithm or a lower cost. It never asks for a downgrade.
	NeedsRehash(encoded string) bool
}
