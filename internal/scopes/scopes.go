// Package scopes knows which scopes satisfy which, where some include others.
package scopes

import (
	"maps"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/jwt"
)

// Hierarchy holds, for each scope that others include, the scopes that satisfy it: the scope itself
// first, then the others in the order of their names. A scope that is not in it satisfies itself alone.
type Hierarchy map[string][]string

// NewHierarchy returns the Hierarchy in which each scope includes the scopes that implies names, those
// that these include, and so on. It calls fault with each word that is no scope, and with each scope
// that includes itself, directly or through others.
func NewHierarchy(implies map[string][]string, fault func(field, value, reason string)) Hierarchy {
	h := Hierarchy{}
	for _, scope := range slices.Sorted(maps.Keys(implies)) {
		for _, word := range append([]string{scope}, implies[scope]...) {
			if !jwt.IsScope(word) {
				fault("Implies", word, "is not a scope (RFC 6749 section 3.3)")
			}
		}
		included := map[string]bool{}
		include(implies, scope, included)
		if included[scope] {
			fault("Implies", scope, "includes itself: a scope may not include one that includes it")
			continue
		}
		for _, other := range slices.Sorted(maps.Keys(included)) {
			if h[other] == nil {
				h[other] = []string{other}
			}
			h[other] = append(h[other], scope)
		}
	}
	return h
}

// include adds what scope includes, directly and through others.
func include(implies map[string][]string, scope string, included map[string]bool) {
	for _, other := range implies[scope] {
		if !included[other] {
			included[other] = true
			include(implies, other, included)
		}
	}
}

// Rule is what a route asks for: each of some scopes.
type Rule struct {
	names     []string
	satisfied [][]string // for each scope, those that satisfy it
}

// Rule returns the rule for scopes, and reports whether they can be satisfied: there is at least one,
// and each is a scope.
func (h Hierarchy) Rule(names ...string) (_ Rule, possible bool) {
	r := Rule{names: slices.Clone(names)}
	for _, scope := range r.names {
		r.satisfied = append(r.satisfied, h.satisfying(scope))
	}
	return r, len(names) > 0 && !slices.ContainsFunc(names, func(s string) bool { return !jwt.IsScope(s) })
}

func (h Hierarchy) satisfying(scope string) []string {
	if all := h[scope]; all != nil {
		return all
	}
	return []string{scope}
}

// Allows reports whether p has, for each scope of the rule, one that satisfies it. It allocates nothing.
func (r *Rule) Allows(p *jwt.Principal) bool {
	for _, all := range r.satisfied {
		if !hasAny(p, all) {
			return false
		}
	}
	return true
}

func hasAny(p *jwt.Principal, scopes []string) bool {
	for _, scope := range scopes {
		if p.HasScope(scope) {
			return true
		}
	}
	return false
}

// Parameter returns the parameter of a challenge that names the scopes (RFC 6750 section 3).
func (r *Rule) Parameter() string { return `scope="` + r.String() + `"` }

// String returns the scopes, as they stand in a challenge or a token.
func (r *Rule) String() string { return strings.Join(r.names, " ") }
