package auth

import "context"

// Attempt is one attempt to prove an identity.
type Attempt struct {
	Username string // in canonical form; for a name of nobody as it was given, or Target
	Device   Device // device the attempt comes from

	// Target, if not empty, names what may be guessed other than the account's password, such as its
	// second factor or the codes that are sent to an address. Failures are then counted by Target and
	// not by Username, so that a client who guesses codes does not learn which account the address
	// belongs to. Devices are known by Username all the same, and a success at a target is one at the
	// account.
	//
	// A Target without a Username is work that anybody may ask for, such as "register". It is about no
	// account, so it is counted for the device's network alone, and apart from other targets.
	Target string

	// Proven says that the identity was proven by something that cannot be guessed, such as a link in
	// a mail. Begin refuses and counts no such attempt, and Succeed marks its device as known.
	Proven bool
}

// Throttle decides, before credentials are looked at, whether there were too many attempts; package
// throttle holds one. It is safe for concurrent use. It must treat names and targets that belong to
// nobody like others.
type Throttle interface {
	// Begin counts an attempt as failed, in one atomic step. It returns a [*RetryError] of
	// [ErrTooManyAttempts] if there were too many, and then it counts nothing. Any other error means
	// an infrastructure failure, and the attempt ends with it.
	Begin(ctx context.Context, a Attempt) error

	// Succeed says that the credentials of the attempt were right. It returns what [Device].Known
	// may hold next time, or "".
	Succeed(ctx context.Context, a Attempt) (known DeviceToken, err error)

	// Undo says that the attempt ended before anything was decided.
	Undo(ctx context.Context, a Attempt) error

	// Forget removes what is kept of the account that has this canonical username: its known devices,
	// and the failures there and at these targets. It is called when the account is deleted, so that
	// nobody who gets the name later inherits anything. That there is nothing is no error.
	Forget(ctx context.Context, username string, targets ...string) error
}
