// Package rolestest holds the suite that proves a store of roles right. A host that keeps roles itself runs it in a
// test:
//
//	func TestRoles(t *testing.T) {
//		rolestest.TestStore(t, func(t *testing.T) (s assignment.Store, users [3]string) {
//			// Return a store, and the IDs of three users in it who have no roles.
//		})
//	}
package rolestest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
)

// TestStore checks that a store keeps the contract of [assignment.Store]. It calls factory once for each rule. The
// factory returns a store, and the IDs of three users that exist and never had a role.
func TestStore(t *testing.T, factory func(t *testing.T) (s assignment.Store, users [3]string)) {
	t.Helper()
	if factory == nil {
		t.Fatal("rolestest: the factory is nil")
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if err := broken(r, func() (assignment.Store, [3]string) { return factory(t) }); err != nil {
				t.Error(err)
			}
		})
	}
}

// rule is one sentence of the contract.
type rule struct {
	name  string
	holds string // the rule as the sentence that a failure prints
	check func(c *checker)
}

// broken returns an error that says how a store breaks a rule, or nil.
func broken(r rule, factory func() (assignment.Store, [3]string)) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	s, users := factory()
	c := &checker{ctx: ctx, s: s, ada: users[0], eve: users[1], lin: users[2]}
	r.check(c)
	if len(c.faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s\n\tbut: %s", r.holds, strings.Join(c.faults, "\n\tand: "))
}

var rules = []rule{
	{"None", "A user without roles, or an unknown one, has the zero State.", checkNone},
	{"Put", "A change writes one assignment as it was given, and the user's version, and nothing of other users.", checkPut},
	{"Replace", "A change writes over the assignment with the same user, role and organisation alone.", checkReplace},
	{"Remove", "A change removes one assignment alone, and removing what is not there is no error.", checkRemove},
	{"Conflict", "A change from a version that is not the user's changes nothing.", checkConflict},
	{"By", "A change by a user whose version is another changes nothing.", checkBy},
	{"Keep", "A change that must leave another holder changes nothing if nobody else has the role, in that organisation, without an end.", checkKeep},
	{"UnknownUser", "A change for a user who is not there returns ErrUserNotFound.", checkUnknown},
	{"Ended", "An assignment that has ended is in no list.", checkEnded},
	{"Holders", "Holders returns the holders of one role in one organisation, in the order of their IDs, page by page.", checkHolders},
	{"Feed", "Each change is in the feed as a revocation of the retired version, and a change that was refused is not.", checkFeed},
	{"RaceOfOneUser", "Of many changes from one version exactly one succeeds, and the others get ErrConflict.", checkRaceOne},
	{"RaceOfTheLast", "When all holders of a role are removed at once, one of them keeps it.", checkRaceLast},
	{"RaceWithTheGranter", "Of a grant and the change of its granter's roles, at most one succeeds from the same version.", checkRaceGranter},
	{"Context", "With a context that has ended, no method changes anything or calls a user unknown.", checkContext},
}

