package bench

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	golangjwt "github.com/golang-jwt/jwt/v5"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// discard is a response writer that keeps the status and discards everything else.
type discard struct {
	header http.Header
	status int
	_      [112]byte // padding: two of them share no cache line
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

func request(token string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

var noContent = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })

// BenchmarkMiddleware measures one request through the middleware of each library.
func BenchmarkMiddleware(b *testing.B) {
	for _, alg := range []string{"HS256", "ES256", "EdDSA", "RS256"} {
		f := newFixture(alg)
		for _, m := range f.middlewares(noContent) {
			b.Run(fmt.Sprintf("alg=%s/lib=%s", alg, m.name), func(b *testing.B) {
				r, w := request(f.token), &discard{header: http.Header{}}
				m.value.ServeHTTP(w, r)
				if w.status != http.StatusNoContent {
					b.Fatalf("status %d, want 204", w.status)
				}
				if forged := (&discard{header: http.Header{}}); m.name != "none" {
					if m.value.ServeHTTP(forged, request(f.token[:len(f.token)-8]+"AAAAAAAA")); forged.status != http.StatusUnauthorized {
						b.Fatalf("a forged token gets status %d, want 401", forged.status)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					m.value.ServeHTTP(w, r)
				}
			})
		}
	}
}

// BenchmarkVerify measures verification without a middleware. The floor is the signature check
// alone.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"HS256", "ES256", "EdDSA", "RS256"} {
		f := newFixture(alg)
		verifiers := append([]named[func(string) (any, error)]{{"floor", f.floor()}}, f.verifiers()...)
		for _, v := range verifiers {
			b.Run(fmt.Sprintf("alg=%s/lib=%s", alg, v.name), func(b *testing.B) {
				if _, err := v.value(f.token[:len(f.token)-8] + "AAAAAAAA"); err == nil {
					b.Fatal("a forged token was accepted")
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.value(f.token); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// floor returns a function that checks the signature of the token and nothing else.
func (f *fixture) floor() func(string) (any, error) {
	dot := strings.LastIndexByte(f.token, '.')
	signature := must(base64.RawURLEncoding.DecodeString(f.token[dot+1:]))
	mac := hmac.New(sha256.New, f.secret)
	var sum [32]byte
	check := func(input, signature []byte) bool {
		mac.Reset()
		mac.Write(input)
		return hmac.Equal(mac.Sum(sum[:0]), signature)
	}
	if f.signer != nil {
		switch public := f.signer.Public().(type) {
		case *ecdsa.PublicKey:
			check = func(input, s []byte) bool {
				digest := sha256.Sum256(input)
				return ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:]))
			}
		case ed25519.PublicKey:
			check = func(input, s []byte) bool { return ed25519.Verify(public, input, s) }
		case *rsa.PublicKey:
			check = func(input, s []byte) bool {
				digest := sha256.Sum256(input)
				return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], s) == nil
			}
		}
	}
	input := []byte(f.token[:dot])
	return func(token string) (any, error) {
		if token != f.token || !check(input, signature) {
			return nil, auth.ErrInvalidToken
		}
		return nil, nil
	}
}

// BenchmarkIssue measures the issuing of the same claims. The floor is the signature alone.
func BenchmarkIssue(b *testing.B) {
	for _, alg := range []string{"HS256", "ES256", "EdDSA", "RS256"} {
		f := newFixture(alg)
		input := []byte(f.token[:strings.LastIndexByte(f.token, '.')])
		digest := sha256.Sum256(input)
		var floor func() error
		var private any = f.secret
		if f.signer == nil {
			mac, sum := hmac.New(sha256.New, f.secret), [32]byte{}
			floor = func() error {
				mac.Reset()
				mac.Write(input)
				mac.Sum(sum[:0])
				return nil
			}
		} else {
			private = f.signer
			message, opts := digest[:], crypto.SignerOpts(crypto.SHA256)
			if alg == "EdDSA" {
				message, opts = input, crypto.Hash(0)
			}
			floor = func() error { _, err := f.signer.Sign(rand.Reader, message, opts); return err }
		}
		method := golangjwt.GetSigningMethod(alg)
		ours := f.issuer(0)
		for _, s := range []named[func() error]{
			{"golang-jwt", func() error {
				now := time.Now()
				t := golangjwt.NewWithClaims(method, golangjwt.MapClaims{
					"iss": issuer, "sub": "u-4f7c1a2e9b", "aud": audience, "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "jti": rand.Text(),
					"scope": "read:items write:items", "roles": []string{"member"}, "sid": "s-81d0c3", "tenant": "acme",
				})
				t.Header["typ"], t.Header["kid"] = "at+jwt", f.key.ID()
				_, err := t.SignedString(private)
				return err
			}},
			{"floor", floor},
			{"auth", func() error { _, err := ours.Issue(context.Background(), claims()); return err }},
		} {
			b.Run(fmt.Sprintf("alg=%s/lib=%s", alg, s.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := s.value(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRing shows that verification takes as long with a thousand keys as with one.
func BenchmarkRing(b *testing.B) {
	for _, n := range []int{1, 1000} {
		keys := make([]jwt.Key, n)
		for i := range keys {
			secret := make([]byte, 32)
			rand.Read(secret)
			keys[i] = must(jwt.NewSecretKey(secret))
		}
		i := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: issuer, Audience: audience, Keys: must(jwt.NewKeyRing(keys[0], keys[1:]...))}))
		token := must(i.Issue(context.Background(), claims()))
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := i.Verify(context.Background(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParallel shows how verification scales with cores: run it with -cpu 1,2. It keeps its
// own counters, because those of b.RunParallel may share a cache line. It keeps a heap of the size
// that a server has, because a heap of 4 MiB is collected every few milliseconds.
func BenchmarkParallel(b *testing.B) {
	heap := make([]byte, 64<<20)
	defer runtime.KeepAlive(heap)
	for _, alg := range []string{"HS256", "ES256"} {
		f := newFixture(alg)
		for _, places := range []int{-1, 4096} {
			h := must(auth.NewMiddleware(f.issuer(places), auth.MiddlewareConfig{})).Require(noContent)
			b.Run(fmt.Sprintf("alg=%s/table=%t", alg, places > 0), func(b *testing.B) {
				workers := runtime.GOMAXPROCS(0)
				var wg sync.WaitGroup
				for range workers {
					wg.Go(func() {
						r, w := request(f.token), &discard{header: http.Header{}}
						for range (b.N + workers - 1) / workers {
							h.ServeHTTP(w, r)
						}
						if w.status != http.StatusNoContent {
							b.Errorf("status %d, want 204", w.status)
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
