package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Attempt is one try to prove who one is.
type Attempt struct {
	Username string // in canonical form; as it was given, or Target, where it is nobody's
	Device   Device // that it comes from

	// Target, if not empty, is what may be guessed in the place of the account's
	// password and second factor, as the codes that go to an address are. Failures
	// at it are counted by it and not by Username: whoever guesses at the one must
	// not see whether the other belongs to it. A device is known by Username still.
	Target string
}

// Throttle says when there were too many attempts, before what was given is looked
// at; package throttle holds one. It is safe for concurrent use. It must answer alike
// for names and targets that are nobody's.
type Throttle interface {
	// Begin counts an attempt as failed, in one atomic step. It returns a
	// [*RetryError] of [ErrTooManyAttempts] if there were too many, and then it
	// counts nothing. Any other error is the world's, and the attempt ends with it.
	Begin(ctx context.Context, a Attempt) error

	// Succeed says that the attempt was no failure: what was given is right. It
	// returns what [Device].Known may hold next time, or "".
	Succeed(ctx context.Context, a Attempt) (known DeviceToken, err error)

	// Undo says that the attempt ended before anything was decided.
	Undo(ctx context.Context, a Attempt) error
}

// errPart is what an attempt of [Authenticator.attempt] returns that was no failure,
// but proved one factor of two: no failure before it is forgotten for that.
var errPart = errors.New("auth: one factor of two")

// part returns errPart if the user has a second factor and amr is not both.
func (a *Authenticator) part(ctx context.Context, u User, amr []string) error {
	if a.throttle == nil || a.second == nil || slices.Contains(amr, mfa) {
		return nil
	}
	required, err := a.second.Required(ctx, u.ID)
	switch {
	case err != nil:
		return fmt.Errorf("auth: second factor: %w", err)
	case required:
		return errPart
	}
	return nil
}

// know makes the device known of who has logged in by what nobody guesses. Where the
// throttle refuses, as it may a network of guessers, the device stays unknown.
func (a *Authenticator) know(ctx context.Context, u User) DeviceToken {
	if a.throttle == nil {
		return ""
	}
	one := Attempt{Username: u.Username, Device: a.device, Target: "user " + u.ID}
	one.Device.Known = a.known
	after, cancel := ending(ctx)
	defer cancel()
	err := a.throttle.Begin(after, one)
	if errors.Is(err, ErrTooManyAttempts) {
		return ""
	}
	var known DeviceToken
	if err == nil {
		known, err = a.throttle.Succeed(after, one)
	}
	if err != nil {
		a.log.WarnContext(ctx, "auth: the throttle was not told of a login", "error", err)
	}
	return known
}

// attempt asks the throttle, calls try, and tells the throttle what came of it.
func (a *Authenticator) attempt(ctx context.Context, one Attempt, try func() (Tokens, error)) (Tokens, error) {
	if a.throttle == nil {
		return try()
	}
	one.Device = a.device
	one.Device.Known = a.known
	if err := a.throttle.Begin(ctx, one); err != nil {
		if errors.Is(err, ErrTooManyAttempts) {
			a.events(ctx, Event{Kind: EventThrottled, Device: a.device, Err: err})
		}
		return Tokens{}, fmt.Errorf("auth: throttle: %w", err)
	}
	t, err := try()
	// A client that hangs up must not leave a count behind, nor a good login one.
	after, cancel := ending(ctx)
	defer cancel()
	var failed error
	switch {
	case err == nil:
		t.DeviceToken, failed = a.throttle.Succeed(after, one)
	case !errors.Is(err, ErrInvalidCredentials):
		failed = a.throttle.Undo(after, one)
	}
	if err == errPart {
		err = nil
	}
	if failed != nil {
		a.log.WarnContext(ctx, "auth: the throttle was not told how an attempt ended", "error", failed)
	}
	return t, err
}
