// Package recoverytest holds the suite that proves a [recovery.Addresses] right.
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

// TestAddresses checks that an Addresses keeps its contract. It calls factory for
// each rule, and with it for two users that exist and have no address.
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
		c.replace(c.ada, "ada@example.com", "ada@example.com", true, nil) // once more changes nothing, and is no conflict
	})
	rule("Replace", func(c *checker) {
		c.replace(c.ada, "", "ada@example.com", true, nil)
		c.replace(c.ada, "ada@example.com", "new@example.com", false, nil)
		c.has(c.ada, "new@example.com", false)
		c.owned("ada@example.com", "")
		c.replace(c.eve, "", "ada@example.com", true, nil) // is free
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
		c.replace(c.eve, "", "", false, nil) // two without an address are no conflict
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

// checker is one rule's.
type checker struct {
	t        *testing.T
	ctx      context.Context
	a        recovery.Addresses
	ada, eve string
}

// has fails the test unless the user has this address; empty: none.
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

// owned fails the test unless the address is this user's; empty: nobody's.
func (c *checker) owned(address, want string) {
	c.t.Helper()
	id, err := c.a.UserByAddress(c.ctx, address)
	switch {
	case want == "" && !errors.Is(err, auth.ErrUserNotFound):
		c.t.Errorf("UserByAddress of %q, which is nobody's, returned %q, %v, want auth.ErrUserNotFound", address, id, err)
	case want != "" && (err != nil || id != want):
		c.t.Errorf("UserByAddress of %q returned %q, %v, want %q", address, id, err, want)
	}
}

func (c *checker) replace(id, old, replacement string, verified bool, want error) {
	c.t.Helper()
	err := c.a.ReplaceAddress(c.ctx, id, old, replacement, verified)
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		c.t.Errorf("ReplaceAddress of %q by %q returned %v, want %v", old, replacement, err, want)
	}
}

// race calls f at once and fails the test unless one call succeeds, and the others
// return one of the two.
func (c *checker) race(loss, other error, f func(i int) error) {
	c.t.Helper()
	errs := make([]error, 16)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, loss) && !errors.Is(err, other) {
			c.t.Errorf("who was too late got %v", err)
		}
	}
	if won != 1 {
		c.t.Errorf("of %d calls at once %d succeeded, want 1", len(errs), won)
	}
}
