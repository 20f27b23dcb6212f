package phc_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/phc"
)

// good has encoded hashes of other libraries, with their parts.
var good = map[string]phc.Hash{
	"$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS": {
		ID:     "bcrypt-sha256",
		Params: []phc.Param{{Name: "v", Value: "2"}, {Name: "t", Value: "2b"}, {Name: "r", Value: "5"}},
		Salt:   "5Hg1DKFqPE8C2aflZ5vVoe", Digest: "wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS",
	},
	"$bcrypt-sha256$2b,5$5Hg1DKFqPE8C2aflZ5vVoe$12BjNE0p7axMg55.Y/mHsYiVuFBDQyu": {
		ID:     "bcrypt-sha256",
		Params: []phc.Param{{Value: "2b"}, {Value: "5"}},
		Salt:   "5Hg1DKFqPE8C2aflZ5vVoe", Digest: "12BjNE0p7axMg55.Y/mHsYiVuFBDQyu",
	},
	"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": {
		ID: "argon2id", Version: "19",
		Params: []phc.Param{{Name: "m", Value: "65536"}, {Name: "t", Value: "2"}, {Name: "p", Value: "1"}},
		Salt:   "c29tZXNhbHQ", Digest: "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
	},
}

// bad has strings that Parse must refuse.
var bad = map[string]string{
	"empty":               "",
	"no dollar":           "id$a=1$salt$digest",
	"text before":         "x$id$a=1$salt$digest",
	"too few segments":    "$id$a=1$salt",
	"too many segments":   "$id$v=1$a=1$salt$digest$",
	"no ID":               "$$a=1$salt$digest",
	"ID in upper case":    "$Id$a=1$salt$digest",
	"ID too long":         "$" + strings.Repeat("i", 33) + "$a=1$salt$digest",
	"version not v=":      "$id$w=1$a=1$salt$digest",
	"version empty":       "$id$v=$a=1$salt$digest",
	"version signed":      "$id$v=+1$a=1$salt$digest",
	"no parameters":       "$id$$salt$digest",
	"empty parameter":     "$id$a=1,$salt$digest",
	"no value":            "$id$a=$salt$digest",
	"no name":             "$id$=1$salt$digest",
	"name in upper case":  "$id$A=1$salt$digest",
	"two equals signs":    "$id$a==1$salt$digest",
	"nine parameters":     "$id$a,b,c,d,e,f,g,h,i$salt$digest",
	"no salt":             "$id$a=1$$digest",
	"no digest":           "$id$a=1$salt$",
	"padding":             "$id$a=1$salt$digest=",
	"trailing newline":    "$id$a=1$salt$digest\n",
	"NUL":                 "$id$a=1$salt\x00$digest",
	"not ASCII":           "$id$a=1$sält$digest",
	"space in value":      "$id$a= 1$salt$digest",
	"longer than allowed": "$id$a=1$salt$" + strings.Repeat("d", phc.MaxLength),
}

func TestParse(t *testing.T) {
	t.Parallel()
	for encoded, want := range good {
		got, err := phc.Parse(encoded)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", encoded, got, err, want)
		}
		if want.String() != encoded {
			t.Errorf("String() = %q, want %q", want, encoded)
		}
	}
	for name, encoded := range bad {
		if got, err := phc.Parse(encoded); err == nil {
			t.Errorf("%s: Parse(%q) = %+v, want an error", name, encoded, got)
		}
	}
	longest := "$id$a=1$salt$"
	longest += strings.Repeat("d", phc.MaxLength-len(longest))
	if _, err := phc.Parse(longest); err != nil {
		t.Errorf("Parse of the longest string, %d bytes: %v", len(longest), err)
	}
	if _, err := phc.Parse("$id$a,b,c,d,e,f,g,h$salt$digest"); err != nil {
		t.Errorf("Parse with eight parameters: %v", err)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	h, err := phc.Parse("$id$v=2,t=2b,9$salt$digest")
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := h.Values("v", "t", ""); !ok || !reflect.DeepEqual(got, []string{"2", "2b", "9"}) {
		t.Errorf("Values = %v, %v, want 2, 2b and 9", got, ok)
	}
	for _, names := range [][]string{{"v", "t"}, {"t", "v", ""}, {"v", "t", "r"}, {"v", "t", "", ""}, nil} {
		if got, ok := h.Values(names...); ok {
			t.Errorf("Values(%q) = %v, want false", names, got)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	const most = 1<<31 - 1
	for text, want := range map[string]int{"0": 0, "7": 7, "10": 10, "2147483647": most} {
		if got, ok := phc.Number(text, most); !ok || got != want {
			t.Errorf("Number(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "-1", "+1", " 1", "1 ", "01", "00", "1.0", "0x1", "1e3", "1_0", "١", "2147483648", "4294967297",
		"9999999999", "10000000000", "18446744073709551617", "1\x00", strings.Repeat("9", 400),
	} {
		if got, ok := phc.Number(text, most); ok {
			t.Errorf("Number(%q) = %d, want false", text, got)
		}
	}
	if _, ok := phc.Number("16", 15); ok {
		t.Error("Number accepts 16 with the limit 15")
	}
}

// No string makes Parse panic, and String returns each accepted string byte for byte.
func FuzzParse(f *testing.F) {
	for encoded := range good {
		f.Add(encoded)
	}
	for _, encoded := range bad {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		h, err := phc.Parse(encoded)
		if err != nil {
			return
		}
		if got := h.String(); got != encoded {
			t.Errorf("Parse(%q).String() = %q", encoded, got)
		}
		if len(encoded) > phc.MaxLength || len(h.Params) > phc.MaxParams || h.Salt == "" || h.Digest == "" {
			t.Errorf("Parse(%q) = %+v, which exceeds the bounds", encoded, h)
		}
	})
}
