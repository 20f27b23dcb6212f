//go:build !race

// What bcrypt costs. The race detector makes each hash twenty times slower and
// adds allocations of its own.

package passwords_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-e36e2130/auth/passwords"
)

// TestBcryptDefault looks at what the zero value writes.
func TestBcryptDefault(t *testing.T) {
	t.Parallel()
	for password, prefix := range map[string]string{
		"correct horse":         "$2a$12$",
		strings.Repeat("🐎", 64): "$bcrypt-sha256$v=2,t=2b,r=12$",
	} {
		encoded, err := passwords.Bcrypt{}.Hash(t.Context(), password)
		if err != nil || !strings.HasPrefix(encoded, prefix) {
			t.Errorf("Hash of %d bytes = %q, %v, want %s…", len(password), encoded, err, prefix)
		}
		if (passwords.Bcrypt{}).NeedsRehash(encoded) {
			t.Errorf("NeedsRehash(%q) of its own hash", encoded)
		}
	}
}

// A mismatch with a hash of lower cost is topped up to the work of the current
// cost: one run at the stored cost and one at each cost from there to below the
// current one. Runs are counted by what x/crypto allocates in each.
func TestBcryptMismatchIsToppedUp(t *testing.T) {
	const low, high = 4, 8
	current := passwords.LowCostBcrypt(high)
	hash := func(cost int) string {
		encoded, err := passwords.LowCostBcrypt(cost).Hash(t.Context(), "password")
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	lowHash, highHash := hash(low), hash(high)
	run := testing.AllocsPerRun(5, func() { _ = bcrypt.CompareHashAndPassword([]byte(lowHash), []byte("another")) })
	for _, row := range []struct {
		name, encoded, password string
		runs                    float64
	}{
		{"current cost", highHash, "another", 1},
		{"lower cost", lowHash, "another", 1 + high - low},
		{"current cost, long", highHash, strings.Repeat("another", 20), 1},
		{"lower cost, long", lowHash, strings.Repeat("another", 20), 1 + high - low},
		{"lower cost, a match", lowHash, "password", 1},
	} {
		allocs := testing.AllocsPerRun(5, func() { _ = current.Verify(t.Context(), row.encoded, row.password) })
		if allocs < row.runs*run || allocs > row.runs*run+8+2*row.runs {
			t.Errorf("%s: %v allocations, %v in a run: not %v runs", row.name, allocs, run, row.runs)
		}
	}
}

// BenchmarkBcryptMismatch shows the time of what TestBcryptMismatchIsToppedUp
// counts.
func BenchmarkBcryptMismatch(b *testing.B) {
	const high = 8
	current := passwords.LowCostBcrypt(high)
	for _, cost := range []int{4, 6, high} {
		encoded, err := passwords.LowCostBcrypt(cost).Hash(b.Context(), "password")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("stored=%d", cost), func(b *testing.B) {
			for b.Loop() {
				if current.Verify(b.Context(), encoded, "another") == nil {
					b.Fatal("matches")
				}
			}
		})
	}
}

// TestBcryptAllocations: at most 8 beyond x/crypto's own call.
func TestBcryptAllocations(t *testing.T) {
	const password = "correct horse battery staple"
	encoded, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	text, key := string(encoded), []byte(password)
	long := strings.Repeat("a", 100)
	longText, err := fast.Hash(t.Context(), long)
	if err != nil {
		t.Fatal(err)
	}
	ownCompare := testing.AllocsPerRun(20, func() { _ = bcrypt.CompareHashAndPassword(encoded, key) })
	ownHash := testing.AllocsPerRun(20, func() { _, _ = bcrypt.GenerateFromPassword(key, bcrypt.MinCost) })
	for name, row := range map[string]struct {
		own float64
		run func()
	}{
		"Verify":       {ownCompare, func() { _ = fast.Verify(t.Context(), text, password) }},
		"Hash":         {ownHash, func() { _, _ = fast.Hash(t.Context(), password) }},
		"Hash, long":   {ownHash, func() { _, _ = fast.Hash(t.Context(), long) }},
		"Verify, long": {ownCompare, func() { _ = fast.Verify(t.Context(), longText, long) }},
	} {
		if got := testing.AllocsPerRun(20, row.run); got > row.own+8 {
			t.Errorf("%s allocates %v times, x/crypto %v", name, got, row.own)
		}
	}
}

// BenchmarkBcrypt holds our calls against x/crypto's own.
func BenchmarkBcrypt(b *testing.B) {
	const password, cost = "correct horse battery staple", 10
	encoded, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		b.Fatal(err)
	}
	ours, text, key, ctx := passwords.LowCostBcrypt(cost), string(encoded), []byte(password), b.Context()
	for _, row := range []struct {
		name string
		run  func() error
	}{
		{"Verify/auth", func() error { return ours.Verify(ctx, text, password) }},
		{"Verify/x-crypto", func() error { return bcrypt.CompareHashAndPassword(encoded, key) }},
		{"Hash/auth", func() error { _, err := ours.Hash(ctx, password); return err }},
		{"Hash/x-crypto", func() error { _, err := bcrypt.GenerateFromPassword(key, cost); return err }},
	} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := row.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
