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

// maxKeys bounds a set. Issuers publish two to six keys, a few some dozens.
const maxKeys = 100

// keySet is what an issuer published.
type keySet struct {
	keys   []jwt.Key    // at least one
	prints []string      // of keys, sorted: equal for equal keys in any order
	faults []error       // keys refused
	maxAge time.Duration // of the answer; -1: it does not say
}

// parseKeySet reads a JWK set as a stranger's. A broken key is refused and the
// others are used, for an issuer's mistake with one key must not turn away the
// holders of tokens under another; keys for other purposes and of unknown kinds
// are passed over (RFC 7517 section 5). A set that contradicts itself, with two
// keys of one ID, is refused as a whole (section 4.5). rsaAlgorithm is for RSA
// keys that name no algorithm.
func parseKeySet(text, rsaAlgorithm string) (keySet, error) {
	text, faults, err := withoutSecrets(text)
	if err != nil {
		return keySet{}, err
	}
	found, broken, err := jose.ParseSet(text)
	faults = append(faults, broken...)
	if err != nil {
		return keySet{}, errors.Join(append(faults, err)...)
	}
	set := keySet{faults: faults, maxAge: -1}
	for _, k := range found {
		if rsaAlgorithm != "" && k.Algorithm() == jwt.RS256 {
			if other, err := k.With(rsaAlgorithm, ""); err == nil { // an error: the JWK names RS256
				k = other
			}
		}
		key, err := verifying(k)
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

// withoutSecrets returns the set without the keys that have a private member, and
// an error for each: what everybody can fetch, everybody can sign with.
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
			// What is no object is ParseSet's to refuse.
			_ = strictjson.Object(element, func(name, _ string) error {
				private = private || slices.Contains(privateMembers, name)
				return nil
			})
			if private {
				faults = append(faults, fmt.Errorf("key %d: a secret or private key is published", count-1))
				element = `{"kty":"withheld"}` // of no known kind; the others keep their numbers
			}
			keep = append(keep, element)
			return nil
		})
	})
	if err != nil {
		return "", nil, fmt.Errorf("not a JWK set: %w", err)
	}
	if count == 0 {
		return "", nil, errors.New("not a JWK set: there are no keys")
	}
	return `{"keys":[` + strings.Join(keep, ",") + `]}`, faults, nil
}

// privateMembers are the names of RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1 and of
// RFC 8037 section 2 that make a JWK a private or secret one.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

func verifying(k *jose.Key) (jwt.Key, error) {
	key, err := jwt.NewVerifyingKey(k.Public())
	if err == nil {
		key, err = key.WithAlgorithm(k.Algorithm())
	}
	if err == nil {
		key, err = key.WithID(k.ID())
	}
	return key, err
}
