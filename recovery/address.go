package recovery

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth"
)

// ErrInvalidAddress is for an address that cannot be anybody's. It wraps
// [auth.ErrInvalidUsername].
var ErrInvalidAddress = fmt.Errorf("recovery: invalid address: %w", auth.ErrInvalidUsername)

const maxAddress = 254 // RFC 5321 section 4.5.3.1.3, less the angle brackets

// Addresses is where the host keeps the addresses of its users, at most one for
// each, in the form that [Config].Canonical gives them. There is no logic in it.
// Package recoverytest holds the suite that proves one right.
//
// Every method honours ctx and is safe for concurrent use. An error that is not
// one of those named below is the world's.
type Addresses interface {
	// UserByAddress returns the ID of the user with exactly this address, verified
	// or not, or [auth.ErrUserNotFound].
	UserByAddress(ctx context.Context, address string) (userID string, err error)

	// Address returns the address of a user, as it was last written. It returns
	// [auth.ErrUserNotFound] if there is no such user, or none with an address.
	Address(ctx context.Context, userID string) (address string, verified bool, err error)

	// ReplaceAddress gives the user the address replacement, verified or not, if
	// the present one is old, in one atomic step; the empty address is none. old
	// and replacement may be the same. It returns [session.ErrConflict] if the present
	// one is another, [auth.ErrUserExists] if replacement is another user's (of
	// concurrent calls for one address exactly one succeeds, by the store's own
	// unique index), and [auth.ErrUserNotFound] if there is no such user; then
	// nothing has changed.
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

// sendable reports whether a message may be sent to an address, wherever it comes
// from: nothing in it ends a line, a header or a list, or means two mailboxes.
func sendable(address string) bool {
	local, domain, _ := strings.Cut(address, "@")
	return local != "" && domain != "" && len(address) <= maxAddress && utf8.ValidString(address) &&
		!strings.Contains(domain, "@") &&
		!strings.ContainsFunc(address, func(c rune) bool {
			return !unicode.IsGraphic(c) || unicode.IsSpace(c) || strings.ContainsRune(`"(),:;<>[\]`, c)
		})
}

// Canonical is the form of an address unless [Config].Canonical is another: its
// ASCII letters in lower case, which no provider in wide use tells apart. It takes
// the dot-string of RFC 5321 section 4.1.2 in ASCII and a domain of letters, digits
// and hyphens, and returns [ErrInvalidAddress] for all else: a domain of another
// script in its A-label form alone (RFC 5890), so that no two look the same.
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
	return strings.ToLower(address), nil // ASCII by now
}

const (
	hostText = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	atext    = hostText + "!#$%&'*+/=?^_`{|}~" // RFC 5322 section 3.2.3
)

// dotted reports whether s is parts of these characters with single dots between.
func dotted(s, of string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.Trim(part, of) != "" {
			return false
		}
	}
	return true
}
