package jwt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// Where other issuers put scopes and roles: found there and only there, and a
// token in which they have another shape is refused rather than read as none.
func TestClaimNames(t *testing.T) {
	t.Parallel()
	const others = `"scp":["a","b"],"realm_access":{"roles":["x","y"]},"scope":"c","roles":["z"]`
	for _, tt := range []struct {
		name, claims  string
		scope         string
		way           []string
		scopes, roles string
		refused       bool
	}{
		{name: "as RFC 9068 has them", claims: others, scopes: "c", roles: "z"},
		{name: "an array of scopes, roles in an object", claims: others, scope: "scp", way: []string{"realm_access", "roles"}, scopes: "a b", roles: "x y"},
		{name: "a way that ends early", claims: others, way: []string{"resource_access", "api"}, scopes: "c"},
		{name: "a way that ends inside", claims: others, way: []string{"realm_access", "groups"}, scopes: "c"},
		{name: "a name with dots", claims: `"https://example.com/roles":["x"]`, way: []string{"https://example.com/roles"}, roles: "x"},
		{name: "one element is not two scopes", claims: `"scp":["a b"]`, scope: "scp", refused: true},
		{name: "an empty element", claims: `"scp":["a",""]`, scope: "scp", refused: true},
		{name: "a number among scopes", claims: `"scp":["a",1]`, scope: "scp", refused: true},
		{name: "an array by default", claims: `"scope":["a","b"]`, refused: true},
		{name: "an array in scope, by choice", claims: `"scope":["a","b"]`, scope: "scope", scopes: "a b"},
		{name: "a string in scope, by choice", claims: `"scope":"a b"`, scope: "scope", scopes: "a b"},
		{name: "scopes in an object", claims: `"scope":{"a":true}`, refused: true},
		{name: "roles in a string", claims: `"roles":"admin"`, refused: true},
		{name: "a way through a string", claims: `"realm_access":"roles"`, way: []string{"realm_access", "roles"}, refused: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			testkit.AtVectorTime(t, func(t *testing.T) {
				v, err := jwt.NewVerifier(jwt.VerifierConfig{
					Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: ruleRing(t), ScopeClaim: tt.scope, RolesClaim: tt.way,
				})
				if err != nil {
					t.Fatal(err)
				}
				p, err := v.Verify(t.Context(), claims(`"sub":"u"`, `"sub":"u",`+tt.claims))
				if tt.refused {
					if !errors.Is(err, jwt.ErrInvalidToken) {
						t.Errorf("not refused: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if s, r := strings.Join(p.Scopes(), " "), strings.Join(p.Roles(), " "); s != tt.scopes || r != tt.roles {
					t.Errorf("scopes %q, roles %q, want %q, %q", s, r, tt.scopes, tt.roles)
				}
			})
		})
	}
}
