//go:build unix

package drivertest

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// TestFeedDown stops the PostgreSQL of two replicas. When it is down for longer than the bound, the
// protected route of one replica answers 503. The other, which is configured to serve stale, continues
// with the revocations that it has read. Both emit events. When the server is back, both work as
// before.
func TestFeedDown(t *testing.T) {
	t.Parallel()
	own := newOwnPostgres(t)
	tt := target{"PostgreSQL", sqlstore.PostgreSQL, "pgx", func(testing.TB) string { return own.source() }}
	s, err := sqlstore.New(open(t, tt.driver, tt.source(t)), tt.dialect, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(bounded(t)); err != nil {
		t.Fatal(err)
	}
	create(t, s, user("1", "alice"))
	var mu sync.Mutex
	var events [2][]auth.EventKind // emitted by each replica
	var replicas [2]service
	keys := newKeys(t)
	for i := range replicas {
		replicas[i] = newService(t, tt.reopen(t, "auth_"), keys, revocation.Config{
			Bound: 3 * time.Second, DangerouslyServeStale: i == 1,
			Events: func(_ context.Context, e auth.Event) {
				mu.Lock()
				defer mu.Unlock()
				events[i] = append(events[i], e.Kind)
			},
		}, nil, nil)
	}
	login := func() (token string) {
		t.Helper()
		got, err := replicas[0].auth.LoginUser(bounded(t), "1", "pwd")
		if err != nil {
			t.Fatal(err)
		}
		return got.AccessToken
	}
	kept, ended, endedLate := login(), login(), login()
	logout := func(token string, want int) {
		t.Helper()
		eventually(t, func() error {
			if status, _ := replicas[0].send(t, bounded(t), "POST", "/logout", token, ""); status != want {
				return fmt.Errorf("logout answers %d, want %d", status, want)
			}
			return nil
		})
	}
	// expect waits until the replica that fails closed and the one that serves stale answer with these
	// statuses, and each has emitted at least so many events: down and up in turn, the last of them the
	// current state. A busy machine that does not read the feed within the bound emits more of them.
	expect := func(token string, closed, stale, least int) {
		t.Helper()
		eventually(t, func() error {
			got := [2]int{replicas[0].profile(t, token), replicas[1].profile(t, token)}
			mu.Lock()
			defer mu.Unlock()
			for i := range events {
				if len(events[i]) < least || len(events[i])%2 != least%2 {
					return fmt.Errorf("replica %d emitted %v, want %d events", i, events[i], least)
				}
				for n, kind := range events[i] {
					if kind != [2]auth.EventKind{auth.EventFeedDown, auth.EventFeedUp}[n%2] {
						t.Errorf("replica %d emitted %v, want down and up in turn", i, events[i])
					}
				}
			}
			if got != [2]int{closed, stale} {
				return fmt.Errorf("the replicas answer %v, want %d and %d", got, closed, stale)
			}
			return nil
		})
	}
	expect(kept, http.StatusOK, http.StatusOK, 0)
	logout(ended, http.StatusNoContent)
	expect(ended, http.StatusUnauthorized, http.StatusUnauthorized, 0)

	own.stop(syscall.SIGQUIT)
	expect(kept, http.StatusServiceUnavailable, http.StatusOK, 1)
	expect(ended, http.StatusServiceUnavailable, http.StatusUnauthorized, 1)
	logout(endedLate, http.StatusServiceUnavailable)

	own.start(t)
	expect(kept, http.StatusOK, http.StatusOK, 2)
	expect(ended, http.StatusUnauthorized, http.StatusUnauthorized, 2)
	logout(endedLate, http.StatusNoContent)
	expect(endedLate, http.StatusUnauthorized, http.StatusUnauthorized, 2)
}
