//go:build !race

package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/seed-e36e2130/auth"
)

// The middleware adds the copy of the request that carries the context, and one
// node of that context: nothing else.
func TestMiddlewareAllocations(t *testing.T) {
	p := caller(t, auth.Claims{Subject: "1", Scopes: []string{"a", "b"}, Roles: []string{"r", "s"}})
	m := middleware(t, verifierFunc(func(context.Context, string) (*auth.Principal, error) { return p, nil }), auth.MiddlewareConfig{
		Extractors: []auth.Extractor{auth.BearerToken(), auth.Cookie("t")},
	})
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, ok := auth.FromContext(r.Context()); !ok {
			t.Error("no caller")
		}
	})
	for name, h := range map[string]http.Handler{
		"Require": m.Require(next), "Optional": m.Optional(next), "RequireScope": m.RequireScope("b", "a")(next),
		"RequireRole": m.RequireRole("x", "s")(next),
	} {
		for _, credential := range []string{"Authorization: Bearer x", "Cookie: a=1; t=x; b=2"} {
			w, r := httptest.NewRecorder(), request("POST", credential)
			if got := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); got != 2 {
				t.Errorf("%s, %s: %v allocations, want 2", name, credential, got)
			}
			if got := bytesPerRun(200, func() { h.ServeHTTP(w, r) }); got != 344 {
				t.Errorf("%s, %s: %d bytes, want 344", name, credential, got)
			}
		}
	}
}

// bytesPerRun is testing.AllocsPerRun for bytes: the least of several rounds, for
// the runtime allocates now and then, too.
func bytesPerRun(runs int, f func()) uint64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	least := ^uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			f()
		}
		runtime.ReadMemStats(&after)
		least = min(least, (after.TotalAlloc-before.TotalAlloc)/uint64(runs))
	}
	return least
}
