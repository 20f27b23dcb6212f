package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

func TestValid(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"empty object", `{}`, nil},
		{"space around", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", nil},
		{"escapes", `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, nil},
		{"numbers", `[0,-0,1.5,1e9,1E-9,-12.5e+3]`, nil},
		{"depth at bound", nested(strictjson.MaxDepth), nil},
		{"same name in two objects", `[{"a":1},{"a":1}]`, nil},
		{"names differ in case", `{"a":1,"A":2}`, nil},

		{"empty", ``, strictjson.ErrSyntax},
		{"BOM", "\ufeff{}", strictjson.ErrSyntax},
		{"two values", `{} {}`, strictjson.ErrSyntax},
		{"trailing comma", `{"a":1,}`, strictjson.ErrSyntax},
		{"trailing comma in array", `[1,]`, strictjson.ErrSyntax},
		{"comment", `{/**/}`, strictjson.ErrSyntax},
		{"single quotes", `{'a':1}`, strictjson.ErrSyntax},
		{"leading zero", `01`, strictjson.ErrSyntax},
		{"plus", `+1`, strictjson.ErrSyntax},
		{"bare point", `1.`, strictjson.ErrSyntax},
		{"bare exponent", `1e`, strictjson.ErrSyntax},
		{"NaN", `NaN`, strictjson.ErrSyntax},
		{"hex", `0x10`, strictjson.ErrSyntax},
		{"literal cut", `tru`, strictjson.ErrSyntax},
		{"literal in capitals", `True`, strictjson.ErrSyntax},
		{"raw newline in string", "\"a\nb\"", strictjson.ErrSyntax},
		{"raw newline after escape", "\"\\n\n\"", strictjson.ErrSyntax},
		{"unknown escape", `"\x41"`, strictjson.ErrSyntax},
		{"short escape", `"\u12"`, strictjson.ErrSyntax},
		{"open string", `"a`, strictjson.ErrSyntax},
		{"open string in escape", `"a\`, strictjson.ErrSyntax},
		{"NUL byte", "{}\x00", strictjson.ErrSyntax},

		{"invalid UTF-8", "\"\xff\"", strictjson.ErrEncoding},
		{"overlong UTF-8", "\"\xc0\xaf\"", strictjson.ErrEncoding},
		{"invalid UTF-8 after escape", "\"\\n\xff\"", strictjson.ErrEncoding},
		{"invalid UTF-8 in name", "{\"\xff\":1}", strictjson.ErrEncoding},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", strictjson.ErrEncoding},
		{"lone high surrogate", `"\ud800"`, strictjson.ErrEncoding},
		{"lone low surrogate", `"\udc00"`, strictjson.ErrEncoding},
		{"two high surrogates", `"\ud800\ud800"`, strictjson.ErrEncoding},

		{"duplicate", `{"a":1,"a":2}`, strictjson.ErrDuplicate},
		{"duplicate by escape", `{"a":1,"\u0061":2}`, strictjson.ErrDuplicate},
		{"duplicate inside", `{"x":[{"a":1,"a":1}]}`, strictjson.ErrDuplicate},
		{"duplicate among many", `{` + manyMembers(40) + `,"m39":0}`, strictjson.ErrDuplicate},
		{"duplicate of a few among many", `{` + manyMembers(40) + `,"m3":0}`, strictjson.ErrDuplicate},

		{"depth beyond bound", nested(strictjson.MaxDepth + 1), strictjson.ErrTooLarge},
		{"objects too deep", strings.Repeat(`{"a":`, strictjson.MaxDepth+1) + "1" + strings.Repeat("}", strictjson.MaxDepth+1), strictjson.ErrTooLarge},
		{"the most values", "[" + strings.Repeat("1,", 4093) + "1]", nil},
		{"many small arrays", "[" + strings.Repeat("[],", 5000) + "1]", strictjson.ErrTooLarge},
		{"too many values", "[" + strings.Repeat("1,", strictjson.MaxValues) + "1]", strictjson.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := strictjson.Valid(tt.text, 0); !errors.Is(err, tt.want) {
				t.Errorf("Valid(%.60q) = %v, want %v", tt.text, err, tt.want)
			}
		})
	}
}

func manyMembers(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"m%d":0`, i)
	}
	return strings.Join(members, ",")
}

func TestObject(t *testing.T) {
	t.Parallel()
	var got []string
	err := strictjson.Object(` {"a":1, "\u0062" : {"x" : [1, 2]} ,"c":"\"" } `, func(name, value string) error {
		got = append(got, name+"="+value)
		return nil
	})
	if want := `a=1|b={"x" : [1, 2]}|c="\""`; err != nil || strings.Join(got, "|") != want {
		t.Errorf("got %q, %v, want %q", strings.Join(got, "|"), err, want)
	}
	stop := errors.New("stop")
	if err := strictjson.Object(`{"a":1,"a":2}`, func(string, string) error { return stop }); err != stop {
		t.Errorf("got %v, want the error of the member function", err)
	}
	for _, s := range []string{`[]`, `"{}"`, `1`, `null`, ``} {
		if err := strictjson.Object(s, func(string, string) error { return nil }); !errors.Is(err, strictjson.ErrSyntax) {
			t.Errorf("Object(%q) = %v, want ErrSyntax", s, err)
		}
	}
}

func TestArray(t *testing.T) {
	t.Parallel()
	var got []string
	err := strictjson.Array(` [ "a" , {"b":[ ]}, 3 ] `, func(value string) error {
		got = append(got, value)
		return nil
	})
	if want := `"a"|{"b":[ ]}|3`; err != nil || strings.Join(got, "|") != want {
		t.Errorf("got %q, %v, want %q", strings.Join(got, "|"), err, want)
	}
	if err := strictjson.Array(`{}`, nil); !errors.Is(err, strictjson.ErrSyntax) {
		t.Errorf("Array of an object: got %v, want ErrSyntax", err)
	}
}

// Elements finds elements that break a rule, and none in a text that is no object with such an array.
func TestElements(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"keys":[]}`:       "",
		` {"keys" : [ ] } `: "",
		`{"a":{"keys":[1]},"keys":[{"b":[1]},"x,]\"]",2]}`:                           `{"b":[1]}|"x,]\"]"|2`,
		`{"keys":[{"a":1,"a":2},{"b":3}]}`:                                           `{"a":1,"a":2}|{"b":3}`,
		"{\"keys\":[{\"a\":\"\xff\"},{\"b\":3}]}":                                    "{\"a\":\"\xff\"}|{\"b\":3}",
		`{"keys":[{"a":"\ud800"},{"b":"\\"},3]}`:                                     `{"a":"\ud800"}|{"b":"\\"}|3`,
		`{"keys":[{"a":1,},{"b" 2},nul,01]}`:                                         `{"a":1,}|{"b" 2}|nul|01`,
		`{"keys":[` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `,3]}`: strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + "|3",
		`{"keys":[{` + manyMembers(5000) + `},3]}`:                                   "{" + manyMembers(5000) + "}|3",
	} {
		var got []string
		found, err := strictjson.Elements(text, "keys", func(element string) error {
			got = append(got, element)
			return nil
		})
		if !found || err != nil || strings.Join(got, "|") != want {
			t.Errorf("Elements(%.60q): got %.60q, %t, %v, want %.60q", text, strings.Join(got, "|"), found, err, want)
		}
	}
	for text, want := range map[string]error{
		`{"Keys":[1]}`:                           nil,
		`{"keys":[],"keys":[1]}`:                 strictjson.ErrDuplicate,
		`{"a":{"b":1,"b":1},"keys":[1]}`:         strictjson.ErrDuplicate,
		`{"keys":[` + strings.Repeat("1,", 5000): strictjson.ErrTooLarge,
		`{"keys":{}}`:                            strictjson.ErrSyntax, `{"keys":null}`: strictjson.ErrSyntax, `{"keys":[1,]}`: strictjson.ErrSyntax,
		`{"keys":[,1]}`: strictjson.ErrSyntax, `{"keys":[1}]`: strictjson.ErrSyntax, `{"keys":[1]`: strictjson.ErrSyntax,
		`{"keys":["]}`: strictjson.ErrSyntax, `{"keys":[{]}`: strictjson.ErrSyntax, `{"keys":[1]}x`: strictjson.ErrSyntax,
		`[{"keys":[1]}]`: strictjson.ErrSyntax, `{"keys":["\`: strictjson.ErrSyntax, `{"keys":[1`: strictjson.ErrSyntax, ``: strictjson.ErrSyntax,
	} {
		found, err := strictjson.Elements(text, "keys", func(string) error { return nil })
		if found || !errors.Is(err, want) {
			t.Errorf("Elements(%.40q): %t, %v, want false, %v", text, found, err, want)
		}
	}
	stop := errors.New("stop")
	if _, err := strictjson.Elements(`{"keys":[1,`, "keys", func(string) error { return stop }); err != stop {
		t.Errorf("got %v, want the error of the element function", err)
	}
}

func TestObjectAllocatesNothing(t *testing.T) {
	s := `{"iss":"https://issuer.test","sub":"u","aud":["a","b"],"exp":1800000900,"deep":{"x":[1,2,{"y":null}]},"é":true}`
	var n int
	if got := testing.AllocsPerRun(100, func() {
		n = 0
		if err := strictjson.Object(s, func(name, value string) error { n += len(value); return nil }); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("Object allocates %v times, want 0", got)
	}
}

// Each text that Valid accepts is valid for encoding/json as well. A text that only encoding/json
// accepts breaks one of the stricter rules.
func FuzzValid(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2.5e3,"\ud83d\ude00"],"b":null}`, `{"a":1,"a":2}`, `[[[[]]]]`, "\"\xff\"", `"\ud800"`, `01`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := strictjson.Valid(s, 0)
		std := json.Valid([]byte(s))
		switch {
		case err == nil && !std:
			t.Fatalf("accepted %q, which is not JSON", s)
		case err == nil && !utf8.ValidString(s):
			t.Fatalf("accepted invalid UTF-8 %q", s)
		case errors.Is(err, strictjson.ErrSyntax) && std:
			t.Fatalf("refused %q with ErrSyntax, although it is JSON", s)
		}
		if err == nil {
			assertNoDuplicates(t, s)
		}
	})
}

// The elements that Elements finds in a text that keeps all rules are those that Array finds.
func FuzzElements(f *testing.F) {
	for _, s := range []string{`{"keys":[]}`, `{"a":[1],"keys":[{"b":"]\\"},[1,[2]],"\""]}`, `{"keys":[{"a":1,"a":2}]}`, `{"keys":[1]}}`, `{"keys":["\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got, want []string
		found, err := strictjson.Elements(s, "keys", func(element string) error {
			got = append(got, strings.TrimSpace(element))
			return nil
		})
		if strictjson.Valid(s, 0) != nil {
			return
		}
		array := false
		_ = strictjson.Object(s, func(name, value string) error {
			if name == "keys" {
				array = strictjson.Array(value, func(element string) error {
					want = append(want, element)
					return nil
				}) == nil
			}
			return nil
		})
		if err == nil && found != array || !slices.Equal(got, want) {
			t.Errorf("%q has the elements %q, %v, want %q", s, got, err, want)
		}
	})
}

// assertNoDuplicates fails if an object in s has a name twice, or if s has more than one value.
func assertNoDuplicates(t *testing.T, s string) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var walk func()
	walk = func() {
		tok, err := d.Token()
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		switch tok {
		case json.Delim('{'):
			seen := map[string]bool{}
			for d.More() {
				name, _ := d.Token()
				if seen[name.(string)] {
					t.Fatalf("accepted %q with a duplicate name", s)
				}
				seen[name.(string)] = true
				walk()
			}
			_, _ = d.Token()
		case json.Delim('['):
			for d.More() {
				walk()
			}
			_, _ = d.Token()
		}
	}
	walk()
	if _, err := d.Token(); err != io.EOF {
		t.Fatalf("accepted %q, which has more than one value", s)
	}
}

// Text and encoding/json read the output of AppendText as the original string.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a\"b\\c\x00\x1f\x7f", "é😀", "\xff", "x\":0,\"admin"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := strictjson.AppendText(nil, s)
		if !utf8.ValidString(s) {
			if !errors.Is(err, strictjson.ErrEncoding) {
				t.Fatalf("AppendText(%q) = %v, want ErrEncoding", s, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := strictjson.Text(string(b)); !ok || got != s {
			t.Fatalf("Text(%q) = %q, %v, want %q", b, got, ok, s)
		}
		var std string
		if err := json.Unmarshal(b, &std); err != nil || std != s {
			t.Fatalf("encoding/json reads %q as %q, %v", b, std, err)
		}
	})
}
