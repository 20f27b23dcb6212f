package jwt_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// What an issuer signs, it and a verifier with the public half alone accept.
func TestIssueAndVerify(t *testing.T) {
	t.Parallel()
	for _, alg := range testkit.Algorithms {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			ring := testkit.RingOf(t, testkit.Generated(t, alg))
			i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: ring})
			authTime := time.Now().Add(-time.Minute).Truncate(time.Second)
			token := testkit.Issue(t, i, jwt.Claims{
				Subject: "usér-1", Kind: jwt.KindAgent, Scopes: []string{"read:items", "write"}, Roles: []string{"admin", `a "b"`},
				SessionID: "s-1", AuthTime: authTime, AMR: []string{"pwd", "otp"}, ACR: "2", Actors: []string{"bot", "script"},
				Custom: map[string]any{"tenant": int64(math.MaxInt64), "plan": map[string]string{"name": "pro"}},
			})
			h := testkit.Segment(t, token, 0)
			if h["alg"] != alg || h["typ"] != "at+jwt" || h["kid"] == "" || len(h) != 3 {
				t.Errorf("header %v", h)
			}
			p := testkit.Verify(t, i, token)
			if p.Subject() != "usér-1" || p.Kind() != jwt.KindAgent || p.Issuer() != testkit.Issuer ||
				len(p.Audience()) != 1 || p.Audience()[0] != testkit.Audience || p.SessionID() != "s-1" ||
				len(p.TokenID()) != 22 || !p.AuthTime().Equal(authTime) || p.ACR() != "2" || p.Actor() != "bot" || len(p.Actors()) != 2 || p.ClientID() != testkit.Issuer ||
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
	i := testkit.NewIssuer(t, jwt.IssuerConfig{})
	seen := make(map[string]bool)
	var ones, zeros [16]byte
	for range 10_000 {
		id := testkit.Verify(t, i, testkit.Issue(t, i, jwt.Claims{Subject: "u"})).TokenID()
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
	}{{jwt.NoLeeway, 0}, {0, 30 * time.Second}, {time.Minute, time.Minute}, {5 * time.Minute, 5 * time.Minute}} {
		t.Run(tt.leeway.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := testkit.NewIssuer(t, jwt.IssuerConfig{Leeway: tt.leeway, Lifetime: time.Minute, VerifiedTokens: 8})
				token := testkit.Issue(t, i, jwt.Claims{Subject: "u"})
				time.Sleep(time.Minute + tt.expired - time.Microsecond)
				testkit.Verify(t, i, token)
				time.Sleep(time.Microsecond)
				if _, err := i.Verify(t.Context(), token); !errors.Is(err, jwt.ErrExpiredToken) || !errors.Is(err, jwt.ErrInvalidToken) {
					t.Errorf("at the bound: %v", err)
				}
			})
		})
	}
}

func TestShorterExpiry(t *testing.T) {
	t.Parallel()
	i := testkit.NewIssuer(t, jwt.IssuerConfig{})
	end := time.Now().Add(time.Minute)
	p := testkit.Verify(t, i, testkit.Issue(t, i, jwt.Claims{Subject: "u", Expiry: end}))
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
				var ce *cfgerr.Error
				if errors.As(err, &ce) {
					list = append(list, ce.Field)
					continue
				}
				t.Errorf("%v is no ConfigError", err)
			}
		}
		return strings.Join(list, " ")
	}
	_, err := jwt.NewIssuer(jwt.IssuerConfig{Lifetime: -1, Leeway: time.Hour})
	for _, want := range []string{"jwt.IssuerConfig.Lifetime", "jwt.IssuerConfig.Issuer", "jwt.IssuerConfig.Audience", "jwt.IssuerConfig.Keys", "jwt.IssuerConfig.Leeway"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in %v", want, err)
		}
	}
	_, err = jwt.NewVerifier(jwt.VerifierConfig{
		Leeway: -2, VerifiedTokens: 1 << 30, Types: []string{"", "Application/"}, DangerouslyAnyType: true,
	})
	want := "Issuer Audience Keys Leeway VerifiedTokens Types Types Types"
	if got := strings.ReplaceAll(fields(err), "jwt.VerifierConfig.", ""); got != want {
		t.Errorf("faults %q, want %q", got, want)
	}
	ring, err := jwt.NewVerifyingKeyRing(testkit.Generated(t, "ES256"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "i", Audience: "a", Keys: ring}); err == nil {
		t.Error("an issuer was made of keys that only verify")
	}
}

