package jwt_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

func TestJWKSHandler(t *testing.T) {
	t.Parallel()
	ed := mustKey(jwt.GenerateKey(jwt.EdDSA))(t)
	es := mustKey(jwt.GenerateKey(jwt.ES256))(t)
	ring := testkit.RingOf(t, ed, secretKey(t), es)
	h := ring.JWKSHandler()
	get := func(method string, header ...string) *http.Response {
		req := httptest.NewRequest(method, "/.well-known/jwks.json", nil)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w.Result()
	}

	res := get(http.MethodGet)
	for name, want := range map[string]string{
		"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300", "X-Content-Type-Options": "nosniff",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	etag := res.Header.Get("ETag")
	if res.StatusCode != http.StatusOK || len(etag) < 18 || etag[0] != '"' {
		t.Errorf("status %d, ETag %s", res.StatusCode, etag)
	}
	set := publishedSet(t, ring)
	assertNoPrivateMember(t, set)
	keys, err := jwt.ParseKeySet([]byte(set))
	if err != nil || len(keys) != 2 || keys[0].ID() != ed.ID() || keys[1].ID() != es.ID() || keys[0].CanSign() {
		t.Errorf("the set reads %v, %v", keys, err)
	}

	if res := get(http.MethodHead); res.StatusCode != http.StatusOK || res.Header.Get("ETag") != etag {
		t.Errorf("HEAD: %v", res)
	} else if body, err := io.ReadAll(res.Body); err != nil || len(body) > 0 {
		t.Errorf("HEAD has a body: %s, %v", body, err)
	}
	for _, match := range []string{etag, `"x", ` + etag, "*", "W/" + etag} {
		if res := get(http.MethodGet, "If-None-Match", match); res.StatusCode != http.StatusNotModified || res.Header.Get("Cache-Control") == "" {
			t.Errorf("If-None-Match %s: status %d", match, res.StatusCode)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		if res := get(method); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: status %d", method, res.StatusCode)
		}
	}

	// Pages of other origins read the set as well.
	for method, status := range map[string]int{http.MethodGet: 200, http.MethodOptions: 204, http.MethodPost: 405} {
		if res := get(method, "Origin", "https://app.test"); res.StatusCode != status || res.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s from a page: status %d, %v", method, res.StatusCode, res.Header)
		}
	}

	// A key is published before it signs, and a removed one is gone at once.
	next := mustKey(jwt.GenerateKey(jwt.EdDSA))(t)
	if err := ring.Replace(ed, next); err != nil {
		t.Fatal(err)
	}
	res = get(http.MethodGet, "If-None-Match", etag)
	set = publishedSet(t, ring)
	if res.StatusCode != http.StatusOK || !strings.Contains(set, next.ID()) || strings.Contains(set, es.ID()) {
		t.Errorf("after Replace: status %d, %s", res.StatusCode, set)
	}
	if err := ring.Replace(jwt.Key{}); err == nil || publishedSet(t, ring) != set {
		t.Errorf("a refused Replace changed the set: %v", err)
	}
}

func TestJWKSHandlerWithoutPublicKeys(t *testing.T) {
	t.Parallel()
	if set := publishedSet(t, testkit.RingOf(t, secretKey(t))); set != `{"keys":[]}` {
		t.Errorf("a ring of secrets publishes %s", set)
	}
	w := httptest.NewRecorder()
	new(jwt.KeyRing).JWKSHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("a ring without keys: status %d", w.Code)
	}
}
