// Package phc reads and writes encoded password hashes of the form
// $id$params$salt$digest, the PHC string format and the close relatives that
// other libraries write. It takes text apart and says nothing of what a
// parameter means. One string has one reading: what [Parse] accepts,
// [Hash.String] gives back byte for byte.
package phc

import (
	"errors"
	"strings"
)

// The bounds on what [Parse] accepts. The longest string in use, an Argon2 hash
// with a 64-byte salt and a 64-byte digest, has 225 bytes.
const (
	MaxLength = 512 // bytes of the whole string
	MaxParams = 8
	maxName   = 32 // bytes of an ID or a parameter's name
)

// Hash is an encoded password hash taken apart. Salt, Digest and the values are
// text as it stands in the string, of letters, digits and "/+.-".
type Hash struct {
	ID      string  // letters in lower case, digits and "-"
	Version string  // of a segment v=…, a decimal number; empty: there is none
	Params  []Param // in the string's order, at least one
	Salt    string  // not empty
	Digest  string  // not empty
}

// Param is one parameter. Some formats write bare values: there Name is empty.
type Param struct{ Name, Value string }

var (
	errLength   = errors.New("phc: longer than any known hash")
	errSegments = errors.New("phc: not of the form $id$params$salt$digest")
	errVersion  = errors.New("phc: the version is not a number")
	errParams   = errors.New("phc: malformed parameter")
	errText     = errors.New("phc: salt or digest is empty or has a foreign character")
)

// Parse takes an encoded hash apart. Its errors say what is wrong and hold
// nothing of the string.
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

// Values returns the parameters' values if the parameters are exactly those
// named, in this order; an empty name stands for a bare value.
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

// Number reads a decimal number from 0 to limit, which is at most 2^31-1, in its
// one spelling: no sign, no leading zero, no space.
func Number(text string, limit int) (n int, ok bool) {
	if text == "" || len(text) > 10 || text[0] == '0' && len(text) > 1 {
		return 0, false
	}
	var sum int64 // ten digits fit
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

func isText(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '/' || c == '+' || c == '.' || c == '-') {
			return false
		}
	}
	return s != ""
}
