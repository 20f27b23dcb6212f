package auth

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// maxUsername bounds a username in bytes, as given and in canonical form. It is
// what an indexed column holds everywhere, and the longest e-mail address has 254.
const maxUsername = 255

// precisUsername is UsernameCaseMapped, RFC 8265 section 3.3: width and case
// folded, NFC, and neither spaces, controls nor invisible characters.
func precisUsername(username string) (string, error) {
	return precis.UsernameCaseMapped.String(username)
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

// newUsername returns the canonical form for an account to be made.
func (a *Authenticator) newUsername(given string) (string, error) {
	name, err := a.username(given)
	if err == nil && a.distinct {
		if err = distinct(name); err != nil {
			return "", fmt.Errorf("%w: %w", ErrInvalidUsername, err)
		}
	}
	return name, err
}
