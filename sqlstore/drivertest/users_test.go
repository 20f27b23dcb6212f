package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/sqlstore"
)

func TestUserStore(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		authtest.TestUserStore(t, func(t *testing.T) auth.UserStore {
			if _, err := db.ExecContext(t.Context(), "DELETE FROM "+p+"users"); err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
}

func TestAccountStore(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		authtest.TestAccountStore(t, func(t *testing.T) authtest.Accounts {
			exec(t, db, "DELETE FROM "+p+"users")
			return s
		})
	})
}

// user returns a user of a test.
func user(id, username string) auth.User {
	return auth.User{ID: id, Username: username, PasswordHash: "$hash$of-" + id, CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
}

// createUser adds a user, whose ID the store must return, and returns the error alone.
func createUser(ctx context.Context, s auth.UserStore, u auth.User) error {
	id, err := s.CreateUser(ctx, u)
	if err == nil && id != u.ID {
		return fmt.Errorf("CreateUser returned the ID %q, want %q", id, u.ID)
	}
	return err
}

// create adds users.
func create(t testing.TB, s auth.UserStore, users ...auth.User) {
	t.Helper()
	for _, u := range users {
		if err := createUser(bounded(t), s, u); err != nil {
			t.Fatalf("CreateUser: %v", err)
		}
	}
}

// hasUser fails the test unless u is stored exactly as given.
func hasUser(t testing.TB, s auth.UserStore, u auth.User) {
	t.Helper()
	if got, err := s.UserByID(bounded(t), u.ID); err != nil || got != u {
		t.Errorf("UserByID: %+v, %v, want %+v", got, err, u)
	}
	if got, err := s.UserByUsername(bounded(t), u.Username); err != nil || got != u {
		t.Errorf("UserByUsername: %+v, %v, want %+v", got, err, u)
	}
}

// hasNoUser fails the test if there is a user with the ID or the username of u.
func hasNoUser(t testing.TB, s auth.UserStore, u auth.User) {
	t.Helper()
	if got, err := s.UserByID(bounded(t), u.ID); !errors.Is(err, auth.ErrUserNotFound) {
		t.Errorf("UserByID: %+v, %v, want %v", got, err, auth.ErrUserNotFound)
	}
	if got, err := s.UserByUsername(bounded(t), u.Username); !errors.Is(err, auth.ErrUserNotFound) {
		t.Errorf("UserByUsername: %+v, %v, want %v", got, err, auth.ErrUserNotFound)
	}
}

// storeFailure fails the test unless err is a failure of the store: an error that does not match any
// error that the contracts name.
func storeFailure(t testing.TB, call string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s returned nil", call)
		return
	}
	for _, named := range []error{
		auth.ErrUserExists, auth.ErrUserNotFound, auth.ErrSessionNotFound, auth.ErrConflict, auth.ErrInvalidUsername, auth.ErrInvalidGrant,
		auth.ErrInvalidCredentials, auth.ErrInvalidToken, auth.ErrNoCredentials, auth.ErrInvalidRequest,
	} {
		if errors.Is(err, named) {
			t.Errorf("%s returned %v, which is %v", call, err, named)
		}
	}
	if !strings.HasPrefix(err.Error(), "auth: sql store: ") {
		t.Errorf("%s returned %q, which does not begin with the name of the package", call, err)
	}
}

