package fetch

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// maxURL bounds a URL. The draft recommends short ones, because they are shown to people.
const maxURL = 1024

// ports are those that a document may be at: that of https, and the other that hosts use for it. Any more
// would let anybody have the server look for open ports.
var ports = []string{"", "443", "8443"}

// The faults of a URL. Each text goes on behind "it".
var (
	errLong      = errors.New("is longer than 1024 bytes")
	errHTTPS     = errors.New("is not an https URL")
	errCharacter = errors.New("has a character that a URL does not have")
	errUser      = errors.New("has user information")
	errFragment  = errors.New("has a fragment")
	errPath      = errors.New("has no path")
	errDots      = errors.New("has dots as a segment of its path")
	errHost      = errors.New("has no host of the public net")
	errPort      = errors.New("has a port that is neither 443 nor 8443")
)

// target is where a document is.
type target struct {
	url  *url.URL
	host string // with the port
	name string // without it, and without brackets
	port string
}

// Check returns nil if a URL may be the address of a document, and otherwise an error whose text goes on
// behind "it". It looks up nothing. A document has an https URL with a path, without dot segments, fragment
// and user information ("Client Identifier" of the draft).
func (f *Fetcher) Check(text string) error {
	_, err := f.parse(text)
	return err
}

func (f *Fetcher) parse(text string) (*target, error) {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"<>\\^`{|}", c) }
	rest, isHTTPS := strings.CutPrefix(text, "https://")
	switch {
	case len(text) > maxURL:
		return nil, errLong
	case !isHTTPS:
		return nil, errHTTPS
	case strings.ContainsFunc(text, odd):
		return nil, errCharacter
	case strings.Contains(text, "#"):
		return nil, errFragment
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority = rest[:i]
	}
	switch {
	case strings.Contains(authority, "@"):
		return nil, errUser
	case strings.Contains(authority, "%"):
		return nil, errHost
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errCharacter
	}
	if !strings.HasPrefix(rest[len(authority):], "/") {
		return nil, errPath
	}
	for segment := range strings.SplitSeq(u.Path, "/") { // decoded: a server may decode it before it looks
		if segment == "." || segment == ".." {
			return nil, errDots
		}
	}
	t := &target{url: u, host: strings.ToLower(u.Host), name: strings.ToLower(u.Hostname()), port: u.Port()}
	switch {
	case strings.HasSuffix(u.Host, ":") || !f.anyPort && !slices.Contains(ports, t.port):
		return nil, errPort
	case !f.isHost(t.name):
		return nil, errHost
	}
	if t.port == "" {
		t.port = "443"
	}
	return t, nil
}

// isHost reports whether a host may be asked for: an address in its usual spelling, or a name with a dot. A
// name without one is the server's own network's. A name that ends in a number is how some programs write an
// IPv4 address.
func (f *Fetcher) isHost(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.String() == name && !a.Is4In6()
	}
	if strings.ContainsAny(name, ":[]*") || strings.Contains(name, "..") || strings.HasPrefix(name, ".") {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	last := labels[len(labels)-1]
	isNumber := strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x")
	return len(labels) > 1 && !isNumber || f.anyPort && name == "localhost"
}
