package redisstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

const (
	// clockSlack is how far the clocks of two servers may differ, or one clock step, before a
	// revocation is forgotten too early. See decision 0102.
	clockSlack = 24 * time.Hour

	forgetAfter    = time.Hour + clockSlack // time for which an expired session is kept
	sessionsAtOnce = 256                    // sessions that one script loads
	deleteTries    = 32                     // attempts to end the sessions of a user, whose list others change meanwhile
)

// isID reports whether id has the form of a session ID. Only such an ID becomes a part of the name
// of a key.
func isID(id string) bool {
	return len(id) == 22 && strings.Trim(id, letters) == ""
}

func (s *Store) sessionKey(id string) string { return s.prefix + "s:" + id }

// endedKey returns the key that says which call ended a session.
func (s *Store) endedKey(id string) string { return s.prefix + "e:" + id }

// listKey returns the key of the list of a user's sessions, a sorted set of IDs by the time when
// Redis forgets them.
func (s *Store) listKey(userID string) string { return s.prefix + "u:" + hashed(userID) }

// hashed returns an ID as a part of the name of a key. An ID may be any bytes, its hash may not.
func hashed(id string) string {
	sum := sha256.Sum256([]byte(id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// forgetAt returns the time when Redis forgets a session, in milliseconds.
func forgetAt(session *auth.Session) string {
	return milliseconds(session.ExpiresAt.Add(forgetAfter))
}

// milliseconds returns a time in the form that Redis takes.
func milliseconds(t time.Time) string {
	const most = 253402300799000 // year 9999
	return strconv.FormatInt(min(max(t.UnixMilli(), 1), most), 10)
}

// CreateSession implements [auth.SessionStore].
func (s *Store) CreateSession(ctx context.Context, session auth.Session) error {
	value, err := encode(&session)
	if err != nil {
		return err
	}
	keys := []string{s.sessionKey(session.ID), s.listKey(session.UserID)}
	created, err := s.apply(ctx, "create session", createSession, keys, value, session.ID, forgetAt(&session))
	if err == nil && !created {
		return auth.ErrConflict
	}
	return err
}

// Session implements [auth.SessionStore].
func (s *Store) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	const doing = "load session"
	if !isID(id) {
		return auth.Session{}, time.Time{}, noSession(ctx, auth.ErrSessionNotFound)
	}
	reply, err := s.query(ctx, doing, loadSessions, []string{s.sessionKey(id)})
	if err != nil {
		return auth.Session{}, time.Time{}, err
	}
	if len(reply) != 3 {
		return auth.Session{}, time.Time{}, errReply(doing)
	}
	if reply[2] == "" {
		return auth.Session{}, time.Time{}, auth.ErrSessionNotFound
	}
	now, err := serverTime(reply)
	if err != nil {
		return auth.Session{}, time.Time{}, err
	}
	session, err := decode(id, reply[2])
	if err != nil {
		return auth.Session{}, time.Time{}, err
	}
	return session, now, nil
}

// noSession returns answer, the result of a method for an ID that no session can have, or the error
// of a context that has ended.
func noSession(ctx context.Context, answer error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("auth: redis store: %w", err)
	}
	return answer
}

// serverTime returns the server's time, with which a reply begins.
func serverTime(reply []string) (time.Time, error) {
	if len(reply) >= 2 {
		seconds, err := strconv.ParseInt(reply[0], 10, 64)
		micros, err2 := strconv.ParseInt(reply[1], 10, 64)
		if err == nil && err2 == nil {
			return time.Unix(seconds, micros*1000).UTC(), nil
		}
	}
	return time.Time{}, errReply("read the clock")
}

// Sessions implements [auth.SessionStore].
func (s *Store) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	const doing = "list sessions"
	ids, err := s.query(ctx, doing, listMembers, []string{s.listKey(userID)})
	if err != nil {
		return nil, err
	}
	var sessions []auth.Session
	for chunk := range slices.Chunk(ids, sessionsAtOnce) {
		keys := make([]string, len(chunk))
		for i, id := range chunk {
			keys[i] = s.sessionKey(id)
		}
		reply, err := s.query(ctx, doing, loadSessions, keys)
		if err != nil {
			return nil, err
		}
		if len(reply) != 2+len(chunk) {
			return nil, errReply(doing)
		}
		for i, value := range reply[2:] {
			if value == "" {
				continue // it ended meanwhile
			}
			session, err := decode(chunk[i], value)
			if err != nil {
				return nil, err
			}
			session.State = nil
			sessions = append(sessions, session)
		}
	}
	return sessions, nil
}

// ReplaceSession implements [auth.SessionStore].
func (s *Store) ReplaceSession(ctx context.Context, old, replacement auth.Session) error {
	if !isID(old.ID) {
		return noSession(ctx, auth.ErrConflict)
	}
	value, err := encode(&replacement)
	if err != nil {
		return err
	}
	keys := []string{s.sessionKey(old.ID), s.listKey(old.UserID)}
	replaced, err := s.apply(ctx, "replace session", replaceSession, keys, value, old.ID, forgetAt(&replacement), version(old.Version))
	if err == nil && !replaced {
		return auth.ErrConflict
	}
	return err
}

// DeleteSession implements [auth.SessionStore].
func (s *Store) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	session, _, err := s.Session(ctx, id)
	if err != nil {
		return err
	}
	keys := []string{s.feed, s.sessionKey(id), s.listKey(session.UserID), s.endedKey(id)}
	deleted, err := s.apply(ctx, "delete session", deleteSession, keys, s.feed, id, sessionRevocation(expiry)+id, rand.Text())
	if err == nil && !deleted {
		return auth.ErrSessionNotFound
	}
	return err
}

// DeleteUserSessions implements [auth.SessionStore]. A script must declare the keys that it touches,
// so the method first reads which sessions there are. The script ends them if these are still all of
// them; otherwise the method reads again. Only repeated logins by that user can make it read again.
func (s *Store) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	const doing = "delete the sessions of a user"
	if err := checkUserID(userID); err != nil {
		return err
	}
	ofUser := ""
	if except == "" {
		ofUser = userRevocation(userID, issuedAt, expiry)
	}
	for range deleteTries {
		ids, err := s.query(ctx, doing, listMembers, []string{s.listKey(userID)})
		if err != nil {
			return err
		}
		keys := []string{s.feed, s.listKey(userID)}
		args := []any{s.feed, except, sessionRevocation(expiry), ofUser}
		for _, id := range ids {
			if id != except {
				keys, args = append(keys, s.sessionKey(id)), append(args, id)
			}
		}
		deleted, err := s.apply(ctx, doing, deleteUserSessions, keys, args...)
		if deleted || err != nil {
			return err
		}
	}
	return errors.New("auth: redis store: the user's sessions changed again and again")
}
