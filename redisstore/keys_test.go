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

func create(t testing.TB, s auth.SessionStore, sessions ...auth.Session) {
	t.Helper()
	for _, sess := range sessions {
		if err := s.CreateSession(bounded(t), sess); err != nil {
			t.Fatal(err)
		}
	}
}

// wantFailure fails the test unless err is an infrastructure failure, which a caller cannot take for
// an answer about sessions, records, users or credentials.
func wantFailure(t testing.TB, doing string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s returned nil, want a failure", doing)
		return
	}
	for _, answer := range []error{auth.ErrConflict, auth.ErrSessionNotFound, auth.ErrUserNotFound, auth.ErrUserExists, auth.ErrInvalidGrant, auth.ErrInvalidCredentials, auth.ErrInvalidToken} {
		if errors.Is(err, answer) {
			t.Errorf("%s returned %v, which is %v", doing, err, answer)
		}
	}
	if !strings.HasPrefix(err.Error(), "auth: ") {
		t.Errorf("%s returned %q, which does not begin with \"auth: \"", doing, err)
	}
}

// calls returns a call of every method.
func calls(s *redisstore.Store) map[string]func(context.Context) error {
	sess := session(9999, "ada")
	return map[string]func(context.Context) error{
		"CreateSession":  func(ctx context.Context) error { return s.CreateSession(ctx, sess) },
		"Session":        func(ctx context.Context) error { _, _, err := s.Session(ctx, sess.ID); return err },
		"Sessions":       func(ctx context.Context) error { _, err := s.Sessions(ctx, "ada"); return err },
		"ReplaceSession": func(ctx context.Context) error { return s.ReplaceSession(ctx, sess, sess) },
		"DeleteSession":  func(ctx context.Context) error { return s.DeleteSession(ctx, sess.ID, sess.ExpiresAt) },
		"DeleteUserSessions": func(ctx context.Context) error {
			return s.DeleteUserSessions(ctx, "ada", "", sess.CreatedAt, sess.ExpiresAt)
		},
		"RevokedSince": func(ctx context.Context) error {
			_, err := s.RevokedSince(ctx, "", func(auth.Revocation) {})
			return err
		},
		"Record":              func(ctx context.Context) error { _, _, err := s.Record(ctx, "k"); return err },
		"ReplaceRecord":       func(ctx context.Context) error { return s.ReplaceRecord(ctx, 0, auth.Record{Key: "k", Version: 1}) },
		"DeleteRecord":        func(ctx context.Context) error { return s.DeleteRecord(ctx, "k", 1) },
		"Records":             func(ctx context.Context) error { _, err := s.Records(ctx, "ada"); return err },
		"DeleteRecords":       func(ctx context.Context) error { return s.DeleteRecords(ctx, "ada") },
		"CreateUser":          func(ctx context.Context) error { _, err := s.CreateUser(ctx, ada); return err },
		"UserByID":            func(ctx context.Context) error { _, err := s.UserByID(ctx, ada.ID); return err },
		"UserByUsername":      func(ctx context.Context) error { _, err := s.UserByUsername(ctx, "ada"); return err },
		"ReplacePasswordHash": func(ctx context.Context) error { return s.ReplacePasswordHash(ctx, ada.ID, "", "x") },
		"SetDisabled":         func(ctx context.Context) error { return s.SetDisabled(ctx, ada.ID, true) },
		"DeleteUser":          func(ctx context.Context) error { return s.DeleteUser(ctx, ada.ID) },
	}
}

// oddIDs are user IDs and owners that would reach into other keys if they stood in the name of one.
var oddIDs = []string{"ada", "{other}", "}:s:x", "a*b\n", "\x00", "Ädä \u2028 \U0001f511", strings.Repeat("u", 255)}

