package authhttp_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

// errorLog records the messages that are logged at level Error.
type errorLog struct {
	slog.Handler
	mu       sync.Mutex
	messages []string
}

func newErrorLog() (*errorLog, *slog.Logger) {
	l := &errorLog{Handler: slog.DiscardHandler}
	return l, slog.New(l)
}

func (l *errorLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *errorLog) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelError {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.messages = append(l.messages, r.Message)
	}
	return nil
}

// taken returns the messages since the last call.
func (l *errorLog) taken() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.messages
	l.messages = nil
	return list
}

// If the address of a request is that of a proxy, or of none, no network is counted, and one error
// says so.
func TestUndeclaredProxy(t *testing.T) {
	t.Parallel()
	declared := must(authhttp.TrustProxies(netip.MustParsePrefix("10.0.0.0/8")))
	socket := must(authhttp.TrustUnixSocket(netip.MustParsePrefix("10.0.0.0/8")))
	forwarded := http.Header{"X-Forwarded-For": {"203.0.113.7"}}
	for name, row := range map[string]struct {
		clientIP func(*http.Request) netip.Addr
		remote   string
		header   http.Header
		want     string
		logged   bool
	}{
		"direct":                        {nil, "192.0.2.1:5", nil, "192.0.2.1", false},
		"direct, forged header":         {nil, "192.0.2.1:5", forwarded, "192.0.2.1", false},
		"direct, private":               {nil, "10.0.0.1:5", nil, "10.0.0.1", false},
		"direct, loopback":              {nil, "127.0.0.1:5", nil, "127.0.0.1", false},
		"proxy, loopback":               {nil, "127.0.0.1:5", forwarded, "invalid IP", true},
		"proxy, loopback v6":            {nil, "[::1]:5", forwarded, "invalid IP", true},
		"proxy, private":                {nil, "10.0.0.1:5", forwarded, "invalid IP", true},
		"proxy, private v4 in v6":       {nil, "[::ffff:192.168.0.1]:5", forwarded, "invalid IP", true},
		"proxy, unique local":           {nil, "[fd00::1]:5", forwarded, "invalid IP", true},
		"proxy, link local":             {nil, "[fe80::1%eth0]:5", forwarded, "invalid IP", true},
		"proxy, shared address space":   {nil, "100.64.0.1:5", forwarded, "invalid IP", true},
		"proxy, Forwarded":              {nil, "10.0.0.1:5", http.Header{"Forwarded": {"for=203.0.113.7"}}, "invalid IP", true},
		"proxy, X-Real-Ip":              {nil, "10.0.0.1:5", http.Header{"X-Real-Ip": {"203.0.113.7"}}, "invalid IP", true},
		"unix socket":                   {nil, "@", forwarded, "invalid IP", true},
		"unix socket, no name":          {nil, "", nil, "invalid IP", true},
		"declared":                      {declared, "10.0.0.1:5", forwarded, "203.0.113.7", false},
		"declared, unix socket":         {declared, "@", forwarded, "invalid IP", true},
		"unix socket, trusted":          {socket, "@", forwarded, "203.0.113.7", false},
		"unix socket, two proxies":      {socket, "", http.Header{"X-Forwarded-For": {"198.51.100.1, 203.0.113.7, 10.0.0.2"}}, "203.0.113.7", false},
		"unix socket, no header":        {socket, "@", nil, "invalid IP", true},
		"unix socket, malformed header": {socket, "@", http.Header{"X-Forwarded-For": {"203.0.113.7, unknown"}}, "invalid IP", true},
		"unix socket trusted, tcp":      {socket, "192.0.2.1:5", forwarded, "192.0.2.1", false},
	} {
		errors, logger := newErrorLog()
		cfg := authhttp.Config{ClientIP: row.clientIP, Logger: logger}
		a := new(accounts)
		login := authhttp.Login(a, cfg)
		for range 3 {
			r := httptest.NewRequest("POST", "/", strings.NewReader(`{"username":"ada","password":"s3cr3t"}`))
			r.RemoteAddr = row.remote
			r.Header = row.header.Clone()
			if r.Header == nil {
				r.Header = http.Header{}
			}
			r.Header.Set("Content-Type", asJSON)
			login.ServeHTTP(httptest.NewRecorder(), r)
			if a.device.IP.String() != row.want {
				t.Errorf("%s: got the address %v, want %s", name, a.device.IP, row.want)
			}
		}
		if got := errors.taken(); row.logged != (len(got) == 1) || len(got) > 1 {
			t.Errorf("%s: got the errors %q, want one: %t", name, got, row.logged)
		}
	}
}

// All endpoints of one Mount log one error together about a proxy that is not declared.
func TestUndeclaredProxyIsLoggedOnce(t *testing.T) {
	t.Parallel()
	errors, logger := newErrorLog()
	s := newServer(t, authhttp.Config{Logger: logger})
	for path, body := range map[string]string{
		"login": object("username", "ada", "password", password), "register": object("username", "bob", "password", password),
		"password/forgot": object("address", "ada@example.com"), "revoke": form("token", "x"),
	} {
		s.call(s.Client(), "POST", "/auth/"+path, body, header{"X-Forwarded-For": "203.0.113.7"})
	}
	if got := errors.taken(); len(got) != 1 || !strings.Contains(got[0], "TrustProxies") {
		t.Errorf("got the errors %q, want one with what to do", got)
	}
}

// Behind a trusted Unix socket, guesses are counted by the client's network, as over TCP.
func TestUnixSocketCountsNetworks(t *testing.T) {
	t.Parallel()
	for name, trusted := range map[string]bool{"trusted": true, "not trusted": false} {
		store := memstore.New()
		s := newServerWith(t, authhttp.Config{}, func(_ *server, cfg *auth.Config) {
			cfg.Throttle = must(throttle.New(store, throttle.Config{}))
		})
		clientIP := must(authhttp.TrustProxies(netip.MustParsePrefix("127.0.0.0/8")))
		if trusted {
			clientIP = must(authhttp.TrustUnixSocket())
		}
		path := filepath.Join(t.TempDir(), "s")
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Skipf("needs a system with Unix sockets: %v", err)
		}
		srv := &httptest.Server{Listener: listener, Config: &http.Server{Handler: authhttp.Login(s.accounts, authhttp.Config{ClientIP: clientIP})}}
		srv.Start()
		t.Cleanup(srv.Close)
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
		t.Cleanup(client.CloseIdleConnections)
		var got []int
		for range 12 {
			r := must(http.NewRequest("POST", "http://app.test/", strings.NewReader(object("username", "ada", "password", "wrong horse"))))
			r.Header.Set("Content-Type", asJSON)
			r.Header.Set("X-Forwarded-For", "203.0.113.7")
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			got = append(got, res.StatusCode)
		}
		if refused := slices.Contains(got, http.StatusTooManyRequests); refused != trusted {
			t.Errorf("%s: got %v, want 429 at last: %t", name, got, trusted)
		}
	}
}

func TestTrustUnixSocketFaults(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"0.0.0.0/0", "10.0.0.1/8"} {
		if _, err := authhttp.TrustUnixSocket(netip.MustParsePrefix(prefix)); err == nil || !strings.Contains(err.Error(), "authhttp.TrustUnixSocket.trusted") {
			t.Errorf("TrustUnixSocket(%s): got %v", prefix, err)
		}
	}
}
