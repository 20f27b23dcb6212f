package jose

import (
	"crypto"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// See decision 0002. Only this file imports jwx, and no type of jwx leaves it, so that a move to
// another version or library changes this file alone. jwx only computes and verifies signatures,
// with keys and lengths that this package has checked. This module parses tokens and writes claims
// itself, because jwx/v2 accepts malformed tokens and writes claim names unescaped
// (GHSA-4cf7-xm37-g63h).

// The implementations that jwx has registered when the program starts. Other code in the process
// can replace them later by jws.RegisterVerifier and jws.RegisterSigner, which then has no effect
// here.
var (
	jwxVerifiers = atStart(jws.NewVerifier)
	jwxSigners   = atStart(jws.NewSigner)
)

// atStart returns the implementations of the algorithms that are left to jwx, by name.
func atStart[T any](newFor func(jwa.SignatureAlgorithm) (T, error)) map[string]T {
	byName := make(map[string]T)
	for _, alg := range []jwa.SignatureAlgorithm{jwa.RS256, jwa.RS384, jwa.RS512, jwa.ES256, jwa.ES384, jwa.ES512, jwa.EdDSA} {
		if implementation, err := newFor(alg); err == nil {
			byName[alg.String()] = implementation
		}
	}
	return byName
}

// jwxVerifier returns a function that reports whether sig is a signature of input by the private
// key of public.
func jwxVerifier(alg string, public crypto.PublicKey) (func(input, sig []byte) bool, error) {
	v, ok := jwxVerifiers[alg]
	if !ok {
		return nil, fmt.Errorf("algorithm %s is not supported", alg)
	}
	return func(input, sig []byte) bool { return v.Verify(input, sig, public) == nil }, nil
}

// jwxSigner returns a function that signs input with signer.
func jwxSigner(alg string, signer crypto.Signer) (func(input []byte) ([]byte, error), error) {
	s, ok := jwxSigners[alg]
	if !ok {
		return nil, fmt.Errorf("algorithm %s is not supported", alg)
	}
	return func(input []byte) ([]byte, error) { return s.Sign(input, signer) }, nil
}
