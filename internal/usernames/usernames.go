// Package usernames holds the canonical form of a username, and the rule for which new usernames are
// confusable with others.
package usernames

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// MaxBytes bounds a username, as it is given and in canonical form. An indexed column can hold that
// much in every database, and the longest e-mail address has 254 bytes.
const MaxBytes = 255

// precisUsername is UsernameCaseMapped of RFC 8265 section 3.3: it folds width and case, normalises to
// NFC, and refuses spaces, controls and invisible characters.
func precisUsername(username string) (string, error) {
	return precis.UsernameCaseMapped.String(username)
}

// Rule says which usernames there may be and how each is written in its canonical form.
type Rule struct {
	normalize func(string) (string, error)
	distinct  bool // reject new usernames that are confusable with others (UTS 39)
}

// NewRule returns the rule of a host's own function. Nil means UsernameCaseMapped of RFC 8265, with
// the addition that new usernames must not be confusable with others.
func NewRule(normalize func(string) (string, error)) Rule {
	if normalize == nil {
		return Rule{precisUsername, true}
	}
	return Rule{normalize, false}
}

// Canonical returns the canonical form of a username, or an error that says why it has none.
func (r Rule) Canonical(given string) (string, error) {
	if len(given) > MaxBytes || !utf8.ValidString(given) {
		return "", fmt.Errorf("not valid UTF-8 of at most %d bytes", MaxBytes)
	}
	name, err := r.normalize(given)
	if err == nil && (name == "" || len(name) > MaxBytes || !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0) {
		err = errors.New("its canonical form is empty, too long or not text")
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
	if r.distinct {
		if err := distinct(name); err != nil {
			return "", err
		}
	}
	return name, nil
}
