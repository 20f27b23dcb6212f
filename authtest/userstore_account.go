package authtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// accountRules are the rules for creating and finding users.
func accountRules() []rule[users] {
	return []rule[users]{
		{name: "Create", holds: "A user who was created is found by ID and by username.", check: checkCreate},
		{name: "CreatedID", holds: "CreateUser returns the ID that the user is kept under.", check: checkCreatedID},
		{name: "UnknownUser", holds: "Every method returns ErrUserNotFound for a user who does not exist.", check: checkUnknownUser},
		{name: "ForeignID", holds: "An ID in another form than the table's, which a column may not even hold, is nobody's: ErrUserNotFound.", check: checkForeignID},
		{name: "Namespaces", holds: "IDs and usernames are different things: no look-up by one finds the other.", check: checkNamespaces},
		{name: "UniqueUsername", holds: "CreateUser returns ErrUserExists for a username that is taken, even by a disabled user.", check: checkUniqueUsername},
		{name: "UniqueID", holds: "CreateUser returns ErrUserExists for an ID that is taken, even by a disabled user.", check: checkUniqueID},
		{name: "RefusedCreate", holds: "After ErrUserExists nothing has changed.", check: checkRefusedCreate},
		{name: "EmptyHash", holds: "A user without a password hash comes back without one.", check: checkEmptyHash},
		{name: "Disabled", holds: "A disabled user comes back disabled, others do not.", check: checkDisabled},
		{name: "CreatedAt", holds: "CreatedAt comes back in UTC and to the microsecond.", check: checkCreatedAt},
	}
}

func checkCreate(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := s.account(1, "alice"), s.account(2, "bob@example.com")
	if err := create(ctx, s, &alice, &bob); err != nil {
		return err
	}
	return kept(ctx, s, alice, bob)
}

func checkCreatedID(s users) error {
	ctx, cancel := background()
	defer cancel()
	createAndFind := func(u auth.User) error {
		id, err := s.CreateUser(ctx, u)
		if err := answers("CreateUser of "+name(u.Username), err, nil); err != nil {
			return err
		}
		got, err := s.UserByID(ctx, id)
		if err != nil || got.ID != id || got.Username != u.Username {
			return fmt.Errorf("CreateUser of %s returned the ID %s, for which UserByID returned the ID %s, the username %s and %s",
				name(u.Username), name(id), name(got.ID), name(got.Username), describe(err))
		}
		return nil
	}
	disabled := s.account(1, "disabled")
	disabled.Disabled = true
	for _, u := range []auth.User{s.account(0, "alice"), disabled, s.account(2, "bob")} {
		if err := createAndFind(u); err != nil {
			return err
		}
	}
	// The ID of the last row is that of another call, if it is asked for over another connection.
	return errors.Join(together(func(i int) error {
		return createAndFind(s.account(3+i, fmt.Sprintf("user-%d", i)))
	})...)
}

