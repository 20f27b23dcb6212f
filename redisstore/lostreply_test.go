package redisstore_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// twice is a hook that sends each script twice, as a client does that has lost the first reply.
type twice struct{}

func (twice) DialHook(next redis.DialHook) redis.DialHook                               { return next }
func (twice) ProcessPipelineHook(n redis.ProcessPipelineHook) redis.ProcessPipelineHook { return n }
func (twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil || !strings.HasPrefix(cmd.Name(), "eval") {
			return err
		}
		return next(ctx, cmd)
	}
}

// TestLostReply checks that a session that ends while replies are lost is reported like any other:
// with its event, and to Config.Revoked.
func TestLostReply(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(ctx context.Context, a *auth.Authenticator, userID string, first auth.Tokens) error
		kind auth.EventKind
	}{
		"logout": {func(ctx context.Context, a *auth.Authenticator, _ string, first auth.Tokens) error {
			return a.Logout(ctx, first.RefreshToken)
		}, auth.EventLogout},
		"theft": {func(ctx context.Context, a *auth.Authenticator, _ string, first auth.Tokens) error {
			_, err := a.Refresh(ctx, first.RefreshToken)
			if err == auth.ErrInvalidGrant {
				return nil
			}
			return err
		}, auth.EventReuse},
		"end of all": {func(ctx context.Context, a *auth.Authenticator, userID string, _ auth.Tokens) error {
			return a.EndSessions(ctx, userID, "")
		}, auth.EventSessionsEnded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := connect(t, options(t))
			client.AddHook(twice{})
			keys, users := newSecrets(t), memstore.New()
			var events []auth.EventKind
			var revoked atomic.Int64
			a, err := auth.New(users, testkit.NewIssuer(t, jwt.IssuerConfig{Keys: keys.signing}), auth.Config{
				Hasher: authtest.FastHasher(t), Sessions: newStore(t, client, prefix(t, client)), RefreshKeys: keys.refresh,
				RefreshWindow: -1,
				Events:        func(_ context.Context, e auth.Event) { events = append(events, e.Kind) },
				Revoked:       func(context.Context) error { revoked.Add(1); return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			u, err := a.Register(bounded(t), "ada", password)
			if err != nil {
				t.Fatal(err)
			}
			first := login(t, a)
			if _, err := a.Refresh(bounded(t), first.RefreshToken); err != nil {
				t.Fatal(err)
			}
			if err := tt.end(bounded(t), a, u.ID, first); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, kind := range events {
				if kind == tt.kind {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d events of kind %v among %v, want 1", n, tt.kind, events)
			}
			if n := revoked.Load(); n != 1 {
				t.Errorf("Revoked was called %d times, want once", n)
			}
		})
	}
}
