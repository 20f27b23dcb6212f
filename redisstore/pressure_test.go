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
	sess := session(n, userID)
	sess.State, sess.UserAgent = make([]byte, 512), strings.Repeat("a", 256)
	return sess
}

// TestFull fills a server that evicts nothing. It accepts nothing new and keeps what it has, and
// sessions and records can still be ended.
func TestFull(t *testing.T) {
	t.Parallel()
	own := start(t, "--maxmemory", "4mb", "--maxmemory-policy", "noeviction")
	s := newStore(t, own.client(), "auth")
	owned := []auth.Record{{Key: "a", Owner: "ada", Version: 1}, {Key: "b", Owner: "ada", Version: 1}, {Key: "c", Owner: "ada", Version: 1}}
	for _, r := range owned {
		if err := s.ReplaceRecord(bounded(t), 0, r); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	var err error
	for ; n < 20000 && err == nil; n++ {
		err = s.CreateSession(bounded(t), large(n, fmt.Sprint(n/4)))
	}
	if wantFailure(t, "CreateSession", err); !strings.Contains(fmt.Sprint(err), "OOM") {
		t.Fatalf("CreateSession: %v, want OOM", err)
	}
	sess, next := large(0, "0"), large(0, "0")
	next.Version++
	wantFailure(t, "ReplaceSession", s.ReplaceSession(bounded(t), sess, next))
	wantFailure(t, "ReplaceRecord", s.ReplaceRecord(bounded(t), 0, auth.Record{Key: "k", Version: 1}))
	wantFailure(t, "ReplaceRecord", s.ReplaceRecord(bounded(t), 0, auth.Record{Key: "k", Owner: "ada", Version: 1}))
	wantFailure(t, "ReplaceRecord", s.ReplaceRecord(bounded(t), 1, auth.Record{Key: "a", Owner: "bob", Version: 2}))
	wantRecords(t, s, "ada", "a", "b", "c")
	if got, _, err := s.Session(bounded(t), sess.ID); err != nil || got.Version != 0 {
		t.Errorf("Session: %v, %v", got, err)
	}
	if err := s.DeleteRecord(bounded(t), "a", 1); err != nil {
		t.Errorf("DeleteRecord: %v", err)
	}
	if err := s.DeleteRecords(bounded(t), "ada"); err != nil {
		t.Errorf("DeleteRecords: %v", err)
	}
	wantRecords(t, s, "ada")
	if err := s.DeleteSession(bounded(t), sess.ID, time.Now().Add(time.Hour)); err != nil {
		t.Errorf("DeleteSession: %v", err)
	}
	if err := s.DeleteUserSessions(bounded(t), "1", "", time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Errorf("DeleteUserSessions: %v", err)
	}
	revoked := 0
	if _, err := s.RevokedSince(bounded(t), "", func(auth.Revocation) { revoked++ }); err != nil || revoked != 1+4+1 {
		t.Errorf("RevokedSince returned %d revocations, %v, want 6", revoked, err)
	}
}

// TestEviction has a server evict the keys that were least recently used, whichever they are. When
// all sessions of a user are to end, none of them can be used afterwards, even if the server had
// evicted the list of them.
func TestEviction(t *testing.T) {
	t.Parallel()
	own := start(t, "--maxmemory", "5mb", "--maxmemory-policy", "allkeys-lru")
	client := own.client()
	s, err := redisstore.New(client, redisstore.Config{DangerouslyAllowEviction: true})
	if err != nil {
		t.Fatal(err)
	}
	const users, each = 4000, 2
	all := make(map[string][]auth.Session)
	for n := range users * each {
		sess := large(n, fmt.Sprint(n/each))
		create(t, s, sess)
		all[sess.UserID] = append(all[sess.UserID], sess)
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
		for _, sess := range sessions {
			if _, _, err := s.Session(bounded(t), sess.ID); errors.Is(err, auth.ErrSessionNotFound) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			orphans++
			next := sess
			next.Version++
			if err := s.ReplaceSession(bounded(t), sess, next); !errors.Is(err, auth.ErrConflict) {
				t.Errorf("ReplaceSession of an ended session: %v, want ErrConflict", err)
			}
			if _, _, err := s.Session(bounded(t), sess.ID); !errors.Is(err, auth.ErrSessionNotFound) {
				t.Errorf("Session of an ended session: %v, want ErrSessionNotFound", err)
			}
		}
	}
	if kept == 0 || kept == users*each || orphans == 0 {
		t.Errorf("of %d sessions %d were kept, and %d without a list: the test means nothing", users*each, kept, orphans)
	}
	t.Logf("of %d sessions %d were kept, and %d without a list", users*each, kept, orphans)
}

// TestPoolExhausted waits for a connection no longer than the context allows.
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
		if wantFailure(t, name, err); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s returned %v, want %v", name, err, context.DeadlineExceeded)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	create(t, s, session(1, "ada"))
}

// TestUnreachable has no server at the address, and a server that refuses the password. No error
// shows the password.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery"
	absent := newStore(t, connect(t, &redis.Options{Addr: "127.0.0.1:1", Password: secret, MaxRetries: -1, DialerRetries: 1}), "auth")
	refusing := newStore(t, connect(t, &redis.Options{Addr: start(t, "--requirepass", "another").addr(), Password: secret}), "auth")
	for _, s := range []*redisstore.Store{absent, refusing} {
		for name, call := range calls(s) {
			err := call(bounded(t))
			if wantFailure(t, name, err); strings.Contains(fmt.Sprint(err), secret) {
				t.Errorf("%s returned %q, which holds the password", name, err)
			}
		}
	}
}

// TestOneToken has 64 clients present one refresh token to two replicas, each with its own client of
// Redis. All get the same next token, and it works.
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
				t.Fatal("the clients got two different tokens, or the one they presented")
			}
		}
		tokens.RefreshToken = next[0]
	}
}
