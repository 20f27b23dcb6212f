package legacyhash_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/legacyhash"
	"github.com/seed-e36e2130/auth/passwords"
)

// For every text in a table, Verify returns an error of the contract. The context has ended, so
// that no hash is computed.
func FuzzParse(f *testing.F) {
	for _, row := range foreignRows(f) {
		f.Add(row.Hash, row.Password)
	}
	for _, row := range systemRows(f) {
		f.Add(row.Hash, row.Password)
	}
	f.Add(firebaseHash, firebasePassword)
	firebase, err := legacyhash.Firebase(firebaseKey, legacyhash.FirebaseConfig{})
	if err != nil {
		f.Fatal(err)
	}
	devise, err := legacyhash.Devise("a pepper")
	if err != nil {
		f.Fatal(err)
	}
	hexadecimal := columns(f, legacyhash.PBKDF2Config{Size: 50, Salt: legacyhash.Hex, Digest: legacyhash.Base64})
	ended, cancel := context.WithCancel(f.Context())
	cancel()
	f.Fuzz(func(t *testing.T, encoded, password string) {
		for _, h := range []legacyhash.Hasher{legacyhash.All(), legacyhash.All().DangerouslyTruncating(), firebase, devise, hexadecimal} {
			err := h.Verify(ended, encoded, password)
			_, refused := errors.AsType[*passwords.Error](err)
			if !refused && !errors.Is(err, auth.ErrUnknownHash) && !errors.Is(err, auth.ErrMalformedHash) && !errors.Is(err, context.Canceled) {
				t.Errorf("%q: got %v, which is not an error of the contract", encoded, err)
			}
		}
	})
}

// A hash matches the password that it was made from, and no other. With one byte changed, it does
// not match.
func FuzzAltered(f *testing.F) {
	var names []string
	for name := range makers {
		names = append(names, name)
	}
	slices.Sort(names)
	for i := range names {
		f.Add(uint(i), "correct horse", "correct hors", uint(3), byte('A'))
		f.Add(uint(i), "", "x", uint(90), byte('='))
	}
	f.Fuzz(func(t *testing.T, which uint, password, other string, position uint, replacement byte) {
		encoded, err := makers[names[which%uint(len(names))]](password, []byte("sixteen bytes of"))
		if err != nil {
			t.Fatal(err)
		}
		acceptable := strings.IndexByte(password, 0) < 0 && len(password) <= 4096
		if err := legacyhash.All().Verify(t.Context(), encoded, password); (err == nil) != acceptable {
			t.Errorf("%s with %q: %v", encoded, password, err)
		}
		if !acceptable {
			return // without this rule, HMAC would treat NULs at the end as padding
		}
		// HMAC hashes a key that is longer than its block, so equal keys are possible: 1 in 2^256.
		if other != password && legacyhash.All().Verify(t.Context(), encoded, other) == nil {
			t.Errorf("%s, made of %q, matches %q", encoded, password, other)
		}
		// The cost is not changed, because a hash with a higher cost would take long to verify. So
		// no digit is inserted, and in binary formats nothing before the salt.
		i := int(position % uint(len(encoded)))
		if encoded[i] == replacement || replacement >= '0' && replacement <= '9' || strings.HasPrefix(encoded, "AQ") && i < 20 || strings.HasPrefix(encoded, "{scrypt}") && i < 16 {
			return
		}
		twin := encoded[:i] + string([]byte{replacement}) + encoded[i+1:]
		if err := legacyhash.All().Verify(t.Context(), twin, password); err == nil {
			t.Errorf("the altered hash %q matches the password of %s", twin, encoded)
		}
	})
}
