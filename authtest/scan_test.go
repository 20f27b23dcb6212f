package authtest_test

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
)

// scan is a store as one writes it over a table, with its care taken away piece
// by piece. Its zero value keeps the contract.
type scan struct {
	id, username, hash func(string) string                 // applied before comparing; nil: compared as it is
	like               func(pattern, username string) bool // UserByUsername takes patterns
	either             bool                                // the look-ups take an ID or a username
	freeIDs, freeNames bool                                // what a disabled user has can be taken again
	overwrites         bool                                // a refused user changes who was there
	raceIDs, raceNames bool                                // CreateUser looks first and inserts later
	raceReplace        bool                                // ReplacePasswordHash looks first and updates later
	everyone           bool                                // ReplacePasswordHash has no WHERE id = …
	changedRows        bool                                // … counts the rows it changed, not those it found
	emptyMatches       bool                                // … takes the empty hash for any
	unknownIs          error                               // … says this of an unknown user
	reached            bool                                // … is content if the replacement is there already

	mu    sync.Mutex
	users []auth.User
}

func same(fold func(string) string, a, b string) bool {
	return a == b || fold != nil && fold(a) == fold(b)
}

// later calls f after others had time to get in between. The lock is held before
// and after.
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
	return u.ID, nil
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
