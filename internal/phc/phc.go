// Package phc reads and writes encoded password hashes of the form $id$params$salt$digest: the PHC
// string format, and similar formats of other libraries. It splits the text and does not interpret
// the parameters. For each string that [Parse] accepts, [Hash.String] returns the same bytes.
package phc

import (
	"errors"
	"strings"
)

// Bounds on the strings that [Parse] accepts. The longest string in use, an Argon2 hash with a salt
// and a digest of 64 bytes each, has 225 bytes.
const (
	MaxLength = 512 // length of the whole string in bytes
	MaxParams = 8   // number of parameters
	maxName   = 32  // length of an ID or of the name of a parameter in bytes
)

// Hash holds the parts of an encoded password hash. Salt, Digest and the values of parameters are
// not decoded: they have letters, digits and "/+.-".
type Hash struct {
	ID      string  // lower-case letters, digits and "-"
	Version string  // decimal number of the segment v=…; empty if there is no such segment
	Params  []Param // never empty, in the order of the string
	Salt    string  // not empty
	Digest  string  // not empty
}

// Param is one parameter. Some formats write values without names; then Name is empty.
type Param struct{ Name, Value string }

var (
	errLength   = errors.New("phc: the hash is longer than 512 bytes")
	errSegments = errors.New("phc: the hash does not have the form $id$params$salt$digest")
	errVersion  = errors.New("phc: the version is not a number")
	errParams   = errors.New("phc: a parameter is malformed")
	errText     = errors.New("phc: salt or digest is empty or has a character outside the alphabet")
)

// Parse returns the parts of an encoded hash. Its errors contain no text of the hash.
func Parse(encoded string) (h Hash, err error) {
	if len(encoded) > MaxLength {
		return Hash{}, errLength
	}
	dollars := strings.Count(encoded, "$")
	start, rest, _ := strings.Cut(encoded, "$")
	h.ID, rest, _ = strings.Cut(rest, "$")
	if dollars != 4 && dollars != 5 || start != "" || !isName(h.ID) {
		return Hash{}, errSegments
	}
	if dollars == 5 {
		var segment string
		segment, rest, _ = strings.Cut(rest, "$")
		version, ok := strings.CutPrefix(segment, "v=")
		if _, number := Number(version, 1<<31-1); !ok || !number {
			return Hash{}, errVersion
		}
		h.Version = version
	}
	params, rest, _ := strings.Cut(rest, "$")
	h.Salt, h.Digest, _ = strings.Cut(rest, "$")
	if !isText(h.Salt) || !isText(h.Digest) {
		return Hash{}, errText
	}
	h.Params = make([]Param, 0, 4)
	for text := range strings.SplitSeq(params, ",") {
		name, value, named := strings.Cut(text, "=")
		if !named {
			name, value = "", text
		}
		if len(h.Params) == MaxParams || named && !isName(name) || !isText(value) {
			return Hash{}, errParams
		}
		h.Params = append(h.Params, Param{name, value})
	}
	return h, nil
}

// ErrWhiteSpace is the error of [Unpad].
var ErrWhiteSpace = errors.New("the hash ends in a line break or a tab; trim it before you load it")

// Unpad returns an encoded hash without the spaces with which a database pads a column of type CHAR.
// If the rest ends in a line break or a tab, it also returns [ErrWhiteSpace].
func Unpad(encoded string) (string, error) {
	encoded = strings.TrimRight(encoded, " ")
	if strings.TrimRight(encoded, "\t\n\r") != encoded {
		return encoded, ErrWhiteSpace
	}
	return encoded, nil
}

// String returns the encoded form.
func (h Hash) String() string {
	var b strings.Builder
	b.Grow(128)
	b.WriteString("$" + h.ID)
	if h.Version != "" {
		b.WriteString("$v=" + h.Version)
	}
	for i, p := range h.Params {
		if i == 0 {
			b.WriteByte('$')
		} else {
			b.WriteByte(',')
		}
		if p.Name != "" {
			b.WriteString(p.Name + "=")
		}
		b.WriteString(p.Value)
	}
	b.WriteString("$" + h.Salt + "$" + h.Digest)
	return b.String()
}

// Values returns the values of the parameters if their names are exactly these, in this order. An
// empty name stands for a value without a name.
func (h Hash) Values(names ...string) (values []string, ok bool) {
	if len(h.Params) != len(names) {
		return nil, false
	}
	values = make([]string, len(names))
	for i, p := range h.Params {
		if p.Name != names[i] {
			return nil, false
		}
		values[i] = p.Value
	}
	return values, true
}

// Number reads a decimal number from 0 to limit, which is at most 2^31-1. A sign, a leading zero or
// a space is refused, so that each number has one spelling.
func Number(text string, limit int) (n int, ok bool) {
	if text == "" || len(text) > 10 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	var sum int64 // holds any number of ten digits
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		sum = sum*10 + int64(c-'0')
	}
	if sum > int64(limit) {
		return 0, false
	}
	return int(sum), true
}

// isName reports whether s may be an ID or the name of a parameter.
func isName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// isText reports whether s may be a salt, a digest or a value.
func isText(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '/' || c == '+' || c == '.' || c == '-') {
			return false
		}
	}
	return s != ""
}
