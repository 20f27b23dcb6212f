//go:build unix

package bench

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkServer runs a whole server in a process of its own. The metric cpu-ns/op is the
// processor time that the process spends on a request over loopback.
func BenchmarkServer(b *testing.B) {
	f := newFixture("HS256")
	for _, lib := range []string{"none", "auth-first", "auth-repeat", "golang-jwt", "jwx"} {
		b.Run("lib="+lib, func(b *testing.B) {
			addr := startServer(b, lib, f)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 10 * time.Second}
			get := func(path string) string {
				r, err := http.NewRequest("GET", "http://"+addr+path, nil)
				if err != nil {
					b.Error(err)
					return ""
				}
				r.Header.Set("Authorization", "Bearer "+f.token)
				res, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return ""
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != http.StatusOK {
					b.Errorf("%s: status %d, %v", path, res.StatusCode, err)
				}
				return string(body)
			}
			cpu := func() int64 { n, _ := strconv.ParseInt(get("/cpu"), 10, 64); return n }
			for range 200 {
				get("/")
			}
			before := cpu()
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range 4 {
				wg.Go(func() {
					for i := w; i < b.N; i += 4 {
						get("/")
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

const serverEnv = "AUTH_BENCH_SERVER" // set to "lib secret token", it turns this process into the server

func startServer(b *testing.B, lib string, f *fixture) (addr string) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+strings.Join([]string{lib, base64.StdEncoding.EncodeToString(f.secret), f.token}, " "), "GOMAXPROCS=1")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		b.Fatal(err)
	}
	return addr
}

// TestMain runs the server if [serverEnv] is set.
func TestMain(m *testing.M) {
	settings := os.Getenv(serverEnv)
	if settings == "" {
		os.Exit(m.Run())
	}
	fields := strings.Split(settings, " ")
	lib, secret, token := fields[0], must(base64.StdEncoding.DecodeString(fields[1])), fields[2]
	mux := http.NewServeMux()
	ok := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"status":"ok"}`) })
	for _, mw := range fixtureOf(secret, token).middlewares(ok) {
		if mw.name == lib {
			mux.Handle("GET /{$}", mw.value)
		}
	}
	mux.HandleFunc("GET /cpu", func(w http.ResponseWriter, r *http.Request) {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, u.Utime.Nano()+u.Stime.Nano())
	})
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	fmt.Println(l.Addr())
	go func() { time.Sleep(5 * time.Minute); os.Exit(1) }() // ends it if the parent did not
	panic(http.Serve(l, mux))
}
