package auth_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// BenchmarkEnumeration measures what the time of a failed login tells of the
// account: an operation is one attempt of each kind, in random order. The metrics
// are the chance (AUC) that an attempt of a kind takes longer than one with the
// wrong password for an account that is there; 0.5 tells nothing, and wrong-again is the machine's noise. From 2,000
// attempts on it fails beyond 0.48 to 0.52, on a quiet machine:
//
//	go test -run '^$' -bench Enumeration -benchtime 5000x .
func BenchmarkEnumeration(b *testing.B) {
	ctx := b.Context()
	hasher := auth.LowCostBcrypt(5)
	encoded, err := hasher.Hash(ctx, "correct horse")
	if err != nil {
		b.Fatal(err)
	}
	// Many accounts, so that none is found sooner than another.
	users := auth.NewMemoryStore()
	kinds := []string{"wrong", "unknown", "disabled", "passwordless", "wrong-again"}
	const each = 1000
	for i := range each {
		for _, u := range []auth.User{
			{Username: "wrong", PasswordHash: encoded},
			{Username: "wrong-again", PasswordHash: encoded},
			{Username: "disabled", PasswordHash: encoded, Disabled: true},
			{Username: "passwordless"},
		} {
			u.Username += fmt.Sprint("-", i)
			u.ID = "id-" + u.Username
			if err := users.CreateUser(ctx, u); err != nil {
				b.Fatal(err)
			}
		}
	}
	a := newAuthenticator(b, users, auth.Config{Hasher: hasher})
	took := map[string][]time.Duration{}
	order := slices.Clone(kinds)
	for i := range 100 {
		_, _ = a.Login(ctx, fmt.Sprint("wrong-", i), "wrong horse")
	}
	for b.Loop() {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, kind := range order {
			name := fmt.Sprint(kind, "-", rand.IntN(each))
			start := time.Now()
			_, err := a.Login(ctx, name, "wrong horse")
			took[kind] = append(took[kind], time.Since(start))
			if err != auth.ErrInvalidCredentials {
				b.Fatalf("%s: %v", name, err)
			}
		}
	}
	for _, kind := range kinds[1:] {
		p := auc(took["wrong"], took[kind])
		b.ReportMetric(p, "auc-"+kind)
		if len(took[kind]) >= 2000 && (p < 0.48 || p > 0.52) {
			b.Errorf("%s: an AUC of %.4f from %d attempts", kind, p, len(took[kind]))
		}
	}
}

// auc returns the chance that one of y is greater than one of x, ties half: the
// Mann-Whitney statistic.
func auc(x, y []time.Duration) float64 {
	x = slices.Sorted(slices.Values(x))
	sum := 0
	for _, v := range y {
		below, _ := slices.BinarySearch(x, v)
		upTo, _ := slices.BinarySearch(x, v+1)
		sum += below + upTo
	}
	return float64(sum) / 2 / float64(len(x)) / float64(len(y))
}
