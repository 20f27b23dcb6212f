package redisstore

import (
	"context"
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
	forgetAfter = time.Hour // from when a session has expired
	listAtOnce  = 256       // sessions that one script loads
	removeTries = 32        // of a list that others change meanwhile
)

// isID reports whether id has the form of a session ID. Nothing else becomes part
// of a key's name.
func isID(id string) bool {
	return len(id) == 22 && strings.Trim(id, letters) == ""
}

func (s *Store) sessionKey(id string) string { return s.prefix + "s:" + id }

// listKey returns the key of the list of a user's sessions, a sorted set of IDs by
// when they are forgotten. A user ID can be any bytes, its hash cannot.
func (s *Store) listKey(userID string) string {
	sum := sha256.Sum256([]byte(userID))
	return s.prefix + "u:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// forgetAt returns when Redis forgets a session, in milliseconds.
func forgetAt(one *auth.Session) string {
	return milliseconds(one.ExpiresAt.Add(forgetAfter))
}

// milliseconds returns a time as Redis takes it.
func milliseconds(t time.Time) string {
	const most = 253402300799000 // the year 9999
	return strconv.FormatInt(min(max(t.UnixMilli(), 1), most), 10)
}

// CreateSession implements [session.Store].
func (s *Store) CreateSession(ctx context.Context, one auth.Session) error {
	const doing = "create session"
	value, err := encode(&one)
	if err != nil {
		return err
	}
	did, err := s.done(ctx, doing, create, []string{s.sessionKey(one.ID), s.listKey(one.UserID)}, value, one.ID, forgetAt(&one))
	if err == nil && !did {
		return auth.ErrConflict
	}
	return err
}

// Session implements [session.Store].
func (s *Store) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	const doing = "load session"
	if !isID(id) {
		return auth.Session{}, time.Time{}, s.unknown(ctx, auth.ErrSessionNotFound)
	}
	found, err := s.texts(ctx, doing, load, []string{s.sessionKey(id)})
	if err != nil {
		return auth.Session{}, time.Time{}, err
	}
	if len(found) != 3 {
		return auth.Session{}, time.Time{}, errAnswer(doing)
	}
	if found[2] == "" {
		return auth.Session{}, time.Time{}, auth.ErrSessionNotFound
	}
	now, err := clock(found)
	if err != nil {
		return auth.Session{}, time.Time{}, err
	}
	one, err := decode(id, found[2])
	if err != nil {
		return auth.Session{}, time.Time{}, err
	}
	return one, now, nil
}

// unknown returns what a method answers about an ID that is none.
func (s *Store) unknown(ctx context.Context, answer error) error {
	if s == nil || s.client == nil {
		return errZero
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("auth: redis store: %w", err)
	}
	return answer
}

// clock returns the server's time, with which an answer begins.
func clock(found []string) (time.Time, error) {
	if len(found) >= 2 {
		seconds, err := strconv.ParseInt(found[0], 10, 64)
		micros, err2 := strconv.ParseInt(found[1], 10, 64)
		if err == nil && err2 == nil {
			return time.Unix(seconds, micros*1000).UTC(), nil
		}
	}
	return time.Time{}, errAnswer("read the clock")
}

// Sessions implements [session.Store].
func (s *Store) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	const doing = "list sessions"
	ids, err := s.texts(ctx, doing, list, []string{s.listKey(userID)})
	if err != nil {
		return nil, err
	}
	var all []auth.Session
	for some := range slices.Chunk(ids, listAtOnce) {
		keys := make([]string, len(some))
		for i, id := range some {
			keys[i] = s.sessionKey(id)
		}
		found, err := s.texts(ctx, doing, load, keys)
		if err != nil {
			return nil, err
		}
		if len(found) != 2+len(some) {
			return nil, errAnswer(doing)
		}
		for i, value := range found[2:] {
			if value == "" {
				continue // it ended meanwhile
			}
			one, err := decode(some[i], value)
			if err != nil {
				return nil, err
			}
			one.State = nil
			all = append(all, one)
		}
	}
	return all, nil
}

// ReplaceSession implements [session.Store].
func (s *Store) ReplaceSession(ctx context.Context, old, replacement auth.Session) error {
	if !isID(old.ID) {
		return s.unknown(ctx, auth.ErrConflict)
	}
	value, err := encode(&replacement)
	if err != nil {
		return err
	}
	did, err := s.done(ctx, "replace session", replace, []string{s.sessionKey(old.ID), s.listKey(old.UserID)},
		value, old.ID, forgetAt(&replacement), version(old.Version))
	if err == nil && !did {
		return auth.ErrConflict
	}
	return err
}

// DeleteSession implements [session.Store].
func (s *Store) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	one, _, err := s.Session(ctx, id)
	if err != nil {
		return err
	}
	did, err := s.done(ctx, "delete session", remove, []string{s.feed, s.sessionKey(id), s.listKey(one.UserID)},
		s.feed, id, ofSessions(expiry)+id)
	if err == nil && !did {
		return auth.ErrSessionNotFound
	}
	return err
}

// DeleteUserSessions implements [session.Store]. It looks which sessions there
// are, and ends them if these are still all, or else looks again: a script must
// say beforehand which keys it touches. Whoever keeps it from ending must log in as
// the user once for each look.
func (s *Store) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	const doing = "delete the sessions of a user"
	if err := checkUserID(userID); err != nil {
		return err
	}
	ofUser := ""
	if except == "" {
		ofUser = ofUserID(userID, issuedAt, expiry)
	}
	for range removeTries {
		ids, err := s.texts(ctx, doing, list, []string{s.listKey(userID)})
		if err != nil {
			return err
		}
		keys, args := []string{s.feed, s.listKey(userID)}, []any{s.feed, except, ofSessions(expiry), ofUser}
		for _, id := range ids {
			if id != except {
				keys, args = append(keys, s.sessionKey(id)), append(args, id)
			}
		}
		if did, err := s.done(ctx, doing, removeAll, keys, args...); did || err != nil {
			return err
		}
	}
	return errors.New("auth: redis store: the user's sessions changed again and again")
}
