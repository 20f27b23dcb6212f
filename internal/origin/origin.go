// Package origin decides which origins and URLs a host may be configured with.
package origin

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Fault says why [NewProtection] refuses an origin.
const Fault = "must be https://host or https://host:port as browsers write it, http to this machine, or " +
	"the scheme of an app or an extension and its host, such as capacitor://localhost"

// SubdomainsFault says why NewProtection refuses a pattern of subdomains.
const SubdomainsFault = "must be https://*. and a domain of at least two labels, below which nobody else gets a name"

// Protection refuses writes that other origins cause, except those that are trusted.
type Protection struct {
	exact   *http.CrossOriginProtection
	trusted []string // origins
	parents []string // domains, with a port if there is one
}

// NewProtection returns a Protection that trusts the origins, and every origin that has exactly one label in
// the place of the star of one of the patterns, such as https://*.preview.example. It calls fault with each
// that is not written as browsers write it, that is http to another machine, or that strangers could get a
// name below.
func NewProtection(trusted, subdomains []string, fault func(field, origin, reason string)) *Protection {
	p := &Protection{exact: http.NewCrossOriginProtection(), trusted: slices.Clone(trusted)}
	for _, o := range trusted {
		if !isOrigin(o) || p.exact.AddTrustedOrigin(o) != nil {
			fault("TrustedOrigins", o, Fault)
		}
	}
	for _, pattern := range subdomains {
		parent, isPattern := strings.CutPrefix(pattern, "https://*.")
		if !isPattern || !isOrigin("https://"+parent) || isShared(parent) {
			fault("DangerouslyTrustedSubdomains", pattern, SubdomainsFault)
		}
		p.parents = append(p.parents, parent)
	}
	return p
}

// Check returns an error if another origin may have caused r, and is not trusted.
func (p *Protection) Check(r *http.Request) error {
	err := p.exact.Check(r)
	if err == nil || len(r.Header["Origin"]) != 1 {
		return err
	}
	if p.isBelowParent(r.Header["Origin"][0]) {
		return nil
	}
	return err
}

// CheckAmbient is [Protection.Check] for requests with a credential that browsers attach by themselves. A
// WebSocket opens with a GET, which counts as a safe method, but then lets the page that opened it read
// and write, whatever its origin, so the rule for unsafe methods applies to it.
func (p *Protection) CheckAmbient(r *http.Request) error {
	if r.Header["Upgrade"] != nil {
		r = r.WithContext(r.Context())
		r.Method = http.MethodPost
	}
	return p.Check(r)
}

// isBelowParent reports whether a pattern of subdomains trusts origin.
func (p *Protection) isBelowParent(origin string) bool {
	host, isHTTPS := strings.CutPrefix(origin, "https://")
	label, parent, _ := strings.Cut(host, ".")
	return isHTTPS && label != "" && slices.Contains(p.parents, parent)
}

// webSchemes are the schemes of URLs whose origin is decided by other rules, or is no origin of an app.
var webSchemes = []string{
	"http", "https", "ws", "wss", "ftp", "file", "blob", "data", "about", "javascript", "filesystem", "view-source", "null",
}

// isOrigin reports whether s is written as browsers write an origin (RFC 6454 section 6.2). Another
// spelling would never equal what a browser sends. An origin with another scheme than the web's is that of
// an app's web view or of an extension: nothing but that app or extension has it.
func isOrigin(s string) bool {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`"\*`, c) }
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || strings.ContainsFunc(s, odd) || s != u.Scheme+"://"+u.Host || strings.HasSuffix(u.Host, ":") {
		return false
	}
	isCanonical := u.Host == strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		return isCanonical && u.Port() != "443"
	case "http": // anybody on the network can change a page that comes from elsewhere
		return isCanonical && u.Port() != "80" && isThisMachine(u.Hostname())
	}
	return !slices.Contains(webSchemes, u.Scheme)
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
