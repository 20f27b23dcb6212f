package auth_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// TestCheckNewAccount: a host that inserts the row itself gets what Register would store, and the
// refusals of Register, and nothing is stored.
func TestCheckNewAccount(t *testing.T) {
	t.Parallel()
	store, w, throttle := memstore.New(), new(workHasher), new(noted)
	a := newAuthenticator(t, store, auth.Config{Hasher: w, Throttle: throttle})
	ctx := auth.WithDevice(t.Context(), auth.Device{IP: netip.MustParseAddr("192.0.2.7")})
	name, hash, err := a.CheckNewAccount(ctx, " Ada@Example.com", password)
	if err != nil || name != "ada@example.com" {
		t.Fatalf("CheckNewAccount = %q, %v", name, err)
	}
	if want := []string{"begin  192.0.2.7  at register"}; !slices.Equal(throttle.calls, want) {
		t.Errorf("the throttle was told %q, want %q", throttle.calls, want)
	}
	if _, err := store.UserByUsername(ctx, name); err != auth.ErrUserNotFound {
		t.Errorf("an account was added: %v", err)
	}
	if _, err := store.CreateUser(ctx, auth.User{ID: "7", Username: name, PasswordHash: hash}); err != nil {
		t.Fatal(err)
	}
	if tokens, err := a.Login(ctx, "ADA@example.com", password); err != nil || tokens.Principal.Subject() != "7" {
		t.Errorf("Login of the account that the host has inserted: %v", err)
	}

	w.since()
	if _, _, err := a.CheckNewAccount(ctx, "ada@EXAMPLE.com", password); !errors.Is(err, auth.ErrUserExists) {
		t.Errorf("a taken name: %v", err)
	}
	if _, _, err := a.CheckNewAccount(ctx, "ada lovelace", password); !errors.Is(err, auth.ErrInvalidUsername) {
		t.Errorf("a name that is not allowed: %v", err)
	}
	if _, ok := errors.AsType[*passwords.Error](second(a.CheckNewAccount(ctx, "bob", "short"))); !ok {
		t.Error("a short password is accepted")
	}
	throttle.begin = &auth.RetryError{Err: auth.ErrTooManyAttempts}
	if _, _, err := a.CheckNewAccount(ctx, "bob", password); !errors.Is(err, auth.ErrTooManyAttempts) {
		t.Errorf("where the throttle refuses: %v", err)
	}
	if work := w.since(); len(work) != 0 {
		t.Errorf("refusals cost %q", work)
	}
}

func second(_, _ string, err error) error { return err }

// TestCreate: an account without a password, under the rules of names. Nobody logs in by a password
// until it has one.
func TestCreate(t *testing.T) {
	t.Parallel()
	var events []auth.Event
	store := newHookedStore()
	a := newAuthenticator(t, store, auth.Config{Throttle: refusing{}, Events: func(_ context.Context, e auth.Event) { events = append(events, e) }})
	ctx := t.Context()
	u, err := a.Create(ctx, "Ada@Example.com ")
	if err != nil || u.ID == "" || u.Username != "ada@example.com" || u.CreatedAt.IsZero() {
		t.Fatalf("Create = %v, %v", u, err)
	}
	if len(events) != 1 || events[0].Kind != auth.EventRegistered || events[0].UserID != u.ID {
		t.Errorf("events %v", events)
	}
	if kept, err := store.UserByID(ctx, u.ID); err != nil || kept.PasswordHash != "" {
		t.Errorf("the store has %v, %v", kept, err)
	}
	for name, want := range map[string]error{"ADA@example.com": auth.ErrUserExists, "weiß": auth.ErrInvalidUsername, "": auth.ErrInvalidUsername} {
		if _, err := a.Create(ctx, name); !errors.Is(err, want) {
			t.Errorf("Create(%q): %v, want %v", name, err, want)
		}
	}
	for _, method := range []string{"UserByUsername", "CreateUser"} {
		store.before = func(called string) error {
			if called == method {
				return errDown
			}
			return nil
		}
		if _, err := a.Create(ctx, "bob"); !errors.Is(err, errDown) || auth.HTTPStatus(err) != 500 {
			t.Errorf("Create when %s fails: %v", method, err)
		}
	}
	store.before = nil

	open := newAuthenticator(t, store, auth.Config{})
	if _, err := open.Login(ctx, "ada@example.com", ""); err != auth.ErrInvalidCredentials {
		t.Errorf("Login without a password: %v", err)
	}
	if tokens, err := open.LoginUser(ctx, u.ID, "fed"); err != nil || tokens.Principal.Subject() != u.ID {
		t.Errorf("LoginUser: %v", err)
	}
	if err := open.SetPassword(ctx, u.ID, password); err != nil {
		t.Fatal(err)
	}
	if _, err := open.Login(ctx, "ada@example.com", password); err != nil {
		t.Errorf("Login after SetPassword: %v", err)
	}
}

