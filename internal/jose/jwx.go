package jose

import (
	"crypto"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// This file alone imports jwx, and no type of jwx leaves it: another version or
// another library is a change of this file. What jwx decides here is only
// whether a signature fits; keys and lengths have been checked before.

// jwxVerifier returns a function that reports whether sig is public's signature
// of input.
func jwxVerifier(alg string, public crypto.PublicKey) (func(input, sig []byte) bool, error) {
	v, err := jws.NewVerifier(jwa.SignatureAlgorithm(alg))
	if err != nil {
		return nil, fmt.Errorf("algorithm %s: %w", alg, err)
	}
	return func(input, sig []byte) bool { return v.Verify(input, sig, public) == nil }, nil
}

// jwxSigner returns a function that signs input with signer.
func jwxSigner(alg string, signer crypto.Signer) (func(input []byte) ([]byte, error), error) {
	s, err := jws.NewSigner(jwa.SignatureAlgorithm(alg))
	if err != nil {
		return nil, fmt.Errorf("algorithm %s: %w", alg, err)
	}
	return func(input []byte) ([]byte, error) { return s.Sign(input, signer) }, nil
}
