package jwks_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
		for name, change := range map[string]func(*jwks.Config){
			"by metadata": func(*jwks.Config) {},
			"by URL":      func(cfg *jwks.Config) { cfg.KeysURL = cfg.Tokens.Issuer + "/keys" },
		} {
			t.Run(alg+" "+name, func(t *testing.T) {
				t.Parallel()
				key, other := newKey(t, alg, "1"), newKey(t, "EdDSA", "2")
				i, v := served(t, change, other, key)
				if p := accepted(t, v, key.token(t, i.url, map[string]any{"scope": []string{"read", "write"}})); !p.HasScope("write") {
					t.Errorf("an array of scopes: got %q", p.Scopes())
				}
				p := accepted(t, v, key.token(t, i.url, map[string]any{"scope": "read write"}))
				if p.Subject() != "u-1" || p.Issuer() != i.url || !p.HasScope("write") {
					t.Errorf("%v", p.Claims())
				}
				if v.Issuer() != i.url {
					t.Errorf("Issuer() is %q", v.Issuer())
				}
				// A token signed by one key under the ID of the other.
				forged := testKey{other.alg, key.kid, other.signer}
				if _, err := v.Verify(t.Context(), forged.token(t, i.url)); !errors.Is(err, auth.ErrInvalidToken) {
					t.Errorf("token signed by another key: got %v, want ErrInvalidToken", err)
				}
				if n := i.fetches(); n != 1 {
					t.Errorf("%d fetches, want 1", n)
				}
			})
		}
	}
}

// A token of another issuer, or a text that is not a token, causes no request to the issuer:
// neither before there are keys, nor for an unknown key, nor when the keys are old.
func TestForeignTokensCauseNoFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA", "1")
		i := newIssuer(t, issuerURL, key)
		v := i.verifier(t)
		stranger := newKey(t, "EdDSA", "2")
		tokens := map[string]string{
			"another issuer":     stranger.token(t, "https://other.test"),
			"a longer issuer":    stranger.token(t, issuerURL+"/"),
			"another letter":     stranger.token(t, strings.ToUpper(issuerURL)),
			"no issuer":          stranger.token(t, issuerURL, map[string]any{"iss": nil}),
			"several issuers":    stranger.token(t, issuerURL, map[string]any{"iss": []string{issuerURL}}),
			"opaque":             "0123456789abcdef",
			"empty":              "",
			"two segments":       "e30.e30",
			"too long":           stranger.token(t, issuerURL) + strings.Repeat("A", 9000),
			"not base64url":      "e30.*.AAAA",
			"not JSON":           "e30.e3t9.AAAA",
			"the known key's ID": testKey{"EdDSA", "1", stranger.signer}.token(t, "https://other.test"),
		}
		check := func(when string, want int) {
			t.Helper()
			for name, token := range tokens {
				if p, err := v.Verify(t.Context(), token); p != nil || !errors.Is(err, auth.ErrInvalidToken) {
					t.Errorf("%s, %s: got %v, %v, want ErrInvalidToken", when, name, p, err)
				}
			}
			synctest.Wait()
			if n := i.requests(); n != want {
				t.Errorf("%s: %d requests, want %d", when, n, want)
			}
		}
		check("without keys", 0)
		accepted(t, v, key.token(t, issuerURL))
		check("with keys", 2)
		time.Sleep(16 * time.Minute)
		check("with old keys", 2)
		time.Sleep(24 * time.Hour)
		check("with keys too old to serve", 2)
	})
}

// A token whose header names an address of its key is refused, and no request goes there (RFC 8725
// section 3.10).
func TestNoAddressFromTokens(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	i, v := served(t, nil, key)
	called := make(chan string, 100)
	trap := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called <- r.URL.Path }))
	defer trap.Close()
	accepted(t, v, key.token(t, i.url))
	now := time.Now().Unix()
	claims := map[string]any{"iss": i.url, "aud": audience, "sub": "u", "exp": now + 600, "jwks_uri": trap.URL + "/claim"}
	for _, name := range []string{"jku", "x5u"} {
		for _, kid := range []string{"1", "2", trap.URL + "/kid"} {
			token := key.sign(t, map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": kid, name: trap.URL + "/" + name}, claims)
			if _, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("header with %s, kid %q: got %v, want ErrInvalidToken", name, kid, err)
			}
		}
	}
	if len(called) != 0 {
		t.Errorf("a request went to %q", <-called)
	}
}

// Concurrent requests share one fetch.
func TestSingleFlight(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	i, v := served(t, nil, key)
	set := setOf(t, key.jwk())
	i.answerSet(after(50*time.Millisecond, answer(set)))
	token := key.token(t, i.url)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := v.Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := i.requests(); n != 2 {
		t.Errorf("%d requests, want 2: one for the metadata and one for the set", n)
	}
}

