package jwt_test

import (
	"slices"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

func TestRolesVersion(t *testing.T) {
	t.Parallel()
	i := testkit.NewIssuer(t, jwt.IssuerConfig{})
	token := testkit.Issue(t, i, jwt.Claims{Subject: "1", Roles: []string{"editor"}, RolesVersion: "v-1"})
	if got := testkit.Segment(t, token, 1)["roles_version"]; got != "v-1" {
		t.Errorf("roles_version %q", got)
	}
	p := testkit.Verify(t, i, token)
	if p.RolesVersion() != "v-1" || p.Claims().RolesVersion != "v-1" || p.Claims().Custom["roles_version"] != nil {
		t.Errorf("RolesVersion %q, claims %+v", p.RolesVersion(), p.Claims())
	}
	if p := testkit.Verify(t, i, testkit.Issue(t, i, jwt.Claims{Subject: "1"})); p.RolesVersion() != "" {
		t.Errorf("RolesVersion of a token without one: %q", p.RolesVersion())
	}
	if _, err := i.Issue(t.Context(), jwt.Claims{Subject: "1", Custom: map[string]any{"Roles_Version": "v-2"}}); err == nil {
		t.Error("a custom claim stands for the version of the roles")
	}
}

func TestAnyRole(t *testing.T) {
	t.Parallel()
	for _, roles := range [][]string{nil, {"a"}, {"a", "b", "c"}, {`quoted "b"`, "é", "b"}} {
		p, err := jwt.NewPrincipal(jwt.Claims{Subject: "1", Roles: roles})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		if p.AnyRole(func(role string) bool { all = append(all, role); return false }) || !slices.Equal(all, roles) {
			t.Errorf("AnyRole has called with %q, want %q", all, roles)
		}
		all = nil
		found := p.AnyRole(func(role string) bool { all = append(all, role); return role == "b" })
		want := roles[:slices.Index(roles, "b")+1]
		if found != slices.Contains(roles, "b") || found && !slices.Equal(all, want) {
			t.Errorf("AnyRole of %q: %t, after %q", roles, found, all)
		}
	}
}
