package jwt_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

func secretKey(t testing.TB) jwt.Key {
	t.Helper()
	secret := make([]byte, 64)
	rand.Read(secret)
	return mustKey(jwt.NewSecretKey(secret))(t)
}

// mustKey makes (Key, error) a Key: mustKey(f())(t).
func mustKey(k jwt.Key, err error) func(testing.TB) jwt.Key {
	return func(t testing.TB) jwt.Key {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
}

func newSigner(t testing.TB, alg string) (s crypto.Signer) {
	t.Helper()
	var err error
	switch alg {
	case jwt.EdDSA:
		_, s, err = ed25519.GenerateKey(rand.Reader)
	case jwt.ES256:
		s, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		s = testRSA()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var testRSA = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func TestKeyRingFaults(t *testing.T) {
	t.Parallel()
	secret := secretKey(t)
	edSigner := newSigner(t, jwt.EdDSA)
	ed := mustKey(jwt.NewSigningKey(edSigner))(t)
	edPublic := mustKey(jwt.NewVerifyingKey(edSigner.Public()))(t)
	otherSameID := mustKey(secretKey(t).WithID(secret.ID()))(t)
	rs := mustKey(jwt.NewSigningKey(testRSA()))(t)
	ps := mustKey(mustKey(rs.WithAlgorithm(jwt.PS256))(t).WithID("ps"))(t)
	confused := mustKey(jwt.NewSecretKey(edSigner.Public().(ed25519.PublicKey)))(t)
	failing := mustKey(jwt.NewSigningKey(failingSigner{edSigner}))(t)
	wrongPublic := mustKey(jwt.NewSigningKey(foreignPublic{edSigner, newSigner(t, jwt.EdDSA).Public()}))(t)

	rows := map[string]struct {
		signing jwt.Key
		others  []jwt.Key
		want    string // "": accepted
		signer  bool   // the signer's fault, no ConfigError
	}{
		"secret":                     {secret, nil, "", false},
		"public key signs":           {edPublic, nil, "jwt.KeyRing[0]", false},
		"zero key signs":             {jwt.Key{}, nil, "jwt.KeyRing[0]", false},
		"zero key among others":      {secret, []jwt.Key{{}}, "jwt.KeyRing[1]", false},
		"one ID, two keys":           {secret, []jwt.Key{otherSameID}, "jwt.KeyRing[1]", false},
		"one key twice":              {ed, []jwt.Key{ed, edPublic}, "", false},
		"one key, two algorithms":    {rs, []jwt.Key{ps}, "jwt.KeyRing[1]", false},
		"one key, two IDs":           {ed, []jwt.Key{mustKey(ed.WithID("old name"))(t)}, "", false},
		"secret and public key":      {secret, []jwt.Key{edPublic, rs}, "", false},
		"secret spells a public key": {ed, []jwt.Key{confused}, "secret is a public key", false},
		"signer of another":          {wrongPublic, nil, "jwt.KeyRing[0]", true},
		"signer that fails":          {failing, nil, "service is down", true},
		"two faults":                 {edPublic, []jwt.Key{{}}, "jwt.KeyRing[1]", false},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := jwt.NewKeyRing(row.signing, row.others...)
			if row.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !testkit.IsConfigError(err) && !row.signer || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got %v, want an error that holds %q", err, row.want)
			}
		})
	}
	if _, err := jwt.NewKeyRing(failing); !errors.Is(err, errService) {
		t.Errorf("the signer's own error is lost: %v", err)
	}
	if _, err := jwt.NewVerifyingKeyRing(); err == nil {
		t.Error("a ring of no key was made")
	}
	if _, err := jwt.NewVerifyingKeyRing(edPublic, wrongPublic); err != nil {
		t.Errorf("a ring that only verifies asked for a signature: %v", err)
	}
}

var errService = errors.New("service is down")

type failingSigner struct{ crypto.Signer }

func (failingSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errService
}

type foreignPublic struct {
	crypto.Signer
	public crypto.PublicKey
}

func (s foreignPublic) Public() crypto.PublicKey { return s.public }
func (s foreignPublic) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return s.Signer.Sign(r, digest, o)
}

func TestKeyRingOnReplace(t *testing.T) {
	t.Parallel()
	first, second := secretKey(t), secretKey(t)
	ring, err := jwt.NewKeyRing(first)
	if err != nil {
		t.Fatal(err)
	}
	var called []string
	record := func(_ context.Context, keyID string) { called = append(called, keyID) }
	ring.OnReplace(record)
	for i, row := range []struct {
		keys []jwt.Key
		want []string // IDs that the function is called with
	}{
		{keys: []jwt.Key{first}},
		{[]jwt.Key{first, second}, []string{first.ID()}},
		{keys: []jwt.Key{first, second, first}}, // the same keys, one of them twice
		{[]jwt.Key{second, first}, []string{second.ID()}},
		{[]jwt.Key{second}, []string{second.ID()}},
	} {
		called = nil
		if err := ring.Replace(row.keys[0], row.keys[1:]...); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(called, row.want) {
			t.Errorf("replacement %d: called with %q, want %q", i, called, row.want)
		}
	}
	called = nil
	if err := ring.Replace(jwt.Key{}); err == nil || len(called) != 0 {
		t.Errorf("a replacement that fails: %v, called with %q", err, called)
	}
	ring.OnReplace(nil)
	if err := ring.Replace(first); err != nil || len(called) != 0 {
		t.Errorf("after OnReplace(nil): %v, called with %q", err, called)
	}

	var verifying jwt.KeyRing
	verifying.OnReplace(record)
	if err := verifying.Replace(first); err != nil || !slices.Equal(called, []string{""}) {
		t.Errorf("the first keys of a ring that only verifies: %v, called with %q", err, called)
	}
}
