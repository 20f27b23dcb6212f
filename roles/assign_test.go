package roles_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/roles"
)

// follow returns a list that has read the feed of a store.
func follow(t testing.TB, feed revocation.Feed) *revocation.List {
	t.Helper()
	list, err := revocation.Follow(feed, revocation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	if err := list.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return list
}

// withUsers returns a store with users whose names are their IDs.
func withUsers(t testing.TB, ids ...string) *memstore.Store {
	t.Helper()
	s := memstore.New()
	for _, id := range ids {
		if _, err := s.CreateUser(t.Context(), auth.User{ID: id, Username: id}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// eventLog keeps events.
type eventLog struct {
	mu   sync.Mutex
	list []string
}

func (l *eventLog) add(_ context.Context, e auth.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, fmt.Sprintf("%s %s of %s by %s", e.Kind, e.Role, e.UserID, e.Actor))
}

func byOperator(t testing.TB, r *roles.Rules, userID string, names ...string) {
	t.Helper()
	for _, name := range names {
		name, org, _ := strings.Cut(name, "@")
		if err := r.GrantByOperator(t.Context(), roles.Assignment{UserID: userID, Role: name, Org: org}); err != nil {
			t.Fatalf("%s for %s: %v", name, userID, err)
		}
	}
}

func person(t testing.TB, id string) *auth.Principal { return principal(t, auth.Claims{Subject: id}) }

// staff is a policy with two roles that nobody may have together.
var staff = roles.Policy{
	"viewer":   {"posts:read"},
	"editor":   {roles.Includes("viewer"), "posts:write"},
	"payer":    {"money:pay"},
	"approver": {"money:approve"},
	"chief":    {roles.Includes("approver"), "reports:read"},
	"lead":     {roles.Includes("editor"), roles.Assign},
	"admin":    {"*"},
	"owner":    {"posts:delete"},
}

func newStaff(t testing.TB, s roles.Store, cfg roles.Config) *roles.Rules {
	t.Helper()
	cfg.Store, cfg.Revoked, cfg.Owner = s, follow(t, s), "owner"
	cfg.Exclusive = [][]string{{"payer", "approver"}}
	return newRules(t, staff, cfg)
}

func TestGrantRules(t *testing.T) {
	t.Parallel()
	past, later, far := time.Now().Add(-time.Minute), time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	for name, row := range map[string]struct {
		by   auth.Claims
		has  []string // of the granter
		a    roles.Assignment
		want error
	}{
		"an administrator":           {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "editor"}, nil},
		"for some time":              {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "editor", Until: later}, nil},
		"what the granter has":       {auth.Claims{}, []string{"lead"}, roles.Assignment{Role: "editor"}, nil},
		"more than the granter has":  {auth.Claims{}, []string{"lead"}, roles.Assignment{Role: "payer"}, auth.ErrInsufficientScope},
		"everything":                 {auth.Claims{}, []string{"lead"}, roles.Assignment{Role: "admin"}, auth.ErrInsufficientScope},
		"without the permission":     {auth.Claims{}, []string{"editor"}, roles.Assignment{Role: "viewer"}, auth.ErrInsufficientScope},
		"a role in the token alone":  {auth.Claims{Roles: []string{"admin"}}, nil, roles.Assignment{Role: "viewer"}, auth.ErrInsufficientScope},
		"an agent":                   {auth.Claims{Kind: auth.KindAgent, Actors: []string{"bot"}, Scopes: []string{"roles:assign", "posts:read"}}, []string{"admin"}, roles.Assignment{Role: "viewer"}, auth.ErrInsufficientScope},
		"an API key":                 {auth.Claims{Kind: auth.KindAPIKey, Scopes: []string{"roles:assign", "posts:read"}}, []string{"admin"}, roles.Assignment{Role: "viewer"}, auth.ErrInsufficientScope},
		"another client":             {auth.Claims{ClientID: "calendar", Scopes: []string{"roles:assign", "posts:read"}}, []string{"admin"}, roles.Assignment{Role: "viewer"}, auth.ErrInsufficientScope},
		"another issuer's user":      {auth.Claims{Issuer: other}, []string{"admin"}, roles.Assignment{Role: "viewer"}, auth.ErrInsufficientScope},
		"a service":                  {auth.Claims{Kind: auth.KindService}, []string{"admin"}, roles.Assignment{Role: "viewer"}, auth.ErrInsufficientScope},
		"in an organisation":         {auth.Claims{}, []string{"lead@org-1"}, roles.Assignment{Role: "editor", Org: "org-1"}, nil},
		"in another organisation":    {auth.Claims{}, []string{"lead@org-1"}, roles.Assignment{Role: "editor", Org: "org-2"}, auth.ErrInsufficientScope},
		"outside of organisations":   {auth.Claims{}, []string{"lead@org-1"}, roles.Assignment{Role: "editor"}, auth.ErrInsufficientScope},
		"from outside":               {auth.Claims{}, []string{"lead"}, roles.Assignment{Role: "editor", Org: "org-2"}, nil},
		"an unknown role":            {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "Editor"}, roles.ErrInvalid},
		"the role of owners":         {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "owner"}, roles.ErrInvalid},
		"an end that is past":        {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "editor", Until: past}, roles.ErrInvalid},
		"a long organisation":        {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "editor", Org: strings.Repeat("o", 256)}, roles.ErrInvalid},
		"an unknown user":            {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "editor", UserID: "nobody"}, auth.ErrUserNotFound},
		"beside an exclusive role":   {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "approver", UserID: "pat"}, roles.ErrExclusive},
		"one that includes one":      {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "chief", UserID: "pat"}, roles.ErrExclusive},
		"exclusive, in one place":    {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "approver", UserID: "pat", Org: "org-1"}, roles.ErrExclusive},
		"exclusive, in other places": {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "approver", UserID: "ola", Org: "org-2"}, nil},
		"exclusive, for everywhere":  {auth.Claims{}, []string{"admin"}, roles.Assignment{Role: "approver", UserID: "ola"}, roles.ErrExclusive},
	} {
		var log eventLog
		s := withUsers(t, "boss", "ada", "pat", "ola")
		r := newStaff(t, s, roles.Config{Events: log.add})
		byOperator(t, r, "boss", row.has...)
		byOperator(t, r, "pat", "payer")
		byOperator(t, r, "ola", "payer@org-1")
		before := len(log.list)
		if row.a.UserID == "" {
			row.a.UserID = "ada"
		}
		row.by.Subject = "boss"
		err := r.Grant(t.Context(), principal(t, row.by), row.a)
		if !errors.Is(err, row.want) || row.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		list, err := r.ByUser(t.Context(), row.a.UserID)
		if err != nil {
			t.Fatal(err)
		}
		has := slices.ContainsFunc(list, func(a roles.Assignment) bool {
			return a.Role == row.a.Role && a.Org == row.a.Org && a.GrantedBy == "boss" && time.Since(a.GrantedAt) < time.Hour && a.Until.Equal(row.a.Until.Truncate(time.Microsecond))
		})
		if has != (row.want == nil) || len(log.list)-before != map[bool]int{true: 1}[has] {
			t.Errorf("%s: has the role: %t, events %q", name, has, log.list[before:])
		}
	}

	// A role that ends is no reason for one that ends later.
	s := withUsers(t, "boss", "ada")
	r := newStaff(t, s, roles.Config{})
	if err := r.GrantByOperator(t.Context(), roles.Assignment{UserID: "boss", Role: "admin", Until: later}); err != nil {
		t.Fatal(err)
	}
	for until, want := range map[time.Time]error{{}: auth.ErrInsufficientScope, far: auth.ErrInsufficientScope, later.Add(-time.Minute): nil} {
		if err := r.Grant(t.Context(), person(t, "boss"), roles.Assignment{UserID: "ada", Role: "editor", Until: until}); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("until %v: %v, want %v", until, err, want)
		}
	}
	if err := r.Grant(t.Context(), nil, roles.Assignment{UserID: "ada", Role: "editor"}); !errors.Is(err, auth.ErrInsufficientScope) {
		t.Errorf("by nobody: %v", err)
	}
}