// checker checks one rule.
type checker struct {
	ctx           context.Context
	s             assignment.Store
	ada, eve, lin string
	faults        []string
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// newVersion returns a version as package roles makes it.
func newVersion() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// from returns a change of an assignment from the user's present version.
func (c *checker) from(a assignment.Assignment) assignment.Change {
	s, _, err := c.s.Assignments(c.ctx, a.UserID)
	if err != nil {
		c.fault("Assignments: %v", err)
	}
	if a.GrantedAt.IsZero() {
		a.GrantedAt = now()
	}
	change := assignment.Change{Assignment: a, Old: s.Version, New: newVersion(), Retired: s.Version, Expiry: time.Now().Add(time.Hour)}
	if s.Version == "" {
		change.Retired = newVersion()
	}
	return change
}

// makes makes a change, which must return want.
func (c *checker) makes(change assignment.Change, want error) {
	if err := c.s.ReplaceAssignment(c.ctx, change); !errors.Is(err, want) || want == nil && err != nil {
		c.fault("ReplaceAssignment of %s for %s returned %v, want %v", change.Role, change.UserID, err, want)
	}
}

// has compares the state of a user.
func (c *checker) has(userID, version string, want ...assignment.Assignment) {
	s, at, err := c.s.Assignments(c.ctx, userID)
	if err != nil {
		c.fault("Assignments: %v", err)
		return
	}
	if s.Version != version {
		c.fault("the version of %s is %q, want %q", userID, s.Version, version)
	}
	if since := time.Since(at); since.Abs() > 24*time.Hour {
		c.fault("the store's time is %v off", since)
	}
	sort := func(list []assignment.Assignment) []assignment.Assignment {
		list = slices.Clone(list)
		slices.SortFunc(list, func(a, b assignment.Assignment) int { return strings.Compare(a.Org+"/"+a.Role, b.Org+"/"+b.Role) })
		return list
	}
	if got, want := sort(s.Assignments), sort(want); !slices.Equal(got, want) {
		c.fault("the roles of %s are %+v, want %+v", userID, got, want)
	}
}

// put gives a user a role, and returns the assignment and the new version.
func (c *checker) put(a assignment.Assignment) (assignment.Assignment, string) {
	change := c.from(a)
	c.makes(change, nil)
	return change.Assignment, change.New
}

func checkNone(c *checker) {
	c.has(c.ada, "")
	for _, id := range []string{"nobody", "", "\x00", "\xff", strings.Repeat("n", 300)} {
		c.has(id, "")
	}
	if list, err := c.s.Holders(c.ctx, "admin", "", "", 10); err != nil || len(list) != 0 {
		c.fault("Holders of a role that nobody has: %v, %v", list, err)
	}
}

func checkPut(c *checker) {
	first, _ := c.put(assignment.Assignment{UserID: c.ada, Role: "admin", GrantedBy: c.eve})
	second, version := c.put(assignment.Assignment{UserID: c.ada, Role: "editor", Org: "org-1", GrantedAt: now().Add(-time.Hour), Until: now().Add(time.Hour)})
	c.has(c.ada, version, first, second)
	c.has(c.eve, "")
}

func checkReplace(c *checker) {
	base, _ := c.put(assignment.Assignment{UserID: c.ada, Role: "editor"})
	otherOrg, _ := c.put(assignment.Assignment{UserID: c.ada, Role: "editor", Org: "org-1"})
	otherRole, _ := c.put(assignment.Assignment{UserID: c.ada, Role: "Editor"})
	otherUser, eves := c.put(assignment.Assignment{UserID: c.eve, Role: "editor"})
	base.Until, base.GrantedBy = now().Add(time.Hour), c.lin
	base, version := c.put(base)
	c.has(c.ada, version, base, otherOrg, otherRole)
	c.has(c.eve, eves, otherUser)
}

func checkRemove(c *checker) {
	kept, _ := c.put(assignment.Assignment{UserID: c.ada, Role: "editor", Org: "org-1"})
	removed, _ := c.put(assignment.Assignment{UserID: c.ada, Role: "editor"})
	other, eves := c.put(assignment.Assignment{UserID: c.eve, Role: "editor"})
	for range 2 {
		change := c.from(removed)
		change.Remove = true
		c.makes(change, nil)
		c.has(c.ada, change.New, kept)
	}
	c.has(c.eve, eves, other)
}

func checkConflict(c *checker) {
	late := c.from(assignment.Assignment{UserID: c.ada, Role: "admin"})
	first, version := c.put(assignment.Assignment{UserID: c.ada, Role: "viewer"})
	c.makes(late, auth.ErrConflict)
	late.Old, late.Retired = newVersion(), newVersion()
	c.makes(late, auth.ErrConflict)
	c.has(c.ada, version, first)
	late = c.from(assignment.Assignment{UserID: c.eve, Role: "admin"})
	late.Old = newVersion() // eve has none
	c.makes(late, auth.ErrConflict)
	c.has(c.eve, "")
}

func checkBy(c *checker) {
	_, first := c.put(assignment.Assignment{UserID: c.eve, Role: "admin"})
	_, second := c.put(assignment.Assignment{UserID: c.eve, Role: "viewer"})
	change := c.from(assignment.Assignment{UserID: c.ada, Role: "admin", GrantedBy: c.eve})
	for _, wrong := range []string{first, "", newVersion()} {
		change.By, change.ByVersion = c.eve, wrong
		c.makes(change, auth.ErrConflict)
	}
	for _, wrong := range []string{second, ""} {
		change.By, change.ByVersion = c.lin, wrong // lin has none
		c.makes(change, auth.ErrConflict)
	}
	c.has(c.ada, "")
	change.By, change.ByVersion = c.eve, second
	c.makes(change, nil)
	c.has(c.ada, change.New, change.Assignment)
}

func checkKeep(c *checker) {
	admin, version := c.put(assignment.Assignment{UserID: c.ada, Role: "admin"})
	c.put(assignment.Assignment{UserID: c.eve, Role: "admin", Org: "org-1"})
	c.put(assignment.Assignment{UserID: c.lin, Role: "admin", Until: now().Add(time.Hour)})
	c.put(assignment.Assignment{UserID: c.lin, Role: "administrator"})
	for _, remove := range []bool{true, false} {
		change := c.from(assignment.Assignment{UserID: c.ada, Role: "admin", Until: now().Add(time.Hour)})
		change.Remove, change.Keep = remove, true
		c.makes(change, assignment.ErrLast)
		c.has(c.ada, version, admin)
	}
	c.put(assignment.Assignment{UserID: c.eve, Role: "admin"})
	change := c.from(admin)
	change.Remove, change.Keep = true, true
	c.makes(change, nil)
	c.has(c.ada, change.New)
}

func checkUnknown(c *checker) {
	for _, id := range []string{"nobody-of-this-name", "", "\x00", strings.Repeat("n", 300)} {
		change := assignment.Change{
			Assignment: assignment.Assignment{UserID: id, Role: "admin", GrantedAt: now()}, New: newVersion(), Retired: newVersion(), Expiry: now().Add(time.Hour),
		}
		c.makes(change, auth.ErrUserNotFound)
	}
	if list, err := c.s.Holders(c.ctx, "admin", "", "", 10); err != nil || len(list) != 0 {
		c.fault("Holders: %v, %v", list, err)
	}
}

func checkEnded(c *checker) {
	c.put(assignment.Assignment{UserID: c.ada, Role: "editor", Until: now().Add(-48 * time.Hour)})
	lasting, version := c.put(assignment.Assignment{UserID: c.ada, Role: "viewer", Until: now().Add(48 * time.Hour)})
	c.has(c.ada, version, lasting)
	if list, err := c.s.Holders(c.ctx, "editor", "", "", 10); err != nil || len(list) != 0 {
		c.fault("Holders of a role that has ended: %v, %v", list, err)
	}
	again, version := c.put(assignment.Assignment{UserID: c.ada, Role: "editor"})
	c.has(c.ada, version, lasting, again)
}

func checkHolders(c *checker) {
	users := []string{c.ada, c.eve, c.lin}
	slices.Sort(users)
	var want []assignment.Assignment
	for _, id := range users {
		a, _ := c.put(assignment.Assignment{UserID: id, Role: "editor"})
		want = append(want, a)
	}
	c.put(assignment.Assignment{UserID: c.ada, Role: "editor", Org: "org-1"})
	c.put(assignment.Assignment{UserID: c.ada, Role: "editor2"})
	for limit := 1; limit <= 4; limit++ {
		var got []assignment.Assignment
		for after := ""; ; {
			page, err := c.s.Holders(c.ctx, "editor", "", after, limit)
			if err != nil || len(page) > limit {
				c.fault("Holders with a limit of %d: %d, %v", limit, len(page), err)
				return
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1].UserID
		}
		if !slices.Equal(got, want) {
			c.fault("with a limit of %d the holders are %+v, want %+v", limit, got, want)
		}
	}
	if list, err := c.s.Holders(c.ctx, "editor", "org-1", "", 10); err != nil || len(list) != 1 || list[0].UserID != c.ada {
		c.fault("Holders in an organisation: %+v, %v", list, err)
	}
}

// fed returns what the feed has after a cursor.
func (c *checker) fed(cursor string) (map[string]time.Time, string) {
	found := map[string]time.Time{}
	next, err := c.s.RevokedSince(c.ctx, cursor, func(r auth.Revocation) { found[r.SessionID] = r.Expiry })
	if err != nil {
		c.fault("RevokedSince: %v", err)
	}
	return found, next
}

func checkFeed(c *checker) {
	_, cursor := c.fed("")
	for i := range 3 {
		change := c.from(assignment.Assignment{UserID: c.ada, Role: "editor"})
		change.Expiry, change.Remove = now().Add(time.Duration(i+1)*time.Hour), i == 1
		c.makes(change, nil)
		var found map[string]time.Time
		found, cursor = c.fed(cursor)
		if at, there := found[change.Retired]; !there || !at.Equal(change.Expiry) {
			c.fault("the feed has %v, want %s until %v", found, change.Retired, change.Expiry)
		}
		if _, there := found[change.New]; there {
			c.fault("the feed has the new version")
		}
	}
	refused := c.from(assignment.Assignment{UserID: c.ada, Role: "editor"})
	refused.Old, refused.Retired = newVersion(), newVersion()
	c.makes(refused, auth.ErrConflict)
	refused = c.from(assignment.Assignment{UserID: c.ada, Role: "editor"})
	refused.Keep, refused.Remove = true, true
	c.makes(refused, assignment.ErrLast)
	if found, _ := c.fed(""); !found[refused.Retired].IsZero() {
		c.fault("the feed has the version of a change that was refused")
	}
}

// together calls f from many goroutines at once, and counts those that return nil. Others must return one of the
// errors.
func (c *checker) together(n int, f func(i int) error, others ...error) (won int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			err := f(i)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !slices.ContainsFunc(others, func(want error) bool { return errors.Is(err, want) }):
				c.fault("a call returned %v", err)
			}
		})
	}
	close(start)
	wg.Wait()
	return won
}

