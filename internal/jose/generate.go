package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
)

// rsaBits is the size of new RSA keys: a security strength of 128 bits (NIST SP 800-57 part 1
// section 5.6.1).
const rsaBits = 3072

// Generate returns a new random key for alg. A secret has the length of the hash (RFC 7518 section
// 3.2).
func Generate(alg string) (*Key, error) {
	a := named(alg)
	if a == nil {
		return nil, unknown(alg)
	}
	var signer crypto.Signer
	var err error
	switch a.family {
	case hmacSHA2:
		secret := make([]byte, a.hash.Size())
		if _, err := rand.Read(secret); err != nil {
			return nil, err
		}
		return NewSecret(secret, alg, "")
	case ecDSA:
		signer, err = ecdsa.GenerateKey(a.curve, rand.Reader)
	case edDSA:
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		signer, err = rsa.GenerateKey(rand.Reader, rsaBits)
	}
	if err != nil {
		return nil, err
	}
	return NewSigner(signer, alg, "")
}
