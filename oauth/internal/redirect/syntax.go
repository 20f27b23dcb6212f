package redirect

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// split returns the parts of a URI that may be registered, or why it may not.
func split(uri string) (*parts, error) {
	switch {
	case uri == "":
		return nil, errEmpty
	case len(uri) > MaxBytes:
		return nil, errLong
	case strings.ContainsFunc(uri, isForeign) || !hasGoodEscapes(uri):
		return nil, errCharacter
	}
	scheme, rest, found := strings.Cut(uri, ":")
	if !found || !isScheme(scheme) {
		return nil, errRelative
	}
	if slices.Contains(forbidden, strings.ToLower(scheme)) {
		return nil, errScheme
	}
	switch {
	case strings.Contains(uri, "#"):
		return nil, errFragment
	case strings.Contains(uri, "*"):
		return nil, errPattern
	case hasAnswer(rest):
		return nil, errAnswer
	}
	p := &parts{scheme: scheme, rest: rest}
	if after, found := strings.CutPrefix(rest, "//"); found {
		p.hasAuthority = true
		if err := p.authority(after); err != nil {
			return nil, err
		}
	}
	switch scheme {
	case "https", "http":
		if !isHost(p.host) {
			return nil, errHost
		}
		if scheme == "http" && !p.isLoopback() {
			return nil, errPlain
		}
		return p, nil
	}
	switch isNamed := strings.Contains(scheme, "."); {
	case strings.EqualFold(scheme, "https"), strings.EqualFold(scheme, "http"):
		return nil, errScheme // another spelling, which the rules of the web would apply to all the same
	case !isNamed && p.host == "":
		return nil, errDot
	case !p.hasAuthority && !strings.HasPrefix(rest, "/"):
		return nil, errRelative // RFC 8252 section 7.1 has a slash after the scheme
	case p.host == "" && p.port != "":
		return nil, errHost
	}
	return p, nil
}

// authority reads host and port from the text after "//".
func (p *parts) authority(after string) error {
	authority := after
	if i := strings.IndexAny(after, "/?"); i >= 0 {
		authority = after[:i]
	}
	p.rest = after[len(authority):]
	if strings.Contains(authority, "@") {
		return errUser
	}
	p.host = authority
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		p.host, p.port = authority[:i], authority[i+1:]
		if n, err := strconv.ParseUint(p.port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != p.port {
			return errPort
		}
	}
	if strings.ContainsAny(p.host, "%:[]") && !isIPv6(p.host) {
		return errHost
	}
	return nil
}

// isForeign reports whether a URI never has c: RFC 3986 appendix A. Browsers read some of these characters
// in ways of their own, such as a backslash as a slash.
func isForeign(c rune) bool {
	return c <= ' ' || c > '~' || strings.ContainsRune("\"<>\\^`{|}", c)
}

// hasGoodEscapes reports whether each percent sign begins an octet, and none of the octets is a control
// character.
func hasGoodEscapes(uri string) bool {
	for {
		_, after, found := strings.Cut(uri, "%")
		if !found {
			return true
		}
		if len(after) < 2 {
			return false
		}
		if octet, err := strconv.ParseUint(after[:2], 16, 8); err != nil || octet < ' ' || octet == 0x7f {
			return false
		}
		uri = after[2:]
	}
}

// isScheme reports whether s is a scheme of RFC 3986 section 3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
		case i > 0 && (isDigit(c) || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return s != ""
}

// hasAnswer reports whether the query of a URI has a parameter that an answer adds.
func hasAnswer(rest string) bool {
	_, query, _ := strings.Cut(rest, "?")
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || slices.Contains(answers, name) {
			return true
		}
	}
	return false
}

// isHost reports whether an https or http URI may have this host: a name or an address, written as most
// programs read them. A name whose last label is a number is read as an IPv4 address by browsers (WHATWG URL
// section 3.5), so it must be one in its usual spelling.
func isHost(host string) bool {
	if isIPv6(host) {
		addr := netip.MustParseAddr(host[1 : len(host)-1])
		return !addr.IsUnspecified() && !addr.Is4In6()
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	last := labels[len(labels)-1]
	if isDigit(last[0]) && (strings.Trim(last, "0123456789") == "" || strings.HasPrefix(strings.ToLower(last), "0x")) {
		addr, err := netip.ParseAddr(host)
		return err == nil && !addr.IsUnspecified()
	}
	return true
}

// isIPv6 reports whether host is an IPv6 address in brackets, without a zone.
func isIPv6(host string) bool {
	if len(host) < 2 || host[0] != '[' || host[len(host)-1] != ']' {
		return false
	}
	addr, err := netip.ParseAddr(host[1 : len(host)-1])
	return err == nil && addr.Is6() && addr.Zone() == ""
}

// isLabel reports whether s can stand between the dots of a host's name.
func isLabel(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// isSourceHost reports whether the grammar of a Content-Security-Policy has host, and browsers compare it
// (CSP Level 3 sections 2.3.1 and 6.7.2.9): it is a name without underscores, and no address.
func isSourceHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && !strings.ContainsAny(host, "_[") && !strings.HasSuffix(host, ".")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
