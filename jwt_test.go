package auth_test

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
)

const (
	testIssuer   = "https://issuer.test"
	testAudience = "api.test"
)

// generated returns a key made for one test.
func generated(t testing.TB, alg string) auth.Key {
	t.Helper()
	var key auth.Key
	var err error
	if strings.HasPrefix(alg, "HS") {
		secret := make([]byte, 64)
		rand.Read(secret)
		key, err = auth.NewSecretKey(secret)
	} else {
		var signer crypto.Signer
		switch alg {
		case "EdDSA":
			_, signer, err = ed25519.GenerateKey(nil)
		case "ES256":
			signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		case "ES384":
			signer, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		case "ES512":
			signer, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		default:
			signer, err = rsa.GenerateKey(rand.Reader, 2048)
		}
		if err == nil {
			key, err = auth.NewSigningKey(signer)
		}
	}
	if err == nil {
		key, err = key.WithAlgorithm(alg)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ringOf(t testing.TB, signing auth.Key, others ...auth.Key) *auth.KeyRing {
	t.Helper()
	ring, err := auth.NewKeyRing(signing, others...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// newIssuer returns an issuer with a key of its own for what cfg leaves open.
func newIssuer(t testing.TB, cfg auth.JWTConfig) *auth.JWTIssuer {
	t.Helper()
	if cfg.Issuer == "" {
		cfg.Issuer = testIssuer
	}
	if cfg.Audience == "" {
		cfg.Audience = testAudience
	}
	if cfg.Keys == nil {
		cfg.Keys = ringOf(t, generated(t, "HS256"))
	}
	i, err := auth.NewJWTIssuer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func issue(t testing.TB, i auth.TokenIssuer, c auth.Claims) string {
	t.Helper()
	token, err := i.Issue(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func verify(t testing.TB, v auth.TokenVerifier, token string) *auth.Principal {
	t.Helper()
	p, err := v.Verify(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// segment decodes one segment of a token.
func segment(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

var algorithms = []string{
	"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// What an issuer signs, it and a verifier with the public half alone accept.
func TestIssueAndVerify(t *testing.T) {
	t.Parallel()
	for _, alg := range algorithms {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			ring := ringOf(t, generated(t, alg))
			i := newIssuer(t, auth.JWTConfig{Keys: ring})
			authTime := time.Now().Add(-time.Minute).Truncate(time.Second)
			token := issue(t, i, auth.Claims{
				Subject: "usér-1", Kind: auth.KindAgent, Scopes: []string{"read:items", "write"}, Roles: []string{"admin", `a "b"`},
				SessionID: "s-1", AuthTime: authTime, AMR: []string{"pwd", "otp"}, ACR: "2", Actor: "bot",
				Custom: map[string]any{"tenant": int64(math.MaxInt64), "plan": map[string]string{"name": "pro"}},
			})
			h := segment(t, token, 0)
			if h["alg"] != alg || h["typ"] != "at+jwt" || h["kid"] == "" || len(h) != 3 {
				t.Errorf("header %v", h)
			}
			p := verify(t, i, token)
			if p.Subject() != "usér-1" || p.Kind() != auth.KindAgent || p.Issuer() != testIssuer ||
				len(p.Audience()) != 1 || p.Audience()[0] != testAudience || p.SessionID() != "s-1" ||
				len(p.TokenID()) != 22 || !p.AuthTime().Equal(authTime) || p.ACR() != "2" || p.Actor() != "bot" ||
				strings.Join(p.AMR(), " ") != "pwd otp" || strings.Join(p.Scopes(), " ") != "read:items write" ||
				strings.Join(p.Roles(), "|") != `admin|a "b"` {
				t.Errorf("principal %+v", p.Claims())
			}
			if life := p.Expiry().Sub(p.IssuedAt()); life != 15*time.Minute {
				t.Errorf("lives %v, want 15m", life)
			}
			if !p.HasScope("write") || p.HasScope("writ") || p.HasScope("read:items write") || p.HasScope("") || p.HasScope("WRITE") {
				t.Error("HasScope does not compare whole words")
			}
			if !p.HasRole("admin") || p.HasRole("Admin") || p.HasRole("") || p.HasRole("adm") {
				t.Error("HasRole does not compare whole roles")
			}
			if n := p.Claims().Custom["tenant"]; fmt.Sprint(n) != "9223372036854775807" {
				t.Errorf("tenant %v", n)
			}
		})
	}
}

func TestTokenIDsDiffer(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, auth.JWTConfig{})
	seen := make(map[string]bool)
	var ones, zeros [16]byte
	for range 10_000 {
		id := verify(t, i, issue(t, i, auth.Claims{Subject: "u"})).TokenID()
		b, err := base64.RawURLEncoding.DecodeString(id)
		if err != nil || len(b) != 16 || seen[id] {
			t.Fatalf("jti %q", id)
		}
		seen[id] = true
		for n := range b {
			ones[n] |= b[n]
			zeros[n] |= ^b[n]
		}
	}
	for n := range ones {
		if ones[n]&zeros[n] != 0xff { // each of the 128 bits was seen as both
			t.Errorf("byte %d of a jti is not random", n)
		}
	}
}

// The leeway counts once for each of exp, nbf and iat, and the bound itself is
// refused for exp and accepted for the others.
func TestLeeway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		leeway  time.Duration
		expired time.Duration // after exp
	}{{auth.NoLeeway, 0}, {0, 30 * time.Second}, {time.Minute, time.Minute}} {
		t.Run(tt.leeway.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t, auth.JWTConfig{Leeway: tt.leeway, Lifetime: time.Minute, VerifiedTokens: 8})
				token := issue(t, i, auth.Claims{Subject: "u"})
				time.Sleep(time.Minute + tt.expired - time.Microsecond)
				verify(t, i, token)
				time.Sleep(time.Microsecond)
				if _, err := i.Verify(t.Context(), token); !errors.Is(err, auth.ErrExpiredToken) || !errors.Is(err, auth.ErrInvalidToken) {
					t.Errorf("at the bound: %v", err)
				}
			})
		})
	}
}

func TestShorterExpiry(t *testing.T) {
	t.Parallel()
	i := newIssuer(t, auth.JWTConfig{})
	end := time.Now().Add(time.Minute)
	p := verify(t, i, issue(t, i, auth.Claims{Subject: "u", Expiry: end}))
	if p.Expiry().After(end) {
		t.Errorf("lives until %v, later than %v", p.Expiry(), end)
	}
}

func TestJWTConfigFaults(t *testing.T) {
	t.Parallel()
	fields := func(err error) string {
		var list []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				var ce *auth.ConfigError
				if errors.As(err, &ce) {
					list = append(list, ce.Field)
					continue
				}
				t.Errorf("%v is no ConfigError", err)
			}
		}
		return strings.Join(list, " ")
	}
	_, err := auth.NewJWTIssuer(auth.JWTConfig{Lifetime: -1, Leeway: time.Hour})
	for _, want := range []string{"JWTConfig.Lifetime", "JWTConfig.Issuer", "JWTConfig.Audience", "JWTConfig.Keys", "JWTConfig.Leeway"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in %v", want, err)
		}
	}
	_, err = auth.NewJWTVerifier(auth.JWTVerifierConfig{
		Leeway: -2, VerifiedTokens: 1 << 30, Types: []string{"", "Application/"}, DangerouslyAnyType: true,
	})
	want := "Issuer Audience Keys Leeway VerifiedTokens Types Types Types"
	if got := strings.ReplaceAll(fields(err), "JWTVerifierConfig.", ""); got != want {
		t.Errorf("faults %q, want %q", got, want)
	}
	ring, err := auth.NewVerifyingKeyRing(generated(t, "ES256"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := auth.NewJWTIssuer(auth.JWTConfig{Issuer: "i", Audience: "a", Keys: ring}); err == nil {
		t.Error("an issuer was made of keys that only verify")
	}
}

// The bounds of what may be set, on either side, and settings under which no token
// could be made.
func TestJWTConfigBounds(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, generated(t, "HS256"))
	for name, row := range map[string]struct {
		cfg    auth.JWTConfig
		faulty bool
	}{
		"the least":              {auth.JWTConfig{Lifetime: time.Second, Leeway: auth.NoLeeway}, false},
		"the most":               {auth.JWTConfig{Lifetime: 24 * time.Hour, Leeway: time.Minute}, false},
		"less than a second":     {auth.JWTConfig{Lifetime: time.Second - 1}, true},
		"a lifetime below zero":  {auth.JWTConfig{Lifetime: -time.Hour}, true},
		"more than a day":        {auth.JWTConfig{Lifetime: 24*time.Hour + 1}, true},
		"a leeway over a minute": {auth.JWTConfig{Leeway: time.Minute + 1}, true},
		"an issuer not in UTF-8": {auth.JWTConfig{Issuer: "https://issuer.test/\xff"}, true},
		"an audience too long":   {auth.JWTConfig{Audience: strings.Repeat("a", 8192)}, true},
	} {
		row.cfg.Keys = ring
		row.cfg.Issuer, row.cfg.Audience = cmp.Or(row.cfg.Issuer, testIssuer), cmp.Or(row.cfg.Audience, testAudience)
		if i, err := auth.NewJWTIssuer(row.cfg); isConfigError(err) != row.faulty || (i == nil) != row.faulty {
			t.Errorf("%s: %v, %v", name, i, err)
		}
	}
}

