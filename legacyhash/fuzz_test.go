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

// FuzzParse: whatever a table holds, the answer comes before the work, and is one
// of the contract. The context has ended, so that no work is done.
func FuzzParse(f *testing.F) {
	for _, row := range foreignRows(f) {
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
	over, cancel := context.WithCancel(f.Context())
	cancel()
	f.Fuzz(func(t *testing.T, encoded, password string) {
		for _, h := range []legacyhash.Hasher{legacyhash.All(), legacyhash.All().DangerouslyTruncating(), firebase, devise} {
			err := h.Verify(over, encoded, password)
			_, refused := errors.AsType[*passwords.Error](err)
			if !refused && !errors.Is(err, auth.ErrUnknownHash) && !errors.Is(err, auth.ErrMalformedHash) && !errors.Is(err, context.Canceled) {
				t.Errorf("%q: %v", encoded, err)
			}
		}
	})
}

// FuzzAltered: a hash matches the password that it was made of; with another
// password, or with one byte of the hash changed, nothing matches.
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
	f.Fuzz(func(t *testing.T, which uint, password, other string, at uint, by byte) {
		encoded, err := makers[names[which%uint(len(names))]](password, []byte("sixteen bytes of"))
		if err != nil {
			t.Fatal(err)
		}
		usual := strings.IndexByte(password, 0) < 0 && len(password) <= 4096
		if err := legacyhash.All().Verify(t.Context(), encoded, password); (err == nil) != usual {
			t.Errorf("%s with %q: %v", encoded, password, err)
		}
		if !usual {
			return // HMAC takes it for the password without the NULs at its end
		}
		// HMAC takes a key beyond its block for the key's hash: one in 2^256.
		if other != password && legacyhash.All().Verify(t.Context(), encoded, other) == nil {
			t.Errorf("%s, made of %q, matches %q", encoded, password, other)
		}
		// No digit is put in, and nothing before the salt of what says its cost in
		// bytes: a higher cost is honest, but takes its time.
		i := int(at % uint(len(encoded)))
		if encoded[i] == by || by >= '0' && by <= '9' || strings.HasPrefix(encoded, "AQ") && i < 20 || strings.HasPrefix(encoded, "{scrypt}") && i < 16 {
			return
		}
		twin := encoded[:i] + string([]byte{by}) + encoded[i+1:]
		if err := legacyhash.All().Verify(t.Context(), twin, password); err == nil {
			t.Errorf("%q matches like %s", twin, encoded)
		}
	})
}
