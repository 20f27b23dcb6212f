package origin_test

import (
	"slices"
	"testing"

	"github.com/seed-e36e2130/auth/internal/origin"
)

func TestProtection(t *testing.T) {
	t.Parallel()
	good := []string{"https://app.test", "http://localhost:5173", "https://[::1]:8443", "https://app.test:80", "http://app.test:443"}
	bad := []string{
		"", "null", "*", "app.test", "//app.test", "https://", "https://app.test/", "https://app.test?", "https://app.test#",
		"https://App.test", "HTTPS://app.test", "https://app.test:443", "http://app.test:80", "https://app.test:",
		"https://*.app.test", "https://a@app.test", "https://a:b@app.test", "ftp://app.test", "file://x",
		"https://caf\u00e9.test", "https://app.test ", " https://app.test", "https://app .test", "https://app.test\n", `https://app"test`,
	}
	var refused []string
	origin.Protection(slices.Concat(good, bad), func(o string) { refused = append(refused, o) })
	if !slices.Equal(refused, bad) {
		t.Errorf("refused %q", refused)
	}
}
