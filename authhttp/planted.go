package authhttp

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/internal/cookies"
)

// sendsOnlyOwn reports whether r carries the browser's own refresh token, and no planted one.
func (c *Cookies) sendsOnlyOwn(r *http.Request) bool {
	_, err := c.refreshToken(r)
	return err == nil && !c.sendsPlanted(r)
}

// sendsPlanted reports whether r carries a refresh token beside the browser's own.
func (c *Cookies) sendsPlanted(r *http.Request) bool {
	n := 0
	for range cookies.Values(r.Header, c.refresh) {
		n++
	}
	if _, err := c.refreshToken(r); err == nil {
		n--
	}
	return n > 0
}

// maxParents is for how many domains planted cookies are expired: the host and its parents with the
// fewest labels. A sibling shares one of these with the host. It bounds the length of an answer.
const maxParents = 4

// expirePlanted removes each refresh token that a subdomain of the host or of its parents can have
// set: for each domain, and each path from which browsers send the cookie to [Refresh] or [Logout].
// It must run before the browser's own cookies are set, because some browsers take a cookie for the
// host and one for the domain of the same name for one cookie.
func (c *Cookies) expirePlanted(w http.ResponseWriter, r *http.Request) {
	paths := cookiePaths(c.refreshPath)
	for _, path := range cookiePaths(c.logoutPath) {
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	for _, domain := range cookieDomains(r.Host) {
		for _, path := range paths {
			cookie := c.cookie(c.refresh, "", 0)
			cookie.Domain, cookie.Path, cookie.MaxAge = domain, path, -1
			http.SetCookie(w, cookie)
		}
	}
}

// domainName matches a name that a cookie may have as its Domain.
var domainName = regexp.MustCompile(`^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+$`)

// cookieDomains returns the domains of cookies that browsers send to host, at most maxParents. It
// returns none for an address, and for a name without a dot.
func cookieDomains(host string) (domains []string) {
	name := strings.TrimSuffix(strings.ToLower((&url.URL{Host: host}).Hostname()), ".")
	if _, err := netip.ParseAddr(name); err == nil || len(name) > 253 || !domainName.MatchString(name) {
		return nil
	}
	for strings.Contains(name, ".") {
		domains = append(domains, name)
		_, name, _ = strings.Cut(name, ".")
	}
	return domains[max(0, len(domains)-maxParents):]
}

// cookiePaths returns the paths of cookies that browsers send to a path (RFC 6265 section 5.1.4).
func cookiePaths(path string) (paths []string) {
	for i := range path {
		if path[i] != '/' {
			continue
		}
		if i > 0 {
			paths = append(paths, path[:i])
		}
		paths = append(paths, path[:i+1])
	}
	return append(paths, path)
}
