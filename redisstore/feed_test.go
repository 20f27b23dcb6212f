package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/revocation"
)

// revoke records revocations of users who have no sessions.
func revoke(t testing.TB, s *redisstore.Store, expiry time.Time, users ...string) {
	t.Helper()
	for _, user := range users {
		if err := s.DeleteUserSessions(bounded(t), user, "", time.Now(), expiry); err != nil {
			t.Fatal(err)
		}
	}
}

// reads checks that the feed holds the revocations of exactly these users after cursor, and returns
// the next cursor.
func reads(t testing.TB, s *redisstore.Store, cursor string, users ...string) string {
	t.Helper()
	want := map[string]bool{}
	for _, user := range users {
		want[user] = true
	}
	next, err := s.RevokedSince(bounded(t), cursor, func(r auth.Revocation) {
		if !want[r.UserID] {
			t.Errorf("after %q the feed holds an unexpected revocation of %s", cursor, r.UserID)
		}
		delete(want, r.UserID)
	})
	if err != nil || len(want) > 0 {
		t.Errorf("after %q the feed lacks the revocations of %v, %v", cursor, want, err)
	}
	return next
}

// TestFeedForgets records many revocations that expired more than a day ago, and between them a few that did not.
func TestFeedForgets(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	var live []string
	cursor := ""
	for i := range 1500 {
		user, expiry := fmt.Sprint(i), time.Now().Add(-24*time.Hour-2*time.Second)
		if i%100 == 0 {
			live, expiry = append(live, user), time.Now().Add(time.Hour)
		}
		if revoke(t, s, expiry, user); i == 700 {
			cursor = reads(t, s, "", live...)
		}
	}
	if n := client.ZCard(bounded(t), "{"+p+"}:feed").Val(); n > 64 {
		t.Errorf("the feed holds %d revocations, of which %d have not expired for so long", n, len(live))
	}
	reads(t, s, "", live...)
	last := reads(t, s, cursor, live[8:]...)
	if again := reads(t, s, last); again != last {
		t.Errorf("the cursor changed from %q to %q although there was nothing to read", last, again)
	}
}

// TestOtherHistory restores an older feed and records other revocations in it. A cursor from before
// finds all of them.
func TestOtherHistory(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	key, expiry := "{"+p+"}:feed", time.Now().Add(time.Hour)
	revoke(t, s, expiry, "a", "b")
	shared := reads(t, s, "", "a", "b")
	before := client.Dump(bounded(t), key).Val()
	revoke(t, s, expiry, "lost 1", "lost 2")
	cursor := reads(t, s, shared, "lost 1", "lost 2")
	for more := range 4 { // fewer than were lost, as many, and more
		if err := client.RestoreReplace(bounded(t), key, time.Hour, before).Err(); err != nil {
			t.Fatal(err)
		}
		all := []string{"a", "b"}
		for i := range more {
			all = append(all, fmt.Sprintf("new %d", i))
		}
		revoke(t, s, expiry, all[2:]...)
		reads(t, s, cursor, all...)
		reads(t, s, shared, all[2:]...)
	}
	if err := client.Del(bounded(t), key).Err(); err != nil {
		t.Fatal(err)
	}
	reads(t, s, cursor)
	revoke(t, s, expiry, "x", "y", "z", "zz")
	reads(t, s, cursor, "x", "y", "z", "zz")
}

// TestSameInOtherHistory has two histories whose last revocation and its number are the same, while
// the one before differs.
func TestSameInOtherHistory(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	expiry := time.Now().Add(time.Hour)
	var cursor string
	for _, first := range []auth.Session{session(1, "ada"), session(2, "ada")} {
		inBoth := session(3, "ada")
		create(t, s, first, inBoth)
		for _, sess := range []auth.Session{first, inBoth} {
			if err := s.DeleteSession(bounded(t), sess.ID, expiry); err != nil {
				t.Fatal(err)
			}
		}
		revoked := map[string]bool{}
		var err error
		cursor, err = s.RevokedSince(bounded(t), cursor, func(r auth.Revocation) { revoked[r.SessionID] = true })
		if err != nil || !revoked[first.ID] {
			t.Errorf("the feed returned %v, %v, want also %s", revoked, err, first.ID)
		}
		if err := client.Del(bounded(t), "{"+p+"}:feed").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestListen logs out on one replica, and another one hears of it at once: also after the
// connection, and after the server with all its data were lost.
func TestListen(t *testing.T) {
	t.Parallel()
	own := start(t)
	s := newStore(t, own.client(), "auth")
	list, err := revocation.Follow(newStore(t, own.client(), "auth"), revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	synced := make(chan error, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	listener := newStore(t, own.client(), "auth")
	go func() {
		ended <- listener.Listen(ctx, func(ctx context.Context) error {
			err := list.Sync(ctx)
			synced <- err
			return err
		})
	}()
	revoked := func(id string) {
		t.Helper()
		p, err := jwt.NewPrincipal(auth.Claims{Subject: "ada", SessionID: id})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for {
			select {
			case <-synced:
			case <-time.After(2 * time.Minute):
				t.Fatal("Listen does not call sync")
			}
			if err := list.Check(t.Context(), p); errors.Is(err, auth.ErrRevokedToken) {
				t.Logf("revoked after %v", time.Since(began))
				return
			}
		}
	}
	if err := <-synced; err != nil { // connected
		t.Fatal(err)
	}
	first, second, third := session(1, "ada"), session(2, "ada"), session(3, "ada")
	create(t, s, first, second)
	if err := s.DeleteSession(bounded(t), first.ID, first.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	revoked(first.ID)

	if err := own.client().Do(bounded(t), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteSession(bounded(t), second.ID, second.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	revoked(second.ID)

	own.kill()
	own.run()
	create(t, s, third)
	if err := s.DeleteSession(bounded(t), third.ID, third.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	revoked(third.ID)

	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen returned %v, want %v", err, context.Canceled)
	}
}

// TestListenClosed checks that Listen ends when the client is closed, and refuses a nil function.
func TestListenClosed(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	s := newStore(t, client, prefix(t, client))
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	wantFailure(t, "Listen", s.Listen(ctx, func(context.Context) error { return nil }))
	fault, ok := errors.AsType[*auth.ConfigError](s.Listen(ctx, nil))
	if !ok || fault.Field != "redisstore.Listen.sync" {
		t.Errorf("Listen without sync: %v", fault)
	}
}
