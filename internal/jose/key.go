// Package jose signs and verifies tokens in the compact serialization of JWS (RFC 7515), and reads
// and writes JSON Web Keys (RFC 7517). It handles payloads as bytes and knows nothing of claims.
package jose

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Key is a secret, a public key, or a key pair, bound to one algorithm. It never changes, holds
// copies of the material it was made from, and is safe for concurrent use. Printed, logged or
// marshalled, it shows its ID and algorithm and never its material.
type Key struct {
	id          string
	fingerprint string
	alg         *algorithm
	named       bool                  // whether the algorithm was named; false: it is the default
	hasID       bool                  // whether the ID was given; false: it is the fingerprint
	verifyOnly  bool                  // whether the JWK of a secret forbids signing
	size        int                   // length of a signature in bytes
	public      crypto.PublicKey      // nil for a symmetric key
	macs        *macs                 // nil unless the key is symmetric
	secret      hidden[[]byte]        // nil unless the key is symmetric
	signer      hidden[crypto.Signer] // nil if the key only verifies or is symmetric
	sign        func(input []byte) ([]byte, error)
	verify      func(input, sig []byte) bool
}

// hidden keeps key material out of every output of package fmt. Key.Format does not help where a
// Key is in an unexported field of another struct: fmt calls no methods there and prints all
// fields. Of a function it prints only the address.
type hidden[T any] func() T

func hide[T any](material T) hidden[T] { return func() T { return material } }

// NewSecret returns a symmetric key. An empty alg means HS256, and an empty id means the
// fingerprint of the secret.
func NewSecret(secret []byte, alg, id string) (*Key, error) {
	a, err := choose(alg, nil)
	if err != nil {
		return nil, err
	}
	if err := checkSecret(secret, a.hash.Size()); err != nil {
		return nil, err
	}
	return newSecret(secret, a, alg != "", id)
}

// newSecret returns a key for a secret that was checked.
func newSecret(secret []byte, a *algorithm, isNamed bool, id string) (*Key, error) {
	secret = append([]byte(nil), secret...)
	k := &Key{alg: a, named: isNamed, size: a.hash.Size(), secret: hide(secret), macs: newMACs(a.hash, secret)}
	k.verify = k.macs.verify
	if err := k.setID(id); err != nil {
		return nil, err
	}
	return k, nil
}

// NewPublic returns a key that verifies. public is an *rsa.PublicKey, an *ecdsa.PublicKey or an
// ed25519.PublicKey. An empty alg means the algorithm of the material (RS256 for RSA), and an empty
// id means the thumbprint of RFC 7638.
func NewPublic(public crypto.PublicKey, alg, id string) (*Key, error) {
	public, err := copyPublic(public)
	if err != nil {
		return nil, err
	}
	a, err := choose(alg, public)
	if err != nil {
		return nil, err
	}
	k := &Key{alg: a, named: alg != "", size: signatureLen(public), public: public}
	if pub, ok := public.(*rsa.PublicKey); ok && a.family == rsaPSS {
		// jwx/v2 accepts any length of the salt. RFC 7518 section 3.5 requires that of the hash.
		k.verify = func(input, sig []byte) bool {
			return rsa.VerifyPSS(pub, a.hash, digest(a.hash, input), sig, a.pss()) == nil
		}
	} else if k.verify, err = jwxVerifier(a.name, public); err != nil {
		return nil, err
	}
	if err := k.setID(id); err != nil {
		return nil, err
	}
	return k, nil
}

