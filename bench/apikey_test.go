package bench

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
)

// BenchmarkAPIKey measures one request through the middleware with an API key from memory, with one whose record is
// read each time, and with an HS256 token at its first use. All are checked for revocation.
func BenchmarkAPIKey(b *testing.B) {
	f, store, ctx := newFixture("HS256"), memstore.New(), context.Background()
	revoked := must(revocation.Follow(store, revocation.Config{}))
	defer revoked.Close()
	if err := revoked.Sync(ctx); err != nil {
		b.Fatal(err)
	}
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: issuer, Audience: audience, Keys: must(jwt.NewKeyRing(f.key)), VerifiedTokens: -1, Check: revoked.Check,
	}))
	token := must(tokens.Issue(ctx, claims()))
	subject := must(tokens.Verify(ctx, token))
	must(store.CreateUser(ctx, auth.User{ID: subject.Subject(), Username: "ada", CreatedAt: time.Now()}))
	for _, row := range []struct {
		name      string
		cacheTime time.Duration
		key       bool
	}{{"HS256/first", 0, false}, {"key/memory", time.Minute, true}, {"key/record", apikey.NoCache, true}} {
		b.Run("credential="+row.name, func(b *testing.B) {
			keys := must(apikey.New("myapp_live", store, store, apikey.Config{CacheTime: row.cacheTime, Check: revoked.Check}))
			credential := token
			if row.key {
				key, secret, err := keys.Create(ctx, subject, apikey.Spec{Name: "a", Scopes: subject.Scopes(), Roles: subject.Roles()})
				if err != nil {
					b.Fatal(err)
				}
				defer keys.Delete(ctx, subject.Subject(), key.ID)
				credential = string(secret)
			}
			guard := must(auth.NewMiddleware(must(auth.ByForm(tokens, keys)), auth.MiddlewareConfig{}))
			h, r, w := guard.Require(noContent), request(credential), &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
			if w.status != http.StatusNoContent {
				b.Fatalf("status %d, want 204", w.status)
			}
		})
	}
}
