package origin_test

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/seed-e36e2130/auth/internal/origin"
)

func TestTrustedOrigins(t *testing.T) {
	t.Parallel()
	good := []string{
		"https://app.test", "http://localhost:5173", "http://app.localhost", "https://[::1]:8443", "https://app.test:80", "http://127.0.0.1:443",
		"capacitor://localhost", "ionic://localhost", "tauri://localhost", "http://tauri.localhost", "https://tauri.localhost", "app://bundle", "app://.", "wails://wails.localhost:34115",
		"chrome-extension://abcdefghijklmnopabcdefghijklmnop", "moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc", "safari-web-extension://E5D5A6B0-1F2C-4B1A-9C3D-7F8E9A0B1C2D",
	}
	bad := []string{
		"", "null", "*", "app.test", "//app.test", "https://", "https://app.test/", "https://app.test?", "https://app.test#",
		"http://app.test", "http://app.test:443", "http://10.0.0.1", "http://localhost.test", "https://App.test", "HTTPS://app.test", "https://app.test:443", "http://app.test:80", "https://app.test:",
		"https://*.app.test", "https://a@app.test", "https://a:b@app.test", "ftp://app.test", "file://x", "ws://app.test", "wss://app.test", "blob://app.test", "javascript://app.test",
		"https://caf\u00e9.test", "https://app.test ", " https://app.test", "https://app .test", "https://app.test\n", `https://app"test`,
		"capacitor://", "capacitor:localhost", "capacitor://localhost/", "Capacitor://localhost", "capacitor://localhost:", "chrome-extension://*", "chrome-extension://id/page.html", "app://a@bundle", "tauri", "://localhost",
	}
	var refused []string
	origin.NewProtection(slices.Concat(good, bad), nil, func(field, o, reason string) {
		if refused = append(refused, o); field != "TrustedOrigins" || reason != origin.Fault {
			t.Errorf("%q: got a fault of %s: %s", o, field, reason)
		}
	})
	if !slices.Equal(refused, bad) {
		t.Errorf("NewProtection refused %q, want %q", refused, bad)
	}
}

func TestTrustedSubdomains(t *testing.T) {
	t.Parallel()
	good := []string{"https://*.preview.example", "https://*.pr.app.example:8443", "https://*.deploys.app.co.uk", "https://*.my-app.vercel.app", "https://*.co.example"}
	bad := []string{
		"", "*", "https://*", "https://*.", "https://*.example", "http://*.preview.example", "https://preview.example", "https://a.*.example", "https://*.*.example", "https://x*.preview.example",
		"*.preview.example", "https://*.Preview.example", "https://*.preview.example/", "https://*.preview.example:443", "https://*.preview.example.", "https://*.10.0.0.1", "https://*.localhost",
		"https://*.co.uk", "https://*.com.br", "https://*.github.io", "https://*.vercel.app", "https://*.vercel.app:8443", "https://*.pages.dev", "https://*.s3.amazonaws.com", "app://*.preview.example",
	}
	var refused []string
	origin.NewProtection(nil, slices.Concat(good, bad), func(field, o, reason string) {
		if refused = append(refused, o); field != "DangerouslyTrustedSubdomains" || reason != origin.SubdomainsFault {
			t.Errorf("%q: got a fault of %s: %s", o, field, reason)
		}
	})
	if !slices.Equal(refused, bad) {
		t.Errorf("NewProtection refused %q, want %q", refused, bad)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	p := origin.NewProtection([]string{"https://app.test", "capacitor://localhost"}, []string{"https://*.preview.example", "https://*.pr.test:8443"}, func(field, o, reason string) {
		t.Errorf("%s %s: %s", field, o, reason)
	})
	for from, trusted := range map[string]bool{
		"https://api.test": true, "https://app.test": true, "capacitor://localhost": true, "https://pr-1.preview.example": true, "https://a.pr.test:8443": true,
		"https://evil.test": false, "null": false, "capacitor://evil": false, "https://preview.example": false, "https://.preview.example": false, "https://a.b.preview.example": false,
		"http://pr-1.preview.example": false, "https://pr-1.preview.example:444": false, "https://pr-1.preview.example.evil.test": false, "https://a.pr.test": false, "https://evilpreview.example": false,
		"app://pr-1.preview.example": false,
	} {
		for _, site := range []string{"", "cross-site", "same-site"} {
			if from == "https://api.test" && site != "" {
				continue
			}
			r := httptest.NewRequest("POST", "https://api.test/", nil)
			r.Header.Set("Origin", from)
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
			if err := p.Check(r); (err == nil) != trusted {
				t.Errorf("%s, %s: got %v, want trusted: %t", from, site, err, trusted)
			}
			r.Header["Origin"] = []string{from, "https://pr-1.preview.example"}
			if err := p.Check(r); err == nil && !trusted {
				t.Errorf("%s beside a trusted origin: got no error", from)
			}
		}
	}
	r := httptest.NewRequest("POST", "https://api.test/", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if p.Check(r) == nil {
		t.Error("cross-site without an origin: got no error")
	}
	if p.Check(httptest.NewRequest("POST", "https://api.test/", nil)) != nil {
		t.Error("no browser: got an error")
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
