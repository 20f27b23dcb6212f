//go:build !race

// What bcrypt costs. The race detector makes each hash twenty times slower and
// adds allocations of its own.

package auth_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-e36e2130/auth"
)

// TestBcryptDefault looks at what the zero value writes.
func TestBcryptDefault(t *testing.T) {
	t.Parallel()
	for password, prefix := range map[string]string{
		"correct horse":         "$2a$12$",
		strings.Repeat("🐎", 64): "$bcrypt-sha256$v=2,t=2b,r=12$",
	} {
		encoded, err := auth.Bcrypt{}.Hash(t.Context(), password)
		if err != nil || !strings.HasPrefix(encoded, prefix) {
			t.Errorf("Hash of %d bytes = %q, %v, want %s…", len(password), encoded, err, prefix)
		}
		if (auth.Bcrypt{}).NeedsRehash(encoded) {
			t.Errorf("NeedsRehash(%q) of its own hash", encoded)
		}
	}
}

// TestBcryptMismatchTakesTheCurrentCost: without the further runs the two would
// differ by a factor of 16.
func TestBcryptMismatchTakesTheCurrentCost(t *testing.T) {
	const low, high = 4, 8
	current := auth.LowCostBcrypt(high)
	hash := func(cost int) string {
		encoded, err := auth.LowCostBcrypt(cost).Hash(t.Context(), "password")
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	long := strings.Repeat("another", 20)
	rows := []struct {
		name, encoded, password string
		fastest                 time.Duration
	}{
		{"current cost", hash(high), "another", time.Hour},
		{"lower cost", hash(low), "another", time.Hour},
		{"lower cost, long", hash(low), long, time.Hour},
		{"current cost, long", hash(high), long, time.Hour},
	}
	for range 10 { // in turn, so that what else the machine does meets all alike
		for i := range rows {
			start := time.Now()
			if err := current.Verify(t.Context(), rows[i].encoded, rows[i].password); err == nil {
				t.Fatal("matches")
			}
			rows[i].fastest = min(rows[i].fastest, time.Since(start))
		}
	}
	for _, row := range rows {
		if ratio := float64(row.fastest) / float64(rows[0].fastest); ratio < 0.5 || ratio > 2 {
			t.Errorf("%s: a mismatch takes %v, with the current cost %v", row.name, row.fastest, rows[0].fastest)
		}
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
	ours, text, key, ctx := auth.LowCostBcrypt(cost), string(encoded), []byte(password), b.Context()
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
