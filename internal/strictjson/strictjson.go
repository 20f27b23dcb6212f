// Package strictjson reads JSON (RFC 8259) as security tokens need it. A text is one complete value
// in valid UTF-8. Names are compared byte for byte, and each name occurs once in its object (RFC
// 7519 section 4): two parsers could otherwise read different claims from one token. Depth and
// number of values are bounded. Invalid input is refused, never repaired.
//
// The package works on strings and returns parts of them, so a value without escapes costs no
// allocation.
package strictjson

import (
	"errors"
)

// Bounds of one text. They are far above what tokens and keys need, and limit the work for hostile
// input (CWE-400).
const (
	MaxDepth  = 16   // nested arrays and objects
	MaxValues = 4096 // values and member names together
)

// The faults of a text. No error contains any of it.
var (
	ErrSyntax    = errors.New("strictjson: the text is not one complete JSON value of the expected kind")
	ErrEncoding  = errors.New("strictjson: the text has invalid UTF-8 or a lone surrogate")
	ErrDuplicate = errors.New("strictjson: an object has a duplicate member name")
	ErrTooLarge  = errors.New("strictjson: the text is nested too deeply or has too many values")
)

// Object reads a text that is one object. It calls member for each of its members in order, with
// the decoded name and the exact text of the value. This value was checked to its last byte, but
// the rest of s was not, so the caller must not act on it before Object has returned nil. If member
// returns an error, Object stops and returns it.
func Object(s string, member func(name, value string) error) error {
	sc := scanner{s: s, left: MaxValues}
	sc.space()
	if sc.peek() != '{' {
		return ErrSyntax
	}
	if err := sc.object(1, member); err != nil {
		return err
	}
	return sc.end()
}

// Array reads a text that is one array. It calls element for each of its elements in order, with
// the exact text, under the same rules as [Object].
func Array(s string, element func(value string) error) error {
	sc := scanner{s: s, left: MaxValues}
	sc.space()
	if sc.peek() != '[' {
		return ErrSyntax
	}
	if err := sc.array(1, element); err != nil {
		return err
	}
	return sc.end()
}

// Elements reads a text that is one object, of which one member is an array. It calls element for each
// element of that array in order, and reports whether there is such a member. An element is found by its
// brackets and strings alone: whatever else is wrong with it is for the caller to find, who checks each of
// them. Elements checks all of s around them, as [Object] does, and the caller must not act on an element
// before Elements has returned nil. If element returns an error, Elements stops and returns it.
func Elements(s, name string, element func(text string) error) (found bool, err error) {
	sc := scanner{s: s, left: MaxValues, loose: name, element: element}
	sc.space()
	if sc.peek() != '{' {
		return false, ErrSyntax
	}
	err = sc.object(1, func(member, _ string) error {
		found = found || member == name
		return nil
	})
	if err == nil {
		err = sc.end()
	}
	return found && err == nil, err
}

// Valid returns nil if s is one complete JSON value that keeps the rules inside depth arrays and
// objects around it.
func Valid(s string, depth int) error {
	sc := scanner{s: s, left: MaxValues}
	sc.space()
	if err := sc.value(depth); err != nil {
		return err
	}
	return sc.end()
}

// scanner reads s from the byte i on.
type scanner struct {
	s    string
	i    int
	left int // number of values that may still follow

	loose   string             // for Elements: name of the array whose elements are not checked
	element func(string) error // for Elements
}

func (sc *scanner) peek() byte {
	if sc.i < len(sc.s) {
		return sc.s[sc.i]
	}
	return 0 // NUL begins no token of the grammar
}

func (sc *scanner) space() {
	for sc.i < len(sc.s) {
		switch sc.s[sc.i] {
		case ' ', '\t', '\n', '\r':
			sc.i++
		default:
			return
		}
	}
}

func (sc *scanner) end() error {
	sc.space()
	if sc.i != len(sc.s) {
		return ErrSyntax
	}
	return nil
}

// value moves past the value that begins here. depth is the number of arrays and objects around it.
func (sc *scanner) value(depth int) error {
	if sc.left--; sc.left < 0 {
		return ErrTooLarge
	}
	switch c := sc.peek(); {
	case c == '"':
		_, err := sc.text()
		return err
	case c == '{':
		return sc.object(depth+1, nil)
	case c == '[':
		return sc.array(depth+1, nil)
	case c == '-' || '0' <= c && c <= '9':
		return sc.number()
	case c == 't':
		return sc.literal("true")
	case c == 'f':
		return sc.literal("false")
	case c == 'n':
		return sc.literal("null")
	}
	return ErrSyntax
}

