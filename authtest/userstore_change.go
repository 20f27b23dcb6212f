package authtest

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// replaceRules say what the compare-and-swap of a password hash means.
func replaceRules() []rule[auth.UserStore] {
	return []rule[auth.UserStore]{
		{name: "Replace", holds: "ReplacePasswordHash sets the hash of one user and nothing else.", check: checkReplace},
		{name: "ReplaceConflict", holds: "If the stored hash is another, it is ErrConflict, and nothing has changed.", check: checkReplaceConflict},
		{name: "ReplaceItself", holds: "A hash can be replaced by itself.", check: checkReplaceItself},
		{name: "ReplaceEmpty", holds: "The empty hash is a value like any other.", check: checkReplaceEmpty},
	}
}

func checkReplace(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := account(1, "alice"), account(2, "bob")
	alice.PasswordHash, bob.PasswordHash = "$hash$same", "$hash$same"
	if err := create(ctx, s, alice, bob); err != nil {
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

func checkReplaceConflict(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := account(1, "alice"), account(2, "bob")
	if err := create(ctx, s, alice, bob); err != nil {
		return err
	}
	for _, old := range []string{"$hash$of-user-", "$hash$of-user-11", bob.PasswordHash} {
		err := s.ReplacePasswordHash(ctx, alice.ID, old, "$hash$new")
		if err := answers("ReplacePasswordHash of "+name(old), err, auth.ErrConflict); err != nil {
			return err
		}
		// The wanted state being there already is a conflict all the same:
		// somebody else brought it about.
		err = s.ReplacePasswordHash(ctx, alice.ID, old, alice.PasswordHash)
		if err := answers("ReplacePasswordHash by what is stored", err, auth.ErrConflict); err != nil {
			return err
		}
		if err := kept(ctx, s, alice, bob); err != nil {
			return err
		}
	}
	return nil
}

func checkReplaceItself(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice := account(1, "alice")
	if err := create(ctx, s, alice); err != nil {
		return err
	}
	err := s.ReplacePasswordHash(ctx, alice.ID, alice.PasswordHash, alice.PasswordHash)
	if err := answers("ReplacePasswordHash of a hash by itself", err, nil); err != nil {
		return err
	}
	return kept(ctx, s, alice)
}

func checkReplaceEmpty(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice := account(1, "alice")
	if err := create(ctx, s, alice); err != nil {
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

// raceRules say what holds when many call at once.
func raceRules() []rule[auth.UserStore] {
	return []rule[auth.UserStore]{
		{name: "RaceUsername", holds: "Of many who ask for one username at once, one gets it and the others get ErrUserExists.", check: checkRaceUsername},
		{name: "RaceID", holds: "Of many who ask for one ID at once, one gets it and the others get ErrUserExists.", check: checkRaceID},
		{name: "RaceReplace", holds: "Of many who replace one hash at once, one does and the others get ErrConflict.", check: checkRaceReplace},
	}
}

func checkRaceUsername(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	winner, err := oneWins("CreateUser", together(func(i int) error {
		return createOne(ctx, s, account(i, "alice"))
	}), auth.ErrUserExists)
	if err != nil {
		return err
	}
	for i := range crowd {
		if i == winner {
			continue
		}
		_, err := s.UserByID(ctx, account(i, "").ID)
		if err := answers("UserByID of one who was refused", err, auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	return kept(ctx, s, account(winner, "alice"))
}

func checkRaceID(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	user := func(i int) auth.User {
		u := account(1, fmt.Sprintf("user-%d", i))
		u.PasswordHash = fmt.Sprintf("$hash$%d", i)
		return u
	}
	winner, err := oneWins("CreateUser", together(func(i int) error {
		return createOne(ctx, s, user(i))
	}), auth.ErrUserExists)
	if err != nil {
		return err
	}
	for i := range crowd {
		if i == winner {
			continue
		}
		_, err := s.UserByUsername(ctx, user(i).Username)
		if err := answers("UserByUsername of one who was refused", err, auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	return kept(ctx, s, user(winner))
}

func checkRaceReplace(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice := account(1, "alice")
	if err := create(ctx, s, alice); err != nil {
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

// contextRules say that a context that has ended stops a call.
func contextRules() []rule[auth.UserStore] {
	return []rule[auth.UserStore]{
		{name: "Context/Create", holds: "CreateUser under a context that has ended fails with the context's error and creates nobody.", check: checkContextCreate},
		{name: "Context/Lookup", holds: "A look-up under a context that has ended fails with the context's error.", check: checkContextLookup},
		{name: "Context/Replace", holds: "ReplacePasswordHash under a context that has ended fails with the context's error and replaces nothing.", check: checkContextReplace},
	}
}

// ended calls f under contexts that are over and expects the context's error.
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

func checkContextCreate(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice := account(1, "alice")
	if err := ended("CreateUser", func(ctx context.Context) error { return createOne(ctx, s, alice) }); err != nil {
		return err
	}
	if err := absent(ctx, s, alice); err != nil {
		return err
	}
	if err := create(ctx, s, alice); err != nil {
		return err
	}
	// Nor is it said of a name that is taken: nothing was looked at.
	return ended("CreateUser", func(ctx context.Context) error { return createOne(ctx, s, alice) })
}

func checkContextLookup(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice, nobody := account(1, "alice"), account(2, "bob")
	if err := create(ctx, s, alice); err != nil {
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

func checkContextReplace(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice, nobody := account(1, "alice"), account(2, "bob")
	if err := create(ctx, s, alice); err != nil {
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
