package authhttp_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// deviceOf returns the device of a call with its device token, as a throttle gets it: the context
// does not give the token to other packages.
func deviceOf(ctx context.Context) auth.Device {
	var device auth.Device
	_, err := deviceProbe().Login(context.WithValue(ctx, probeKey{}, &device), "ada", "correct horse")
	if !errors.Is(err, errProbed) {
		panic(err)
	}
	return device
}

var errProbed = errors.New("the device was recorded")

type probeKey struct{}

// probe is a throttle that records the device of an attempt, and ends the attempt.
type probe struct{ auth.Throttle }

func (probe) Begin(ctx context.Context, a auth.Attempt) error {
	*ctx.Value(probeKey{}).(*auth.Device) = a.Device
	return errProbed
}

var deviceProbe = sync.OnceValue(func() *auth.Authenticator {
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys}))
	return must(auth.New(memstore.New(), tokens, auth.Config{
		Hasher: testkit.LowCostBcrypt(4), Throttle: probe{},
	}))
})

func TestTrustProxies(t *testing.T) {
	t.Parallel()
	for _, prefixes := range [][]netip.Prefix{
		nil, {{}}, {netip.MustParsePrefix("0.0.0.0/0")}, {netip.MustParsePrefix("::/0")},
		{netip.MustParsePrefix("10.0.0.1/8")}, {netip.MustParsePrefix("::ffff:10.0.0.0/104")},
	} {
		if _, err := authhttp.TrustProxies(prefixes...); err == nil {
			t.Errorf("TrustProxies(%v) returned no error", prefixes)
		}
	}
	clientIP, err := authhttp.TrustProxies(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("10.0.0.9, ", 15)
	for name, row := range map[string]struct {
		remote    string
		forwarded []string
		want      string
	}{
		"direct":                 {"192.0.2.1:5", nil, "192.0.2.1"},
		"header of a client":     {"192.0.2.1:5", []string{"203.0.113.7"}, "192.0.2.1"},
		"header with a proxy":    {"192.0.2.1:5", []string{"203.0.113.7, 10.0.0.1"}, "192.0.2.1"},
		"proxy":                  {"10.0.0.1:5", []string{"203.0.113.7"}, "203.0.113.7"},
		"proxy without header":   {"10.0.0.1:5", nil, "10.0.0.1"},
		"spoofed before":         {"10.0.0.1:5", []string{"127.0.0.1, 203.0.113.7"}, "203.0.113.7"},
		"spoofed as a proxy":     {"10.0.0.1:5", []string{"10.9.9.9, 203.0.113.7"}, "203.0.113.7"},
		"two proxies":            {"10.0.0.1:5", []string{"198.51.100.1, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		"two fields":             {"10.0.0.1:5", []string{"198.51.100.1", "203.0.113.7,10.0.0.2"}, "203.0.113.7"},
		"proxies alone":          {"10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"port":                   {"10.0.0.1:5", []string{"203.0.113.7:4711"}, "203.0.113.7"},
		"v6":                     {"[fd00::1]:5", []string{"2001:db8::7"}, "2001:db8::7"},
		"v6 and port":            {"[fd00::1]:5", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		"v4 in v6":               {"[::ffff:10.0.0.1]:5", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		"zone":                   {"[fe80::1%eth0]:5", nil, "fe80::1"},
		"zone of a proxy":        {"[fd00::1%x]:5", []string{"203.0.113.7"}, "203.0.113.7"},
		"malformed":              {"10.0.0.1:5", []string{"unknown"}, "10.0.0.1"},
		"malformed, before":      {"10.0.0.1:5", []string{"203.0.113.7, x, 10.0.0.2"}, "10.0.0.2"},
		"empty":                  {"10.0.0.1:5", []string{""}, "10.0.0.1"},
		"empty at the end":       {"10.0.0.1:5", []string{"203.0.113.7,"}, "10.0.0.1"},
		"octal":                  {"10.0.0.1:5", []string{"0203.0.113.7"}, "10.0.0.1"},
		"quoted":                 {"10.0.0.1:5", []string{`"203.0.113.7"`}, "10.0.0.1"},
		"no address":             {"@", []string{"203.0.113.7"}, "invalid IP"},
		"fifteen proxies":        {"10.0.0.1:5", []string{"203.0.113.7, " + strings.TrimSuffix(long, ", ")}, "203.0.113.7"},
		"more hops than allowed": {"10.0.0.1:5", []string{"203.0.113.7, " + long + "10.0.0.8"}, "10.0.0.9"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = row.remote
		r.Header["X-Forwarded-For"] = row.forwarded
		if got := clientIP(r); got.String() != row.want {
			t.Errorf("%s: got %v, want %s", name, got, row.want)
		}
	}
}

// By default no header is trusted. Config.ClientIP decides which one is.
func TestDevice(t *testing.T) {
	t.Parallel()
	proxied, err := authhttp.TrustProxies(netip.MustParsePrefix("192.0.2.0/24"))
	if err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]authhttp.Config{"192.0.2.1": {}, "203.0.113.7": {ClientIP: proxied}} {
		a := new(accounts)
		r := httptest.NewRequest("POST", "/", strings.NewReader("username=ada&password=s3cr3t"))
		r.Header.Set("Content-Type", asForm)
		r.Header.Set("User-Agent", "Browser/1")
		for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "True-Client-Ip", "Forwarded"} {
			r.Header.Set(name, "203.0.113.7")
		}
		authhttp.Login(a, cfg).ServeHTTP(httptest.NewRecorder(), r)
		if a.device.IP.String() != want || a.device.UserAgent != "Browser/1" {
			t.Errorf("device: got %+v, want %s and Browser/1", a.device, want)
		}
	}
}

// An address that is not a proxy's is the client's, and no list before the entry that a proxy wrote
// changes the client's address.
func FuzzForwardedFor(f *testing.F) {
	proxies := netip.MustParsePrefix("10.0.0.0/8")
	clientIP, err := authhttp.TrustProxies(proxies)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("203.0.113.7, 10.0.0.2")
	f.Add("x,[::1]:80,10.0.0.2:1")
	f.Add(",,")
	f.Fuzz(func(t *testing.T, list string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X-Forwarded-For"] = []string{list}
		r.RemoteAddr = "192.0.2.1:5"
		if got := clientIP(r); got != netip.MustParseAddr("192.0.2.1") {
			t.Fatalf("header %q of a client at 192.0.2.1: got %v", list, got)
		}
		r.RemoteAddr = "10.0.0.1:5"
		if got := clientIP(r); !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Fatalf("header %q: got %v, want an address in canonical form", list, got)
		}
		r.Header["X-Forwarded-For"] = []string{list + ", 203.0.113.7"}
		if got := clientIP(r); got != netip.MustParseAddr("203.0.113.7") {
			t.Fatalf("header %q, and 203.0.113.7 from the proxy: got %v", list, got)
		}
	})
}
