package bench

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/roles"
)

// BenchmarkRoles compares a route that asks for a permission with a route that asks for a verified caller,
// with 1,000 permissions and a hierarchy of ten roles. The routes take turns, and the quickest turn of each
// counts, so that other work of the machine favours none of them.
func BenchmarkRoles(b *testing.B) {
	const issuerName = "https://issuer.test"
	declared := roles.Policy{}
	for i := range 10 {
		name := fmt.Sprintf("level-%d", i)
		for j := i * 100; j < (i+1)*100; j++ {
			declared[name] = append(declared[name], roles.Permission(fmt.Sprintf("items:%d", j)))
		}
		if i > 0 {
			declared[name] = append(declared[name], roles.Includes(fmt.Sprintf("level-%d", i-1)))
		}
	}
	policy, err := roles.New(issuerName, declared, roles.Config{})
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		tokens int
		has    []string
	}{
		{"first/roles=1", -1, []string{"level-9"}}, {"repeat/roles=1", 1 << 16, []string{"level-9"}},
		{"first/roles=3", -1, []string{"member", "billing", "level-9"}}, {"repeat/roles=3", 1 << 16, []string{"member", "billing", "level-9"}},
	} {
		b.Run(row.name, func(b *testing.B) {
			key, err := jwt.GenerateKey(jwt.HS256)
			if err != nil {
				b.Fatal(err)
			}
			keys, err := jwt.NewKeyRing(key)
			if err != nil {
				b.Fatal(err)
			}
			issuer, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: issuerName, Audience: "api.test", Keys: keys, VerifiedTokens: row.tokens})
			if err != nil {
				b.Fatal(err)
			}
			token, err := issuer.Issue(b.Context(), auth.Claims{
				Subject: "u-4f7c1a2e9b", Scopes: []string{"read:items", "write:items"}, Roles: row.has,
				SessionID: "AAAAAAAAAAAAAAAAAAAAAA", Custom: map[string]any{"tenant": "acme"},
			})
			if err != nil {
				b.Fatal(err)
			}
			guard, err := auth.NewMiddleware(issuer, auth.MiddlewareConfig{})
			if err != nil {
				b.Fatal(err)
			}
			routes := []http.Handler{guard.Require(noContent), policy.Require(guard, "items:7")(noContent), guard.RequireRole("level-9")(noContent)}
			w := &discard{header: http.Header{}}
			if policy.Require(guard, "items:7")(noContent).ServeHTTP(w, request(token)); w.status != http.StatusNoContent {
				b.Fatalf("status %d", w.status)
			}
			quickest := make([]time.Duration, len(routes))
			const turn = 512
			r := request(token)
			for b.Loop() {
				for i, h := range routes {
					began := time.Now()
					for range turn {
						h.ServeHTTP(w, r)
					}
					if took := time.Since(began); quickest[i] == 0 || took < quickest[i] {
						quickest[i] = took
					}
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(quickest[0].Nanoseconds())/turn, "ns/Require")
			b.ReportMetric(float64(quickest[1])/float64(quickest[0]), "×permission")
			b.ReportMetric(float64(quickest[2])/float64(quickest[0]), "×RequireRole")
		})
	}
}
