package passwords

import (
	"context"
	"errors"
	"slices"
)

// Chain returns a Hasher for a table with hashes of several kinds: current
// encodes, and each of current and older verifies what it knows, tried in this
// order until one does not answer [ErrUnknownHash]; every other answer is final.
//
// NeedsRehash is current's: true for every hash that only an older Hasher knows
// and for current's own of lower cost, never for a higher one. So each user's
// hash becomes current at the next login. Until then a mismatch takes the time of
// the stored hash: who can measure it can tell that a user has an old one.
func Chain(current Hasher, older ...Hasher) Hasher {
	return chain(slices.Concat([]Hasher{current}, older))
}

// chain is not empty; the first encodes.
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
