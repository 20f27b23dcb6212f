package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"math/big"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// PublicSet returns a JWK set (RFC 7517 section 5) with the public keys of keys. Secrets are left
// out, and for a private key only the public half is written.
func PublicSet(keys []*Key) ([]byte, error) {
	out := []byte(`{"keys":[`)
	for _, k := range keys {
		if k.public == nil {
			continue
		}
		jwk, err := k.publicMembers()
		if err != nil {
			return nil, err
		}
		if out[len(out)-1] == '}' {
			out = append(out, ',')
		}
		out = append(append(out, jwk...), '}')
	}
	return append(out, ']', '}'), nil
}

// PublicJWK returns the public key as a JWK. It returns an error for a secret, which has no public
// half.
func (k *Key) PublicJWK() ([]byte, error) {
	if k.public == nil {
		return nil, errors.New("a secret has no public half")
	}
	jwk, err := k.publicMembers()
	return append(jwk, '}'), err
}

// PrivateJWK returns the JWK with its private members, which must be kept secret. It returns an
// error if the key can only verify, or if its signer does not reveal the private key.
func (k *Key) PrivateJWK() ([]byte, error) {
	if k.secret != nil {
		jwk, err := k.head("oct")
		jwk = appendBytes(jwk, "k", k.secret())
		if k.verifyOnly {
			jwk = append(jwk, `,"key_ops":["verify"]`...)
		}
		return append(jwk, '}'), err
	}
	jwk, err := k.publicMembers()
	if err != nil {
		return nil, err
	}
	var signer crypto.Signer
	if k.signer != nil {
		signer = k.signer()
	}
	switch private := signer.(type) {
	case *rsa.PrivateKey:
		if len(private.Primes) != 2 {
			return nil, errors.New("the RSA key has more than two primes, which a JWK of ours cannot hold")
		}
		p, q := private.Primes[0], private.Primes[1]
		one := big.NewInt(1)
		for _, member := range []struct {
			name string
			n    *big.Int
		}{
			{"d", private.D}, {"p", p}, {"q", q},
			{"dp", new(big.Int).Mod(private.D, new(big.Int).Sub(p, one))},
			{"dq", new(big.Int).Mod(private.D, new(big.Int).Sub(q, one))},
			{"qi", new(big.Int).ModInverse(q, p)},
		} {
			jwk = appendBytes(jwk, member.name, member.n.Bytes())
		}
	case *ecdsa.PrivateKey:
		d, err := private.Bytes()
		if err != nil {
			return nil, err
		}
		jwk = appendBytes(jwk, "d", d)
	case ed25519.PrivateKey:
		jwk = appendBytes(jwk, "d", private.Seed())
	default:
		return nil, errors.New("the key has no private half, or its signer does not reveal it")
	}
	return append(jwk, '}'), nil
}

// publicMembers returns the JWK of a public key without its closing brace.
func (k *Key) publicMembers() ([]byte, error) {
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		jwk, err := k.head("RSA")
		jwk = appendBytes(jwk, "n", public.N.Bytes())
		return appendBytes(jwk, "e", big.NewInt(int64(public.E)).Bytes()), err
	case *ecdsa.PublicKey:
		jwk, err := k.head("EC")
		jwk = append(jwk, `,"crv":"`+public.Params().Name+`"`...)
		x, y := coordinates(public)
		return appendBytes(appendBytes(jwk, "x", x), "y", y), err
	case ed25519.PublicKey:
		jwk, err := k.head("OKP")
		jwk = append(jwk, `,"crv":"Ed25519"`...)
		return appendBytes(jwk, "x", public), err
	}
	return nil, errors.New("the key has no public half")
}

// head returns the first members of a JWK, which all types of keys have.
func (k *Key) head(kty string) ([]byte, error) {
	jwk, err := strictjson.AppendText([]byte(`{"kty":"`+kty+`","kid":`), k.id)
	return append(jwk, `,"use":"sig","alg":"`+k.alg.name+`"`...), err
}

// appendBytes appends a member with a value in base64url.
func appendBytes(jwk []byte, name string, value []byte) []byte {
	jwk = append(jwk, `,"`+name+`":"`...)
	return append(base64.RawURLEncoding.AppendEncode(jwk, value), '"')
}
