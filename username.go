package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// maxUsername bounds a username in bytes, as given and in canonical form. It is
// what an indexed column holds everywhere, and the longest e-mail address has 254.
const maxUsername = 255

// precisUsername is UsernameCaseMapped, RFC 8265 section 3.3: width and case
// folded, NFC, and neither spaces, controls nor invisible characters. A name of more
// than one of the scripts whose letters look alike is refused: section 6; UTS 39
// section 5. One that is all of another script is not.
func precisUsername(username string) (string, error) {
	name, err := precis.UsernameCaseMapped.String(username)
	if err != nil {
		return "", err
	}
	scripts := 0
	for _, script := range []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian, unicode.Cherokee} {
		if strings.ContainsFunc(name, func(c rune) bool { return unicode.Is(script, c) }) {
			scripts++
		}
	}
	if scripts > 1 {
		return "", errors.New("it mixes scripts whose letters look alike")
	}
	return name, nil
}

// username returns the canonical form.
func (a *Authenticator) username(given string) (string, error) {
	if len(given) > maxUsername || !utf8.ValidString(given) {
		return "", fmt.Errorf("%w: not valid UTF-8 of at most %d bytes", ErrInvalidUsername, maxUsername)
	}
	name, err := a.normalize(given)
	if err == nil && (name == "" || len(name) > maxUsername || !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0) {
		err = errors.New("its canonical form is empty, too long or not text")
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalidUsername, err)
	}
	return name, nil
}
