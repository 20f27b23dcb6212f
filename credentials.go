package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-e36e2130/auth/passwords"
)

// userByID returns an account, or the zero User if there is none.
func (a *Authenticator) userByID(ctx context.Context, id string) (User, error) {
	return a.orNobody(a.users.UserByID(ctx, id))
}

// userByName returns an account by its canonical username, or the zero User if there is none.
func (a *Authenticator) userByName(ctx context.Context, name string) (User, error) {
	return a.orNobody(a.users.UserByUsername(ctx, name))
}

// orNobody turns [ErrUserNotFound] into the zero User. It puts the username into its canonical form: a
// table may keep names as people typed them, and an account must be one to the throttle.
func (a *Authenticator) orNobody(u User, err error) (User, error) {
	switch {
	case errors.Is(err, ErrUserNotFound):
		return User{}, nil
	case err != nil:
		return User{}, fmt.Errorf("auth: load user: %w", err)
	}
	if name, err := a.usernames.Canonical(u.Username); err == nil {
		u.Username = name
	}
	return u, nil
}

// errChanged says that an account is not as it was when its credentials were proven: it is gone or
// disabled, or its password hash is another.
var errChanged = fmt.Errorf("%w: the account has changed since", ErrInvalidCredentials)

// authenticate proves that password is the account's and calls next with the account as it is
// stored then. The password goes no further. If next finds the account changed (see recheck), the
// password is proven once more: another login may have upgraded the hash.
func (a *Authenticator) authenticate(ctx context.Context, u User, password string, next func(User) (Tokens, error)) (Tokens, error) {
	for proofs := 1; ; proofs++ {
		if err := a.prove(ctx, u, password); err != nil {
			return Tokens{}, err
		}
		u.PasswordHash = a.upgrade(ctx, u, password)
		t, err := next(u)
		if err != errChanged || proofs == 2 {
			return t, err
		}
		if u, err = a.userByID(ctx, u.ID); err != nil {
			return Tokens{}, err
		}
	}
}

