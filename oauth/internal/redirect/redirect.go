// Package redirect decides which redirect URIs a client may register, and whether the one that a request
// names is among them (OAuth 2.1 sections 2.3.1 and 4.1.1, RFC 8252 section 7, RFC 9700 section 4.1.3). It
// works on the text of a URI and never decodes or normalises it: what was registered is what the browser
// is sent to, byte for byte.
package redirect

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// MaxBytes is the length of the longest redirect URI.
const MaxBytes = 1024

// forbidden are schemes that no browser may be sent to: they run a script, show text as a page, open a file
// of the user's, start a program of the system, or have another meaning than an app's own (RFC 9700 section
// 4.1.3).
var forbidden = strings.Fields(`
	about android-app blob chrome content data edge feed file filesystem ftp ftps gopher help intent its jar
	javascript ldap ldaps livescript mailto mhtml mk mocha ms-appinstaller ms-its ms-msdt ms-officecmd news nfs
	opera res resource search search-ms sftp shell sms smb ssh svn tel telnet urn vbs vbscript view-source
	ws wss wyciwyg x-javascript
`)

// answers are the parameters that an answer adds to the redirect URI (OAuth 2.1 section 4.1.2, RFC 9207
// section 2). A query that has one of them already would make the answer ambiguous.
var answers = []string{"code", "error", "error_description", "error_uri", "iss", "response", "state"}

// The faults of a URI. Each text ends a sentence that begins with the URI, and can stand in the
// error_description of RFC 6749 section 5.2, which has neither quotes nor backslashes.
var (
	errEmpty     = errors.New("is empty")
	errLong      = errors.New("is longer than 1024 bytes")
	errCharacter = errors.New("has a character that a URI does not have, or an encoded control character")
	errRelative  = errors.New("is not an absolute URI")
	errFragment  = errors.New("has a fragment")
	errPattern   = errors.New("has a star: redirect URIs are compared as text, and patterns do not exist")
	errUser      = errors.New("has user information")
	errScheme    = errors.New("has a scheme that no app may be sent to")
	errDot       = errors.New("has a scheme of an app without a dot, as in com.example.app, and without a host")
	errHost      = errors.New("has no valid host")
	errPort      = errors.New("has a port that is not a number from 1 to 65535")
	errPlain     = errors.New("is http to another host than 127.0.0.1, [::1] and localhost")
	errAnswer    = errors.New("has a parameter in its query that the answer adds")
)

// parts is a URI as its text has them: scheme ":" ["//" host [":" port]] rest.
type parts struct {
	scheme       string
	hasAuthority bool
	host         string // IPv6 addresses have their brackets
	port         string // "" without one
	rest         string // path and query
}

// isWeb reports whether the scheme is http or https, which alone have hosts of the net.
func (p *parts) isWeb() bool { return p.scheme == "https" || p.scheme == "http" }

// isLoopback reports whether the port is the app's to choose at each request (RFC 8252 section 7.3).
func (p *parts) isLoopback() bool {
	return p.scheme == "http" && (p.host == "127.0.0.1" || p.host == "[::1]" || p.host == "localhost")
}

// Check returns nil if a client may register uri, and otherwise an error whose text ends a sentence that
// begins with the URI. A redirect URI is https, http to a loopback address or localhost, or has a scheme of
// an app's own: a scheme with a dot (RFC 8252 section 7.1), or any other that stands before a host, such as
// cursor://anysphere.cursor-mcp/oauth/callback. It is absolute, has at most [MaxBytes] bytes, and no
// fragment, user information or pattern.
func Check(uri string) error {
	_, err := split(uri)
	return err
}

// Match reports whether uri is one of the registered URIs: as text, and with any port where that one is http
// to 127.0.0.1, to [::1] or to localhost, whether or not it was registered with a port. One of these names
// never stands for another. A URI that [Check] refuses matches nothing.
func Match(registered []string, uri string) bool {
	p, err := split(uri)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(registered, func(r string) bool {
		if r == uri {
			return true
		}
		q, err := split(r)
		return err == nil && p.isLoopback() && q.isLoopback() && p.host == q.host && p.rest == q.rest
	})
}

// IsLoopback reports whether uri leads to the user's own machine by http: any program there may listen to it.
func IsLoopback(uri string) bool {
	p, err := split(uri)
	return err == nil && p.isLoopback()
}

// IsApp reports whether uri has a scheme of an app's own: which program the system starts for it is not known.
func IsApp(uri string) bool {
	p, err := split(uri)
	return err == nil && !p.isWeb()
}

// Host returns the host of an https or http URI with its port, if it has one, as it stands in the URI; or ""
// for other URIs.
func Host(uri string) string {
	p, err := split(uri)
	switch {
	case err != nil || !p.isWeb():
		return ""
	case p.port == "":
		return p.host
	}
	return p.host + ":" + p.port
}

// Shown returns where uri leads, for people: the host as [Host] returns it, or the scheme of an app.
func Shown(uri string) string {
	p, err := split(uri)
	if err != nil {
		return ""
	}
	if !p.isWeb() {
		return p.scheme
	}
	return Host(uri)
}

// Source returns the source expression by which the directive form-action of a Content-Security-Policy lets
// the answer to a form lead to uri (CSP Level 3 section 2.3.1): the origin, or the scheme alone where the
// grammar of sources cannot write the host. It returns "" for a URI that [Check] refuses.
func Source(uri string) string {
	p, err := split(uri)
	if err != nil {
		return ""
	}
	if !p.isWeb() || p.host != "127.0.0.1" && !isSourceHost(p.host) {
		return strings.ToLower(p.scheme) + ":"
	}
	return p.scheme + "://" + Host(uri)
}

// With returns uri with further parameters in its query, which is otherwise kept (OAuth 2.1 section 2.3.1).
func With(uri string, parameters url.Values) string {
	separator := "?"
	if _, query, has := strings.Cut(uri, "?"); has {
		separator = "&"
		if query == "" || strings.HasSuffix(query, "&") {
			separator = ""
		}
	}
	return uri + separator + parameters.Encode()
}
