package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth/internal/clock"
)

// Register adds an account and returns it, without its PasswordHash. It returns
// [ErrInvalidUsername] or a [*passwords.Error] if name or password break a rule, and [ErrUserExists]
// if the name is taken: of concurrent calls for one name exactly one succeeds.
//
// The values of ctx reach CreateUser of the [UserStore]: put there what the host's table wants to know
// of a new account, such as a full name.
//
// A [Throttle] counts each call, whatever becomes of it, for the network of the device alone. It
// returns a [*RetryError] of [ErrTooManyAttempts] if there were too many. However many
// calls wait for a hash, logins do not wait for them: see [passwords.Limit].
func (a *Authenticator) Register(ctx context.Context, username, password string) (User, error) {
	name, encoded, err := a.CheckNewAccount(ctx, username, password)
	if err != nil {
		return User{}, err
	}
	return a.create(ctx, name, encoded)
}

// CheckNewAccount does what [Authenticator.Register] does, except that it adds no account: it is for
// hosts that insert the row themselves, together with others. It returns the canonical username and the
// password hash to insert. The unique index of the host's table decides between concurrent calls for
// one name.
func (a *Authenticator) CheckNewAccount(ctx context.Context, username, password string) (canonical, hash string, err error) {
	name, err := a.usernames.Accept(username)
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrInvalidUsername, err)
	}
	if err := a.passwords.Check(password); err != nil {
		return "", "", err
	}
	if err := a.countRegistration(ctx); err != nil {
		return "", "", err
	}
	// Refuse a taken name before it costs a hash: the answer tells that it is taken anyway.
	if u, err := a.userByName(ctx, name); err != nil || u.ID != "" {
		return "", "", cmp.Or(err, ErrUserExists)
	}
	if err := a.passwords.Accept(ctx, name, password); err != nil {
		return "", "", err
	}
	hash, err = a.hash(anonymous(ctx), password)
	return name, hash, err
}

// Create adds an account without a password, and returns it: for users who prove their identity in
// another way, as to another issuer, and for callers who may add accounts. LoginUser logs such a user
// in, and SetPassword gives them a password. It returns [ErrInvalidUsername] if the name breaks a rule,
// and [ErrUserExists] if it is taken. No [Throttle] counts it. See Register for the values of ctx.
func (a *Authenticator) Create(ctx context.Context, username string) (User, error) {
	name, err := a.usernames.Accept(username)
	if err != nil {
		return User{}, fmt.Errorf("%w: %w", ErrInvalidUsername, err)
	}
	if u, err := a.userByName(ctx, name); err != nil || u.ID != "" {
		return User{}, cmp.Or(err, ErrUserExists)
	}
	return a.create(ctx, name, "")
}

// create adds an account under a canonical username.
func (a *Authenticator) create(ctx context.Context, name, hash string) (User, error) {
	id, err := a.newID(ctx)
	switch {
	case err != nil:
		return User{}, fmt.Errorf("auth: new user ID: %w", err)
	case id == "":
		return User{}, errors.New("auth: Config.NewUserID returned an empty ID")
	}
	u := User{ID: id, Username: name, PasswordHash: hash, CreatedAt: clock.Microseconds(time.Now())}
	u.ID, err = a.users.CreateUser(ctx, u)
	switch {
	case errors.Is(err, ErrUserExists):
		return User{}, ErrUserExists
	case err != nil:
		return User{}, fmt.Errorf("auth: create user: %w", err)
	case u.ID == "":
		return User{}, errors.New("auth: create user: the store returned an empty ID")
	}
	a.emit(ctx, EventRegistered, u.ID, "")
	return withoutHash(u), nil
}

// ConfirmPassword returns nil if password is the account's, for actions that a stolen token must not
// allow. It returns [ErrInvalidCredentials] if it is not, or if the account cannot log in.
func (a *Authenticator) ConfirmPassword(ctx context.Context, userID, password string) error {
	_, err := a.confirm(ctx, userID, password, func(u User) (Tokens, error) {
		if err := a.prove(ctx, u, password); err != nil {
			return Tokens{}, err
		}
		return Tokens{}, a.secondFactorDue(ctx, u, nil)
	})
	return err
}

// confirm calls proven with the account as one attempt at its password.
func (a *Authenticator) confirm(ctx context.Context, userID, password string, proven func(User) (Tokens, error)) (Tokens, error) {
	if !a.passwords.Possible(password) {
		return Tokens{}, a.failed(ctx, userID, ErrMismatch)
	}
	u, err := a.userByID(ctx, userID)
	if err != nil {
		return Tokens{}, err
	}
	return a.attempt(ctx, Attempt{Username: u.Username}, func() (Tokens, error) { return proven(u) })
}

