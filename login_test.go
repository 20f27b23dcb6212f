package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// accounts fills a store, one account for each way in which a login fails.
func accounts(t *testing.T, store auth.UserStore, w *workHasher) {
	t.Helper()
	good := w.encode("correct horse")
	for i, u := range []auth.User{
		{Username: "ada", PasswordHash: good},
		{Username: "disabled", PasswordHash: good, Disabled: true},
		{Username: "without password"},
		{Username: "broken", PasswordHash: "$work$broken"},
		{Username: "foreign", PasswordHash: "$other$12$correct horse"},
		{Username: "plain", PasswordHash: "correct horse"},
	} {
		u.ID = fmt.Sprint("id-", i)
		if _, err := store.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
}

// asGiven lets the tests give accounts names that say what they are.
func asGiven(name string) (string, error) {
	if strings.HasPrefix(name, "!") {
		return "", errors.New("refused")
	}
	return name, nil
}

// TestFailedLoginsAreAlike: the same error and the same hashing, whatever is
// wrong, for short passwords and for such as bcrypt would cut.
func TestFailedLoginsAreAlike(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := &workHasher{cost: 12}
	store := newHookedStore()
	accounts(t, store, w)
	a := newAuthenticator(t, store, auth.Config{
		Hasher: w, NormalizeUsername: asGiven, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	w.since()
	ids := map[string]string{} // by name, as ChangePassword wants them
	for _, name := range []string{"ada", "disabled", "without password", "broken", "foreign", "plain"} {
		u, err := store.UserByUsername(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = u.ID
	}
	for _, right := range []string{"correct horse", "", strings.Repeat("correct horse ", 70)} {
		for name, password := range map[string]string{
			"ada":                      right + "x",
			"nobody":                   right,
			"disabled":                 right,
			"without password":         right,
			"broken":                   right,
			"foreign":                  right,
			"plain":                    right,
			"!invalid":                 right,
			"":                         right,
			"\xff":                     right,
			strings.Repeat("a", 256):   right,
			strings.Repeat("a", 1<<20): right,
		} {
			log.Reset()
			_, err := a.Login(t.Context(), name, password)
			if err != auth.ErrInvalidCredentials {
				t.Errorf("Login as %.20q: %v, want ErrInvalidCredentials itself", name, err)
			}
			if work := w.since(); !slices.Equal(work, []string{"verify 12"}) {
				t.Errorf("Login as %.20q costs %q", name, work)
			}
			unreadable := name == "broken" || name == "foreign" || name == "plain"
			if logged := strings.Contains(log.String(), "level=ERROR"); logged != unreadable {
				t.Errorf("Login as %.20q logs %q", name, &log)
			}
			if unreadable && !strings.Contains(log.String(), ids[name]) || strings.Contains(log.String(), "horse") || strings.Contains(log.String(), "$") {
				t.Errorf("Login as %.20q logs %q", name, &log)
			}

			_, err = a.ChangePassword(t.Context(), ids[name], password, "battery staple")
			if err != auth.ErrInvalidCredentials {
				t.Errorf("ChangePassword of %.20q: %v, want ErrInvalidCredentials itself", name, err)
			}
			if work := w.since(); !slices.Equal(work, []string{"verify 12"}) {
				t.Errorf("ChangePassword of %.20q costs %q", name, work)
			}
		}
	}
}

// TestImpossiblePasswords are refused before anything is asked or hashed, so
// whose they are cannot be told, and a long one costs nothing.
func TestImpossiblePasswords(t *testing.T) {
	t.Parallel()
	w := &workHasher{cost: 12}
	store := newHookedStore()
	accounts(t, store, w)
	a := newAuthenticator(t, store, auth.Config{Hasher: w, Passwords: passwords.Policy{MaxBytes: 300}})
	w.since()
	store.before = func(method string) error { t.Errorf("the store is asked: %s", method); return nil }
	megabyte := strings.Repeat("x", 1<<20)
	for _, password := range []string{"correct horse\x00", "\x00", strings.Repeat("x", 301), strings.Repeat("é", 151), megabyte} {
		for _, name := range []string{"ada", "nobody", "!"} {
			if _, err := a.Login(t.Context(), name, password); err != auth.ErrInvalidCredentials {
				t.Errorf("Login with %d bytes: %v", len(password), err)
			}
			if _, err := a.ChangePassword(t.Context(), "id-0", password, "battery staple"); err != auth.ErrInvalidCredentials {
				t.Errorf("ChangePassword with %d bytes: %v", len(password), err)
			}
		}
	}
	if work := w.since(); work != nil {
		t.Errorf("hashing was done: %q", work)
	}
}

// TestDecoyOpensNothing, not even to who knows its password.
func TestDecoyOpensNothing(t *testing.T) {
	t.Parallel()
	w, store := &workHasher{cost: 12}, newHookedStore()
	accounts(t, store, w)
	a := newAuthenticator(t, store, auth.Config{Hasher: w, NormalizeUsername: asGiven})
	secret := w.lastHashed
	if len(secret) < 22 {
		t.Fatalf("the decoy's password is %q", secret)
	}
	for _, name := range []string{"nobody", "disabled", "without password", "broken", "foreign", "!invalid"} {
		if _, err := a.Login(t.Context(), name, secret); err != auth.ErrInvalidCredentials {
			t.Errorf("Login as %s: %v", name, err)
		}
	}
}

// TestLoginWithBcrypt: what Bcrypt refuses to compare is a failed login like
// any other, and long passwords work.
func TestLoginWithBcrypt(t *testing.T) {
	t.Parallel()
	bcrypt, err := passwords.NewBcrypt(10)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthenticator(t, nil, auth.Config{Hasher: bcrypt})
	short, long := strings.Repeat("x", 72), strings.Repeat("🐎", 64)
	for name, password := range map[string]string{"short": short, "long": long} {
		if _, err := a.Register(t.Context(), name, password); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Login(t.Context(), name, password); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := a.Login(t.Context(), name, password+"x"); err != auth.ErrInvalidCredentials {
			t.Errorf("%s and a byte more: %v", name, err)
		}
	}
	for _, password := range []string{short, long} {
		if _, err := a.Login(t.Context(), "nobody", password); err != auth.ErrInvalidCredentials {
			t.Errorf("nobody: %v", err)
		}
	}
}

// TestImportedPasswordsLogIn: the rule for new passwords is none for those that
// came with a table.
func TestImportedPasswordsLogIn(t *testing.T) {
	t.Parallel()
	w := &workHasher{cost: 12}
	store := memstore.New()
	a := newAuthenticator(t, store, auth.Config{Hasher: w})
	for i, password := range []string{"short", "latin1 \xe4\xf6", " spaces ", strings.Repeat("x", 1024)} {
		name := fmt.Sprint("user", i)
		if _, err := store.CreateUser(t.Context(), auth.User{ID: name, Username: name, PasswordHash: w.encode(password)}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Login(t.Context(), name, password); err != nil {
			t.Errorf("with %q: %v", password, err)
		}
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	errDown := errors.New("read-only")
	for _, row := range []struct {
		name, stored string
		hook         func(*hookedStore) func(string) error
		want         string // stored afterwards
		warns        bool
	}{
		{"weaker", "$work$9$correct horse", nil, "$work$12$correct horse", false},
		{"as strong", "$work$12$correct horse", nil, "$work$12$correct horse", false},
		{"stronger", "$work$13$correct horse", nil, "$work$13$correct horse", false},
		{"the write fails", "$work$9$correct horse", func(*hookedStore) func(string) error {
			return func(method string) error {
				if method == "ReplacePasswordHash" {
					return errDown
				}
				return nil
			}
		}, "$work$9$correct horse", true},
		{"another login was first", "$work$9$correct horse", func(s *hookedStore) func(string) error {
			return func(method string) error {
				if method != "ReplacePasswordHash" {
					return nil
				}
				return s.Store.ReplacePasswordHash(context.Background(), "1", "$work$9$correct horse", "$work$14$correct horse")
			}
		}, "$work$14$correct horse", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			w, store := &workHasher{cost: 12}, newHookedStore()
			a := newAuthenticator(t, store, auth.Config{Hasher: w, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if _, err := store.CreateUser(t.Context(), auth.User{ID: "1", Username: "ada", PasswordHash: row.stored}); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Login(t.Context(), "ada", "wrong horse"); err != auth.ErrInvalidCredentials {
				t.Errorf("with another password: %v", err)
			}
			stored := func() string {
				u, err := store.Store.UserByID(t.Context(), "1")
				if err != nil {
					t.Fatal(err)
				}
				return u.PasswordHash
			}
			if got := stored(); got != row.stored {
				t.Errorf("a failed login stores %q", got)
			}
			if row.hook != nil {
				store.before = row.hook(store)
			}
			if _, err := a.Login(t.Context(), "ada", "correct horse"); err != nil {
				t.Errorf("Login: %v", err)
			}
			if got := stored(); got != row.want {
				t.Errorf("stored is %q, want %q", got, row.want)
			}
			if warned := strings.Contains(log.String(), "level=WARN"); warned != row.warns || strings.Contains(log.String(), "horse") {
				t.Errorf("logs %q", &log)
			}
		})
	}
}

// TestAccountChangesDuringLogin: what holds when the token is made counts.
func TestAccountChangesDuringLogin(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		loaded func(*auth.User) // what the store says from then on
		gone   bool
		want   error
	}{
		"unchanged":                    {func(*auth.User) {}, false, nil},
		"upgraded by another login":    {func(u *auth.User) { u.PasswordHash = "$work$14$correct horse" }, false, nil},
		"disabled":                     {func(u *auth.User) { u.Disabled = true }, false, auth.ErrInvalidCredentials},
		"password changed":             {func(u *auth.User) { u.PasswordHash = "$work$12$battery staple" }, false, auth.ErrInvalidCredentials},
		"password removed":             {func(u *auth.User) { u.PasswordHash = "" }, false, auth.ErrInvalidCredentials},
		"hash damaged":                 {func(u *auth.User) { u.PasswordHash = "$work$" }, false, auth.ErrInvalidCredentials},
		"deleted":                      {nil, true, auth.ErrInvalidCredentials},
		"disabled and upgraded before": {func(u *auth.User) { u.Disabled, u.PasswordHash = true, "$work$14$correct horse" }, false, auth.ErrInvalidCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, store := &workHasher{cost: 12}, newHookedStore()
			accounts(t, store, w)
			a := newAuthenticator(t, store, auth.Config{Hasher: w})
			w.during = func() {
				store.loaded = row.loaded
				if row.gone {
					store.before = func(string) error { return auth.ErrUserNotFound }
				}
			}
			tokens, err := a.Login(t.Context(), "ada", "correct horse")
			if err != row.want || (err == nil) != (tokens.AccessToken != "") {
				t.Errorf("Login: %v, want %v", err, row.want)
			}
		})
	}
}

func TestRegisterRace(t *testing.T) {
	t.Parallel()
	const clients = 64
	store := memstore.New()
	a := newAuthenticator(t, store, auth.Config{})
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			name := []string{"jörg", "JÖRG", "jo\u0308rg", "Ｊörg"}[i%4]
			_, errs[i] = a.Register(t.Context(), name, fmt.Sprint("correct horse ", i))
		})
	}
	all.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case err != auth.ErrUserExists:
			t.Errorf("client %d: %v, want ErrUserExists", i, err)
		}
	}
	for i := range clients {
		_, err := a.Login(t.Context(), "Jörg", fmt.Sprint("correct horse ", i))
		if (err == nil) != (i == won) {
			t.Errorf("after client %d won, the password of %d: %v", won, i, err)
		}
	}
}