func (sc *scanner) literal(word string) error {
	if len(sc.s)-sc.i < len(word) || sc.s[sc.i:sc.i+len(word)] != word {
		return ErrSyntax
	}
	sc.i += len(word)
	return nil
}

func (sc *scanner) number() error {
	if sc.peek() == '-' {
		sc.i++
	}
	if sc.peek() == '0' {
		sc.i++
	} else if !sc.digits() {
		return ErrSyntax
	}
	if sc.peek() == '.' {
		sc.i++
		if !sc.digits() {
			return ErrSyntax
		}
	}
	if c := sc.peek(); c == 'e' || c == 'E' {
		sc.i++
		if c := sc.peek(); c == '+' || c == '-' {
			sc.i++
		}
		if !sc.digits() {
			return ErrSyntax
		}
	}
	return nil
}

func (sc *scanner) digits() bool {
	start := sc.i
	for c := sc.peek(); '0' <= c && c <= '9'; c = sc.peek() {
		sc.i++
	}
	return sc.i > start
}

// unchecked is the depth of an array whose elements are skipped, for [Elements].
const unchecked = 0

func (sc *scanner) array(depth int, element func(string) error) error {
	if depth > MaxDepth {
		return ErrTooLarge
	}
	sc.i++ // [
	sc.space()
	if sc.peek() == ']' {
		sc.i++
		return nil
	}
	for {
		start := sc.i
		var err error
		if depth == unchecked {
			err = sc.skip()
		} else {
			err = sc.value(depth)
		}
		if err != nil {
			return err
		}
		if element != nil {
			if err := element(sc.s[start:sc.i]); err != nil {
				return err
			}
		}
		sc.space()
		switch sc.peek() {
		case ',':
			sc.i++
			sc.space()
		case ']':
			sc.i++
			return nil
		default:
			return ErrSyntax
		}
	}
}

// skip moves past the element that begins here, without checking it.
func (sc *scanner) skip() error {
	if sc.left--; sc.left < 0 {
		return ErrTooLarge
	}
	start, depth, quoted := sc.i, 0, false
	for ; sc.i < len(sc.s); sc.i++ {
		switch c := sc.s[sc.i]; {
		case quoted && c == '\\':
			sc.i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			if sc.i == start {
				return ErrSyntax
			}
			return nil
		case depth == 0 && c == '}':
			return ErrSyntax
		case c == '}' || c == ']':
			depth--
		}
	}
	return ErrSyntax
}

func (sc *scanner) object(depth int, member func(name, value string) error) error {
	if depth > MaxDepth {
		return ErrTooLarge
	}
	sc.i++ // {
	sc.space()
	if sc.peek() == '}' {
		sc.i++
		return nil
	}
	var seen names
	for {
		if sc.left--; sc.left < 0 {
			return ErrTooLarge
		}
		name, err := sc.text()
		if err != nil {
			return err
		}
		if !seen.add(name) {
			return ErrDuplicate
		}
		sc.space()
		if sc.peek() != ':' {
			return ErrSyntax
		}
		sc.i++
		sc.space()
		start := sc.i
		if depth == 1 && sc.element != nil && name == sc.loose {
			if err = ErrSyntax; sc.peek() == '[' {
				err = sc.array(unchecked, sc.element)
			}
		} else {
			err = sc.value(depth)
		}
		if err != nil {
			return err
		}
		if member != nil {
			if err := member(name, sc.s[start:sc.i]); err != nil {
				return err
			}
		}
		sc.space()
		switch sc.peek() {
		case ',':
			sc.i++
			sc.space()
		case '}':
			sc.i++
			return nil
		default:
			return ErrSyntax
		}
	}
}

// names is the set of the names of one object. The first 16 names are kept in an array. A new name
// is compared with them only if one has the same mark, which is a small hash. Further names are
// kept in a map, because comparing each with each would take quadratic time for hostile input.
type names struct {
	few   [16]string
	n     int
	marks uint64 // one bit for each name; two names may have the same
	many  map[string]struct{}
}

// add adds a name, and reports whether it is new.
func (s *names) add(name string) bool {
	if s.many == nil && s.n < len(s.few) {
		mark := uint64(len(name))
		if name != "" {
			mark += uint64(name[0])*4 + uint64(name[len(name)-1])*7
		}
		if mark = 1 << (mark % 64); s.marks&mark != 0 {
			for _, x := range s.few[:s.n] {
				if x == name {
					return false
				}
			}
		}
		s.marks |= mark
		s.few[s.n] = name
		s.n++
		return true
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, 2*len(s.few))
		for _, x := range s.few {
			s.many[x] = struct{}{}
		}
	}
	if _, ok := s.many[name]; ok {
		return false
	}
	s.many[name] = struct{}{}
	return true
}
