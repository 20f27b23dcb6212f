package authtest

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// replaceRules are the rules for the compare-and-swap of a password hash.
func replaceRules() []rule[users] {
	return []rule[users]{
		{name: "Replace", holds: "ReplacePasswordHash sets the hash of one user and nothing else.", check: checkReplace},
		{name: "ReplaceConflict", holds: "ReplacePasswordHash returns ErrConflict if the stored hash is another, and then nothing has changed.", check: checkReplaceConflict},
		{name: "ReplaceItself", holds: "A hash can be replaced by itself.", check: checkReplaceItself},
		{name: "ReplaceEmpty", holds: "The empty hash is a value like any other.", check: checkReplaceEmpty},
	}
}

func checkReplace(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := s.account(1, "alice"), s.account(2, "bob")
	alice.PasswordHash, bob.PasswordHash = "$hash$same", "$hash$same"
	if err := create(ctx, s, &alice, &bob); err != nil {
		return err
	}
	for _, next := range []string{"$hash$2", "$hash$3", "$hash$same"} {
		if err := answers("ReplacePasswordHash", s.ReplacePasswordHash(ctx, alice.ID, alice.PasswordHash, next), nil); err != nil {
			return err
		}
		alice.PasswordHash = next
		if err := kept(ctx, s, alice, bob); err != nil {
			return err
		}
	}
	return nil
}

func checkReplaceConflict(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := s.account(1, "alice"), s.account(2, "bob")
	if err := create(ctx, s, &alice, &bob); err != nil {
		return err
	}
	for _, old := range []string{"$hash$of-user-", "$hash$of-user-11", bob.PasswordHash} {
		err := s.ReplacePasswordHash(ctx, alice.ID, old, "$hash$new")
		if err := answers("ReplacePasswordHash of "+name(old), err, auth.ErrConflict); err != nil {
			return err
		}
		// If the replacement is already stored, it is a conflict as well: another call has stored
		// it.
		err = s.ReplacePasswordHash(ctx, alice.ID, old, alice.PasswordHash)
		if err := answers("ReplacePasswordHash by the stored hash", err, auth.ErrConflict); err != nil {
			return err
		}
		if err := kept(ctx, s, alice, bob); err != nil {
			return err
		}
	}
	return nil
}

func checkReplaceItself(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	err := s.ReplacePasswordHash(ctx, alice.ID, alice.PasswordHash, alice.PasswordHash)
	if err := answers("ReplacePasswordHash of a hash by itself", err, nil); err != nil {
		return err
	}
	return kept(ctx, s, alice)
}

func checkReplaceEmpty(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	set := func(old, replacement string, want error) error {
		call := fmt.Sprintf("ReplacePasswordHash of %q by %q", old, replacement)
		if err := answers(call, s.ReplacePasswordHash(ctx, alice.ID, old, replacement), want); err != nil {
			return err
		}
		if want == nil {
			alice.PasswordHash = replacement
		}
		return kept(ctx, s, alice)
	}
	for _, step := range []struct {
		old, replacement string
		want             error
	}{
		{"", "$hash$new", auth.ErrConflict},
		{alice.PasswordHash, "", nil},
		{"$hash$old", "$hash$new", auth.ErrConflict},
		{"", "$hash$new", nil},
	} {
		if err := set(step.old, step.replacement, step.want); err != nil {
			return err
		}
	}
	return nil
}

// raceRules are the rules for concurrent calls.
func raceRules() []rule[users] {
	return []rule[users]{
		{name: "RaceUsername", holds: "Of concurrent calls of CreateUser with one username, exactly one succeeds and the others return ErrUserExists.", check: checkRaceUsername},
		{name: "RaceID", holds: "Of concurrent calls of CreateUser with one ID, exactly one succeeds and the others return ErrUserExists.", check: checkRaceID},
		{name: "RaceReplace", holds: "Of concurrent calls that replace one hash, exactly one succeeds and the others return ErrConflict.", check: checkRaceReplace},
	}
}

