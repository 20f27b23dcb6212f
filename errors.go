package auth

import (
	"errors"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/extract"
	"github.com/seed-e36e2130/auth/internal/usernames"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/session"
)

// ConfigError is one fault in what a host configured: see [cfgerr.Error].
type ConfigError = cfgerr.Error

// UsernameError says which rule a username breaks, and by which character. It comes with
// [ErrInvalidUsername], and its text may be shown to the user.
type UsernameError = usernames.Error

// The errors that a caller's input can cause, for use with [errors.Is]. Any other error that a method
// returns means an infrastructure failure, such as a store that is down or a context that ended. It
// is passed on wrapped: answer it with a 5xx, never with a 401. [HTTPStatus] does so.
var (
	// Accounts.
	ErrInvalidCredentials = errors.New("auth: invalid credentials") // unknown user, wrong password or disabled account: never said which
	ErrInvalidUsername    = errors.New("auth: invalid username")    // refused by the rule for usernames
	ErrUserExists         = errors.New("auth: user exists")         // the username or the ID is taken
	ErrUserNotFound       = errors.New("auth: user not found")      // no such user in the store
	ErrDisabled           = errors.New("auth: account disabled")    // found in an [EventLoginFailed] alone
	ErrNoPassword         = errors.New("auth: no password set")     // found in an [EventLoginFailed] alone
	ErrTooManyAttempts    = errors.New("auth: too many attempts")   // 429; comes in a [RetryError]

	// Sessions.
	ErrSessionNotFound = session.ErrNotFound     // no such session in the store, or another user's
	ErrInvalidGrant    = session.ErrInvalidGrant // 400 invalid_grant: unknown, used up, expired or ended: never said which
	ErrConflict        = session.ErrConflict     // a compare-and-swap found a newer value

	// Passwords.
	ErrMismatch      = passwords.ErrMismatch      // the password is not the one of the hash
	ErrUnknownHash   = passwords.ErrUnknownHash   // the hash has none of the formats of the Hasher
	ErrMalformedHash = passwords.ErrMalformedHash // the hash is broken or out of bounds
	ErrBusy          = passwords.ErrBusy          // 503; comes in a [RetryError]

	// Tokens.
	ErrInvalidToken    = jwt.ErrInvalidToken    // 401 invalid_token: every refusal of a token
	ErrExpiredToken    = jwt.ErrExpiredToken    // an ErrInvalidToken
	ErrRevokedToken    = jwt.ErrRevokedToken    // an ErrInvalidToken
	ErrUnknownKey      = jwt.ErrUnknownKey      // an ErrInvalidToken
	ErrKeysUnavailable = jwt.ErrKeysUnavailable // 503

	// Requests.
	ErrNoCredentials              = extract.ErrNone                                               // 401, a bare challenge
	ErrInvalidRequest             = extract.ErrMalformed                                          // 400 invalid_request
	ErrInsufficientScope          = errors.New("auth: insufficient scope")                        // 403 insufficient_scope
	ErrInsufficientAuthentication = errors.New("auth: a more recent or stronger login is needed") // 401 insufficient_user_authentication
	ErrCrossOrigin                = errors.New("auth: cross-origin request")                      // 403
	ErrRevocationUnknown          = errors.New("auth: revocation state unavailable")              // 503
)
