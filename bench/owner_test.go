package bench

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

// BenchmarkOwnerUnderFlood lets 128 connections from one network send requests without pause, while the
// owner of an account logs in 20 times from another (bcrypt, cost 12). Its metrics are how often the
// owner got in, and the median and the longest time of a login, in milliseconds. Run it with
// -benchtime 1x.
func BenchmarkOwnerUnderFlood(b *testing.B) {
	const password = "correct horse battery"
	var names atomic.Int64
	taken := func() string { return "ada" }
	unused := func() string { return fmt.Sprint("client-", names.Add(1)) }
	type request struct {
		path string
		name func() string
	}
	everything := []request{{"/register", taken}, {"/register", unused}, {"/login", taken}, {"/login", unused}}
	for _, row := range []struct {
		name     string
		requests []request
	}{
		{"register-taken", everything[:1]},
		{"register-new", everything[1:2]},
		{"login-owner", everything[2:3]},
		{"login-unused", everything[3:]},
		{"all", everything},
	} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				store := memstore.New()
				key := must(jwt.GenerateKey(jwt.EdDSA))
				tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: must(jwt.NewKeyRing(key))}))
				accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{}))}))
				must(accounts.Register(b.Context(), "ada", password))
				cfg := authhttp.Config{ClientIP: func(r *http.Request) netip.Addr {
					ip, _ := netip.ParseAddr(r.Header.Get("X-Client"))
					return ip
				}}
				mux := http.NewServeMux()
				mux.Handle("/login", authhttp.Login(accounts, cfg))
				mux.Handle("/register", authhttp.Register(accounts, cfg))
				server := httptest.NewServer(mux)
				pool := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 136}, Timeout: time.Minute}
				send := func(path, ip, name, password string) int {
					body := fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)
					r := must(http.NewRequest("POST", server.URL+path, strings.NewReader(body)))
					r.Header.Set("Content-Type", "application/json")
					r.Header.Set("X-Client", ip)
					res, err := pool.Do(r)
					if err != nil {
						return 0
					}
					defer res.Body.Close()
					_, _ = io.Copy(io.Discard, res.Body)
					return res.StatusCode
				}
				var stop atomic.Bool
				var clients sync.WaitGroup
				for client := range 128 {
					clients.Go(func() {
						flood := row.requests[client%len(row.requests)]
						for !stop.Load() {
							send(flood.path, "192.0.2.1", flood.name(), "wrong password")
						}
					})
				}
				time.Sleep(time.Second)
				in := 0
				var took []time.Duration
				for range 20 {
					start := time.Now()
					if send("/login", "198.51.100.1", "ada", password) == http.StatusOK {
						in++
					}
					took = append(took, time.Since(start))
					time.Sleep(250 * time.Millisecond)
				}
				stop.Store(true)
				clients.Wait()
				server.Close()
				slices.Sort(took)
				b.ReportMetric(float64(in), "in-of-20")
				b.ReportMetric(float64(took[10].Milliseconds()), "median-ms")
				b.ReportMetric(float64(took[19].Milliseconds()), "longest-ms")
				b.ReportMetric(0, "ns/op")
				if in < 19 {
					b.Errorf("the owner got in %d times of 20, want at least 19", in)
				}
			}
		})
	}
}
