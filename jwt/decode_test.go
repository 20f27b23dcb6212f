package jwt_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/jwt"
)

func principal(t testing.TB, custom map[string]any) *jwt.Principal {
	t.Helper()
	p, err := jwt.NewPrincipal(jwt.Claims{Subject: "u-1", Custom: custom})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDecode(t *testing.T) {
	t.Parallel()
	type address struct {
		City string `json:"city"`
	}
	type base struct {
		Tenant string `json:"tenant"`
	}
	type claims struct {
		base
		*address  `json:"home"`
		Subject   string             `json:"sub"`
		ID        int64              `json:"id"`
		Any       any                `json:"any"`
		Addresses []address          `json:"addresses"`
		ByName    map[string]address `json:"by_name"`
		NoTag     string
		Hidden    string `json:"-"`
		secret    string
		Raw       json.RawMessage `json:"raw"`
		Pointer   *address        `json:"pointer"`
	}
	city := func(right, wrong string) map[string]any { return map[string]any{"city": right, "CITY": wrong} }
	p := principal(t, map[string]any{
		"tenant": "acme", "TENANT": "evil", "Tenant": "evil",
		"id": int64(9007199254740993), "ID": 1, "Id": 2,
		"any": map[string]any{"n": int64(9007199254740993)}, "ANY": "evil",
		"addresses": []any{city("Ulm", "evil")}, "by_name": map[string]any{"x": city("Bern", "evil"), "X": city("Graz", "evil")},
		"NoTag": "yes", "notag": "evil", "Hidden": "evil", "-": "evil", "secret": "evil",
		"raw": map[string]any{"a": 1}, "RAW": "evil", "pointer": city("Wien", "evil"), "city": "evil",
	})
	got, err := jwt.Decode[claims](p)
	if err != nil {
		t.Fatal(err)
	}
	anyText, _ := json.Marshal(got.Any)
	if got.Tenant != "acme" || got.Subject != "u-1" || got.ID != 9007199254740993 || string(anyText) != `{"n":9007199254740993}` ||
		got.Addresses[0].City != "Ulm" || len(got.ByName) != 2 || got.ByName["x"].City != "Bern" || got.ByName["X"].City != "Graz" ||
		got.NoTag != "yes" || got.Hidden != "" || got.secret != "" || string(got.Raw) != `{"a":1}` || got.Pointer.City != "Wien" || got.address != nil {
		t.Errorf("decoded %+v", got)
	}
	var all map[string]any
	if err := p.Decode(&all); err != nil || all["TENANT"] != "evil" || all["tenant"] != "acme" {
		t.Errorf("decoded %v, %v", all, err)
	}
}

// Fields are found as encoding/json finds them, also where two embedded structs
// share a Go name.
func TestDecodeEmbedded(t *testing.T) {
	t.Parallel()
	type Tenant struct {
		ID   string `json:"tenant_id"`
		Name string
	}
	type Deep struct{ Name, Only string }
	type Owner struct {
		ID string `json:"owner_id"`
		*Deep
	}
	type claims struct {
		Tenant
		Owner
		ID     string `json:"id"`
		Folded string `json:"tenant"`
	}
	p := principal(t, map[string]any{
		"tenant_id": "t", "owner_id": "o", "id": "i", "Name": "n", "Only": "d",
		"TENANT_ID": "evil", "Tenant": "evil", "Owner": "evil", "Deep": "evil", "ID": "evil",
	})
	got, err := jwt.Decode[claims](p)
	if err != nil {
		t.Fatal(err)
	}
	if got.Tenant != (Tenant{"t", "n"}) || got.Owner.ID != "o" || got.ID != "i" || got.Folded != "" || *got.Deep != (Deep{"", "d"}) {
		t.Errorf("decoded %+v and %+v", got, got.Deep)
	}
}

// At one level a tag hides a field's own name, and two of a kind hide each other.
func TestDecodeAmbiguous(t *testing.T) {
	t.Parallel()
	type A struct {
		Name []int
		Twin string
	}
	type B struct {
		Named string `json:"Name"`
		Twin  string
	}
	type claims struct {
		A
		B
		Folded string `json:"TWIN"`
	}
	got, err := jwt.Decode[claims](principal(t, map[string]any{"Name": "n", "Twin": "evil"}))
	if err != nil || got.Named != "n" || got.A.Twin != "" || got.B.Twin != "" || got.Folded != "" {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

// Aliased reads JSON itself, through a type without the method, as many types do.
type Aliased struct {
	Role  string `json:"Role"`
	Inner struct {
		Level string `json:"level"`
	} `json:"inner"`
}

func (a *Aliased) UnmarshalJSON(text []byte) error {
	type plain Aliased
	return json.Unmarshal(text, (*plain)(a))
}

// Foreign reads JSON itself, with other names than those of its fields.
type Foreign struct{ Role string }

func (f *Foreign) UnmarshalJSON(text []byte) error {
	var other struct {
		Role string `json:"the_role"`
	}
	err := json.Unmarshal(text, &other)
	f.Role = other.Role
	return err
}

// Names must match exactly also where encoding/json finds the type only while it decodes: in an
// interface that holds a pointer, in the elements of a slice, and in a type that reads JSON itself.
func TestDecodeExactEverywhere(t *testing.T) {
	t.Parallel()
	type inner struct {
		Role string `json:"Role"` // sorts before role, so that a reader that folds case takes the latter
	}
	type embedded struct {
		Prefilled any `json:"prefilled"`
	}
	type claims struct {
		*embedded
		Any     any `json:"any"`
		Deep    any `json:"deep"`
		Slice   []any
		Spare   []any
		Array   [1]any
		Alias   Aliased            `json:"alias"`
		Pointer *Aliased           `json:"pointer"`
		Map     map[string]Aliased `json:"map"`
	}
	role := func(right string) map[string]any {
		return map[string]any{"Role": right, "ROLE": "evil", "role": "evil"}
	}
	alone := map[string]any{"role": "evil", "inner": map[string]any{"Level": "evil"}, "Inner": map[string]any{"level": "evil"}}
	p := principal(t, map[string]any{
		"any": role("member"), "prefilled": role("member"), "deep": []any{role("member")},
		"Slice": []any{role("member")}, "Spare": []any{role("member")}, "Array": []any{role("member")},
		"alias": alone, "pointer": role("member"), "map": map[string]any{"x": alone},
	})
	var any1, deep1, e, s, spare, array inner
	got := claims{
		embedded: &embedded{Prefilled: &e}, Any: &any1, Deep: &[]any{&deep1},
		Slice: []any{&s}, Spare: append(make([]any, 0, 1), &spare)[:0], Array: [1]any{&array},
	}
	if err := p.Decode(&got); err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]string{
		"any": any1.Role, "any in an embedded struct": e.Role, "pointer in a pointer in an any": deep1.Role,
		"element of a slice": s.Role, "element of an array": array.Role, "pointer to an Unmarshaler": got.Pointer.Role,
	} {
		if role != "member" {
			t.Errorf("%s: the role is %q, want member", name, role)
		}
	}
	if spare.Role != "member" && spare.Role != "" {
		t.Errorf("element of a slice beyond its length: the role is %q", spare.Role)
	}
	if got.Alias != (Aliased{}) || got.Map["x"] != (Aliased{}) {
		t.Errorf("an Unmarshaler that was given no role has %+v and %+v", got.Alias, got.Map)
	}
	var top any = &inner{}
	if err := principal(t, role("member")).Decode(&top); err != nil || *top.(*inner) != (inner{"member"}) {
		t.Errorf("an any that holds a pointer: %+v, %v", top, err)
	}
	var self any
	self = &self
	if err := principal(t, role("member")).Decode(&self); err != nil {
		t.Errorf("an any that holds itself: %v", err)
	}
}

// A type that reads JSON itself may use any names. Names that differ in case only are refused there,
// because it may fold case.
func TestDecodeUnmarshaler(t *testing.T) {
	t.Parallel()
	type claims struct {
		Foreign Foreign         `json:"foreign"`
		Raw     json.RawMessage `json:"raw"`
	}
	for name, row := range map[string]struct {
		foreign any
		want    string
		refused bool
	}{
		"other names":      {map[string]any{"the_role": "member", "x": 1}, "member", false},
		"twins":            {map[string]any{"the_role": "member", "The_Role": "evil"}, "", true},
		"twins that fold":  {map[string]any{"the_role": "member", "the_role\u017F": 1, "the_roleS": 2}, "", true},
		"twins deep below": {map[string]any{"the_role": "member", "x": []any{map[string]any{"a": 1, "A": 2}}}, "", true},
	} {
		got, err := jwt.Decode[claims](principal(t, map[string]any{"foreign": row.foreign, "raw": map[string]any{"a": 1, "A": 2}}))
		if (err != nil) != row.refused || got.Foreign.Role != row.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if err == nil && string(got.Raw) != `{"A":2,"a":1}` {
			t.Errorf("%s: the raw claim is %s", name, got.Raw)
		}
	}
}

func TestDecodeFaults(t *testing.T) {
	t.Parallel()
	p := principal(t, map[string]any{"id": "text"})
	for _, v := range []any{nil, 1, struct{}{}, (*struct{})(nil)} {
		if err := p.Decode(v); err == nil {
			t.Errorf("decoded into %T", v)
		}
	}
	if _, err := jwt.Decode[struct {
		ID int `json:"id"`
	}](p); err == nil {
		t.Error("a string was decoded as a number")
	}
	for _, none := range []*jwt.Principal{nil, {}} {
		if all, err := jwt.Decode[map[string]any](none); err == nil {
			t.Errorf("decoded %v from no principal", all)
		}
	}
}

// A principal shows whom it is and nothing else of its claims, whatever the verb.
func TestPrincipalText(t *testing.T) {
	t.Parallel()
	p := principal(t, map[string]any{"email": "u@example.com"})
	for _, text := range []string{fmt.Sprint(p), fmt.Sprintf("%+v", p), fmt.Sprintf("%#v", p), fmt.Sprintf("%x", p), p.LogValue().String()} {
		if !strings.Contains(text, "u-1") || strings.Contains(text, "example.com") {
			t.Errorf("%s", text)
		}
	}
}

func TestNewPrincipalRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []jwt.Claims{{}, {Subject: "u", Custom: map[string]any{"Sub": "x"}}, {Subject: "\xff"}} {
		if p, err := jwt.NewPrincipal(c); err == nil || p != nil {
			t.Errorf("%+v: %v, %v", c, p, err)
		}
	}
}

// FuzzDecode holds Decode into a struct against exact names: whatever other
// members a token has, none reaches a field it does not name.
func FuzzDecode(f *testing.F) {
	f.Add("ROLE", "admin")
	f.Add("role ", "x")
	f.Add("\u212Aey", "x")
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == "role" || name == "key" {
			return
		}
		p, err := jwt.NewPrincipal(jwt.Claims{Subject: "u", Custom: map[string]any{name: value, "role": "member", "key": "k"}})
		if err != nil {
			return
		}
		got, err := jwt.Decode[struct {
			Role string `json:"role"`
			Key  string `json:"key"`
		}](p)
		if err != nil || got.Role != "member" || got.Key != "k" {
			t.Errorf("a member %q changed the claims to %+v, %v", name, got, err)
		}
	})
}
