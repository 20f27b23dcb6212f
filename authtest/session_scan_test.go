package authtest_test

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
)

// sessionScan is a store that searches lists, as one over two tables would. Its zero value keeps
// the contract.
type sessionScan struct {
	sessionFaults

	mu       sync.Mutex
	sessions []auth.Session
	deleted  []auth.Session
	seen     map[string]bool // IDs of sessions and users that were created
	barred   map[string]bool // users who get no new sessions
	feed     []numbered
	number   int
}

// sessionFaults are the faults of a sessionScan.
type sessionFaults struct {
	id, user        func(string) string                 // applied before comparing, unless nil
	stored          func(*auth.Session)                 // changes a session when it is written
	loaded          func(*auth.Session)                 // … when it is read
	overwrites      bool                                // CreateSession changes the existing session when it refuses one
	raceCreate      bool                                // … checks first and inserts later
	clock           func(auth.Session) time.Time        // returns the time that Session returns
	listsState      bool                                // Sessions returns State
	strangersFail   bool                                // … fails for a user who never had a session
	listsDeleted    bool                                // … returns deleted sessions
	forgets         bool                                // expired sessions are not found
	aliases         bool                                // State is not copied
	everyone        bool                                // ReplaceSession has no WHERE id = …
	accepts         func(stored, old auth.Session) bool // … accepts these versions as well
	reached         bool                                // … succeeds if the replacement is already stored
	raceReplace     bool                                // … checks first and updates later
	resurrects      bool                                // … inserts a session that was deleted meanwhile
	inserts         bool                                // … inserts a session that never existed
	deletesNothing  bool                                // DeleteSession succeeds for a session that never existed
	raceDelete      bool                                // … checks first and deletes later
	recordsRefused  bool                                // … records a session that it does not find
	barsUser        bool                                // DeleteUserSessions prevents new sessions
	checksExcept    bool                                // … keeps all sessions if except is not one of the user's
	recordsIfAny    bool                                // … records the user only if there are sessions
	recordsAlways   bool                                // … records the user even with except
	recordsReplaced bool                                // ReplaceSession records a revocation
	revoked         func(*auth.Revocation)              // changes a revocation when it is recorded
	forgetsFeed     bool                                // expired revocations are not returned
	limit           int                                 // greatest number of revocations of one read; 0: no limit
	consumes        bool                                // the feed forgets revocations that were read with a cursor
	lateCommit      bool                                // a revocation may become visible after one with a higher number
}

// numbered is a revocation with its number in the feed.
type numbered struct {
	number int
	auth.Revocation
}

// later calls f after other calls had time to run. The lock is held before and after.
func (s *sessionScan) later(f func()) {
	s.mu.Unlock()
	time.Sleep(2 * time.Millisecond)
	s.mu.Lock()
	f()
}

func (s *sessionScan) lock(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.seen == nil {
		s.seen, s.barred = map[string]bool{}, map[string]bool{}
	}
	return s.mu.Unlock, nil
}

func (s *sessionScan) index(id string) int {
	return slices.IndexFunc(s.sessions, func(session auth.Session) bool { return same(s.id, session.ID, id) && s.there(session) })
}

func (s *sessionScan) there(session auth.Session) bool {
	return !s.forgets || time.Now().Before(session.ExpiresAt)
}

func (s *sessionScan) copied(session auth.Session) auth.Session {
	if !s.aliases {
		session.State = slices.Clone(session.State)
	}
	return session
}

func (s *sessionScan) write(session auth.Session) auth.Session {
	session = s.copied(session)
	if s.stored != nil {
		s.stored(&session)
	}
	return session
}

func (s *sessionScan) CreateSession(ctx context.Context, session auth.Session) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	insert := func() {
		s.seen[session.ID], s.seen[session.UserID] = true, true
		if !s.barred[session.UserID] {
			s.sessions = append(s.sessions, s.write(session))
		}
	}
	if i := s.index(session.ID); i >= 0 {
		if s.overwrites {
			s.sessions[i].ExpiresAt = session.ExpiresAt
		}
		return auth.ErrConflict
	}
	if s.raceCreate {
		s.later(insert)
	} else {
		insert()
	}
	return nil
}

func (s *sessionScan) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return auth.Session{}, time.Time{}, err
	}
	defer unlock()
	i := s.index(id)
	if i < 0 {
		return auth.Session{}, time.Time{}, auth.ErrSessionNotFound
	}
	session, now := s.copied(s.sessions[i]), time.Now()
	if s.loaded != nil {
		s.loaded(&session)
	}
	if s.clock != nil {
		now = s.clock(session)
	}
	return session, now, nil
}

