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

// text moves past the string that begins here, and returns it decoded.
func (sc *scanner) text() (string, error) {
	if sc.peek() != '"' {
		return "", ErrSyntax
	}
	sc.i++
	start := sc.i
	sc.i += plainLen(sc.s[start:])
	for sc.i < len(sc.s) {
		switch c := sc.s[sc.i]; {
		case c == '"':
			sc.i++
			return sc.s[start : sc.i-1], nil
		case c == '\\':
			return sc.escaped(start)
		case c < 0x20:
			return "", ErrSyntax
		case c < utf8.RuneSelf:
			sc.i++
		default:
			r, size := utf8.DecodeRuneInString(sc.s[sc.i:])
			if r == utf8.RuneError && size == 1 {
				return "", ErrEncoding
			}
			sc.i += size
		}
	}
	return "", ErrSyntax
}

// escaped continues with a string from its first backslash. The string begins at start.
func (sc *scanner) escaped(start int) (string, error) {
	out := append(make([]byte, 0, 2*(sc.i-start)+16), sc.s[start:sc.i]...)
	for sc.i < len(sc.s) {
		switch c := sc.s[sc.i]; {
		case c == '"':
			sc.i++
			return string(out), nil
		case c == '\\':
			r, err := sc.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		case c < 0x20:
			return "", ErrSyntax
		case c < utf8.RuneSelf:
			out = append(out, c)
			sc.i++
		default:
			r, size := utf8.DecodeRuneInString(sc.s[sc.i:])
			if r == utf8.RuneError && size == 1 {
				return "", ErrEncoding
			}
			out = append(out, sc.s[sc.i:sc.i+size]...)
			sc.i += size
		}
	}
	return "", ErrSyntax
}

// escape reads one escape sequence, or the two that stand for one supplementary character. It
// refuses a lone surrogate, which stands for no character (RFC 8259 section 8.2): other parsers
// replace it, so that two different texts become equal.
func (sc *scanner) escape() (rune, error) {
	sc.i++ // backslash
	c := sc.peek()
	sc.i++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
	default:
		return 0, ErrSyntax
	}
	r, ok := sc.hex4()
	if !ok {
		return 0, ErrSyntax
	}
	switch {
	case r < 0xD800 || r > 0xDFFF:
		return r, nil
	case r > 0xDBFF || sc.literal(`\u`) != nil:
		return 0, ErrEncoding
	}
	low, ok := sc.hex4()
	if !ok {
		return 0, ErrSyntax
	}
	if low < 0xDC00 || low > 0xDFFF {
		return 0, ErrEncoding
	}
	return 0x10000 + (r-0xD800)<<10 + (low - 0xDC00), nil
}

func (sc *scanner) hex4() (r rune, ok bool) {
	if len(sc.s)-sc.i < 4 {
		return 0, false
	}
	for _, c := range []byte(sc.s[sc.i : sc.i+4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	sc.i += 4
	return r, true
}
