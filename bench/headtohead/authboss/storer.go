package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/volatiletech/authboss/v3"
)

// User is a user of the modules that main imports.
type User struct {
	Email, Password string

	AttemptCount        int
	LastAttempt, Locked time.Time

	RecoverSelector, RecoverVerifier string
	RecoverTokenExpiry               time.Time
}

var (
	_ authboss.AuthableUser    = &User{}
	_ authboss.LockableUser    = &User{}
	_ authboss.RecoverableUser = &User{}

	_ authboss.CreatingServerStorer    = &MemStorer{}
	_ authboss.RecoveringServerStorer  = &MemStorer{}
	_ authboss.RememberingServerStorer = &MemStorer{}
)

// The methods below are what the interfaces of the modules ask for.

func (u *User) GetPID() string                 { return u.Email }
func (u *User) PutPID(pid string)              { u.Email = pid }
func (u *User) GetEmail() string               { return u.Email }
func (u *User) PutEmail(email string)          { u.Email = email }
func (u *User) GetPassword() string            { return u.Password }
func (u *User) PutPassword(password string)    { u.Password = password }
func (u *User) GetAttemptCount() int           { return u.AttemptCount }
func (u *User) PutAttemptCount(attempts int)   { u.AttemptCount = attempts }
func (u *User) GetLastAttempt() time.Time      { return u.LastAttempt }
func (u *User) PutLastAttempt(last time.Time)  { u.LastAttempt = last }
func (u *User) GetLocked() time.Time           { return u.Locked }
func (u *User) PutLocked(locked time.Time)     { u.Locked = locked }
func (u *User) GetRecoverSelector() string     { return u.RecoverSelector }
func (u *User) PutRecoverSelector(s string)    { u.RecoverSelector = s }
func (u *User) GetRecoverVerifier() string     { return u.RecoverVerifier }
func (u *User) PutRecoverVerifier(v string)    { u.RecoverVerifier = v }
func (u *User) GetRecoverExpiry() time.Time    { return u.RecoverTokenExpiry }
func (u *User) PutRecoverExpiry(exp time.Time) { u.RecoverTokenExpiry = exp }

// MemStorer keeps users in memory.
type MemStorer struct {
	mu     sync.Mutex
	users  map[string]User
	tokens map[string][]string
}

// NewMemStorer returns a MemStorer without users.
func NewMemStorer() *MemStorer {
	return &MemStorer{users: map[string]User{}, tokens: map[string][]string{}}
}

// Load returns the user with this address.
func (m *MemStorer) Load(_ context.Context, key string) (authboss.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.users[key]
	if !ok {
		return nil, authboss.ErrUserNotFound
	}
	return &u, nil
}

// Save replaces a user.
func (m *MemStorer) Save(_ context.Context, user authboss.User) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users[user.GetPID()] = *user.(*User)
	return nil
}

// New returns a user who is not stored yet.
func (m *MemStorer) New(context.Context) authboss.User { return &User{} }

// Create adds a user.
func (m *MemStorer) Create(_ context.Context, user authboss.User) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.users[user.GetPID()]; ok {
		return authboss.ErrUserFound
	}
	m.users[user.GetPID()] = *user.(*User)
	return nil
}

// LoadByRecoverSelector returns the user who was sent this selector.
func (m *MemStorer) LoadByRecoverSelector(_ context.Context, selector string) (authboss.RecoverableUser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.users {
		if u.RecoverSelector == selector {
			return &u, nil
		}
	}
	return nil, authboss.ErrUserNotFound
}

// AddRememberToken adds a token of a user.
func (m *MemStorer) AddRememberToken(_ context.Context, pid, token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens[pid] = append(m.tokens[pid], token)
	return nil
}

// DelRememberTokens removes all tokens of a user.
func (m *MemStorer) DelRememberTokens(_ context.Context, pid string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tokens, pid)
	return nil
}

// UseRememberToken removes a token of a user.
func (m *MemStorer) UseRememberToken(_ context.Context, pid, token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.tokens[pid], token)
	if i < 0 {
		return authboss.ErrTokenNotFound
	}
	m.tokens[pid] = slices.Delete(m.tokens[pid], i, i+1)
	return nil
}
