package jose

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// Bounds on what is parsed. A private RSA key of 16,384 bits needs 13 KB. The check of a much larger key
// would take seconds (CWE-400).
const (
	maxKeyText = 16 << 10 // bytes
	maxSetText = 1 << 20  // bytes
	maxSetKeys = 300
)

// errUnsupported marks a key that may be valid but is not for this package, such as one for
// encryption. RFC 7517 section 5 asks a reader of a set to ignore such keys.
var errUnsupported = errors.New("unsupported")

func unsupported(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, errUnsupported)...)
}

// ParseJWK returns the key of a JSON Web Key (RFC 7517 section 4). The key has the algorithm and
// the ID that the JWK names, or else the defaults of its material.
func ParseJWK(text string) (*Key, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("the key has more than %d bytes", maxKeyText)
	}
	m := members{}
	if err := strictjson.Object(text, m.read); err != nil {
		return nil, fmt.Errorf("not a JWK: %w", err)
	}
	if _, ok := m["keys"]; ok && !m.has("kty") {
		return nil, errors.New("the text is a JWK set; want one key")
	}
	return m.key()
}

// ErrNoKeys says that a JWK set is well-formed and has no key for signatures.
var ErrNoKeys = errors.New("the JWK set has no key for signatures")

// ParseSet returns the keys of a JWK set (RFC 7517 section 5) in their order, and a fault for each
// key that is broken, such as one with a duplicate member. It skips keys for other purposes and keys of
// unknown types. Different keys that have the same ID are left out, with a fault, because a token could
// not say which one it means (RFC 7517 section 4.5). Of one key under one ID with two algorithms, the
// first is kept.
//
// It returns an error if the text is not a JWK set; if it has no key for signatures, broken ones
// included: [ErrNoKeys]; and if it holds secrets together with public keys, because a set with public
// keys is meant to be published.
func ParseSet(text string) (keys []*Key, faults []error, err error) {
	if len(text) > maxSetText {
		return nil, nil, fmt.Errorf("the JWK set has more than %d bytes", maxSetText)
	}
	n := -1
	hasKeys, err := strictjson.Elements(text, "keys", func(element string) error {
		if n++; n == maxSetKeys {
			return fmt.Errorf("more than %d keys", maxSetKeys)
		}
		k, err := ParseJWK(element)
		switch {
		case errors.Is(err, errUnsupported):
		case err != nil:
			faults = append(faults, fmt.Errorf("key %d: %w", n, err))
		default:
			keys = append(keys, k)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("not a JWK set: %w", err)
	}
	if !hasKeys {
		return nil, nil, errors.New("not a JWK set: no member keys")
	}
	if len(keys) == 0 && len(faults) == 0 {
		return nil, nil, ErrNoKeys
	}
	byID, ambiguous := map[string]*Key{}, map[string]bool{}
	unique := keys[:0]
	for _, k := range keys {
		if k.Symmetric() != keys[0].Symmetric() {
			return nil, nil, errors.New("the JWK set mixes secrets with public keys")
		}
		switch same := byID[k.id]; {
		case same == nil:
			byID[k.id] = k
			unique = append(unique, k)
		case same.fingerprint == k.fingerprint && same.alg == k.alg:
		case same.fingerprint == k.fingerprint:
			faults = append(faults, fmt.Errorf("the JWK set has two keys with the ID %q: one key for two algorithms", k.id))
		case !ambiguous[k.id]:
			ambiguous[k.id] = true
			faults = append(faults, fmt.Errorf("the JWK set has two keys with the ID %q", k.id))
		}
	}
	return slices.DeleteFunc(unique, func(k *Key) bool { return ambiguous[k.id] }), faults, nil
}

// members holds the members of a JWK: the JSON text of each value by its name.
type members map[string]string

func (m members) read(name, value string) error {
	m[name] = value
	return nil
}

func (m members) has(name string) bool { _, ok := m[name]; return ok }

// text returns the string value of a member. ok is false if the member is absent.
func (m members) text(name string) (s string, ok bool, err error) {
	value, ok := m[name]
	if !ok {
		return "", false, nil
	}
	if s, ok = strictjson.Text(value); !ok {
		return "", true, fmt.Errorf("member %s is not a string", name)
	}
	return s, true, nil
}

// required returns the string value of a member that must be present.
func (m members) required(name string) (string, error) {
	s, ok, err := m.text(name)
	if err == nil && !ok {
		err = fmt.Errorf("member %s is missing", name)
	}
	return s, err
}

// bytes returns the bytes of a required member, which must be canonical base64url.
func (m members) bytes(name string) ([]byte, error) {
	s, err := m.required(name)
	if err != nil {
		return nil, err
	}
	// The decoder skips CR and LF even if it is strict. RFC 7515 section 2 allows no line breaks.
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("member %s is not base64url", name)
	}
	return b, nil
}

// fixed returns the bytes of a member, which must be exactly size (RFC 7518 sections 6.2.1.2 and
// 6.2.2.1).
func (m members) fixed(name string, size int) ([]byte, error) {
	b, err := m.bytes(name)
	if err == nil && len(b) != size {
		err = fmt.Errorf("member %s has %d bytes, not %d", name, len(b), size)
	}
	return b, err
}

// number returns the value of a member in Base64urlUInt (RFC 7518 section 2). A leading zero byte
// is refused, as RFC 7518 section 6.3.1.1 requires for the modulus.
func (m members) number(name string) (*big.Int, error) {
	b, err := m.bytes(name)
	if err == nil && (len(b) == 0 || b[0] == 0) {
		err = fmt.Errorf("member %s is empty, zero or has a leading zero byte", name)
	}
	return new(big.Int).SetBytes(b), err
}

// key returns the key that the members describe.
func (m members) key() (*Key, error) {
	kty, err := m.required("kty")
	if err != nil {
		return nil, err
	}
	var material func() (crypto.PublicKey, crypto.Signer, error)
	switch kty {
	case "oct": // has no public key: see below
	case "RSA":
		material = m.rsa
	case "EC":
		material = m.ec
	case "OKP":
		material = m.okp
	default:
		return nil, unsupported("key type %.40q", kty)
	}
	use, err := m.purpose()
	if err != nil {
		return nil, err
	}
	alg, algGiven, err := m.text("alg")
	if err != nil {
		return nil, err
	}
	if algGiven && named(alg) == nil {
		return nil, unsupported("algorithm %.40q", alg)
	}
	id, idGiven, err := m.text("kid")
	if err != nil {
		return nil, err
	}
	if idGiven && id == "" {
		return nil, errors.New("member kid is empty")
	}

	if kty == "oct" {
		secret, err := m.bytes("k")
		if err != nil {
			return nil, err
		}
		k, err := NewSecret(secret, alg, id)
		if err != nil {
			return nil, err
		}
		k.verifyOnly = !use.sign
		return k, nil
	}
	public, signer, err := material()
	switch {
	case err != nil:
		return nil, err
	case signer != nil && use.sign:
		return NewSigner(signer, alg, id)
	case !use.verify:
		return nil, errors.New("member key_ops of a public key does not allow verify")
	}
	return NewPublic(public, alg, id)
}

// purpose says which operations a JWK allows.
type purpose struct{ sign, verify bool }

// purpose returns what use and key_ops allow (RFC 7517 sections 4.2 and 4.3). A key that allows
// operations other than signatures is refused: section 4.3 advises against it, because use in two
// algorithms may weaken a key.
func (m members) purpose() (purpose, error) {
	if use, ok, err := m.text("use"); err != nil {
		return purpose{}, err
	} else if ok && use != "sig" {
		return purpose{}, unsupported("use %.40q", use)
	}
	ops, ok := m["key_ops"]
	if !ok {
		return purpose{sign: true, verify: true}, nil
	}
	var allowed purpose
	seen, hasOthers := map[string]bool{}, false
	err := strictjson.Array(ops, func(value string) error {
		op, ok := strictjson.Text(value)
		if !ok || seen[op] {
			return errors.New("member key_ops is not an array of different strings")
		}
		seen[op] = true
		switch op {
		case "sign":
			allowed.sign = true
		case "verify":
			allowed.verify = true
		default:
			hasOthers = true
		}
		return nil
	})
	switch {
	case err != nil:
		return purpose{}, fmt.Errorf("key_ops: %w", err)
	case !allowed.sign && !allowed.verify:
		return purpose{}, unsupported("key_ops without sign and verify")
	case hasOthers:
		return purpose{}, errors.New("key_ops allows other operations beside sign and verify")
	}
	return allowed, nil
}
