package testkit

import (
	"cmp"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// SlowHasher takes a second, or each, for a call and records which began in what
// order. The password "panic" makes it panic at the end, the hash "unknown" is
// refused at once.
type SlowHasher struct {
	Each time.Duration
	End  func() // called last, unless nil

	Mu          sync.Mutex
	Began       []string
	Now, AtOnce atomic.Int32
}

func (s *SlowHasher) Hash(_ context.Context, password string) (string, error) {
	s.Mu.Lock()
	s.Began = append(s.Began, password)
	s.Mu.Unlock()
	now := s.Now.Add(1)
	defer s.Now.Add(-1)
	for most := s.AtOnce.Load(); now > most && !s.AtOnce.CompareAndSwap(most, now); most = s.AtOnce.Load() {
	}
	time.Sleep(cmp.Or(s.Each, time.Second))
	if password == "panic" {
		panic("hasher")
	}
	if s.End != nil {
		s.End()
	}
	return "hash of " + password, nil
}

func (s *SlowHasher) Verify(ctx context.Context, encoded, password string) error {
	if encoded == "unknown" {
		return auth.ErrUnknownHash
	}
	if made, _ := s.Hash(ctx, password); made != encoded {
		return auth.ErrMismatch
	}
	return nil
}

func (s *SlowHasher) NeedsRehash(encoded string) bool { return encoded == "weak" }

func DefaultSlots() int { return max(1, runtime.GOMAXPROCS(0)-1) }

func IsConfigError(err error) bool {
	var config *auth.ConfigError
	return errors.As(err, &config)
}

func Read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(Testdata(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func Replaced(s, old, replacement string) string {
	if !strings.Contains(s, old) {
		panic("no " + old + " in " + s)
	}
	return strings.Replace(s, old, replacement, 1)
}

// Allocated returns how many bytes f allocates. Tests that call it are not
// parallel, so that nothing else runs.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FaultFields returns the Field of each [cfgerr.Error] that a constructor has joined.
func FaultFields(err error) (fields []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if fault, is := errors.AsType[*cfgerr.Error](err); is {
			fields = append(fields, fault.Field)
		}
		return fields
	}
	for _, one := range joined.Unwrap() {
		fields = append(fields, FaultFields(one)...)
	}
	return fields
}
