package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Authenticator is what a login is: it registers accounts, checks passwords and
// makes the tokens that it verifies. Make one with [New]; it is immutable and safe
// for concurrent use.
//
// Each method passes the context on and returns what stores, hashers and
// issuers report, wrapped, where none of the errors it names applies; a
// [*RetryError] among them, if too many hashes are waiting.
type Authenticator struct {
	users     UserStore
	tokens    TokenIssuer
	hasher    Hasher
	passwords passwordRule
	normalize func(string) (string, error)
	newID     func(context.Context) (string, error)
	distinct  bool // new names look like no other
	claims    func(context.Context, User, *Claims) error
	log       *slog.Logger
	decoy     string // the hash of a password that nobody knows

	throttle Throttle     // nil: none
	second   SecondFactor // nil: nobody has one
	records  RecordStore  // nil with it
	accounts AccountStore // nil: none can be disabled or deleted
	sessions *sessions    // nil: there are none
	events   func(context.Context, Event)
	device   Device      // that calls come from: see From
	known    DeviceToken // of the device
}

// From returns an Authenticator for calls that come from device d: sessions that
// they begin or use, and events, say so.
func (a *Authenticator) From(d Device) *Authenticator {
	if a.unusable() {
		return a
	}
	from := *a
	from.device, from.known = d.clean(), d.Known
	return &from
}

// Device returns the device that calls come from, as events tell it: without Known.
func (a *Authenticator) Device() Device {
	if a.unusable() {
		return Device{}
	}
	return a.device
}

// start makes the decoy and carries one token through its own verifier, so that
// a hasher or a pair of keys that cannot work shows before the first login.
func (a *Authenticator) start(ctx context.Context) (err error) {
	if a.decoy, err = a.hash(ctx, rand.Text()); err != nil {
		return err
	}
	if a.hasher.NeedsRehash(a.decoy) {
		return &ConfigError{Field: "Config.Hasher", Reason: "finds the hash too weak that it has just made"}
	}
	const subject = "self-test"
	token, err := a.tokens.Issue(ctx, Claims{Subject: subject})
	if err != nil {
		return fmt.Errorf("auth: issue token: %w", err)
	}
	p, err := a.tokens.Verify(ctx, token)
	// That the host's own check knows no such user, or cannot decide yet, says
	// nothing of the pair.
	refused := errors.Is(err, ErrInvalidToken) && !errors.Is(err, ErrRevokedToken)
	if refused || err == nil && p.Subject() != subject {
		return &ConfigError{Field: "New.tokens", Reason: "does not verify the token that it has just made"}
	}
	return nil
}

func (a *Authenticator) unusable() bool { return a == nil || a.tokens == nil }

// Register adds an account and returns it, without its PasswordHash. It returns
// [ErrInvalidUsername] or a [*PasswordError] if name or password break a rule, and
// [ErrUserExists] if the name is taken: of concurrent calls exactly one succeeds.
func (a *Authenticator) Register(ctx context.Context, username, password string) (User, error) {
	if a.unusable() {
		return User{}, errUnusable
	}
	name, err := a.newUsername(username)
	if err != nil {
		return User{}, err
	}
	if err := a.passwords.accept(ctx, name, password); err != nil {
		return User{}, err
	}
	encoded, err := a.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	id, err := a.newID(ctx)
	switch {
	case err != nil:
		return User{}, fmt.Errorf("auth: new user ID: %w", err)
	case id == "":
		return User{}, errors.New("auth: Config.NewUserID returned an empty ID")
	}
	u := User{
		ID:           id,
		Username:     name,
		PasswordHash: encoded,
		CreatedAt:    time.Now().UTC().Truncate(time.Microsecond),
	}
	switch err := a.users.CreateUser(ctx, u); {
	case errors.Is(err, ErrUserExists):
		return User{}, ErrUserExists
	case err != nil:
		return User{}, fmt.Errorf("auth: create user: %w", err)
	}
	a.tell(ctx, EventRegistered, u.ID, "")
	return withoutHash(u), nil
}

