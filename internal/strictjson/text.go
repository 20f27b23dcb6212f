package strictjson

import "unicode/utf8"

// Text returns the string that value, a text handed out by this package, stands
// for, and false if it is no string.
func Text(value string) (string, bool) {
	sc := scanner{s: value}
	s, err := sc.text()
	return s, err == nil && sc.i == len(value)
}

// AppendText appends s to dst as a JSON string. It returns [ErrEncoding] if s is
// not valid UTF-8: a replacement character would make two subjects one.
func AppendText(dst []byte, s string) ([]byte, error) {
	const hex = "0123456789abcdef"
	if !utf8.ValidString(s) {
		return dst, ErrEncoding
	}
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c == 0x7f:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"'), nil
}
