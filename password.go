package auth

import (
	"strings"
	"unicode/utf8"
)

// Bounds on the password rule. The shortest allowed minimum is that of NIST SP
// 800-63B-4 section 3.1.1.2; every host must take passwords of 64 characters,
// which in UTF-8 are up to 256 bytes.
const (
	leastMinPassword, mostMinPassword = 8, 64
	leastMaxPassword, mostMaxPassword = 256, 4096
	defaultMaxPassword                = 1024
)

// passwordRule is what a new password must satisfy. A password is hashed byte for
// byte as it came.
type passwordRule struct {
	least int // code points
	most  int // bytes
}

// check returns a [*PasswordError] if password may not be set.
func (r passwordRule) check(password string) error {
	switch {
	case len(password) > r.most: // first: whatever follows reads it all
		return &PasswordError{Rule: PasswordTooLong, Limit: r.most}
	case !utf8.ValidString(password) || strings.IndexByte(password, 0) >= 0:
		return &PasswordError{Rule: PasswordEncoding}
	case utf8.RuneCountInString(password) < r.least:
		return &PasswordError{Rule: PasswordTooShort, Limit: r.least}
	}
	return nil
}

// possible reports whether password may be that of any account. Shorter ones than
// the rule wants, and other encodings, may have come with another system's table.
func (r passwordRule) possible(password string) bool {
	return len(password) <= r.most && strings.IndexByte(password, 0) < 0
}
