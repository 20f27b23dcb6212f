// Package jose signs and verifies compact JWS and reads and writes JSON Web
// Keys. Bytes in, bytes out: what claims mean is not its business.
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

// Key is a secret, a public key, or a key that signs, bound to one algorithm. It
// never changes, holds copies of what it was made from, and is safe for
// concurrent use. It shows its ID and algorithm and never its material.
type Key struct {
	id          string
	fingerprint string
	alg         *algorithm
	named       bool                  // the algorithm was named, not taken by default
	verifyOnly  bool                  // of a secret: its JWK does not allow to sign
	size        int                   // of a signature in bytes
	public      crypto.PublicKey      // nil for a symmetric key
	macs        *macs                 // of a symmetric key
	secret      hidden[[]byte]        // nil unless the key is symmetric
	signer      hidden[crypto.Signer] // nil if the key cannot sign or is symmetric
	sign        func(input []byte) ([]byte, error)
	verify      func(input, sig []byte) bool
}

// hidden keeps material out of every print. In a struct of somebody's own, package
// fmt asks no method of an unexported field: it follows pointers and prints bytes,
// but of a function no more than its address.
type hidden[T any] func() T

func hide[T any](material T) hidden[T] { return func() T { return material } }

// NewSecret returns a symmetric key. An empty alg means HS256 and an empty id a
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

// newSecret returns a key of a secret that has been checked.
func newSecret(secret []byte, a *algorithm, isNamed bool, id string) (*Key, error) {
	secret = append([]byte(nil), secret...)
	k := &Key{alg: a, named: isNamed, size: a.hash.Size(), secret: hide(secret), macs: newMACs(a.hash, secret)}
	k.verify = k.macs.verify
	if err := k.setID(id); err != nil {
		return nil, err
	}
	return k, nil
}

// NewPublic returns a key that verifies. public is an *rsa.PublicKey, an
// *ecdsa.PublicKey or an ed25519.PublicKey; an empty alg means what the key is
// for (RS256 for RSA) and an empty id its RFC 7638 thumbprint.
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

// NewSigner returns a key that signs with signer, which may be a private key of
// the standard library or stand for one held elsewhere, and verifies with its
// public half. alg and id are as for [NewPublic].
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

// With returns the key with another algorithm or ID; empty keeps what it has. An
// algorithm that was named, as by a JWK, stays: one key, one algorithm.
func (k *Key) With(alg, id string) (*Key, error) {
	switch {
	case k.named && alg != "" && alg != k.alg.name:
		return nil, fmt.Errorf("the key is for %s and no other algorithm", k.alg.name)
	case alg == "" && k.named:
		alg = k.alg.name
	}
	if id == "" {
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

// ID returns the key ID (kid), never empty.
func (k *Key) ID() string { return k.id }

// Algorithm returns the one algorithm of the key, as in RFC 7518 section 3.1.
func (k *Key) Algorithm() string { return k.alg.name }

// SignatureLen returns the exact number of bytes of each signature.
func (k *Key) SignatureLen() int { return k.size }

// CanSign reports whether AppendSign works.
func (k *Key) CanSign() bool { return k.signer != nil || k.secret != nil && !k.verifyOnly }

// Symmetric reports whether who verifies can also sign.
func (k *Key) Symmetric() bool { return k.secret != nil }

// Public returns the public key, or nil for a secret. It must not be changed.
func (k *Key) Public() crypto.PublicKey { return k.public }

// AppendSign appends the signature of input to dst. dst may share its array with
// input.
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
	// A signer held elsewhere may answer anything.
	if len(sig) != k.size {
		return nil, fmt.Errorf("sign: the signer returned %d bytes in place of %d", len(sig), k.size)
	}
	return append(dst, sig...), nil
}

// Verify reports whether sig is the signature of input. A signature of another
// length is refused before any arithmetic.
func (k *Key) Verify(input, sig []byte) bool {
	return len(sig) == k.size && k.verify(input, sig)
}

// SelfTest signs and verifies a fixed text: it finds a signer whose public key
// is not its own.
func (k *Key) SelfTest(ctx context.Context) error {
	probe := []byte("self-test of a signing key")
	sig, err := k.AppendSign(ctx, nil, probe)
	if err != nil {
		return err
	}
	if !k.Verify(probe, sig) {
		return errors.New("the signer's signature does not fit its public key")
	}
	return nil
}

// String returns ID and algorithm alone.
func (k *Key) String() string {
	if k == nil {
		return "Key(none)"
	}
	return fmt.Sprintf("Key(%s %q)", k.alg.name, k.id)
}

// GoString returns what String returns.
func (k *Key) GoString() string { return k.String() }

// Format writes what String returns, whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue returns what String returns.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText returns what String returns.
func (k *Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
