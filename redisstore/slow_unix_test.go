//go:build unix

package redisstore_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
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
	own := start(t)
	users := memstore.New()
	var mu sync.Mutex
	var events []auth.EventKind
	srv := newService(t, users, newStore(t, connect(t, &redis.Options{Addr: own.addr(), ReadTimeout: -1, ContextTimeoutEnabled: true}), "auth"),
		newSecrets(t), revocation.Config{Bound: 2 * time.Second, Events: func(_ context.Context, e auth.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e.Kind)
		}}, time.Minute, nil)
	if _, err := srv.auth.Register(bounded(t), "ada", password); err != nil {
		t.Fatal(err)
	}
	tokens := login(t, srv.auth)
	if err := srv.list.Sync(bounded(t)); err != nil { // the bound begins now
		t.Fatal(err)
	}
	own.signal(syscall.SIGSTOP)
	stopped := time.Now()
	var status int
	done := make(chan struct{})
	go func() {
		defer close(done)
		status, _ = srv.refresh(t, bounded(t), tokens.RefreshToken)
	}()
	served := 0
	for ; served < 100; served++ {
		if code := srv.profile(t, tokens.AccessToken); code != http.StatusOK {
			t.Fatalf("the protected route answers %d after %v, want 200", code, time.Since(stopped))
		}
	}
	eventually(t, func() error {
		if code := srv.profile(t, tokens.AccessToken); code != http.StatusServiceUnavailable {
			return fmt.Errorf("the protected route answers %d while the feed is down, want 503", code)
		}
		return nil
	})
	if down := time.Since(stopped); down < time.Second {
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
		if want := []auth.EventKind{auth.EventFeedDown, auth.EventFeedUp}; !slices.Equal(events, want) {
			return fmt.Errorf("events %v, want %v", events, want)
		}
		return nil
	})
	// The refresh may have been answered with 503, because new tokens are not verified while the feed
	// is down. The refresh token works all the same.
	<-done
	if status, body := srv.refresh(t, bounded(t), tokens.RefreshToken); status != http.StatusOK {
		t.Errorf("refresh afterwards: %d %s", status, body)
	}
}
