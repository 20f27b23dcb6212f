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

// maxID bounds a key ID in bytes: it stands in every token.
const maxID = 256

// setID sets the fingerprint, and the key ID to id or, if that is empty, to the
// fingerprint.
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
		return fmt.Errorf("a key ID is valid UTF-8 of at most %d bytes", maxID)
	}
	for _, r := range id {
		if r < 0x20 || r == 0x7f {
			return errors.New("a key ID holds no control characters")
		}
	}
	k.id = id
	return nil
}

// secretFingerprint returns the first 128 bits of a labelled SHA-256. It tells no
// more than a token does: who guesses a secret can check the guess.
func secretFingerprint(secret []byte) string {
	sum := sha256.Sum256(append([]byte("auth key ID of a secret\x00"), secret...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Fingerprint is the same for the same material alone, whatever the ID and the
// algorithm: the RFC 7638 thumbprint, or a truncated SHA-256 of a secret.
func (k *Key) Fingerprint() string { return k.fingerprint }

// FingerprintsAsSecret returns the fingerprints of the secrets that spell a public
// key: a verifier that holds one of them takes tokens that anybody can sign. The
// texts of keys (PEM, DER, JWK, SSH) are no secrets at all: see checkSecret.
func (k *Key) FingerprintsAsSecret() (fingerprints []string) {
	var spellings [][]byte
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		spellings = [][]byte{public.N.Bytes()}
	case *ecdsa.PublicKey:
		x, y := coordinates(public)
		compressed := append([]byte{2 + y[len(y)-1]&1}, x...)
		spellings = [][]byte{x, append(slices.Clone(x), y...), append(append([]byte{4}, x...), y...), compressed}
	case ed25519.PublicKey:
		spellings = [][]byte{public}
	}
	for _, s := range spellings {
		fingerprints = append(fingerprints, secretFingerprint(s))
	}
	return fingerprints
}

// thumbprintInput is the JSON text of RFC 7638 section 3.2 and RFC 8037 appendix
// A.3: the required members, sorted, without space.
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

// coordinates returns x and y, each as long as the curve: RFC 7518 section
// 6.2.1.2.
func coordinates(public *ecdsa.PublicKey) (x, y []byte) {
	point, err := public.Bytes()
	if err != nil {
		return nil, nil // not for a key of this package: its point has been checked
	}
	half := len(point) / 2
	return point[1 : 1+half], point[1+half:]
}
