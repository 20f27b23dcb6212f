package scopes_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/scopes"
	"github.com/seed-e36e2130/auth/jwt"
)

func TestHierarchy(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		implies map[string][]string
		faults  string
	}{
		"none":          {nil, ""},
		"chain":         {map[string][]string{"a": {"b"}, "b": {"c"}}, ""},
		"diamond":       {map[string][]string{"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}, ""},
		"twice":         {map[string][]string{"a": {"b", "b"}}, ""},
		"itself":        {map[string][]string{"a": {"a"}}, "a"},
		"two in a ring": {map[string][]string{"a": {"b"}, "b": {"a"}}, "a b"},
		"a ring, three": {map[string][]string{"a": {"b"}, "b": {"c"}, "c": {"a"}, "x": {"a"}}, "a b c"},
		"cases differ":  {map[string][]string{"A": {"a"}}, ""},
		"a space":       {map[string][]string{"a b": {"c"}}, "a b"},
		"a quote":       {map[string][]string{"a": {`"`}}, `"`},
		"an empty word": {map[string][]string{"a": {""}}, ""},
	} {
		var faults []string
		scopes.NewHierarchy(row.implies, func(field, value, _ string) {
			if field != "Implies" {
				t.Errorf("%s: the fault is in %s", name, field)
			}
			faults = append(faults, value)
		})
		if got := strings.Join(faults, " "); got != row.faults || (name == "an empty word") != (len(faults) == 1 && got == "") {
			t.Errorf("%s: faults in %q, want %q", name, faults, row.faults)
		}
	}
}

func TestRule(t *testing.T) {
	t.Parallel()
	h := scopes.NewHierarchy(map[string][]string{
		"admin": {"files:write", "users"}, "files:write": {"files:read"}, "files:read": {"files:list"},
	}, func(_, value, _ string) { t.Errorf("a fault in %q", value) })
	for _, row := range []struct {
		has, needs string
		want       bool
	}{
		{"files:read", "files:read", true},
		{"files:write", "files:read", true},
		{"files:write", "files:list", true},
		{"admin", "files:list users", true},
		{"x files:write", "files:list x", true},
		{"files:read", "files:write", false},
		{"files:list", "files:read", false},
		{"users", "admin", false},
		{"files:write", "files:list users", false},
		{"FILES:WRITE", "files:read", false},
		{"files:writ", "files:read", false},
		{"", "files:list", false},
		{"files:write", "other", false},
	} {
		p, err := jwt.NewPrincipal(jwt.Claims{Subject: "1", Scopes: strings.Fields(row.has)})
		if err != nil {
			t.Fatal(err)
		}
		rule, possible := h.Rule(strings.Fields(row.needs)...)
		if got := rule.Allows(p); got != row.want || !possible {
			t.Errorf("scopes %q, needed %q: %t, %t, want %t", row.has, row.needs, got, possible, row.want)
		}
		if rule.String() != row.needs {
			t.Errorf("the rule says %q, want %q", rule.String(), row.needs)
		}
	}
	for _, impossible := range [][]string{nil, {""}, {"a", "b c"}, {`a"b`}} {
		if _, possible := h.Rule(impossible...); possible {
			t.Errorf("a rule for %q is possible", impossible)
		}
	}
}

// What implies what is copied: the host's map may change afterwards.
func TestRuleKeepsCopies(t *testing.T) {
	t.Parallel()
	implies, names := map[string][]string{"w": {"r"}}, []string{"r"}
	h := scopes.NewHierarchy(implies, func(_, value, _ string) { t.Errorf("a fault in %q", value) })
	rule, _ := h.Rule(names...)
	implies["w"][0], names[0] = "x", "x"
	p, err := jwt.NewPrincipal(jwt.Claims{Subject: "1", Scopes: []string{"w"}})
	if err != nil {
		t.Fatal(err)
	}
	if !rule.Allows(p) || !slices.Equal(strings.Fields(rule.String()), []string{"r"}) {
		t.Error("the rule changed with the host's map or list")
	}
}
