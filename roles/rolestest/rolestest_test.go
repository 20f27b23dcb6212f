package rolestest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/roles/rolestest"
)

func memory() (*memstore.Store, [3]string) {
	s, users := memstore.New(), [3]string{"ada", "eve", "lin"}
	for _, id := range users {
		if _, err := s.CreateUser(context.Background(), auth.User{ID: id, Username: id}); err != nil {
			panic(err)
		}
	}
	return s, users
}

func TestMemory(t *testing.T) {
	t.Parallel()
	rolestest.TestStore(t, func(*testing.T) (assignment.Store, [3]string) { return memory() })
}

// mutant is a store that breaks a rule.
type mutant struct {
	*memstore.Store
	state      func(s *assignment.State)
	change     func(s *memstore.Store, c *assignment.Change)
	answer     func(err error) error
	holders    func(list []assignment.Assignment) []assignment.Assignment
	racing     bool // compares first and writes later, in two steps
	mute       bool // feed without versions
	background bool
}

func (m *mutant) Assignments(ctx context.Context, userID string) (assignment.State, time.Time, error) {
	s, now, err := m.Store.Assignments(ctx, userID)
	if m.state != nil {
		m.state(&s)
	}
	return s, now, err
}

func (m *mutant) ReplaceAssignment(ctx context.Context, c assignment.Change) error {
	if m.background {
		ctx = context.WithoutCancel(ctx)
	}
	if m.change != nil {
		m.change(m.Store, &c)
	}
	if m.racing && c.Keep {
		list, err := m.Holders(ctx, c.Role, c.Org, "", 10)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list, func(a assignment.Assignment) bool { return a.UserID != c.UserID && a.Until.IsZero() }) {
			return assignment.ErrLast
		}
		time.Sleep(time.Millisecond)
		c.Keep = false
	}
	err := m.Store.ReplaceAssignment(ctx, c)
	if m.answer != nil {
		err = m.answer(err)
	}
	return err
}

func (m *mutant) Holders(ctx context.Context, role, org, after string, limit int) ([]assignment.Assignment, error) {
	list, err := m.Store.Holders(ctx, role, org, after, limit)
	if m.holders != nil {
		list = m.holders(list)
	}
	return list, err
}

func (m *mutant) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	if m.mute {
		each = func(auth.Revocation) {}
	}
	return m.Store.RevokedSince(ctx, cursor, each)
}

// Each rule is broken by a store that makes a common mistake.
func TestMutants(t *testing.T) {
	t.Parallel()
	present := func(s *memstore.Store, userID string) string {
		state, _, _ := s.Assignments(context.Background(), userID)
		return state.Version
	}
	found := map[string]bool{}
	for name, row := range map[string]struct {
		m    mutant
		want string
	}{
		"a version for everybody":       {mutant{state: func(s *assignment.State) { s.Version += "v" }}, "None"},
		"no column for the granter":     {mutant{change: func(_ *memstore.Store, c *assignment.Change) { c.GrantedBy = "" }}, "Put"},
		"no column for the end":         {mutant{change: func(_ *memstore.Store, c *assignment.Change) { c.Until = time.Time{} }}, "Ended"},
		"the granter keeps the old end": {mutant{change: func(_ *memstore.Store, c *assignment.Change) { c.GrantedAt = c.GrantedAt.Truncate(time.Second) }}, "Replace"},
		"ignores Remove":                {mutant{change: func(_ *memstore.Store, c *assignment.Change) { c.Remove = false }}, "Remove"},
		"last write wins":               {mutant{change: func(s *memstore.Store, c *assignment.Change) { c.Old = present(s, c.UserID) }}, "Conflict"},
		"last write of a race wins":     {mutant{change: func(s *memstore.Store, c *assignment.Change) { c.Old = present(s, c.UserID) }}, "RaceOfOneUser"},
		"ignores the granter":           {mutant{change: func(_ *memstore.Store, c *assignment.Change) { c.By = "" }}, "By"},
		"ignores the granter in a race": {mutant{change: func(_ *memstore.Store, c *assignment.Change) { c.By = "" }}, "RaceWithTheGranter"},
		"ignores Keep":                  {mutant{change: func(_ *memstore.Store, c *assignment.Change) { c.Keep = false }}, "Keep"},
		"counts first, then writes":     {mutant{racing: true}, "RaceOfTheLast"},
		"calls an unknown user a failure": {mutant{answer: func(err error) error {
			if errors.Is(err, auth.ErrUserNotFound) {
				return errors.New("foreign key")
			}
			return err
		}}, "UnknownUser"},
		"no ORDER BY": {mutant{holders: func(list []assignment.Assignment) []assignment.Assignment {
			list = slices.Clone(list)
			slices.Reverse(list)
			return list
		}}, "Holders"},
		"records nothing":                 {mutant{mute: true}, "Feed"},
		"a call that outlives its caller": {mutant{background: true}, "Context"},
	} {
		names := rolestest.Broken(func() (assignment.Store, [3]string) {
			m := row.m
			s, users := memory()
			m.Store = s
			return &m, users
		})
		if !slices.Contains(names, row.want) {
			t.Errorf("%s: the suite finds %q, want %s among them", name, names, row.want)
		}
		found[row.want] = true
	}
	for _, name := range rolestest.Rules() {
		if !found[name] {
			t.Errorf("no mutant breaks the rule %s", name)
		}
	}
}
