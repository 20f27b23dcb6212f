package passwords

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Normalized returns a Hasher that hashes the NFC form of a password (Unicode Standard Annex 15; NIST
// SP 800-63B-4 section 3.1.1.2), so that it does not matter how a keyboard composes a letter with an
// accent. Hashes that were made without it verify, too: after a mismatch, Verify tries the password as
// it was given, or the NFD form if it was given in NFC. So a mismatch takes twice as long for a
// password with such letters, whichever hash it is compared with. See decision 0100.
//
// Package auth applies it to the Hasher of its Config.
func Normalized(h Hasher) Hasher {
	if h == nil {
		h = Chain(nil) // each call then returns an error
	}
	return normalized{h}
}

type normalized struct{ Hasher }

func (n normalized) Hash(ctx context.Context, password string) (string, error) {
	return n.Hasher.Hash(ctx, norm.NFC.String(password))
}

func (n normalized) Verify(ctx context.Context, encoded, password string) error {
	composed := norm.NFC.String(password)
	err := n.Hasher.Verify(ctx, encoded, composed)
	other := password
	if other == composed {
		other = norm.NFD.String(password)
	}
	if _, refused := errors.AsType[*Error](err); other == composed || !refused && !errors.Is(err, ErrMismatch) {
		return err
	}
	if again := n.Hasher.Verify(ctx, encoded, other); again == nil || !errors.Is(again, ErrMismatch) {
		return again
	}
	return err
}

// isBlank reports whether password has no character that can be seen.
func isBlank(password string) bool {
	return !strings.ContainsFunc(password, func(r rune) bool {
		return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Zs, r) && !strings.ContainsRune(invisible, r)
	})
}

// invisible are letters, marks and symbols that show nothing: the grapheme joiner, fillers of Hangul,
// vowels of Khmer, and the blank of Braille.
const invisible = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"

// comparableText returns the form in which a password is compared with names: without case, width and
// other differences of compatibility.
func comparableText(text string) string {
	return norm.NFKC.String(strings.ToLower(norm.NFKC.String(text)))
}
