package authtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// accountRules say what creating and finding users means.
func accountRules() []rule[auth.UserStore] {
	return []rule[auth.UserStore]{
		{name: "Create", holds: "A user who was created is found by ID and by username.", check: checkCreate},
		{name: "UnknownUser", holds: "A user who does not exist is ErrUserNotFound to every method.", check: checkUnknownUser},
		{name: "Namespaces", holds: "IDs and usernames are different things: neither look-up finds by the other.", check: checkNamespaces},
		{name: "UniqueUsername", holds: "A username that is taken, by a disabled user too, is ErrUserExists.", check: checkUniqueUsername},
		{name: "UniqueID", holds: "An ID that is taken, by a disabled user too, is ErrUserExists.", check: checkUniqueID},
		{name: "RefusedCreate", holds: "After ErrUserExists nothing has changed.", check: checkRefusedCreate},
		{name: "EmptyHash", holds: "A user without a password hash comes back without one.", check: checkEmptyHash},
		{name: "Disabled", holds: "A disabled user comes back disabled, others do not.", check: checkDisabled},
		{name: "CreatedAt", holds: "CreatedAt comes back in UTC and to the microsecond.", check: checkCreatedAt},
	}
}

func checkCreate(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := account(1, "alice"), account(2, "bob@example.com")
	if err := create(ctx, s, alice, bob); err != nil {
		return err
	}
	return kept(ctx, s, alice, bob)
}

func checkUnknownUser(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	if err := create(ctx, s, account(1, "alice")); err != nil {
		return err
	}
	nobody := account(2, "bob")
	if err := absent(ctx, s, nobody); err != nil {
		return err
	}
	for _, old := range []string{"", nobody.PasswordHash, account(1, "").PasswordHash} {
		err := s.ReplacePasswordHash(ctx, nobody.ID, old, "$hash$new")
		if err := answers("ReplacePasswordHash", err, auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	return absent(ctx, s, nobody)
}

func checkNamespaces(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	// Each one's username is another's ID.
	alice := account(1, account(2, "").ID)
	bob := account(2, account(3, "").ID)
	if err := create(ctx, s, alice, bob); err != nil {
		return err
	}
	if err := kept(ctx, s, alice, bob); err != nil {
		return err
	}
	_, err := s.UserByUsername(ctx, alice.ID)
	if err := answers("UserByUsername of an ID", err, auth.ErrUserNotFound); err != nil {
		return err
	}
	_, err = s.UserByID(ctx, bob.Username)
	return answers("UserByID of a username", err, auth.ErrUserNotFound)
}

func checkUniqueUsername(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := account(1, "alice"), account(2, "bob")
	bob.Disabled = true
	if err := create(ctx, s, alice, bob); err != nil {
		return err
	}
	for i, taken := range []string{alice.Username, bob.Username} {
		err := createOne(ctx, s, account(3+i, taken))
		if err := answers("CreateUser with a username that is taken", err, auth.ErrUserExists); err != nil {
			return err
		}
	}
	return nil
}

func checkUniqueID(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := account(1, "alice"), account(2, "bob")
	bob.Disabled = true
	if err := create(ctx, s, alice, bob); err != nil {
		return err
	}
	for i, name := range []string{"carol", "dave"} {
		err := createOne(ctx, s, account(1+i, name))
		if err := answers("CreateUser with an ID that is taken", err, auth.ErrUserExists); err != nil {
			return err
		}
	}
	return nil
}

func checkRefusedCreate(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := account(1, "alice"), account(2, "bob")
	if err := create(ctx, s, alice, bob); err != nil {
		return err
	}
	clash := func(id int, username string) auth.User {
		u := account(id, username)
		u.PasswordHash, u.Disabled = "$hash$of-an-intruder", true
		u.CreatedAt = u.CreatedAt.Add(time.Hour)
		return u
	}
	for _, u := range []auth.User{
		clash(1, "alice"), // the same user again
		clash(3, "alice"), // her name
		clash(1, "carol"), // her ID
		clash(1, "bob"),   // both, of two users
	} {
		err := createOne(ctx, s, u)
		if err := answers("CreateUser of a user who exists", err, auth.ErrUserExists); err != nil {
			return err
		}
		if err := kept(ctx, s, alice, bob); err != nil {
			return err
		}
	}
	return absent(ctx, s, account(3, "carol"))
}

func checkEmptyHash(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice := account(1, "alice")
	alice.PasswordHash = ""
	if err := create(ctx, s, alice); err != nil {
		return err
	}
	return kept(ctx, s, alice)
}

func checkDisabled(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := account(1, "alice"), account(2, "bob")
	alice.Disabled = true
	if err := create(ctx, s, alice, bob); err != nil {
		return err
	}
	if err := kept(ctx, s, alice, bob); err != nil {
		return err
	}
	if err := s.ReplacePasswordHash(ctx, alice.ID, alice.PasswordHash, "$hash$new"); err != nil {
		return fmt.Errorf("ReplacePasswordHash of a disabled user returned %s", describe(err))
	}
	alice.PasswordHash = "$hash$new"
	return kept(ctx, s, alice, bob)
}

func checkCreatedAt(s auth.UserStore) error {
	ctx, cancel := background()
	defer cancel()
	for i, at := range []time.Time{
		time.Date(2026, time.February, 28, 23, 59, 59, 999999000, time.UTC),
		time.Date(2026, time.March, 29, 1, 30, 0, 1000, time.UTC), // inside a European clock change
		time.Date(2028, time.February, 29, 0, 0, 0, 0, time.UTC),
		time.Date(2038, time.January, 19, 3, 14, 8, 123456000, time.UTC), // one second past 32 bits
	} {
		u := account(i, "user-"+strings.Repeat("x", i))
		u.CreatedAt = at
		if err := create(ctx, s, u); err != nil {
			return err
		}
		if err := kept(ctx, s, u); err != nil {
			return err
		}
		got, err := s.UserByID(ctx, u.ID)
		if err != nil {
			return fmt.Errorf("UserByID returned %s", describe(err))
		}
		if got.CreatedAt.Location() != time.UTC {
			return fmt.Errorf("UserByID returned CreatedAt in the zone %v", got.CreatedAt.Location())
		}
	}
	return nil
}
