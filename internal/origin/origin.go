// Package origin decides which origins and URLs a host may be configured with.
package origin

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Fault says why [Protection] refuses an origin.
const Fault = "must be https://host or https://host:port as browsers write it, or http to this machine"

// Protection returns a check that refuses writes of other origins, except those that are trusted.
// It calls fault for each trusted origin that is not written as browsers write it, and for each that
// is http to another machine.
func Protection(trusted []string, fault func(origin string)) *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	for _, o := range trusted {
		if !isOrigin(o) || p.AddTrustedOrigin(o) != nil {
			fault(o)
		}
	}
	return p
}

// isOrigin reports whether s is written as browsers write an origin (RFC 6454 section 6.2). Another
// spelling would never equal what a browser sends.
func isOrigin(s string) bool {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"\*`, c) }
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.ContainsFunc(s, odd) || s != u.Scheme+"://"+strings.ToLower(u.Host) {
		return false
	}
	switch u.Scheme {
	case "https":
		return !strings.HasSuffix(u.Host, ":") && u.Port() != "443"
	case "http": // anybody on the network can change a page that comes from elsewhere
		return !strings.HasSuffix(u.Host, ":") && u.Port() != "80" && isThisMachine(u.Hostname())
	}
	return false
}

// isThisMachine reports whether browsers look for host on their own machine.
func isThisMachine(host string) bool {
	return IsLoopback(host) || strings.HasSuffix(host, ".localhost")
}

// IsSecureURL reports whether s is an absolute URL without user information and fragment that
// [IsSecure] allows.
func IsSecureURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Hostname() != "" && u.User == nil && !strings.Contains(s, "#") && IsSecure(u)
}

// IsSecure reports whether u is https, or http to this machine: nobody on the network reads or
// changes what is sent there.
func IsSecure(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname())
}

// IsLoopback reports whether host is localhost or a loopback address, without port and brackets.
// Other names are not looked up.
func IsLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