func TestZeroValuesDoNotPanic(t *testing.T) {
	t.Parallel()
	for _, v := range []auth.TokenVerifier{&auth.JWTVerifier{}, (*auth.JWTVerifier)(nil), &auth.JWTIssuer{}, (*auth.JWTIssuer)(nil)} {
		if p, err := v.Verify(t.Context(), "x"); p != nil || err == nil || errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("%T: %v, %v", v, p, err)
		}
	}
	if token, err := new(auth.JWTIssuer).Issue(t.Context(), auth.Claims{Subject: "u"}); err == nil {
		t.Errorf("issued %q", token)
	}
}

// A key that leaves the ring takes its tokens with it at once, those in the
// table of verified tokens too; one that joins is known at once.
func TestRotation(t *testing.T) {
	t.Parallel()
	first, second := generated(t, "EdDSA"), generated(t, "EdDSA")
	ring := ringOf(t, first)
	i := newIssuer(t, auth.JWTConfig{Keys: ring})
	old := issue(t, i, auth.Claims{Subject: "old"})
	verify(t, i, old)
	if err := ring.Replace(second, first); err != nil {
		t.Fatal(err)
	}
	young := issue(t, i, auth.Claims{Subject: "young"})
	for range 2 {
		verify(t, i, old)
		verify(t, i, young)
	}
	if kid := segment(t, young, 0)["kid"]; kid != second.ID() {
		t.Errorf("signed by %v, want the new key", kid)
	}
	if err := ring.Replace(second); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Verify(t.Context(), old); !errors.Is(err, auth.ErrUnknownKey) {
		t.Errorf("the removed key's token: %v", err)
	}
	verify(t, i, young)
}

