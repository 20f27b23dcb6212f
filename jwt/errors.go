package jwt

import (
	"errors"
	"fmt"
)

// The errors of a [TokenVerifier].
var (
	ErrInvalidToken    = errors.New("auth: invalid token")                              // wrapped by every refusal of a token
	ErrExpiredToken    = fmt.Errorf("%w: expired", ErrInvalidToken)                     // all else was in order
	ErrRevokedToken    = fmt.Errorf("%w: revoked", ErrInvalidToken)                     // the session or the user was logged out
	ErrUnknownKey      = fmt.Errorf("%w: unknown key", ErrInvalidToken)                 // no key of the ring has this ID
	ErrKeysUnavailable = errors.New("auth: verification keys unavailable")              // infrastructure failure: nothing was decided
	ErrNobody          = errors.New("auth: the verifier named no caller and no reason") // a TokenVerifier broke its contract
)

// Reasons for a refusal, for logs. All are ErrInvalidToken. They are created once, so that a refusal
// costs nothing, and none contains a part of the token.
var (
	errTooLong     = fmt.Errorf("%w: longer than 8192 bytes", ErrInvalidToken)
	errMalformed   = fmt.Errorf("%w: not a compact JWS in canonical base64url", ErrInvalidToken)
	errHeader      = fmt.Errorf("%w: header refused", ErrInvalidToken)
	errSignature   = fmt.Errorf("%w: signature", ErrInvalidToken)
	errNoMatch     = fmt.Errorf("%w: the header names none of the keys, and the only one for its algorithm did not sign", ErrUnknownKey)
	errType        = fmt.Errorf("%w: type", ErrInvalidToken)
	errClaims      = fmt.Errorf("%w: malformed claims", ErrInvalidToken)
	errTwoSubjects = fmt.Errorf("%w: a sub beside the claim that is read in its place", ErrInvalidToken)
	errBound       = fmt.Errorf("%w: bound to a key, not a bearer token", ErrInvalidToken)
	errSubject     = fmt.Errorf("%w: no subject", ErrInvalidToken)
	errIssuer      = fmt.Errorf("%w: issuer", ErrInvalidToken)
	errAudience    = fmt.Errorf("%w: audience", ErrInvalidToken)
	errNoExpiry    = fmt.Errorf("%w: no expiry", ErrInvalidToken)
	errNotYet      = fmt.Errorf("%w: not valid yet", ErrInvalidToken)
)

// malformed returns the error for a claim of a form that is not accepted.
func malformed(claim string) error { return fmt.Errorf("%w: %s", errClaims, claim) }

// errMalformedClaim has the errors for claims whose place cannot be set.
var errMalformedClaim = map[string]error{
	"iss": malformed("iss"), "exp": malformed("exp"), "nbf": malformed("nbf"), "iat": malformed("iat"), "act": malformed("act"),
}
