package passwords_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/secrets"
)

func pepperSecret(n byte) []byte {
	sum := sha256.Sum256([]byte{'p', n})
	return sum[:]
}

func pepperKey(t *testing.T, n byte, id string) secrets.Key {
	t.Helper()
	k, err := secrets.New(pepperSecret(n))
	if err == nil && id != "" {
		k, err = k.WithID(id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newPepper(t *testing.T, h passwords.Hasher, current secrets.Key, older ...secrets.Key) passwords.Hasher {
	t.Helper()
	keys, err := secrets.NewRing(current, older...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := passwords.Pepper(h, keys)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPepperContract(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]passwords.Hasher{"argon2id": fastArgon2id, "bcrypt": fast, "several": passwords.Chain(fastArgon2id, fast)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			authtest.TestHasher(t, func(t *testing.T) passwords.Hasher { return newPepper(t, h, pepperKey(t, 1, "")) })
		})
	}
}

// TestPepperEncoding computes a peppered hash by hand.
func TestPepperEncoding(t *testing.T) {
	t.Parallel()
	const password = "pässwörd\x00"
	p := newPepper(t, fast, pepperKey(t, 1, "2026-10"))
	encoded, err := p.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	inner, ok := strings.CutPrefix(encoded, "$auth-pepper$v=1,k=2026-10$")
	if !ok {
		t.Fatalf("Hash = %s", encoded)
	}
	mac := hmac.New(sha256.New, pepperSecret(1))
	mac.Write([]byte("auth pepper, version 1\x00" + password))
	if err := fast.Verify(t.Context(), inner, base64.RawStdEncoding.EncodeToString(mac.Sum(nil))); err != nil {
		t.Errorf("%s is not the hash of the password's HMAC: %v", inner, err)
	}
	if err := fast.Verify(t.Context(), inner, password); err == nil {
		t.Errorf("%s is a hash without pepper", inner)
	}
}

// TestPepperRotation follows a table from no pepper over one to the next.
func TestPepperRotation(t *testing.T) {
	t.Parallel()
	const password = "correct horse"
	first, second := pepperKey(t, 1, "first"), pepperKey(t, 2, "second")
	one := newPepper(t, fastArgon2id, first)
	two := newPepper(t, fastArgon2id, second, first)
	alone := newPepper(t, fastArgon2id, second)
	byName := passwords.Chain(two, fastArgon2id)

	encode := func(h passwords.Hasher) string {
		encoded, err := h.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	rows := []struct {
		name    string
		h       passwords.Hasher
		encoded string
		want    error
		rehash  bool
	}{
		{"under the current key", one, encode(one), nil, false},
		{"under the current of two", two, encode(two), nil, false},
		{"under an older key", two, encode(one), nil, true},
		{"under a key that was dropped", alone, encode(one), passwords.ErrUnknownHash, true},
		{"under a key to come", one, encode(two), passwords.ErrUnknownHash, true},
		{"without pepper", two, encode(fastArgon2id), passwords.ErrUnknownHash, true},
		{"without pepper, by name", byName, encode(fastArgon2id), nil, true},
		{"under an older key, by name", byName, encode(one), nil, true},
		{"under the current key, by name", byName, encode(byName), nil, false},
		{"under the current key, weaker", two, encode(newPepper(t, passwords.LowCostArgon2id("m=32,t=1,p=1"), second)), nil, true},
		{"under the same ID and another key", newPepper(t, fastArgon2id, pepperKey(t, 3, "first")), encode(one), passwords.ErrMismatch, false},
		{"the pepper taken off", byName, strings.TrimPrefix(encode(one), "$auth-pepper$v=1,k=first$"), passwords.ErrMismatch, true},
		{"another key's name put on", two, testkit.Replaced(encode(one), "k=first", "k=second"), passwords.ErrMismatch, false},
		{"put on twice", two, "$auth-pepper$v=1,k=second$" + encode(two), passwords.ErrUnknownHash, true},
	}
	for _, row := range rows {
		if err := row.h.Verify(t.Context(), row.encoded, password); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		if err := row.h.Verify(t.Context(), row.encoded, "another"); err == nil {
			t.Errorf("%s: matches another password", row.name)
		}
		if got := row.h.NeedsRehash(row.encoded); got != row.rehash {
			t.Errorf("%s: NeedsRehash %v", row.name, got)
		}
	}
}

func TestPepperGrammar(t *testing.T) {
	t.Parallel()
	p := newPepper(t, fastArgon2id, pepperKey(t, 1, "a"))
	for encoded, want := range map[string]error{
		"$auth-pepper$v=1,k=a":                                passwords.ErrMalformedHash,
		"$auth-pepper$v=1,k=$" + argon2Text:                   passwords.ErrMalformedHash,
		"$auth-pepper$v=2,k=a$" + argon2Text:                  passwords.ErrMalformedHash,
		"$auth-pepper$k=a,v=1$" + argon2Text:                  passwords.ErrMalformedHash,
		"$auth-pepper$":                                       passwords.ErrMalformedHash,
		"$auth-pepper$v=1,k=a\n$" + argon2Text:                passwords.ErrMalformedHash,
		"$auth-pepper$v=1,k=" + strings.Repeat("a", 65) + "$": passwords.ErrMalformedHash,
		"$auth-pepper$v=1,k=a$" + strings.Repeat("a", 1<<20):  passwords.ErrUnknownHash,
		"$auth-pepper$v=1,k=a$":                               passwords.ErrUnknownHash,
		"$auth-pepper$v=1,k=a$" + argon2Text + "\n":           passwords.ErrMalformedHash,
		"$auth-pepper$v=1,k=b$" + argon2Text:                  passwords.ErrUnknownHash,
		"$auth-pepper":                                        passwords.ErrUnknownHash,
		"$Auth-Pepper$v=1,k=a$" + argon2Text:                  passwords.ErrUnknownHash,
		argon2Text:                                            passwords.ErrUnknownHash,
		"":                                                    passwords.ErrUnknownHash,
	} {
		if err := p.Verify(t.Context(), encoded, corpusPassword); !errors.Is(err, want) {
			t.Errorf("Verify of %.60q: %v, want %v", encoded, err, want)
		}
	}
}

func TestPepperConfig(t *testing.T) {
	t.Parallel()
	good, err := secrets.NewRing(pepperKey(t, 1, "good"))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		h      passwords.Hasher
		keys   *secrets.Ring
		fields []string
	}{
		"no Hasher":     {nil, good, []string{"passwords.Pepper.h"}},
		"no ring":       {fast, nil, []string{"passwords.Pepper.keys"}},
		"the zero Ring": {fast, new(secrets.Ring), []string{"passwords.Pepper.keys"}},
		"everything":    {nil, nil, []string{"passwords.Pepper.h", "passwords.Pepper.keys"}},
	} {
		h, err := passwords.Pepper(row.h, row.keys)
		if h != nil || err == nil {
			t.Errorf("%s: Pepper = %v, %v", name, h, err)
			continue
		}
		if got := testkit.FaultFields(err); fmt.Sprint(got) != fmt.Sprint(row.fields) {
			t.Errorf("%s: faults in %q, want %q", name, got, row.fields)
		}
	}
}

// A ring that is replaced while the Hasher is in use takes effect with the next hash.
func TestPepperFollowsItsRing(t *testing.T) {
	t.Parallel()
	first, second := pepperKey(t, 1, "first"), pepperKey(t, 2, "second")
	keys, err := secrets.NewRing(first)
	if err != nil {
		t.Fatal(err)
	}
	p, err := passwords.Pepper(fast, keys)
	if err != nil {
		t.Fatal(err)
	}
	old, err := p.Hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Replace(second, first); err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(t.Context(), old, "correct horse"); err != nil || !p.NeedsRehash(old) {
		t.Errorf("under the older key: %v, NeedsRehash %v", err, p.NeedsRehash(old))
	}
	renewed, err := p.Hash(t.Context(), "correct horse")
	if err != nil || !strings.HasPrefix(renewed, "$auth-pepper$v=1,k=second$") || p.NeedsRehash(renewed) {
		t.Errorf("under the current key: %s, %v", renewed, err)
	}
}

// TestNothingShowsASecret, not even what prints the unexported fields of a host's
// own struct with a verb that does not fit, for which package fmt asks no method.
func TestNothingShowsASecret(t *testing.T) {
	t.Parallel()
	secret := pepperKey(t, 1, "a")
	signing, err := jwt.NewSecretKey(pepperSecret(1))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jwt.NewSigningKey(ed25519.NewKeyFromSeed(pepperSecret(2)))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secrets.NewRing(secret, pepperKey(t, 2, "b"))
	if err != nil {
		t.Fatal(err)
	}
	peppered, err := passwords.Pepper(fast, ring)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"a pepper":              peppered,
		"a pepper in a Chain":   passwords.Chain(peppered, fast),
		"a pepper in Limit":     passwords.Limit(peppered, 1),
		"a secret in a struct":  struct{ key secrets.Key }{secret},
		"a ring in a struct":    struct{ keys *secrets.Ring }{ring},
		"a key in a struct":     struct{ key jwt.Key }{signing},
		"a signer in a struct":  &struct{ keys []jwt.Key }{[]jwt.Key{signer}},
		"an issuer in a struct": struct{ tokens jwt.TokenIssuer }{testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, signing, signer)})},
	} {
		marshalled, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		shown := []string{string(marshalled)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%X", "%q", "%t", "%p"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
		for _, material := range [][]byte{pepperSecret(1), pepperSecret(2)} {
			for _, part := range [][]byte{material[:8], material[24:]} {
				for _, text := range []string{string(part), fmt.Sprintf("%x", part), fmt.Sprintf("%d", part[:4]), base64.StdEncoding.EncodeToString(part[:6])} {
					for _, s := range shown {
						if strings.Contains(strings.ToLower(s), strings.ToLower(strings.Trim(text, "[]"))) {
							t.Errorf("%s shows its secret: %s", name, s)
						}
					}
				}
			}
		}
	}
}

