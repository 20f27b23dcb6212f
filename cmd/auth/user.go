package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// find returns the user that an argument names: exactly as it is stored, or with other capitals.
func (a *accounts) find(ctx context.Context, name string, byID bool) (auth.User, error) {
	if byID {
		u, err := a.store.UserByID(ctx, name)
		if errors.Is(err, auth.ErrUserNotFound) {
			err = fmt.Errorf("there is no user with the ID %q", name)
		}
		return u, err
	}
	u, err := a.store.UserByUsername(ctx, name)
	if folded := strings.ToLower(strings.TrimSpace(name)); errors.Is(err, auth.ErrUserNotFound) && folded != name {
		u, err = a.store.UserByUsername(ctx, folded)
	}
	if errors.Is(err, auth.ErrUserNotFound) {
		err = fmt.Errorf("there is no user %q", name)
	}
	return u, err
}

// withUser calls f with the user that the only argument names.
func (c *command) withUser(ctx context.Context, args []string, f func(*accounts, auth.User) error) error {
	name, err := oneArgument(args, "user")
	if err != nil {
		return err
	}
	return c.withAccounts(ctx, func(a *accounts) error {
		u, err := a.find(ctx, name, c.byID)
		if err != nil {
			return err
		}
		return f(a, u)
	})
}