func (s *sessionScan) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s.strangersFail && !s.seen[userID] {
		return nil, auth.ErrUserNotFound
	}
	sessions := s.sessions
	if s.listsDeleted {
		sessions = slices.Concat(sessions, s.deleted)
	}
	var list []auth.Session
	for _, session := range sessions {
		if same(s.user, session.UserID, userID) {
			if !s.listsState {
				session.State = nil
			}
			list = append(list, session)
		}
	}
	return list, nil
}

func (s *sessionScan) ReplaceSession(ctx context.Context, old, replacement auth.Session) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	i := s.index(old.ID)
	if i < 0 {
		if s.inserts && !s.seen[old.ID] {
			s.sessions = append(s.sessions, s.write(replacement))
			return nil
		}
		return auth.ErrConflict
	}
	stored := s.sessions[i]
	if s.reached && stored.Version == replacement.Version && string(stored.State) == string(replacement.State) {
		return nil
	}
	if stored.Version != old.Version && (s.accepts == nil || !s.accepts(stored, old)) {
		return auth.ErrConflict
	}
	conflict := false
	update := func() {
		i := s.index(old.ID)
		switch {
		case i < 0 && s.resurrects:
			s.sessions = append(s.sessions, s.write(replacement))
		case i < 0, s.sessions[i].Version != stored.Version && !s.raceReplace:
			conflict = true
		default:
			s.sessions[i] = s.write(replacement)
		}
	}
	if s.raceReplace || s.resurrects {
		s.later(update)
	} else {
		update()
	}
	if conflict {
		return auth.ErrConflict
	}
	if s.everyone {
		for i := range s.sessions {
			if s.sessions[i].Version == old.Version {
				s.sessions[i].Version, s.sessions[i].State = replacement.Version, replacement.State
			}
		}
	}
	if s.recordsReplaced {
		s.record(auth.Revocation{SessionID: old.ID, Expiry: old.ExpiresAt})
	}
	return nil
}

func (s *sessionScan) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	i := s.index(id)
	if i < 0 {
		if s.recordsRefused {
			s.record(auth.Revocation{SessionID: id, Expiry: expiry})
		}
		if s.deletesNothing && !s.seen[id] {
			return nil
		}
		return auth.ErrSessionNotFound
	}
	remove := func() {
		if i := s.index(id); i >= 0 {
			s.deleted = append(s.deleted, s.sessions[i])
			s.sessions = slices.Delete(s.sessions, i, i+1)
		}
	}
	if s.raceDelete {
		s.later(remove)
	} else {
		remove()
	}
	s.record(auth.Revocation{SessionID: id, Expiry: expiry})
	return nil
}

func (s *sessionScan) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	owns := func(session auth.Session) bool { return same(s.user, session.UserID, userID) }
	if s.checksExcept && except != "" && !slices.ContainsFunc(s.sessions, func(session auth.Session) bool { return owns(session) && session.ID == except }) {
		return nil
	}
	removed := false
	s.sessions = slices.DeleteFunc(s.sessions, func(session auth.Session) bool {
		if !owns(session) || session.ID == except {
			return false
		}
		removed = true
		s.record(auth.Revocation{SessionID: session.ID, Expiry: expiry})
		return true
	})
	if s.barsUser {
		s.barred[userID] = true
	}
	if except == "" && (removed || !s.recordsIfAny) || s.recordsAlways {
		s.record(auth.Revocation{UserID: userID, IssuedAt: issuedAt, Expiry: expiry})
	}
	return nil
}

func (s *sessionScan) record(r auth.Revocation) {
	if s.revoked != nil {
		s.revoked(&r)
	}
	s.number++
	n := numbered{s.number, r}
	commit := func() { s.feed = append(s.feed, n) }
	if s.lateCommit && n.number%3 == 0 {
		s.later(commit)
	} else {
		commit()
	}
}

func (s *sessionScan) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return cursor, err
	}
	defer unlock()
	after := 0
	if cursor != "" {
		if after, err = strconv.Atoi(cursor); err != nil {
			return cursor, fmt.Errorf("cursor: %w", err)
		}
	}
	sort.Slice(s.feed, func(i, j int) bool { return s.feed[i].number < s.feed[j].number })
	n, kept := 0, s.feed[:0:0]
	for _, entry := range s.feed {
		if entry.number <= after || s.limit > 0 && n == s.limit {
			kept = append(kept, entry)
			continue
		}
		if !s.forgetsFeed || time.Now().Before(entry.Expiry) {
			each(entry.Revocation)
		}
		n++
		if !s.consumes || cursor == "" {
			kept = append(kept, entry)
		}
	}
	s.feed = kept
	last := after
	if n > 0 || !s.consumes {
		last = s.last()
	}
	return strconv.Itoa(last), nil
}

// last returns the highest number in the feed.
func (s *sessionScan) last() int {
	if len(s.feed) == 0 {
		return 0
	}
	return s.feed[len(s.feed)-1].number
}
