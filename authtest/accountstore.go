package authtest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
)

// Accounts is a store whose accounts can be disabled and deleted.
type Accounts interface {
	auth.UserStore
	auth.AccountStore
}

// TestAccountStore checks that the stores of a factory keep the contract of [auth.AccountStore].
// Each rule calls factory for an empty store of its own. See [TestUserStore] for ids.
func TestAccountStore(t *testing.T, factory func(t *testing.T) Accounts, ids ...func(n int) string) {
	t.Helper()
	makers := makersOf(t, ids)
	of := with(factory, func(s Accounts) accounts { return accounts{s, makers} })
	testRules(t, accountStoreRules(), of)
	testRules(t, []rule[accounts]{
		{name: "Crash", holds: crashHolds, check: func(s accounts) error { return checkCrashes(s, memstore.New(), s.id) }},
	}, of)
}

// accounts is a store under test, with the IDs of its users.
type accounts struct {
	Accounts
	idMaker
}

// accountStoreRules returns the contract as rules.
func accountStoreRules() []rule[accounts] {
	return []rule[accounts]{
		{name: "Disable", holds: "SetDisabled disables and enables one account, any number of times, and no other.", check: checkDisable},
		{name: "DeleteUser", holds: "DeleteUser removes one account and no other, and its username and ID are free then.", check: checkDeleteAccount},
		{name: "UnknownAccount", holds: "Both methods return ErrUserNotFound for an account that does not exist.", check: checkUnknownAccount},
		{name: "AccountSpelling", holds: "An ID in another spelling is nobody's: no method that writes changes a user by it.", check: checkAccountSpelling},
		{name: "AccountContext", holds: "With a context that has ended, both methods return the context's error and change nothing.", check: checkAccountContext},
	}
}

func checkDisable(s accounts) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := s.account(1, "alice"), s.account(2, "bob")
	if err := create(ctx, s, &alice, &bob); err != nil {
		return err
	}
	for _, disabled := range []bool{false, true, true, false} {
		if err := answers("SetDisabled", s.SetDisabled(ctx, alice.ID, disabled), nil); err != nil {
			return err
		}
		alice.Disabled = disabled
		if err := kept(ctx, s, alice, bob); err != nil {
			return err
		}
	}
	return nil
}

func checkDeleteAccount(s accounts) error {
	ctx, cancel := background()
	defer cancel()
	alice, bob := s.account(1, "alice"), s.account(2, "bob")
	if err := create(ctx, s, &alice, &bob); err != nil {
		return err
	}
	if err := answers("DeleteUser", s.DeleteUser(ctx, alice.ID), nil); err != nil {
		return err
	}
	_, err := s.UserByID(ctx, alice.ID)
	if err := answers("UserByID of a user who was deleted", err, auth.ErrUserNotFound); err != nil {
		return err
	}
	_, err = s.UserByUsername(ctx, alice.Username)
	if err := answers("UserByUsername of a user who was deleted", err, auth.ErrUserNotFound); err != nil {
		return err
	}
	if err := answers("DeleteUser for the second time", s.DeleteUser(ctx, alice.ID), auth.ErrUserNotFound); err != nil {
		return err
	}
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	return kept(ctx, s, alice, bob)
}

func checkUnknownAccount(s accounts) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	for _, id := range []string{s.account(2, "").ID, ""} {
		for _, disabled := range []bool{false, true} {
			if err := answers("SetDisabled of "+name(id), s.SetDisabled(ctx, id, disabled), auth.ErrUserNotFound); err != nil {
				return err
			}
		}
		if err := answers("DeleteUser of "+name(id), s.DeleteUser(ctx, id), auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	return kept(ctx, s, alice)
}

// misspelled returns texts that a column with a type or a collation may take for an ID, such as "02" for
// the integer 2.
func misspelled(id string) (spellings []string) {
	for _, other := range []string{" " + id, id + " ", "0" + id, "+" + id, id + ".0", id + "abc", strings.ToUpper(id), strings.ToLower(id), "{" + id + "}"} {
		if other != id {
			spellings = append(spellings, other)
		}
	}
	return spellings
}

func checkAccountSpelling(s accounts) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	for _, id := range misspelled(alice.ID) {
		// What the methods return is for UnknownAccount and UnknownUser to say.
		_ = s.SetDisabled(ctx, id, true)
		_ = s.ReplacePasswordHash(ctx, id, alice.PasswordHash, "$hash$new")
		_ = s.DeleteUser(ctx, id)
		if err := kept(ctx, s, alice); err != nil {
			return fmt.Errorf("after calls with the ID %s: %w", name(id), err)
		}
	}
	return nil
}

func checkAccountContext(s accounts) error {
	ctx, cancel := background()
	defer cancel()
	alice := s.account(1, "alice")
	if err := create(ctx, s, &alice); err != nil {
		return err
	}
	cancelled, end := context.WithCancel(ctx)
	end()
	for call, err := range map[string]error{
		"SetDisabled": s.SetDisabled(cancelled, alice.ID, true),
		"DeleteUser":  s.DeleteUser(cancelled, alice.ID),
	} {
		if err := fails(call+" with a context that has ended", err); err != nil {
			return err
		}
		if err := wants(call+" with a context that has ended", err, context.Canceled); err != nil {
			return err
		}
	}
	return kept(ctx, s, alice)
}
