package passwords

import (
	"context"
	"errors"
	"slices"
)

// Chain returns a Hasher for a table with hashes of several formats. current makes new hashes. To
// verify a hash, current and then each of older is tried, until one does not return
// [ErrUnknownHash]; any other result is final.
//
// NeedsRehash is current's: true for every hash that only an older Hasher can read, and for a hash of
// current's own with a lower cost, never for a higher one. So each user's hash becomes current at
// their next login. Until then a mismatch takes the time of the stored hash, and an attacker who can
// measure it can tell that a user has an old hash.
func Chain(current Hasher, older ...Hasher) Hasher {
	return chain(slices.Concat([]Hasher{current}, older))
}

// chain is not empty; its first Hasher makes new hashes.
type chain []Hasher

func (h chain) Hash(ctx context.Context, password string) (string, error) {
	if h[0] == nil {
		return "", errNoHasher
	}
	return h[0].Hash(ctx, password)
}

func (h chain) Verify(ctx context.Context, encoded, password string) error {
	for _, hasher := range h {
		if hasher == nil {
			return errNoHasher
		}
		if err := hasher.Verify(ctx, encoded, password); !errors.Is(err, ErrUnknownHash) {
			return err
		}
	}
	return ErrUnknownHash
}

func (h chain) NeedsRehash(encoded string) bool {
	return h[0] != nil && h[0].NeedsRehash(encoded)
}

var errNoHasher = errors.New("auth: a Hasher of the chain is nil")
