package authhttp

import (
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// Optional returns [auth.Middleware.Optional] for public pages: it also lets browsers pass whose access
// token in the cookie has expired or was revoked, or is otherwise not valid, as strangers, and removes that
// cookie. The refresh token stays, so a page can still refresh. An invalid token in a header is refused, and
// so is a request that could not be decided.
//
// m must read the cookies: see [Cookies.Extractor]. If an answer differs by caller, the handler must forbid
// caches to share it. Cache-Control is no-store where a cookie is removed, unless the handler sets another.
func (c *Cookies) Optional(m *auth.Middleware) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		strict := m.Optional(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := m.Check(r)
			switch {
			case err == nil:
				next.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), p)))
			case errors.Is(err, auth.ErrInvalidToken) && hasCookie(r, c.access) && r.Header["Authorization"] == nil:
				c.expire(w, c.cookie(c.access, "", 0))
				w.Header().Set("Cache-Control", "no-store")
				next.ServeHTTP(w, r)
			default:
				strict.ServeHTTP(w, r)
			}
		})
	}
}
