package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	errBrokenRSA = errors.New("the numbers of the RSA key do not fit each other")
	errMismatch  = errors.New("the private half of the key does not fit the public half")
	errOffCurve  = errors.New("the public key is not a point of its curve")
)

// digest returns the hash of input.
func digest(h crypto.Hash, input []byte) []byte {
	s := h.New()
	s.Write(input)
	return s.Sum(nil)
}

// pss returns the options for signing and verifying with PSS: a salt as long as the hash (RFC 7518
// section 3.5).
func (a *algorithm) pss() *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: a.hash.Size(), Hash: a.hash}
}

// signatureLen returns the length in bytes of a signature under public (RFC 7518 sections 3.3 to
// 3.5, RFC 8032 section 5.1.6).
func signatureLen(public crypto.PublicKey) int {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return public.Size()
	case *ecdsa.PublicKey:
		return 2 * ((public.Curve.Params().BitSize + 7) / 8)
	}
	return ed25519.SignatureSize
}

// rawECDSA converts an ECDSA signature from DER, which a [crypto.Signer] returns, to the two
// numbers of RFC 7518 section 3.4, each of width bytes.
func rawECDSA(der []byte, width int) ([]byte, error) {
	var r, s []byte
	in, seq := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&seq, asn1.SEQUENCE) || !in.Empty() ||
		!seq.ReadASN1Integer(&r) || !seq.ReadASN1Integer(&s) || !seq.Empty() ||
		len(r) > width || len(s) > width {
		return nil, errors.New("the signer did not return an ECDSA signature in DER")
	}
	raw := make([]byte, 2*width)
	copy(raw[width-len(r):], r)
	copy(raw[2*width-len(s):], s)
	return raw, nil
}

// copyPublic returns a copy of a public key, or an error if the key must not be used.
func copyPublic(public crypto.PublicKey) (crypto.PublicKey, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public == nil || public.N == nil {
			break
		}
		if err := checkRSA(public); err != nil {
			return nil, err
		}
		return &rsa.PublicKey{N: new(big.Int).Set(public.N), E: public.E}, nil
	case *ecdsa.PublicKey:
		if public == nil || !hasPoint(public) {
			break
		}
		return copyECDSA(public)
	case ed25519.PublicKey:
		if err := checkEd25519(public); err != nil {
			return nil, err
		}
		return append(ed25519.PublicKey(nil), public...), nil
	}
	return nil, fmt.Errorf("unsupported public key of type %T: RSA, ECDSA and Ed25519 are supported", public)
}

// copySigner returns a signer that the caller cannot change. A private key of the standard library
// is copied, and its halves must fit each other. Any other signer is used as it is.
func copySigner(signer crypto.Signer) (crypto.Signer, error) {
	switch signer := signer.(type) {
	case nil:
		return nil, errors.New("the signer is nil")
	case *rsa.PrivateKey:
		if signer == nil || signer.N == nil || signer.D == nil {
			return nil, errors.New("the RSA key is incomplete")
		}
		if err := checkRSA(&signer.PublicKey); err != nil {
			return nil, err
		}
		c := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).Set(signer.N), E: signer.E},
			D:         new(big.Int).Set(signer.D),
		}
		for _, p := range signer.Primes {
			if p == nil {
				return nil, errors.New("the RSA key is incomplete")
			}
			c.Primes = append(c.Primes, new(big.Int).Set(p))
		}
		c.Precompute()
		if err := c.Validate(); err != nil {
			return nil, errBrokenRSA
		}
		return c, nil
	case *ecdsa.PrivateKey:
		if signer == nil || !hasPoint(&signer.PublicKey) || !hasNumber(signer) {
			return nil, errors.New("the ECDSA key is incomplete")
		}
		public, err := copyECDSA(&signer.PublicKey)
		if err != nil {
			return nil, err
		}
		d, err := signer.Bytes()
		if err != nil {
			return nil, errors.New("the private value of the ECDSA key is out of range")
		}
		c, err := ecdsa.ParseRawPrivateKey(public.Curve, d)
		if err != nil || !c.PublicKey.Equal(public) {
			return nil, errMismatch
		}
		return c, nil
	case ed25519.PrivateKey:
		if len(signer) != ed25519.PrivateKeySize {
			return nil, fmt.Errorf("an Ed25519 private key has %d bytes, not %d", ed25519.PrivateKeySize, len(signer))
		}
		c := ed25519.NewKeyFromSeed(signer.Seed())
		if !c.Equal(signer) {
			return nil, errMismatch
		}
		return c, nil
	case *ed25519.PrivateKey:
		if signer == nil {
			return nil, errors.New("the signer is nil")
		}
		return copySigner(*signer)
	}
	return signer, nil
}

// hasPoint reports whether the fields of k are set. The standard library panics on a key whose
// numbers are nil, and has no other way to find out than its deprecated fields.
func hasPoint(k *ecdsa.PublicKey) bool {
	//lint:ignore SA1019 the fields are read to refuse nil and are never changed
	return k.Curve != nil && k.X != nil && k.Y != nil
}

// hasNumber reports whether the private value of k is set: see hasPoint.
func hasNumber(k *ecdsa.PrivateKey) bool {
	//lint:ignore SA1019 the fields are read to refuse nil and are never changed
	return k.D != nil
}
