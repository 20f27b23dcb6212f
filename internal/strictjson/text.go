package strictjson

import (
	"strings"
	"unicode/utf8"
)

// plain marks the ASCII characters that need no escape in a JSON string. Most strings have no
// others.
var plain = func() (table [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// plainLen returns the number of plain bytes at the beginning of s.
func plainLen(s string) int {
	for i := range len(s) {
		if !plain[s[i]] {
			return i
		}
	}
	return len(s)
}

// Text returns the string that value stands for, and false if value is not a string. The value is a
// text that [Object] or [Array] has handed out.
func Text(value string) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if strings.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], true // Object or Array has checked it
	}
	sc := scanner{s: value}
	s, err := sc.text()
	return s, err == nil && sc.i == len(value)
}

// AppendText appends s to dst as a JSON string. It returns [ErrEncoding] if s is not valid UTF-8:
// with replacement characters, two different subjects would become equal.
func AppendText(dst []byte, s string) ([]byte, error) {
	const hex = "0123456789abcdef"
	start := len(dst)
	dst = append(dst, '"')
	n := plainLen(s)
	dst = append(dst, s[:n]...)
	if n < len(s) && !utf8.ValidString(s[n:]) {
		return dst[:start], ErrEncoding
	}
	for ; n < len(s); n++ {
		switch c := s[n]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"'), nil
}