func checkRaceOne(c *checker) {
	for range 3 {
		change := c.from(assignment.Assignment{UserID: c.ada})
		if won := c.together(8, func(i int) error {
			change := change
			change.Role, change.New = fmt.Sprintf("role-%d", i), newVersion()
			return c.s.ReplaceAssignment(c.ctx, change)
		}, auth.ErrConflict); won != 1 {
			c.fault("%d calls succeeded, want 1", won)
		}
	}
	if s, _, err := c.s.Assignments(c.ctx, c.ada); err != nil || len(s.Assignments) < 1 || len(s.Assignments) > 3 {
		c.fault("after three changes there are %d roles, %v", len(s.Assignments), err)
	}
}

func checkRaceLast(c *checker) {
	users := []string{c.ada, c.eve, c.lin}
	for range 5 {
		var changes []assignment.Change
		for _, id := range users {
			c.put(assignment.Assignment{UserID: id, Role: "admin"})
			change := c.from(assignment.Assignment{UserID: id, Role: "admin"})
			change.Remove, change.Keep = true, true
			changes = append(changes, change)
		}
		if won := c.together(len(users), func(i int) error { return c.s.ReplaceAssignment(c.ctx, changes[i]) }, assignment.ErrLast); won != 2 {
			c.fault("%d of 3 holders lost the role, want 2", won)
		}
		if list, err := c.s.Holders(c.ctx, "admin", "", "", 10); err != nil || len(list) != 1 {
			c.fault("%d holders are left, %v", len(list), err)
		}
	}
}

