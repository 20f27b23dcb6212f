package jwt

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
)

// The signature algorithms, RFC 7518 section 3.1 and RFC 8037 section 3.1.
const (
	HS256 = "HS256"
	HS384 = "HS384"
	HS512 = "HS512"
	RS256 = "RS256"
	RS384 = "RS384"
	RS512 = "RS512"
	PS256 = "PS256"
	PS384 = "PS384"
	PS512 = "PS512"
	ES256 = "ES256"
	ES384 = "ES384"
	ES512 = "ES512"
	EdDSA = "EdDSA"
)

// Key is a secret, a public key or a private key. It is bound to one algorithm, which the key material
// decides and no token can choose (RFC 8725 section 3.1). It never changes, keeps copies of what it
// was made from, and shows its ID and algorithm but never its material, however it is printed,
// logged or marshalled. The zero Key is no key, and is refused wherever a Key is wanted.
type Key struct{ jose *jose.Key }

// NewSecretKey returns an HS256 key that signs and verifies; [Key.WithAlgorithm] makes it an HS384 or
// HS512 key. It returns a [*cfgerr.Error] if secret is shorter than the hash (32, 48 or 64 bytes: RFC
// 7518 section 3.2), repeats itself, is a published sample, or is the text of another key. Make a new
// secret with [GenerateKey].
func NewSecretKey(secret []byte) (Key, error) {
	return newKey("jwt.NewSecretKey", func() (*jose.Key, error) { return jose.NewSecret(secret, "", "") })
}

// NewSigningKey returns a key that signs with signer and verifies with its public half. Ed25519 makes
// EdDSA; P-256, P-384 and P-521 make ES256, ES384 and ES512; RSA makes RS256, and with
// [Key.WithAlgorithm] the other algorithms of RSA.
//
// signer is a private key of the standard library, or stands for a key in an HSM or a key service.
// Such a signer is called with a digest (with the whole text for Ed25519) and must be safe for
// concurrent use. A context is only looked at before the call.
//
// It returns a [*cfgerr.Error] if the key is weak (RSA below 2048 or above 16384 bits), broken or
// unsupported.
func NewSigningKey(signer crypto.Signer) (Key, error) {
	return newKey("jwt.NewSigningKey", func() (*jose.Key, error) { return jose.NewSigner(signer, "", "") })
}

// NewVerifyingKey returns a key that only verifies. public is an *rsa.PublicKey, an *ecdsa.PublicKey
// or an ed25519.PublicKey. What [NewSigningKey] says of algorithms and errors holds here.
func NewVerifyingKey(public crypto.PublicKey) (Key, error) {
	return newKey("jwt.NewVerifyingKey", func() (*jose.Key, error) { return jose.NewPublic(public, "", "") })
}

func newKey(field string, make func() (*jose.Key, error)) (Key, error) {
	k, err := make()
	if err != nil {
		return Key{}, &cfgerr.Error{Field: field, Reason: err.Error()}
	}
	return Key{k}, nil
}

// WithAlgorithm returns the key with another algorithm of its kind: HS384 or HS512 for a secret that
// is long enough; RS384, RS512, PS256, PS384 or PS512 for RSA. It returns a [*cfgerr.Error] if alg
// does not fit the material, or if the key was given another algorithm before. See decision 0004.
func (k Key) WithAlgorithm(alg string) (Key, error) { return k.with("jwt.Key.WithAlgorithm", alg, "") }

// WithID returns the key with another ID (kid): 1 to 256 bytes of UTF-8 without control characters.
// It returns a [*cfgerr.Error] for any other.
func (k Key) WithID(id string) (Key, error) {
	if id == "" {
		return Key{}, &cfgerr.Error{Field: "jwt.Key.WithID", Reason: "the ID is empty"}
	}
	return k.with("jwt.Key.WithID", "", id)
}

func (k Key) with(field, alg, id string) (Key, error) {
	return newKey(field, func() (*jose.Key, error) {
		if k.jose == nil {
			return nil, errors.New("the key is the zero Key")
		}
		return k.jose.With(alg, id)
	})
}

// ID returns the key ID (kid): the one that was given; otherwise the RFC 7638 thumbprint of a public
// key, or a truncated SHA-256 of a secret, which tells no more about the secret than a token does. It
// is "" for the zero Key.
func (k Key) ID() string {
	if k.jose == nil {
		return ""
	}
	return k.jose.ID()
}

// Algorithm returns the one algorithm of the key, or "" for the zero Key.
func (k Key) Algorithm() string {
	if k.jose == nil {
		return ""
	}
	return k.jose.Algorithm()
}

// CanSign reports whether the key can sign tokens, not only verify them.
func (k Key) CanSign() bool { return k.jose != nil && k.jose.CanSign() }

// Format writes ID and algorithm and never the material, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.jose.String()) }

// LogValue returns what Format writes.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.jose.String()) }

// MarshalText returns what Format writes: JSON and the like show no more.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.jose.String()), nil }