// each returns an action that calls f for each user that an argument names. It looks all of them up
// before it changes one.
func each(f func(*accounts, context.Context, auth.User) error, done string) action {
	return func(ctx context.Context, c *command, args []string) error {
		switch {
		case len(args) == 0:
			return usageError("want at least one user")
		case len(args) > 1 && !c.yes:
			return usagef("these are %d users: add -yes to change them all", len(args))
		}
		return c.withAccounts(ctx, func(a *accounts) error {
			users := make([]auth.User, len(args))
			for i, name := range args {
				var err error
				if users[i], err = a.find(ctx, name, c.byID); err != nil {
					return err
				}
			}
			for _, u := range users {
				if err := f(a, ctx, u); err != nil {
					return fmt.Errorf("%q: %w", u.Username, err)
				}
				if err := c.done(printable(u.Username) + " is " + done); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// by returns a method of accounts that calls one of the Authenticator.
func by(f func(*auth.Authenticator, context.Context, string) error) func(*accounts, context.Context, auth.User) error {
	return func(a *accounts, ctx context.Context, u auth.User) error {
		rules, err := a.authenticator()
		if err != nil {
			return err
		}
		return f(rules, ctx, u.ID)
	}
}

func endSessions(a *auth.Authenticator, ctx context.Context, userID string) error {
	return a.EndSessions(ctx, userID, "")
}

func (a *accounts) unlock(ctx context.Context, u auth.User) error {
	return a.throttle.Unlock(ctx, u.Username)
}

func (a *accounts) sessions(ctx context.Context, u auth.User) ([]auth.Session, error) {
	rules, err := a.authenticator()
	if err != nil {
		return nil, err
	}
	return rules.Sessions(ctx, u.ID)
}

// instant writes a time. The zero time is unknown.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func listUsers(ctx context.Context, c *command, args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	return c.withAccounts(ctx, func(a *accounts) error {
		t, listed := c.table(), 0
		for after := c.after; ; {
			users, err := a.store.Users(ctx, after)
			if err != nil {
				return err
			}
			for _, u := range users {
				if listed++; c.limit > 0 && listed > c.limit {
					return t.flush()
				}
				after = u.Username
				err := t.add(object{{"id", u.ID}, {"username", u.Username}, {"disabled", u.Disabled}, {"has_password", u.PasswordHash != ""}, {"created_at", instant(u.CreatedAt)}})
				if err != nil {
					return err
				}
			}
			if len(users) == 0 {
				return t.flush()
			}
		}
	})
}

func showUsers(ctx context.Context, c *command, args []string) error {
	if len(args) == 0 {
		return usageError("want at least one user")
	}
	return c.withAccounts(ctx, func(a *accounts) error {
		t := c.table()
		for _, name := range args {
			u, err := a.find(ctx, name, c.byID)
			if err != nil {
				return err
			}
			address, verified, err := a.address(ctx, u.ID)
			if err != nil {
				return err
			}
			sessions, err := a.sessions(ctx, u)
			if err != nil {
				return err
			}
			records, err := a.store.Records(ctx, u.ID)
			if err != nil {
				return err
			}
			err = t.add(object{
				{"id", u.ID}, {"username", u.Username}, {"disabled", u.Disabled}, {"has_password", u.PasswordHash != ""}, {"created_at", instant(u.CreatedAt)},
				{"email", address}, {"email_verified", verified}, {"sessions", len(sessions)}, {"records", len(records)},
			})
			if err != nil {
				return err
			}
		}
		return t.flush()
	})
}

// address returns the address of a user, which is empty if there is none.
func (a *accounts) address(ctx context.Context, userID string) (address string, verified bool, err error) {
	address, verified, err = a.store.Address(ctx, userID)
	if errors.Is(err, auth.ErrUserNotFound) {
		err = nil
	}
	return address, verified, err
}

// secretSource says where a new password comes from.
type secretSource struct{ generate bool }

// password returns the new password: a random one, which is printed later, or the first line of standard
// input.
func (c *command) password() (string, error) {
	if c.secret.generate {
		return rand.Text(), nil
	}
	if c.terminal {
		fmt.Fprint(c.stderr, "new password (it is shown): ")
	}
	line, err := bufio.NewReader(io.LimitReader(c.stdin, 1<<16)).ReadString('\n')
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		if err != nil && err != io.EOF {
			return "", err
		}
		return "", usageError("the first line of standard input must be the password, or use -generate")
	}
	return line, nil
}

// printPassword prints the password if it was generated.
func (c *command) printPassword(u auth.User, password string) error {
	o := object{{"id", u.ID}, {"username", u.Username}}
	if c.secret.generate {
		o = append(o, member{"password", password})
	}
	t := c.table()
	if err := t.add(o); err != nil {
		return err
	}
	return t.flush()
}

func createUser(ctx context.Context, c *command, args []string) error {
	name, err := oneArgument(args, "user")
	if err != nil {
		return err
	}
	return c.withAccounts(ctx, func(a *accounts) error {
		password, err := c.password()
		if err != nil {
			return err
		}
		rules, err := a.authenticator()
		if err != nil {
			return err
		}
		u, err := rules.Register(ctx, name, password)
		if err != nil {
			return err
		}
		if c.email != "" {
			if err := a.addAddress(ctx, u.ID, c.email, true); err != nil {
				return errors.Join(fmt.Errorf("the address: %w", err), rules.Delete(ctx, u.ID))
			}
		}
		return c.printPassword(u, password)
	})
}

func setPassword(ctx context.Context, c *command, args []string) error {
	return c.withUser(ctx, args, func(a *accounts, u auth.User) error {
		password, err := c.password()
		if err != nil {
			return err
		}
		rules, err := a.authenticator()
		if err != nil {
			return err
		}
		if err := rules.SetPassword(ctx, u.ID, password); err != nil {
			return err
		}
		return c.printPassword(u, password)
	})
}

// sessionOf returns what is shown of a session: neither its seed nor anything that a token is made of.
func sessionOf(s auth.Session) object {
	return object{
		{"id", s.ID}, {"created_at", instant(s.CreatedAt)}, {"used_at", instant(s.LastUsedAt)}, {"expires_at", instant(s.ExpiresAt)},
		{"ip", s.IP.String()}, {"user_agent", s.UserAgent},
	}
}

func listSessions(ctx context.Context, c *command, args []string) error {
	return c.withUser(ctx, args, func(a *accounts, u auth.User) error {
		sessions, err := a.sessions(ctx, u)
		if err != nil {
			return err
		}
		t := c.table()
		for _, s := range sessions {
			if err := t.add(sessionOf(s)); err != nil {
				return err
			}
		}
		return t.flush()
	})
}

func exportUser(ctx context.Context, c *command, args []string) error {
	return c.withUser(ctx, args, func(a *accounts, u auth.User) error {
		address, verified, err := a.address(ctx, u.ID)
		if err != nil {
			return err
		}
		list, err := a.sessions(ctx, u)
		if err != nil {
			return err
		}
		records, err := a.store.Records(ctx, u.ID)
		if err != nil {
			return err
		}
		sessions, kept := []object{}, []object{}
		for _, s := range list {
			sessions = append(sessions, sessionOf(s))
		}
		for _, r := range records { // their values are secrets, or sealed
			kept = append(kept, object{{"key", r.Key}, {"expires_at", instant(r.ExpiresAt)}})
		}
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		return e.Encode(object{
			{"id", u.ID}, {"username", u.Username}, {"has_password", u.PasswordHash != ""}, {"disabled", u.Disabled}, {"created_at", instant(u.CreatedAt)},
			{"email", address}, {"email_verified", verified}, {"sessions", sessions}, {"records", kept},
		})
	})
}
