package auth

import (
	"errors"
	"fmt"
	"time"
)

// The errors a caller's input can cause, for use with [errors.Is]. Every other
// error a method returns is the world's (a store that is down, a context that
// ended) and is passed on wrapped: answer it with a 5xx, never with a 401.
var (
	// Accounts.
	ErrInvalidCredentials = errors.New("auth: invalid credentials")   // unknown user, wrong password or disabled account: never said which
	ErrInvalidUsername    = errors.New("auth: invalid username")      // refused by the username rule
	ErrUserExists         = errors.New("auth: user exists")           // the username or the ID is taken
	ErrUserNotFound       = errors.New("auth: user not found")        // no such user in the store
	ErrDisabled           = errors.New("auth: account disabled")      // in an [EventLoginFailed] alone
	ErrNoPassword         = errors.New("auth: no password set")       // in an [EventLoginFailed] alone
	ErrConflict           = errors.New("auth: changed by another")    // a compare-and-swap met a newer value
	ErrSessionNotFound    = errors.New("auth: session not found")     // no such session in the store, or another user's
	ErrInvalidGrant       = errors.New("auth: invalid refresh token") // 400 invalid_grant: unknown, used up, expired or ended: never said which
	ErrTooManyAttempts    = errors.New("auth: too many attempts")     // 429: comes in a [RetryError]
	ErrBusy               = errors.New("auth: too busy, retry later") // comes in a [RetryError]

	// Password hashes.
	ErrMismatch      = errors.New("auth: password does not match hash")
	ErrUnknownHash   = errors.New("auth: unknown hash format")   // not this Hasher's: another may know it
	ErrMalformedHash = errors.New("auth: malformed stored hash") // this Hasher's, but broken or out of bounds

	// Requests and tokens.
	ErrNoCredentials              = errors.New("auth: no credentials")                            // 401, a bare challenge
	ErrInvalidRequest             = errors.New("auth: malformed credentials")                     // 400 invalid_request
	ErrInvalidToken               = errors.New("auth: invalid token")                             // 401 invalid_token
	ErrExpiredToken               = fmt.Errorf("%w: expired", ErrInvalidToken)                    // Is ErrInvalidToken
	ErrRevokedToken               = fmt.Errorf("%w: revoked", ErrInvalidToken)                    // Is ErrInvalidToken
	ErrUnknownKey                 = fmt.Errorf("%w: unknown key", ErrInvalidToken)                // Is ErrInvalidToken
	ErrInsufficientScope          = errors.New("auth: insufficient scope")                        // 403 insufficient_scope
	ErrInsufficientAuthentication = errors.New("auth: a more recent or stronger login is needed") // 401 insufficient_user_authentication
	ErrCrossOrigin                = errors.New("auth: cross-origin request with cookie")          // 403
	ErrKeysUnavailable            = errors.New("auth: verification keys unavailable")             // 503
	ErrRevocationUnknown          = errors.New("auth: revocation state unavailable")              // 503
	errUnusable                   = errors.New("auth: zero value is not usable, use its New function")
)

// Why a token was refused, for logs: all are ErrInvalidToken, made once so that a
// refusal costs nothing, and none holds any of the token.
var (
	errTooLong   = fmt.Errorf("%w: longer than 8192 bytes", ErrInvalidToken)
	errMalformed = fmt.Errorf("%w: not a compact JWS in canonical base64url", ErrInvalidToken)
	errHeader    = fmt.Errorf("%w: header refused", ErrInvalidToken)
	errSignature = fmt.Errorf("%w: signature", ErrInvalidToken)
	errType      = fmt.Errorf("%w: type", ErrInvalidToken)
	errClaims    = fmt.Errorf("%w: malformed claims", ErrInvalidToken)
	errBound     = fmt.Errorf("%w: bound to a key, not a bearer token", ErrInvalidToken)
	errSubject   = fmt.Errorf("%w: no subject", ErrInvalidToken)
	errIssuer    = fmt.Errorf("%w: issuer", ErrInvalidToken)
	errRequired  = fmt.Errorf("%w: required claim", ErrInvalidToken)
	errAudience  = fmt.Errorf("%w: audience", ErrInvalidToken)
	errNoExpiry  = fmt.Errorf("%w: no expiry", ErrInvalidToken)
	errNotYet    = fmt.Errorf("%w: not valid yet", ErrInvalidToken)
)

// ConfigError is a fault in what the host configured. Constructors find every
// fault and join them; nothing but a constructor returns one.
type ConfigError struct {
	Field  string // the field or parameter at fault, as in "JWTConfig.Issuer" or "New.users"
	Value  string // what was given; empty where it is secret or absent
	Reason string // what is wrong and what is accepted
}

func (e *ConfigError) Error() string {
	if e.Value == "" {
		return "auth: " + e.Field + ": " + e.Reason
	}
	return fmt.Sprintf("auth: %s %q: %s", e.Field, e.Value, e.Reason)
}

// PasswordError says which rule a new password broke. Its text is fit for the
// person who chose it and never holds the password.
type PasswordError struct {
	Rule  PasswordRule
	Limit int // of [PasswordTooShort] in code points, of [PasswordTooLong] in bytes; else 0
}

// PasswordRule names a rule for new passwords.
type PasswordRule string

// The rules for new passwords, NIST SP 800-63B-4 section 3.1.1.2. There are no
// composition rules.
const (
	PasswordTooShort PasswordRule = "too_short"
	PasswordTooLong  PasswordRule = "too_long"
	PasswordEncoding PasswordRule = "encoding" // NUL or invalid UTF-8
	PasswordCommon   PasswordRule = "common"   // among those that are guessed first
	PasswordContext  PasswordRule = "context"  // little more than the username or the service's name
	PasswordBreached PasswordRule = "breached" // found in a breach: see [PasswordChecker]
)

func (e *PasswordError) Error() string {
	switch e.Rule {
	case PasswordTooShort:
		return fmt.Sprintf("auth: password too short: at least %d characters", e.Limit)
	case PasswordTooLong:
		return fmt.Sprintf("auth: password too long: at most %d bytes", e.Limit)
	case PasswordEncoding:
		return "auth: password holds a NUL character or is not valid UTF-8"
	case PasswordCommon:
		return "auth: password is one of the most common"
	case PasswordContext:
		return "auth: password is little more than the user's or the service's name"
	case PasswordBreached:
		return "auth: password is known from a breach"
	}
	return "auth: password refused: " + string(e.Rule)
}

// RetryError is a refusal that time cures: it wraps [ErrBusy] or
// [ErrKeysUnavailable], to be answered with 503, or [ErrTooManyAttempts], with 429;
// and with a Retry-After header.
type RetryError struct {
	Err   error
	After time.Duration // when to try again, at least one second
}

func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RetryError) Unwrap() error { return e.Err }
