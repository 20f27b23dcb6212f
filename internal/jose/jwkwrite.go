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

// PublicSet returns the JWK set of the public keys among keys: RFC 7517 section 5.
// Secrets are left out, and of private keys the public half alone is written.
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

// PublicJWK returns the public key as a JWK. It returns an error for a secret, of
// which nothing is public.
func (k *Key) PublicJWK() ([]byte, error) {
	if k.public == nil {
		return nil, errors.New("a secret has no public half")
	}
	jwk, err := k.publicMembers()
	return append(jwk, '}'), err
}

// PrivateJWK returns the key with its private members, to be kept secret. It
// returns an error if the key has none or they are held elsewhere.
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
			return nil, errors.New("an RSA key of more than two primes")
		}
		p, q := private.Primes[0], private.Primes[1]
		one := big.NewInt(1)
		for _, part := range []struct {
			name string
			n    *big.Int
		}{
			{"d", private.D}, {"p", p}, {"q", q},
			{"dp", new(big.Int).Mod(private.D, new(big.Int).Sub(p, one))},
			{"dq", new(big.Int).Mod(private.D, new(big.Int).Sub(q, one))},
			{"qi", new(big.Int).ModInverse(q, p)},
		} {
			jwk = appendBytes(jwk, part.name, part.n.Bytes())
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
		return nil, errors.New("the key has no private half, or it is held elsewhere")
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

// head returns the members that each JWK begins with.
func (k *Key) head(kty string) ([]byte, error) {
	jwk, err := strictjson.AppendText([]byte(`{"kty":"`+kty+`","kid":`), k.id)
	return append(jwk, `,"use":"sig","alg":"`+k.alg.name+`"`...), err
}

func appendBytes(jwk []byte, name string, value []byte) []byte {
	jwk = append(jwk, `,"`+name+`":"`...)
	return append(base64.RawURLEncoding.AppendEncode(jwk, value), '"')
}
