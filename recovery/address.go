package recovery

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth"
)

// ErrInvalidAddress is returned for a text that cannot be anybody's address. It wraps
// [auth.ErrInvalidUsername].
var ErrInvalidAddress = fmt.Errorf("recovery: invalid address: %w", auth.ErrInvalidUsername)

const maxAddress = 254 // bytes; RFC 5321 section 4.5.3.1.3, without the angle brackets

// Addresses is where the host keeps the addresses of its users, at most one for each user, in the form
// that [Config].Canonical returns. It contains no rules. Package recoverytest holds the suite that
// proves an Addresses right.
//
// Every method honours ctx and is safe for concurrent use. An error that is not one of those named
// below means an infrastructure failure, such as a database that is down.
type Addresses interface {
	// UserByAddress returns the ID of the user with exactly this address, verified or not, or
	// [auth.ErrUserNotFound].
	UserByAddress(ctx context.Context, address string) (userID string, err error)

	// Address returns the address of a user, as it was last written. It returns
	// [auth.ErrUserNotFound] if there is no such user, or if the user has no address.
	Address(ctx context.Context, userID string) (address string, verified bool, err error)

	// ReplaceAddress sets the address of the user to replacement, verified or not, if it is old now,
	// in one atomic step. An empty address means that the user has none. old and replacement may be
	// equal. It returns [auth.ErrConflict] if the present address is another, [auth.ErrUserExists] if
	// replacement is another user's (of concurrent calls for one address exactly one succeeds,
	// decided by the store's own unique index), and [auth.ErrUserNotFound] if there is no such user.
	// Then nothing has changed.
	ReplaceAddress(ctx context.Context, userID, old, replacement string, verified bool) error
}

// canonical returns the one form of an address, or ErrInvalidAddress.
func (r *Recovery) canonical(given string) (string, error) {
	if !sendable(given) {
		return "", ErrInvalidAddress
	}
	address, err := r.config.Canonical(given)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrInvalidAddress, err)
	}
	if !sendable(address) {
		return "", ErrInvalidAddress
	}
	return address, nil
}

// sendable reports whether a message may be sent to an address, wherever it comes from. Nothing in a
// sendable address can end a line, a header or a list, or name a second mailbox.
func sendable(address string) bool {
	local, domain, _ := strings.Cut(address, "@")
	return local != "" && domain != "" && len(address) <= maxAddress && utf8.ValidString(address) &&
		!strings.Contains(domain, "@") &&
		!strings.ContainsFunc(address, func(c rune) bool {
			return !unicode.IsGraphic(c) || unicode.IsSpace(c) || strings.ContainsRune(`"(),:;<>[\]`, c)
		})
}

// Canonical returns the one form of an address, with its ASCII letters in lower case: no provider in
// wide use distinguishes case. It is the default of [Config].Canonical. It accepts the dot-string of
// RFC 5321 section 4.1.2 in ASCII, and a domain of letters, digits and hyphens. It accepts a domain in
// another script only as A-labels (RFC 5890), so that no two domains look the same. It returns
// [ErrInvalidAddress] for everything else.
func Canonical(address string) (string, error) {
	local, domain, _ := strings.Cut(address, "@")
	if len(address) > maxAddress || len(local) > 64 || !dotted(local, atext) || !dotted(domain, hostText) {
		return "", ErrInvalidAddress
	}
	for label := range strings.SplitSeq(domain, ".") {
		if len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", ErrInvalidAddress
		}
	}
	return strings.ToLower(address), nil // the address is ASCII here
}

const (
	hostText = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	atext    = hostText + "!#$%&'*+/=?^_`{|}~" // RFC 5322 section 3.2.3
)

// dotted reports whether s consists of one or more non-empty runs of these characters, with single
// dots between them.
func dotted(s, characters string) bool {
	for run := range strings.SplitSeq(s, ".") {
		if run == "" || strings.Trim(run, characters) != "" {
			return false
		}
	}
	return true
}
