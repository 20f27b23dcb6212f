package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth/internal/commonpasswords"
)

// Bounds on the password rule. The shortest allowed minimum is that of NIST SP
// 800-63B-4 section 3.1.1.2; every host must take passwords of 64 characters,
// which in UTF-8 are up to 256 bytes.
const (
	leastMinPassword, mostMinPassword = 8, 64
	leastMaxPassword, mostMaxPassword = 256, 4096
	defaultMaxPassword                = 1024
)

// PasswordChecker says whether a new password is known to be bad, from more than
// the library knows: package pwned asks Have I Been Pwned. An implementation is
// safe for concurrent use and neither keeps nor logs the password.
type PasswordChecker interface {
	// CheckPassword returns a [*PasswordError] if password may not be set, and any
	// other error if it cannot say: then the password is not set either.
	CheckPassword(ctx context.Context, password string) error
}

// passwordRule is what a new password must satisfy. A password is hashed byte for
// byte as it came.
type passwordRule struct {
	least   int // code points
	most    int // bytes
	context []string
	checker PasswordChecker // nil: none
}

// accept returns a [*PasswordError] if password may not be set for the account
// with this username, or why that cannot be said.
func (r passwordRule) accept(ctx context.Context, username, password string) error {
	if err := r.check(password); err != nil {
		return err
	}
	if isContext(password, append(contextWords(username), r.context...)) {
		return &PasswordError{Rule: PasswordContext}
	}
	if r.checker == nil {
		return nil
	}
	err := r.checker.CheckPassword(ctx, password)
	if refused, ok := errors.AsType[*PasswordError](err); ok {
		return refused
	}
	if err != nil {
		return fmt.Errorf("auth: check new password: %w", err)
	}
	return nil
}

// check is the part of the rule that is the same for every account.
func (r passwordRule) check(password string) error {
	switch {
	case len(password) > r.most: // first: whatever follows reads it all
		return &PasswordError{Rule: PasswordTooLong, Limit: r.most}
	case !utf8.ValidString(password) || strings.IndexByte(password, 0) >= 0:
		return &PasswordError{Rule: PasswordEncoding}
	case utf8.RuneCountInString(password) < r.least:
		return &PasswordError{Rule: PasswordTooShort, Limit: r.least}
	case commonpasswords.Contains(password):
		return &PasswordError{Rule: PasswordCommon}
	}
	return nil
}

// possible reports whether password may be that of any account. Shorter ones than
// the rule wants, and other encodings, may have come with another system's table.
func (r passwordRule) possible(password string) bool {
	return len(password) <= r.most && strings.IndexByte(password, 0) < 0
}

// What is left of a password without its context words makes it a password if it
// has so many characters, or so many letters. Shorter words are no context.
const (
	leastBesideContext, leastLettersBeside = 8, 4
	leastContextWord, maxContextWords      = 3, 100
)

// contextWords returns the words that names bring with them, in lower case: each
// name and the runs of letters in it.
func contextWords(names ...string) (words []string) {
	for _, name := range names {
		name = strings.ToLower(name)
		words = append(words, name)
		words = append(words, strings.FieldsFunc(name, func(r rune) bool { return !isLetter(r) })...)
	}
	return slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < leastContextWord })
}

// isContext reports whether password is little more than some of words (NIST SP
// 800-63B-4 section 3.1.1.2: the service's name, the username, and derivatives).
func isContext(password string, words []string) bool {
	slices.SortFunc(words, func(x, y string) int { return len(y) - len(x) }) // whole names before their parts
	password = strings.ToLower(password)
	rest := password
	for _, w := range words {
		rest = strings.ReplaceAll(rest, w, " ")
	}
	characters, letters := 0, 0
	for _, r := range rest {
		if !unicode.IsSpace(r) {
			characters++
		}
		if isLetter(r) {
			letters++
		}
	}
	return rest != password && characters < leastBesideContext && letters < leastLettersBeside
}

func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }
