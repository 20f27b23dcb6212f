package authtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// TestUserStore checks that the stores of a factory keep the contract of [auth.UserStore]. Each
// rule calls factory for an empty store of its own.
//
// ids, if it is given, returns the ID of the n-th user of a check, where n begins at 0: for tables whose
// IDs have a form of their own. [UUIDs], [IntegerIDs] and [TableIDs] are such functions. A function
// that returns an empty ID means that the table makes the IDs. Without ids, the users have UUIDs, and
// one rule tries any text as an ID.
func TestUserStore(t *testing.T, factory func(t *testing.T) auth.UserStore, ids ...func(n int) string) {
	t.Helper()
	makers := makersOf(t, ids)
	testRules(t, userStoreRules(makers), with(factory, func(s auth.UserStore) users { return users{s, makers} }))
}

// UUIDs returns the n-th of some UUIDs, in lower case.
func UUIDs(n int) string { return fmt.Sprintf("018f3c5e-7a10-7cc0-9000-%012x", n) }

// IntegerIDs returns the n-th positive integer.
func IntegerIDs(n int) string { return strconv.Itoa(n + 1) }

// TableIDs returns no ID: the table makes the IDs.
func TableIDs(int) string { return "" }

// idMaker makes the IDs of a suite.
type idMaker struct {
	id      func(n int) string
	anyText bool // any text may be an ID
	byTable bool // the table makes the IDs
}

// makersOf returns the maker of the IDs that a test was called with.
func makersOf(t *testing.T, ids []func(n int) string) idMaker {
	t.Helper()
	switch {
	case len(ids) > 1:
		t.Fatal("authtest: more than one function that makes IDs")
	case len(ids) == 0 || ids[0] == nil:
		return idMaker{id: UUIDs, anyText: true}
	case ids[0](0) == "":
		return idMaker{id: UUIDs, byTable: true} // the store ignores them
	}
	return idMaker{id: ids[0]}
}

// users is a store under test, with the IDs of its users.
type users struct {
	auth.UserStore
	idMaker
}

// with returns a factory of what is made from the values of another.
func with[S, T any](factory func(*testing.T) S, from func(S) T) func(*testing.T) T {
	if factory == nil {
		return nil
	}
	return func(t *testing.T) T { return from(factory(t)) }
}

// userStoreRules returns the contract as rules. Where the table makes the IDs, no caller can choose one
// that is taken.
func userStoreRules(ids idMaker) []rule[users] {
	rules := slices.Concat(accountRules(), byteRules(), replaceRules(), raceRules(), contextRules())
	return slices.DeleteFunc(rules, func(r rule[users]) bool {
		return ids.byTable && (r.name == "UniqueID" || r.name == "RaceID") || !ids.anyText && r.name == "Bytes/ID"
	})
}

// sentinels are the errors of stores that are not failures.
var sentinels = []error{auth.ErrUserExists, auth.ErrUserNotFound, auth.ErrSessionNotFound, auth.ErrConflict}

// answers returns an error unless a call returned want and no other of the sentinels.
func answers(call string, got, want error) error {
	if err := wants(call, got, want); err != nil {
		return err
	}
	for _, s := range sentinels {
		if s != want && errors.Is(got, s) {
			return fmt.Errorf("%s returned %s, which also is %q", call, describe(got), s)
		}
	}
	return nil
}

// fails returns an error unless a call returned an error that is none of the sentinels.
func fails(call string, got error) error {
	if got == nil {
		return fmt.Errorf("%s returned nil", call)
	}
	for _, s := range sentinels {
		if errors.Is(got, s) {
			return fmt.Errorf("%s returned %s, which is %q", call, describe(got), s)
		}
	}
	return nil
}

// background returns a context that bounds a check. A store that hangs fails the check with its
// error, and 5 minutes are enough on a slow machine.
func background() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 5*time.Minute)
}

// account returns the n-th user of a check.
func (ids idMaker) account(n int, username string) auth.User {
	return auth.User{
		ID:           ids.id(n),
		Username:     username,
		PasswordHash: fmt.Sprintf("$hash$of-user-%d", n),
		CreatedAt:    time.Date(2031, time.March, 14, 15, 9, 26, 0, time.UTC),
	}
}

