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

// BenchmarkEnumerationCodes measures whether the time of a wrong code reveals if its address is known,
// as BenchmarkEnumeration of package auth does for usernames. It reports the AUC of each kind of address
// against known ones: 0.5 means that the times do not tell them apart. known-again is the noise of the
// machine. With 2,000 tries or more it fails outside of 0.48 to 0.52. Run it on a quiet machine:
//
//	go test -run '^$' -bench Enumeration -benchtime 4000x ./recovery
func BenchmarkEnumerationCodes(b *testing.B) {
	f := newFixture(b, recovery.Config{}, nil)
	kinds := []string{"known", "unknown", "unverified", "known-again"}
	challenges := map[string][]string{}
	order := slices.Clone(kinds)
	shuffle := func(s []string) { rand.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] }) }
	for range (b.N + 3) / 4 { // a challenge has five tries; the fifth is not used
		shuffle(order)
		for _, kind := range order {
			address := fmt.Sprintf("%032x@example.com", rand.Uint64())
			if kind != "unknown" {
				f.user(address, kind != "unverified")
			}
			for {
				challenge, err := f.recovery.RequestLoginCode(b.Context(), address)
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
	if err := f.recovery.Close(b.Context()); err != nil { // waits until all records are written
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
			_, err := f.recovery.LoginByCode(b.Context(), challenge, "no code")
			took[kind] = append(took[kind], time.Since(start))
			if !errors.Is(err, recovery.ErrInvalidToken) {
				b.Fatalf("%s: %v", kind, err)
			}
		}
	}
	testenv.HoldAlike(b, kinds, took)
}
