// Package usernames holds the canonical form of a username, and the rule for which new usernames are
// confusable with others.
package usernames

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// MaxBytes bounds a username, as it is given and in canonical form. An indexed column can hold that
// much in every database, and the longest e-mail address has 254 bytes.
const MaxBytes = 255

// Error says why a username is not allowed. Its text comes from this library alone and names the
// character that is to blame, if there is one, so it may be shown to the user.
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

// because returns an [*Error].
func because(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Precis is UsernameCaseMapped of RFC 8265 section 3.3: it folds width and case, normalises to NFC,
// and refuses spaces, controls and invisible characters.
func Precis(username string) (string, error) {
	name, err := precis.UsernameCaseMapped.String(username)
	if err == nil {
		return name, nil
	}
	for _, c := range username {
		if _, err := precis.UsernameCaseMapped.String(string(c)); err != nil {
			return "", because("%s is not allowed in it", describe(string(c)))
		}
	}
	return "", because("its characters may not stand together")
}

// Rule says which usernames there may be and how each is written in its canonical form.
type Rule struct {
	normalize   func(string) (string, error)
	confusables bool // accept new usernames that are confusable with others
}

// NewRule returns the rule of a host's own function. Nil means [Precis]. New usernames must not be
// confusable with others (UTS 39), unless confusables is true.
func NewRule(normalize func(string) (string, error), confusables bool) Rule {
	if normalize == nil {
		normalize = Precis
	}
	return Rule{normalize, confusables}
}

// Canonical returns the canonical form of a username without the white space around it, or an error
// that says why it has none.
func (r Rule) Canonical(given string) (string, error) {
	if len(given) > MaxBytes || !utf8.ValidString(given) {
		return "", because("it is not valid UTF-8 of at most %d bytes", MaxBytes)
	}
	if given = strings.TrimSpace(given); given == "" {
		return "", because("it is empty")
	}
	name, err := r.normalize(given)
	if err == nil && (name == "" || len(name) > MaxBytes || !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0) {
		err = because("its canonical form is empty, too long or not text")
	}
	if err != nil {
		return "", err
	}
	return name, nil
}

// Accept returns the canonical form of a username for an account to be created.
func (r Rule) Accept(given string) (string, error) {
	name, err := r.Canonical(given)
	if err != nil {
		return "", err
	}
	if !r.confusables {
		if err := distinct(name); err != nil {
			return "", err
		}
	}
	return name, nil
}

// describe returns a character for a sentence, as itself and by its number. The characters that a
// reader cannot see are escaped.
func describe(c string) string {
	number := strings.Trim(fmt.Sprintf("%U", []rune(c)), "[]")
	return fmt.Sprintf("%q (%s)", c, number)
}
