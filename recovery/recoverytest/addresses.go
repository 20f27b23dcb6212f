// Package recoverytest holds the suite that proves a [recovery.Addresses] right. A host that keeps the
// addresses of its users itself runs it in a test:
//
//	func TestAddresses(t *testing.T) {
//		recoverytest.TestAddresses(t, func(t *testing.T) (a recovery.Addresses, ada, eve string) {
//			// Return an Addresses, and the IDs of two users in it who have no address.
//		})
//	}
package recoverytest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// TestAddresses checks that an Addresses keeps its contract. It calls factory once for each rule. The
// factory returns an Addresses, and the IDs of two users that exist and have no address.
func TestAddresses(t *testing.T, factory func(t *testing.T) (a recovery.Addresses, ada, eve string)) {
	t.Helper()
	if factory == nil {
		t.Fatal("recoverytest: the factory is nil")
	}
	rule := func(name string, check func(c *checker)) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			a, ada, eve := factory(t)
			check(&checker{t, ctx, a, ada, eve})
		})
	}
	rule("None", func(c *checker) {
		c.has(c.ada, "", false)
		c.owned("ada@example.com", "")
		c.has("00000000-0000-7000-8000-000000000000", "", false)
	})
	rule("Add", func(c *checker) {
		c.replace(c.ada, "", "ada@example.com", false, nil)
		c.has(c.ada, "ada@example.com", false)
		c.owned("ada@example.com", c.ada)
		c.has(c.eve, "", false)
	})
	rule("Exact", func(c *checker) {
		c.replace(c.ada, "", "ada@example.com", true, nil)
		for _, other := range []string{"Ada@example.com", "ada@example.com ", " ada@example.com", "ada@example.co", "ada_example.com", "%", ""} {
			c.owned(other, "")
		}
	})
	rule("Verify", func(c *checker) {
		c.replace(c.ada, "", "ada@example.com", false, nil)
		c.replace(c.ada, "ada@example.com", "ada@example.com", true, nil)
		c.has(c.ada, "ada@example.com", true)
		c.replace(c.ada, "ada@example.com", "ada@example.com", true, nil) // repeating it is no conflict
	})
	rule("Replace", func(c *checker) {
		c.replace(c.ada, "", "ada@example.com", true, nil)
		c.replace(c.ada, "ada@example.com", "new@example.com", false, nil)
		c.has(c.ada, "new@example.com", false)
		c.owned("ada@example.com", "")
		c.replace(c.eve, "", "ada@example.com", true, nil) // the old address is free again
	})
	rule("Conflict", func(c *checker) {
		c.replace(c.ada, "", "ada@example.com", false, nil)
		c.replace(c.ada, "", "new@example.com", true, auth.ErrConflict)
		c.replace(c.ada, "Ada@example.com", "new@example.com", true, auth.ErrConflict)
		c.replace(c.ada, "old@example.com", "ada@example.com", true, auth.ErrConflict)
		c.has(c.ada, "ada@example.com", false)
		c.owned("new@example.com", "")
	})
	rule("Taken", func(c *checker) {
		c.replace(c.ada, "", "ada@example.com", true, nil)
		c.replace(c.eve, "", "eve@example.com", false, nil)
		c.replace(c.eve, "eve@example.com", "ada@example.com", true, auth.ErrUserExists)
		c.has(c.eve, "eve@example.com", false)
		c.owned("ada@example.com", c.ada)
		c.owned("eve@example.com", c.eve)
	})
	rule("Remove", func(c *checker) {
		c.replace(c.ada, "", "ada@example.com", true, nil)
		c.replace(c.ada, "ada@example.com", "", false, nil)
		c.has(c.ada, "", false)
		c.owned("ada@example.com", "")
		c.replace(c.eve, "", "", false, nil) // both users have no address, which is no conflict
	})
	rule("RaceForOneAddress", func(c *checker) {
		c.race(auth.ErrUserExists, auth.ErrConflict, func(i int) error {
			id := []string{c.ada, c.eve}[i%2]
			return c.a.ReplaceAddress(c.ctx, id, "", "one@example.com", true)
		})
	})
	rule("RaceOfOneUser", func(c *checker) {
		c.race(auth.ErrConflict, auth.ErrConflict, func(i int) error {
			return c.a.ReplaceAddress(c.ctx, c.ada, "", string(rune('a'+i))+"@example.com", true)
		})
	})
	rule("Context", func(c *checker) {
		ended, cancel := context.WithCancel(c.ctx)
		cancel()
		_, lookUp := c.a.UserByAddress(ended, "ada@example.com")
		_, _, address := c.a.Address(ended, c.ada)
		for i, err := range []error{lookUp, address, c.a.ReplaceAddress(ended, c.ada, "", "ada@example.com", true)} {
			if err == nil || errors.Is(err, auth.ErrUserNotFound) || errors.Is(err, auth.ErrConflict) || errors.Is(err, auth.ErrUserExists) {
				c.t.Errorf("call %d with a context that has ended returned %v", i, err)
			}
		}
		c.has(c.ada, "", false)
	})
}

// checker checks one rule.
type checker struct {
	t        *testing.T
	ctx      context.Context
	a        recovery.Addresses
	ada, eve string
}

// has fails the test unless the user has this address, or none if want is empty.
func (c *checker) has(id, want string, wantVerified bool) {
	c.t.Helper()
	address, verified, err := c.a.Address(c.ctx, id)
	switch {
	case want == "" && !errors.Is(err, auth.ErrUserNotFound):
		c.t.Errorf("Address of a user without one returned %q, %v, want auth.ErrUserNotFound", address, err)
	case want != "" && (err != nil || address != want || verified != wantVerified):
		c.t.Errorf("Address returned %q, %t, %v, want %q, %t", address, verified, err, want, wantVerified)
	}
}

// owned fails the test unless the address belongs to the user with the ID want, or to nobody if want is
// empty.
func (c *checker) owned(address, want string) {
	c.t.Helper()
	id, err := c.a.UserByAddress(c.ctx, address)
	switch {
	case want == "" && !errors.Is(err, auth.ErrUserNotFound):
		c.t.Errorf("UserByAddress of %q, which belongs to nobody, returned %q, %v, want auth.ErrUserNotFound", address, id, err)
	case want != "" && (err != nil || id != want):
		c.t.Errorf("UserByAddress of %q returned %q, %v, want %q", address, id, err, want)
	}
}

// replace fails the test unless ReplaceAddress returns want.
func (c *checker) replace(id, old, replacement string, verified bool, want error) {
	c.t.Helper()
	err := c.a.ReplaceAddress(c.ctx, id, old, replacement, verified)
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		c.t.Errorf("ReplaceAddress of %q by %q returned %v, want %v", old, replacement, err, want)
	}
}

// race makes 16 concurrent calls of f. It fails the test unless exactly one succeeds and each of the
// others returns one of the two errors.
func (c *checker) race(taken, changed error, f func(i int) error) {
	c.t.Helper()
	errs := make([]error, 16)
	start := make(chan struct{})
	var calls sync.WaitGroup
	for i := range errs {
		calls.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	calls.Wait()
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
		} else if !errors.Is(err, taken) && !errors.Is(err, changed) {
			c.t.Errorf("a call that did not succeed returned %v, want %v or %v", err, taken, changed)
		}
	}
	if succeeded != 1 {
		c.t.Errorf("of %d concurrent calls %d succeeded, want 1", len(errs), succeeded)
	}
}
