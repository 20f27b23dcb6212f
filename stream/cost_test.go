package stream_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/stream"
)

const many = 10_000

// TestCost counts the bytes and goroutines of 10,000 open streams: what package stream adds to requests
// that are there anyway. Then it revokes one of them. It is not parallel, so that nothing else runs.
func TestCost(t *testing.T) {
	store := memstore.New()
	now := time.Now().UTC().Truncate(time.Second)
	if err := store.CreateSession(t.Context(), auth.Session{ID: "s4711", UserID: "ada", CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	list, err := revocation.Follow(store, revocation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	if err := list.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := newStreams(t, list.Check, stream.Config{Changed: list.Changed})

	// What net/http has for each request: the request, and a context that can be cancelled.
	requests := make([]*http.Request, many)
	callers := make([]*auth.Principal, many)
	for i := range requests {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		callers[i] = caller(t, auth.Claims{SessionID: fmt.Sprint("s", i)})
		requests[i], _ = http.NewRequestWithContext(auth.NewContext(ctx, callers[i]), "GET", "/", nil)
	}
	streams := make([]*http.Request, many)
	finish := make([]func(), many)
	bytes, goroutines := used(), runtime.NumGoroutine()
	for i, r := range requests {
		ctx, end, err := s.Begin(r.Context(), callers[i], stream.FinishAnswer())
		if err != nil {
			t.Fatal(err)
		}
		streams[i], finish[i] = r.WithContext(ctx), end
	}
	each := float64(used()-bytes) / many
	if each > 1024 {
		t.Errorf("an open stream costs %.0f bytes, want at most 1024", each)
	}
	// 16 goroutines are there while all streams are asked about.
	if more := runtime.NumGoroutine() - goroutines; more > 20 {
		t.Errorf("%d open streams have %d goroutines", many, more)
	}
	t.Logf("an open stream costs %.0f bytes", each)

	began := time.Now()
	if err := store.DeleteSession(t.Context(), "s4711", now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	<-streams[4711].Context().Done()
	t.Logf("the stream ended %v after the revocation", time.Since(began))
	if cause := context.Cause(streams[4711].Context()); !errors.Is(cause, auth.ErrRevokedToken) {
		t.Errorf("the cause is %v", cause)
	}
	for i, end := range finish {
		if i != 4711 && streams[i].Context().Err() != nil {
			t.Fatalf("stream %d has ended: %v", i, context.Cause(streams[i].Context()))
		}
		end()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for runtime.NumGoroutine() > goroutines {
		runtime.Gosched() // a goroutine that has done its work has not ended yet
	}
	runtime.KeepAlive(requests)
}

// used returns the bytes of the heap that are in use.
func used() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkCheck measures how long all streams take to be asked about.
func BenchmarkCheck(b *testing.B) {
	store := memstore.New()
	list, err := revocation.Follow(store, revocation.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer list.Close()
	if err := list.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	s := newStreams(b, list.Check, stream.Config{Every: 5 * time.Second})
	for i := range many {
		_, end, err := s.Begin(b.Context(), caller(b, auth.Claims{SessionID: fmt.Sprint("s", i)}), stream.Cut())
		if err != nil {
			b.Fatal(err)
		}
		defer end()
	}
	b.ReportAllocs()
	for b.Loop() {
		s.CheckAll()
	}
}
