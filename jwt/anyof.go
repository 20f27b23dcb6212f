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
// For two verifiers of one issuer, and for tokens without iss, see [Either].
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
	checkSecrets(&faults, "jwt.AnyOf", byIssuer)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return anyOf(maps.Clone(byIssuer)), nil
}

// checkSecrets adds a fault for each verifier that has a public key of any of them as a secret: then
// anybody who has the public key could sign tokens for it (CVE-2015-9235).
func checkSecrets(faults *cfgerr.Faults, field string, byName map[string]TokenVerifier) {
	var all []*jose.Key
	for _, v := range byName {
		all = append(all, keysOf(v)...)
	}
	for name, v := range byName {
		if slices.ContainsFunc(keysOf(v), func(secret *jose.Key) bool { return slices.ContainsFunc(all, secret.Spells) }) {
			faults.Add(field, name, "has a secret that is a public key")
		}
	}
}

// keysOf returns the keys that v has at this time, as far as v is a verifier of this package.
func keysOf(v TokenVerifier) (keys []*jose.Key) {
	switch v := v.(type) {
	case *Issuer:
		if v != nil {
			return keysOf(v.verifier)
		}
	case *Verifier:
		if v != nil {
			if s := v.keys.snapshot(); s != nil {
				return s.keys
			}
		}
	case *either:
		return append(slices.Clone(keysOf(v.first)), keysOf(v.second)...)
	case *byForm:
		return keysOf(v.tokens)
	case anyOf:
		for _, v := range v {
			keys = append(keys, keysOf(v)...)
		}
	}
	return keys
}

type anyOf map[string]TokenVerifier

// Verify asks the verifier of the token's issuer. See decision 0030.
func (byIssuer anyOf) Verify(ctx context.Context, token string) (*Principal, error) {
	unverified, err := jose.UnverifiedText(token, "iss")
	if err != nil {
		return nil, tokenError(token, err)
	}
	v := byIssuer[unverified]
	if v == nil {
		return nil, &refused{errIssuer, unverified, "one that AnyOf has a verifier for"}
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
