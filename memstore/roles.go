package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
	"github.com/seed-e36e2130/auth/internal/clock"
)

// roleTable holds who has which role.
type roleTable struct {
	versions map[string]string                  // by user
	byUser   map[string][]assignment.Assignment // also some that have ended
}

// Assignments is the method of a Store of package roles.
func (s *Store) Assignments(ctx context.Context, userID string) (assignment.State, time.Time, error) {
	if err := s.usable(ctx); err != nil {
		return assignment.State{}, time.Time{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := clock.In(ctx)
	return assignment.State{Version: s.roles.versions[userID], Assignments: s.roles.lasting(userID, now)}, now, nil
}

// lasting returns the assignments of a user that have not ended.
func (t *roleTable) lasting(userID string, now time.Time) (list []assignment.Assignment) {
	for _, a := range t.byUser[userID] {
		if lasts(a, now) {
			list = append(list, a)
		}
	}
	return list
}

func lasts(a assignment.Assignment, now time.Time) bool {
	return a.Until.IsZero() || now.Before(a.Until)
}

// ReplaceAssignment is the method of a Store of package roles.
func (s *Store) ReplaceAssignment(ctx context.Context, c assignment.Change) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	a := c.Assignment
	a.GrantedAt = clock.Microseconds(a.GrantedAt)
	if !a.Until.IsZero() {
		a.Until = clock.Microseconds(a.Until)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.roles
	if _, found := s.users[a.UserID]; !found {
		return auth.ErrUserNotFound
	}
	if t.versions[a.UserID] != c.Old || c.By != "" && (c.ByVersion == "" || t.versions[c.By] != c.ByVersion) {
		return auth.ErrConflict
	}
	if c.Keep && !t.hasOther(a) {
		return assignment.ErrLast
	}
	if t.versions == nil {
		t.versions, t.byUser = make(map[string]string), make(map[string][]assignment.Assignment)
	}
	list := slices.DeleteFunc(t.lasting(a.UserID, clock.In(ctx)), func(there assignment.Assignment) bool {
		return there.Role == a.Role && there.Org == a.Org
	})
	if !c.Remove {
		list = append(list, a)
	}
	t.byUser[a.UserID], t.versions[a.UserID] = list, c.New
	s.sessions.record(ctx, auth.Revocation{SessionID: c.Retired, Expiry: c.Expiry})
	return nil
}

// hasOther reports whether another user has the role of a without an end.
func (t *roleTable) hasOther(a assignment.Assignment) bool {
	for userID, list := range t.byUser {
		if userID != a.UserID && slices.ContainsFunc(list, func(o assignment.Assignment) bool {
			return o.Role == a.Role && o.Org == a.Org && o.Until.IsZero()
		}) {
			return true
		}
	}
	return false
}

// Holders is the method of a Store of package roles.
func (s *Store) Holders(ctx context.Context, role, org, after string, limit int) ([]assignment.Assignment, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := clock.In(ctx)
	var found []assignment.Assignment
	for userID := range s.roles.byUser {
		if userID <= after {
			continue
		}
		for _, a := range s.roles.lasting(userID, now) {
			if a.Role == role && a.Org == org {
				found = append(found, a)
			}
		}
	}
	slices.SortFunc(found, func(a, b assignment.Assignment) int { return cmp.Compare(a.UserID, b.UserID) })
	return found[:min(limit, len(found))], nil
}

// forget removes what is kept of a user.
func (t *roleTable) forget(userID string) {
	delete(t.byUser, userID)
	delete(t.versions, userID)
	for _, list := range t.byUser {
		for i := range list {
			if list[i].GrantedBy == userID {
				list[i].GrantedBy = ""
			}
		}
	}
}
