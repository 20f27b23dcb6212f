//go:build unix

package drivertest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
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
			Bound: time.Second, DangerouslyServeStale: i == 1,
			Events: func(_ context.Context, e auth.Event) {
				mu.Lock()
				defer mu.Unlock()
				told[i] = append(told[i], e.Kind)
			},
		}, 2*time.Second, nil)
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
		if status, _ := replicas[0].send(t, bounded(t), "POST", "/logout", token, ""); status != want {
			t.Errorf("logout answers %d, want %d", status, want)
		}
	}
	// answer waits until each replica answers and has told as it should.
	answer := func(token string, closed, open int, events ...auth.EventKind) {
		t.Helper()
		eventually(t, func() error {
			got := [2]int{replicas[0].profile(t, token), replicas[1].profile(t, token)}
			mu.Lock()
			defer mu.Unlock()
			for i := range told {
				if !slices.Equal(told[i], events) {
					return fmt.Errorf("replica %d told %v, want %v", i, told[i], events)
				}
			}
			if got != [2]int{closed, open} {
				return fmt.Errorf("the replicas answer %v, want %d and %d", got, closed, open)
			}
			return nil
		})
	}
	answer(in, http.StatusOK, http.StatusOK)
	logout(out, http.StatusNoContent)
	answer(out, http.StatusUnauthorized, http.StatusUnauthorized)

	own.stop(syscall.SIGQUIT)
	answer(in, http.StatusServiceUnavailable, http.StatusOK, auth.EventFeedDown)
	answer(out, http.StatusServiceUnavailable, http.StatusUnauthorized, auth.EventFeedDown)
	logout(late, http.StatusServiceUnavailable)

	own.start(t)
	answer(in, http.StatusOK, http.StatusOK, auth.EventFeedDown, auth.EventFeedUp)
	answer(out, http.StatusUnauthorized, http.StatusUnauthorized, auth.EventFeedDown, auth.EventFeedUp)
	logout(late, http.StatusNoContent)
	answer(late, http.StatusUnauthorized, http.StatusUnauthorized, auth.EventFeedDown, auth.EventFeedUp)
}
