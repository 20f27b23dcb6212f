package recovery_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/recovery"
)

// BenchmarkEnumerationCodes measures what the time of a wrong code tells of the
// address that one was asked for, as BenchmarkEnumeration of package auth does of
// names: AUC against an address that is somebody's; known-again is the machine's
// noise. From 2,000 tries on it fails beyond 0.48 to 0.52, on a quiet machine:
//
//	go test -run '^$' -bench Enumeration -benchtime 4000x ./recovery
func BenchmarkEnumerationCodes(b *testing.B) {
	w := newWorld(b, recovery.Config{}, nil)
	kinds := []string{"known", "unknown", "unproven", "known-again"}
	challenges := map[string][]string{}
	order := slices.Clone(kinds)
	shuffle := func(s []string) { rand.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] }) }
	for range (b.N + 3) / 4 { // a fifth try ends a challenge
		shuffle(order)
		for _, kind := range order {
			address := fmt.Sprintf("%032x@example.com", rand.Uint64())
			if kind != "unknown" {
				w.user(address, kind != "unproven")
			}
			for {
				challenge, err := w.recovery.RequestLoginCode(b.Context(), address)
				if errors.Is(err, auth.ErrBusy) {
					time.Sleep(time.Millisecond)
					continue
				}
				if err != nil {
					b.Fatal(err)
				}
				challenges[kind] = append(challenges[kind], challenge)
				break
			}
		}
	}
	if err := w.recovery.Close(b.Context()); err != nil { // and all is written
		b.Fatal(err)
	}
	for _, kind := range kinds {
		challenges[kind] = slices.Repeat(challenges[kind], 4)
		shuffle(challenges[kind])
	}
	took := map[string][]time.Duration{}
	b.ResetTimer()
	for i := range b.N {
		shuffle(order)
		for _, kind := range order {
			challenge := challenges[kind][i]
			start := time.Now()
			_, err := w.recovery.LoginByCode(b.Context(), challenge, "no code")
			took[kind] = append(took[kind], time.Since(start))
			if !errors.Is(err, recovery.ErrInvalidToken) {
				b.Fatalf("%s: %v", kind, err)
			}
		}
	}
	testenv.HoldAlike(b, kinds, took)
}
