package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// Decode stores the verified claims in the value that v points to, as
// [json.Unmarshal] would but for three things: member names match exactly,
// without folding case, at every depth; numbers in an any are [json.Number], so
// that a 64-bit ID stays what it was; and what is read are the very bytes that
// were verified. It returns an error if v is no pointer or a claim does not fit
// its field.
func (p *Principal) Decode(v any) error {
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

// exact returns value without the members that encoding/json could only match to
// a field of t by folding case.
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
		_ = strictjson.Array(value, func(element string) error { // verified claims
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

// exactMembers writes the members whose name has a type.
func exactMembers(b *strings.Builder, object string, typeOf func(name string) reflect.Type) {
	b.WriteByte('{')
	_ = strictjson.Object(object, func(name, value string) error { // verified claims
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

// fieldTypes returns the type of each field of struct t by its name in JSON.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type)
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && f.Tag.Get("json") != "-" && flattened(t, f.Index) {
			fields[jsonName(f)] = f.Type
		}
	}
	return fields
}

// flattened reports whether the field at index of t is written among the members
// of t itself: no struct on the way to it has a name of its own.
func flattened(t reflect.Type, index []int) bool {
	for i := 1; i < len(index); i++ {
		if name, _, _ := strings.Cut(t.FieldByIndex(index[:i]).Tag.Get("json"), ","); name != "" {
			return false
		}
	}
	return true
}

func jsonName(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	return f.Name
}
