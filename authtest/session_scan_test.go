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

// sessionScan is a store as one writes it over two tables, with its care taken
// away piece by piece. Its zero value keeps the contract.
type sessionScan struct {
	sessionFaults

	mu       sync.Mutex
	sessions []auth.Session
	deleted  []auth.Session
	seen     map[string]bool // IDs and users
	barred   map[string]bool
	feed     []numbered
	number   int
}

// sessionFaults are what a sessionScan does wrong.
type sessionFaults struct {
	id, user        func(string) string                 // applied before comparing; nil: compared as it is
	stored          func(*auth.Session)                 // changes what is written
	loaded          func(*auth.Session)                 // … what is read
	overwrites      bool                                // a refused session changes the one that is there
	raceCreate      bool                                // CreateSession looks first and inserts later
	clock           func(auth.Session) time.Time        // what Session says the time is
	listsState      bool                                // Sessions returns State
	strangersFail   bool                                // … fails for a user who never had one
	listsDeleted    bool                                // … returns deleted sessions
	forgets         bool                                // expired sessions are not found
	aliases         bool                                // State is not copied
	everyone        bool                                // ReplaceSession has no WHERE id = …
	accepts         func(stored, old auth.Session) bool // … and says which versions fit
	reached         bool                                // … is content if the replacement is there already
	raceReplace     bool                                // … looks first and updates later
	resurrects      bool                                // … inserts what was deleted meanwhile
	inserts         bool                                // … inserts what never was
	deletesNothing  bool                                // DeleteSession of what never was succeeds
	raceDelete      bool                                // … looks first and deletes later
	recordsRefused  bool                                // … records what it refused
	barsUser        bool                                // DeleteUserSessions holds back new sessions too
	checksExcept    bool                                // … spares all where the one to spare is not the user's
	recordsIfAny    bool                                // … records the user only with sessions
	recordsAlways   bool                                // … records the user with except, too
	recordsReplaced bool                                // the feed takes a changed session for an ended one
	revoked         func(*auth.Revocation)              // changes what is recorded
	limit           int                                 // of one read of the feed; 0: none
	consumes        bool                                // what was read after a cursor is gone
	lateCommit      bool                                // numbers are taken before others' are seen
}

type numbered struct {
	number int
	auth.Revocation
}

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
	return slices.IndexFunc(s.sessions, func(one auth.Session) bool { return same(s.id, one.ID, id) && s.there(one) })
}

func (s *sessionScan) there(one auth.Session) bool {
	return !s.forgets || time.Now().Before(one.ExpiresAt)
}

func (s *sessionScan) copied(one auth.Session) auth.Session {
	if !s.aliases {
		one.State = slices.Clone(one.State)
	}
	return one
}

func (s *sessionScan) write(one auth.Session) auth.Session {
	one = s.copied(one)
	if s.stored != nil {
		s.stored(&one)
	}
	return one
}

func (s *sessionScan) CreateSession(ctx context.Context, one auth.Session) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	insert := func() {
		s.seen[one.ID], s.seen[one.UserID] = true, true
		if !s.barred[one.UserID] {
			s.sessions = append(s.sessions, s.write(one))
		}
	}
	if i := s.index(one.ID); i >= 0 {
		if s.overwrites {
			s.sessions[i].ExpiresAt = one.ExpiresAt
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
	one, now := s.copied(s.sessions[i]), time.Now()
	if s.loaded != nil {
		s.loaded(&one)
	}
	if s.clock != nil {
		now = s.clock(one)
	}
	return one, now, nil
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
	all := s.sessions
	if s.listsDeleted {
		all = slices.Concat(all, s.deleted)
	}
	var list []auth.Session
	for _, one := range all {
		if same(s.user, one.UserID, userID) {
			if !s.listsState {
				one.State = nil
			}
			list = append(list, one)
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
	owns := func(one auth.Session) bool { return same(s.user, one.UserID, userID) }
	if s.checksExcept && except != "" && !slices.ContainsFunc(s.sessions, func(one auth.Session) bool { return owns(one) && one.ID == except }) {
		return nil
	}
	any := false
	s.sessions = slices.DeleteFunc(s.sessions, func(one auth.Session) bool {
		if !owns(one) || one.ID == except {
			return false
		}
		any = true
		s.record(auth.Revocation{SessionID: one.ID, Expiry: expiry})
		return true
	})
	if s.barsUser {
		s.barred[userID] = true
	}
	if except == "" && (any || !s.recordsIfAny) || s.recordsAlways {
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
	for _, one := range s.feed {
		if one.number <= after || s.limit > 0 && n == s.limit {
			kept = append(kept, one)
			continue
		}
		each(one.Revocation)
		n++
		if !s.consumes || cursor == "" {
			kept = append(kept, one)
		}
	}
	s.feed = kept
	last := after
	if n > 0 || !s.consumes {
		last = s.last()
	}
	return strconv.Itoa(last), nil
}

// last returns the highest number that a reader has seen.
func (s *sessionScan) last() int {
	if len(s.feed) == 0 {
		return 0
	}
	return s.feed[len(s.feed)-1].number
}
