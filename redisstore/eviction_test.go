package redisstore_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/redisstore"
)

// TestEvictingServerIsRefused checks that a Store does not trust a server that may evict keys: there, a
// user whose record of a second factor is gone would log in with the password alone.
func TestEvictingServerIsRefused(t *testing.T) {
	t.Parallel()
	own := start(t)
	admin := own.client()
	set := func(policy, limit string) {
		t.Helper()
		for name, value := range map[string]string{"maxmemory-policy": policy, "maxmemory": limit} {
			if err := admin.ConfigSet(bounded(t), name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	calls := map[string]func(s *redisstore.Store) error{
		"Record":  func(s *redisstore.Store) error { _, _, err := s.Record(bounded(t), "totp:ada"); return err },
		"Records": func(s *redisstore.Store) error { _, err := s.Records(bounded(t), "ada"); return err },
		"ReplaceRecord": func(s *redisstore.Store) error {
			return s.ReplaceRecord(bounded(t), 0, auth.Record{Key: "k", Version: 1})
		},
		"CreateSession": func(s *redisstore.Store) error { return s.CreateSession(bounded(t), session(1, "ada")) },
		"RevokedSince": func(s *redisstore.Store) error {
			_, err := s.RevokedSince(bounded(t), "", func(auth.Revocation) {})
			return err
		},
	}
	for _, row := range []struct {
		policy, limit string
		refused       bool
	}{
		{"noeviction", "100mb", false},
		{"allkeys-lru", "0", false}, // without a limit, nothing is evicted
		{"allkeys-lru", "100mb", true},
		{"allkeys-random", "100mb", true},
		{"volatile-ttl", "100mb", true}, // counts of failures and revocations have a time to live
		{"noeviction", "0", false},
	} {
		set(row.policy, row.limit)
		for name, call := range calls {
			if err := admin.FlushAll(bounded(t)).Err(); err != nil { // the server is the test's own
				t.Fatal(err)
			}
			err := call(newStore(t, admin, "auth"))
			if refused := err != nil && strings.Contains(err.Error(), "maxmemory-policy"); refused != row.refused || !refused && err != nil {
				t.Errorf("%s with %s and %s: %v, refused: want %t", name, row.policy, row.limit, err, row.refused)
			}
			if err != nil && (errors.Is(err, auth.ErrConflict) || auth.HTTPStatus(err) != 500) {
				t.Errorf("%s: %v is no infrastructure failure", name, err)
			}
		}
	}

	// By choice, and once the server has been set right, the store works.
	set("allkeys-lru", "100mb")
	s := newStore(t, admin, "auth")
	if _, _, err := s.Record(bounded(t), "k"); err == nil {
		t.Error("Record: want an error")
	}
	reckless, err := redisstore.New(admin, redisstore.Config{DangerouslyAllowEviction: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := reckless.Record(bounded(t), "k"); err != nil {
		t.Errorf("Record with DangerouslyAllowEviction: %v", err)
	}
	set("noeviction", "100mb")
	if _, _, err := s.Record(bounded(t), "k"); err != nil {
		t.Errorf("Record after the server was set right: %v", err)
	}
}

// TestEvictionIsAskedOnce counts the commands: one more than there are calls.
func TestEvictionIsAskedOnce(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	s := newStore(t, client, prefix(t, connect(t, options(t))))
	if _, _, err := s.Record(bounded(t), "k"); err != nil { // sends the script, too
		t.Fatal(err)
	}
	var begun atomic.Int64
	client.AddHook(counting{&begun})
	const calls = 5
	for range calls {
		if _, _, err := s.Record(bounded(t), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if n := begun.Load(); n != calls {
		t.Errorf("%d calls sent %d commands", calls, n)
	}
}

// TestEvictionUnknown checks that a user who may not ask is told so.
func TestEvictionUnknown(t *testing.T) {
	t.Parallel()
	own := start(t)
	if err := own.client().ACLSetUser(bounded(t), "app", "on", ">password", "~*", "+@all", "-info").Err(); err != nil {
		t.Fatal(err)
	}
	client := connect(t, patient(&redis.Options{Addr: own.addr(), Username: "app", Password: "password", ContextTimeoutEnabled: true}))
	if _, _, err := newStore(t, client, "auth").Record(bounded(t), "k"); err == nil || !strings.Contains(err.Error(), "INFO") {
		t.Errorf("Record without the right to ask: %v, want an error that names INFO", err)
	}
	s, err := redisstore.New(client, redisstore.Config{DangerouslyAllowEviction: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ReplaceRecord(bounded(t), 0, auth.Record{Key: "k", Version: 1, ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)}); err != nil {
		t.Errorf("ReplaceRecord with DangerouslyAllowEviction: %v", err)
	}
}
