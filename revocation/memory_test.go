//go:build !race

// The race detector allocates memory of its own, which these tests would count.

package revocation_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/revocation"
)

// generated is a Feed of n ended sessions. It generates each revocation when it is read, so that the
// feed itself takes no memory.
type generated struct {
	n     int
	first time.Time     // expiry of the first revocation
	every time.Duration // time between the expiry of one and of the next
}

func (g *generated) RevokedSince(_ context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	after, _ := strconv.Atoi(cursor)
	for i := after; i < g.n; i++ {
		each(auth.Revocation{SessionID: sid(i), Expiry: g.first.Add(time.Duration(i) * g.every)})
	}
	return strconv.Itoa(max(g.n, 1)), nil
}

// heap returns how many bytes of the heap are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A list takes at most 64 bytes for each revocation that has not expired, while their number grows and
// while it shrinks.
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const million, most = 1_000_000, 64
		source := &generated{first: time.Now().Add(time.Hour), every: time.Millisecond}
		before := heap()
		l := follow(t, source, revocation.Config{})
		grow := func(n int) {
			t.Helper()
			source.n = n
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if each := float64(heap()-before) / float64(n); each > most {
				t.Errorf("%d revocations take %.1f bytes each", n, each)
			}
		}
		for n := 4096; n < million; n = n*9/7 + 1 {
			grow(n)
		}
		grow(million)
		t.Logf("%d revocations take %.1f bytes each", million, float64(heap()-before)/million)

		time.Sleep(time.Until(source.first))
		for left := million * 9 / 10; left > million/10; left -= million / 10 {
			time.Sleep(100 * time.Second)
			synctest.Wait()                      // a table that is being rebuilt would count twice
			live := float64(left) + 0.03*million // expired entries are removed every 30 seconds
			if each := float64(heap()-before) / live; each > most {
				t.Errorf("with %d revocations that have not expired, each takes %.1f bytes", left, each)
			}
			checks(t, l, inSession(t, sid(million-left/2)), auth.ErrRevokedToken)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if left := int64(heap()) - int64(before); left > 1<<20 {
			t.Errorf("%d bytes are left when all revocations have expired", left)
		}
		checks(t, l, inSession(t, sid(1)), nil)
	})
}

func TestCheckAllocations(t *testing.T) {
	source := &generated{n: 1000, first: time.Now().Add(time.Hour)}
	l := follow(t, source, revocation.Config{})
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*auth.Principal{inSession(t, sid(1)), inSession(t, sid(2000)), inSession(t, "an ID of another form"), inSession(t, "")} {
		if n := testing.AllocsPerRun(100, func() { _ = l.Check(t.Context(), p) }); n > 0 {
			t.Errorf("Check of %q: %v allocations", p.SessionID(), n)
		}
	}
}

// BenchmarkRoute compares a protected route without revocation with the same route at zero and at a
// million revoked sessions, for tokens that are verified for the first time and for tokens that the
// verifier has seen before. The variants take turns, and the quickest turn of each counts, so that
// other work of the machine favours none of them.
func BenchmarkRoute(b *testing.B) {
	for _, bb := range []struct {
		name            string
		tokens, callers int
	}{
		{"first/callers=1", -1, 1}, {"first/callers=8192", -1, 8192},
		{"repeat/callers=1", 1 << 16, 1}, {"repeat/callers=8192", 1 << 16, 8192},
	} {
		b.Run(bb.name, func(b *testing.B) {
			key, err := jwt.GenerateKey(jwt.HS256)
			if err != nil {
				b.Fatal(err)
			}
			keys, err := jwt.NewKeyRing(key)
			if err != nil {
				b.Fatal(err)
			}
			var requests []*http.Request
			var routes []http.Handler
			for _, n := range []int{-1, 0, 1_000_000} {
				cfg := jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys, VerifiedTokens: bb.tokens}
				if n >= 0 {
					l := follow(b, &generated{n: n, first: time.Now().Add(time.Hour)}, revocation.Config{})
					if err := l.Sync(b.Context()); err != nil {
						b.Fatal(err)
					}
					cfg.Check = l.Check
				}
				issuer, err := jwt.NewIssuer(cfg)
				if err != nil {
					b.Fatal(err)
				}
				routes = append(routes, route(b, issuer))
				if n < 0 {
					requests = callers(b, issuer, bb.callers)
				}
			}
			compare(b, routes, requests)
		})
	}
}

// compare reports the time of the first route, and the times of the others as ratios to it.
func compare(b *testing.B, routes []http.Handler, requests []*http.Request) {
	quickest := make([]time.Duration, len(routes))
	w := discard{http.Header{}}
	const turn = 512
	next := make([]int, len(routes))
	for i := range next {
		next[i] = i * len(requests) / len(routes) // no route is served a request that another route has just warmed
	}
	for b.Loop() {
		for i, h := range routes {
			begin := time.Now()
			for range turn {
				h.ServeHTTP(w, requests[next[i]%len(requests)])
				next[i]++
			}
			if took := time.Since(begin); quickest[i] == 0 || took < quickest[i] {
				quickest[i] = took
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(quickest[0].Nanoseconds())/turn, "ns/route")
	b.ReportMetric(float64(quickest[1])/float64(quickest[0]), "×at-0")
	b.ReportMetric(float64(quickest[2])/float64(quickest[0]), "×at-1M")
}

// route returns a protected route.
func route(b *testing.B, v auth.TokenVerifier) http.Handler {
	guard, err := auth.NewMiddleware(v, auth.MiddlewareConfig{})
	if err != nil {
		b.Fatal(err)
	}
	return guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.FromContext(r.Context())
		_, _ = w.Write([]byte(p.Subject()))
	}))
}

// callers returns requests of n sessions that are not revoked.
func callers(b *testing.B, issuer auth.TokenIssuer, n int) (requests []*http.Request) {
	for i := range n {
		token, err := issuer.Issue(b.Context(), auth.Claims{
			Subject: "u-4f7c1a2e9b", Scopes: []string{"read:items", "write:items"}, Roles: []string{"member"},
			SessionID: sid(2_000_000 + 7919*i), Custom: map[string]any{"tenant": "acme"},
		})
		if err != nil {
			b.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/profile", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		requests = append(requests, r)
	}
	return requests
}

// discard is a ResponseWriter that does nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