func TestTakeRules(t *testing.T) {
	t.Parallel()
	var log eventLog
	s := withUsers(t, "boss", "ada", "eve")
	r := newStaff(t, s, roles.Config{Events: log.add})
	byOperator(t, r, "boss", "admin")
	byOperator(t, r, "ada", "lead", "editor", "viewer@org-1")
	byOperator(t, r, "eve", "payer")
	log.list = nil
	for i, row := range []struct {
		by, from, role, org string
		want                error
	}{
		{"ada", "eve", "payer", "", auth.ErrInsufficientScope}, // more than ada has
		{"eve", "ada", "editor", "", auth.ErrInsufficientScope},
		{"boss", "eve", "editor", "", roles.ErrNotAssigned},
		{"boss", "ada", "viewer", "", roles.ErrNotAssigned}, // in an organisation alone
		{"boss", "ada", "viewer", "org-1", nil},
		{"boss", "eve", "payer", "", nil},
		{"boss", "eve", "payer", "", roles.ErrNotAssigned},
		{"ada", "ada", "lead", "", nil}, // everybody may give up a role
		{"ada", "ada", "editor", "", nil},
		{"boss", "boss", "admin", "", roles.ErrLast},
	} {
		if err := r.Take(t.Context(), person(t, row.by), row.from, row.role, row.org); !errors.Is(err, row.want) || row.want == nil && err != nil {
			t.Errorf("%d: %v, want %v", i, err, row.want)
		}
	}
	want := []string{"role_taken viewer org-1 of ada by boss", "role_taken payer of eve by boss", "role_taken lead of ada by ada", "role_taken editor of ada by ada"}
	if !slices.Equal(log.list, want) {
		t.Errorf("events %q", log.list)
	}
	if err := r.TakeByOperator(t.Context(), "boss", "admin", ""); !errors.Is(err, roles.ErrLast) {
		t.Errorf("the operator takes the last administrator's role: %v", err)
	}
	if err := r.GrantByOperator(t.Context(), roles.Assignment{UserID: "boss", Role: "admin", Until: time.Now().Add(time.Hour)}); !errors.Is(err, roles.ErrLast) {
		t.Errorf("the role of the last administrator gets an end: %v", err)
	}
	byOperator(t, r, "eve", "admin@org-1") // does not count
	if err := r.TakeByOperator(t.Context(), "boss", "admin", ""); !errors.Is(err, roles.ErrLast) {
		t.Errorf("with an administrator of an organisation: %v", err)
	}
	byOperator(t, r, "ada", "admin")
	if err := r.TakeByOperator(t.Context(), "boss", "admin", ""); err != nil {
		t.Error(err)
	}
}

