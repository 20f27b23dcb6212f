package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// errNoAccounts is for methods that need [Config].Accounts.
var errNoAccounts = errors.New("auth: Config.Accounts is nil: accounts cannot be disabled or deleted")

// ConfirmPassword returns nil if password is that of the account: before the
// account does what a stolen token must not. It returns [ErrInvalidCredentials] if
// not, or if the account cannot log in.
func (a *Authenticator) ConfirmPassword(ctx context.Context, userID, password string) error {
	if a.unusable() {
		return errUnusable
	}
	_, err := a.confirm(ctx, userID, password, func(u User) (Tokens, error) { return Tokens{}, a.part(ctx, u, nil) })
	return err
}

// confirm calls then with the account if password is its.
func (a *Authenticator) confirm(ctx context.Context, userID, password string, then func(User) (Tokens, error)) (Tokens, error) {
	if !a.passwords.possible(password) {
		return Tokens{}, a.failed(ctx, userID, ErrMismatch)
	}
	u, err := found(a.users.UserByID(ctx, userID))
	if err != nil {
		return Tokens{}, err
	}
	return a.attempt(ctx, Attempt{Username: u.Username}, func() (Tokens, error) {
		if err := a.prove(ctx, u, password); err != nil {
			return Tokens{}, err
		}
		return then(u)
	})
}

// SetPassword gives an account another password without asking for the present
// one, and ends all its sessions: for accounts that were proven otherwise, as by
// a link in a mail, and for whoever may act for all users. It logs nobody in. It
// returns a [*PasswordError] if replacement breaks a rule, [ErrUserNotFound] if
// there is no such account, and [ErrConflict] if others keep changing it.
func (a *Authenticator) SetPassword(ctx context.Context, userID, replacement string) error {
	return a.setPassword(ctx, userID, replacement, func(User) bool { return true })
}

// ResetPassword is SetPassword for an account whose [Authenticator.Fingerprint] is
// this one, in one step with the change. It returns [ErrConflict], and sets
// nothing, if that is another by now or the account is disabled.
func (a *Authenticator) ResetPassword(ctx context.Context, userID string, fingerprint [sha256.Size]byte, replacement string) error {
	return a.setPassword(ctx, userID, replacement, func(u User) bool { return !u.Disabled && fingerprintOf(u) == fingerprint })
}

// setPassword changes the password of an account that stands: as often as it is
// loaded again.
func (a *Authenticator) setPassword(ctx context.Context, userID, replacement string, stands func(User) bool) error {
	if a.unusable() {
		return errUnusable
	}
	u, err := a.user(ctx, userID)
	if err != nil {
		return err
	}
	if !stands(u) {
		return ErrConflict
	}
	if err := a.passwords.accept(ctx, u.Username, replacement); err != nil {
		return err
	}
	encoded, err := a.hash(ctx, replacement)
	if err != nil {
		return err
	}
	for range 4 { // again if a login upgraded the hash meanwhile
		if err = a.setHash(ctx, u, encoded); !errors.Is(err, ErrConflict) {
			return err
		}
		if u, err = a.user(ctx, userID); err != nil {
			return err
		}
		if !stands(u) {
			return ErrConflict
		}
	}
	return ErrConflict
}

// user returns the account, or [ErrUserNotFound].
func (a *Authenticator) user(ctx context.Context, id string) (User, error) {
	u, err := found(a.users.UserByID(ctx, id))
	if err == nil && u.ID == "" {
		err = ErrUserNotFound
	}
	return u, err
}

// Fingerprint returns a digest that changes when the account gets another password
// or its hash is upgraded, and tells nothing of either: what keeps it beside itself
// knows when it is of the past. It returns [ErrInvalidCredentials] if there is no
// such account or it is disabled.
func (a *Authenticator) Fingerprint(ctx context.Context, userID string) ([sha256.Size]byte, error) {
	if a.unusable() {
		return [sha256.Size]byte{}, errUnusable
	}
	u, err := found(a.users.UserByID(ctx, userID))
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	if u.ID == "" || u.Disabled {
		return [sha256.Size]byte{}, ErrInvalidCredentials
	}
	return fingerprintOf(u), nil
}

func fingerprintOf(u User) [sha256.Size]byte {
	return sha256.Sum256([]byte("auth: fingerprint\x00" + u.ID + "\x00" + u.PasswordHash))
}

