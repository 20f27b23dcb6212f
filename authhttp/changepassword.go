package authhttp

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-e36e2130/auth/internal/origin"
)

// redirect returns the handler of /.well-known/change-password (W3C, A Well-Known URL for Changing
// Passwords, section 2), which redirects to page.
func (cfg Config) redirect(page string) http.Handler {
	return cfg.public(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Location", page)
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusSeeOther)
	}))
}

// isPage reports whether a browser can be redirected to s: to a path of this host, or to an https URL.
func isPage(s string) bool {
	u, err := url.Parse(s)
	if err != nil || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '\\' }) {
		return false
	}
	if u.Scheme != "" {
		return origin.IsSecureURL(s)
	}
	return strings.HasPrefix(s, "/") && u.Host == "" && !strings.HasPrefix(s, "//")
}