// meddledStore calls meddle once, before a change is made.
type meddledStore struct {
	*memstore.Store
	meddle func()
}

func (s *meddledStore) ReplaceAssignment(ctx context.Context, c assignment.Change) error {
	if meddle := s.meddle; meddle != nil {
		s.meddle = nil
		meddle()
	}
	return s.Store.ReplaceAssignment(ctx, c)
}

// What was decided on roles that have changed meanwhile is decided again.
func TestRolesChangeMeanwhile(t *testing.T) {
	t.Parallel()
	s := &meddledStore{Store: withUsers(t, "boss", "chief", "ada")}
	r := newStaff(t, s, roles.Config{})
	byOperator(t, r, "boss", "admin")
	byOperator(t, r, "chief", "admin")
	operator := newStaff(t, s.Store, roles.Config{})
	s.meddle = func() {
		if err := operator.TakeByOperator(t.Context(), "boss", "admin", ""); err != nil {
			t.Error(err)
		}
	}
	if err := r.Grant(t.Context(), person(t, "boss"), roles.Assignment{UserID: "ada", Role: "editor"}); !errors.Is(err, auth.ErrInsufficientScope) {
		t.Errorf("a grant by somebody who has lost the role meanwhile: %v", err)
	}
	s.meddle = func() { byOperator(t, operator, "ada", "payer") }
	if err := r.Grant(t.Context(), person(t, "chief"), roles.Assignment{UserID: "ada", Role: "approver"}); !errors.Is(err, roles.ErrExclusive) {
		t.Errorf("a grant to somebody who has got an exclusive role meanwhile: %v", err)
	}
	s.meddle = func() { byOperator(t, operator, "ada", "viewer") }
	if err := r.Grant(t.Context(), person(t, "chief"), roles.Assignment{UserID: "ada", Role: "editor"}); err != nil {
		t.Errorf("a grant to somebody who has got another role meanwhile: %v", err)
	}
}

