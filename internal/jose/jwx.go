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

// What jwx hands out when the program starts. Whatever calls its RegisterVerifier
// or RegisterSigner later, for the whole process, decides nothing here.
var (
	jwxVerifiers = atStart(jws.NewVerifier)
	jwxSigners   = atStart(jws.NewSigner)
)

func atStart[T any](of func(jwa.SignatureAlgorithm) (T, error)) map[string]T {
	all := make(map[string]T)
	for _, alg := range []jwa.SignatureAlgorithm{jwa.RS256, jwa.RS384, jwa.RS512, jwa.ES256, jwa.ES384, jwa.ES512, jwa.EdDSA} {
		if one, err := of(alg); err == nil {
			all[alg.String()] = one
		}
	}
	return all
}

// jwxVerifier returns a function that reports whether sig is public's signature
// of input.
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
