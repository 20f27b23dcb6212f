//go:build !race

package apikey_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// A key that is in memory costs no more allocations than a token that was seen before, and one that is refused for
// its form costs none.
func TestAllocations(t *testing.T) {
	f := newFixture(t, apikey.Config{CacheTime: 60e9})
	_, key := f.create(apikey.Spec{Scopes: []string{"read"}})
	verifier, err := auth.ByForm(testkit.NewIssuer(t, jwt.IssuerConfig{}), f.keys[0])
	is(t, err, nil, "ByForm")
	guard, err := auth.NewMiddleware(verifier, auth.MiddlewareConfig{})
	is(t, err, nil, "NewMiddleware")
	h := guard.RequireScope("read")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	r.Header.Set("Authorization", "Bearer "+key)
	h.ServeHTTP(w, r)
	if w.Code != http.StatusNoContent {
		t.Fatalf("got %d", w.Code)
	}
	if got := testing.AllocsPerRun(200, func() { h.ServeHTTP(w, r) }); got != 2 {
		t.Errorf("the middleware: %v allocations, want 2", got)
	}
	if got := testing.AllocsPerRun(200, func() { _, _ = verifier.Verify(t.Context(), key) }); got != 0 {
		t.Errorf("Verify: %v allocations, want none", got)
	}
	wrong := changed(key, 50)
	if got := testing.AllocsPerRun(200, func() { _, _ = verifier.Verify(t.Context(), wrong) }); got != 0 {
		t.Errorf("Verify of a wrong checksum: %v allocations, want none", got)
	}
}
