package auth

import (
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth/internal/cookies"
	"github.com/seed-e36e2130/auth/internal/problem"
)

// Extractor finds the token in a request; [BearerToken] and [Cookie] return the usual ones.
// Implementations are safe for concurrent use.
type Extractor interface {
	// Extract returns the token that r carries. It returns [ErrNoCredentials] if r carries none, and
	// [ErrInvalidRequest] if it carries a malformed one or more than one. The difference matters:
	// only a request without credentials may pass as anonymous.
	Extract(r *http.Request) (token string, err error)

	// Ambient reports whether browsers attach the credential by themselves, as they do with cookies.
	// Any page can then cause a request that carries it, so the middleware refuses such requests if
	// they come from another origin.
	Ambient() bool
}

// BearerToken returns an extractor for the Authorization header (RFC 6750 section 2.1). Credentials
// of another scheme count as none. Two Authorization fields are malformed, even if one is empty.
func BearerToken() Extractor { return scheme("Bearer") }

// AuthorizationScheme returns [BearerToken] for another scheme than Bearer, such as the "Token" of older
// APIs. Challenges name Bearer all the same.
func AuthorizationScheme(name string) Extractor { return scheme(name) }

type scheme string

func (scheme) Ambient() bool { return false }

func (s scheme) Extract(r *http.Request) (string, error) {
	fields := r.Header["Authorization"]
	switch len(fields) {
	case 0:
		return "", ErrNoCredentials
	case 1:
	default:
		return "", ErrInvalidRequest
	}
	field := fields[0]
	if len(field) < len(s) || !strings.EqualFold(field[:len(s)], string(s)) {
		return "", ErrNoCredentials
	}
	rest := field[len(s):]
	if rest != "" && problem.IsTokenChar(rest[0]) {
		return "", ErrNoCredentials // name of a longer scheme
	}
	token := strings.TrimLeft(rest, " ") // RFC 9110 section 11.4: 1*SP
	if token == "" || len(token) == len(rest) || strings.IndexByte(token, ' ') >= 0 {
		return "", ErrInvalidRequest
	}
	return token, nil
}

// Cookie returns an extractor for the cookie with this name. An empty cookie counts as none, and two
// of the name are malformed. Choose a name that begins with "__Host-", and set the cookie Secure,
// HttpOnly and SameSite.
//
// Browsers send cookies with requests that other sites cause. A request that carries the cookie is
// therefore checked by [http.CrossOriginProtection], with [MiddlewareConfig].TrustedOrigins as
// exceptions, unless its method is safe and it does not open a WebSocket. Caches do not see that a
// cookie decided the answer: the handler must say so with Cache-Control.
func Cookie(name string) Extractor { return cookie(name) }

type cookie string

func (cookie) Ambient() bool { return true }

func (c cookie) Extract(r *http.Request) (string, error) {
	token, found := "", 0
	for value := range cookies.Values(r.Header, string(c)) {
		token = value
		found++
	}
	switch {
	case found > 1:
		return "", ErrInvalidRequest
	case token == "":
		return "", ErrNoCredentials
	}
	return token, nil
}
