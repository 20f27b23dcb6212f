package authtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
)

// TestHasher checks that the Hashers a factory makes keep the contract of
// [passwords.Hasher]. Each rule calls factory for a Hasher of its own; set its cost as
// low as it goes, for the suite makes some 40 hashes and checks some 100.
func TestHasher(t *testing.T, factory func(t *testing.T) auth.Hasher) {
	t.Helper()
	testRules(t, hasherRules(), factory)
}

// hasherRules is the contract, one rule a sentence.
func hasherRules() []rule[auth.Hasher] {
	return []rule[auth.Hasher]{
		{name: "Match", holds: "A password matches its own hash.", check: checkMatch},
		{name: "Mismatch", holds: "Every other password is ErrMismatch.", check: checkMismatch},
		{name: "Salt", holds: "Two hashes of one password differ.", check: checkSalt},
		{name: "Long", holds: "A long password is hashed to its last byte, or refused.", check: checkLong},
		{name: "NUL", holds: "A NUL character ends no password: it counts, or is refused.", check: checkNUL},
		{name: "Unknown", holds: "What is no Hasher's format, a mark or plain text, is ErrUnknownHash and matches nothing.", check: checkUnknown},
		{name: "Damaged", holds: "A hash that is cut matches nothing; one with more behind it is ErrMalformedHash or ErrUnknownHash.", check: checkDamaged},
		{name: "Altered", holds: "A hash with one character changed does not match.", check: checkAltered},
		{name: "Bounds", holds: "What a stored hash may cost is bounded: beyond it, it is refused at once.", check: checkBounds},
		{name: "NeedsRehash", holds: "NeedsRehash is false of what Hash makes and true of what is not this Hasher's.", check: checkNeedsRehash},
		{name: "Context", holds: "A context that has ended is no answer about a password.", check: checkHasherContext},
		{name: "Secrets", holds: "No password is in a hash, and neither is in an error.", check: checkSecrets},
		{name: "Concurrent", holds: "Calls at the same time do not meet.", check: checkConcurrentHashes},
	}
}

// hash returns the hash of a password that every Hasher must take.
func hash(ctx context.Context, h auth.Hasher, password string) (string, error) {
	encoded, err := h.Hash(ctx, password)
	if err != nil {
		return "", fmt.Errorf("Hash of %s returned %s", name(password), describe(err))
	}
	if err := wants("Verify of "+name(password), h.Verify(ctx, encoded, password), nil); err != nil {
		return "", err
	}
	return encoded, nil
}

// malformed returns an error unless got says that a hash cannot be used.
func malformed(call string, got error) error {
	if errors.Is(got, auth.ErrMalformedHash) || errors.Is(got, auth.ErrUnknownHash) {
		return nil
	}
	return fmt.Errorf("%s returned %s, want %q or %q", call, describe(got), auth.ErrMalformedHash, auth.ErrUnknownHash)
}

func checkMatch(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	for _, password := range []string{"correct horse battery staple", "pässwörd", "\U0001f600\U0001f603 \u30d1\u30b9", " ", "a", "$2a$10$"} {
		if _, err := hash(ctx, h, password); err != nil {
			return err
		}
	}
	return nil
}

func checkMismatch(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	encoded, err := hash(ctx, h, "Passw\u00f6rd 1")
	if err != nil {
		return err
	}
	for _, other := range []string{"", "Passw\u00f6rd", "Passw\u00f6rd 1 ", " Passw\u00f6rd 1", "Passw\u00f6rd 12", "passw\u00f6rd 1", "PASSW\u00d6RD 1", "Password 1", "Passw\ufffdrd 1", encoded} {
		if err := wants("Verify of "+name(other), h.Verify(ctx, encoded, other), auth.ErrMismatch); err != nil {
			return err
		}
	}
	return nil
}

func checkSalt(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	const password = "correct horse"
	one, err := hash(ctx, h, password)
	if err != nil {
		return err
	}
	two, err := hash(ctx, h, password)
	if err != nil {
		return err
	}
	if one == two {
		return errors.New("Hash returned the same twice")
	}
	return nil
}

// apart hashes each password that the Hasher takes and expects that no other of
// them matches.
func apart(h auth.Hasher, passwords ...string) error {
	ctx, cancel := background()
	defer cancel()
	for _, password := range passwords {
		encoded, err := h.Hash(ctx, password)
		if err != nil {
			continue
		}
		for _, other := range passwords {
			err := h.Verify(ctx, encoded, other)
			if same := password == other; same != (err == nil) {
				return fmt.Errorf("Verify of %s with a hash of %s returned %s", name(other), name(password), describe(err))
			}
		}
	}
	return nil
}

func checkLong(h auth.Hasher) error {
	at := func(n int) []string { return []string{strings.Repeat("x", n), strings.Repeat("x", n-1) + "y"} }
	for _, passwords := range [][]string{
		append(at(72), at(73)...),
		at(129),
		at(257),
		at(1024),
	} {
		if err := apart(h, passwords...); err != nil {
			return err
		}
	}
	return nil
}

func checkNUL(h auth.Hasher) error {
	return apart(h, "pass", "pass\x00", "pass\x00word", "pass\x00words", "\x00", "")
}

func checkUnknown(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	for _, encoded := range []string{"", "!", "!!", "*", "*0", "*LK*", "x", "$", "$$", "correct horse", "$authtest-nobody$AAAA$AAAA", "\x00", "\xff"} {
		for _, password := range []string{encoded, "correct horse", ""} {
			err := h.Verify(ctx, encoded, password)
			if err := wants(fmt.Sprintf("Verify of %s with the hash %q", name(password), encoded), err, auth.ErrUnknownHash); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkDamaged(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	const password = "correct horse"
	encoded, err := hash(ctx, h, password)
	if err != nil {
		return err
	}
	for n := range len(encoded) {
		// What is left may be sound: Argon2 makes digests of any length.
		err := h.Verify(ctx, encoded[:n], password)
		if !errors.Is(err, auth.ErrMismatch) && malformed("", err) != nil {
			return fmt.Errorf("Verify with the first %d bytes of a hash returned %s", n, describe(err))
		}
	}
	for _, more := range []string{" ", "\n", "\r\n", "\x00", "=", "$", "a", ":", encoded} {
		if err := malformed(fmt.Sprintf("Verify with a hash and then %q", more), h.Verify(ctx, encoded+more, password)); err != nil {
			return err
		}
	}
	return malformed("Verify with a space and then a hash", h.Verify(ctx, " "+encoded, password))
}

func checkAltered(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	const password = "correct horse"
	encoded, err := hash(ctx, h, password)
	if err != nil {
		return err
	}
	// The digest stands last in every format in use.
	for i := len(encoded) - 1; i >= max(0, len(encoded)-8); i-- {
		altered := []byte(encoded)
		if altered[i]++; altered[i] > '~' {
			altered[i] = 'a'
		}
		err := h.Verify(ctx, string(altered), password)
		if !errors.Is(err, auth.ErrMismatch) && malformed("", err) != nil {
			return fmt.Errorf("Verify with the character %d of a hash changed returned %s", i, describe(err))
		}
	}
	return nil
}

func checkNeedsRehash(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	encoded, err := hash(ctx, h, "correct horse")
	if err != nil {
		return err
	}
	if h.NeedsRehash(encoded) {
		return errors.New("NeedsRehash of a new hash returned true")
	}
	if foreign := "$authtest-nobody$AAAA$AAAA"; !h.NeedsRehash(foreign) {
		return fmt.Errorf("NeedsRehash of %q returned false", foreign)
	}
	return nil
}