// prove checks that the account may log in with password. Every answer costs one hash of the current
// parameters: where there is no hash to check, unknownHash is checked in its place. See decision 0008.
func (a *Authenticator) prove(ctx context.Context, u User, password string) error {
	encoded := u.PasswordHash
	var never error // why no password is right
	switch {
	case u.ID == "":
		never = ErrUserNotFound
	case u.Disabled:
		never = ErrDisabled
	case encoded == "":
		never = ErrNoPassword
	}
	if never != nil {
		encoded = a.unknownHash()
	}
	err := a.verify(ctx, encoded, password)
	if never == nil && (errors.Is(err, ErrUnknownHash) || errors.Is(err, ErrMalformedHash)) {
		a.log.ErrorContext(ctx, "auth: a stored password hash cannot be read", "user", u.ID, "error", err)
		never = err
		err = a.verify(ctx, a.unknownHash(), password)
	}
	_, refused := errors.AsType[*passwords.Error](err)
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

// failed returns [ErrInvalidCredentials]. Why goes into an event alone.
func (a *Authenticator) failed(ctx context.Context, userID string, why error) error {
	a.events(ctx, Event{Kind: EventLoginFailed, UserID: userID, Device: DeviceFromContext(ctx), Err: why})
	return ErrInvalidCredentials
}

// recheck returns the account as it is stored now. It returns errChanged if what was proven of u no
// longer holds: hashing may have taken seconds. See decision 0089.
func (a *Authenticator) recheck(ctx context.Context, u User) (User, error) {
	now, err := a.userByID(ctx, u.ID)
	switch {
	case err != nil:
		return User{}, err
	case now.ID == "" || now.Disabled || now.PasswordHash != u.PasswordHash:
		return User{}, errChanged
	}
	return now, nil
}

type anonymousKey struct{}

// anonymous returns a context for hashing that anybody may ask for: logins do not wait for it.
func anonymous(ctx context.Context) context.Context {
	return context.WithValue(ctx, anonymousKey{}, true)
}

// queued returns a context that says whom the queue for hashing sees.
func queued(ctx context.Context) context.Context {
	caller := passwords.Caller{Anonymous: ctx.Value(anonymousKey{}) != nil}
	if ip := knownDevice(ctx).IP.Unmap().WithZone(""); ip.Is6() {
		network, _ := ip.Prefix(64) // cannot fail; one customer has all of it
		caller.Network = network.String()
	} else if ip.IsValid() {
		caller.Network = ip.String()
	}
	return passwords.WithCaller(ctx, caller)
}

func (a *Authenticator) verify(ctx context.Context, encoded, password string) error {
	return a.hasher.Verify(queued(ctx), encoded, password)
}

func (a *Authenticator) hash(ctx context.Context, password string) (string, error) {
	encoded, err := a.hasher.Hash(queued(ctx), password)
	if err != nil {
		return "", fmt.Errorf("auth: hash password: %w", err)
	}
	return encoded, nil
}

// upgrade replaces a hash that is weaker than the current choice, and returns the hash that is
// stored then. It never fails: the next login tries again.
func (a *Authenticator) upgrade(ctx context.Context, u User, password string) (stored string) {
	if !a.hasher.NeedsRehash(u.PasswordHash) {
		return u.PasswordHash
	}
	encoded, err := a.hash(ctx, password)
	if err == nil {
		rebind := a.rebindSessions(u, encoded)
		err = a.replaceHash(ctx, u, encoded, EventRehash, rebind, rebind)
	}
	if err != nil {
		a.log.WarnContext(ctx, "auth: a weak password hash was not upgraded", "user", u.ID, "error", err)
		return u.PasswordHash
	}
	return encoded
}

// replaceHash replaces u's password hash, and calls before and after with the user's ID. From the moment of
// the write, sessions that do not belong to the new hash are refused: a failure or a crash changes nothing
// or leaves no session. See decision 0120.
func (a *Authenticator) replaceHash(ctx context.Context, u User, encoded string, kind EventKind, before, after func(ctx context.Context, userID string) error) error {
	if err := before(ctx, u.ID); err != nil {
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
	ctx, cancel := detached(ctx)
	defer cancel()
	err := after(ctx, u.ID)
	a.emit(ctx, kind, u.ID, "")
	return err
}

// rebindSessions returns a function that lets the sessions of u go on when its password hash becomes
// encoded. It is called before the write and, for sessions that began in between, after it.
func (a *Authenticator) rebindSessions(u User, encoded string) func(ctx context.Context, userID string) error {
	from := fingerprintOf(u)
	u.PasswordHash = encoded
	to := fingerprintOf(u)
	return func(ctx context.Context, userID string) error { return a.sessions.Bind(ctx, userID, from, to) }
}

// fingerprintOf returns a digest that changes with the password hash.
func fingerprintOf(u User) [sha256.Size]byte {
	return sha256.Sum256([]byte("auth: fingerprint\x00" + u.ID + "\x00" + u.PasswordHash))
}

// errSecondFactorDue is what an attempt returns, with its tokens, if the password was right but a
// second factor is still due. The attempt is undone: no failure is added, and none is forgiven.
var errSecondFactorDue = errors.New("auth: a second factor is due")

// secondFactorDue returns errSecondFactorDue if the user has a second factor and amr does not prove
// it.
func (a *Authenticator) secondFactorDue(ctx context.Context, u User, amr []string) error {
	if a.throttle == nil {
		return nil
	}
	if due, err := a.factorDue(ctx, u.ID, amr); err != nil || !due {
		return err
	}
	return errSecondFactorDue
}

// factorDue reports whether the user has a second factor that amr does not prove.
func (a *Authenticator) factorDue(ctx context.Context, userID string, amr []string) (bool, error) {
	if slices.Contains(amr, mfa) {
		return false, nil
	}
	return a.HasSecondFactor(ctx, userID)
}

// HasSecondFactor reports whether the account has a second factor, so that its password alone logs
// nobody in.
func (a *Authenticator) HasSecondFactor(ctx context.Context, userID string) (bool, error) {
	if a.second == nil {
		return false, nil
	}
	required, err := a.second.Required(ctx, userID)
	if err != nil {
		return false, fmt.Errorf("auth: second factor: %w", err)
	}
	return required, nil
}

// decided is the error of an attempt in which another attempt has decided, with the error of that one
// or nil. The throttle has been told how that one ended, so this one is undone.
type decided struct{ err error }

func (*decided) Error() string { return "auth: decided by another attempt" }

// beginAttempt asks the throttle.
func (a *Authenticator) beginAttempt(ctx context.Context, at Attempt) error {
	err := a.throttle.Begin(ctx, at)
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrTooManyAttempts) {
		a.events(ctx, Event{Kind: EventThrottled, Device: DeviceFromContext(ctx), Err: err})
	}
	return fmt.Errorf("auth: throttle: %w", err)
}

// countRegistration counts a registration for its network, if that is known. The count stays, whatever
// becomes of the registration: each costs the server the same.
func (a *Authenticator) countRegistration(ctx context.Context) error {
	device := knownDevice(ctx)
	if a.throttle == nil || !device.IP.IsValid() {
		return nil
	}
	return a.beginAttempt(ctx, Attempt{Target: "register", Device: device})
}

// attempt asks the throttle, calls try, and tells the throttle how the attempt ended. See decision
// 0034.
func (a *Authenticator) attempt(ctx context.Context, at Attempt, try func() (Tokens, error)) (Tokens, error) {
	if a.throttle == nil {
		return try()
	}
	at.Device = knownDevice(ctx)
	if err := a.beginAttempt(ctx, at); err != nil {
		return Tokens{}, err
	}
	t, err := try()
	// A client that hangs up must not leave a count behind, nor lose the count of a failure.
	after, cancel := detached(ctx)
	defer cancel()
	var failed error
	inner, isDecided := err.(*decided)
	switch {
	case err == nil:
		t.DeviceToken, failed = a.throttle.Succeed(after, at)
		t.NewDevice = isNew(at.Device, t.DeviceToken)
	case !errors.Is(err, ErrInvalidCredentials):
		failed = a.throttle.Undo(after, at)
	}
	switch {
	case isDecided:
		err = inner.err
	case err == errSecondFactorDue:
		err = nil
	}
	if failed != nil {
		a.log.WarnContext(ctx, "auth: the throttle could not record how an attempt ended", "error", failed)
	}
	return t, err
}

// isNew reports whether a throttle did not know a device, for which it returned known.
func isNew(d Device, known DeviceToken) bool { return known == "" || known != d.Known }

// markDeviceKnown records the device after a login by an unguessable secret (a link, a passkey). No
// throttle refuses that, whoever guesses: it is the way in that strangers cannot use up. See
// decision 0095.
func (a *Authenticator) markDeviceKnown(ctx context.Context, u User) DeviceToken {
	if a.throttle == nil {
		return ""
	}
	at := Attempt{Username: u.Username, Device: knownDevice(ctx), Proven: true}
	after, cancel := detached(ctx)
	defer cancel()
	err := a.throttle.Begin(after, at)
	var known DeviceToken
	if err == nil {
		known, err = a.throttle.Succeed(after, at)
	}
	if err != nil {
		a.log.WarnContext(ctx, "auth: the throttle could not record a login", "error", err)
	}
	return known
}
