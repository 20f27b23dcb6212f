// Package accounts is what a program writes itself if its library has no accounts: a map of users and
// bcrypt. It is as short as a login can be, and it is the same for each such program.
package accounts

import (
	"errors"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// Accounts holds password hashes by username.
type Accounts struct {
	mu     sync.Mutex
	hashes map[string][]byte
}

// New returns Accounts without users.
func New() *Accounts { return &Accounts{hashes: map[string][]byte{}} }

// Register adds a user.
func (a *Accounts) Register(username, password string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hashes[username] != nil {
		return errors.New("username is taken")
	}
	a.hashes[username] = hash
	return nil
}

// Check returns an error if this is not the user's password.
func (a *Accounts) Check(username, password string) error {
	a.mu.Lock()
	hash := a.hashes[username]
	a.mu.Unlock()
	return bcrypt.CompareHashAndPassword(hash, []byte(password))
}