func checkUnknownUser(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	nobody := s.account(2, "bob")
	if err := absent(ctx, s, nobody); err != nil {
		return err
	}
	for _, old := range []string{"", nobody.PasswordHash, alice.PasswordHash} {
		err := s.ReplacePasswordHash(ctx, nobody.ID, old, "$hash$new")
		if err := answers("ReplacePasswordHash", err, auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	return absent(ctx, s, nobody)
}

func checkForeignID(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	// A subject of another issuer may have any form.
	foreign := []string{
		"", "two", "-1", "2e0", "0x2", "92233720368547758080", "google-oauth2|1234", "ada@example.com",
		"018f3c5e-7a10-7cc0-9000", strings.Repeat("9", 255), "\u00e9", "\t",
	}
	if !s.anyText {
		foreign = append(foreign, misspelled(alice.ID)...) // otherwise the rule Bytes/ID says it
	}
	for _, id := range foreign {
		_, err := s.UserByID(ctx, id)
		if err := answers("UserByID of "+name(id), err, auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	replace := func(id string) error { return s.ReplacePasswordHash(ctx, id, alice.PasswordHash, "$hash$new") }
	if !errors.Is(replace(s.account(2, "").ID), auth.ErrUserNotFound) {
		return nil // the rule UnknownUser says it
	}
	for _, id := range foreign {
		if err := answers("ReplacePasswordHash of "+name(id), replace(id), auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	return kept(ctx, s, alice)
}

func checkNamespaces(s users) error {
	ctx, cancel := background()
	defer cancel()
	// The username of each is the ID of another user.
	alice := s.account(1, s.account(2, "").ID)
	bob := s.account(2, s.account(3, "").ID)
	if err := create(ctx, s, &alice, &bob); err != nil {
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

// createRefused expects that the store refuses a user with ErrUserExists.
func createRefused(ctx context.Context, s auth.UserStore, call string, u auth.User) error {
	_, err := s.CreateUser(ctx, u)
	return answers(call, err, auth.ErrUserExists)
}

func checkUniqueUsername(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := s.account(1, "alice"), s.account(2, "bob")
	bob.Disabled = true
	if err := create(ctx, s, &alice, &bob); err != nil {
		return err
	}
	for i, taken := range []string{alice.Username, bob.Username} {
		if err := createRefused(ctx, s, "CreateUser with a username that is taken", s.account(3+i, taken)); err != nil {
			return err
		}
	}
	return nil
}

func checkUniqueID(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := s.account(1, "alice"), s.account(2, "bob")
	bob.Disabled = true
	if err := create(ctx, s, &alice, &bob); err != nil {
		return err
	}
	for i, name := range []string{"carol", "dave"} {
		if err := createRefused(ctx, s, "CreateUser with an ID that is taken", s.account(1+i, name)); err != nil {
			return err
		}
	}
	return nil
}

func checkRefusedCreate(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := s.account(1, "alice"), s.account(2, "bob")
	if err := create(ctx, s, &alice, &bob); err != nil {
		return err
	}
	clash := func(id int, username string) auth.User {
		u := s.account(id, username)
		u.PasswordHash, u.Disabled = "$hash$of-an-intruder", true
		u.CreatedAt = u.CreatedAt.Add(time.Hour)
		return u
	}
	clashes := []auth.User{
		clash(3, "alice"), // username of alice
		clash(1, "alice"), // ID and username of alice
		clash(1, "carol"), // ID of alice
		clash(1, "bob"),   // ID of alice and username of bob
	}
	if s.byTable {
		clashes = clashes[:1]
	}
	for _, u := range clashes {
		if err := createRefused(ctx, s, "CreateUser of a user who exists", u); err != nil {
			return err
		}
		if err := kept(ctx, s, alice, bob); err != nil {
			return err
		}
	}
	return absent(ctx, s, s.account(3, "carol"))
}

func checkEmptyHash(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	alice.PasswordHash = ""
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	return kept(ctx, s, alice)
}

func checkDisabled(s users) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := s.account(1, "alice"), s.account(2, "bob")
	alice.Disabled = true
	if err := create(ctx, s, &alice, &bob); err != nil {
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

func checkCreatedAt(s users) error {
	ctx, cancel := background()
	defer cancel()
	for i, createdAt := range []time.Time{
		time.Date(2026, time.February, 28, 23, 59, 59, 999999000, time.UTC),
		time.Date(2026, time.March, 29, 1, 30, 0, 1000, time.UTC), // inside a European clock change
		time.Date(2028, time.February, 29, 0, 0, 0, 0, time.UTC),
		time.Date(2038, time.January, 19, 3, 14, 8, 123456000, time.UTC), // one second past 32 bits
	} {
		u := s.account(i, "user-"+strings.Repeat("x", i))
		u.CreatedAt = createdAt
		if err := create(ctx, s, &u); err != nil {
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
			return fmt.Errorf("UserByID returned CreatedAt in the zone %v, want UTC", got.CreatedAt.Location())
		}
	}
	return nil
}
