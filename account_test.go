package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// TestPasswordRule: what may be set, at Register and at ChangePassword.
func TestPasswordRule(t *testing.T) {
	t.Parallel()
	usual, strict := auth.Config{}, auth.Config{Passwords: passwords.Policy{MinLength: 15, MaxBytes: 256}}
	for name, row := range map[string]struct {
		cfg      auth.Config
		password string
		want     passwords.Error // zero: may be set
	}{
		"8 characters":             {usual, "73120958", passwords.Error{}},
		"7 characters":             {usual, "1234567", passwords.Error{Rule: passwords.TooShort, Limit: 8}},
		"none":                     {usual, "", passwords.Error{Rule: passwords.TooShort, Limit: 8}},
		"8 of two bytes":           {usual, "éééééééé", passwords.Error{}},
		"4 of two bytes":           {usual, "éééé", passwords.Error{Rule: passwords.TooShort, Limit: 8}},
		"7 of four bytes":          {usual, "🐎🐎🐎🐎🐎🐎🐎", passwords.Error{Rule: passwords.TooShort, Limit: 8}},
		"one letter, no other":     {usual, "aaaaaaaaaaaaa", passwords.Error{}},
		"common":                   {usual, "password123", passwords.Error{Rule: passwords.Common}},
		"common, capitals":         {usual, "PassWord123", passwords.Error{Rule: passwords.Common}},
		"common, and long":         {strict, "123456789123456789", passwords.Error{Rule: passwords.Common}},
		"common, and more":         {usual, "password123 horse", passwords.Error{}},
		"spaces":                   {usual, "        ", passwords.Error{Rule: passwords.Common}},
		"controls":                 {usual, "\t\r\n\x1b\x7f123", passwords.Error{}},
		"64 of four bytes":         {usual, strings.Repeat("🐎", 64), passwords.Error{}},
		"1024 bytes":               {usual, strings.Repeat("x", 1024), passwords.Error{}},
		"1025 bytes":               {usual, strings.Repeat("x", 1025), passwords.Error{Rule: passwords.TooLong, Limit: 1024}},
		"1026 bytes, 513 letters":  {usual, strings.Repeat("é", 513), passwords.Error{Rule: passwords.TooLong, Limit: 1024}},
		"a megabyte, not UTF-8":    {usual, strings.Repeat("\xff", 1<<20), passwords.Error{Rule: passwords.TooLong, Limit: 1024}},
		"NUL":                      {usual, "12345678\x00", passwords.Error{Rule: passwords.Encoding}},
		"not UTF-8":                {usual, "12345678\xff", passwords.Error{Rule: passwords.Encoding}},
		"a surrogate":              {usual, "12345678\xed\xa0\x80", passwords.Error{Rule: passwords.Encoding}},
		"15 of 15":                 {strict, strings.Repeat("é", 15), passwords.Error{}},
		"14 of 15":                 {strict, strings.Repeat("é", 14), passwords.Error{Rule: passwords.TooShort, Limit: 15}},
		"64 of four bytes, strict": {strict, strings.Repeat("🐎", 64), passwords.Error{}},
		"257 bytes of 256":         {strict, strings.Repeat("x", 257), passwords.Error{Rule: passwords.TooLong, Limit: 256}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			a := newAuthenticator(t, nil, row.cfg)
			check := func(method string, err error) {
				t.Helper()
				got, ok := errors.AsType[*passwords.Error](err)
				if refused := row.want.Rule != ""; ok != refused || err == nil == refused || refused && *got != row.want {
					t.Errorf("%s: %v, want %+v", method, err, row.want)
				}
				if err != nil && row.password != "" && strings.Contains(err.Error(), row.password) {
					t.Errorf("%s: the error holds the password: %v", method, err)
				}
			}
			_, err := a.Register(ctx, "ada", row.password)
			check("Register", err)
			if err == nil {
				if _, err := a.Login(ctx, "ada", row.password); err != nil {
					t.Errorf("Login: %v", err)
				}
			}
			u, err := a.Register(ctx, "bob", "correct horse battery")
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.ChangePassword(ctx, u.ID, "correct horse battery", row.password)
			check("ChangePassword", err)
		})
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	a := newAuthenticator(t, nil, auth.Config{})
	u, err := a.Register(ctx, "ada", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.ChangePassword(ctx, u.ID, "wrong horse", "battery staple"); err != auth.ErrInvalidCredentials {
		t.Errorf("with another password: %v", err)
	}
	if _, err := a.ChangePassword(ctx, "nobody", "correct horse", "battery staple"); err != auth.ErrInvalidCredentials {
		t.Errorf("of nobody: %v", err)
	}
	if _, err := a.Login(ctx, "ada", "correct horse"); err != nil {
		t.Errorf("after refused changes: %v", err)
	}
	if _, err := a.ChangePassword(ctx, u.ID, "correct horse", "battery staple"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Login(ctx, "ada", "correct horse"); err != auth.ErrInvalidCredentials {
		t.Errorf("with the old password: %v", err)
	}
	if _, err := a.Login(ctx, "ada", "battery staple"); err != nil {
		t.Errorf("with the new password: %v", err)
	}
}

// TestChangePasswordConflicts: a change meets another write between its look and
// its own.
func TestChangePasswordConflicts(t *testing.T) {
	t.Parallel()
	const current = "correct horse"
	for name, row := range map[string]struct {
		meanwhile []string // what each write finds stored in place of what was seen
		want      error
	}{
		"a login upgraded the hash":      {[]string{"$work$14$" + current}, nil},
		"the password was changed":       {[]string{"$work$12$another"}, auth.ErrInvalidCredentials},
		"the password was removed":       {[]string{""}, auth.ErrInvalidCredentials},
		"it changes again and again":     {[]string{"$work$13$" + current, "$work$14$" + current, "$work$15$" + current}, auth.ErrConflict},
		"the account was deleted":        {[]string{"deleted"}, auth.ErrInvalidCredentials},
		"nothing else is being written":  {nil, nil},
		"the write fails for its reason": {[]string{"down"}, errDown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w, store := &workHasher{cost: 12}, newHookedStore()
			accounts(t, store, w)
			a := newAuthenticator(t, store, auth.Config{Hasher: w})
			w.since()
			writes := 0
			store.before = func(method string) error {
				if method != "ReplacePasswordHash" || writes == len(row.meanwhile) {
					return nil
				}
				u, err := store.Store.UserByID(ctx, "id-0")
				if err != nil {
					return err
				}
				stored := row.meanwhile[writes]
				writes++
				switch stored {
				case "deleted":
					return auth.ErrUserNotFound
				case "down":
					return errDown
				}
				return store.Store.ReplacePasswordHash(ctx, "id-0", u.PasswordHash, stored)
			}
			_, err := a.ChangePassword(ctx, "id-0", current, "battery staple")
			if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
				t.Errorf("%v, want %v", err, row.want)
			}
			u, err2 := store.Store.UserByID(ctx, "id-0")
			if changed := u.PasswordHash == "$work$12$battery staple"; err2 != nil || changed != (row.want == nil) {
				t.Errorf("stored is %q, %v", u.PasswordHash, err2)
			}
		})
	}
}