// LoginUser returns the tokens of an account that has proven who it is to the host:
// by a link in a mail, a passkey, another issuer's token. amr says how, in words of
// RFC 8176 of at most 128 bytes in all; at least one, and "mfa" among them if that
// was more than one factor. No [Throttle] refuses it; where there is one, it knows the
// device from then on, as after Login. It returns [ErrInvalidCredentials] if there is
// no such account or it is disabled, and a [*MFARequiredError], as Login does, if it
// has a second factor and amr no "mfa".
func (a *Authenticator) LoginUser(ctx context.Context, userID string, amr ...string) (Tokens, error) {
	if a.unusable() {
		return Tokens{}, errUnusable
	}
	if err := checkMethods(amr); err != nil {
		return Tokens{}, err
	}
	u, err := found(a.users.UserByID(ctx, userID))
	if err != nil {
		return Tokens{}, err
	}
	t, err := a.admitUser(ctx, u, amr)
	if err == nil {
		t.DeviceToken = a.know(ctx, u)
	}
	return t, err
}

// LoginUserIf is [Authenticator.LoginUser] for who proves it by what could be
// guessed, like a code in a message: it asks the [Throttle], calls proven, and logs in
// if that returns nil. An [ErrInvalidCredentials] of proven counts as a failure at
// target, the host's name for what is guessed at (see [Attempt]); another error does
// not. Where the throttle refuses, proven is not called, and it returns a [*RetryError]
// of [ErrTooManyAttempts]: for an empty userID, which is nobody's, just as for others.
func (a *Authenticator) LoginUserIf(ctx context.Context, userID, target string, proven func(context.Context) error, amr ...string) (Tokens, error) {
	if a.unusable() {
		return Tokens{}, errUnusable
	}
	if err := checkMethods(amr); err != nil {
		return Tokens{}, err
	}
	look, name := a.users.UserByID, userID
	if userID == "" { // a look-up all the same, by what is text in every table
		look, name = a.users.UserByUsername, target
	}
	u, err := found(look(ctx, name))
	if err != nil {
		return Tokens{}, err
	}
	if userID == "" {
		u = User{}
	}
	one := Attempt{Username: u.Username, Target: target}
	if u.ID == "" {
		one.Username = target
	}
	return a.attempt(ctx, one, func() (Tokens, error) {
		if err := proven(ctx); err != nil {
			if errors.Is(err, ErrInvalidCredentials) {
				_ = a.failed(ctx, u.ID, err)
			}
			return Tokens{}, err
		}
		return a.admitUser(ctx, u, amr)
	})
}

func (a *Authenticator) admitUser(ctx context.Context, u User, amr []string) (Tokens, error) {
	if u.ID == "" || u.Disabled {
		return Tokens{}, ErrInvalidCredentials
	}
	return a.admit(ctx, u, "", slices.Clone(amr))
}

// checkMethods returns an error unless a session can keep amr.
func checkMethods(amr []string) error {
	if len(amr) == 0 || len(strings.Join(amr, " ")) > maxMethods || slices.ContainsFunc(amr, func(m string) bool { return !isScope(m) }) {
		return fmt.Errorf("auth: amr %q: must be at least one word, and at most %d bytes in all", amr, maxMethods)
	}
	return nil
}

// Disable keeps the account from logging in, and ends all its sessions. It returns
// [ErrUserNotFound] if there is none.
func (a *Authenticator) Disable(ctx context.Context, userID string) error {
	return a.change(ctx, userID, EventDisabled, func() error {
		return a.accounts.SetDisabled(ctx, userID, true)
	})
}

// Enable lets a disabled account log in again. It returns [ErrUserNotFound] if
// there is none.
func (a *Authenticator) Enable(ctx context.Context, userID string) error {
	return a.change(ctx, userID, EventEnabled, func() error {
		return a.accounts.SetDisabled(ctx, userID, false)
	})
}

// Delete removes the account, after all its sessions have ended. It returns
// [ErrUserNotFound] if there is none. What else the host knows of the user is the
// host's to delete.
func (a *Authenticator) Delete(ctx context.Context, userID string) error {
	return a.change(ctx, userID, EventDeleted, func() error {
		// Before as well as after: where it fails, who asked for it is there to ask again.
		if err := a.endAll(ctx, userID); err != nil {
			return err
		}
		return a.accounts.DeleteUser(ctx, userID)
	})
}

// change does something to an account, and ends its sessions: after, for those
// that were begun before; once nobody can log in there are no others. They end
// also if the account is gone, so that a call that failed half-way can be made again.
func (a *Authenticator) change(ctx context.Context, userID string, kind EventKind, do func() error) error {
	switch {
	case a.unusable():
		return errUnusable
	case a.accounts == nil:
		return errNoAccounts
	}
	err := do()
	if err != nil && !errors.Is(err, ErrUserNotFound) {
		return fmt.Errorf("auth: change account: %w", err)
	}
	if kind != EventEnabled {
		after, cancel := ending(ctx)
		defer cancel()
		if err := a.endAll(after, userID); err != nil {
			return err
		}
	}
	if err != nil {
		return ErrUserNotFound
	}
	a.tell(ctx, kind, userID, "")
	return nil
}
