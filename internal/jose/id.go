package jose

import (
	"bytes"
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
	if k.hasID = id != ""; !k.hasID {
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

// Spells reports whether k is a secret that is an encoding of a public key. With such a secret in a
// ring, anybody who has the public key could sign tokens for it (CVE-2015-9235). The encodings are
// the numbers of the key, alone and together, and its thumbprint (RFC 7638), in bytes of both
// orders, each also as a text of hexadecimal digits or of base64. The texts of keys (PEM, DER, JWK,
// SSH) are already refused as secrets: see checkSecret.
func (k *Key) Spells(public *Key) bool {
	if k.secret == nil || public.public == nil {
		return false
	}
	encodings := encodingsOf(public.public)
	for _, reading := range readings(k.secret(), 3) {
		reading = bytes.TrimLeft(reading, "\x00") // an INTEGER in DER has a zero before a large number
		for _, e := range encodings {
			if bytes.Equal(reading, bytes.TrimLeft(e, "\x00")) {
				return true
			}
		}
	}
	return false
}

// encodingsOf returns byte strings that anybody who has the public key can compute from it.
func encodingsOf(public crypto.PublicKey) (encodings [][]byte) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		n, e := public.N.Bytes(), big.NewInt(int64(public.E)).Bytes()
		encodings = [][]byte{n, slices.Concat(n, e), slices.Concat(e, n)}
	case *ecdsa.PublicKey:
		x, y := coordinates(public)
		odd := y[len(y)-1] & 1
		encodings = [][]byte{
			x, y, slices.Concat(x, y), slices.Concat(y, x),
			slices.Concat([]byte{4}, x, y), slices.Concat([]byte{6 + odd}, x, y), // uncompressed and hybrid form
			slices.Concat([]byte{2 + odd}, x), // compressed form
		}
	case ed25519.PublicKey:
		encodings = [][]byte{public}
	}
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		encodings = append(encodings, digest(h, []byte(thumbprintInput(public))))
	}
	return encodings
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
