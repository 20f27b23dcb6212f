package authtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
)

// TestHasher checks that the Hashers of a factory keep the contract of [auth.Hasher]. Each rule
// calls factory for a Hasher of its own. Set its cost as low as possible, because the suite makes
// about 40 hashes and verifies about 100.
func TestHasher(t *testing.T, factory func(t *testing.T) auth.Hasher) {
	t.Helper()
	testRules(t, hasherRules(), factory)
}

// hasherRules returns the contract as rules.
func hasherRules() []rule[auth.Hasher] {
	return []rule[auth.Hasher]{
		{name: "Match", holds: "A password matches its own hash.", check: checkMatch},
		{name: "Mismatch", holds: "Verify returns ErrMismatch for every other password.", check: checkMismatch},
		{name: "Salt", holds: "Two hashes of one password differ.", check: checkSalt},
		{name: "Long", holds: "A long password is hashed to its last byte, or refused.", check: checkLong},
		{name: "NUL", holds: "A NUL character does not end a password: it counts, or the password is refused.", check: checkNUL},
		{name: "Unknown", holds: "Verify returns ErrUnknownHash for a text without a format of hashes, such as a mark or plain text.", check: checkUnknown},
		{name: "Damaged", holds: "A truncated hash does not match. For a hash with text added, Verify returns ErrMalformedHash or ErrUnknownHash. It may ignore spaces at the end, with which a column of type CHAR pads.", check: checkDamaged},
		{name: "Altered", holds: "A hash with one character changed does not match.", check: checkAltered},
		{name: "Bounds", holds: "The cost of a stored hash is bounded: a hash beyond the bounds is refused at once.", check: checkBounds},
		{name: "NeedsRehash", holds: "NeedsRehash returns false for a new hash, and true for one of another Hasher.", check: checkNeedsRehash},
		{name: "Context", holds: "With a context that has ended, Verify does not return a wrong result.", check: checkHasherContext},
		{name: "Secrets", holds: "A hash does not contain the password, and an error contains neither.", check: checkSecrets},
		{name: "Concurrent", holds: "Concurrent calls do not affect each other.", check: checkConcurrentHashes},
	}
}

// hash returns the hash of a password that every Hasher must accept.
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

// malformed returns an error unless a call returned ErrMalformedHash or ErrUnknownHash.
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
	first, err := hash(ctx, h, password)
	if err != nil {
		return err
	}
	second, err := hash(ctx, h, password)
	if err != nil {
		return err
	}
	if first == second {
		return errors.New("Hash returned the same hash twice")
	}
	return nil
}

// distinguishes hashes each password that the Hasher accepts, and expects that none of the others
// matches.
func distinguishes(h auth.Hasher, passwords ...string) error {
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
	pair := func(n int) []string { // equal up to the last of n bytes
		return []string{strings.Repeat("x", n), strings.Repeat("x", n-1) + "y"}
	}
	for _, passwords := range [][]string{
		append(pair(72), pair(73)...),
		pair(129),
		pair(257),
		pair(1024),
	} {
		if err := distinguishes(h, passwords...); err != nil {
			return err
		}
	}
	return nil
}

func checkNUL(h auth.Hasher) error {
	return distinguishes(h, "pass", "pass\x00", "pass\x00word", "pass\x00words", "\x00", "")
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
		// The rest may be a valid hash, because Argon2 makes digests of any length.
		err := h.Verify(ctx, encoded[:n], password)
		if !errors.Is(err, auth.ErrMismatch) && malformed("", err) != nil {
			return fmt.Errorf("Verify with the first %d bytes of a hash returned %s", n, describe(err))
		}
	}
	for _, more := range []string{"\n", "\r\n", " a", "\x00", "=", "$", "a", ":", encoded} {
		if err := malformed(fmt.Sprintf("Verify with a hash followed by %q", more), h.Verify(ctx, encoded+more, password)); err != nil {
			return err
		}
	}
	return malformed("Verify with a space before a hash", h.Verify(ctx, " "+encoded, password))
}

func checkAltered(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	const password = "correct horse"
	encoded, err := hash(ctx, h, password)
	if err != nil {
		return err
	}
	// The digest is at the end in all common formats.
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
