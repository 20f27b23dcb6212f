package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/redisstore"
)

func TestUserStore(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	authtest.TestUserStore(t, func(t *testing.T) auth.UserStore { return newStore(t, client, prefix(t, client)) })
	authtest.TestAccountStore(t, func(t *testing.T) authtest.Accounts { return newStore(t, client, prefix(t, client)) })
}

// TestUsersSentAgain sends each script twice, as a client does that has lost the reply. Every change
// answers as if it had been sent once.
func TestUsersSentAgain(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	client.AddHook(twice{})
	s := newStore(t, client, prefix(t, client))
	ctx := bounded(t)
	want := func(call string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", call, got, want)
		}
	}
	_, err := s.CreateUser(ctx, ada)
	want("CreateUser", err, nil)
	_, err = s.CreateUser(ctx, ada)
	want("CreateUser of a user who exists", err, auth.ErrUserExists)
	want("ReplacePasswordHash", s.ReplacePasswordHash(ctx, ada.ID, ada.PasswordHash, "new"), nil)
	want("ReplacePasswordHash of an old hash", s.ReplacePasswordHash(ctx, ada.ID, ada.PasswordHash, "new"), auth.ErrConflict)
	want("SetDisabled", s.SetDisabled(ctx, ada.ID, true), nil)
	want("DeleteUser", s.DeleteUser(ctx, ada.ID), nil)
	want("DeleteUser of nobody", s.DeleteUser(ctx, ada.ID), auth.ErrUserNotFound)
}

var ada = auth.User{ID: "1", Username: "ada", PasswordHash: "$hash$ada", CreatedAt: time.UnixMicro(1).UTC()}

// TestUserDeletedMeanwhile deletes a user, and gives the ID or the name to another, between the two steps
// of a call. The call then concerns nobody.
func TestUserDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	bob := auth.User{ID: ada.ID, Username: "bob", CreatedAt: ada.CreatedAt}
	for name, call := range map[string]func(ctx context.Context, s *redisstore.Store) error{
		"UserByUsername": func(ctx context.Context, s *redisstore.Store) error {
			_, err := s.UserByUsername(ctx, ada.Username)
			return err
		},
		"DeleteUser": func(ctx context.Context, s *redisstore.Store) error { return s.DeleteUser(ctx, ada.ID) },
	} {
		other := connect(t, options(t))
		p := prefix(t, other)
		s := newStore(t, other, p)
		if _, err := s.CreateUser(bounded(t), ada); err != nil {
			t.Fatal(err)
		}
		client, steps := connect(t, options(t)), 0
		client.AddHook(between{func() {
			if steps++; steps > 1 {
				return
			}
			if err := s.DeleteUser(bounded(t), ada.ID); err != nil {
				t.Error(err)
			}
			if _, err := s.CreateUser(bounded(t), bob); err != nil {
				t.Error(err)
			}
		}})
		if err := call(bounded(t), newStore(t, client, p)); !errors.Is(err, auth.ErrUserNotFound) || steps != 2 {
			t.Errorf("%s: %v after %d steps, want ErrUserNotFound after 2", name, err, steps)
		}
		if got, err := s.UserByUsername(bounded(t), "bob"); err != nil || got != bob {
			t.Errorf("after %s: %+v, %v", name, got, err)
		}
	}
}

// TestUserKeys checks that a user is in two keys of the slot of the Store, which show neither the ID nor the
// name and do not expire; and that one who is damaged or has another type is a failure.
func TestUserKeys(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	u := ada
	u.ID, u.Username = "}:s:x\x00", "{ada*} \n"
	if _, err := s.CreateUser(bounded(t), u); err != nil {
		t.Fatal(err)
	}
	all := keys(t, client, p)
	if len(all) != 2 {
		t.Errorf("the keys are %q", all)
	}
	for _, key := range all {
		if !strings.HasPrefix(key, "{"+p+"}:") || strings.ContainsAny(key[len(p)+2:], "{}*\n\x00 ") || client.PTTL(bounded(t), key).Val() != -1 {
			t.Errorf("key %q lives for %v", key, client.PTTL(bounded(t), key).Val())
		}
	}
	for _, key := range all {
		if !strings.Contains(key, ":a:") {
			continue
		}
		for field, value := range map[string]string{"id": "other", "disabled": "", "created": "x"} {
			old := client.HGet(bounded(t), key, field).Val()
			if err := client.HSet(bounded(t), key, field, value).Err(); err != nil {
				t.Fatal(err)
			}
			_, err := s.UserByID(bounded(t), u.ID)
			wantFailure(t, "UserByID without "+field, err)
			if err := client.HSet(bounded(t), key, field, old).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(client.Del(bounded(t), key).Err(), client.RPush(bounded(t), key, "x").Err()); err != nil {
			t.Fatal(err)
		}
		_, err := s.CreateUser(bounded(t), u)
		wantFailure(t, "CreateUser", err)
		_, err = s.UserByUsername(bounded(t), u.Username)
		wantFailure(t, "UserByUsername", err)
		wantFailure(t, "SetDisabled", s.SetDisabled(bounded(t), u.ID, true))
		wantFailure(t, "ReplacePasswordHash", s.ReplacePasswordHash(bounded(t), u.ID, u.PasswordHash, "x"))
		wantFailure(t, "DeleteUser", s.DeleteUser(bounded(t), u.ID))
	}
}

// TestUserBounds checks that what is too large is refused, and nobody's.
func TestUserBounds(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	long := strings.Repeat("x", 256)
	for _, change := range []func(*auth.User){
		func(u *auth.User) { u.ID = "" },
		func(u *auth.User) { u.ID = long },
		func(u *auth.User) { u.Username = long },
		func(u *auth.User) { u.PasswordHash = strings.Repeat(long, 4) + "x" },
	} {
		u := ada
		change(&u)
		_, err := s.CreateUser(bounded(t), u)
		wantFailure(t, "CreateUser", err)
	}
	wantFailure(t, "ReplacePasswordHash", s.ReplacePasswordHash(bounded(t), ada.ID, "", strings.Repeat(long, 5)))
	_, byID := s.UserByID(bounded(t), long)
	_, byName := s.UserByUsername(bounded(t), long)
	for _, err := range []error{byID, byName, s.SetDisabled(bounded(t), long, true), s.DeleteUser(bounded(t), long), s.ReplacePasswordHash(bounded(t), long, "", "x")} {
		if !errors.Is(err, auth.ErrUserNotFound) {
			t.Errorf("what is too long: %v, want ErrUserNotFound", err)
		}
	}
	if all := keys(t, client, p); len(all) != 0 {
		t.Errorf("there are keys %q", all)
	}
}
