package problem

import "strings"

// Challenge returns a WWW-Authenticate header (RFC 6750 section 3). The caller has checked its parts, so
// that none needs escaping.
func Challenge(realm, metadata, code, parameter string) string {
	c := `Bearer realm="` + realm + `"`
	if code != "" {
		c += `, error="` + code + `"`
	}
	if parameter != "" {
		c += ", " + parameter
	}
	if metadata != "" {
		c += `, resource_metadata="` + metadata + `"` // RFC 9728 section 5.1
	}
	return c
}

// IsQuotable reports whether s can stand in a quoted-string without escapes.
func IsQuotable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// IsToken reports whether s is a token of RFC 9110 section 5.6.2: a possible name of a scheme or a cookie.
func IsToken(s string) bool {
	for i := range len(s) {
		if !IsTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// IsTokenChar reports whether c can stand in a token.
func IsTokenChar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
