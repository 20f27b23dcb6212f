package oauth_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/oauth"
)

// A flood from more networks than a table holds leaves the table as large as it is.
func TestLimiterIsBounded(t *testing.T) {
	t.Parallel()
	size, refuses := oauth.LimiterSize(200_000)
	if size > 1<<16+1 || !refuses {
		t.Errorf("after 200,000 networks the table has %d buckets; it refuses: %t", size, refuses)
	}
}

// Authorization requests of one network are counted, and leave nothing in the store.
func TestAuthorizeIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, func(cfg *oauth.Config) { cfg.Limits.Authorize = 30 })
		r.user("ada@example.com")
		r.user("eve@example.com")
		get := func(ip string) *http.Response { return r.do("GET", "/authorize?"+query(), "", "Test-Ip", ip) }
		for range 30 {
			if resp := get("198.51.100.7"); resp.StatusCode != http.StatusSeeOther {
				t.Fatalf("a request: %d", resp.StatusCode)
			}
		}
		if resp := get("198.51.100.7"); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "2" {
			t.Errorf("one more: %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		if resp := get("198.51.100.8"); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("another network: %d", resp.StatusCode)
		}
		time.Sleep(2 * time.Second)
		if resp := get("198.51.100.7"); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("two seconds later: %d", resp.StatusCode)
		}
	})
}

// Behind a proxy of which the host says nothing, one Error says that places cannot be told apart, and X-Forwarded-For
// is not believed.
func TestUnknownPlaces(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := newServer(t, func(cfg *oauth.Config) {
		cfg.ClientIP, cfg.Register.PerHour = nil, 2
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	register := func(peer, forwarded string) int {
		req := httptest.NewRequest("POST", "/register", strings.NewReader(`{"redirect_uris":["https://app.example/cb"]}`))
		req.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(peer), 4711).String()
		if forwarded != "" {
			req.Header.Set("X-Forwarded-For", forwarded)
		}
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, req)
		return w.Code
	}
	for range 3 {
		if status := register("10.0.0.1", "203.0.113.1"); status != http.StatusCreated {
			t.Errorf("behind a proxy: %d", status)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "cannot be told apart") {
		t.Errorf("%d errors: %s", n, log.String())
	}
	last := 0
	for i := range 3 { // a public peer is the client, whatever it says of others
		last = register("203.0.113.9", "198.51.100."+string(rune('1'+i)))
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("a client that names other addresses: %d", last)
	}
}