// createOne adds a user. If the store keeps the user under an ID of its own, createOne puts it into
// u. It uses the ID that CreateUser returned only then, so that a wrong one breaks the rule
// CreatedID alone.
func createOne(ctx context.Context, s auth.UserStore, u *auth.User) error {
	id, err := s.CreateUser(ctx, *u)
	if err != nil {
		return err
	}
	if _, err := s.UserByID(ctx, u.ID); errors.Is(err, auth.ErrUserNotFound) {
		u.ID = id
	}
	return nil
}

// create adds users like createOne. The store must accept each of them.
func create(ctx context.Context, s auth.UserStore, users ...*auth.User) error {
	for _, u := range users {
		if err := answers(fmt.Sprintf("CreateUser of %s", name(u.Username)), createOne(ctx, s, u), nil); err != nil {
			return err
		}
	}
	return nil
}

// pointers returns the addresses of users.
func pointers(users []auth.User) []*auth.User {
	addresses := make([]*auth.User, len(users))
	for i := range users {
		addresses[i] = &users[i]
	}
	return addresses
}

// kept returns an error unless each user is found by ID and by username, with all fields as given.
func kept(ctx context.Context, s auth.UserStore, users ...auth.User) error {
	for _, u := range users {
		got, err := s.UserByID(ctx, u.ID)
		if err := sameUser("UserByID", got, err, u); err != nil {
			return err
		}
		got, err = s.UserByUsername(ctx, u.Username)
		if err := sameUser("UserByUsername", got, err, u); err != nil {
			return err
		}
	}
	return nil
}

// sameUser returns an error unless a call returned want.
func sameUser(call string, got auth.User, err error, want auth.User) error {
	call += " of " + name(want.Username)
	if err := answers(call, err, nil); err != nil {
		return err
	}
	differs := func(field string, got, want any) error {
		return fmt.Errorf("%s returned %s %v, want %v", call, field, got, want)
	}
	switch {
	case got.ID != want.ID:
		return differs("the ID", name(got.ID), name(want.ID))
	case got.Username != want.Username:
		return differs("the username", name(got.Username), name(want.Username))
	case got.PasswordHash != want.PasswordHash:
		return differs("the password hash", name(got.PasswordHash), name(want.PasswordHash))
	case got.Disabled != want.Disabled:
		return differs("disabled =", got.Disabled, want.Disabled)
	case !got.CreatedAt.Equal(want.CreatedAt):
		return differs("the creation time", got.CreatedAt, want.CreatedAt)
	}
	return nil
}

// absent returns an error if the ID or the username of u is found.
func absent(ctx context.Context, s auth.UserStore, u auth.User) error {
	_, err := s.UserByID(ctx, u.ID)
	if err := answers("UserByID of "+name(u.ID), err, auth.ErrUserNotFound); err != nil {
		return err
	}
	_, err = s.UserByUsername(ctx, u.Username)
	return answers("UserByUsername of "+name(u.Username), err, auth.ErrUserNotFound)
}

// name returns a string as text for a sentence: escaped to ASCII and shortened.
func name(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%+q… (%d bytes)", s[:40], len(s))
	}
	return fmt.Sprintf("%+q", s)
}

// crowd is the number of concurrent calls in a rule about races.
const crowd = 64

// together calls f concurrently with 0 to crowd-1, and returns the results.
func together(f func(i int) error) []error {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	errs := make([]error, crowd)
	for i := range errs {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			errs[i] = f(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return errs
}

// oneWins returns the index of the only call that returned nil. It returns an error unless all
// other calls returned loss.
func oneWins(call string, errs []error, loss error) (winner int, err error) {
	winner = -1
	for i, err := range errs {
		if err == nil && winner >= 0 {
			return -1, fmt.Errorf("of %d concurrent calls of %s, more than one returned nil", len(errs), call)
		}
		if err == nil {
			winner = i
			continue
		}
		if err := answers(call, err, loss); err != nil {
			return -1, err
		}
	}
	if winner < 0 {
		return -1, fmt.Errorf("of %d concurrent calls of %s, none returned nil", len(errs), call)
	}
	return winner, nil
}
