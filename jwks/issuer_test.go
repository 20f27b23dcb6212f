package jwks_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

const (
	issuerURL = "https://issuer.test/realms/a"
	audience  = "api.test"
)

var encode = base64.RawURLEncoding.EncodeToString

// testKey is a key of another issuer. It uses only the standard library, so that the code under
// test does not verify what it made itself.
type testKey struct {
	alg, kid string
	signer   crypto.Signer
}

// rsaKey is slow to generate, so tests share it.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func newKey(t testing.TB, alg, kid string) testKey {
	t.Helper()
	var signer crypto.Signer
	var err error
	switch alg {
	case "RS256", "PS256":
		signer = rsaKey()
	case "ES256":
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, signer, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no key for %s", alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return testKey{alg, kid, signer}
}

// jwk returns the public key as a JWK. The others add, replace or (with nil) remove members.
func (k testKey) jwk(others ...map[string]any) map[string]any {
	m := map[string]any{"kid": k.kid, "alg": k.alg, "use": "sig"}
	switch public := k.signer.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, _ := public.Bytes()
		half := len(point) / 2
		m["kty"], m["crv"] = "EC", public.Params().Name
		m["x"], m["y"] = encode(point[1:1+half]), encode(point[1+half:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", encode(public)
	}
	for _, o := range others {
		maps.Copy(m, o)
	}
	for name, value := range m {
		if value == nil {
			delete(m, name)
		}
	}
	return m
}

// sign returns a token with any header and claims.
func (k testKey) sign(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	text := encode(marshal(t, header)) + "." + encode(marshal(t, claims))
	hash := crypto.SHA256
	if k.alg == "ES384" {
		hash = crypto.SHA384
	}
	var options crypto.SignerOpts = hash
	input := []byte(text)
	switch k.alg {
	case "EdDSA":
		options = crypto.Hash(0)
	case "PS256":
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		fallthrough
	default:
		h := hash.New()
		h.Write(input)
		input = h.Sum(nil)
	}
	signature, err := k.signer.Sign(rand.Reader, input, options)
	if err != nil {
		t.Fatal(err)
	}
	if public, ok := k.signer.Public().(*ecdsa.PublicKey); ok {
		var der struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(signature, &der); err != nil {
			t.Fatal(err)
		}
		size := (public.Params().BitSize + 7) / 8
		signature = append(der.R.FillBytes(make([]byte, size)), der.S.FillBytes(make([]byte, size))...)
	}
	return text + "." + encode(signature)
}

// token returns an access token of RFC 9068. The others add or replace claims.
func (k testKey) token(t testing.TB, issuer string, others ...map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{"iss": issuer, "aud": audience, "sub": "u-1", "iat": now, "exp": now + 7*24*3600}
	for _, o := range others {
		maps.Copy(claims, o)
	}
	header := map[string]any{"alg": k.alg, "typ": "at+jwt"}
	if k.kid != "" {
		header["kid"] = k.kid
	}
	return k.sign(t, header, claims)
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// issuer publishes metadata and keys. It is an http.Handler, and a transport that reaches this
// handler without a socket.
type issuer struct {
	url string

	mu              sync.Mutex
	metadata, set   http.HandlerFunc // current responses
	metadataN, setN int              // number of requests
}

// newIssuer returns an issuer that publishes keys. The url is its identifier.
func newIssuer(t testing.TB, url string, keys ...testKey) *issuer {
	i := &issuer{url: url}
	i.metadata = answer(string(marshal(t, map[string]any{"issuer": url, "jwks_uri": url + "/keys", "scopes_supported": []string{"openid"}})))
	i.publish(t, keys...)
	return i
}

func (i *issuer) publish(t testing.TB, keys ...testKey) {
	list := []any{}
	for _, k := range keys {
		list = append(list, k.jwk())
	}
	i.answerSet(answer(setOf(t, list...)))
}

func setOf(t testing.TB, jwks ...any) string {
	t.Helper()
	return string(marshal(t, map[string]any{"keys": jwks}))
}

func (i *issuer) answerSet(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.set = h
}

func (i *issuer) answerMetadata(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.metadata = h
}

// fetches returns the number of requests for the JWK set.
func (i *issuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.setN
}

// requests returns the number of all requests.
func (i *issuer) requests() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.setN + i.metadataN
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	h := i.set
	if r.URL.Path == "/.well-known/openid-configuration" || r.URL.Path == "/realms/a/.well-known/openid-configuration" {
		h = i.metadata
		i.metadataN++
	} else {
		i.setN++
	}
	i.mu.Unlock()
	h(w, r)
}

// RoundTrip calls the handler without a socket, so that the clock of synctest does not advance.
func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	i.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func answer(body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for n := 0; n < len(header); n += 2 {
			w.Header().Add(header[n], header[n+1])
		}
		_, _ = w.Write([]byte(body))
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "text that no error may repeat", code) }
}

// after responds after a delay, or not at all if the request ends first.
func after(d time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			h(w, r)
		case <-r.Context().Done():
		}
	}
}

// verifier returns a verifier for the tokens of i that reaches i without a socket.
func (i *issuer) verifier(t testing.TB, change ...func(*jwks.Config)) *jwks.Verifier {
	t.Helper()
	cfg := jwks.Config{Tokens: jwt.VerifierConfig{Issuer: i.url, Audience: audience}, Transport: i}
	for _, c := range change {
		c(&cfg)
	}
	v, err := jwks.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// served returns an issuer that listens on a loopback socket, and a verifier that reaches it with
// its own transport.
func served(t testing.TB, change func(*jwks.Config), keys ...testKey) (*issuer, *jwks.Verifier) {
	t.Helper()
	i := newIssuer(t, "", keys...)
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	i.answerMetadata(answer(string(marshal(t, map[string]any{"issuer": i.url, "jwks_uri": i.url + "/keys"}))))
	return i, i.verifier(t, func(cfg *jwks.Config) {
		cfg.Transport, cfg.Timeout = nil, time.Minute // the upper bound
		if change != nil {
			change(cfg)
		}
	})
}

func accepted(t testing.TB, v auth.TokenVerifier, token string) *auth.Principal {
	t.Helper()
	p, err := v.Verify(context.Background(), token)
	if err != nil || p == nil || p.Subject() == "" {
		t.Fatalf("got %v, %v, want a principal", p, err)
	}
	return p
}

// logged is a log that a test can read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
