package testkit

import (
	"context"
	"errors"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-e36e2130/auth"
)

// LowCostBcrypt is a Hasher on x/crypto/bcrypt below the bounds of package passwords, to keep tests
// fast.
type LowCostBcrypt int

// Hash implements [passwords.Hasher].
func (cost LowCostBcrypt) Hash(_ context.Context, password string) (string, error) {
	encoded, err := bcrypt.GenerateFromPassword([]byte(password), int(cost))
	return string(encoded), err
}

// Verify implements [passwords.Hasher].
func (cost LowCostBcrypt) Verify(_ context.Context, encoded, password string) error {
	err := bcrypt.CompareHashAndPassword([]byte(encoded), []byte(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return auth.ErrMismatch
	}
	return err
}

// NeedsRehash implements [passwords.Hasher].
func (cost LowCostBcrypt) NeedsRehash(encoded string) bool {
	stored, err := bcrypt.Cost([]byte(encoded))
	return err != nil || stored < int(cost)
}
