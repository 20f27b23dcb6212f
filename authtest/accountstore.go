package authtest

import (
	"context"
	"testing"

	"github.com/seed-e36e2130/auth"
)

// Accounts is a store whose accounts can be ended.
type Accounts interface {
	auth.UserStore
	auth.AccountStore
}

// TestAccountStore checks that the stores a factory makes keep the contract of
// [auth.AccountStore]. Each rule calls factory for an empty store of its own.
func TestAccountStore(t *testing.T, factory func(t *testing.T) Accounts) {
	t.Helper()
	testRules(t, accountStoreRules(), factory)
}

func accountStoreRules() []rule[Accounts] {
	return []rule[Accounts]{
		{name: "Disable", holds: "An account is disabled and enabled, again and again, and no other is.", check: checkDisable},
		{name: "DeleteUser", holds: "A deleted account is gone, no other is, and its name and ID are free.", check: checkDeleteAccount},
		{name: "UnknownAccount", holds: "An account that does not exist is ErrUserNotFound.", check: checkUnknownAccount},
		{name: "AccountContext", holds: "With a context that has ended nothing is done, and the error is the context's.", check: checkAccountContext},
	}
}

func checkDisable(s Accounts) error {
	ctx, cancel := background()
	defer cancel()
	one, two := account(1, "alice"), account(2, "bob")
	if err := create(ctx, s, one, two); err != nil {
		return err
	}
	for _, disabled := range []bool{false, true, true, false} {
		if err := answers("SetDisabled", s.SetDisabled(ctx, one.ID, disabled), nil); err != nil {
			return err
		}
		one.Disabled = disabled
		if err := kept(ctx, s, one, two); err != nil {
			return err
		}
	}
	return nil
}

func checkDeleteAccount(s Accounts) error {
	ctx, cancel := background()
	defer cancel()
	one, two := account(1, "alice"), account(2, "bob")
	if err := create(ctx, s, one, two); err != nil {
		return err
	}
	if err := answers("DeleteUser", s.DeleteUser(ctx, one.ID), nil); err != nil {
		return err
	}
	_, err := s.UserByID(ctx, one.ID)
	if err := answers("UserByID of one who was deleted", err, auth.ErrUserNotFound); err != nil {
		return err
	}
	_, err = s.UserByUsername(ctx, one.Username)
	if err := answers("UserByUsername of one who was deleted", err, auth.ErrUserNotFound); err != nil {
		return err
	}
	if err := answers("DeleteUser again", s.DeleteUser(ctx, one.ID), auth.ErrUserNotFound); err != nil {
		return err
	}
	if err := create(ctx, s, one); err != nil {
		return err
	}
	return kept(ctx, s, one, two)
}

func checkUnknownAccount(s Accounts) error {
	ctx, cancel := background()
	defer cancel()
	one := account(1, "alice")
	if err := create(ctx, s, one); err != nil {
		return err
	}
	for _, id := range []string{account(2, "").ID, ""} {
		for _, disabled := range []bool{false, true} {
			if err := answers("SetDisabled of "+name(id), s.SetDisabled(ctx, id, disabled), auth.ErrUserNotFound); err != nil {
				return err
			}
		}
		if err := answers("DeleteUser of "+name(id), s.DeleteUser(ctx, id), auth.ErrUserNotFound); err != nil {
			return err
		}
	}
	return kept(ctx, s, one)
}

func checkAccountContext(s Accounts) error {
	ctx, cancel := background()
	defer cancel()
	one := account(1, "alice")
	if err := create(ctx, s, one); err != nil {
		return err
	}
	over, end := context.WithCancel(ctx)
	end()
	for call, err := range map[string]error{
		"SetDisabled": s.SetDisabled(over, one.ID, true),
		"DeleteUser":  s.DeleteUser(over, one.ID),
	} {
		if err := fails(call+" with a context that has ended", err); err != nil {
			return err
		}
		if err := wants(call+" with a context that has ended", err, context.Canceled); err != nil {
			return err
		}
	}
	return kept(ctx, s, one)
}