// A request that ends while it waits gets its own context's error, and the fetch continues.
func TestWaitersHaveTheirOwnContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA", "1")
		i := newIssuer(t, issuerURL, key)
		i.answerSet(after(5*time.Second, answer(setOf(t, key.jwk()))))
		v := i.verifier(t)
		token := key.token(t, issuerURL)

		begun := time.Now()
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p, err := v.Verify(first, token)
		if p != nil || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, auth.ErrInvalidToken) || auth.HTTPStatus(err) != 503 {
			t.Errorf("got %v, %v, want DeadlineExceeded and status 503", p, err)
		}
		if waited := time.Since(begun); waited != time.Second {
			t.Errorf("waited %v, want 1s", waited)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := v.Verify(ended, token); !errors.Is(err, context.Canceled) || auth.HTTPStatus(err) != 503 {
			t.Errorf("got %v, want Canceled and status 503", err)
		}

		accepted(t, v, token)
		if waited := time.Since(begun); waited != 5*time.Second {
			t.Errorf("the fetch took %v, want 5s", waited)
		}
		if n := i.fetches(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
		if _, err := v.Verify(ended, token); err != nil { // Verify has current keys and waits for nothing
			t.Errorf("with an ended context and current keys: %v", err)
		}
	})
}

// No goroutine and no connection outlives its fetch, over HTTP/1.1 with the verifier's own
// transport and over HTTP/2 with one of the host.
func TestNothingIsLeftBehind(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			key := newKey(t, "EdDSA", "1")
			i := newIssuer(t, "", key)
			var open atomic.Int64
			server := httptest.NewUnstartedServer(i)
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				switch s {
				case http.StateNew:
					open.Add(1)
				case http.StateClosed:
					open.Add(-1)
				}
			}
			server.EnableHTTP2 = http2
			if http2 {
				server.StartTLS()
			} else {
				server.Start()
			}
			i.url = server.URL
			i.answerMetadata(answer(string(marshal(t, map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"}))))
			for n := range 5 {
				v := i.verifier(t, func(cfg *jwks.Config) {
					cfg.Transport = nil
					if http2 {
						cfg.Transport = server.Client().Transport
					}
				})
				if n == 4 {
					i.answerSet(status(500))
				}
				_, _ = v.Verify(t.Context(), key.token(t, i.url))
				_, _ = v.Verify(t.Context(), newKey(t, "EdDSA", "2").token(t, i.url))
			}
			if n := i.fetches(); n != 9 {
				t.Errorf("%d fetches, want 9", n)
			}
			settle := func(what string, done func() bool) {
				t.Helper()
				for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						stacks := make([]byte, 1<<16)
						t.Fatalf("%s:\n%s", what, stacks[:runtime.Stack(stacks, true)])
					}
				}
			}
			settle("connections are left", func() bool { return open.Load() == 0 })
			server.Close()
			settle("goroutines are left", func() bool { return runtime.NumGoroutine() <= before })
		})
	}
}

// The middleware answers an outage with 503 and Retry-After, and a bad token with 401.
func TestThroughMiddleware(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA", "1")
		i := newIssuer(t, issuerURL, key)
		i.answerSet(status(502))
		v := i.verifier(t)
		guard, err := auth.NewMiddleware(v, auth.MiddlewareConfig{})
		if err != nil {
			t.Fatal(err)
		}
		handler := guard.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
		get := func(token string) *http.Response {
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w.Result()
		}
		token := key.token(t, issuerURL)
		for _, want := range []string{"30", "20"} {
			r := get(token)
			if r.StatusCode != 503 || r.Header.Get("Retry-After") != want || r.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("status %d, Retry-After %q, want 503 and %s", r.StatusCode, r.Header.Get("Retry-After"), want)
			}
			time.Sleep(10 * time.Second)
		}
		i.publish(t, key)
		time.Sleep(10 * time.Second)
		if r := get(token); r.StatusCode != 204 {
			t.Errorf("status %d after the outage, want 204", r.StatusCode)
		}
		if r := get(newKey(t, "EdDSA", "2").token(t, issuerURL)); r.StatusCode != 401 {
			t.Errorf("status %d for an unknown key, want 401", r.StatusCode)
		}
	})
}

// AnyOf asks only the verifier of the token's issuer. The keys of the others are not fetched.
func TestAnyOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keyA, keyB := newKey(t, "EdDSA", "1"), newKey(t, "EdDSA", "1")
		a, b := newIssuer(t, issuerURL, keyA), newIssuer(t, "https://b.test", keyB)
		verifierA, verifierB := a.verifier(t), b.verifier(t)
		v, err := jwt.AnyOf(map[string]auth.TokenVerifier{verifierA.Issuer(): verifierA, verifierB.Issuer(): verifierB})
		if err != nil {
			t.Fatal(err)
		}
		if p := accepted(t, v, keyA.token(t, a.url)); p.Issuer() != a.url {
			t.Errorf("the issuer is %q", p.Issuer())
		}
		if a.fetches() != 1 || b.fetches() != 0 {
			t.Errorf("%d and %d fetches, want 1 and 0", a.fetches(), b.fetches())
		}
		if _, err := v.Verify(t.Context(), keyA.token(t, b.url)); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("token of B signed by A: got %v, want ErrInvalidToken", err)
		}
		if p := accepted(t, v, keyB.token(t, b.url)); p.Issuer() != b.url {
			t.Errorf("the issuer is %q", p.Issuer())
		}
	})
}