// calls returns the methods of a store, called with a user that exists and a session that does not.
func calls(s *sqlstore.Store, u auth.User) map[string]func(context.Context) error {
	session := login("new", u.ID)
	next := session
	next.Version++
	later := time.Now().Add(time.Hour)
	return map[string]func(context.Context) error{
		"CreateSession":  func(ctx context.Context) error { return s.CreateSession(ctx, session) },
		"Session":        func(ctx context.Context) error { _, _, err := s.Session(ctx, session.ID); return err },
		"Sessions":       func(ctx context.Context) error { _, err := s.Sessions(ctx, u.ID); return err },
		"ReplaceSession": func(ctx context.Context) error { return s.ReplaceSession(ctx, session, next) },
		"DeleteSession":  func(ctx context.Context) error { return s.DeleteSession(ctx, session.ID, later) },
		"DeleteUserSessions": func(ctx context.Context) error {
			return s.DeleteUserSessions(ctx, u.ID, "", later, later)
		},
		"RevokedSince": func(ctx context.Context) error {
			_, err := s.RevokedSince(ctx, "", func(auth.Revocation) {})
			return err
		},
		"Prune":         s.Prune,
		"SetDisabled":   func(ctx context.Context) error { return s.SetDisabled(ctx, u.ID, true) },
		"DeleteUser":    func(ctx context.Context) error { return s.DeleteUser(ctx, u.ID) },
		"Record":        func(ctx context.Context) error { _, _, err := s.Record(ctx, "key"); return err },
		"ReplaceRecord": func(ctx context.Context) error { return s.ReplaceRecord(ctx, 0, auth.Record{Key: "key", Version: 1}) },
		"UserByAddress": func(ctx context.Context) error { _, err := s.UserByAddress(ctx, "address"); return err },
		"Address":       func(ctx context.Context) error { _, _, err := s.Address(ctx, u.ID); return err },
		"ReplaceAddress": func(ctx context.Context) error {
			return s.ReplaceAddress(ctx, u.ID, "", "address", true)
		},
		"Assignments": func(ctx context.Context) error { _, _, err := s.Assignments(ctx, u.ID); return err },
		"Holders":     func(ctx context.Context) error { _, err := s.Holders(ctx, "admin", "", "", 10); return err },
		"ReplaceAssignment": func(ctx context.Context) error {
			return s.ReplaceAssignment(ctx, assignment.Change{
				Assignment: assignment.Assignment{UserID: u.ID, Role: "admin", GrantedAt: later}, New: session.ID, Retired: session.ID, Expiry: later,
			})
		},
		"DeleteRecord":  func(ctx context.Context) error { return s.DeleteRecord(ctx, "key", 1) },
		"Records":       func(ctx context.Context) error { _, err := s.Records(ctx, u.ID); return err },
		"DeleteRecords": func(ctx context.Context) error { return s.DeleteRecords(ctx, u.ID) },

		"CreateUser":     func(ctx context.Context) error { return createUser(ctx, s, user("new", "new")) },
		"UserByID":       func(ctx context.Context) error { _, err := s.UserByID(ctx, u.ID); return err },
		"UserByUsername": func(ctx context.Context) error { _, err := s.UserByUsername(ctx, u.Username); return err },
		"ReplacePasswordHash": func(ctx context.Context) error {
			return s.ReplacePasswordHash(ctx, u.ID, u.PasswordHash, "$hash$new")
		},
	}
}

func TestLimits(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, _, _ := tt.store(t)
		longest := user(strings.Repeat("i", 255), strings.Repeat("n", 251)+"\U0001f600")
		longest.PasswordHash = strings.Repeat("h", 1024)
		create(t, s, longest)
		hasUser(t, s, longest)

		for name, text := range map[string]string{
			"empty": "", "too long": strings.Repeat("n", 256), "too long in bytes": strings.Repeat("\u00e9", 128),
			"NUL": "a\x00b", "not UTF-8": "a\xff", "surrogate": "\xed\xa0\x80",
		} {
			u := user("id of "+name, text)
			if err := createUser(bounded(t), s, u); !errors.Is(err, auth.ErrInvalidUsername) {
				t.Errorf("CreateUser with a username that is %s: %v, want %v", name, err, auth.ErrInvalidUsername)
			}
			hasNoUser(t, s, u)
			u = user(text, "name of "+name)
			storeFailure(t, "CreateUser with an ID that is "+name, createUser(bounded(t), s, u))
			hasNoUser(t, s, u)
			if err := s.ReplacePasswordHash(bounded(t), text, "", "$hash$new"); !errors.Is(err, auth.ErrUserNotFound) {
				t.Errorf("ReplacePasswordHash with an ID that is %s: %v, want %v", name, err, auth.ErrUserNotFound)
			}
		}
		for name, hash := range map[string]string{"too long": strings.Repeat("h", 1025), "NUL": "h\x00", "not UTF-8": "h\xff"} {
			u := user("id of "+name, "name of "+name)
			u.PasswordHash = hash
			storeFailure(t, "CreateUser with a hash that is "+name, createUser(bounded(t), s, u))
			hasNoUser(t, s, u)
			storeFailure(t, "ReplacePasswordHash by a hash that is "+name, s.ReplacePasswordHash(bounded(t), longest.ID, longest.PasswordHash, hash))
			if err := s.ReplacePasswordHash(bounded(t), longest.ID, hash, "$hash$new"); !errors.Is(err, auth.ErrConflict) {
				t.Errorf("ReplacePasswordHash of a hash that is %s: %v, want %v", name, err, auth.ErrConflict)
			}
			if err := s.ReplacePasswordHash(bounded(t), "nobody", hash, "$hash$new"); !errors.Is(err, auth.ErrUserNotFound) {
				t.Errorf("ReplacePasswordHash of an unknown user whose hash is %s: %v, want %v", name, err, auth.ErrUserNotFound)
			}
		}
		hasUser(t, s, longest)
	})
}

