//go:build !race

// Under the race detector, a sync.Pool drops its items at random.

package jwks_test

import (
	"context"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// A token that was verified before costs one reading of the clock more than with [jwt.Verifier],
// and no allocation.
func TestVerifyAllocations(t *testing.T) {
	key := newKey(t, "EdDSA", "1")
	i := newIssuer(t, issuerURL, key)
	v := i.verifier(t)
	token := key.token(t, issuerURL)
	accepted(t, v, token)
	if n := testing.AllocsPerRun(200, func() { accepted(t, v, token) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	// Behind AnyOf, the payload is decoded once more to read the issuer.
	anyOf, err := jwt.AnyOf(map[string]auth.TokenVerifier{issuerURL: v})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(200, func() { accepted(t, anyOf, token) }); n > 1 {
		t.Errorf("behind AnyOf: %v allocations", n)
	}
}

func BenchmarkVerify(b *testing.B) {
	key := newKey(b, "EdDSA", "1")
	i := newIssuer(b, issuerURL, key)
	remote := i.verifier(b)
	public, err := jwt.NewVerifyingKey(key.signer.Public())
	if err == nil {
		public, err = public.WithID("1")
	}
	if err != nil {
		b.Fatal(err)
	}
	ring, err := jwt.NewVerifyingKeyRing(public)
	if err != nil {
		b.Fatal(err)
	}
	local, err := jwt.NewVerifier(jwt.VerifierConfig{Issuer: issuerURL, Audience: audience, Keys: ring})
	if err != nil {
		b.Fatal(err)
	}
	anyOf, err := jwt.AnyOf(map[string]auth.TokenVerifier{issuerURL: remote, "https://other.test": local})
	if err != nil {
		b.Fatal(err)
	}
	token := key.token(b, issuerURL)
	for name, v := range map[string]auth.TokenVerifier{"jwt.Verifier": local, "Verifier": remote, "AnyOf": anyOf} {
		b.Run(name, func(b *testing.B) {
			accepted(b, v, token)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
