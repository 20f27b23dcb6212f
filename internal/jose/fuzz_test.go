package jose_test

import (
	"testing"

	"github.com/seed-e36e2130/auth/internal/jose"
)

// A key that was parsed can be written, and reads back as the same key. No text causes a panic.
func FuzzParse(f *testing.F) {
	for _, alg := range []string{"HS256", "RS256", "ES256", "ES512", "EdDSA"} {
		f.Add([]byte(privateJWK(f, alg).with(nil)))
		f.Add([]byte(privateJWK(f, alg).with(jwk{"d": nil, "kid": nil, "alg": nil, "key_ops": []string{"verify"}})))
	}
	f.Add([]byte(pkcs8(f, signerFor(f, "ES256"))))
	f.Add([]byte(pkcs8(f, signerFor(f, "EdDSA"))))
	f.Add([]byte(pkcs8(f, rsaKey())))
	f.Add([]byte(spki(f, rsaKey().Public())))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := jose.Parse(text)
		if (k == nil) != (err != nil) {
			t.Fatalf("Parse returned the key %v and the error %v", k, err)
		}
		if err == nil {
			assertRoundTrip(t, k)
		}
	})
}

// The keys of an accepted set are sound and have different IDs, and the public set that is written
// from them reads back as the same keys.
func FuzzParseSet(f *testing.F) {
	ec, ed, oct := privateJWK(f, "ES256"), privateJWK(f, "EdDSA"), privateJWK(f, "HS256")
	f.Add(`{"keys":[` + ec.with(nil) + `,` + ed.with(jwk{"d": nil}) + `]}`)
	f.Add(`{"keys":[` + oct.with(nil) + `]}`)
	f.Add(`{"keys":[{"kty":"AKP"},` + ec.with(jwk{"use": "enc"}) + `,` + ed.with(nil) + `]}`)
	f.Fuzz(func(t *testing.T, text string) {
		keys, _, err := jose.ParseSet(text)
		if err != nil {
			if keys != nil {
				t.Fatalf("ParseSet returned the keys %v and the error %v", keys, err)
			}
			return
		}
		ids := map[string]bool{}
		for _, k := range keys {
			if ids[k.ID()] {
				t.Fatalf("two keys have the ID %q", k.ID())
			}
			ids[k.ID()] = true
			assertRoundTrip(t, k)
		}
		if len(keys) == 0 || keys[0].Symmetric() {
			return
		}
		set, err := jose.PublicSet(keys)
		if err != nil {
			t.Fatal(err)
		}
		again, faults, err := jose.ParseSet(string(set))
		if err != nil || len(faults) > 0 || len(again) != len(keys) {
			t.Fatalf("%d keys became %d, %v, %v: %s", len(keys), len(again), faults, err, set)
		}
	})
}
