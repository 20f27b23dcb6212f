package stream_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/stream"
)

// Each stream that is cut is told, with the user and the agent, app or key that held it. A handler that
// returns, and Close, tell nothing.
func TestEndsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []auth.Event
		var deleted atomic.Bool
		s := newStreams(t, func(context.Context, *auth.Principal) error { return nil }, stream.Config{
			Keys: func(context.Context, *auth.Principal) error {
				if deleted.Load() {
					return auth.ErrRevokedToken
				}
				return nil
			},
			Events: func(_ context.Context, e auth.Event) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, e)
			},
		})
		events := func() []auth.Event {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			list := told
			told = nil
			return list
		}
		begin(t, s, caller(t, auth.Claims{Kind: auth.KindAPIKey, TokenID: "key-1", Expiry: time.Now().Add(time.Hour)}), stream.Cut())
		begin(t, s, caller(t, auth.Claims{
			Kind: auth.KindAgent, SessionID: "s-2", Actors: []string{"agent-7"}, ClientID: "app", Expiry: time.Now().Add(2 * time.Minute),
		}), stream.Cut())
		_, finish, err := s.Begin(t.Context(), caller(t, auth.Claims{}), stream.Cut())
		if err != nil {
			t.Fatal(err)
		}
		finish()

		time.Sleep(time.Minute)
		deleted.Store(true)
		time.Sleep(time.Second)
		if list := events(); len(list) != 1 || list[0].Kind != stream.EventEnded || list[0].KeyID != "key-1" || list[0].UserID != "ada" ||
			!errors.Is(list[0].Err, stream.ErrKeyRevoked) {
			t.Errorf("the key was deleted: %+v", list)
		}
		time.Sleep(2 * time.Minute)
		if list := events(); len(list) != 1 || list[0].Actor != "agent-7" || list[0].ClientID != "app" || list[0].SessionID != "s-2" ||
			list[0].KeyID != "" || !errors.Is(list[0].Err, auth.ErrExpiredToken) {
			t.Errorf("the agent's token expired: %+v", list)
		}
		begin(t, s, caller(t, auth.Claims{}), stream.Cut())
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if list := events(); len(list) != 0 {
			t.Errorf("after Close: %+v", list)
		}
	})
}
