//go:build !race

package auth_test

import (
	"context"
	"fmt"
	"io"
	"net"
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
		Extractors: []auth.Extractor{auth.BearerToken(), auth.Cookie("t")}, Hosts: []string{"other.test", "api.test"},
		Implies: map[string][]string{"b": {"included"}},
	})
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, ok := auth.FromContext(r.Context()); !ok {
			t.Error("no caller")
		}
	})
	for name, h := range map[string]http.Handler{
		"Require": m.Require(next), "Optional": m.Optional(next), "RequireScope": m.RequireScope("b", "a")(next),
		"RequireScope, included": m.RequireScope("included", "a")(next),
		"RequireRole":            m.RequireRole("x", "s")(next),
		"RequireFunc":            m.RequireFunc(func(context.Context, *auth.Principal) error { return nil })(next),
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

// An event costs the same behind the middleware as without it, written, flushed and
// sent over a real connection.
func TestMiddlewareStreamAllocations(t *testing.T) {
	m := middleware(t, knows(t, map[string]auth.Claims{"ada": {Subject: "1"}}), auth.MiddlewareConfig{})
	counts := make(chan float64, 1)
	events := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flusher, event := w.(http.Flusher), []byte("data: 1\n\n")
		counts <- testing.AllocsPerRun(1000, func() {
			if _, err := w.Write(event); err != nil {
				t.Error(err)
			}
			flusher.Flush()
		})
	})
	count := func(h http.Handler) float64 {
		srv := httptest.NewServer(h)
		defer srv.Close()
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ada\r\nConnection: close\r\n\r\n")
		answer := make([]byte, 64<<10) // read without an allocation: all of the program's count
		n := 0
		for err = nil; err == nil; {
			var more int
			more, err = conn.Read(answer[n:])
			n += more
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		return <-counts
	}
	without := count(events)
	for name, h := range map[string]http.Handler{"Require": m.Require(events), "Optional": m.Optional(events)} {
		if with := count(h); with != without {
			t.Errorf("%s: an event takes %v allocations, %v without the middleware", name, with, without)
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