// ChangePassword gives the account another password, ends all its sessions, and returns the tokens
// of a new one. With [Config].DangerouslyKeepSessions it ends none. It returns a [*passwords.Error] if
// replacement breaks a rule, [ErrInvalidCredentials] if current is not the password or the account cannot
// log in, and [ErrConflict] if others keep changing it at the same time. If the account has a second
// factor, it returns a [*MFARequiredError], as Login does, once the password has been changed.
//
// After another error, or a crash, the account has its old password and its sessions, or the new
// password and no session from before: whatever else happens, those are refused from the moment of the
// change. The same holds for SetPassword and ResetPassword, and where the host itself replaces a
// [User].PasswordHash.
func (a *Authenticator) ChangePassword(ctx context.Context, userID, current, replacement string) (Tokens, error) {
	if err := a.passwords.Check(replacement); err != nil {
		return Tokens{}, err
	}
	ctx, err := a.withOwnTerms(ctx, userID)
	if err != nil {
		return Tokens{}, err
	}
	return a.confirm(ctx, userID, current, func(u User) (Tokens, error) {
		if err := a.prove(ctx, u, current); err != nil {
			return Tokens{}, err
		}
		if err := a.passwords.Accept(ctx, u.Username, replacement); err != nil {
			return Tokens{}, err
		}
		encoded, err := a.hash(ctx, replacement)
		if err != nil {
			return Tokens{}, err
		}
		err = a.setHash(ctx, u, encoded, a.keepSessions)
		if errors.Is(err, ErrConflict) { // a login may have upgraded the hash: prove and try once more
			if u, err = a.userByID(ctx, userID); err != nil {
				return Tokens{}, err
			}
			if err := a.prove(ctx, u, current); err != nil {
				return Tokens{}, err
			}
			err = a.setHash(ctx, u, encoded, a.keepSessions)
		}
		switch {
		case errors.Is(err, ErrUserNotFound):
			return Tokens{}, ErrInvalidCredentials
		case err != nil:
			return Tokens{}, err
		}
		u.PasswordHash = encoded
		return a.admit(ctx, u, []string{"pwd"})
	})
}

// SetPassword gives an account another password without asking for the present one, and ends all its
// sessions: for accounts whose owner was proven otherwise, as by a link in a mail, and for callers
// who may act for all users. It logs nobody in. It returns a [*passwords.Error] if replacement breaks
// a rule, [ErrUserNotFound] if there is no such account, and [ErrConflict] if others keep changing
// it.
func (a *Authenticator) SetPassword(ctx context.Context, userID, replacement string) error {
	return a.setPassword(ctx, userID, replacement, func(User) bool { return true })
}

// ResetPassword is SetPassword for an account whose [Authenticator.Fingerprint] is this one, in one
// step with the change. It returns [ErrConflict], and sets nothing, if the fingerprint is another by
// now or the account is disabled.
func (a *Authenticator) ResetPassword(ctx context.Context, userID string, fingerprint [sha256.Size]byte, replacement string) error {
	return a.setPassword(ctx, userID, replacement, func(u User) bool { return !u.Disabled && fingerprintOf(u) == fingerprint })
}