// FuzzPepperVerify: whatever the stored text, no panic and no match; and what does not
// begin as a peppered hash does is left to others.
func FuzzPepperVerify(f *testing.F) {
	for _, encoded := range []string{"$auth-pepper$v=1,k=a$", "$auth-pepper$v=1,k=a$$auth-pepper$v=1,k=a$x", "$auth-pepper$v=2,k=a$x", "$auth-pepper$v=1,k=b$x", "$2b$", ""} {
		f.Add(encoded, "password")
	}
	f.Fuzz(func(t *testing.T, encoded, password string) {
		p := newPepper(t, authtest.FastHasher(t), pepperKey(t, 1, "a"))
		err := p.Verify(t.Context(), encoded, password)
		switch peppered := strings.HasPrefix(encoded, "$auth-pepper$"); {
		case err == nil:
			t.Errorf("%q matches %q", encoded, password)
		case !peppered && err != passwords.ErrUnknownHash:
			t.Errorf("%q: %v", encoded, err)
		case !errors.Is(err, passwords.ErrUnknownHash) && !errors.Is(err, passwords.ErrMalformedHash) && !errors.Is(err, passwords.ErrMismatch):
			t.Errorf("%q: %v", encoded, err)
		}
		if !p.NeedsRehash(encoded) && !strings.HasPrefix(encoded, "$auth-pepper$v=1,k=a$") {
			t.Errorf("%q needs no other hash", encoded)
		}
	})
}
