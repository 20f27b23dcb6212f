package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"unicode/utf8"
)

// maxID is the greatest length of a key ID in bytes. The ID is in the header of every token.
const maxID = 256

// setID sets the fingerprint and the key ID. An empty id means the fingerprint.
func (k *Key) setID(id string) error {
	if k.secret != nil {
		k.fingerprint = secretFingerprint(k.secret())
	} else {
		sum := sha256.Sum256([]byte(thumbprintInput(k.public)))
		k.fingerprint = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if id == "" {
		id = k.fingerprint
	}
	if len(id) > maxID || !utf8.ValidString(id) {
		return fmt.Errorf("the key ID must be valid UTF-8 of at most %d bytes", maxID)
	}
	for _, r := range id {
		if r < 0x20 || r == 0x7f {
			return errors.New("the key ID must not contain control characters")
		}
	}
	k.id = id
	return nil
}

// secretFingerprint returns the first 128 bits of a SHA-256 over a label and the secret. It is
// public, as the default ID of the key. It reveals no more than any token does: both let an
// attacker check a guess of the secret. The label keeps it apart from any other SHA-256 of the
// secret.
func secretFingerprint(secret []byte) string {
	sum := sha256.Sum256(append([]byte("auth key ID of a secret\x00"), secret...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Fingerprint identifies the key material, independently of ID and algorithm: the thumbprint of RFC
// 7638, or a truncated SHA-256 of a secret.
func (k *Key) Fingerprint() string { return k.fingerprint }

// FingerprintsAsSecret returns the fingerprints of the secrets that are a raw encoding of this
// public key. If a ring held such a secret, anybody who has the public key could sign tokens for it
// (CVE-2015-9235). The texts of keys (PEM, DER, JWK, SSH) are already refused as secrets: see
// checkSecret.
func (k *Key) FingerprintsAsSecret() (fingerprints []string) {
	var encodings [][]byte
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		encodings = [][]byte{public.N.Bytes()}
	case *ecdsa.PublicKey:
		x, y := coordinates(public)
		compressed := append([]byte{2 + y[len(y)-1]&1}, x...)
		encodings = [][]byte{x, append(slices.Clone(x), y...), append(append([]byte{4}, x...), y...), compressed}
	case ed25519.PublicKey:
		encodings = [][]byte{public}
	}
	for _, e := range encodings {
		fingerprints = append(fingerprints, secretFingerprint(e))
	}
	return fingerprints
}

// thumbprintInput returns the JSON text that is hashed for the thumbprint: the required members, in
// lexicographic order and without white space (RFC 7638 section 3.2, RFC 8037 appendix A.3).
func thumbprintInput(public crypto.PublicKey) string {
	enc := base64.RawURLEncoding.EncodeToString
	switch public := public.(type) {
	case *rsa.PublicKey:
		e := big.NewInt(int64(public.E)).Bytes()
		return fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, enc(e), enc(public.N.Bytes()))
	case *ecdsa.PublicKey:
		x, y := coordinates(public)
		return fmt.Sprintf(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`, public.Params().Name, enc(x), enc(y))
	case ed25519.PublicKey:
		return fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, enc(public))
	}
	return ""
}

// coordinates returns x and y, each with the length of the curve's field elements (RFC 7518 section
// 6.2.1.2).
func coordinates(public *ecdsa.PublicKey) (x, y []byte) {
	point, err := public.Bytes()
	if err != nil {
		return nil, nil // impossible for a key of this package, whose point was checked
	}
	half := len(point) / 2
	return point[1 : 1+half], point[1+half:]
}