// Login returns the tokens of the account with this name and password. It returns
// [ErrInvalidCredentials] if there is no such account, the password is another or
// the account is disabled, has no password or an unreadable one: after the same
// hashing, so that neither the answer nor its time says which. It returns a
// [*MFARequiredError] if the password was right and the account has a second
// factor: then [Authenticator.LoginMFA] goes on.
//
// A stored hash that is weaker than the current choice is replaced; where that
// fails, the login goes on.
func (a *Authenticator) Login(ctx context.Context, username, password string) (Tokens, error) {
	if a.unusable() {
		return Tokens{}, errUnusable
	}
	if !a.passwords.possible(password) {
		return Tokens{}, a.failed(ctx, "", ErrMismatch)
	}
	name, nameErr := a.username(username)
	if nameErr != nil {
		name = username // of nobody
	}
	return a.attempt(ctx, Attempt{Username: name}, func() (Tokens, error) {
		var u User
		if nameErr == nil {
			var err error
			if u, err = found(a.users.UserByUsername(ctx, name)); err != nil {
				return Tokens{}, err
			}
		}
		if err := a.prove(ctx, u, password); err != nil {
			return Tokens{}, err
		}
		u.PasswordHash = a.upgrade(ctx, u, password)
		// The turn to hash may have been seconds in coming.
		u, err := a.still(ctx, u, password)
		if err != nil {
			return Tokens{}, err
		}
		return a.admit(ctx, u, password, []string{"pwd"})
	})
}

// still returns the user as stored now, if what was proven of u still holds: that
// the account is enabled, and its password this one. An empty password is none, as
// in LoginUser: nothing may have changed.
func (a *Authenticator) still(ctx context.Context, u User, password string) (User, error) {
	now, err := found(a.users.UserByID(ctx, u.ID))
	switch {
	case err != nil:
		return User{}, err
	case now.ID != "" && !now.Disabled && now.PasswordHash == u.PasswordHash:
		return now, nil
	case password == "":
		return User{}, ErrInvalidCredentials
	}
	return now, a.prove(ctx, now, password)
}

// Verify returns the principal of a token, as [TokenVerifier] says.
func (a *Authenticator) Verify(ctx context.Context, token string) (*Principal, error) {
	if a.unusable() {
		return nil, errUnusable
	}
	return a.tokens.Verify(ctx, token)
}

// ChangePassword gives the account another password, ends all its sessions, and
// returns the tokens of a new one. It returns a [*PasswordError] if replacement
// breaks a rule, [ErrInvalidCredentials] if current is not the password or the
// account cannot log in, and [ErrConflict] if others keep changing it at the same
// time. It returns a [*MFARequiredError], as Login does, when the password has been
// changed, if the account has a second factor.
func (a *Authenticator) ChangePassword(ctx context.Context, userID, current, replacement string) (Tokens, error) {
	if a.unusable() {
		return Tokens{}, errUnusable
	}
	if err := a.passwords.check(replacement); err != nil {
		return Tokens{}, err
	}
	return a.confirm(ctx, userID, current, func(u User) (Tokens, error) {
		if err := a.passwords.accept(ctx, u.Username, replacement); err != nil {
			return Tokens{}, err
		}
		encoded, err := a.hash(ctx, replacement)
		if err != nil {
			return Tokens{}, err
		}
		for range 2 { // again if a login upgraded the hash meanwhile
			err = a.setHash(ctx, u, encoded)
			if err == nil {
				u.PasswordHash = encoded
				return a.admit(ctx, u, replacement, []string{"pwd"})
			}
			if !errors.Is(err, ErrConflict) {
				break
			}
			if u, err = a.still(ctx, u, current); err != nil {
				return Tokens{}, err
			}
			err = ErrConflict
		}
		if errors.Is(err, ErrUserNotFound) {
			err = ErrInvalidCredentials
		}
		return Tokens{}, err
	})
}

// setHash puts encoded in the place of u's password hash and ends the sessions
// of u: before as well as after, the one so that no failure leaves a thief's session
// beside a new password, the other for sessions begun between.
func (a *Authenticator) setHash(ctx context.Context, u User, encoded string) error {
	if err := a.endAll(ctx, u.ID); err != nil {
		return err
	}
	switch err := a.users.ReplacePasswordHash(ctx, u.ID, u.PasswordHash, encoded); {
	case errors.Is(err, ErrConflict):
		return ErrConflict
	case errors.Is(err, ErrUserNotFound):
		return ErrUserNotFound
	case err != nil:
		return fmt.Errorf("auth: replace password hash: %w", err)
	}
	after, cancel := ending(ctx)
	defer cancel()
	err := a.endAll(after, u.ID)
	a.tell(ctx, EventNewPassword, u.ID, "")
	return err
}

// found is the zero User where a store has none.
func found(u User, err error) (User, error) {
	switch {
	case errors.Is(err, ErrUserNotFound):
		return User{}, nil
	case err != nil:
		return User{}, fmt.Errorf("auth: load user: %w", err)
	}
	return u, nil
}