func checkRaceGranter(c *checker) {
	c.put(assignment.Assignment{UserID: c.ada, Role: "viewer"})
	for range 5 {
		_, granter := c.put(assignment.Assignment{UserID: c.eve, Role: "admin"})
		grant := c.from(assignment.Assignment{UserID: c.ada, Role: "admin", GrantedBy: c.eve})
		grant.By, grant.ByVersion = c.eve, granter
		demotion := c.from(assignment.Assignment{UserID: c.eve, Role: "admin"})
		demotion.Remove = true
		demotion.By, demotion.ByVersion = c.ada, grant.Old // each is by the other
		if won := c.together(2, func(i int) error {
			return c.s.ReplaceAssignment(c.ctx, []assignment.Change{grant, demotion}[i])
		}, auth.ErrConflict); won != 1 {
			c.fault("%d of two changes succeeded, each by the other's user: want 1", won)
		}
		remove := c.from(assignment.Assignment{UserID: c.ada, Role: "admin"})
		remove.Remove = true
		c.makes(remove, nil)
	}
}

func checkContext(c *checker) {
	stored, version := c.put(assignment.Assignment{UserID: c.ada, Role: "editor"})
	change := c.from(assignment.Assignment{UserID: c.ada, Role: "admin"})
	ended, cancel := context.WithCancel(c.ctx)
	cancel()
	_, _, state := c.s.Assignments(ended, c.ada)
	_, holders := c.s.Holders(ended, "editor", "", "", 10)
	for call, err := range map[string]error{"Assignments": state, "Holders": holders, "ReplaceAssignment": c.s.ReplaceAssignment(ended, change)} {
		if !errors.Is(err, context.Canceled) || errors.Is(err, auth.ErrUserNotFound) || errors.Is(err, auth.ErrConflict) {
			c.fault("%s with a context that has ended returned %v", call, err)
		}
	}
	c.has(c.ada, version, stored)
}
