package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/redisstore"
)

// large returns a session that takes a kilobyte.
func large(n int, userID string) auth.Session {
	one := session(n, userID)
	one.State, one.UserAgent = make([]byte, 512), strings.Repeat("a", 256)
	return one
}

// TestFull fills a server that throws nothing away. It takes nothing new, keeps what
// it has, and what must end ends.
func TestFull(t *testing.T) {
	t.Parallel()
	own := start(t, "--maxmemory", "4mb", "--maxmemory-policy", "noeviction")
	s := newStore(t, own.client(), "auth")
	n := 0
	var err error
	for ; n < 20000 && err == nil; n++ {
		err = s.CreateSession(bounded(t), large(n, fmt.Sprint(n/4)))
	}
	if ofTheWorld(t, "CreateSession", err); !strings.Contains(fmt.Sprint(err), "OOM") {
		t.Fatalf("CreateSession: %v", err)
	}
	one, next := large(0, "0"), large(0, "0")
	next.Version++
	ofTheWorld(t, "ReplaceSession", s.ReplaceSession(bounded(t), one, next))
	ofTheWorld(t, "ReplaceRecord", s.ReplaceRecord(bounded(t), 0, auth.Record{Key: "k", Version: 1}))
	if got, _, err := s.Session(bounded(t), one.ID); err != nil || got.Version != 0 {
		t.Errorf("Session: %v, %v", got, err)
	}
	if err := s.DeleteSession(bounded(t), one.ID, time.Now().Add(time.Hour)); err != nil {
		t.Errorf("DeleteSession: %v", err)
	}
	if err := s.DeleteUserSessions(bounded(t), "1", "", time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Errorf("DeleteUserSessions: %v", err)
	}
	revoked := 0
	if _, err := s.RevokedSince(bounded(t), "", func(auth.Revocation) { revoked++ }); err != nil || revoked != 1+4+1 {
		t.Errorf("RevokedSince returned %d, %v, want 6", revoked, err)
	}
}

// TestEviction has a server throw away what was used least, whatever that is. When
// all of a user's sessions are to end, none of them can be used afterwards, also
// where the server had thrown away that they are the user's.
func TestEviction(t *testing.T) {
	t.Parallel()
	own := start(t, "--maxmemory", "5mb", "--maxmemory-policy", "allkeys-lru")
	client := own.client()
	s := newStore(t, client, "auth")
	const users, each = 4000, 2
	all := make(map[string][]auth.Session)
	for n := range users * each {
		one := large(n, fmt.Sprint(n/each))
		create(t, s, one)
		all[one.UserID] = append(all[one.UserID], one)
	}
	kept, orphans := 0, 0
	for user, sessions := range all {
		listed, err := s.Sessions(bounded(t), user)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteUserSessions(bounded(t), user, "", time.Now(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		kept += len(listed)
		for _, one := range sessions {
			if _, _, err := s.Session(bounded(t), one.ID); errors.Is(err, auth.ErrSessionNotFound) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			orphans++
			next := one
			next.Version++
			if err := s.ReplaceSession(bounded(t), one, next); !errors.Is(err, auth.ErrConflict) {
				t.Errorf("ReplaceSession of one that was ended: %v", err)
			}
			if _, _, err := s.Session(bounded(t), one.ID); !errors.Is(err, auth.ErrSessionNotFound) {
				t.Errorf("Session of one that was ended: %v", err)
			}
		}
	}
	if kept == 0 || kept == users*each || orphans == 0 {
		t.Errorf("of %d sessions %d were kept and %d without a list: the test tests nothing", users*each, kept, orphans)
	}
	t.Logf("of %d sessions %d were kept and %d without a list", users*each, kept, orphans)
}

// TestPoolExhausted waits for a connection no longer than the context.
func TestPoolExhausted(t *testing.T) {
	t.Parallel()
	opt := options(t)
	opt.PoolSize = 1
	client := connect(t, opt)
	p := prefix(t, connect(t, options(t)))
	s := newStore(t, client, p)
	conn := client.Conn()
	if err := conn.Ping(bounded(t)).Err(); err != nil {
		t.Fatal(err)
	}
	for name, call := range calls(s) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := call(ctx) // the client itself would wait for a minute
		cancel()
		if ofTheWorld(t, name, err); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s returned %v, want %v", name, err, context.DeadlineExceeded)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	create(t, s, session(1, "ada"))
}

// TestUnreachable finds nobody where the server should be, and keeps the password of
// the server to itself.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery"
	s := newStore(t, connect(t, &redis.Options{Addr: "127.0.0.1:1", Password: secret, MaxRetries: -1, DialerRetries: 1}), "auth")
	wrong := newStore(t, connect(t, &redis.Options{Addr: start(t, "--requirepass", "another").addr(), Password: secret}), "auth")
	for _, s := range []*redisstore.Store{s, wrong} {
		for name, call := range calls(s) {
			err := call(bounded(t))
			if ofTheWorld(t, name, err); strings.Contains(fmt.Sprint(err), secret) {
				t.Errorf("%s returned %q, which holds the password", name, err)
			}
		}
	}
}

// TestOneToken has 64 clients present one refresh token to two servers, each with a
// client of its own: there is one next token, and it is good.
func TestOneToken(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	servers := replicas(t, auth.Config{RefreshWindow: 10 * time.Minute}, newStore(t, client, p), newStore(t, connect(t, options(t)), p))
	tokens := login(t, servers[0])
	for range 8 {
		var next [64]string
		var wg sync.WaitGroup
		for i := range next {
			wg.Go(func() {
				got, err := servers[i%2].Refresh(bounded(t), tokens.RefreshToken)
				if err != nil {
					t.Error(err)
				}
				next[i] = got.RefreshToken
			})
		}
		wg.Wait()
		for _, text := range next {
			if text != next[0] || text == tokens.RefreshToken {
				t.Fatal("there are two next tokens, or none")
			}
		}
		tokens.RefreshToken = next[0]
	}
}
