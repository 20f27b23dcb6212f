package testkit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/secrets"
)

// Generated returns a key made for one test.
func Generated(t testing.TB, alg string) jwt.Key {
	t.Helper()
	var key jwt.Key
	var err error
	if strings.HasPrefix(alg, "HS") {
		secret := make([]byte, 64)
		rand.Read(secret)
		key, err = jwt.NewSecretKey(secret)
	} else {
		var signer crypto.Signer
		switch alg {
		case "EdDSA":
			_, signer, err = ed25519.GenerateKey(nil)
		case "ES256":
			signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		case "ES384":
			signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		case "ES512":
			signer, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		default:
			signer, err = rsa.GenerateKey(rand.Reader, 2048)
		}
		if err == nil {
			key, err = jwt.NewSigningKey(signer)
		}
	}
	if err == nil {
		key, err = key.WithAlgorithm(alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func RingOf(t testing.TB, signing jwt.Key, others ...jwt.Key) *jwt.KeyRing {
	t.Helper()
	ring, err := jwt.NewKeyRing(signing, others...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

var Algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// Secrets returns a ring with one secret, made for one test.
func Secrets(t testing.TB) *secrets.Ring {
	t.Helper()
	ring, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}
