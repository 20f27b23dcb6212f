package jwt_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

type tokenVector struct {
	ID, Group, Settings, Level, Expect, Token, Description, Why string
	WantSub                                                     string `json:"want_sub"`
}

// Every case is put three times, so that the table of headers and the table of
// verified tokens answer too, and must answer the same.
func TestTokenVectors(t *testing.T) {
	t.Parallel()
	settings := testkit.VectorSettings(t)
	cases := testkit.ReadLines[tokenVector](t, "testdata/vectors/tokens.jsonl")
	testkit.AtVectorTime(t, func(t *testing.T) {
		verifiers := make(map[string]*jwt.Verifier)
		held := map[string]int{}
		for _, c := range cases {
			v := verifiers[c.Settings]
			if v == nil {
				s, ok := settings[c.Settings]
				if !ok {
					t.Fatalf("%s: unknown setting %s", c.ID, c.Settings)
				}
				v = testkit.VectorVerifier(t, s, 64)
				verifiers[c.Settings] = v
			}
			for range 3 {
				p, err := v.Verify(context.Background(), c.Token)
				if (p == nil) == (err == nil) {
					t.Fatalf("%s: principal %v and error %v", c.ID, p, err)
				}
				if err != nil && !errors.Is(err, jwt.ErrInvalidToken) {
					t.Errorf("%s: error %v is not ErrInvalidToken", c.ID, err)
				}
				wrong := (err == nil) != (c.Expect == "accept") || err == nil && c.WantSub != "" && p.Subject() != c.WantSub
				switch {
				case !wrong:
					held[c.Level]++
				case c.Level == "must" || c.Level == "should" || c.Level == "policy":
					t.Errorf("%s (%s, %s): want %s %q, got %v, %v\n%s: %s", c.ID, c.Level, c.Settings, c.Expect, c.WantSub, p, err, c.Description, c.Why)
				default:
					t.Logf("%s (%s, %s): tells %s, got %v, %v: %s: %s", c.ID, c.Level, c.Settings, c.Expect, p, err, c.Description, c.Why)
				}
			}
		}
		if held["must"] == 0 {
			t.Errorf("held: %v", held)
		}
	})
}

// TestCostlyTokens holds what the cases made to be costly may cost: one that is longer
// than a token may be allocates nothing, for it is not even taken apart; another one
// 16 KiB. The least of a few runs is taken, so that nothing else is counted.
func TestCostlyTokens(t *testing.T) {
	v := testkit.VectorVerifier(t, testkit.VectorSettings(t)["HS"], 0)
	ran := 0
	for _, c := range testkit.ReadLines[tokenVector](t, "testdata/vectors/tokens.jsonl") {
		if c.Group != "dos" {
			continue
		}
		ran++
		most, bytes := uint64(16<<10), uint64(math.MaxUint64)
		if len(c.Token) > 8192 {
			most = 0
		}
		for range 5 {
			bytes = min(bytes, testkit.Allocated(func() { _, _ = v.Verify(t.Context(), c.Token) }))
		}
		if bytes > most {
			t.Errorf("%s of %d bytes allocated %d bytes, at most %d", c.ID, len(c.Token), bytes, most)
		}
	}
	if ran == 0 {
		t.Error("no case ran")
	}
}
