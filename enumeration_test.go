package auth_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

// BenchmarkEnumeration measures what the time of a failed login tells of the
// account: an operation is one attempt of each kind, in random order. The metrics
// are the chance (AUC) that an attempt of a kind takes longer than one with the
// wrong password for an account that is there; 0.5 tells nothing, and wrong-again is the machine's noise. From 2,000
// attempts on it fails beyond 0.48 to 0.52, on a quiet machine:
//
//	go test -run '^$' -bench Enumeration -benchtime 5000x .
func BenchmarkEnumeration(b *testing.B) {
	kinds := []string{"wrong", "unknown", "disabled", "passwordless", "wrong-again"}
	hasher, users := accountsOfKinds(b, kinds)
	a := newAuthenticator(b, users, auth.Config{Hasher: hasher})
	for i := range 100 {
		_, _ = a.Login(b.Context(), nameOf("wrong", i), "wrong horse")
	}
	enumerate(b, a, kinds, auth.ErrInvalidCredentials)
}

// BenchmarkEnumerationThrottled is BenchmarkEnumeration for attempts that have to
// wait, at an account that is there and at one that is not.
func BenchmarkEnumerationThrottled(b *testing.B) {
	kinds := []string{"wrong", "unknown", "disabled", "passwordless", "wrong-again"}
	hasher, users := accountsOfKinds(b, kinds)
	slow, err := throttle.New(memstore.New(), throttle.Config{MaxPerAccount: 1})
	if err != nil {
		b.Fatal(err)
	}
	a := newAuthenticator(b, users, auth.Config{Hasher: hasher, Throttle: slow})
	for i := range accountsOfKind {
		for _, kind := range kinds {
			if _, err := a.Login(b.Context(), nameOf(kind, i), "wrong horse"); err != auth.ErrInvalidCredentials {
				b.Fatal(err)
			}
		}
	}
	enumerate(b, a, kinds, auth.ErrTooManyAttempts)
}

// accountsOfKind are many, so that none is found sooner than another.
const accountsOfKind = 1000

// nameOf returns the name of an account, as long as all the others.
func nameOf(kind string, i int) string {
	sum := sha256.Sum256(fmt.Append(nil, kind, i))
	return fmt.Sprintf("%x", sum[:6])
}

// accountsOfKinds returns those accounts of these kinds that are there.
func accountsOfKinds(b *testing.B, kinds []string) (auth.Hasher, auth.UserStore) {
	b.Helper()
	hasher, users := testkit.LowCostBcrypt(5), memstore.New()
	encoded, err := hasher.Hash(b.Context(), "correct horse")
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range kinds {
		for i := range accountsOfKind {
			u := auth.User{Username: nameOf(kind, i), PasswordHash: encoded, Disabled: kind == "disabled"}
			u.ID = "id-" + u.Username
			switch kind {
			case "unknown":
				continue
			case "passwordless":
				u.PasswordHash = ""
			}
			if _, err := users.CreateUser(b.Context(), u); err != nil {
				b.Fatal(err)
			}
		}
	}
	return hasher, users
}

// enumerate times failed logins of these kinds, and holds each against the first.
func enumerate(b *testing.B, a *auth.Authenticator, kinds []string, want error) {
	b.Helper()
	took, order := map[string][]time.Duration{}, slices.Clone(kinds)
	for b.Loop() {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, kind := range order {
			name := nameOf(kind, rand.IntN(accountsOfKind))
			start := time.Now()
			_, err := a.Login(b.Context(), name, "wrong horse")
			took[kind] = append(took[kind], time.Since(start))
			if !errors.Is(err, want) {
				b.Fatalf("%s: %v", name, err)
			}
		}
	}
	testenv.HoldAlike(b, kinds, took)
}
