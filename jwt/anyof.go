package jwt

import (
	"context"
	"maps"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
)

// AnyOf returns a verifier for the tokens of several issuers; byIssuer holds the one verifier of
// each. The iss of a token, read before anything is verified, selects the verifier. Its answer is
// final, and the principal must have the same issuer. So no issuer can speak for another, and no
// token is tried with keys that are not its issuer's.
//
// A subject is unique only within its issuer: callers of two issuers may have the same
// [Principal.Subject]. Store [Principal.Issuer] beside it.
//
// It returns a [*cfgerr.Error] if there is no issuer, an empty one, or one without a verifier. Verify
// refuses tokens of other issuers with [ErrInvalidToken].
func AnyOf(byIssuer map[string]TokenVerifier) (TokenVerifier, error) {
	var faults cfgerr.Faults
	if len(byIssuer) == 0 {
		faults.Add("jwt.AnyOf", "", "there is no verifier")
	}
	for issuer, v := range byIssuer {
		switch {
		case issuer == "":
			faults.Add("jwt.AnyOf", "", "holds an empty issuer")
		case v == nil:
			faults.Add("jwt.AnyOf", issuer, "has no verifier")
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return anyOf(maps.Clone(byIssuer)), nil
}

type anyOf map[string]TokenVerifier

// Verify asks the verifier of the token's issuer. See decision 0030.
func (byIssuer anyOf) Verify(ctx context.Context, token string) (*Principal, error) {
	unverified, err := jose.UnverifiedText(token, "iss")
	if err != nil {
		return nil, tokenError(err)
	}
	v := byIssuer[unverified]
	if v == nil {
		return nil, errIssuer
	}
	p, err := v.Verify(ctx, token)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, ErrNobody
	case p.issuer != unverified:
		return nil, errIssuer
	}
	return p, nil
}
