//go:build !race

// Under the race detector, a sync.Pool drops its items at random.

package jose_test

import "testing"

func TestAllocations(t *testing.T) {
	k := keyFor(t, "HS256")
	input := make([]byte, 400)
	sig, _ := k.AppendSign(t.Context(), nil, input)
	if n := testing.AllocsPerRun(200, func() { k.Verify(input, sig) }); n > 0 {
		t.Errorf("Verify: %v allocations, want none", n)
	}
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} { // a signature of a wrong length is refused before any arithmetic
		k, short := keyFor(t, alg), make([]byte, 63)
		if n := testing.AllocsPerRun(20, func() { k.Verify(input, short) }); n > 0 {
			t.Errorf("%s: Verify of a signature of 63 bytes: %v allocations, want none", alg, n)
		}
	}
	ctx, dst := t.Context(), make([]byte, 0, 32)
	if n := testing.AllocsPerRun(200, func() { k.AppendSign(ctx, dst, input) }); n > 0 {
		t.Errorf("AppendSign: %v allocations, want none", n)
	}
}