// No valid token is refused and no removed key accepted while keys rotate under
// load.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	keys := []auth.Key{generated(t, "ES256"), generated(t, "EdDSA"), generated(t, "HS256")}
	ring := ringOf(t, keys[0], keys[1:]...)
	i := newIssuer(t, auth.JWTConfig{Keys: ring, VerifiedTokens: 64})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				token, err := i.Issue(context.Background(), auth.Claims{Subject: "u"})
				if err == nil {
					_, err = i.Verify(context.Background(), token)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range 200 {
		k := keys[n%3]
		if err := ring.Replace(k, keys[(n+1)%3], keys[(n+2)%3]); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}

// Check is asked on each use, a repeat included, and its own failure is no
// verdict on the token.
func TestCheck(t *testing.T) {
	t.Parallel()
	var answer error
	asked := 0
	i := newIssuer(t, auth.JWTConfig{
		Keys: ringOf(t, generated(t, "EdDSA")),
		Check: func(_ context.Context, p *auth.Principal) error {
			asked++
			return answer
		},
	})
	if asked != 0 {
		t.Error("Check was asked about the self-test")
	}
	token := issue(t, i, auth.Claims{Subject: "u"})
	verify(t, i, token)
	verify(t, i, token)
	answer = auth.ErrRevokedToken
	if p, err := i.Verify(t.Context(), token); p != nil || !errors.Is(err, auth.ErrRevokedToken) {
		t.Errorf("revoked: %v, %v", p, err)
	}
	answer = errors.New("store is down")
	if p, err := i.Verify(t.Context(), token); p != nil || err != answer || errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("store down: %v, %v", p, err)
	}
	if asked != 4 {
		t.Errorf("asked %d times, want 4", asked)
	}
}

// A token of another audience, issuer or type of the same keys is refused, also
// when the table of verified tokens of another verifier knows it.
func TestVerifiersDoNotShareVerdicts(t *testing.T) {
	t.Parallel()
	ring := ringOf(t, generated(t, "EdDSA"))
	i := newIssuer(t, auth.JWTConfig{Keys: ring})
	token := issue(t, i, auth.Claims{Subject: "u"})
	verify(t, i, token)
	for _, cfg := range []auth.JWTVerifierConfig{
		{Issuer: testIssuer, Audience: "other", Keys: ring},
		{Issuer: testIssuer + "/", Audience: testAudience, Keys: ring},
		{Issuer: testIssuer, Audience: testAudience, Keys: ring, Types: []string{"JWT"}},
	} {
		v, err := auth.NewJWTVerifier(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	v, err := auth.NewJWTVerifier(auth.JWTVerifierConfig{
		Issuer: testIssuer, Audience: testAudience, Keys: ring, Types: []string{"JWT", "application/AT+jwt"},
	})
	if err != nil {
		t.Fatal(err)
	}
	verify(t, v, token)
}
