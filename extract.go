package auth

import (
	"net/http"

	"github.com/seed-e36e2130/auth/internal/extract"
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
func BearerToken() Extractor { return extract.Scheme("Bearer") }

// AuthorizationScheme returns [BearerToken] for another scheme than Bearer, such as the "Token" of older
// APIs. Challenges name Bearer all the same.
func AuthorizationScheme(name string) Extractor { return extract.Scheme(name) }

// Cookie returns an extractor for the cookie with this name. An empty cookie counts as none, and two
// of the name are malformed. Choose a name that begins with "__Host-", and set the cookie Secure,
// HttpOnly and SameSite.
//
// Browsers send cookies with requests that other sites cause. A request that carries the cookie is
// therefore checked by [http.CrossOriginProtection], with [MiddlewareConfig].TrustedOrigins as
// exceptions, unless its method is safe and it does not open a WebSocket. Caches do not see that a
// cookie decided the answer: the handler must say so with Cache-Control.
func Cookie(name string) Extractor { return extract.Cookie(name) }
