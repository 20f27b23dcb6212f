// Package extract takes tokens out of requests.
package extract

import (
	"errors"
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth/internal/cookies"
	"github.com/seed-e36e2130/auth/internal/problem"
)

// The errors of a request without one token.
var (
	ErrNone      = errors.New("auth: no credentials")
	ErrMalformed = errors.New("auth: malformed credentials")
)

// Scheme is the scheme of an Authorization header.
type Scheme string

// Ambient returns false: no browser adds the header by itself.
func (Scheme) Ambient() bool { return false }

// Valid reports whether s is a scheme of RFC 9110 section 11.1.
func (s Scheme) Valid() bool { return problem.IsToken(string(s)) }

// Extract returns the token of the one Authorization header of r.
func (s Scheme) Extract(r *http.Request) (string, error) {
	fields := r.Header["Authorization"]
	switch len(fields) {
	case 0:
		return "", ErrNone
	case 1:
	default:
		return "", ErrMalformed
	}
	field := fields[0]
	if len(field) < len(s) || !strings.EqualFold(field[:len(s)], string(s)) {
		return "", ErrNone
	}
	rest := field[len(s):]
	if rest != "" && problem.IsTokenChar(rest[0]) {
		return "", ErrNone // name of a longer scheme
	}
	token := strings.TrimLeft(rest, " ") // RFC 9110 section 11.4: 1*SP
	if token == "" || len(token) == len(rest) || strings.IndexByte(token, ' ') >= 0 {
		return "", ErrMalformed
	}
	return token, nil
}

// Cookie is the name of a cookie.
type Cookie string

// Ambient returns true: browsers add cookies by themselves.
func (Cookie) Ambient() bool { return true }

// Valid reports whether c is the name of a cookie of RFC 6265 section 4.1.1.
func (c Cookie) Valid() bool { return problem.IsToken(string(c)) }

// Extract returns the value of the one cookie with this name.
func (c Cookie) Extract(r *http.Request) (string, error) {
	token, found := "", 0
	for value := range cookies.Values(r.Header, string(c)) {
		token = value
		found++
	}
	switch {
	case found > 1:
		return "", ErrMalformed
	case token == "":
		return "", ErrNone
	}
	return token, nil
}
