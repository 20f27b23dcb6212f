// Package cookies reads the Cookie header of a request, and checks what fits into a cookie.
package cookies

import (
	"iter"
	"net/http"
	"strings"
)

// Values returns the values of all cookies with a name, in the order of the header. It parses the
// header itself: net/http leaves out malformed cookies, which would then count as absent.
func Values(h http.Header, name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		const space = " \t\r\n"
		for _, field := range h["Cookie"] {
			for pair := range strings.SplitSeq(field, ";") {
				n, value, _ := strings.Cut(strings.Trim(pair, space), "=")
				if strings.TrimRight(n, space) == name && !yield(unquote(value)) {
					return
				}
			}
		}
	}
}

// unquote removes the quotes that a value may be in (RFC 6265 section 4.1.1).
func unquote(value string) string {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		return value[1 : n-1]
	}
	return value
}
