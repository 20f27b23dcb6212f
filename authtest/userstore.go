package authtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// TestUserStore checks that the stores a factory makes keep the contract of
// [auth.UserStore]. Each rule calls factory for an empty store of its own.
func TestUserStore(t *testing.T, factory func(t *testing.T) auth.UserStore) {
	t.Helper()
	testRules(t, userStoreRules(), factory)
}

// userStoreRules is the contract, one rule a sentence.
func userStoreRules() []rule[auth.UserStore] {
	return slices.Concat(accountRules(), byteRules(), replaceRules(), raceRules(), contextRules())
}

// sentinels are the answers of a store that are not failures.
var sentinels = []error{auth.ErrUserExists, auth.ErrUserNotFound, auth.ErrSessionNotFound, auth.ErrConflict}

// answers returns an error unless got is want and no other of the sentinels.
func answers(call string, got, want error) error {
	if err := wants(call, got, want); err != nil {
		return err
	}
	for _, s := range sentinels {
		if s != want && errors.Is(got, s) {
			return fmt.Errorf("%s returned %s, which is %q too", call, describe(got), s)
		}
	}
	return nil
}

// fails returns an error unless got is an error and none of the sentinels.
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

// background bounds a check, so that a store that hangs is reported as one, and a
// slow machine is not.
func background() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 5*time.Minute)
}

// account returns the n-th user of a check. IDs have the form of a UUID, so that
// tables with a typed column can be tested too.
func account(n int, username string) auth.User {
	return auth.User{
		ID:           fmt.Sprintf("018f3c5e-7a10-7cc0-9000-%012x", n),
		Username:     username,
		PasswordHash: fmt.Sprintf("$hash$of-user-%d", n),
		CreatedAt:    time.Date(2031, time.March, 14, 15, 9, 26, 0, time.UTC),
	}
}

// createOne adds a user whose ID is given, which the store must keep and report.
func createOne(ctx context.Context, s auth.UserStore, u auth.User) error {
	id, err := s.CreateUser(ctx, u)
	if err == nil && id != u.ID {
		return fmt.Errorf("CreateUser returned the ID %q for a user with the ID %q", id, u.ID)
	}
	return err
}

// create adds users, each of which must be accepted.
func create(ctx context.Context, s auth.UserStore, users ...auth.User) error {
	for _, u := range users {
		if err := answers(fmt.Sprintf("CreateUser of %s", name(u.Username)), createOne(ctx, s, u), nil); err != nil {
			return err
		}
	}
	return nil
}

// kept returns an error unless each user is found by ID and by username as it
// was created.
func kept(ctx context.Context, s auth.UserStore, users ...auth.User) error {
	for _, u := range users {
		got, err := s.UserByID(ctx, u.ID)
		if err := found("UserByID", got, err, u); err != nil {
			return err
		}
		got, err = s.UserByUsername(ctx, u.Username)
		if err := found("UserByUsername", got, err, u); err != nil {
			return err
		}
	}
	return nil
}

// found returns an error unless a look-up returned want.
func found(call string, got auth.User, err error, want auth.User) error {
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

// absent returns an error unless neither the ID nor the username of u is found.
func absent(ctx context.Context, s auth.UserStore, u auth.User) error {
	_, err := s.UserByID(ctx, u.ID)
	if err := answers("UserByID of "+name(u.ID), err, auth.ErrUserNotFound); err != nil {
		return err
	}
	_, err = s.UserByUsername(ctx, u.Username)
	return answers("UserByUsername of "+name(u.Username), err, auth.ErrUserNotFound)
}

// name shows a string in a sentence, escaped to ASCII and shortened.
func name(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%+q… (%d bytes)", s[:40], len(s))
	}
	return fmt.Sprintf("%+q", s)
}

// crowd is how many calls a rule about concurrency makes at once.
const crowd = 64

// together calls f for 0 to crowd-1 at once and returns what each returned.
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

// oneWins returns the index of the one call that returned nil, or an error
// unless all others returned loss.
func oneWins(call string, errs []error, loss error) (winner int, err error) {
	winner = -1
	for i, err := range errs {
		if err == nil && winner >= 0 {
			return -1, fmt.Errorf("of %d calls of %s at once, more than one returned nil", len(errs), call)
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
		return -1, fmt.Errorf("of %d calls of %s at once, none returned nil", len(errs), call)
	}
	return winner, nil
}