// However many administrators take each other's roles and their own at once, one is left.
func TestAdministratorsTakeEachOthersRoles(t *testing.T) {
	t.Parallel()
	ids := []string{"a", "b", "c"}
	for range 15 {
		s := withUsers(t, ids...)
		r := newStaff(t, s, roles.Config{})
		for _, id := range ids {
			byOperator(t, r, id, "admin")
		}
		var wg sync.WaitGroup
		for _, by := range ids {
			for _, from := range ids {
				p := person(t, by)
				wg.Go(func() {
					err := r.Take(t.Context(), p, from, "admin", "")
					if err != nil && !errors.Is(err, roles.ErrLast) && !errors.Is(err, roles.ErrNotAssigned) && !errors.Is(err, auth.ErrInsufficientScope) && !errors.Is(err, auth.ErrBusy) {
						t.Errorf("%s takes the role of %s: %v", by, from, err)
					}
				})
			}
		}
		wg.Wait()
		if left, err := r.Holders(t.Context(), "admin", "", "", 10); err != nil || len(left) != 1 {
			t.Errorf("%d administrators are left, %v", len(left), err)
		}
	}
}

// TestRandomChanges has users change each other's roles at random, some at once, and holds what must always be so:
// somebody is administrator, nobody has two roles that exclude each other, and no user has a permission that neither
// the granter nor the operator had.
func TestRandomChanges(t *testing.T) {
	t.Parallel()
	rounds := 8
	if testing.Short() {
		rounds = 5
	}
	ids, names := []string{"a", "b", "c", "d", "e"}, []string{"viewer", "editor", "payer", "approver", "chief", "lead", "admin"}
	granted, refused := 0, 0
	var mu sync.Mutex
	for round := range rounds {
		s := withUsers(t, ids...)
		r := newStaff(t, s, roles.Config{})
		byOperator(t, r, "a", "admin")
		byOperator(t, r, "b", "lead")
		people := map[string]*auth.Principal{}
		for _, id := range ids {
			people[id] = person(t, id)
		}
		var wg sync.WaitGroup
		for worker := range 3 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(round), uint64(worker)))
				pick := func(of []string) string { return of[random.IntN(len(of))] }
				for range 40 {
					by, to, role, org := people[pick(ids)], pick(ids), pick(names), []string{"", "", "org-1"}[random.IntN(3)]
					var err error
					if random.IntN(3) == 0 {
						err = r.Take(t.Context(), by, to, role, org)
					} else {
						err = r.Grant(t.Context(), by, roles.Assignment{UserID: to, Role: role, Org: org})
					}
					mu.Lock()
					if err == nil {
						granted++
					} else {
						refused++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if left, err := r.Holders(t.Context(), "admin", "", "", 10); err != nil || len(left) == 0 {
			t.Fatalf("nobody is administrator: %v", err)
		}
		for _, id := range ids {
			list, err := r.ByUser(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for _, org := range []string{"", "org-1"} {
				has := map[string]bool{}
				for _, a := range list {
					if a.Org == "" || a.Org == org {
						has[a.Role] = true
					}
				}
				if has["payer"] && (has["approver"] || has["chief"]) {
					t.Errorf("%s has roles that nobody may have together: %+v", id, list)
				}
			}
		}
	}
	if granted < rounds || refused < rounds {
		t.Errorf("%d changes and %d refusals show little", granted, refused)
	}
}

// A user may have as many roles as a token holds.
func TestManyRoles(t *testing.T) {
	t.Parallel()
	policy := roles.Policy{"admin": {"*"}}
	for i := range 120 {
		policy[fmt.Sprintf("role-%03d", i)] = []roles.Permission{"p"}
		policy[fmt.Sprintf("role-of-a-long-name-that-takes-much-of-a-token-%03d", i)] = []roles.Permission{"p"}
	}
	for form, most := range map[string]int{"role-%03d": 100, "role-of-a-long-name-that-takes-much-of-a-token-%03d": 48} {
		s := withUsers(t, "ada")
		r := newRules(t, policy, roles.Config{Store: s, Revoked: follow(t, s)})
		var err error
		n := 0
		for ; err == nil && n < 120; n++ {
			err = r.GrantByOperator(t.Context(), roles.Assignment{UserID: "ada", Role: fmt.Sprintf(form, n)})
		}
		if n-1 != most || !errors.Is(err, roles.ErrInvalid) {
			t.Errorf("%s: %d roles, then %v, want %d", form, n-1, err, most)
		}
		c := auth.Claims{Subject: "ada"}
		if err := r.Claims(t.Context(), auth.User{ID: "ada"}, &c); err != nil || len(c.Roles) != most {
			t.Errorf("%s: %d roles in the claims, %v", form, len(c.Roles), err)
		}
		if token := testkit.Issue(t, testkit.NewIssuer(t, issuerConfig(nil)), c); len(token) > 8192 {
			t.Errorf("%s: a token of %d bytes", form, len(token))
		}
	}
}

func TestStoreSettings(t *testing.T) {
	t.Parallel()
	s := withUsers(t, "ada")
	for name, cfg := range map[string]roles.Config{
		"a store alone": {Store: s}, "a list alone": {Revoked: follow(t, s)}, "an unknown administrator": {Administrator: "chief"},
		"a short life": {TokenLife: time.Second}, "no entries": {CacheEntries: -1},
	} {
		if _, err := roles.New(issuer, site, cfg); len(testkit.FaultFields(err)) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := newRules(t, site, roles.Config{})
	for call, err := range map[string]error{
		"Grant": r.Grant(t.Context(), person(t, "ada"), roles.Assignment{}), "Claims": r.Claims(t.Context(), auth.User{}, new(auth.Claims)),
		"CheckToken": r.CheckToken(t.Context(), person(t, "ada")),
	} {
		if err == nil || auth.HTTPStatus(err) != 500 {
			t.Errorf("%s without a store: %v", call, err)
		}
	}
	if _, err := r.ByUser(t.Context(), "ada"); err == nil {
		t.Error("ByUser without a store")
	}
	if _, err := newStaff(t, s, roles.Config{}).Holders(t.Context(), "admin", "", "", 1001); !errors.Is(err, roles.ErrInvalid) {
		t.Errorf("Holders with a limit of 1001: %v", err)
	}
}

// downStore fails at every call while down is set.
type downStore struct {
	*memstore.Store
	mu    sync.Mutex
	down  error
	reads int
}

func (s *downStore) Assignments(ctx context.Context, userID string) (roles.State, time.Time, error) {
	s.mu.Lock()
	s.reads++
	down := s.down
	s.mu.Unlock()
	if down != nil {
		return roles.State{}, time.Time{}, down
	}
	return s.Store.Assignments(ctx, userID)
}

var discardLog = slog.New(slog.DiscardHandler)