func checkRaceUsername(s users) error {
	ctx, cancel := background()
	defer cancel()
	var users [crowd]auth.User
	winner, err := oneWins("CreateUser", together(func(i int) error {
		users[i] = s.account(i, "alice")
		return createOne(ctx, s, &users[i])
	}), auth.ErrUserExists)
	if err != nil {
		return err
	}
	for i := range crowd {
		if i == winner {
			continue
		}
		_, err := s.UserByID(ctx, users[i].ID)
		if err := answers("UserByID of a user who was refused", err, auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	return kept(ctx, s, users[winner])
}

func checkRaceID(s users) error {
	ctx, cancel := background()
	defer cancel()
	user := func(i int) auth.User {
		u := s.account(1, fmt.Sprintf("user-%d", i))
		u.PasswordHash = fmt.Sprintf("$hash$%d", i)
		return u
	}
	winner, err := oneWins("CreateUser", together(func(i int) error {
		_, err := s.CreateUser(ctx, user(i))
		return err
	}), auth.ErrUserExists)
	if err != nil {
		return err
	}
	for i := range crowd {
		if i == winner {
			continue
		}
		_, err := s.UserByUsername(ctx, user(i).Username)
		if err := answers("UserByUsername of a user who was refused", err, auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	return kept(ctx, s, user(winner))
}

func checkRaceReplace(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	for range 4 {
		next := func(i int) string { return fmt.Sprintf("%s.%d", alice.PasswordHash, i) }
		winner, err := oneWins("ReplacePasswordHash", together(func(i int) error {
			return s.ReplacePasswordHash(ctx, alice.ID, alice.PasswordHash, next(i))
		}), auth.ErrConflict)
		if err != nil {
			return err
		}
		alice.PasswordHash = next(winner)
		if err := kept(ctx, s, alice); err != nil {
			return err
		}
	}
	return nil
}

// contextRules are the rules for calls with a context that has ended.
func contextRules() []rule[users] {
	return []rule[users]{
		{name: "Context/Create", holds: "CreateUser with a context that has ended returns the context's error and creates no user.", check: checkContextCreate},
		{name: "Context/Lookup", holds: "A look-up with a context that has ended returns the context's error.", check: checkContextLookup},
		{name: "Context/Replace", holds: "ReplacePasswordHash with a context that has ended returns the context's error and replaces nothing.", check: checkContextReplace},
	}
}

// ended calls f with a cancelled context and with one past its deadline, and expects the context's
// error.
func ended(call string, f func(context.Context) error) error {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{cancelled, late} {
		err := f(ctx)
		if err := wants(call, err, ctx.Err()); err != nil {
			return err
		}
		if err := fails(call, err); err != nil {
			return err
		}
	}
	return nil
}

func checkContextCreate(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	if err := ended("CreateUser", func(ctx context.Context) error { return createOne(ctx, s, &alice) }); err != nil {
		return err
	}
	if err := absent(ctx, s, alice); err != nil {
		return err
	}
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	// The same error is expected for a name that is taken.
	return ended("CreateUser", func(ctx context.Context) error { return createOne(ctx, s, &alice) })
}

func checkContextLookup(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice, nobody := s.account(1, "alice"), s.account(2, "bob")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	for _, u := range []auth.User{alice, nobody} {
		if err := ended("UserByID", func(ctx context.Context) error {
			_, err := s.UserByID(ctx, u.ID)
			return err
		}); err != nil {
			return err
		}
		if err := ended("UserByUsername", func(ctx context.Context) error {
			_, err := s.UserByUsername(ctx, u.Username)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func checkContextReplace(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice, nobody := s.account(1, "alice"), s.account(2, "bob")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	for _, u := range []auth.User{alice, nobody} {
		for _, old := range []string{u.PasswordHash, "$hash$other"} {
			if err := ended("ReplacePasswordHash", func(ctx context.Context) error {
				return s.ReplacePasswordHash(ctx, u.ID, old, "$hash$new")
			}); err != nil {
				return err
			}
		}
	}
	return kept(ctx, s, alice)
}
