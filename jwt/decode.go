package jwt

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// Decode stores the verified claims in the value that v points to. It does what [json.Unmarshal] does,
// except that member names must match exactly, without folding case, at every depth, and that numbers
// in an any are [json.Number], so that a 64-bit ID keeps its value. It reads the very bytes that were
// verified. It returns an error if v is not a pointer, or if a claim does not fit its field.
func (p *Principal) Decode(v any) error {
	if p == nil || p.payload == "" {
		return errors.New("auth: Decode needs a verified Principal")
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return errors.New("auth: Decode needs a non-nil pointer")
	}
	d := json.NewDecoder(strings.NewReader(exact(target.Type().Elem(), p.payload)))
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

// exact returns value without the members that encoding/json could match to a field of t only by
// folding case.
func exact(t reflect.Type, value string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return value
	}
	var b strings.Builder
	switch open := value[0]; {
	case t.Kind() == reflect.Struct && open == '{':
		fields := fieldTypes(t)
		exactMembers(&b, value, func(name string) reflect.Type { return fields[name] })
	case t.Kind() == reflect.Map && open == '{':
		exactMembers(&b, value, func(string) reflect.Type { return t.Elem() })
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && open == '[':
		b.WriteByte('[')
		_ = strictjson.Array(value, func(element string) error { // cannot fail: the claims were verified
			if b.Len() > 1 {
				b.WriteByte(',')
			}
			b.WriteString(exact(t.Elem(), element))
			return nil
		})
		b.WriteByte(']')
	default:
		return value
	}
	return b.String()
}

// exactMembers writes the members whose names have a type.
func exactMembers(b *strings.Builder, object string, typeOf func(name string) reflect.Type) {
	b.WriteByte('{')
	_ = strictjson.Object(object, func(name, value string) error { // cannot fail: the claims were verified
		t := typeOf(name)
		if t == nil {
			return nil
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		text, _ := strictjson.AppendText(nil, name)
		b.Write(text)
		b.WriteByte(':')
		b.WriteString(exact(t, value))
		return nil
	})
	b.WriteByte('}')
}

// fieldTypes returns the type of each field of struct t by its name in JSON, by the rules of
// encoding/json. Fields of embedded structs count, level by level: a name hides the same name further
// down, a tagged name hides an untagged one, and a name that occurs twice on one level is no field. A
// field that Go itself hides still counts if its name in JSON differs.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type) // a nil type: the name is ambiguous
	seen := make(map[reflect.Type]bool)
	for level := []reflect.Type{t}; len(level) > 0; {
		var below []reflect.Type
		tagged, untagged := make(map[string]reflect.Type), make(map[string]reflect.Type)
		for _, s := range level {
			if seen[s] {
				continue
			}
			seen[s] = true
			for f := range s.Fields() {
				tag := f.Tag.Get("json")
				name, _, _ := strings.Cut(tag, ",")
				inner, isStruct := embedded(f)
				switch {
				case tag == "-", !f.IsExported() && !isStruct:
				case name != "":
					addField(tagged, name, f.Type)
				case isStruct:
					below = append(below, inner)
				default:
					addField(untagged, f.Name, f.Type)
				}
			}
		}
		for _, found := range []map[string]reflect.Type{tagged, untagged} {
			for name, t := range found {
				if _, hidden := fields[name]; !hidden {
					fields[name] = t
				}
			}
		}
		level = below
	}
	return fields
}

func addField(fields map[string]reflect.Type, name string, t reflect.Type) {
	if _, twice := fields[name]; twice {
		t = nil
	}
	fields[name] = t
}

// embedded returns the struct that f embeds, directly or by a pointer.
func embedded(f reflect.StructField) (t reflect.Type, ok bool) {
	t = f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, f.Anonymous && t.Kind() == reflect.Struct
}
