//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
)

// TestSlowServer stops the server for a while. A refresh waits for it, and the protected route does
// not. When the server has been stopped for longer than the bound, the protected route answers 503;
// when the server continues, everything works again.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	const bound = 2 * time.Second
	own := start(t)
	users, keys := memstore.New(), newSecrets(t)
	var mu sync.Mutex
	var events []auth.EventKind
	serve := func(bound time.Duration, events func(context.Context, auth.Event)) service {
		client := connect(t, &redis.Options{Addr: own.addr(), ReadTimeout: -1, ContextTimeoutEnabled: true})
		// A protected route that waits for the server, which it must not, ends after a minute.
		limit := func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}
		return newService(t, users, newStore(t, client, "auth"), keys, revocation.Config{Bound: bound, Events: events}, limit, nil)
	}
	longBound := serve(5*time.Minute, nil)
	srv := serve(bound, func(_ context.Context, e auth.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e.Kind)
	})
	if _, err := srv.auth.Register(bounded(t), "ada", password); err != nil {
		t.Fatal(err)
	}
	tokens := login(t, longBound.auth)
	began := time.Now()
	if err := srv.list.Sync(bounded(t)); err != nil { // the bound begins now
		t.Fatal(err)
	}
	own.signal(syscall.SIGSTOP)
	defer own.signal(syscall.SIGCONT) // in case the test ends early
	var status int
	done := make(chan struct{})
	go func() {
		defer close(done)
		status, _ = srv.refresh(t, bounded(t), tokens.RefreshToken)
	}()
	for range 100 {
		if code := longBound.profile(t, tokens.AccessToken); code != http.StatusOK {
			t.Fatalf("the protected route answers %d, want 200", code)
		}
	}
	eventually(t, func() error {
		if code := srv.profile(t, tokens.AccessToken); code != http.StatusServiceUnavailable {
			return fmt.Errorf("the protected route answers %d while the feed is down, want 503", code)
		}
		return nil
	})
	if down := time.Since(began); down < bound {
		t.Errorf("the protected route answers 503 after only %v", down)
	}
	select {
	case <-done:
		t.Errorf("refresh answered %d while the server was stopped", status)
	default:
	}
	own.signal(syscall.SIGCONT)
	eventually(t, func() error {
		if code := srv.profile(t, tokens.AccessToken); code != http.StatusOK {
			return fmt.Errorf("the protected route answers %d after the feed is back, want 200", code)
		}
		mu.Lock()
		defer mu.Unlock()
		if n := len(events); n < 2 || n%2 > 0 {
			return fmt.Errorf("events %v, want that the feed is down, and up", events)
		}
		return nil
	})
	mu.Lock()
	// The two events come once, or more often if the machine is too busy to read the feed in time.
	for n, kind := range events {
		if kind != [2]auth.EventKind{auth.EventFeedDown, auth.EventFeedUp}[n%2] {
			t.Errorf("events %v, want down and up in turn", events)
		}
	}
	mu.Unlock()
	// The refresh may have been answered with 503, because new tokens are not verified while the feed
	// is down. The refresh token works all the same.
	<-done
	eventually(t, func() error {
		if status, body := srv.refresh(t, bounded(t), tokens.RefreshToken); status != http.StatusOK {
			return fmt.Errorf("refresh afterwards: %d %s", status, body)
		}
		return nil
	})
}
