package authhttp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
)

// Password managers are redirected to the page where users change their password.
func TestChangePasswordPage(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	for page, valid := range map[string]bool{
		"/account": true, "/account?tab=password#change": true, "https://example.com/account": true, "http://localhost:5173/account": true,
		"account": false, "//evil.test/account": false, "http://example.com/account": false, "https://": false, "javascript:alert(1)": false, "/a b": false, "/a\r\nX: y": false,
		"/\\evil.test": false, "mailto:a@example.com": false, "https:///account": false,
	} {
		mux := http.NewServeMux()
		err := authhttp.Mount(mux, "/auth", s.accounts, s.guard, authhttp.MountConfig{ChangePasswordPage: page}, authhttp.EndpointChangePassword)
		fault, refused := errors.AsType[*auth.ConfigError](err)
		if refused == valid || refused && fault.Field != "authhttp.MountConfig.ChangePasswordPage" {
			t.Errorf("page %q: got %v, want valid: %t", page, err, valid)
		}
		if err != nil {
			continue
		}
		for _, method := range []string{"GET", "HEAD"} {
			w := serveOnce(mux, httptest.NewRequest(method, "/.well-known/change-password", nil))
			if w.Code != 303 || w.Header().Get("Location") != page || w.Body.Len() > 0 || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("page %q: %s: got %d %s with %v, want a redirect", page, method, w.Code, w.Body, w.Header())
			}
		}
	}
	mux := http.NewServeMux()
	if err := authhttp.Mount(mux, "/auth", s.accounts, s.guard, authhttp.MountConfig{}); err != nil {
		t.Fatal(err)
	}
	if w := serveOnce(mux, httptest.NewRequest("GET", "/.well-known/change-password", nil)); w.Code != 404 {
		t.Errorf("without a page: got %d, want 404", w.Code)
	}
	fault, _ := errors.AsType[*auth.ConfigError](authhttp.Mount(mux, "/x", s.accounts, s.guard, authhttp.MountConfig{}, authhttp.EndpointChangePassword))
	if fault == nil || fault.Field != "authhttp.Mount.endpoints" {
		t.Errorf("chosen without a page: got %v, want a fault", fault)
	}
}
