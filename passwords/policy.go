package passwords

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/commonpasswords"
)

// Bounds of a policy. The lowest minimum is that of NIST SP 800-63B-4 section 3.1.1.2. Every host must
// accept passwords of 64 characters, which are up to 256 bytes of UTF-8.
const (
	leastMinPassword, mostMinPassword = 8, 64
	leastMaxPassword, mostMaxPassword = 256, 4096
	defaultMaxPassword                = 1024
)

// Checker decides whether a new password is known to be weak, by data that the library does not have:
// package pwned asks Have I Been Pwned. Implementations are safe for concurrent use, and neither keep
// nor log the password.
type Checker interface {
	// CheckPassword returns an [*Error] if password may not be set, and any other error if it cannot
	// decide: then the password is not set either.
	CheckPassword(ctx context.Context, password string) error
}

// Policy says what a new password must satisfy. Its zero value is the safe choice. There are no
// composition rules.
type Policy struct {
	// MinLength of a new password, in code points of its NFC form. 0 means 8; from 8 to 64. Use at least 15 where a
	// password is all that protects an account (NIST SP 800-63B-4 section 3.1.1.2).
	MinLength int

	// MaxBytes of a password, in UTF-8. 0 means 1,024; from 256 to 4,096.
	MaxBytes int

	// ContextWords are words that a new password may not consist of, in addition to the username:
	// the name of the service, for example, or its domain. A password is refused if fewer than 8
	// characters, fewer than 4 of them letters, remain without these words, in whatever case. At
	// most 100 words, each of at least 3 characters and at most 255 bytes.
	ContextWords []string

	// Checker, if not nil, is asked about a new password that breaks no other rule. nil: only the
	// built-in list of the most common passwords is used.
	Checker Checker
}

// Rules is a [Policy] in force. It is immutable and safe for concurrent use.
type Rules struct {
	minLength int // code points
	maxBytes  int
	context   []string
	checker   Checker // nil: none
}

// NewRules returns the rules of a policy, or every fault of it as a [*cfgerr.Error].
func NewRules(p Policy) (*Rules, error) {
	faults := cfgerr.Faults{Prefix: "passwords.Policy."}
	r := &Rules{
		minLength: cfgerr.Within(&faults, "MinLength", p.MinLength, leastMinPassword, leastMinPassword, mostMinPassword),
		maxBytes:  cfgerr.Within(&faults, "MaxBytes", p.MaxBytes, defaultMaxPassword, leastMaxPassword, mostMaxPassword),
		context:   contextWords(p.ContextWords...),
		checker:   p.Checker,
	}
	if len(p.ContextWords) > maxContextWords {
		faults.Add("ContextWords", strconv.Itoa(len(p.ContextWords)), fmt.Sprintf("must be at most %d", maxContextWords))
	}
	for _, w := range p.ContextWords {
		if len(w) > mostContextWord || !utf8.ValidString(w) || utf8.RuneCountInString(w) < leastContextWord {
			faults.Add("ContextWords", w, fmt.Sprintf("must be text of at least %d characters and at most %d bytes", leastContextWord, mostContextWord))
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return r, nil
}

// Accept returns an [*Error] if password may not be set for the account with this username.
// Any other error is the Checker's, wrapped: whether the password may be set is not known.
func (r *Rules) Accept(ctx context.Context, username, password string) error {
	if err := r.Check(password); err != nil {
		return err
	}
	password = norm.NFC.String(password) // as it is hashed: see Normalized
	if isContext(password, append(contextWords(username), r.context...)) {
		return &Error{Rule: Context}
	}
	if r.checker == nil {
		return nil
	}
	err := r.checker.CheckPassword(ctx, password)
	if refused, ok := errors.AsType[*Error](err); ok {
		return refused
	}
	if err != nil {
		return fmt.Errorf("auth: check new password: %w", err)
	}
	return nil
}

// Check applies the rules that are the same for every account. It returns an [*Error], or nil.
func (r *Rules) Check(password string) error {
	switch {
	case len(password) > r.maxBytes: // first, because the other checks read the whole password
		return &Error{Rule: TooLong, Limit: r.maxBytes}
	case !utf8.ValidString(password) || strings.IndexByte(password, 0) >= 0:
		return &Error{Rule: Encoding}
	}
	switch password = norm.NFC.String(password); {
	case utf8.RuneCountInString(password) < r.minLength:
		return &Error{Rule: TooShort, Limit: r.minLength}
	case isBlank(password), commonpasswords.Contains(password):
		return &Error{Rule: Common}
	}
	return nil
}

// Possible reports whether password can be that of any account. It may be shorter than a new password, and
// in another encoding: such passwords come with the tables of other systems.
func (r *Rules) Possible(password string) bool {
	return len(password) <= r.maxBytes && strings.IndexByte(password, 0) < 0
}

// A password must have this many characters, or this many letters, without its context words. Shorter
// words than leastContextWord are not looked for.
const (
	leastBesideContext, leastLettersBeside = 8, 4
	leastContextWord, mostContextWord      = 3, 255 // characters, bytes
	maxContextWords                        = 100
)

// contextWords returns the context words of names, by comparableText: each name, and the runs of letters in
// it.
func contextWords(names ...string) (words []string) {
	for _, name := range names {
		name = comparableText(name)
		words = append(words, name)
		words = append(words, strings.FieldsFunc(name, func(r rune) bool { return !isLetter(r) })...)
	}
	return slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < leastContextWord })
}

// isContext reports whether password is little more than some of words (decision 0063): the name of the service, the
// username, and derivatives (NIST SP 800-63B-4 section 3.1.1.2).
func isContext(password string, words []string) bool {
	slices.SortFunc(words, func(x, y string) int { return len(y) - len(x) }) // whole names before the words in them
	password = comparableText(password)
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
