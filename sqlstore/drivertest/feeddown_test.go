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

// TestFeedDown ends the PostgreSQL under two replicas. When it is away for longer
// than the bound, the one answers 503 on its protected route and the other, whose
// host chose so, goes by what it knows; both tell. When it is back, all is as before.
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
	var told [2][]auth.EventKind
	var replicas [2]service
	keys := newKeys(t)
	for i := range replicas {
		replicas[i] = newService(t, tt.again(t, "auth_"), keys, revocation.Config{
			Bound: 3 * time.Second, DangerouslyServeStale: i == 1,
			Events: func(_ context.Context, e auth.Event) {
				mu.Lock()
				defer mu.Unlock()
				told[i] = append(told[i], e.Kind)
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
	in, out, late := login(), login(), login()
	logout := func(token string, want int) {
		t.Helper()
		eventually(t, func() error {
			if status, _ := replicas[0].send(t, bounded(t), "POST", "/logout", token, ""); status != want {
				return fmt.Errorf("logout answers %d, want %d", status, want)
			}
			return nil
		})
	}
	// answer waits until each replica answers and has told as it should: down and up by
	// turns, at least so often, and in the end what is so. On a machine that is too busy
	// to read the feed for the time of the bound, it is down, too.
	answer := func(token string, closed, open, events int) {
		t.Helper()
		eventually(t, func() error {
			got := [2]int{replicas[0].profile(t, token), replicas[1].profile(t, token)}
			mu.Lock()
			defer mu.Unlock()
			for i := range told {
				if len(told[i]) < events || len(told[i])%2 != events%2 {
					return fmt.Errorf("replica %d told %v, want %d", i, told[i], events)
				}
				for n, kind := range told[i] {
					if kind != [2]auth.EventKind{auth.EventFeedDown, auth.EventFeedUp}[n%2] {
						t.Errorf("replica %d told %v", i, told[i])
					}
				}
			}
			if got != [2]int{closed, open} {
				return fmt.Errorf("the replicas answer %v, want %d and %d", got, closed, open)
			}
			return nil
		})
	}
	answer(in, http.StatusOK, http.StatusOK, 0)
	logout(out, http.StatusNoContent)
	answer(out, http.StatusUnauthorized, http.StatusUnauthorized, 0)

	own.stop(syscall.SIGQUIT)
	answer(in, http.StatusServiceUnavailable, http.StatusOK, 1)
	answer(out, http.StatusServiceUnavailable, http.StatusUnauthorized, 1)
	logout(late, http.StatusServiceUnavailable)

	own.start(t)
	answer(in, http.StatusOK, http.StatusOK, 2)
	answer(out, http.StatusUnauthorized, http.StatusUnauthorized, 2)
	logout(late, http.StatusNoContent)
	answer(late, http.StatusUnauthorized, http.StatusUnauthorized, 2)
}
