package passwords

import (
	"errors"
	"fmt"
	"time"
)

// The errors of a [Hasher].
var (
	ErrMismatch      = errors.New("auth: password does not match hash")
	ErrUnknownHash   = errors.New("auth: unknown hash format")   // not this Hasher's format; another one may read it
	ErrMalformedHash = errors.New("auth: malformed stored hash") // this Hasher's format, but broken or out of bounds
	ErrBusy          = errors.New("auth: too busy, retry later") // wrapped in a [RetryError]
)

// Error says which rule a new password breaks. Its text can be shown to the person who chose the
// password, and never contains it.
type Error struct {
	Rule  Rule
	Limit int // code points for [TooShort], bytes for [TooLong]; otherwise 0
}

// Rule names a rule for new passwords.
type Rule string

// The rules for new passwords (NIST SP 800-63B-4 section 3.1.1.2). There are no composition rules.
const (
	TooShort Rule = "too_short"
	TooLong  Rule = "too_long"
	Encoding Rule = "encoding" // NUL or invalid UTF-8
	Common   Rule = "common"   // one of those that are guessed first, or white space alone
	Context  Rule = "context"  // little more than the username or the service's name
	Breached Rule = "breached" // found in a breach: see [Checker]
)

func (e *Error) Error() string {
	switch e.Rule {
	case TooShort:
		return fmt.Sprintf("auth: password too short: at least %d characters", e.Limit)
	case TooLong:
		return fmt.Sprintf("auth: password too long: at most %d bytes", e.Limit)
	case Encoding:
		return "auth: password contains a NUL character or is not valid UTF-8"
	case Common:
		return "auth: password is one of the most common, or white space alone"
	case Context:
		return "auth: password is little more than the user's or the service's name"
	case Breached:
		return "auth: password is known from a breach"
	}
	return "auth: password refused: " + string(e.Rule)
}

// RetryError is a refusal for which trying again later can help. It wraps [ErrBusy], ErrKeysUnavailable
// of package jwt or ErrRevocationUnknown of package auth, which are answered with 503, or
// ErrTooManyAttempts of package auth, which is answered with 429. The answer has a Retry-After header.
type RetryError struct {
	Err   error
	After time.Duration // time to wait, at least one second
}

func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RetryError) Unwrap() error { return e.Err }