// TestKeys checks that no ID reaches into another key, that all keys lie in one slot, and that each
// key expires by itself, and not before its content.
func TestKeys(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	users := append([]string{""}, oddIDs...)
	for i, user := range users {
		shorter, longer := session(2*i, user), session(2*i+1, user)
		longer.ExpiresAt = shorter.ExpiresAt.Add(time.Hour)
		create(t, s, shorter, longer)
		next := shorter
		next.Version++
		if err := s.ReplaceSession(bounded(t), shorter, next); err != nil {
			t.Error(err)
		}
	}
	record := auth.Record{Key: "a:{b}*", Version: 1, ExpiresAt: time.Now().Add(2 * time.Hour)}
	if err := s.ReplaceRecord(bounded(t), 0, record); err != nil {
		t.Error(err)
	}
	if life := client.PTTL(bounded(t), "{"+p+"}:r:"+record.Key).Val(); life < time.Hour || life > 2*time.Hour+time.Second {
		t.Errorf("the record lives for %v", life)
	}
	if err := s.DeleteRecord(bounded(t), record.Key, 1); err != nil {
		t.Error(err)
	}
	if err := s.DeleteUserSessions(bounded(t), users[len(users)-1], "", time.Now(), time.Now().Add(24*time.Hour)); err != nil {
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
		least, most := 25*time.Hour, 27*time.Hour
		switch {
		case strings.HasSuffix(key, ":feed"):
			least, most = 48*time.Hour, 49*time.Hour
		case strings.Contains(key, ":u:"):
			least = 26 * time.Hour
		}
		if life := client.PTTL(bounded(t), key).Val(); life < least || life > most+time.Minute {
			t.Errorf("%s lives for %v, want %v to %v", key, life, least, most)
		}
	}
}

