package authtest_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
)

// scan is a store that searches a list, as one over a table would. Its zero value keeps the
// contract. Each field adds a fault.
type scan struct {
	id, username, hash func(string) string                 // applied before comparing, unless nil
	like               func(pattern, username string) bool // UserByUsername accepts patterns
	either             bool                                // both look-ups accept an ID or a username
	freeIDs, freeNames bool                                // the ID or username of a disabled user is free
	lastID             bool                                // CreateUser returns the ID of the last row
	overwrites         bool                                // … changes the existing user when it refuses one
	raceIDs, raceNames bool                                // … checks first and inserts later
	raceReplace        bool                                // ReplacePasswordHash checks first and updates later
	everyone           bool                                // … has no WHERE id = …
	changedRows        bool                                // … counts changed rows instead of matching rows
	emptyMatches       bool                                // … accepts an empty old hash for any stored one
	unknownIs          error                               // … returns this for an unknown user
	reached            bool                                // … succeeds if the replacement is already stored

	mu    sync.Mutex
	users []auth.User
}

// same reports whether a and b are equal, or equal after fold.
func same(fold func(string) string, a, b string) bool {
	return a == b || fold != nil && fold(a) == fold(b)
}

// later calls f after other calls had time to run. The lock is held before and after.
func (s *scan) later(f func()) {
	s.mu.Unlock()
	time.Sleep(2 * time.Millisecond)
	s.mu.Lock()
	f()
}

func (s *scan) CreateUser(ctx context.Context, u auth.User) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	idTaken := func(have auth.User) bool { return same(s.id, have.ID, u.ID) && !(s.freeIDs && have.Disabled) }
	nameTaken := func(have auth.User) bool {
		return same(s.username, have.Username, u.Username) && !(s.freeNames && have.Disabled)
	}
	taken := func(have auth.User) bool { return idTaken(have) || nameTaken(have) }
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.users, taken); i >= 0 {
		if s.overwrites {
			s.users[i].Disabled, s.users[i].CreatedAt = u.Disabled, u.CreatedAt
		}
		return "", auth.ErrUserExists
	}
	index := taken
	switch {
	case s.raceIDs:
		index = nameTaken
	case s.raceNames:
		index = idTaken
	}
	refused := false
	insert := func() {
		if refused = slices.ContainsFunc(s.users, index); !refused {
			s.users = append(s.users, u)
		}
	}
	if s.raceIDs || s.raceNames {
		s.later(insert)
	} else {
		insert()
	}
	if refused {
		return "", auth.ErrUserExists
	}
	id := u.ID
	if s.lastID {
		s.later(func() { id = s.users[len(s.users)-1].ID })
	}
	return id, nil
}

func (s *scan) find(ctx context.Context, match func(auth.User) bool) (auth.User, error) {
	if err := ctx.Err(); err != nil {
		return auth.User{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.users, match); i >= 0 {
		return s.users[i], nil
	}
	return auth.User{}, auth.ErrUserNotFound
}

func (s *scan) UserByID(ctx context.Context, id string) (auth.User, error) {
	return s.find(ctx, func(u auth.User) bool {
		return same(s.id, u.ID, id) || s.either && u.Username == id
	})
}

func (s *scan) UserByUsername(ctx context.Context, username string) (auth.User, error) {
	return s.find(ctx, func(u auth.User) bool {
		return same(s.username, u.Username, username) || s.either && u.ID == username ||
			s.like != nil && s.like(username, u.Username)
	})
}

func (s *scan) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.users, func(u auth.User) bool { return same(s.id, u.ID, id) })
	if i < 0 {
		if s.unknownIs != nil {
			return s.unknownIs
		}
		return auth.ErrUserNotFound
	}
	if s.reached && s.users[i].PasswordHash == replacement {
		return nil
	}
	matches := same(s.hash, s.users[i].PasswordHash, old) || s.emptyMatches && old == ""
	if !matches || s.changedRows && old == replacement {
		return auth.ErrConflict
	}
	update := func() {
		for j := range s.users {
			if j == i || s.everyone && s.users[j].PasswordHash == old {
				s.users[j].PasswordHash = replacement
			}
		}
	}
	if s.raceReplace {
		s.later(update)
	} else {
		update()
	}
	return nil
}
