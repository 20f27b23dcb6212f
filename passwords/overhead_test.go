package passwords_test

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-e36e2130/auth/passwords"
)

// BenchmarkOverhead reports what our calls take over x/crypto's own, as the ratio
// of the medians of calls that take turns. The rest of the machine must be idle.
func BenchmarkOverhead(b *testing.B) {
	const password, cost = "correct horse battery staple", 10
	key, salt, ctx := []byte(password), make([]byte, 16), context.Background()
	low := passwords.LowCostBcrypt(cost)
	encoded, err := bcrypt.GenerateFromPassword(key, cost)
	if err != nil {
		b.Fatal(err)
	}
	text := string(encoded)
	stored, err := passwords.Argon2id{}.Hash(ctx, password)
	if err != nil {
		b.Fatal(err)
	}
	argon2 := func() error { passwords.Argon2idKey(passwords.Argon2id{}, key, salt); return nil }
	salted := func() error { rand.Read(salt); return argon2() } // another salt reads other memory
	for _, row := range []struct {
		name      string
		ours, own func() error
	}{
		{"Bcrypt/Verify", func() error { return low.Verify(ctx, text, password) }, func() error { return bcrypt.CompareHashAndPassword(encoded, key) }},
		{"Bcrypt/Hash", func() error { _, err := low.Hash(ctx, password); return err }, func() error { _, err := bcrypt.GenerateFromPassword(key, cost); return err }},
		{"Argon2id/Verify", func() error { return passwords.Argon2id{}.Verify(ctx, stored, password) }, argon2},
		{"Argon2id/Hash", func() error { _, err := passwords.Argon2id{}.Hash(ctx, password); return err }, salted},
	} {
		b.Run(row.name, func(b *testing.B) {
			took := [2][]time.Duration{}
			for turn := 0; b.Loop(); turn++ {
				for i := range 2 {
					which := (turn + i) % 2 // each is first as often as the other
					start := time.Now()
					if err := []func() error{row.ours, row.own}[which](); err != nil {
						b.Fatal(err)
					}
					took[which] = append(took[which], time.Since(start))
				}
			}
			for i := range took {
				slices.Sort(took[i])
			}
			b.ReportMetric(float64(took[0][len(took[0])/2])/float64(took[1][len(took[1])/2]), "ours/own")
		})
	}
}
