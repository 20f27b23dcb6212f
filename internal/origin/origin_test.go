package origin_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/seed-e36e2130/auth/internal/origin"
)

func TestProtection(t *testing.T) {
	t.Parallel()
	good := []string{"https://app.test", "http://localhost:5173", "http://app.localhost", "https://[::1]:8443", "https://app.test:80", "http://127.0.0.1:443"}
	bad := []string{
		"", "null", "*", "app.test", "//app.test", "https://", "https://app.test/", "https://app.test?", "https://app.test#",
		"http://app.test", "http://app.test:443", "http://10.0.0.1", "http://localhost.test", "https://App.test", "HTTPS://app.test", "https://app.test:443", "http://app.test:80", "https://app.test:",
		"https://*.app.test", "https://a@app.test", "https://a:b@app.test", "ftp://app.test", "file://x",
		"https://caf\u00e9.test", "https://app.test ", " https://app.test", "https://app .test", "https://app.test\n", `https://app"test`,
	}
	var refused []string
	origin.Protection(slices.Concat(good, bad), func(o string) { refused = append(refused, o) })
	if !slices.Equal(refused, bad) {
		t.Errorf("Protection refused %q, want %q", refused, bad)
	}
}

func TestIsSecureURL(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"https://app.test": true, "https://app.test:8443/a/b?c=d": true, "HTTPS://app.test": true, "https://10.0.0.1": true, "https://[2001:db8::1]/": true,
		"http://localhost": true, "http://localhost:8080/a?b": true, "http://127.0.0.1": true, "http://127.9.9.9:80": true, "http://[::1]:80/": true,
		"http://[::ffff:127.0.0.1]": true,

		"": false, "app.test": false, "//app.test": false, "/a": false, "https:": false, "https://": false, "https:///a": false, "https:app.test": false,
		"https://:443": false, "https://app.test#": false, "https://app.test/#a": false, "https://ada@app.test": false, "https://ada:b@app.test": false,
		"http://app.test": false, "http://10.0.0.1": false, "http://0.0.0.0": false, "http://[::]": false, "http://localhost.test": false, "http://sub.localhost": false,
		"http://LOCALHOST": false, "http://127.0.0.1.test": false, "http://127.1": false, "http://2130706433": false, "http://localhost@app.test": false,
		"http://[::1%25lo]": false, "ftp://localhost": false, "javascript://localhost": false, "file:///a": false, "https://app.test\n": false, "https://a b": false,
		"http://[::1": false, "https://app.test:x": false, "%zz": false,
	} {
		if got := origin.IsSecureURL(s); got != want {
			t.Errorf("IsSecureURL(%q) is %t, want %t", s, got, want)
		}
		if u, err := url.Parse(s); want && (err != nil || !origin.IsSecure(u)) {
			t.Errorf("IsSecure(%q) is false, want true", s)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.255.255.255": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "LOCALHOST": false, "a.localhost": false, "localhost.": false, "127.0.0.1:80": false, "[::1]": false, "::1%lo": false,
		"0.0.0.0": false, "::": false, "10.0.0.1": false, "128.0.0.1": false, "127.1": false,
	} {
		if got := origin.IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) is %t, want %t", host, got, want)
		}
	}
}