// NewSigner returns a key that signs with signer and verifies with its public half. The signer is a
// private key of the standard library, or it stands for a key in an HSM or another process. alg and
// id are as for [NewPublic].
func NewSigner(signer crypto.Signer, alg, id string) (*Key, error) {
	signer, err := copySigner(signer)
	if err != nil {
		return nil, err
	}
	k, err := NewPublic(signer.Public(), alg, id)
	if err != nil {
		return nil, err
	}
	k.signer = hide(signer)
	switch a := k.alg; a.family {
	case rsaPSS:
		k.sign = func(input []byte) ([]byte, error) {
			return signer.Sign(rand.Reader, digest(a.hash, input), a.pss())
		}
	case ecDSA:
		k.sign = func(input []byte) ([]byte, error) {
			der, err := signer.Sign(rand.Reader, digest(a.hash, input), a.hash)
			if err != nil {
				return nil, err
			}
			return rawECDSA(der, k.size/2)
		}
	default:
		if k.sign, err = jwxSigner(a.name, signer); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// With returns the key with another algorithm or ID. An empty argument keeps the current one. An
// algorithm that was named before, as by a JWK, cannot be changed: a key has one algorithm (RFC
// 8725 section 3.1). See decision 0020.
func (k *Key) With(alg, id string) (*Key, error) {
	switch {
	case k.named && alg != "" && alg != k.alg.name:
		return nil, fmt.Errorf("the key is for %s and cannot get another algorithm", k.alg.name)
	case alg == "" && k.named:
		alg = k.alg.name
	}
	if id == "" && k.hasID {
		id = k.id
	}
	switch {
	case k.secret != nil:
		c, err := NewSecret(k.secret(), alg, id)
		if err == nil {
			c.verifyOnly = k.verifyOnly
		}
		return c, err
	case k.signer != nil:
		return NewSigner(k.signer(), alg, id)
	}
	return NewPublic(k.public, alg, id)
}

// ID returns the key ID (kid), which is never empty.
func (k *Key) ID() string { return k.id }

// HasID reports whether the key was given its ID, as by the kid of a JWK. The ID of any other key is
// its fingerprint, which its issuer may not know.
func (k *Key) HasID() bool { return k.hasID }

// Algorithm returns the algorithm of the key, by its name in RFC 7518 section 3.1 or RFC 8037
// section 3.1.
func (k *Key) Algorithm() string { return k.alg.name }

// SignatureLen returns the length of every signature of the key in bytes.
func (k *Key) SignatureLen() int { return k.size }

// CanSign reports whether the key can sign, not only verify.
func (k *Key) CanSign() bool { return k.signer != nil || k.secret != nil && !k.verifyOnly }

// Symmetric reports whether the key is a secret: with it, every verifier could also sign.
func (k *Key) Symmetric() bool { return k.secret != nil }

// Public returns the public key, or nil for a secret. It must not be changed.
func (k *Key) Public() crypto.PublicKey { return k.public }

// AppendSign appends the signature of input to dst. dst may share its array with input.
func (k *Key) AppendSign(ctx context.Context, dst, input []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if !k.CanSign() {
		return nil, errors.New("the key cannot sign, only verify")
	}
	if k.secret != nil {
		return k.macs.appendTo(dst, input), nil
	}
	sig, err := k.sign(input)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	// A signer outside this package may return anything.
	if len(sig) != k.size {
		return nil, fmt.Errorf("sign: the signer returned %d bytes, want %d", len(sig), k.size)
	}
	return append(dst, sig...), nil
}

// Verify reports whether sig is a signature of input by this key. A signature of another length is
// refused before any arithmetic.
func (k *Key) Verify(input, sig []byte) bool {
	return len(sig) == k.size && k.verify(input, sig)
}

// SelfTest signs and verifies a fixed text. It finds a signer whose public key does not belong to
// its private key.
func (k *Key) SelfTest(ctx context.Context) error {
	probe := []byte("self-test of a signing key")
	sig, err := k.AppendSign(ctx, nil, probe)
	if err != nil {
		return err
	}
	if !k.Verify(probe, sig) {
		return errors.New("the signature of the signer does not verify under its public key")
	}
	return nil
}

// String returns the ID and the algorithm.
func (k *Key) String() string {
	if k == nil {
		return "Key(none)"
	}
	return fmt.Sprintf("Key(%s %q)", k.alg.name, k.id)
}

// Format writes the result of String, whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue returns the result of String.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText returns the result of String.
func (k *Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