type fullNameKey struct{}

// storeOfPeople is a store whose table has a column that User lacks, and names as people typed them. It
// takes letters with an accent for those without.
type storeOfPeople struct {
	*memstore.Store
	fullNames []string
}

func (s *storeOfPeople) CreateUser(ctx context.Context, u auth.User) (string, error) {
	full, _ := ctx.Value(fullNameKey{}).(string)
	s.fullNames = append(s.fullNames, full)
	return s.Store.CreateUser(ctx, u)
}

func (s *storeOfPeople) UserByUsername(ctx context.Context, name string) (auth.User, error) {
	return s.as(s.Store.UserByUsername(ctx, strings.ReplaceAll(name, "é", "e")))
}

func (s *storeOfPeople) UserByID(ctx context.Context, id string) (auth.User, error) {
	return s.as(s.Store.UserByID(ctx, id))
}

func (s *storeOfPeople) as(u auth.User, err error) (auth.User, error) {
	u.Username = strings.ToUpper(u.Username)
	return u, err
}

// TestContextReachesCreateUser: the values of the context are how a host carries more fields.
func TestContextReachesCreateUser(t *testing.T) {
	t.Parallel()
	store := &storeOfPeople{Store: memstore.New()}
	a := newAuthenticator(t, store, auth.Config{})
	if _, err := a.Register(context.WithValue(t.Context(), fullNameKey{}, "Ada Lovelace"), "ada", password); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Create(context.WithValue(t.Context(), fullNameKey{}, "Robert"), "bob"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"Ada Lovelace", "Robert"}; !slices.Equal(store.fullNames, want) {
		t.Errorf("the store got %q, want %q", store.fullNames, want)
	}
}

// TestOneAccountHasOneName: where a store finds an account by several names, and keeps its name as
// people typed it, all attempts are counted at the canonical form of the account's own name. Otherwise
// each spelling would be good for more guesses.
func TestOneAccountHasOneName(t *testing.T) {
	t.Parallel()
	ctx, throttle, store := t.Context(), new(noted), &storeOfPeople{Store: memstore.New()}
	var claimed []string
	a := newAuthenticator(t, store, auth.Config{Throttle: throttle, Claims: func(_ context.Context, u auth.User, _ *auth.Claims) error {
		claimed = append(claimed, u.Username)
		return nil
	}})
	u, err := a.Register(ctx, "jose", password)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jose", "JOSÉ", "josé "} {
		if _, err := a.Login(ctx, name, "wrong horse"); err != auth.ErrInvalidCredentials {
			t.Errorf("Login(%q) with a wrong password: %v", name, err)
		}
	}
	if err := a.ConfirmPassword(ctx, u.ID, "wrong horse"); err != auth.ErrInvalidCredentials {
		t.Error(err)
	}
	for _, call := range throttle.calls {
		if call != "begin jose invalid IP " {
			t.Errorf("the throttle was told %q", call)
		}
	}
	if len(throttle.calls) != 4 {
		t.Errorf("the throttle was told %d times, want 4", len(throttle.calls))
	}
	if _, err := a.Login(ctx, "josé", password); err != nil || !slices.Equal(claimed, []string{"jose"}) {
		t.Errorf("Login by another name: %v; claims were made for %q", err, claimed)
	}
	if _, err := a.Register(ctx, "josé", password); !errors.Is(err, auth.ErrUserExists) {
		t.Errorf("Register of a name that the store takes for a taken one: %v", err)
	}
}
