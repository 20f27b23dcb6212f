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
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/memstore"
)

// TestSlowServer has a server that is stopped for a while. A refresh waits for it, and
// the protected route does not. Where it is stopped for longer than the bound the
// protected route answers 503, and when it goes on all is as before.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	const bound = 2 * time.Second
	own := start(t)
	users, key := memstore.New(), newKey(t)
	var mu sync.Mutex
	var told []auth.EventKind
	serve := func(bound time.Duration, events func(context.Context, auth.Event)) service {
		client := connect(t, &redis.Options{Addr: own.addr(), ReadTimeout: -1, ContextTimeoutEnabled: true})
		return newService(t, users, newStore(t, client, "auth"), key, revocation.Config{Bound: bound, Events: events}, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute) // for a route that should not ask the server, and does
		}, nil)
	}
	lasting := serve(5*time.Minute, nil)
	srv := serve(bound, func(_ context.Context, e auth.Event) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, e.Kind)
	})
	if _, err := srv.auth.Register(bounded(t), "ada", password); err != nil {
		t.Fatal(err)
	}
	tokens := login(t, lasting.auth)
	began := time.Now()
	if err := srv.list.Sync(bounded(t)); err != nil { // now, so that it is known for the bound
		t.Fatal(err)
	}
	own.signal(syscall.SIGSTOP)
	defer own.signal(syscall.SIGCONT) // also if the test ends early
	var status int
	done := make(chan struct{})
	go func() {
		defer close(done)
		status, _ = srv.refresh(t, bounded(t), tokens.RefreshToken)
	}()
	for range 100 {
		if code := lasting.profile(t, tokens.AccessToken); code != http.StatusOK {
			t.Fatalf("the protected route answers %d", code)
		}
	}
	eventually(t, func() error {
		if code := srv.profile(t, tokens.AccessToken); code != http.StatusServiceUnavailable {
			return fmt.Errorf("the protected route answers %d where the feed is down", code)
		}
		return nil
	})
	if down := time.Since(began); down < bound {
		t.Errorf("the protected route is closed after %v", down)
	}
	select {
	case <-done:
		t.Errorf("refresh answered %d while the server was stopped", status)
	default:
	}
	own.signal(syscall.SIGCONT)
	eventually(t, func() error {
		if code := srv.profile(t, tokens.AccessToken); code != http.StatusOK {
			return fmt.Errorf("the protected route answers %d where the feed is back", code)
		}
		mu.Lock()
		defer mu.Unlock()
		if n := len(told); n < 2 || n%2 > 0 {
			return fmt.Errorf("told %v, want that it is down, and up", told)
		}
		return nil
	})
	mu.Lock()
	for n, kind := range told { // once, or more often on a machine that is too busy to read the feed
		if kind != [2]auth.EventKind{auth.EventFeedDown, auth.EventFeedUp}[n%2] {
			t.Errorf("told %v", told)
		}
	}
	mu.Unlock()
	// Its own answer says that its tokens are not verified while the feed is down;
	// the token is good all the same.
	<-done
	eventually(t, func() error {
		if status, body := srv.refresh(t, bounded(t), tokens.RefreshToken); status != http.StatusOK {
			return fmt.Errorf("refresh then: %d %s", status, body)
		}
		return nil
	})
}