// setPassword changes the password of an account for which allowed returns true, each time that the
// account is loaded.
func (a *Authenticator) setPassword(ctx context.Context, userID, replacement string, allowed func(User) bool) error {
	encoded := ""
	for range 4 { // again if a login upgraded the hash meanwhile
		u, err := a.userByID(ctx, userID)
		switch {
		case err != nil:
			return err
		case u.ID == "":
			return ErrUserNotFound
		case !allowed(u):
			return ErrConflict
		}
		if encoded == "" {
			if err := a.passwords.Accept(ctx, u.Username, replacement); err != nil {
				return err
			}
			if encoded, err = a.hash(ctx, replacement); err != nil {
				return err
			}
		}
		if err := a.setHash(ctx, u, encoded, false); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return ErrConflict
}

// setHash replaces u's password hash, and then ends the sessions of u, or keeps them.
func (a *Authenticator) setHash(ctx context.Context, u User, encoded string, keep bool) error {
	before, after := a.sessions.Reach, a.endAll
	if keep {
		before = a.rebindSessions(u, encoded)
		after = before
	}
	return a.replaceHash(ctx, u, encoded, EventNewPassword, before, after)
}

// Fingerprint returns a digest of the account's password hash, which tells nothing of the hash.
// Store the fingerprint; if it differs later, the password has changed or its hash was upgraded. It
// returns [ErrInvalidCredentials] if there is no such account or it is disabled.
func (a *Authenticator) Fingerprint(ctx context.Context, userID string) ([sha256.Size]byte, error) {
	u, err := a.userByID(ctx, userID)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	if u.ID == "" || u.Disabled {
		return [sha256.Size]byte{}, ErrInvalidCredentials
	}
	return fingerprintOf(u), nil
}

// errNoAccounts is for methods that need [Config].Accounts.
var errNoAccounts = errors.New("auth: Config.Accounts is nil: accounts cannot be disabled or deleted")

// Disable keeps the account from logging in, and ends all its sessions. It returns
// [ErrUserNotFound] if there is no such account.
func (a *Authenticator) Disable(ctx context.Context, userID string) error {
	return a.changeAccount(ctx, userID, EventDisabled, func() error {
		return a.accounts.SetDisabled(ctx, userID, true)
	}, func(ctx context.Context) error { return a.endAll(ctx, userID) })
}

// Enable lets a disabled account log in again. It returns [ErrUserNotFound] if there is no such
// account.
func (a *Authenticator) Enable(ctx context.Context, userID string) error {
	return a.changeAccount(ctx, userID, EventEnabled, func() error {
		// Disable has ended all sessions, unless it failed after its first step.
		u, err := a.userByID(ctx, userID)
		if err == nil && u.Disabled {
			err = a.endAll(ctx, userID)
		}
		if err != nil {
			return err
		}
		return a.accounts.SetDisabled(ctx, userID, false)
	}, func(context.Context) error { return nil })
}

// Delete removes the account and what the library keeps of it: all its sessions, what [Config].Throttle
// knows of it, and the records in [Config].Records that the user owns, such as second factors and the
// links of package recovery. It returns [ErrUserNotFound] if there is no such account. After another
// error call it again: it then removes what is left, also if the account is gone. What else the host
// keeps of the user is for the host to delete.
func (a *Authenticator) Delete(ctx context.Context, userID string) error {
	var u User
	return a.changeAccount(ctx, userID, EventDeleted, func() (err error) {
		// The throttle forgets before as well as after: it knows the account by a name that is gone
		// afterwards. If it fails, the account is still there for another call.
		if err := a.sessions.Reach(ctx, userID); err != nil {
			return err
		}
		if u, err = a.userByID(ctx, userID); err != nil {
			return err
		}
		if err := a.forgetAttempts(ctx, u); err != nil {
			return err
		}
		return a.accounts.DeleteUser(ctx, userID)
	}, func(ctx context.Context) error {
		return errors.Join(a.endAll(ctx, userID), a.forgetAttempts(ctx, u), a.forgetRecords(ctx, userID))
	})
}

// forgetAttempts has the throttle forget an account, if there is one.
func (a *Authenticator) forgetAttempts(ctx context.Context, u User) error {
	if a.throttle == nil || u.ID == "" {
		return nil
	}
	if err := a.throttle.Forget(ctx, u.Username, secondFactorOf(u).Target); err != nil {
		return fmt.Errorf("auth: forget attempts: %w", err)
	}
	return nil
}

// maxOwner is the greatest length of [Record].Owner, in bytes.
const maxOwner = 255

// forgetRecords deletes the records that a user owns.
func (a *Authenticator) forgetRecords(ctx context.Context, userID string) error {
	if a.records == nil || userID == "" || len(userID) > maxOwner {
		return nil
	}
	if err := a.records.DeleteRecords(ctx, userID); err != nil {
		return fmt.Errorf("auth: delete records: %w", err)
	}
	return nil
}

// changeAccount changes an account by do, and then calls finish, as to end its sessions: once nobody
// can log in, no new ones begin. It calls finish also if the account is gone, so that a call that
// failed half-way can be repeated.
func (a *Authenticator) changeAccount(ctx context.Context, userID string, kind EventKind, do func() error, finish func(context.Context) error) error {
	if a.accounts == nil {
		return errNoAccounts
	}
	err := do()
	if err != nil && !errors.Is(err, ErrUserNotFound) {
		return fmt.Errorf("auth: change account: %w", err)
	}
	after, cancel := detached(ctx)
	defer cancel()
	if err := finish(after); err != nil {
		return err
	}
	if err != nil {
		return ErrUserNotFound
	}
	a.emit(ctx, kind, userID, "")
	return nil
}