// prove checks that u may log in with password. Every answer costs one hash of
// the current parameters: where there is none to check, the decoy stands in.
func (a *Authenticator) prove(ctx context.Context, u User, password string) error {
	encoded := u.PasswordHash
	var never error // why no password is that of u
	switch {
	case u.ID == "":
		never = ErrUserNotFound
	case u.Disabled:
		never = ErrDisabled
	case encoded == "":
		never = ErrNoPassword
	}
	if never != nil {
		encoded = a.decoy
	}
	err := a.hasher.Verify(ctx, encoded, password)
	if never == nil && unreadable(err) {
		a.log.ErrorContext(ctx, "auth: a stored password hash cannot be read", "user", u.ID, "error", err)
		never = err
		err = a.hasher.Verify(ctx, a.decoy, password)
	}
	_, refused := errors.AsType[*PasswordError](err)
	switch {
	case err != nil && !refused && !errors.Is(err, ErrMismatch):
		return fmt.Errorf("auth: check password: %w", err)
	case never != nil:
		return a.failed(ctx, u.ID, never)
	case err != nil:
		return a.failed(ctx, u.ID, ErrMismatch)
	}
	return nil
}

func unreadable(err error) bool {
	return errors.Is(err, ErrUnknownHash) || errors.Is(err, ErrMalformedHash)
}

// failed returns [ErrInvalidCredentials], and tells why to nobody but the host.
func (a *Authenticator) failed(ctx context.Context, userID string, why error) error {
	a.events(ctx, Event{Kind: EventLoginFailed, UserID: userID, Device: a.device, Err: why})
	return ErrInvalidCredentials
}

func (a *Authenticator) hash(ctx context.Context, password string) (string, error) {
	encoded, err := a.hasher.Hash(ctx, password)
	if err != nil {
		return "", fmt.Errorf("auth: hash password: %w", err)
	}
	return encoded, nil
}

// upgrade replaces a hash that is weaker than the current choice and returns the
// one that is stored then. It never fails: the next login tries again.
func (a *Authenticator) upgrade(ctx context.Context, u User, password string) (stored string) {
	if !a.hasher.NeedsRehash(u.PasswordHash) {
		return u.PasswordHash
	}
	encoded, err := a.hash(ctx, password)
	if err == nil {
		err = a.users.ReplacePasswordHash(ctx, u.ID, u.PasswordHash, encoded)
	}
	if err != nil {
		a.log.WarnContext(ctx, "auth: a weak password hash was not upgraded", "user", u.ID, "error", err)
		return u.PasswordHash
	}
	a.tell(ctx, EventRehash, u.ID, "")
	return encoded
}

// issue makes the access token of an account that has proven who it is: at
// authTime by amr, and for a session unless sessionID is empty. It expires at end
// at the latest, unless that is zero.
func (a *Authenticator) issue(ctx context.Context, u User, authTime time.Time, amr []string, sessionID string, end time.Time) (Tokens, error) {
	c := Claims{Subject: u.ID, SessionID: sessionID, AuthTime: authTime, AMR: amr}
	if slices.Contains(amr, mfa) {
		c.ACR = mfa
	}
	if a.claims != nil {
		if err := a.claims(ctx, withoutHash(u), &c); err != nil {
			return Tokens{}, fmt.Errorf("auth: claims: %w", err)
		}
		if c.Subject != u.ID || c.SessionID != sessionID {
			return Tokens{}, errors.New("auth: claims: Config.Claims changed the subject or the session")
		}
	}
	t, err := a.issueClaims(ctx, c)
	if err == nil && !end.IsZero() && t.Principal.Expiry().After(end) {
		c.Expiry = end
		t, err = a.issueClaims(ctx, c)
	}
	return t, err
}

func (a *Authenticator) issueClaims(ctx context.Context, c Claims) (Tokens, error) {
	token, err := a.tokens.Issue(ctx, c)
	if err != nil {
		return Tokens{}, fmt.Errorf("auth: issue token: %w", err)
	}
	// Verifying it tells its expiry, whatever kind of token it is, and that it
	// will be of use.
	p, err := a.tokens.Verify(ctx, token)
	switch {
	case errors.Is(err, ErrRevokedToken): // the host's check, of this account
		return Tokens{}, ErrInvalidCredentials
	case errors.Is(err, ErrInvalidToken): // no fault of the caller's
		return Tokens{}, fmt.Errorf("auth: the issued token is refused: %v", err)
	case err != nil:
		return Tokens{}, fmt.Errorf("auth: verify issued token: %w", err)
	}
	life := max(0, time.Until(p.Expiry())+time.Second-1)
	return Tokens{AccessToken: token, ExpiresIn: life.Truncate(time.Second), Principal: p}, nil
}

func withoutHash(u User) User {
	u.PasswordHash = ""
	return u
}
