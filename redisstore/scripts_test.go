package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/redisstore"
)

// permissions are the rules in the package documentation, for the prefix "auth".
var permissions = []string{
	"~{auth}:*", "&{auth}:feed", "-@all", "+@connection", "+eval", "+evalsha", "+info", "+subscribe", "+unsubscribe", "+publish",
	"+get", "+getrange", "+set", "+del", "+exists", "+time", "+pttl", "+persist", "+pexpire", "+pexpireat",
	"+zadd", "+zcard", "+zscore", "+zrem", "+zrange", "+zrevrange", "+zrangebyscore", "+zremrangebyscore", "+hget", "+hmget", "+hset",
}

// TestPermissions runs the suites with exactly the permissions that the documentation lists, and
// then without the channel.
func TestPermissions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range permissions {
		if !regexp.MustCompile(`\s` + regexp.QuoteMeta(word) + `\s`).Match(text) {
			t.Errorf("the documentation does not list %s", word)
		}
	}
	own := start(t)
	admin := own.client()
	for _, channel := range []bool{true, false} {
		t.Run(fmt.Sprintf("channel %t", channel), func(t *testing.T) {
			allowed := permissions
			if !channel {
				allowed = slices.DeleteFunc(slices.Clone(permissions), func(p string) bool { return p[0] == '&' })
			}
			user := fmt.Sprintf("app-%t", channel)
			if err := admin.ACLSetUser(bounded(t), user, append([]string{"on", ">password", "resetchannels"}, allowed...)...).Err(); err != nil {
				t.Fatal(err)
			}
			client := connect(t, patient(&redis.Options{Addr: own.addr(), Username: user, Password: "password", ContextTimeoutEnabled: true}))
			if err := client.Keys(bounded(t), "*").Err(); !redis.HasErrorPrefix(err, "NOPERM") {
				t.Fatalf("KEYS is not forbidden: %v", err)
			}
			empty := func(t *testing.T) *redisstore.Store {
				if err := admin.FlushAll(bounded(t)).Err(); err != nil { // the server is the test's own
					t.Fatal(err)
				}
				return newStore(t, client, "auth")
			}
			authtest.TestRecordStore(t, func(t *testing.T) auth.RecordStore { return empty(t) })
			authtest.TestAccountStore(t, func(t *testing.T) authtest.Accounts { return empty(t) })
			testOwners(t, empty(t))
			s := empty(t)
			sess := session(1, "ada")
			create(t, s, sess)
			next := sess
			next.Version++
			if err := s.ReplaceSession(bounded(t), sess, next); err != nil {
				t.Error(err)
			}
			if err := s.DeleteSession(bounded(t), sess.ID, time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
			revoke(t, s, time.Now().Add(time.Hour), "ada")
			revoked := 0
			if _, err := s.RevokedSince(bounded(t), "", func(auth.Revocation) { revoked++ }); err != nil || revoked != 2 {
				t.Errorf("%d revocations, %v", revoked, err)
			}
			limit := 2 * time.Minute
			if !channel {
				limit = 2 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			synced := false
			err := s.Listen(ctx, func(context.Context) error { synced = true; cancel(); return nil })
			if synced != channel {
				t.Errorf("Listen called sync: %t, want %t; it returned %v", synced, channel, err)
			}
		})
	}
}

// between is a hook that calls f after each script that succeeded.
type between struct{ f func() }

func (b between) DialHook(next redis.DialHook) redis.DialHook                               { return next }
func (b between) ProcessPipelineHook(n redis.ProcessPipelineHook) redis.ProcessPipelineHook { return n }
func (b between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && strings.HasPrefix(cmd.Name(), "eval") {
			b.f()
		}
		return err
	}
}

// TestChangedMeanwhile has a user log in and out between the two steps in which all sessions are
// ended. Those that existed at the second step are ended.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	other := connect(t, options(t))
	p := prefix(t, other)
	s := newStore(t, other, p)
	for _, except := range []string{"", session(0, "").ID} {
		for _, always := range []bool{false, true} {
			create(t, s, session(0, "ada"), session(1, "ada"), session(2, "ada"))
			client := connect(t, options(t))
			steps := 0
			client.AddHook(between{func() {
				if steps++; steps > 1 && !always {
					return
				}
				if steps == 1 {
					if err := s.DeleteSession(bounded(t), session(1, "").ID, time.Now().Add(time.Hour)); err != nil {
						t.Error(err)
					}
				}
				create(t, s, session(10+steps, "ada"))
			}})
			interrupted := newStore(t, client, p)
			err := interrupted.DeleteUserSessions(bounded(t), "ada", except, time.Now(), time.Now().Add(time.Hour))
			left, err2 := s.Sessions(bounded(t), "ada")
			switch {
			case err2 != nil:
				t.Error(err2)
			case always:
				wantFailure(t, "DeleteUserSessions with a login at every step", err)
				if len(left) < 3 {
					t.Errorf("DeleteUserSessions returned %v and left %d sessions", err, len(left))
				}
			case err != nil || len(left) > 1 || len(left) == 1 && left[0].ID != except || len(left) == 0 && except != "":
				t.Errorf("DeleteUserSessions except %q left %v, %v", except, left, err)
			}
			if err := s.DeleteUserSessions(bounded(t), "ada", "", time.Now(), time.Now().Add(time.Hour)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestWrongType finds a key of another type, which another program has written, and changes nothing.
func TestWrongType(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	listed, added := session(1, "ada"), session(2, "ada")
	create(t, s, listed)
	for _, key := range keys(t, client, p) {
		if !strings.Contains(key, ":u:") {
			continue
		}
		if err := client.Rename(bounded(t), key, "{"+p+"}:kept").Err(); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range []string{key, "{" + p + "}:feed"} {
			if err := client.RPush(bounded(t), wrong, "x").Err(); err != nil {
				t.Fatal(err)
			}
			wantFailure(t, "DeleteSession", s.DeleteSession(bounded(t), listed.ID, listed.ExpiresAt))
			wantFailure(t, "DeleteUserSessions", s.DeleteUserSessions(bounded(t), "ada", "", listed.CreatedAt, listed.ExpiresAt))
			if wrong == key {
				wantFailure(t, "CreateSession", s.CreateSession(bounded(t), added))
				wantFailure(t, "ReplaceSession", s.ReplaceSession(bounded(t), listed, listed))
				if err := client.Rename(bounded(t), "{"+p+"}:kept", key).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := s.Session(bounded(t), listed.ID); err != nil {
				t.Errorf("Session: %v", err)
			}
		}
	}
	_, err := s.RevokedSince(bounded(t), "", func(auth.Revocation) {})
	wantFailure(t, "RevokedSince", err)
	if _, _, err := s.Session(bounded(t), added.ID); !errors.Is(err, auth.ErrSessionNotFound) {
		t.Errorf("Session: %v", err)
	}
	if list, err := s.Sessions(bounded(t), "ada"); err != nil || len(list) != 1 {
		t.Errorf("Sessions: %v, %v", list, err)
	}
}
