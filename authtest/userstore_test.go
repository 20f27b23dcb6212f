package authtest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
)

// brokenStore is the environment variable that tells the subprocess of TestSuiteFails to run the
// suite.
const brokenStore = "AUTH_TEST_BROKEN_STORE"

// A broken rule fails its own subtest and prints the rule. This is the only test that runs a suite
// as a host does.
func TestSuiteFails(t *testing.T) {
	t.Parallel()
	factory := func(*testing.T) auth.UserStore {
		return patched{UserStore: memstore.New(), createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
			u.Disabled = false
			return s.CreateUser(ctx, u)
		}}
	}
	if os.Getenv(brokenStore) != "" {
		authtest.TestUserStore(t, factory)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteFails$", "-test.v")
	cmd.Env = append(os.Environ(), brokenStore+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("the suite passes for a broken store")
	}
	if want := "--- FAIL: TestSuiteFails/Disabled"; !strings.Contains(string(out), want) || strings.Count(string(out), "--- FAIL: TestSuiteFails/") != 1 {
		t.Errorf("the output does not have %q as the only failure:\n%s", want, out)
	}
	if want := "A disabled user comes back disabled"; !strings.Contains(string(out), want) {
		t.Errorf("the failure does not print %q:\n%s", want, out)
	}
}

// patched is a store with some methods replaced. Each replacement gets the original store.
type patched struct {
	auth.UserStore
	createUser          func(auth.UserStore, context.Context, auth.User) (string, error)
	userByID            func(auth.UserStore, context.Context, string) (auth.User, error)
	userByUsername      func(auth.UserStore, context.Context, string) (auth.User, error)
	found               func(auth.User) auth.User
	replacePasswordHash func(s auth.UserStore, ctx context.Context, id, old, replacement string) error
}

func (p patched) CreateUser(ctx context.Context, u auth.User) (string, error) {
	if p.createUser != nil {
		return p.createUser(p.UserStore, ctx, u)
	}
	return p.UserStore.CreateUser(ctx, u)
}

func (p patched) UserByID(ctx context.Context, id string) (u auth.User, err error) {
	if p.userByID != nil {
		return p.userByID(p.UserStore, ctx, id)
	}
	u, err = p.UserStore.UserByID(ctx, id)
	if p.found != nil && err == nil {
		u = p.found(u)
	}
	return u, err
}

func (p patched) UserByUsername(ctx context.Context, username string) (u auth.User, err error) {
	if p.userByUsername != nil {
		return p.userByUsername(p.UserStore, ctx, username)
	}
	u, err = p.UserStore.UserByUsername(ctx, username)
	if p.found != nil && err == nil {
		u = p.found(u)
	}
	return u, err
}

func (p patched) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	if p.replacePasswordHash != nil {
		return p.replacePasswordHash(p.UserStore, ctx, id, old, replacement)
	}
	return p.UserStore.ReplacePasswordHash(ctx, id, old, replacement)
}
