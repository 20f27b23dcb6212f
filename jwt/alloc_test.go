//go:build !race

// Pools drop what they hold at random under the race detector.

package jwt_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// typicalClaims make a token of about 400 bytes under HS256.
func typicalClaims() jwt.Claims {
	return jwt.Claims{
		Subject: "u-4f7c1a2e9b", Scopes: []string{"read:items", "write:items"}, Roles: []string{"member"},
		SessionID: "s-81d0c3", Custom: map[string]any{"tenant": "acme"},
	}
}

// Allocation counts are exact, so a change of one is a change worth a reason.
func TestVerifyAllocations(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		alg    string
		tokens int
		want   float64
	}{
		{"HS256", -1, 2}, // the claims and the principal
		{"HS256", 64, 0}, // a repeat
		{"EdDSA", 0, 0},
	} {
		i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, testkit.Generated(t, tt.alg)), VerifiedTokens: tt.tokens})
		token := testkit.Issue(t, i, typicalClaims())
		testkit.Verify(t, i, token)
		if got := testing.AllocsPerRun(200, func() {
			if _, err := i.Verify(ctx, token); err != nil {
				t.Fatal(err)
			}
		}); got > tt.want {
			t.Errorf("%s with %d places: %v allocations, want at most %v", tt.alg, tt.tokens, got, tt.want)
		}
		forged := token[:len(token)-4] + "AAAA"
		if got := testing.AllocsPerRun(200, func() { _, _ = i.Verify(ctx, forged) }); tt.alg == "HS256" && got != 0 {
			t.Errorf("%s: a forged token costs %v allocations", tt.alg, got)
		}
		scopes := testkit.Verify(t, i, token)
		if got := testing.AllocsPerRun(200, func() {
			if !scopes.HasScope("write:items") || !scopes.HasRole("member") || scopes.HasScope("delete:items") {
				t.Fatal("wrong answer")
			}
		}); got > 0 {
			t.Errorf("HasScope and HasRole: %v allocations", got)
		}
	}
}

func TestIssueAllocations(t *testing.T) {
	i := testkit.NewIssuer(t, jwt.IssuerConfig{})
	c := typicalClaims()
	c.Custom = nil
	if got := testing.AllocsPerRun(200, func() {
		if _, err := i.Issue(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}); got > 6 {
		t.Errorf("Issue: %v allocations", got)
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, bb := range []struct {
		name, alg string
		tokens    int
	}{
		{"HS256/first", "HS256", -1},
		{"HS256/repeat", "HS256", 64},
		{"EdDSA/first", "EdDSA", -1},
		{"EdDSA/repeat", "EdDSA", 0},
		{"ES256/first", "ES256", -1},
		{"RS256/first", "RS256", -1},
		{"PS256/first", "PS256", -1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			i := testkit.NewIssuer(b, jwt.IssuerConfig{Keys: testkit.RingOf(b, testkit.Generated(b, bb.alg)), VerifiedTokens: bb.tokens})
			token := testkit.Issue(b, i, typicalClaims())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.Verify(context.Background(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIssue(b *testing.B) {
	for _, alg := range []string{"HS256", "EdDSA", "ES256"} {
		b.Run(alg, func(b *testing.B) {
			i := testkit.NewIssuer(b, jwt.IssuerConfig{Keys: testkit.RingOf(b, testkit.Generated(b, alg))})
			c := typicalClaims()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.Issue(context.Background(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The table of verified tokens fills to its places and grows no more, whoever comes:
// see VerifiedTokens for what a place takes.
func TestVerifiedTokensMemory(t *testing.T) {
	const places = 4096
	i := testkit.NewIssuer(t, jwt.IssuerConfig{VerifiedTokens: places})
	fill := func(tokens int) (heap int) {
		for range tokens {
			testkit.Verify(t, i, testkit.Issue(t, i, typicalClaims()))
		}
		runtime.GC()
		runtime.GC() // pools are emptied by the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	empty := fill(1)
	full := fill(8 * places)
	again := fill(2 * places)
	if each := (full - empty) / places; each < 256 || each > 666 {
		t.Errorf("a place takes %d bytes", each)
	}
	if more := again - full; more > 128<<10 {
		t.Errorf("a full table grew by %d bytes", more)
	}
	runtime.KeepAlive(i)
}
