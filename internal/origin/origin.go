// Package origin says which other origins a host trusts.
package origin

import (
	"net/http"
	"net/url"
	"strings"
)

// Fault is what is wrong with an origin that is refused.
const Fault = "must be scheme://host or scheme://host:port as browsers write it"

// Protection returns what refuses the writes of every other origin but the trusted
// ones, and calls fault for each of those that no browser would write so.
func Protection(trusted []string, fault func(origin string)) *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	for _, o := range trusted {
		if !isOrigin(o) || p.AddTrustedOrigin(o) != nil {
			fault(o)
		}
	}
	return p
}

// isOrigin reports whether s is written as browsers write an origin (RFC 6454
// section 6.2): another spelling would be compared and never be equal.
func isOrigin(s string) bool {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"\*`, c) }
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.ContainsFunc(s, odd) || s != u.Scheme+"://"+strings.ToLower(u.Host) {
		return false
	}
	switch u.Scheme {
	case "https":
		return !strings.HasSuffix(u.Host, ":") && u.Port() != "443"
	case "http":
		return !strings.HasSuffix(u.Host, ":") && u.Port() != "80"
	}
	return false
}
