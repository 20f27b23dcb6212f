package jwt

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// Decode stores the verified claims in the value that v points to. It does what [json.Unmarshal] does,
// except that member names must match exactly, without folding case, at every depth, and that numbers
// in an any are [json.Number], so that a 64-bit ID keeps its value. It reads the very bytes that were
// verified. It returns an error if v is not a pointer, or if a claim does not fit its field.
//
// A type with an UnmarshalJSON method decides itself how it compares names. It gets no member whose
// name equals one of its fields but for case. It returns an error if two members that are left for
// such a type differ in case only.
func (p *Principal) Decode(v any) error {
	if p == nil || p.payload == "" {
		return errors.New("auth: Decode needs a verified Principal")
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return errors.New("auth: Decode needs a non-nil pointer")
	}
	var text strings.Builder
	if err := writeExact(&text, place{target.Type(), target}, p.payload); err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(text.String()))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("auth: decode claims: %w", err)
	}
	return nil
}

// Decode returns the verified claims of p as a T: see [Principal.Decode].
func Decode[T any](p *Principal) (T, error) {
	var v T
	err := p.Decode(&v)
	return v, err
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// place is where a value will be decoded to: a type, and what is there now, which is not valid if
// encoding/json will make a new value.
type place struct {
	t   reflect.Type
	now reflect.Value
}

// maxIndirect bounds the pointers that are followed: a cycle of them has no end.
const maxIndirect = 100

// resolve follows pointers as encoding/json does: also one that is in an interface already. custom
// reports whether a type on the way reads JSON itself.
func (p place) resolve() (_ place, custom bool) {
	for range maxIndirect {
		custom = custom || reflect.PointerTo(p.t).Implements(unmarshaler)
		switch {
		case p.t.Kind() == reflect.Pointer:
			p.t = p.t.Elem()
			if p.now.IsValid() {
				p.now = p.now.Elem() // not valid for a nil pointer
			}
		case p.t.Kind() == reflect.Interface && p.now.IsValid() && p.now.Elem().Kind() == reflect.Pointer && !p.now.Elem().IsNil():
			p.now = p.now.Elem()
			p.t = p.now.Type()
		default:
			return p, custom
		}
	}
	return place{reflect.TypeFor[any](), reflect.Value{}}, custom
}

// element returns the place of element i of an array or slice. encoding/json reuses the elements of a
// slice up to its capacity.
func (p place) element(i int) place {
	to := place{t: p.t.Elem()}
	switch {
	case !p.now.IsValid():
	case p.t.Kind() == reflect.Array && i < p.now.Len():
		to.now = p.now.Index(i)
	case p.t.Kind() == reflect.Slice && i < p.now.Cap():
		to.now = p.now.Slice(0, p.now.Cap()).Index(i)
	}
	return to
}

// writeExact writes value without the members that encoding/json could match to a field only by
// folding case.
func writeExact(b *strings.Builder, to place, value string) error {
	to, custom := to.resolve()
	kind := to.t.Kind()
	switch open := value[0]; {
	case to.t == reflect.TypeFor[json.RawMessage](): // keeps the bytes
	case kind == reflect.Struct && open == '{':
		return writeFields(b, to, value, custom)
	case custom:
		if err := checkTwins(value); err != nil {
			return err
		}
	case kind == reflect.Map && open == '{':
		return writeMembers(b, value, func(string) (place, bool, error) { return place{t: to.t.Elem()}, true, nil })
	case (kind == reflect.Slice || kind == reflect.Array) && open == '[':
		return writeElements(b, to, value)
	}
	b.WriteString(value)
	return nil
}

// writeElements writes the elements of an array.
func writeElements(b *strings.Builder, to place, array string) error {
	b.WriteByte('[')
	i := 0
	err := strictjson.Array(array, func(element string) error {
		if i > 0 {
			b.WriteByte(',')
		}
		i++
		return writeExact(b, to.element(i-1), element)
	})
	b.WriteByte(']')
	return err
}

// writeMembers writes the members of an object that have a place.
func writeMembers(b *strings.Builder, object string, placeOf func(name string) (to place, ok bool, err error)) error {
	b.WriteByte('{')
	separator := ""
	err := strictjson.Object(object, func(name, value string) error {
		to, ok, err := placeOf(name)
		if err != nil || !ok {
			return err
		}
		b.WriteString(separator)
		separator = ","
		text, _ := strictjson.AppendText(nil, name) // no error: name is valid UTF-8
		b.Write(text)
		b.WriteByte(':')
		return writeExact(b, to, value)
	})
	b.WriteByte('}')
	return err
}

// writeFields writes the members of an object that are fields of a struct. A struct that reads JSON
// itself may know other names: it also gets the members that no reader takes for a field or for
// another member.
func writeFields(b *strings.Builder, to place, object string, custom bool) error {
	fields := fieldsOf(to.t)
	seen := map[string]bool{} // members that are no fields
	return writeMembers(b, object, func(name string) (place, bool, error) {
		if f := fields[name]; f.t != nil || !custom {
			return f.in(to), f.t != nil, nil
		}
		key := foldCase(name)
		for field := range fields {
			if foldCase(field) == key {
				return place{}, false, nil
			}
		}
		if seen[key] {
			return place{}, false, twinsError(name)
		}
		seen[key] = true
		return place{t: opaque}, true, nil
	})
}

// opaque stands for the type of a member of which only a type that reads JSON itself knows what it
// is.
var opaque = reflect.TypeFor[opaqueValue]()

type opaqueValue struct{}

func (*opaqueValue) UnmarshalJSON([]byte) error { return nil }

// checkTwins returns an error if two members of an object in value have names that differ in case
// only.
func checkTwins(value string) error {
	switch value[0] {
	case '[':
		return strictjson.Array(value, checkTwins)
	case '{':
		seen := map[string]bool{}
		return strictjson.Object(value, func(name, value string) error {
			key := foldCase(name)
			if seen[key] {
				return twinsError(name)
			}
			seen[key] = true
			return checkTwins(value)
		})
	}
	return nil
}

func twinsError(name string) error {
	return fmt.Errorf("auth: decode claims: %.100q and another member differ in case only, and go to a type with an UnmarshalJSON method", name)
}

// foldCase returns one text for all texts that are equal under Unicode's simple case folding, which
// encoding/json uses.
func foldCase(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}

// field is where a member of a struct is decoded to. Its type is nil if the name is ambiguous.
type field struct {
	t     reflect.Type
	index []int // as of reflect.StructField, from the outermost struct on
}

// in returns the place of the field in a struct. It is new if it is in an embedded struct that is nil.
func (f field) in(to place) place {
	now := to.now
	for _, i := range f.index {
		if now.IsValid() && now.Kind() == reflect.Pointer {
			now = now.Elem()
		}
		if now.IsValid() {
			now = now.Field(i)
		}
	}
	return place{f.t, now}
}

// fieldsOf returns each field of struct t by its name in JSON, by the rules of
// encoding/json. Fields of embedded structs count, level by level: a name hides the same name further
// down, a tagged name hides an untagged one, and a name that occurs twice on one level is no field. A
// field that Go itself hides still counts if its name in JSON differs.
func fieldsOf(t reflect.Type) map[string]field {
	fields := make(map[string]field)
	seen := make(map[reflect.Type]bool)
	for level := []field{{t: t}}; len(level) > 0; {
		var below []field
		tagged, untagged := make(map[string]field), make(map[string]field)
		for _, s := range level {
			if seen[s.t] {
				continue
			}
			seen[s.t] = true
			for f := range s.t.Fields() {
				index := slices.Concat(s.index, f.Index)
				tag := f.Tag.Get("json")
				name, _, _ := strings.Cut(tag, ",")
				inner, isStruct := embedded(f)
				switch {
				case tag == "-", !f.IsExported() && !isStruct:
				case name != "":
					addField(tagged, name, field{f.Type, index})
				case isStruct:
					below = append(below, field{inner, index})
				default:
					addField(untagged, f.Name, field{f.Type, index})
				}
			}
		}
		for _, found := range []map[string]field{tagged, untagged} {
			for name, f := range found {
				if _, hidden := fields[name]; !hidden {
					fields[name] = f
				}
			}
		}
		level = below
	}
	return fields
}

func addField(fields map[string]field, name string, f field) {
	if _, twice := fields[name]; twice {
		f = field{}
	}
	fields[name] = f
}

// embedded returns the struct that f embeds, directly or by a pointer.
func embedded(f reflect.StructField) (t reflect.Type, ok bool) {
	t = f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, f.Anonymous && t.Kind() == reflect.Struct
}
