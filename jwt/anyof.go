package jwt

import (
	"context"
	"maps"
	"slices"

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
// It returns a [*cfgerr.Error] if there is no issuer, an empty one, or one without a verifier, and if
// a secret in the ring of a [Verifier] or [Issuer] is a public key of another's at this time. Verify
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
	checkSecrets(&faults, byIssuer)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return anyOf(maps.Clone(byIssuer)), nil
}

// checkSecrets adds a fault for each issuer that has a public key of any issuer as a secret: then
// anybody who has the public key could sign tokens of that issuer (CVE-2015-9235).
func checkSecrets(faults *cfgerr.Faults, byIssuer map[string]TokenVerifier) {
	keys := make(map[string][]*jose.Key)
	var all []*jose.Key
	for issuer, v := range byIssuer {
		if own, ok := v.(*Issuer); ok && own != nil {
			v = own.verifier
		}
		if v, ok := v.(*Verifier); ok && v != nil {
			if s := v.keys.snapshot(); s != nil {
				keys[issuer] = s.keys
				all = append(all, s.keys...)
			}
		}
	}
	for issuer, secrets := range keys {
		if slices.ContainsFunc(secrets, func(secret *jose.Key) bool { return slices.ContainsFunc(all, secret.Spells) }) {
			faults.Add("jwt.AnyOf", issuer, "has a secret that is a public key")
		}
	}
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