func TestChangePasswordRace(t *testing.T) {
	t.Parallel()
	const clients = 16
	ctx := t.Context()
	a := newAuthenticator(t, nil, auth.Config{})
	u, err := a.Register(ctx, "ada", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			_, errs[i] = a.ChangePassword(ctx, u.ID, "correct horse", fmt.Sprint("battery staple ", i))
		})
	}
	all.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
		} else if err != auth.ErrInvalidCredentials && err != auth.ErrConflict {
			t.Errorf("client %d: %v", i, err)
		}
		if _, login := a.Login(ctx, "ada", fmt.Sprint("battery staple ", i)); (login == nil) != (err == nil) {
			t.Errorf("client %d was told %v, its password %v", i, err, login)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d changes from one password succeed", won, clients)
	}
}

var errDown = errors.New("connection refused")

// TestStoreFaults: the world's failures are passed on as what they are, and leave
// nothing half-written.
func TestStoreFaults(t *testing.T) {
	t.Parallel()
	register := func(ctx context.Context, a *auth.Authenticator) error {
		_, err := a.Register(ctx, "new", "correct horse")
		return err
	}
	login := func(ctx context.Context, a *auth.Authenticator) error {
		_, err := a.Login(ctx, "ada", "correct horse")
		return err
	}
	change := func(ctx context.Context, a *auth.Authenticator) error {
		_, err := a.ChangePassword(ctx, "id-0", "correct horse", "battery staple")
		return err
	}
	for _, row := range []struct {
		name, method string
		call         func(context.Context, *auth.Authenticator) error
	}{
		{"Register", "CreateUser", register},
		{"Login", "UserByUsername", login},
		{"Login", "UserByID", login},
		{"ChangePassword", "UserByID", change},
		{"ChangePassword", "ReplacePasswordHash", change},
	} {
		t.Run(row.name+"/"+row.method, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w, store := &workHasher{cost: 12}, newHookedStore()
			accounts(t, store, w)
			a := newAuthenticator(t, store, auth.Config{Hasher: w})
			store.before = func(method string) error {
				if method == row.method {
					return fmt.Errorf("store: %w", errDown)
				}
				return nil
			}
			if err := row.call(ctx, a); !errors.Is(err, errDown) || auth.HTTPStatus(err) != 500 || !strings.HasPrefix(err.Error(), "auth: ") {
				t.Errorf("%v (status %d)", err, auth.HTTPStatus(err))
			}
			store.before = nil
			if _, err := store.UserByUsername(ctx, "new"); !errors.Is(err, auth.ErrUserNotFound) {
				t.Errorf("half a user is left: %v", err)
			}
			if _, err := a.Login(ctx, "ada", "correct horse"); err != nil {
				t.Errorf("Login when the store is back: %v", err)
			}
			if err := register(ctx, a); err != nil {
				t.Errorf("Register when the store is back: %v", err)
			}
		})
	}
}

