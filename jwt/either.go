package jwt

import (
	"context"
	"errors"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// Either returns a verifier that asks first, and asks second about tokens that are not first's. It is
// for the time of a change, when old and new tokens are valid: tokens of a library that wrote no iss
// or aud, or of an issuer that moves from a secret to a key pair. For several issuers use [AnyOf],
// which asks one verifier alone.
//
// Every token that second accepts is accepted, unless first knows it: a token that first refuses with
// [ErrExpiredToken] or [ErrRevokedToken], or because it is not valid yet, is refused for good. So is
// one that first cannot decide about, because an outage must not switch off a check. Put the verifier
// that answers from memory first, and one of package jwks second. Give both the same Check, so that a
// revocation counts for all tokens.
//
// The error of a refused token is second's, or first's if second has no key for the token.
//
// It returns a [*cfgerr.Error] if a verifier is nil, and if a secret in the ring of a [Verifier] or
// [Issuer] is a public key of the other's at this time.
func Either(first, second TokenVerifier) (TokenVerifier, error) {
	var faults cfgerr.Faults
	byName := map[string]TokenVerifier{"first": first, "second": second}
	for name, v := range byName {
		if v == nil {
			faults.Add("jwt.Either", name, "is nil")
		}
	}
	checkSecrets(&faults, "jwt.Either", byName)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return &either{first, second}, nil
}

type either struct{ first, second TokenVerifier }

// Verify asks one or both verifiers. See decision 0111.
func (e *either) Verify(ctx context.Context, token string) (*Principal, error) {
	p, err := e.first.Verify(ctx, token)
	switch {
	case err == nil && p == nil:
		return nil, ErrNobody
	case err == nil:
		return p, nil
	case !errors.Is(err, ErrInvalidToken), // undecided
		errors.Is(err, ErrExpiredToken), errors.Is(err, ErrRevokedToken), errors.Is(err, errNotYet): // genuine, and refused
		return nil, err
	}
	p, secondErr := e.second.Verify(ctx, token)
	switch {
	case errors.Is(secondErr, ErrUnknownKey):
		return nil, err
	case secondErr != nil:
		return nil, secondErr
	case p == nil:
		return nil, ErrNobody
	}
	return p, nil
}
