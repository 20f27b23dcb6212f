package jwt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// Where other issuers put scopes and roles: found there and only there. Where the
// host named the claim, a token in which it has another form is refused, with the
// name of the claim.
func TestClaimNames(t *testing.T) {
	t.Parallel()
	const others = `"scp":["a","b"],"realm_access":{"roles":["x","y"]},"scope":"c","roles":["z"]`
	for _, tt := range []struct {
		name, claims  string
		scope         string
		way           []string
		scopes, roles string
		refused       string // claim that is named
	}{
		{name: "as RFC 9068 has them", claims: others, scopes: "c", roles: "z"},
		{name: "an array of scopes, roles in an object", claims: others, scope: "scp", way: []string{"realm_access", "roles"}, scopes: "a b", roles: "x y"},
		{name: "a way that ends early", claims: others, way: []string{"resource_access", "api"}, scopes: "c"},
		{name: "a way that ends inside", claims: others, way: []string{"realm_access", "groups"}, scopes: "c"},
		{name: "a name with dots", claims: `"https://example.com/roles":["x"]`, way: []string{"https://example.com/roles"}, roles: "x"},
		{name: "one element is not two scopes", claims: `"scp":["a b"]`, scope: "scp", refused: "scp"},
		{name: "an empty element", claims: `"scp":["a",""]`, scope: "scp", refused: "scp"},
		{name: "a number among scopes", claims: `"scp":["a",1]`, scope: "scp", refused: "scp"},
		{name: "an array by default", claims: `"scope":["a","b"]`, refused: "scope"},
		{name: "an array in scope, by choice", claims: `"scope":["a","b"]`, scope: "scope", scopes: "a b"},
		{name: "a string in scope, by choice", claims: `"scope":"a b"`, scope: "scope", scopes: "a b"},
		{name: "scopes in an object", claims: `"scope":{"a":true}`, refused: "scope"},
		{name: "a number as scope", claims: `"scope":1`, refused: "scope"},
		{name: "scope null", claims: `"scope":null`},
		{name: "scp null", claims: `"scp":null`, scope: "scp"},
		{name: "one role as a string", claims: `"roles":"admin"`, roles: "admin"},
		{name: "one role as a string, named", claims: `"role":"admin"`, way: []string{"role"}, roles: "admin"},
		{name: "one role as a string, in an object", claims: `"o":{"rol":"admin"}`, way: []string{"o", "rol"}, roles: "admin"},
		{name: "no role", claims: `"role":""`, way: []string{"role"}},
		{name: "roles null", claims: `"role":null`, way: []string{"role"}},
		{name: "a way that ends at null", claims: `"realm_access":null`, way: []string{"realm_access", "roles"}},
		{name: "roles by organisation", claims: `"r":{"admin":{"1":"a.example","2":"b.example"},"e\"d":{"1":"a.example"}}`, way: []string{"r"}, roles: `admin e"d`},
		{name: "roles by organisation, none", claims: `"r":{}`, way: []string{"r"}},
		{name: "an object that could mean anything", claims: `"r":{"admin":false}`, way: []string{"r"}, refused: "r"},
		{name: "a way that ends too early", claims: others, way: []string{"realm_access"}, refused: "realm_access"},
		{name: "objects of objects", claims: `"r":{"admin":{"1":{"a":"b"}}}`, way: []string{"r"}, refused: "r"},
		{name: "a number among roles", claims: `"r":["a",1]`, way: []string{"r"}, refused: "r"},
		{name: "a number as a role", claims: `"r":7`, way: []string{"r"}, refused: "r"},
		{name: "roles of another form, not named", claims: `"roles":{"admin":false}`},
		{name: "a number among roles, not named", claims: `"roles":["admin",1]`},
		{name: "SCIM roles, not named", claims: `"roles":[{"value":"admin"}]`},
		{name: "a way through a string", claims: `"realm_access":"roles"`, way: []string{"realm_access", "roles"}, refused: "realm_access.roles"},
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
				if tt.refused != "" {
					if !errors.Is(err, jwt.ErrInvalidToken) || !strings.HasSuffix(err.Error(), ": malformed claims: "+tt.refused) {
						t.Errorf("got %v, want an error that names %s", err, tt.refused)
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