// TestConstraints writes to the table of users without a store: the table rejects what no store
// writes.
func TestConstraints(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		alice := user("1", "alice")
		create(t, s, alice)
		no := map[bool]string{true: "FALSE", false: "0"}[tt.dialect == sqlstore.PostgreSQL]
		insert := func(values string) error {
			_, err := db.ExecContext(bounded(t), "INSERT INTO "+p+"users (id, username, password_hash, disabled, created_at) VALUES ("+values+")")
			return err
		}
		if err := insert("'2', 'bob', '', " + no + ", 1"); err != nil {
			t.Fatalf("a valid row is rejected: %v", err)
		}
		for name, values := range map[string]string{
			"no ID":          "NULL, 'carol', '', " + no + ", 1",
			"no username":    "'3', NULL, '', " + no + ", 1",
			"no hash":        "'3', 'carol', NULL, " + no + ", 1",
			"no disabled":    "'3', 'carol', '', NULL, 1",
			"no time":        "'3', 'carol', '', " + no + ", NULL",
			"empty ID":       "'', 'carol', '', " + no + ", 1",
			"empty username": "'3', '', '', " + no + ", 1",
			"long ID":        "'" + strings.Repeat("i", 256) + "', 'carol', '', " + no + ", 1",
			"long username":  "'3', '" + strings.Repeat("n", 256) + "', '', " + no + ", 1",
			"long, in bytes": "'3', '" + strings.Repeat("\u00e9", 128) + "', '', " + no + ", 1",
			"long hash":      "'3', 'carol', '" + strings.Repeat("h", 1025) + "', " + no + ", 1",
			"not a boolean":  "'3', 'carol', '', 2, 1",
			"time in words":  "'3', 'carol', '', " + no + ", 'today'",
			"a taken ID":     "'1', 'carol', '', " + no + ", 1",
			"a taken name":   "'3', 'alice', '', " + no + ", 1",
		} {
			if err := insert(values); err == nil {
				t.Errorf("a row with %s is accepted", name)
			}
		}
		var rows int
		if err := db.QueryRowContext(bounded(t), "SELECT COUNT(*) FROM "+p+"users").Scan(&rows); err != nil || rows != 2 {
			t.Errorf("the table has %d rows, %v, want 2", rows, err)
		}
		hasUser(t, s, alice)
	})
}

// TestPrefix checks that stores with different prefixes share nothing.
func TestPrefix(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, _ := tt.store(t)
		other, err := sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: prefix(t, db)})
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Migrate(bounded(t)); err != nil {
			t.Fatal(err)
		}
		alice := user("1", "alice")
		create(t, s, alice)
		hasNoUser(t, other, alice)
		create(t, other, alice)
	})
}

// TestTwoPrograms registers the same names from two pools at once: one of them gets each name, and both
// read the same owner.
func TestTwoPrograms(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		source := tt.source(t)
		db := open(t, tt.driver, source)
		p := prefix(t, db)
		const names, programs = 40, 2
		stores := make([]*sqlstore.Store, programs)
		for i := range stores {
			s, err := sqlstore.New(open(t, tt.driver, source), tt.dialect, sqlstore.Config{TablePrefix: p})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Migrate(bounded(t)); err != nil {
				t.Fatal(err)
			}
			stores[i] = s
		}
		type result struct {
			program, name int
			err           error
		}
		results := make(chan result)
		for program, s := range stores {
			for name := range names {
				go func() {
					u := user(fmt.Sprintf("%d-%d", program, name), fmt.Sprintf("user-%d", name))
					results <- result{program, name, createUser(bounded(t), s, u)}
				}()
			}
		}
		owner := make(map[int]int)
		for range names * programs {
			r := <-results
			if r.err == nil {
				if first, taken := owner[r.name]; taken {
					t.Errorf("user-%d belongs to programs %d and %d", r.name, first, r.program)
				}
				owner[r.name] = r.program
			} else if !errors.Is(r.err, auth.ErrUserExists) {
				t.Errorf("CreateUser of user-%d: %v", r.name, r.err)
			}
		}
		for name := range names {
			for _, s := range stores {
				u, err := s.UserByUsername(bounded(t), fmt.Sprintf("user-%d", name))
				if want := fmt.Sprintf("%d-%d", owner[name], name); err != nil || u.ID != want {
					t.Errorf("user-%d is %q, %v, want %q", name, u.ID, err, want)
				}
			}
		}
	})
}
