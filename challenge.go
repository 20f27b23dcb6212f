package auth

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/passwords"
)

// answer is the HTTP answer to an error.
type answer struct {
	cause     error
	status    int
	challenge bool   // whether a WWW-Authenticate header goes with it
	code      string // error of the challenge (RFC 6750 section 3.1), and code of the problem
	detail    string // text for people; says no more than status and code
}

// answers maps errors to answers; the first row that fits counts. Infrastructure failures stand
// first, so that an error that is both is never reported as the caller's fault.
var answers = [...]answer{
	{ErrBusy, 503, false, "", "too busy, try again later"},
	{ErrKeysUnavailable, 503, false, "", "not available now, try again later"},
	{ErrRevocationUnknown, 503, false, "", "not available now, try again later"},
	{context.DeadlineExceeded, 503, false, "", "not available now, try again later"},
	{context.Canceled, 503, false, "", "not available now, try again later"},

	{ErrTooManyAttempts, 429, false, "", "too many attempts, try again later"},
	{ErrNoCredentials, 401, true, "", "an access token is needed"},
	{ErrInvalidRequest, 400, true, "invalid_request", "the credentials are malformed, or there is more than one"},
	{ErrInvalidToken, 401, true, "invalid_token", "the access token is invalid or has expired"},
	{ErrInsufficientScope, 403, true, "insufficient_scope", "the access token does not allow this"},
	{ErrInsufficientAuthentication, 401, true, "insufficient_user_authentication", "a more recent or a stronger login is needed"}, // RFC 9470 section 3
	{ErrCrossOrigin, 403, false, "cross_origin", "a request that a page of another origin caused is refused"},

	{cause: ErrInvalidCredentials, status: 401},
	{cause: ErrInvalidUsername, status: 422},
	{cause: ErrUserExists, status: 409},
	{cause: ErrInvalidGrant, status: 400},
	{cause: ErrUserNotFound, status: 404},
	{cause: ErrSessionNotFound, status: 404},
	{cause: jwt.ErrDelegation, status: 403},
	{cause: ErrConflict, status: 409},
}

func answerTo(err error) answer {
	for _, a := range answers {
		if errors.Is(err, a.cause) {
			return a
		}
	}
	if _, ok := errors.AsType[*passwords.Error](err); ok {
		return answer{cause: err, status: 422}
	}
	if _, ok := errors.AsType[*MFARequiredError](err); ok {
		return answer{cause: err, status: 403}
	}
	return answer{cause: err, status: 500}
}

// sampledKind returns the error of which the log has one line a second at most, or nil: many requests
// meet such a state at once.
func (a answer) sampledKind() error {
	if a.status == http.StatusServiceUnavailable {
		return a.cause
	}
	return nil
}

// HTTPStatus returns the status code for an error of this package: 4xx for an error that the
// caller's input caused, 503 if trying again later may help, and 500 for everything else. For nil it
// returns 200.
func HTTPStatus(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return answerTo(err).status
}