// TestListForgets checks that the list of a user forgets sessions that expired long ago.
func TestListForgets(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	live := session(100, "ada")
	create(t, s, live)
	for n := range 50 {
		expired := session(n, "ada")
		expired.ExpiresAt = expired.ExpiresAt.Add(-27 * time.Hour)
		create(t, s, expired)
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

// TestRecordExpiry checks that a record expires to the microsecond, and not when Redis removes its
// key.
func TestRecordExpiry(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	write(t, s, "forever", "ada", 0) // keeps the list of ada
	for _, owner := range []string{"", "ada"} {
		r := auth.Record{Key: "k" + owner, Owner: owner, Version: 1}
		// On a busy machine Redis may remove the key before its time to live is taken away: then the
		// record gets more time.
		for life, kept := 200*time.Millisecond, false; !kept; life *= 2 {
			_, now, err := s.Record(bounded(t), r.Key)
			if err != nil {
				t.Fatal(err)
			}
			r.ExpiresAt = now.Add(life)
			if err := s.ReplaceRecord(bounded(t), 0, r); err != nil {
				t.Fatal(err)
			}
			key := "{" + p + "}:r:" + r.Key
			if kept = client.Persist(bounded(t), key).Val(); !kept && client.Exists(bounded(t), key).Val() > 0 {
				t.Fatal("the key has no time to live")
			}
		}
		time.Sleep(time.Until(r.ExpiresAt) + 100*time.Millisecond)
		if got, _, err := s.Record(bounded(t), r.Key); err != nil || got.Version != 0 {
			t.Errorf("Record: %+v, %v", got, err)
		}
		wantRecords(t, s, "ada", "forever")
		if err := s.ReplaceRecord(bounded(t), 1, r); err != auth.ErrConflict {
			t.Errorf("ReplaceRecord: %v, want ErrConflict", err)
		}
		if err := s.DeleteRecord(bounded(t), r.Key, 1); err != auth.ErrConflict {
			t.Errorf("DeleteRecord: %v, want ErrConflict", err)
		}
		r.Version = 2
		if err := s.ReplaceRecord(bounded(t), 0, r); err != nil {
			t.Errorf("ReplaceRecord where there is none: %v", err)
		}
	}
}

// TestBounds checks that what is too large is refused, and that Redis is not asked for an ID that no
// session can have.
func TestBounds(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	for name, change := range map[string]func(*auth.Session){
		"empty ID":        func(sess *auth.Session) { sess.ID = "" },
		"malformed ID":    func(sess *auth.Session) { sess.ID = "aaaaaaaaaaaaaaaaaaaa:*" },
		"long ID":         func(sess *auth.Session) { sess.ID += "A" },
		"long user ID":    func(sess *auth.Session) { sess.UserID = strings.Repeat("u", 256) },
		"long state":      func(sess *auth.Session) { sess.State = make([]byte, 513) },
		"long user agent": func(sess *auth.Session) { sess.UserAgent = strings.Repeat("a", 1025) },
	} {
		sess := session(1, "ada")
		change(&sess)
		wantFailure(t, "CreateSession: "+name, s.CreateSession(bounded(t), sess))
	}
	create(t, s, session(1, "ada"))
	tooLong := session(1, "ada")
	tooLong.State = make([]byte, 513)
	wantFailure(t, "ReplaceSession", s.ReplaceSession(bounded(t), session(1, "ada"), tooLong))
	wantFailure(t, "DeleteUserSessions", s.DeleteUserSessions(bounded(t), strings.Repeat("u", 256), "", time.Now(), time.Now()))
	for _, id := range []string{"", "feed", "u:" + someID, someID + "\n", "aaaaaaaaaaaaaaaaaaaaa*"} {
		if _, _, err := s.Session(bounded(t), id); err != auth.ErrSessionNotFound {
			t.Errorf("Session %q: %v, want ErrSessionNotFound", id, err)
		}
		if err := s.DeleteSession(bounded(t), id, time.Now()); err != auth.ErrSessionNotFound {
			t.Errorf("DeleteSession %q: %v, want ErrSessionNotFound", id, err)
		}
		if err := s.ReplaceSession(bounded(t), auth.Session{ID: id}, session(1, "ada")); err != auth.ErrConflict {
			t.Errorf("ReplaceSession %q: %v, want ErrConflict", id, err)
		}
	}
	for _, r := range []auth.Record{
		{Key: "", Version: 1}, {Key: strings.Repeat("k", 201), Version: 1}, {Key: "a b", Version: 1}, {Key: "a\n", Version: 1}, {Key: "\u00e9", Version: 1},
		{Key: "k"}, {Key: "k", Version: 1, Value: make([]byte, 4097)}, {Key: "k", Version: 1, Owner: strings.Repeat("o", 256)},
	} {
		wantFailure(t, "ReplaceRecord", s.ReplaceRecord(bounded(t), 0, r))
		if r.Key != "k" {
			_, _, err := s.Record(bounded(t), r.Key)
			wantFailure(t, "Record", err)
			wantFailure(t, "DeleteRecord", s.DeleteRecord(bounded(t), r.Key, 1))
		}
	}
	for _, cursor := range []string{"1", "x." + strings.Repeat("0", 32), "1.0", "-1." + strings.Repeat("0", 32)} {
		got, err := s.RevokedSince(bounded(t), cursor, func(auth.Revocation) {})
		if wantFailure(t, "RevokedSince", err); got != cursor {
			t.Errorf("RevokedSince of %q returned cursor %q", cursor, got)
		}
	}
}

// TestDamaged checks that a damaged session, record or revocation is a failure and not an answer, and
// that it can be deleted all the same.
func TestDamaged(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	sess, record := session(1, "ada"), auth.Record{Key: "k", Owner: "ada", Version: 1}
	create(t, s, sess)
	if err := s.ReplaceRecord(bounded(t), 0, record); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"s:" + sess.ID, "r:k"} {
		if err := client.Set(bounded(t), "{"+p+"}:"+key, "short", time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.ZAdd(bounded(t), "{"+p+"}:feed", redis.Z{Score: 1, Member: strings.Repeat("0", 32) + "now"}).Err(); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Session":       func() error { _, _, err := s.Session(bounded(t), sess.ID); return err },
		"Sessions":      func() error { _, err := s.Sessions(bounded(t), "ada"); return err },
		"DeleteSession": func() error { return s.DeleteSession(bounded(t), sess.ID, time.Now()) },
		"Record":        func() error { _, _, err := s.Record(bounded(t), "k"); return err },
		"Records":       func() error { _, err := s.Records(bounded(t), "ada"); return err },
		"RevokedSince": func() error {
			_, err := s.RevokedSince(bounded(t), "", func(auth.Revocation) {})
			return err
		},
	} {
		wantFailure(t, name, call())
	}
	if err := s.DeleteUserSessions(bounded(t), "ada", "", time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Errorf("DeleteUserSessions: %v", err)
	}
	if _, _, err := s.Session(bounded(t), sess.ID); err != auth.ErrSessionNotFound {
		t.Errorf("Session, after its end: %v, want ErrSessionNotFound", err)
	}
	if err := s.DeleteRecords(bounded(t), "ada"); err != nil {
		t.Errorf("DeleteRecords: %v", err)
	}
	if r, _, err := s.Record(bounded(t), "k"); err != nil || r.Version != 0 {
		t.Errorf("Record, after DeleteRecords: %+v, %v", r, err)
	}
}

// lossyConn is a connection that breaks instead of returning one reply.
type lossyConn struct {
	net.Conn
	lose *atomic.Bool
}

func (c lossyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.lose.CompareAndSwap(true, false) {
		c.Conn.Close()
		return 0, io.EOF
	}
	return n, err
}

// TestSentAgain loses the reply to each command, so that the client sends the command again. The
// change is made once, and acknowledged.
func TestSentAgain(t *testing.T) {
	t.Parallel()
	opt := options(t)
	var lose atomic.Bool
	opt.PoolSize = 1
	opt.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return lossyConn{conn, &lose}, err
	}
	client := connect(t, opt)
	s := newStore(t, client, prefix(t, client))
	create(t, s, session(1, "bob")) // the server has the script
	losing := func(f func() error) error {
		lose.Store(true)
		err := f()
		if lose.Load() {
			t.Error("no reply was lost")
		}
		return err
	}
	sess := session(2, "ada")
	if err := losing(func() error { return s.CreateSession(bounded(t), sess) }); err != nil {
		t.Errorf("CreateSession: %v", err)
	}
	if err := s.CreateSession(bounded(t), sess); err != auth.ErrConflict {
		t.Errorf("CreateSession of the same ID: %v, want ErrConflict", err)
	}
	next := sess
	next.Version++
	next.State = []byte("next")
	if err := s.ReplaceSession(bounded(t), session(1, "bob"), session(1, "bob")); err != nil {
		t.Errorf("ReplaceSession: %v", err)
	}
	if err := losing(func() error { return s.ReplaceSession(bounded(t), sess, next) }); err != nil {
		t.Errorf("ReplaceSession: %v", err)
	}
	if err := s.ReplaceSession(bounded(t), sess, next); err != auth.ErrConflict {
		t.Errorf("ReplaceSession of the old version: %v, want ErrConflict", err)
	}
	got, _, err := s.Session(bounded(t), sess.ID)
	if err != nil || string(got.State) != "next" {
		t.Errorf("Session: %q, %v", got.State, err)
	}

	for _, owner := range []string{"", "ada"} {
		record := auth.Record{Key: "k" + owner, Owner: owner, Version: 1, Value: []byte("first")}
		if err := s.ReplaceRecord(bounded(t), 1, record); err != auth.ErrConflict {
			t.Error(err)
		}
		if err := losing(func() error { return s.ReplaceRecord(bounded(t), 0, record) }); err != nil {
			t.Errorf("ReplaceRecord: %v", err)
		}
		if err := s.ReplaceRecord(bounded(t), 0, record); err != auth.ErrConflict {
			t.Errorf("ReplaceRecord where there is one: %v, want ErrConflict", err)
		}
		record.Version = 2
		if err := losing(func() error { return s.ReplaceRecord(bounded(t), 1, record) }); err != nil {
			t.Errorf("ReplaceRecord: %v", err)
		}
		if err := s.ReplaceRecord(bounded(t), 1, record); err != auth.ErrConflict {
			t.Errorf("ReplaceRecord of the old version: %v, want ErrConflict", err)
		}
	}
}
