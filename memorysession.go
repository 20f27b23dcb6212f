package auth

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// memorySessions are the sessions of a [MemoryStore] and its revocation feed.
type memorySessions struct {
	byID   map[string]func() Session // as the users are
	byUser map[string][]string       // IDs
	order  []string                  // IDs, some of sessions that are gone
	hand   int                       // where in order the next sweep begins
	feed   []numbered                // only ever appended to, or made anew
	live   int                       // revocations in feed when it was last made anew
	number uint64                    // of the last revocation
}

type numbered struct {
	number uint64
	Revocation
}

// forgetAfter is how long a session is kept that has expired.
const forgetAfter = time.Hour

// CreateSession implements [SessionStore]. It forgets a few expired sessions for
// each that it creates.
func (s *MemoryStore) CreateSession(ctx context.Context, session Session) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.sessions
	if _, taken := m.byID[session.ID]; taken {
		return ErrConflict
	}
	if m.byID == nil {
		m.byID, m.byUser = make(map[string]func() Session), make(map[string][]string)
	}
	m.sweep(time.Now())
	m.put(session)
	m.byUser[session.UserID] = append(m.byUser[session.UserID], session.ID)
	m.order = append(m.order, session.ID)
	return nil
}

func (m *memorySessions) put(s Session) {
	s = asStored(s)
	m.byID[s.ID] = func() Session { return s }
}

// asStored returns s as a database keeps it, with nothing of the caller's.
func asStored(s Session) Session {
	s.State = slices.Clone(s.State)
	s.CreatedAt, s.LastUsedAt, s.ExpiresAt = toMicroseconds(s.CreatedAt), toMicroseconds(s.LastUsedAt), toMicroseconds(s.ExpiresAt)
	return s
}

// toMicroseconds returns t without zone, nanoseconds and monotonic reading.
func toMicroseconds(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

// sweep looks at the next few sessions in the order of their making and forgets
// those that have expired. As each creation brings one, and drives the hand past
// eight, what has expired stays a small part of all.
func (m *memorySessions) sweep(now time.Time) {
	for range min(8, len(m.order)) {
		m.hand %= len(m.order)
		id := m.order[m.hand]
		if session, there := m.byID[id]; there {
			if now.Sub(session().ExpiresAt) < forgetAfter {
				m.hand++
				continue
			}
			m.remove(session())
		}
		last := len(m.order) - 1
		m.order[m.hand] = m.order[last]
		m.order = m.order[:last]
		if last == 0 {
			return
		}
	}
}

func (m *memorySessions) remove(s Session) {
	delete(m.byID, s.ID)
	ids := m.byUser[s.UserID]
	if i := slices.Index(ids, s.ID); i >= 0 {
		ids = slices.Delete(ids, i, i+1)
	}
	if m.byUser[s.UserID] = ids; len(ids) == 0 {
		delete(m.byUser, s.UserID)
	}
}

// Session implements [SessionStore].
func (s *MemoryStore) Session(ctx context.Context, id string) (Session, time.Time, error) {
	if err := s.usable(ctx); err != nil {
		return Session{}, time.Time{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	session, found := s.sessions.byID[id]
	if !found {
		return Session{}, time.Time{}, ErrSessionNotFound
	}
	return asStored(session()), time.Now(), nil
}

// Sessions implements [SessionStore].
func (s *MemoryStore) Sessions(ctx context.Context, userID string) ([]Session, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []Session
	for _, id := range s.sessions.byUser[userID] {
		session := s.sessions.byID[id]()
		session.State = nil
		list = append(list, session)
	}
	return list, nil
}

// ReplaceSession implements [SessionStore].
func (s *MemoryStore) ReplaceSession(ctx context.Context, old, replacement Session) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, found := s.sessions.byID[old.ID]
	if !found || stored().Version != old.Version {
		return ErrConflict
	}
	s.sessions.put(replacement)
	return nil
}

// DeleteSession implements [SessionStore].
func (s *MemoryStore) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, found := s.sessions.byID[id]
	if !found {
		return ErrSessionNotFound
	}
	s.sessions.remove(session())
	s.sessions.record(Revocation{SessionID: id, Expiry: expiry})
	return nil
}

// DeleteUserSessions implements [SessionStore].
func (s *MemoryStore) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &s.sessions
	for _, id := range slices.Clone(m.byUser[userID]) {
		if id != except {
			m.remove(m.byID[id]())
			m.record(Revocation{SessionID: id, Expiry: expiry})
		}
	}
	if except == "" {
		m.record(Revocation{UserID: userID, IssuedAt: issuedAt, Expiry: expiry})
	}
	return nil
}

// record appends to the feed. Once it has doubled it is made anew without what
// has expired.
func (m *memorySessions) record(r Revocation) {
	if len(m.feed) > 2*m.live+64 {
		now, feed := time.Now(), []numbered(nil)
		for _, n := range m.feed {
			if now.Before(n.Expiry) {
				feed = append(feed, n)
			}
		}
		m.feed, m.live = feed, len(feed)
	}
	r.IssuedAt, r.Expiry = toMicroseconds(r.IssuedAt), toMicroseconds(r.Expiry)
	m.number++
	m.feed = append(m.feed, numbered{m.number, r})
}

// RevokedSince implements [SessionStore].
func (s *MemoryStore) RevokedSince(ctx context.Context, cursor string, each func(Revocation)) (string, error) {
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
	now := time.Now()
	for _, n := range feed[begin:] {
		if now.Before(n.Expiry) {
			each(n.Revocation)
		}
	}
	return strconv.FormatUint(last, 10), nil
}
