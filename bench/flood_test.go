package bench

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// BenchmarkLoginFlood runs a server whose /login is flooded with wrong passwords (bcrypt, cost 12)
// while four clients use a protected route, all on the processors of this machine. Run it alone,
// with
// -benchtime 1x. Its metrics are the 99th percentile of the protected route without and with the flood,
// in milliseconds, and their ratio; the number of 503s and the 99th percentile of their time, in
// milliseconds; and the largest growth of the heap, in MiB.
func BenchmarkLoginFlood(b *testing.B) {
	for _, clients := range []int{64, 80} {
		for _, polite := range []bool{true, false} {
			b.Run(fmt.Sprintf("clients=%d/polite=%t", clients, polite), func(b *testing.B) {
				for range b.N {
					flood(b, clients, polite)
				}
			})
		}
	}
}

const (
	quietTime = 5 * time.Second
	floodTime = 10 * time.Second
)

func flood(b *testing.B, clients int, polite bool) {
	server, token := floodServer(b)
	defer server.Close()
	pool := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients + 8}, Timeout: 5 * time.Minute}

	before := percentile(visit(b, pool, server.URL, token, quietTime), 99)

	stop := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	var refused []time.Duration
	for range clients {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				start := time.Now()
				res, err := pool.PostForm(server.URL+"/login", url.Values{"username": {"ada"}, "password": {"wrong password"}})
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				switch res.StatusCode {
				case http.StatusBadRequest:
				case http.StatusServiceUnavailable:
					mu.Lock()
					refused = append(refused, time.Since(start))
					mu.Unlock()
					after, err := strconv.Atoi(res.Header.Get("Retry-After"))
					if err != nil || after < 1 {
						b.Errorf("Retry-After is %q", res.Header.Get("Retry-After"))
					}
					if polite {
						select {
						case <-stop:
						case <-time.After(time.Duration(after) * time.Second):
						}
					}
				default:
					b.Errorf("status %d", res.StatusCode)
				}
			}
		})
	}
	time.Sleep(time.Second)
	heap := heapBytes()
	peak := heap
	watched := make(chan struct{})
	wg.Go(func() {
		defer close(watched)
		for range int(floodTime / (100 * time.Millisecond)) {
			time.Sleep(100 * time.Millisecond)
			peak = max(peak, heapBytes())
		}
	})
	during := percentile(visit(b, pool, server.URL, token, floodTime), 99)
	close(stop)
	<-watched
	wg.Wait()

	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(ms(before), "quiet-p99-ms")
	b.ReportMetric(ms(during), "flood-p99-ms")
	b.ReportMetric(float64(during)/float64(before), "ratio")
	b.ReportMetric(float64(len(refused)), "503s")
	b.ReportMetric(ms(percentile(refused, 99)), "503-p99-ms")
	b.ReportMetric(float64(peak-heap)/(1<<20), "heap-MiB")
	b.ReportMetric(0, "ns/op")
}

func floodServer(b *testing.B) (*httptest.Server, string) {
	key := must(jwt.GenerateKey(jwt.EdDSA))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: must(jwt.NewKeyRing(key))}))
	accounts := must(auth.New(memstore.New(), tokens, auth.Config{}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	must(accounts.Register(b.Context(), "ada", "correct horse battery"))
	login := must(accounts.Login(b.Context(), "ada", "correct horse battery"))
	mux := http.NewServeMux()
	mux.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	mux.Handle("GET /profile", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.FromContext(r.Context())
		io.WriteString(w, p.Subject())
	})))
	return httptest.NewServer(mux), login.AccessToken
}

// visit runs four clients of the protected route for d, each with a request every 5 ms, and returns
// the time that each request took.
func visit(b *testing.B, client *http.Client, base, token string, d time.Duration) (took []time.Duration) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	end := time.Now().Add(d)
	for range 4 {
		wg.Go(func() {
			r := must(http.NewRequest("GET", base+"/profile", nil))
			r.Header.Set("Authorization", "Bearer "+token)
			for time.Now().Before(end) {
				start := time.Now()
				res, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				elapsed := time.Since(start)
				if res.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) == "" {
					b.Errorf("status %d", res.StatusCode)
				}
				mu.Lock()
				took = append(took, elapsed)
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	return took
}

func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[(len(times)-1)*p/100]
}

func heapBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
