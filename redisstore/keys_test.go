package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/redisstore"
)

// session returns the n-th session of a test.
func session(n int, userID string) auth.Session {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return auth.Session{
		ID: fmt.Sprintf("%021dA", n), UserID: userID, CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour),
		State: fmt.Appendf(nil, "state %d", n),
	}
}

func create(t testing.TB, s auth.SessionStore, all ...auth.Session) {
	t.Helper()
	for _, one := range all {
		if err := s.CreateSession(bounded(t), one); err != nil {
			t.Fatal(err)
		}
	}
}

// ofTheWorld fails the test unless err is a failure of the store, which nobody may
// take for an answer about a caller.
func ofTheWorld(t testing.TB, doing string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s returned nil", doing)
		return
	}
	for _, answer := range []error{auth.ErrConflict, auth.ErrSessionNotFound, auth.ErrInvalidGrant, auth.ErrInvalidCredentials, auth.ErrInvalidToken} {
		if errors.Is(err, answer) {
			t.Errorf("%s returned %v, which is %v", doing, err, answer)
		}
	}
	if !strings.HasPrefix(err.Error(), "auth: ") {
		t.Errorf("%s returned %q, which does not say whose error it is", doing, err)
	}
}

// calls are all methods.
func calls(s *redisstore.Store) map[string]func(context.Context) error {
	one := session(9999, "ada")
	return map[string]func(context.Context) error{
		"CreateSession":  func(ctx context.Context) error { return s.CreateSession(ctx, one) },
		"Session":        func(ctx context.Context) error { _, _, err := s.Session(ctx, one.ID); return err },
		"Sessions":       func(ctx context.Context) error { _, err := s.Sessions(ctx, "ada"); return err },
		"ReplaceSession": func(ctx context.Context) error { return s.ReplaceSession(ctx, one, one) },
		"DeleteSession":  func(ctx context.Context) error { return s.DeleteSession(ctx, one.ID, one.ExpiresAt) },
		"DeleteUserSessions": func(ctx context.Context) error {
			return s.DeleteUserSessions(ctx, "ada", "", one.CreatedAt, one.ExpiresAt)
		},
		"RevokedSince": func(ctx context.Context) error {
			_, err := s.RevokedSince(ctx, "", func(auth.Revocation) {})
			return err
		},
		"Record":        func(ctx context.Context) error { _, _, err := s.Record(ctx, "k"); return err },
		"ReplaceRecord": func(ctx context.Context) error { return s.ReplaceRecord(ctx, 0, auth.Record{Key: "k", Version: 1}) },
		"DeleteRecord":  func(ctx context.Context) error { return s.DeleteRecord(ctx, "k", 1) },
	}
}

