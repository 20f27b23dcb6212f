package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/clock"
)

// sessionTable holds the sessions of a [Store] and its feed of revocations.
type sessionTable struct {
	byID   map[string]func() auth.Session // sessions, in functions like the users
	byUser map[string][]string            // IDs
	order  []string                       // IDs, also of some sessions that are gone
	hand   int                            // index into order of the next sweep
	feed   []numbered                     // appended to, or replaced as a whole
	live   int                            // length of feed when it was last replaced
	number uint64                         // number of the last revocation
}

type numbered struct {
	number uint64
	auth.Revocation
}

// forgetAfter is how long an expired session is kept.
const forgetAfter = time.Hour + clock.Slack

// CreateSession implements [auth.SessionStore]. It also removes a few expired sessions.
func (s *Store) CreateSession(ctx context.Context, stored auth.Session) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.sessions
	if _, taken := m.byID[stored.ID]; taken {
		return auth.ErrConflict
	}
	if m.byID == nil {
		m.byID, m.byUser = make(map[string]func() auth.Session), make(map[string][]string)
	}
	m.sweep(clock.In(ctx))
	m.put(stored)
	m.byUser[stored.UserID] = append(m.byUser[stored.UserID], stored.ID)
	m.order = append(m.order, stored.ID)
	return nil
}

func (m *sessionTable) put(s auth.Session) {
	s = asStored(s)
	m.byID[s.ID] = func() auth.Session { return s }
}

// asStored returns s as a database keeps it, without sharing memory with the caller.
func asStored(s auth.Session) auth.Session {
	s.State = slices.Clone(s.State)
	s.CreatedAt, s.LastUsedAt, s.ExpiresAt = clock.Microseconds(s.CreatedAt), clock.Microseconds(s.LastUsedAt), clock.Microseconds(s.ExpiresAt)
	return s
}

// sweep looks at the next eight sessions in the order of their creation, and removes those that have
// expired. Each creation adds one, so expired ones stay a small part of all.
func (m *sessionTable) sweep(now time.Time) {
	for range min(8, len(m.order)) {
		m.hand %= len(m.order)
		id := m.order[m.hand]
		if stored, there := m.byID[id]; there {
			if now.Sub(stored().ExpiresAt) < forgetAfter {
				m.hand++
				continue
			}
			m.remove(stored())
		}
		last := len(m.order) - 1
		m.order[m.hand] = m.order[last]
		m.order = m.order[:last]
		if last == 0 {
			return
		}
	}
}

func (m *sessionTable) remove(s auth.Session) {
	delete(m.byID, s.ID)
	ids := m.byUser[s.UserID]
	if i := slices.Index(ids, s.ID); i >= 0 {
		ids = slices.Delete(ids, i, i+1)
	}
	if m.byUser[s.UserID] = ids; len(ids) == 0 {
		delete(m.byUser, s.UserID)
	}
}

// Session implements [auth.SessionStore].
func (s *Store) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	if err := s.usable(ctx); err != nil {
		return auth.Session{}, time.Time{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	stored, found := s.sessions.byID[id]
	if !found {
		return auth.Session{}, time.Time{}, auth.ErrSessionNotFound
	}
	return asStored(stored()), clock.In(ctx), nil
}

// Sessions implements [auth.SessionStore].
func (s *Store) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []auth.Session
	for _, id := range s.sessions.byUser[userID] {
		stored := s.sessions.byID[id]()
		stored.State = nil
		list = append(list, stored)
	}
	return list, nil
}

// ReplaceSession implements [auth.SessionStore].
func (s *Store) ReplaceSession(ctx context.Context, old, replacement auth.Session) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, found := s.sessions.byID[old.ID]
	if !found || stored().Version != old.Version {
		return auth.ErrConflict
	}
	s.sessions.put(replacement)
	return nil
}

// DeleteSession implements [auth.SessionStore].
func (s *Store) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, found := s.sessions.byID[id]
	if !found {
		return auth.ErrSessionNotFound
	}
	s.sessions.remove(stored())
	s.sessions.record(ctx, auth.Revocation{SessionID: id, Expiry: expiry})
	return nil
}

// DeleteUserSessions implements [auth.SessionStore].
func (s *Store) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.sessions
	for _, id := range slices.Clone(m.byUser[userID]) {
		if id != except {
			m.remove(m.byID[id]())
			m.record(ctx, auth.Revocation{SessionID: id, Expiry: expiry})
		}
	}
	if except == "" {
		m.record(ctx, auth.Revocation{UserID: userID, IssuedAt: issuedAt, Expiry: expiry})
	}
	return nil
}

// record appends to the feed. Once the feed has doubled, revocations that expired long ago are removed
// from it.
func (m *sessionTable) record(ctx context.Context, r auth.Revocation) {
	if len(m.feed) > 2*m.live+64 {
		now, feed := clock.In(ctx), []numbered(nil)
		for _, n := range m.feed {
			if now.Sub(n.Expiry) < clock.Slack {
				feed = append(feed, n)
			}
		}
		m.feed, m.live = feed, len(feed)
	}
	r.IssuedAt, r.Expiry = clock.Microseconds(r.IssuedAt), clock.Microseconds(r.Expiry)
	m.number++
	m.feed = append(m.feed, numbered{m.number, r})
}

// RevokedSince implements [auth.SessionStore].
func (s *Store) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	if err := s.usable(ctx); err != nil {
		return cursor, err
	}
	var after uint64
	if cursor != "" {
		var err error
		if after, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return cursor, fmt.Errorf("auth: memory store: malformed cursor %q", cursor)
		}
	}
	s.mu.RLock()
	feed, last := s.sessions.feed, s.sessions.number
	s.mu.RUnlock()
	begin, _ := slices.BinarySearchFunc(feed, after+1, func(n numbered, want uint64) int {
		return cmp.Compare(n.number, want)
	})
	now := clock.In(ctx)
	for _, n := range feed[begin:] {
		if now.Sub(n.Expiry) < clock.Slack {
			each(n.Revocation)
		}
	}
	return strconv.FormatUint(last, 10), nil
}