// The bounds of what may be set, on either side, and settings under which no token
// could be made.
func TestJWTConfigBounds(t *testing.T) {
	t.Parallel()
	ring := testkit.RingOf(t, testkit.Generated(t, "HS256"))
	for name, row := range map[string]struct {
		cfg    jwt.IssuerConfig
		faulty bool
	}{
		"the least":              {jwt.IssuerConfig{Lifetime: time.Second, Leeway: jwt.NoLeeway}, false},
		"the most":               {jwt.IssuerConfig{Lifetime: 24 * time.Hour, Leeway: time.Minute}, false},
		"less than a second":     {jwt.IssuerConfig{Lifetime: time.Second - 1}, true},
		"a lifetime below zero":  {jwt.IssuerConfig{Lifetime: -time.Hour}, true},
		"more than a day":        {jwt.IssuerConfig{Lifetime: 24*time.Hour + 1}, true},
		"a leeway of 5 minutes":  {jwt.IssuerConfig{Leeway: 5 * time.Minute}, false},
		"a longer leeway":        {jwt.IssuerConfig{Leeway: 5*time.Minute + 1}, true},
		"an issuer not in UTF-8": {jwt.IssuerConfig{Issuer: "https://issuer.test/\xff"}, true},
		"an audience too long":   {jwt.IssuerConfig{Audience: strings.Repeat("a", 8192)}, true},
	} {
		row.cfg.Keys = ring
		row.cfg.Issuer, row.cfg.Audience = cmp.Or(row.cfg.Issuer, testkit.Issuer), cmp.Or(row.cfg.Audience, testkit.Audience)
		if i, err := jwt.NewIssuer(row.cfg); testkit.IsConfigError(err) != row.faulty || (i == nil) != row.faulty {
			t.Errorf("%s: %v, %v", name, i, err)
		}
	}
}

// A key that leaves the ring takes its tokens with it at once, those in the
// table of verified tokens too; one that joins is known at once.
func TestRotation(t *testing.T) {
	t.Parallel()
	first, second := testkit.Generated(t, "EdDSA"), testkit.Generated(t, "EdDSA")
	ring := testkit.RingOf(t, first)
	i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: ring})
	old := testkit.Issue(t, i, jwt.Claims{Subject: "old"})
	testkit.Verify(t, i, old)
	if err := ring.Replace(second, first); err != nil {
		t.Fatal(err)
	}
	young := testkit.Issue(t, i, jwt.Claims{Subject: "young"})
	for range 2 {
		testkit.Verify(t, i, old)
		testkit.Verify(t, i, young)
	}
	if kid := testkit.Segment(t, young, 0)["kid"]; kid != second.ID() {
		t.Errorf("signed by %v, want the new key", kid)
	}
	if err := ring.Replace(second); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Verify(t.Context(), old); !errors.Is(err, jwt.ErrUnknownKey) {
		t.Errorf("the removed key's token: %v", err)
	}
	testkit.Verify(t, i, young)
}

// No valid token is refused and no removed key accepted while keys rotate under
// load.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	keys := []jwt.Key{testkit.Generated(t, "ES256"), testkit.Generated(t, "EdDSA"), testkit.Generated(t, "HS256")}
	ring := testkit.RingOf(t, keys[0], keys[1:]...)
	i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: ring, VerifiedTokens: 64})
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
				token, err := i.Issue(context.Background(), jwt.Claims{Subject: "u"})
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
	i := testkit.NewIssuer(t, jwt.IssuerConfig{
		Keys: testkit.RingOf(t, testkit.Generated(t, "EdDSA")),
		Check: func(_ context.Context, p *jwt.Principal) error {
			asked++
			return answer
		},
	})
	if asked != 0 {
		t.Error("Check was asked about the self-test")
	}
	token := testkit.Issue(t, i, jwt.Claims{Subject: "u"})
	testkit.Verify(t, i, token)
	testkit.Verify(t, i, token)
	answer = jwt.ErrRevokedToken
	if p, err := i.Verify(t.Context(), token); p != nil || !errors.Is(err, jwt.ErrRevokedToken) {
		t.Errorf("revoked: %v, %v", p, err)
	}
	answer = errors.New("store is down")
	if p, err := i.Verify(t.Context(), token); p != nil || err != answer || errors.Is(err, jwt.ErrInvalidToken) {
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
	ring := testkit.RingOf(t, testkit.Generated(t, "EdDSA"))
	i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: ring})
	token := testkit.Issue(t, i, jwt.Claims{Subject: "u"})
	testkit.Verify(t, i, token)
	for _, cfg := range []jwt.VerifierConfig{
		{Issuer: testkit.Issuer, Audience: "other", Keys: ring},
		{Issuer: testkit.Issuer + "/", Audience: testkit.Audience, Keys: ring},
		{Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: ring, Types: []string{"JWT"}},
	} {
		v, err := jwt.NewVerifier(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwt.ErrInvalidToken) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	v, err := jwt.NewVerifier(jwt.VerifierConfig{
		Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: ring, Types: []string{"JWT", "application/AT+jwt"},
	})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Verify(t, v, token)
}
