package jwt

import (
	"errors"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
)

// GenerateKey returns a new key for alg, one of the constants from [HS256] to [EdDSA], from the
// system's random source. RSA keys have 3072 bits. It returns a [*cfgerr.Error] for any other alg.
func GenerateKey(alg string) (Key, error) {
	return newKey("jwt.GenerateKey", func() (*jose.Key, error) { return jose.Generate(alg) })
}

// ParseKey returns the key in text: one PEM block (PKCS #8, PKCS #1, SEC 1 or SubjectPublicKeyInfo) or
// one JWK (RFC 7517). The alg and kid of a JWK become the key's; its use and key_ops must allow
// signatures. A text is also read as environment variables hold it: in quotes, with line breaks that
// are spelled \n or became spaces, or encoded once more in base64.
//
// It returns a [*cfgerr.Error] if the key is encrypted, weak, broken or unsupported, if it is a
// certificate, if there is more than one key, or if the parts of a JWK contradict each other. The error
// says how to convert a key in OpenSSH's format or in DER.
func ParseKey(text []byte) (Key, error) {
	return newKey("jwt.ParseKey", func() (*jose.Key, error) { return jose.Parse(text) })
}

// ParseKeySet returns the keys of a JWK set (RFC 7517 section 5) in their order, at most 300.
// Keys of other kinds or for other purposes are passed over.
//
// It returns a [*cfgerr.Error] if a key is weak or broken, if two different keys have one ID, if
// secrets stand beside public keys, or if no key is left.
func ParseKeySet(text []byte) ([]Key, error) {
	keys, err := parseSet(text)
	if err != nil {
		return nil, &cfgerr.Error{Field: "jwt.ParseKeySet", Reason: err.Error()}
	}
	return wrapKeys(keys), nil
}

// parseSet returns all keys of a set, or an error.
func parseSet(text []byte) ([]*jose.Key, error) {
	keys, faults, err := jose.ParseSet(string(text))
	return keys, errors.Join(append(faults, err)...)
}

func wrapKeys(keys []*jose.Key) []Key {
	wrapped := make([]Key, len(keys))
	for i, k := range keys {
		wrapped[i] = Key{k}
	}
	return wrapped
}
