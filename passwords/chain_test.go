package passwords_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/passwords"
)

func TestHashersContract(t *testing.T) {
	t.Parallel()
	authtest.TestHasher(t, func(*testing.T) passwords.Hasher { return passwords.Chain(fastArgon2id, fast) })
}

// TestHashers: the first encodes, whoever knows a hash verifies it, and what is
// not current's best is to be made anew.
func TestHashers(t *testing.T) {
	t.Parallel()
	const password = "correct horse"
	encode := func(h passwords.Hasher) string {
		encoded, err := h.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	bcrypt5 := passwords.LowCostBcrypt(5)
	both := passwords.Chain(fastArgon2id, bcrypt5)
	for name, row := range map[string]struct {
		encoded string
		rehash  bool
	}{
		"its own":             {encode(both), false},
		"current's":           {encode(fastArgon2id), false},
		"current's, stronger": {encode(passwords.LowCostArgon2id("m=128,t=2,p=1")), false},
		"current's, weaker":   {encode(passwords.LowCostArgon2id("m=32,t=1,p=1")), true},
		"older's":             {encode(bcrypt5), true},
		"older's, stronger":   {encode(passwords.LowCostBcrypt(6)), true}, // another algorithm: cost says nothing
		"older's, long":       {sha256Text, true},
	} {
		if err := both.Verify(t.Context(), row.encoded, password); err != nil && row.encoded != sha256Text {
			t.Errorf("%s: %v", name, err)
		}
		if err := both.Verify(t.Context(), row.encoded, "another"); err != passwords.ErrMismatch {
			t.Errorf("%s, another password: %v", name, err)
		}
		if got := both.NeedsRehash(row.encoded); got != row.rehash {
			t.Errorf("%s: NeedsRehash %v", name, got)
		}
	}
	for _, encoded := range []string{"", "!", "$6$salt$digest", password} {
		if err := both.Verify(t.Context(), encoded, password); !errors.Is(err, passwords.ErrUnknownHash) {
			t.Errorf("Verify of %q: %v", encoded, err)
		}
		if !both.NeedsRehash(encoded) {
			t.Errorf("NeedsRehash of %q is false", encoded)
		}
	}
}

// saying is a Hasher that answers what it is told to and counts the questions.
type saying struct {
	passwords.Hasher
	answer error
	asked  *int
}

func (s saying) Verify(context.Context, string, string) error { *s.asked++; return s.answer }

// TestHashersOrder: ErrUnknownHash alone asks the next one.
func TestHashersOrder(t *testing.T) {
	t.Parallel()
	world := errors.New("the hash service is down")
	for _, answer := range []error{
		nil, passwords.ErrMismatch, passwords.ErrMalformedHash, passwords.ErrBusy, world, context.Canceled, &passwords.Error{Rule: passwords.TooLong},
	} {
		var first, second, third int
		h := passwords.Chain(saying{answer: passwords.ErrUnknownHash, asked: &first}, saying{answer: answer, asked: &second}, saying{asked: &third})
		if err := h.Verify(t.Context(), "x", "password"); err != answer {
			t.Errorf("Verify = %v, want %v", err, answer)
		}
		if first != 1 || second != 1 || third != 0 {
			t.Errorf("%v: asked %d, %d and %d times", answer, first, second, third)
		}
	}
}

// TestHashersKeepsItsOwn: the caller's slice is the caller's.
func TestHashersKeepsItsOwn(t *testing.T) {
	t.Parallel()
	older := []passwords.Hasher{fast}
	h := passwords.Chain(fastArgon2id, older...)
	older[0] = nil
	if err := h.Verify(t.Context(), plainText, "another"); err != passwords.ErrMismatch {
		t.Errorf("after the caller changed its slice: %v", err)
	}
}

// TestHashersNil: a Hasher that is missing is an error and never a match.
func TestHashersNil(t *testing.T) {
	t.Parallel()
	for _, h := range []passwords.Hasher{passwords.Chain(nil), passwords.Limit(nil, 1), passwords.Chain(nil, fast), passwords.Chain(fastArgon2id, nil, fast)} {
		err := h.Verify(t.Context(), plainText, "password")
		if err == nil || slices.ContainsFunc([]error{passwords.ErrMismatch, passwords.ErrUnknownHash, passwords.ErrMalformedHash}, func(class error) bool { return errors.Is(err, class) }) {
			t.Errorf("Verify = %v, want an error of the configuration", err)
		}
		h.NeedsRehash(plainText)
	}
	if _, err := passwords.Chain(nil, fast).Hash(t.Context(), "password"); err == nil {
		t.Error("Hash without a current Hasher succeeds")
	}
}
