package jwks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/internal/strictjson"
	"github.com/seed-e36e2130/auth/jwt"
)

// maxKeys bounds a set. Issuers publish two to six keys, and a few of them some dozens.
const maxKeys = 100

// keySet holds the usable keys of a set that an issuer published.
type keySet struct {
	keys   []jwt.Key     // never empty
	prints []string      // fingerprint, algorithm and ID of each key, sorted: equal for equal keys in any order
	faults []error       // one for each key that was refused
	maxAge time.Duration // how long the response may be cached; -1 if it does not say
}

// parseKeySet reads the JWK set of another issuer. See decision 0022.
//
// A broken key is refused and the others are used, because the issuer's mistake with one key must
// not log out the users whose tokens have another. Keys for other purposes and of unknown types are
// skipped (RFC 7517 section 5). A set in which two keys have the same ID is refused as a whole,
// because a token could then not say which of them it means (RFC 7517 section 4.5).
//
// rsaAlgorithm applies to RSA keys whose JWK names no algorithm.
func parseKeySet(text, rsaAlgorithm string) (keySet, error) {
	text, faults, err := withoutSecrets(text)
	if err != nil {
		return keySet{}, err
	}
	parsed, broken, err := jose.ParseSet(text)
	faults = append(faults, broken...)
	if err != nil {
		return keySet{}, errors.Join(append(faults, err)...)
	}
	set := keySet{faults: faults, maxAge: -1}
	for _, k := range parsed {
		if rsaAlgorithm != "" && k.Algorithm() == jwt.RS256 {
			if other, err := k.With(rsaAlgorithm, ""); err == nil { // an error means that the JWK names RS256
				k = other
			}
		}
		key, err := verifyingKey(k)
		if err != nil {
			return keySet{}, err
		}
		set.keys = append(set.keys, key)
		set.prints = append(set.prints, strings.Join([]string{k.Fingerprint(), k.Algorithm(), k.ID()}, " "))
	}
	if len(set.keys) == 0 {
		return keySet{}, fmt.Errorf("the JWK set has no usable key: %w", errors.Join(faults...))
	}
	slices.Sort(set.prints)
	return set, nil
}

// withoutSecrets returns the set without the keys that have a private member, and an error for each
// of them: anybody who can fetch such a key can sign with it.
func withoutSecrets(text string) (public string, faults []error, err error) {
	var keep []string
	count := 0
	err = strictjson.Object(text, func(name, value string) error {
		if name != "keys" {
			return nil
		}
		return strictjson.Array(value, func(element string) error {
			if count++; count > maxKeys {
				return fmt.Errorf("more than %d keys", maxKeys)
			}
			private := false
			// ParseSet reports an element that is not an object.
			_ = strictjson.Object(element, func(name, _ string) error {
				private = private || slices.Contains(privateMembers, name)
				return nil
			})
			if private {
				faults = append(faults, fmt.Errorf("key %d: a secret or private key is published; its issuer must replace it", count-1))
				element = `{"kty":"withheld"}` // an unknown type, which is skipped; the other keys keep their numbers
			}
			keep = append(keep, element)
			return nil
		})
	})
	if err != nil {
		return "", nil, fmt.Errorf("not a JWK set: %w", err)
	}
	if count == 0 {
		return "", nil, errors.New("not a JWK set: it has no keys")
	}
	return `{"keys":[` + strings.Join(keep, ",") + `]}`, faults, nil
}

// privateMembers are the names of RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1 and of RFC 8037 section
// 2 that make a JWK private or secret.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// verifyingKey returns k as the key of package jwt that can only verify.
func verifyingKey(k *jose.Key) (jwt.Key, error) {
	key, err := jwt.NewVerifyingKey(k.Public())
	if err == nil {
		key, err = key.WithAlgorithm(k.Algorithm())
	}
	if err == nil {
		key, err = key.WithID(k.ID())
	}
	return key, err
}
