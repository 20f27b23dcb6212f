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
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/memstore"
)

// TestSlowServer has a server that is stopped for a while. A refresh waits for it,
// and the protected route does not. Where it is stopped for longer than the bound the
// protected route answers 503, and when it goes on all is as before.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	own := start(t)
	users := memstore.New()
	var mu sync.Mutex
	var told []auth.EventKind
	srv := newService(t, users, newStore(t, connect(t, &redis.Options{Addr: own.addr(), ReadTimeout: -1, ContextTimeoutEnabled: true}), "auth"),
		newKey(t), revocation.Config{Bound: 2 * time.Second, Events: func(_ context.Context, e auth.Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e.Kind)
		}}, time.Minute, nil)
	if _, err := srv.auth.Register(bounded(t), "ada", password); err != nil {
		t.Fatal(err)
	}
	tokens := login(t, srv.auth)
	if err := srv.list.Sync(bounded(t)); err != nil { // now, so that it is known for the bound
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
			t.Fatalf("the protected route answers %d after %v", code, time.Since(stopped))
		}
	}
	eventually(t, func() error {
		if code := srv.profile(t, tokens.AccessToken); code != http.StatusServiceUnavailable {
			return fmt.Errorf("the protected route answers %d where the feed is down", code)
		}
		return nil
	})
	if down := time.Since(stopped); down < time.Second {
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
		if want := []auth.EventKind{auth.EventFeedDown, auth.EventFeedUp}; !slices.Equal(told, want) {
			return fmt.Errorf("told %v, want %v", told, want)
		}
		return nil
	})
	// Its own answer says that its tokens are not verified while the feed is down;
	// the token is good all the same.
	<-done
	if status, body := srv.refresh(t, bounded(t), tokens.RefreshToken); status != http.StatusOK {
		t.Errorf("refresh then: %d %s", status, body)
	}
}
