//go:build !race

package roles_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/roles"
)

// A route that asks for a permission allocates what a route allocates that asks for a verified caller, also with
// 1,000 permissions and a hierarchy of ten.
func TestRequireAllocations(t *testing.T) {
	policy := newRules(t, large(), roles.Config{})
	for _, claims := range []auth.Claims{
		{Roles: []string{"chain-9"}}, {Roles: []string{"role-1", "role-2", "chain-9"}, ClientID: issuer}, {Kind: auth.KindService, Roles: []string{"chain-9"}},
	} {
		guard := guardOf(t, principal(t, claims))
		count := func(route func(http.Handler) http.Handler) float64 {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer x")
			h := route(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			return testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) })
		}
		plain, asking := count(guard.Require), count(policy.Require(guard, "level:0", "items:7"))
		if asking > plain {
			t.Errorf("%v: %v allocations, and %v without a permission", claims.Roles, asking, plain)
		}
	}
}
