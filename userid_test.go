package auth_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
)

// A host's IDs have the form of its table: a sequence, say.
func TestNewUserID(t *testing.T) {
	t.Parallel()
	ctx, next, down := t.Context(), []string{"17", "18", "18", ""}, error(nil)
	store := memstore.New()
	a := newAuthenticator(t, store, auth.Config{NewUserID: func(context.Context) (id string, err error) {
		if down != nil {
			return "19", down
		}
		id, next = next[0], next[1:]
		return id, nil
	}})
	u, err := a.Register(ctx, "ada", password)
	if err != nil || u.ID != "17" {
		t.Fatalf("Register returns the ID %q, %v, want 17", u.ID, err)
	}
	tokens, err := a.Login(ctx, "ada", password)
	if err != nil || tokens.Principal.Subject() != "17" {
		t.Errorf("the token is %v's, %v, want 17", tokens.Principal, err)
	}

	// No ID is asked for where nobody is registered.
	for _, refused := range [][2]string{{"", password}, {"bob", "short"}} {
		if _, err := a.Register(ctx, refused[0], refused[1]); err == nil || len(next) != 3 {
			t.Errorf("%q: %v, %d IDs are left, want 3", refused, err, len(next))
		}
	}
	if _, err := a.Register(ctx, "bob", password); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Register(ctx, "carol", password); !errors.Is(err, auth.ErrUserExists) {
		t.Errorf("an ID that is taken: %v", err)
	}
	if _, err := a.Register(ctx, "carol", password); err == nil || auth.HTTPStatus(err) != 500 {
		t.Errorf("an empty ID: %v", err)
	}
	down = errors.New("no sequence")
	if _, err := a.Register(ctx, "carol", password); !errors.Is(err, down) || auth.HTTPStatus(err) != 500 {
		t.Errorf("no ID: %v", err)
	}
	if _, err := store.UserByUsername(ctx, "carol"); err != auth.ErrUserNotFound {
		t.Errorf("an account without an ID: %v", err)
	}
}