func TestEndedContext(t *testing.T) {
	t.Parallel()
	w, store := &workHasher{cost: 12}, memstore.New()
	accounts(t, store, w)
	a := newAuthenticator(t, store, auth.Config{Hasher: w})
	for _, cancelDuring := range []bool{false, true} {
		for name, call := range map[string]func(context.Context) error{
			"Register":       func(ctx context.Context) error { _, err := a.Register(ctx, "new", "correct horse"); return err },
			"Login":          func(ctx context.Context) error { _, err := a.Login(ctx, "ada", "correct horse"); return err },
			"Login, wrong":   func(ctx context.Context) error { _, err := a.Login(ctx, "ada", "wrong horse"); return err },
			"Login, unknown": func(ctx context.Context) error { _, err := a.Login(ctx, "nobody", "wrong horse"); return err },
			"Login, invalid": func(ctx context.Context) error { _, err := a.Login(ctx, " ", "wrong horse"); return err },
			"ChangePassword": func(ctx context.Context) error {
				_, err := a.ChangePassword(ctx, "id-0", "correct horse", "battery staple")
				return err
			},
		} {
			ctx, cancel := context.WithCancel(t.Context())
			if w.during = cancel; !cancelDuring || name == "Register" {
				cancel()
			}
			if err := call(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("%s: %v, want context.Canceled", name, err)
			}
			cancel()
		}
	}
}

// TestBusy: more logins than the queue holds are told to come back, whoever they
// name. Registrations have a queue of their own, which ends as that of logins does.
func TestBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow, store := new(testkit.SlowHasher), memstore.New()
		a := newAuthenticator(t, store, auth.Config{Hasher: passwords.Limit(slow, 1)})
		if _, err := store.CreateUser(t.Context(), auth.User{ID: "1", Username: "ada", PasswordHash: "hash of correct horse"}); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 65 {
			all.Go(func() {
				if _, err := a.Login(t.Context(), "ada", "correct horse"); err != nil {
					t.Errorf("of the first 65: %v", err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		_, known := a.Login(t.Context(), "ada", "wrong")
		_, unknown := a.Login(t.Context(), "nobody", "wrong")
		for i := range 64 {
			all.Go(func() {
				if _, err := a.Register(t.Context(), fmt.Sprint("new", i), "correct horse"); err != nil {
					t.Errorf("registration %d of the first 64: %v", i, err)
				}
			})
		}
		synctest.Wait()
		_, register := a.Register(t.Context(), "new", "correct horse")
		for name, err := range map[string]error{"known": known, "unknown": unknown, "register": register} {
			want := 65 * time.Second
			if name == "register" {
				want = 129 * time.Second // 64 logins are served meanwhile, too
			}
			retry, ok := errors.AsType[*auth.RetryError](err)
			if !ok || retry.After != want || auth.HTTPStatus(err) != 503 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if known == nil || unknown == nil || known.Error() != unknown.Error() {
			t.Errorf("a known name is told %q, an unknown one %q", known, unknown)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("they are told after %v", took)
		}
		all.Wait()
	})
}

// TestHashingIsBounded: a Hasher that the host did not limit is.
func TestHashingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, row := range map[string]struct {
			limit func(auth.Hasher) auth.Hasher
			want  int32
		}{
			"by New":       {func(h auth.Hasher) auth.Hasher { return h }, int32(testkit.DefaultSlots())},
			"by the host":  {func(h auth.Hasher) auth.Hasher { return passwords.Limit(h, 5) }, 5},
			"both are one": {func(h auth.Hasher) auth.Hasher { return passwords.Limit(passwords.Limit(h, 5), 7) }, 5},
		} {
			slow := new(testkit.SlowHasher)
			a := newAuthenticator(t, nil, auth.Config{Hasher: row.limit(slow)})
			var all sync.WaitGroup
			for range 30 {
				all.Go(func() { _, _ = a.Login(t.Context(), "nobody", "correct horse") })
			}
			all.Wait()
			if got := slow.AtOnce.Load(); got != row.want {
				t.Errorf("%s: %d hashes at once, want %d", name, got, row.want)
			}
		}
	})
}

// TestDefaultHasher: what a host gets that names none.
func TestDefaultHasher(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	a, err := auth.New(store, testkit.NewIssuer(t, jwt.IssuerConfig{}), auth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Register(t.Context(), "ada", "correct horse"); err != nil {
		t.Fatal(err)
	}
	u, err := store.UserByUsername(t.Context(), "ada")
	if err != nil || !strings.HasPrefix(u.PasswordHash, "$2a$12$") {
		t.Errorf("stored is %q, %v", u.PasswordHash, err)
	}
}

var _ auth.TokenVerifier = (*auth.Authenticator)(nil)
