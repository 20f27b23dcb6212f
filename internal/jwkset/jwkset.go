// Package jwkset reads the JWK sets (RFC 7517) that others publish: issuers, whose tokens are verified with
// them, and clients that authenticate with a key.
package jwkset

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/internal/strictjson"
	"github.com/seed-e36e2130/auth/jwt"
)

// maxKeys bounds a set. Issuers publish two to six keys, and a few of them some dozens.
const maxKeys = 100

// Set holds the usable keys of a set that somebody published.
type Set struct {
	Keys   []jwt.Key         // never empty
	Issuer map[string]string // member issuer of each JWK that has one, by the ID of the key (Microsoft Entra)
	Prints []string          // fingerprint, algorithm, ID and issuer of each key, sorted: equal for equal keys in any order
	Faults []error           // one for each key that was refused
}

// Parse reads a JWK set. See decision 0022.
//
// A broken key, such as one with a duplicate member, is refused and the others are used, because a mistake with one key must
// not log out those who use another. Keys for other purposes and of unknown types are
// skipped (RFC 7517 section 5). Different keys with the same ID are refused, because a token could
// not say which of them it means (RFC 7517 section 4.5). A key that stands there for two algorithms
// is used for one: the first, or rsaAlgorithm.
//
// rsaAlgorithm applies to RSA keys whose JWK names no algorithm. It returns [ErrNoKeys] if the set is
// well-formed and no key is left.
func Parse(text, rsaAlgorithm string) (Set, error) {
	text, issuer, faults, err := withoutSecrets(text)
	if err != nil {
		return Set{}, err
	}
	parsed, broken, err := jose.ParseSet(text)
	faults = append(faults, broken...)
	if errors.Is(err, jose.ErrNoKeys) {
		err = fmt.Errorf("%w: %w", ErrNoKeys, err)
	}
	if err != nil {
		return Set{}, errors.Join(append(faults, err)...)
	}
	byMaterial := map[string]int{} // place in usable
	var usable []*jose.Key
	for _, k := range parsed {
		if rsaAlgorithm != "" && k.Algorithm() == jwt.RS256 {
			if other, err := k.With(rsaAlgorithm, ""); err == nil { // an error means that the JWK names RS256
				k = other
			}
		}
		refused := k
		switch i, again := byMaterial[k.Fingerprint()]; {
		case !again || usable[i].Algorithm() == k.Algorithm():
			byMaterial[k.Fingerprint()] = len(usable)
			usable = append(usable, k)
			continue
		case k.Algorithm() == rsaAlgorithm:
			refused, usable[i] = usable[i], k
		}
		faults = append(faults, fmt.Errorf("key %q: the set has the same key for another algorithm than %s", refused.ID(), refused.Algorithm()))
	}
	set := Set{Issuer: issuer, Faults: faults}
	for _, k := range usable {
		key, err := verifyingKey(k)
		if err != nil {
			set.Faults = append(set.Faults, err)
			continue
		}
		set.Keys = append(set.Keys, key)
		set.Prints = append(set.Prints, strings.Join([]string{k.Fingerprint(), k.Algorithm(), k.ID(), issuer[k.ID()]}, " "))
	}
	if len(set.Keys) == 0 {
		return Set{}, fmt.Errorf("%w: %w", ErrNoKeys, errors.Join(set.Faults...))
	}
	slices.Sort(set.Prints)
	return set, nil
}

// ErrNoKeys says that somebody publishes a set without a usable key.
var ErrNoKeys = errors.New("the JWK set has no usable key")

// ErrSecret says of a key that its set has what signs with it.
var ErrSecret = errors.New("a secret or private key is published; its owner must replace it")

// withoutSecrets returns the set without the keys that have a private member, and an error for each
// of them: anybody who can fetch such a key can sign with it. The numbers of the other keys get their
// one spelling: see canonicalNumbers. issuer has the members issuer by the IDs of the keys.
func withoutSecrets(text string) (public string, issuer map[string]string, faults []error, err error) {
	var keep []string
	issuer = map[string]string{}
	hasKeys, err := strictjson.Elements(text, "keys", func(element string) error {
		if len(keep) == maxKeys {
			return fmt.Errorf("more than %d keys", maxKeys)
		}
		private, id, its := false, "", ""
		broken := strictjson.Object(element, func(name, value string) error {
			private = private || slices.Contains(privateMembers, name)
			switch name {
			case "kid":
				id, _ = strictjson.Text(value)
			case "issuer":
				its, _ = strictjson.Text(value)
			}
			return nil
		})
		if its != "" && broken == nil { // ParseSet reports what is broken
			issuer[id] = its
		}
		if private {
			faults = append(faults, fmt.Errorf("key %d: %w", len(keep), ErrSecret))
			element = `{"kty":"withheld"}` // an unknown type, which is skipped; the other keys keep their numbers
		}
		keep = append(keep, canonicalNumbers(element))
		return nil
	})
	if err != nil {
		return "", nil, nil, fmt.Errorf("not a JWK set: %w", err)
	}
	switch {
	case !hasKeys:
		return "", nil, nil, errors.New("not a JWK set: it has no keys")
	case len(keep) == 0:
		return "", nil, nil, fmt.Errorf("%w: it has no keys", ErrNoKeys)
	}
	return `{"keys":[` + strings.Join(keep, ",") + `]}`, issuer, faults, nil
}

// canonicalNumbers returns a JWK in which the numbers of the key have no padding, and those of an RSA
// key no leading zero octet. Some libraries write them (RFC 7518 section 6.3.1.1); they do not change
// the key.
func canonicalNumbers(jwk string) string {
	isRSA := false
	_ = strictjson.Object(jwk, func(name, value string) error { // ParseSet reports a fault
		kty, _ := strictjson.Text(value)
		isRSA = isRSA || name == "kty" && kty == "RSA"
		return nil
	})
	text, separator := []byte("{"), ""
	err := strictjson.Object(jwk, func(name, value string) error {
		if number, ok := strictjson.Text(value); ok && slices.Contains(numberMembers, name) {
			if n := len(number); n%4 == 0 {
				number = strings.TrimSuffix(strings.TrimSuffix(number, "="), "=")
			}
			if raw, err := base64.RawURLEncoding.Strict().DecodeString(number); err == nil && isRSA && !strings.ContainsAny(number, "\r\n") {
				number = base64.RawURLEncoding.EncodeToString(bytes.TrimLeft(raw, "\x00"))
			}
			written, err := strictjson.AppendText(nil, number)
			if err != nil {
				return err
			}
			value = string(written)
		}
		text = append(text, separator...)
		separator = ","
		var err error
		if text, err = strictjson.AppendText(text, name); err != nil {
			return err
		}
		text = append(append(text, ':'), value...)
		return nil
	})
	if err != nil {
		return jwk
	}
	return string(append(text, '}'))
}

// numberMembers are the public members of keys that hold numbers: RFC 7518 sections 6.2.1 and 6.3.1,
// RFC 8037 section 2.
var numberMembers = []string{"n", "e", "x", "y"}

// privateMembers are the names of RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1 and of RFC 8037 section
// 2 that make a JWK private or secret.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// verifyingKey returns k as the key of package jwt that can only verify. A JWK without kid stays a key
// without an ID of its own.
func verifyingKey(k *jose.Key) (jwt.Key, error) {
	key, err := jwt.NewVerifyingKey(k.Public())
	if err == nil {
		key, err = key.WithAlgorithm(k.Algorithm())
	}
	if err == nil && k.HasID() {
		key, err = key.WithID(k.ID())
	}
	return key, err
}
