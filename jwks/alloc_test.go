//go:build !race

// Pools drop what they hold at random under the race detector.

package jwks_test

import (
	"context"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// A token seen before costs a look at the clock more than it does at an
// [jwt.Verifier], and nothing on the heap.
func TestVerifyAllocations(t *testing.T) {
	key := newKey(t, "EdDSA", "1")
	i := newIssuer(t, issuerURL, key)
	v := i.verifier(t)
	token := key.token(t, issuerURL)
	accepted(t, v, token)
	if n := testing.AllocsPerRun(200, func() { accepted(t, v, token) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	// Behind AnyOf, the payload that the issuer is read from.
	any, err := jwt.AnyOf(map[string]auth.TokenVerifier{issuerURL: v})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(200, func() { accepted(t, any, token) }); n > 1 {
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
	any, err := jwt.AnyOf(map[string]auth.TokenVerifier{issuerURL: remote, "https://other.test": local})
	if err != nil {
		b.Fatal(err)
	}
	token := key.token(b, issuerURL)
	for name, v := range map[string]auth.TokenVerifier{"JWTVerifier": local, "Verifier": remote, "AnyOf": any} {
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
