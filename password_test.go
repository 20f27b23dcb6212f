package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// TestContextWords: a password is refused that is little more than the name of its
// user or of the service, and no good one that holds them.
func TestContextWords(t *testing.T) {
	t.Parallel()
	const refused, fine = passwords.Context, ""
	for _, row := range []struct {
		username, password string
		want               passwords.Rule
	}{
		// The user's name.
		{"adalovelace", "adalovelace", refused},
		{"adalovelace", "ADALOVELACE", refused},
		{"adalovelace", "AdaLovelace1815", refused},
		{"adalovelace", "!!adalovelace!!", refused},
		{"ada", "ada ada ada", refused},
		{"ada", "ada12345", refused},
		{"ada", "ada-kdq77", refused},
		{"ada", "ada-123456 ", refused},
		{"Ada.Lovelace@example.com", "ada.lovelace@example.com", refused},
		{"Ada.Lovelace@example.com", "lovelace-ada-1815", refused},
		{"Ada.Lovelace@example.com", "example2026", refused},
		{"user73120", "user73121", refused},
		{"jo.de.vries", "jo.de.vries", refused},
		{"jo.de.vries", "Vries-2026!", refused},
		{"Ærøskøbing", "ÆRØSKØBING1", refused},
		{"наталья", "Наталья1990", refused},

		// The service's.
		{"bob", "acmeshop", refused},
		{"bob", "AcmeShop2026!", refused},
		{"bob", "shop-acme-shop", refused},
		{"bob", "acmebob1", refused},
		{"bob", "Straßenbahn", refused},
		{"bob", "straßenbahn!2026", refused},

		// What is more than a name.
		{"ada", "ada likes the analytical engine", fine},
		{"horse", "correct horse battery staple", fine},
		{"correct", "correct horse", fine},
		{"ada", "ada-kdqf7", fine},
		{"ada", "ada-1234567", fine},
		{"bob", "acme-tulip", fine},
		{"every", "everybody!", fine},
		{"the.cat.and.dog", "a cat and the elephant", fine},
		{"日本語", "日本語の勉強は楽しい", fine},
		{"z", "zzzzz7zzz", fine},
		{"de", "dededede", fine},
		{"bob", "73120958", fine},
		{"bob", "2026 2026", fine},
	} {
		ctx := t.Context()
		cfg := auth.Config{Passwords: passwords.Policy{ContextWords: []string{"Acme Shop", "straßenbahn"}}}
		check := func(method string, err error) {
			t.Helper()
			got, _ := errors.AsType[*passwords.Error](err)
			if (err == nil) != (row.want == fine) || err != nil && (got == nil || *got != passwords.Error{Rule: row.want}) {
				t.Errorf("%s of %s with %q: %v", method, row.username, row.password, err)
			}
		}
		_, err := newAuthenticator(t, nil, cfg).Register(ctx, row.username, row.password)
		check("Register", err)
		a := newAuthenticator(t, nil, cfg)
		u, err := a.Register(ctx, row.username, "correct horse battery staple 1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.ChangePassword(ctx, u.ID, "correct horse battery staple 1", row.password)
		check("ChangePassword", err)
		check("SetPassword", a.SetPassword(ctx, u.ID, row.password))
	}
}

func TestContextWordsBounds(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		words  []string
		faults int
	}{
		"none":      {nil, 0},
		"good":      {[]string{"abc", "日本語", strings.Repeat("x", 255)}, 0},
		"100":       {strings.Fields(strings.Repeat("word ", 100)), 0},
		"101":       {strings.Fields(strings.Repeat("word ", 101)), 1},
		"too short": {[]string{"", "ab", "日本", "acme"}, 3},
		"too long":  {[]string{strings.Repeat("x", 256)}, 1},
		"not text":  {[]string{"acme\xff"}, 1},
	} {
		_, err := auth.New(memstore.New(), testkit.NewIssuer(t, jwt.IssuerConfig{}), auth.Config{
			Hasher: &workHasher{cost: 4}, Passwords: passwords.Policy{ContextWords: row.words},
		})
		if got := strings.Count(fmt.Sprint(err), "auth: passwords.Policy.ContextWords"); got != row.faults || (err == nil) != (row.faults == 0) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// checker is an [passwords.Checker] that counts what it is asked.
type checker struct {
	asked  atomic.Int32
	answer error
}

func (c *checker) CheckPassword(_ context.Context, password string) error {
	c.asked.Add(1)
	return c.answer
}

// TestPasswordChecker: it is asked last, and what it says counts: a refusal as one,
// all else as the world's.
func TestPasswordChecker(t *testing.T) {
	t.Parallel()
	const current, replacement = "correct horse", "battery staple"
	breached := &passwords.Error{Rule: passwords.Breached}
	for name, row := range map[string]struct {
		answer error
		status int // 0: no error
	}{
		"known good":        {nil, 0},
		"breached":          {breached, 422},
		"breached, wrapped": {fmt.Errorf("list: %w", breached), 422},
		"it is down":        {errDown, 500},
		"it gave up":        {context.DeadlineExceeded, 503},
		"it is busy":        {&auth.RetryError{Err: auth.ErrBusy, After: 1e9}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			c, store := new(checker), newHookedStore()
			a := newAuthenticator(t, store, auth.Config{Passwords: passwords.Policy{Checker: c}})
			u, err := a.Register(ctx, "ada", current)
			if err != nil {
				t.Fatal(err)
			}
			c.answer = row.answer
			check := func(method string, err error) {
				t.Helper()
				if err == nil != (row.answer == nil) || err != nil && auth.HTTPStatus(err) != row.status {
					t.Errorf("%s: %v, want status %d", method, err, row.status)
				}
				if got, refused := errors.AsType[*passwords.Error](err); refused && *got != *breached {
					t.Errorf("%s: %+v", method, got)
				}
				if err != nil && !strings.HasPrefix(err.Error(), "auth: ") {
					t.Errorf("%s: %v", method, err)
				}
			}
			_, err = a.Register(ctx, "bob", replacement)
			check("Register", err)
			_, err = a.ChangePassword(ctx, u.ID, current, replacement)
			check("ChangePassword", err)
			if _, err := a.Login(ctx, "bob", replacement); (err == nil) != (row.answer == nil) {
				t.Errorf("after Register: %v", err)
			}
			if _, err := a.Login(ctx, "ada", replacement); (err == nil) != (row.answer == nil) {
				t.Errorf("after ChangePassword: %v", err)
			}
			check("SetPassword", a.SetPassword(ctx, u.ID, replacement))
			if n := c.asked.Load(); n != 4 {
				t.Errorf("asked %d times, want 4", n)
			}

			// Nothing goes out that is refused anyway, nor for whoever is not the user.
			for _, bad := range []string{"short", "password123", "ada12345", "not\xffutf8", strings.Repeat("x", 1025)} {
				_, _ = a.Register(ctx, "ada", bad)
				_, _ = a.ChangePassword(ctx, u.ID, current, bad)
				_ = a.SetPassword(ctx, u.ID, bad)
			}
			_, _ = a.ChangePassword(ctx, u.ID, "wrong horse", replacement+"2")
			if n := c.asked.Load(); n != 4 {
				t.Errorf("asked %d times about passwords that are refused without it", n-4)
			}
		})
	}
}

// TestPasswordSpellings checks that a password is the same in every spelling of Unicode, also against
// a hash that another system made of one of them, and that a username is no password in any spelling.
func TestPasswordSpellings(t *testing.T) {
	t.Parallel()
	const composed, decomposed = "Zürich Ärger 7", "Zu\u0308rich A\u0308rger 7"
	ctx := t.Context()
	store := memstore.New()
	a := newAuthenticator(t, store, auth.Config{})
	for i, chosen := range []string{composed, decomposed} {
		u, err := a.Register(ctx, fmt.Sprint("ada", i), chosen)
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := authtest.FastHasher(t).Hash(ctx, chosen)
		if err != nil {
			t.Fatal(err)
		}
		old := fmt.Sprint("old", i)
		if _, err := store.CreateUser(ctx, auth.User{ID: old, Username: old, PasswordHash: foreign}); err != nil {
			t.Fatal(err)
		}
		for _, typed := range []string{composed, decomposed} {
			if _, err := a.Login(ctx, u.Username, typed); err != nil {
				t.Errorf("Login with %+q, registered with %+q: %v", typed, chosen, err)
			}
			if _, err := a.Login(ctx, old, typed); err != nil {
				t.Errorf("Login with %+q, old hash of %+q: %v", typed, chosen, err)
			}
			if err := a.ConfirmPassword(ctx, u.ID, typed); err != nil {
				t.Errorf("ConfirmPassword with %+q, registered with %+q: %v", typed, chosen, err)
			}
		}
	}
	for _, password := range []string{"jörgmüller", "jo\u0308rgmu\u0308ller", "JO\u0308RGMÜLLER"} {
		_, err := a.Register(ctx, "jörgmüller", password)
		if refused, ok := errors.AsType[*passwords.Error](err); !ok || refused.Rule != passwords.Context {
			t.Errorf("Register with the username %+q as the password: %v, want a refusal", password, err)
		}
	}
}