// TestKeys holds that no ID reaches into another key, that all keys lie in one slot,
// and that each of them ends by itself, and not before what is in it.
func TestKeys(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	users := []string{"ada", "", "{other}", "}:s:x", "a*b\n", "\x00", strings.Repeat("u", 255)}
	for i, user := range users {
		one, two := session(2*i, user), session(2*i+1, user)
		two.ExpiresAt = one.ExpiresAt.Add(time.Hour)
		create(t, s, one, two)
		next := one
		next.Version++
		if err := s.ReplaceSession(bounded(t), one, next); err != nil {
			t.Error(err)
		}
	}
	record := auth.Record{Key: "a:{b}*", Version: 1, ExpiresAt: time.Now().Add(2 * time.Hour)}
	if err := s.ReplaceRecord(bounded(t), 0, record); err != nil {
		t.Error(err)
	}
	if life := client.PTTL(bounded(t), p+":r:"+record.Key).Val(); life < time.Hour || life > 2*time.Hour+time.Second {
		t.Errorf("the record lives for %v", life)
	}
	if err := s.DeleteRecord(bounded(t), record.Key, 1); err != nil {
		t.Error(err)
	}
	if err := s.DeleteUserSessions(bounded(t), users[6], "", time.Now(), time.Now().Add(24*time.Hour)); err != nil {
		t.Error(err)
	}
	if err := s.DeleteUserSessions(bounded(t), "bob", "", time.Now(), time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
	all := keys(t, client, p)
	if want := 3*(len(users)-1) + 1; len(all) != want {
		t.Errorf("%d keys, want %d: %q", len(all), want, all)
	}
	for _, key := range all {
		if !strings.HasPrefix(key, "{"+p+"}:") || strings.ContainsAny(key[len(p)+2:], "{}*\n\x00 ") {
			t.Errorf("key %q", key)
		}
		least, most := time.Hour, 3*time.Hour
		switch {
		case strings.HasSuffix(key, ":feed"):
			least, most = 24*time.Hour, 25*time.Hour
		case strings.Contains(key, ":u:"):
			least = 2 * time.Hour
		}
		if life := client.PTTL(bounded(t), key).Val(); life < least || life > most+time.Minute {
			t.Errorf("%s lives for %v, want %v to %v", key, life, least, most)
		}
	}
}

// TestListForgets keeps no list of sessions that are long over.
func TestListForgets(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	live := session(100, "ada")
	create(t, s, live)
	for n := range 50 {
		one := session(n, "ada")
		one.ExpiresAt = one.ExpiresAt.Add(-3 * time.Hour)
		create(t, s, one)
	}
	for _, key := range keys(t, client, p) {
		if !strings.Contains(key, ":u:") {
			continue
		}
		if n := client.ZCard(bounded(t), key).Val(); n > 4 {
			t.Errorf("the list holds %d sessions", n)
		}
	}
	if list, err := s.Sessions(bounded(t), "ada"); err != nil || len(list) != 1 || list[0].ID != live.ID {
		t.Errorf("Sessions: %v, %v", list, err)
	}
}

// TestRecordExpiry goes by the time of expiry to the microsecond, not by when Redis
// removes the key.
func TestRecordExpiry(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	r := auth.Record{Key: "k", Version: 1}
	for life, kept := 200*time.Millisecond, false; !kept; life *= 2 { // until Redis has not yet removed the key
		_, now, err := s.Record(bounded(t), "k")
		if err != nil {
			t.Fatal(err)
		}
		r.ExpiresAt = now.Add(life)
		if err := s.ReplaceRecord(bounded(t), 0, r); err != nil {
			t.Fatal(err)
		}
		if kept = client.Persist(bounded(t), p+":r:k").Val(); !kept && client.Exists(bounded(t), p+":r:k").Val() > 0 {
			t.Fatal("the key has no time to live")
		}
	}
	time.Sleep(time.Until(r.ExpiresAt) + 100*time.Millisecond)
	if got, _, err := s.Record(bounded(t), "k"); err != nil || got.Version != 0 {
		t.Errorf("Record: %+v, %v", got, err)
	}
	if err := s.ReplaceRecord(bounded(t), 1, r); err != auth.ErrConflict {
		t.Errorf("ReplaceRecord: %v", err)
	}
	if err := s.DeleteRecord(bounded(t), "k", 1); err != auth.ErrConflict {
		t.Errorf("DeleteRecord: %v", err)
	}
	r.Version = 2
	if err := s.ReplaceRecord(bounded(t), 0, r); err != nil {
		t.Errorf("ReplaceRecord of none: %v", err)
	}
}

// TestBounds refuses what does not fit, and asks Redis for no ID that is none.
func TestBounds(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	for name, change := range map[string]func(*auth.Session){
		"empty ID":        func(one *auth.Session) { one.ID = "" },
		"ID of others":    func(one *auth.Session) { one.ID = "aaaaaaaaaaaaaaaaaaaa:*" },
		"long ID":         func(one *auth.Session) { one.ID += "A" },
		"long user ID":    func(one *auth.Session) { one.UserID = strings.Repeat("u", 256) },
		"long state":      func(one *auth.Session) { one.State = make([]byte, 513) },
		"long user agent": func(one *auth.Session) { one.UserAgent = strings.Repeat("a", 1025) },
	} {
		one := session(1, "ada")
		change(&one)
		ofTheWorld(t, "CreateSession: "+name, s.CreateSession(bounded(t), one))
	}
	create(t, s, session(1, "ada"))
	tooLong := session(1, "ada")
	tooLong.State = make([]byte, 513)
	ofTheWorld(t, "ReplaceSession", s.ReplaceSession(bounded(t), session(1, "ada"), tooLong))
	ofTheWorld(t, "DeleteUserSessions", s.DeleteUserSessions(bounded(t), strings.Repeat("u", 256), "", time.Now(), time.Now()))
	for _, id := range []string{"", "feed", "u:" + someID, someID + "\n", "aaaaaaaaaaaaaaaaaaaaa*"} {
		if _, _, err := s.Session(bounded(t), id); err != auth.ErrSessionNotFound {
			t.Errorf("Session %q: %v", id, err)
		}
		if err := s.DeleteSession(bounded(t), id, time.Now()); err != auth.ErrSessionNotFound {
			t.Errorf("DeleteSession %q: %v", id, err)
		}
		if err := s.ReplaceSession(bounded(t), auth.Session{ID: id}, session(1, "ada")); err != auth.ErrConflict {
			t.Errorf("ReplaceSession %q: %v", id, err)
		}
	}
	for _, r := range []auth.Record{
		{Key: "", Version: 1}, {Key: strings.Repeat("k", 201), Version: 1}, {Key: "a b", Version: 1}, {Key: "a\n", Version: 1}, {Key: "\u00e9", Version: 1},
		{Key: "k"}, {Key: "k", Version: 1, Value: make([]byte, 4097)},
	} {
		ofTheWorld(t, "ReplaceRecord", s.ReplaceRecord(bounded(t), 0, r))
		if r.Key != "k" {
			_, _, err := s.Record(bounded(t), r.Key)
			ofTheWorld(t, "Record", err)
			ofTheWorld(t, "DeleteRecord", s.DeleteRecord(bounded(t), r.Key, 1))
		}
	}
	for _, cursor := range []string{"1", "x." + strings.Repeat("0", 32), "1.0", "-1." + strings.Repeat("0", 32)} {
		got, err := s.RevokedSince(bounded(t), cursor, func(auth.Revocation) {})
		if ofTheWorld(t, "RevokedSince", err); got != cursor {
			t.Errorf("RevokedSince of %q returned cursor %q", cursor, got)
		}
	}
}

// TestDamaged takes a session or revocation that was tampered with for no answer.
func TestDamaged(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	one := session(1, "ada")
	create(t, s, one)
	if err := client.Set(bounded(t), "{"+p+"}:s:"+one.ID, "short", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(bounded(t), p+":r:k", "short", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.ZAdd(bounded(t), "{"+p+"}:feed", redis.Z{Score: 1, Member: strings.Repeat("0", 32) + "now"}).Err(); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Session":       func() error { _, _, err := s.Session(bounded(t), one.ID); return err },
		"Sessions":      func() error { _, err := s.Sessions(bounded(t), "ada"); return err },
		"DeleteSession": func() error { return s.DeleteSession(bounded(t), one.ID, time.Now()) },
		"Record":        func() error { _, _, err := s.Record(bounded(t), "k"); return err },
		"RevokedSince": func() error {
			_, err := s.RevokedSince(bounded(t), "", func(auth.Revocation) {})
			return err
		},
	} {
		ofTheWorld(t, name, call())
	}
	if err := s.DeleteUserSessions(bounded(t), "ada", "", time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Errorf("DeleteUserSessions: %v", err) // ending must work whatever else does not
	}
	if _, _, err := s.Session(bounded(t), one.ID); err != auth.ErrSessionNotFound {
		t.Errorf("Session, ended: %v", err)
	}
}

// deaf is a connection that breaks once the answer to a command has come.
type deaf struct {
	net.Conn
	now *atomic.Bool
}

func (c deaf) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.now.CompareAndSwap(true, false) {
		c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

// TestSentAgain loses the answer to each command, so that the client sends it
// again: the change is made once, and acknowledged.
func TestSentAgain(t *testing.T) {
	t.Parallel()
	opt := options(t)
	var lose atomic.Bool
	opt.PoolSize = 1
	opt.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return deaf{conn, &lose}, err
	}
	client := connect(t, opt)
	s := newStore(t, client, prefix(t, client))
	create(t, s, session(1, "bob")) // the script is known
	losing := func(f func() error) error {
		lose.Store(true)
		err := f()
		if lose.Load() {
			t.Error("no answer was lost")
		}
		return err
	}
	one := session(2, "ada")
	if err := losing(func() error { return s.CreateSession(bounded(t), one) }); err != nil {
		t.Errorf("CreateSession: %v", err)
	}
	if err := s.CreateSession(bounded(t), one); err != auth.ErrConflict {
		t.Errorf("CreateSession, again: %v", err)
	}
	next := one
	next.Version++
	next.State = []byte("next")
	if err := s.ReplaceSession(bounded(t), session(1, "bob"), session(1, "bob")); err != nil {
		t.Errorf("ReplaceSession: %v", err)
	}
	if err := losing(func() error { return s.ReplaceSession(bounded(t), one, next) }); err != nil {
		t.Errorf("ReplaceSession: %v", err)
	}
	if err := s.ReplaceSession(bounded(t), one, next); err != auth.ErrConflict {
		t.Errorf("ReplaceSession, again: %v", err)
	}
	got, _, err := s.Session(bounded(t), one.ID)
	if err != nil || string(got.State) != "next" {
		t.Errorf("Session: %q, %v", got.State, err)
	}

	record := auth.Record{Key: "k", Version: 1, Value: []byte("one")}
	if err := s.ReplaceRecord(bounded(t), 1, record); err != auth.ErrConflict {
		t.Error(err)
	}
	if err := losing(func() error { return s.ReplaceRecord(bounded(t), 0, record) }); err != nil {
		t.Errorf("ReplaceRecord: %v", err)
	}
	if err := s.ReplaceRecord(bounded(t), 0, record); err != auth.ErrConflict {
		t.Errorf("ReplaceRecord, again: %v", err)
	}
}
