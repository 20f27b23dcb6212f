package apikey_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
)

// counting is a store that counts calls, can be down, and can have a clock of its own.
type counting struct {
	*memstore.Store
	reads, writes, users, lists atomic.Int64
	ahead                       atomic.Int64 // of this machine's clock, in nanoseconds

	mu      sync.Mutex
	down    error
	noUsers error // fails UserByID alone

	afterRead atomic.Pointer[func()] // called once, between the next read of a record and its answer
}

func (c *counting) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = err
}

func (c *counting) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down
}

func (c *counting) at(ctx context.Context) context.Context {
	return clock.With(ctx, func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) })
}

func (c *counting) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	c.reads.Add(1)
	if err := c.failure(); err != nil {
		return auth.Record{}, time.Time{}, err
	}
	r, now, err := c.Store.Record(c.at(ctx), key)
	if f := c.afterRead.Swap(nil); f != nil {
		(*f)()
	}
	return r, now, err
}

func (c *counting) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	c.writes.Add(1)
	if err := c.failure(); err != nil {
		return err
	}
	return c.Store.ReplaceRecord(c.at(ctx), old, r)
}

func (c *counting) Records(ctx context.Context, owner string) ([]auth.Record, error) {
	c.lists.Add(1)
	if err := c.failure(); err != nil {
		return nil, err
	}
	return c.Store.Records(c.at(ctx), owner)
}

func (c *counting) DeleteRecord(ctx context.Context, key string, version int64) error {
	if err := c.failure(); err != nil {
		return err
	}
	return c.Store.DeleteRecord(c.at(ctx), key, version)
}

func (c *counting) UserByID(ctx context.Context, id string) (auth.User, error) {
	c.users.Add(1)
	if err := cmp.Or(c.failure(), c.noUsers); err != nil {
		return auth.User{}, err
	}
	return c.Store.UserByID(ctx, id)
}

func (c *counting) reset() {
	for _, n := range []*atomic.Int64{&c.reads, &c.writes, &c.users, &c.lists} {
		n.Store(0)
	}
}

// fixture is a user, ada, and two replicas over one store.
type fixture struct {
	t        *testing.T
	store    *counting
	accounts *auth.Authenticator
	id       string          // of ada
	ada      *auth.Principal // with the scopes read and write, and the role editor
	keys     [2]*apikey.Keys // of the replicas
	events   []auth.Event    // of the first replica
}

func newFixture(t *testing.T, cfg apikey.Config) *fixture {
	t.Helper()
	f := &fixture{t: t, store: &counting{Store: memstore.New()}}
	var lists [2]*revocation.List
	for i := range lists {
		list, err := revocation.Follow(f.store, revocation.Config{})
		is(t, err, nil, "Follow")
		t.Cleanup(func() { list.Close() })
		is(t, list.Sync(t.Context()), nil, "Sync")
		lists[i] = list
	}
	tokens := testkit.NewIssuer(t, jwt.IssuerConfig{Check: lists[0].Check})
	var err error
	f.accounts, err = auth.New(f.store, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Sessions: f.store, RefreshKeys: testkit.Secrets(t), Accounts: f.store, Records: f.store,
		Revoked: lists[0].Sync,
		Claims: func(_ context.Context, _ auth.User, c *auth.Claims) error {
			c.Scopes, c.Roles = []string{"read", "write"}, []string{"editor"}
			return nil
		},
	})
	is(t, err, nil, "auth.New")
	u, err := f.accounts.Register(t.Context(), "ada", "correct horse battery")
	is(t, err, nil, "Register")
	f.id = u.ID
	login, err := f.accounts.Login(t.Context(), "ada", "correct horse battery")
	is(t, err, nil, "Login")
	f.ada = login.Principal
	cfg.Events = func(_ context.Context, e auth.Event) { f.events = append(f.events, e) }
	for i := range f.keys {
		if cfg.Check = lists[i].Check; i > 0 {
			cfg.Events = nil
		}
		f.keys[i], err = apikey.New("myapp_live", f.store, f.store, cfg)
		is(t, err, nil, "apikey.New")
	}
	return f
}

// create returns a key of ada.
func (f *fixture) create(spec apikey.Spec) (apikey.Key, string) {
	f.t.Helper()
	if spec.Name == "" {
		spec.Name = "laptop"
	}
	key, secret, err := f.keys[0].Create(f.t.Context(), f.ada, spec)
	is(f.t, err, nil, "Create")
	return key, string(secret)
}

// is ends the test unless err is want.
func is(t testing.TB, err, want error, what string) {
	t.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("%s: got %v, want %v", what, err, want)
	}
}

// verifies ends the test unless a key has this answer at a replica.
func (f *fixture) verifies(replica int, key string, want error, what string) *auth.Principal {
	f.t.Helper()
	p, err := f.keys[replica].Verify(f.t.Context(), key)
	is(f.t, err, want, what)
	if (p == nil) == (err == nil) {
		f.t.Fatalf("%s: got %v and %v", what, p, err)
	}
	return p
}

func TestPrincipal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{Issuer: "https://id.test"})
		key, secret := f.create(apikey.Spec{Scopes: []string{"write", "read", "read"}, Roles: []string{"editor"}, Lifetime: time.Hour})
		p := f.verifies(1, secret, nil, "a key")
		if p.Subject() != f.id || p.Kind() != auth.KindAPIKey || p.TokenID() != key.ID || p.Issuer() != "https://id.test" || p.SessionID() != "" {
			t.Errorf("got %s %s %s %s", p.Subject(), p.Kind(), p.TokenID(), p.Issuer())
		}
		if !p.HasScope("read") || !p.HasScope("write") || !p.HasRole("editor") || len(p.Scopes()) != 2 {
			t.Errorf("got the scopes %q and roles %q", p.Scopes(), p.Roles())
		}
		if !p.AuthTime().IsZero() || !p.Expiry().Equal(key.ExpiresAt) || !p.IssuedAt().Equal(key.CreatedAt) || key.ExpiresAt.Sub(key.CreatedAt) != time.Hour {
			t.Errorf("got the times %v %v %v", p.AuthTime(), p.Expiry(), p.IssuedAt())
		}
		list, err := f.keys[0].List(t.Context(), f.id)
		if is(t, err, nil, "List"); len(list) != 1 || list[0].ID != key.ID || list[0].UserID != f.id || list[0].Name != "laptop" || list[0].LastUsedAt.IsZero() {
			t.Errorf("got the list %+v", list)
		}
	})
}

// Each way in which a key ends, or does not, takes effect at once where it happens and within five seconds at
// another replica, also for a key that was in use there.
func TestEnds(t *testing.T) {
	t.Parallel()
	type change = func(f *fixture, id string) error
	for name, row := range map[string]struct {
		change change
		wait   time.Duration // until it takes effect
		want   error
	}{
		"nothing": {func(*fixture, string) error { return nil }, 0, nil},
		"Delete":  {func(f *fixture, id string) error { return f.keys[0].Delete(f.t.Context(), f.id, id) }, 0, auth.ErrInvalidToken},
		"DeleteAll": {func(f *fixture, _ string) error {
			return f.keys[0].DeleteAll(f.t.Context(), f.id)
		}, 0, auth.ErrInvalidToken},
		"Roll": {func(f *fixture, id string) error {
			_, _, err := f.keys[0].Roll(f.t.Context(), f.ada, id, 0)
			return err
		}, 0, auth.ErrInvalidToken},
		"Roll with overlap, before its end": {func(f *fixture, id string) error {
			_, _, err := f.keys[0].Roll(f.t.Context(), f.ada, id, time.Minute)
			return err
		}, 0, nil},
		"Roll with overlap, after its end": {func(f *fixture, id string) error {
			_, _, err := f.keys[0].Roll(f.t.Context(), f.ada, id, time.Minute)
			return err
		}, time.Minute, auth.ErrInvalidToken},
		"two Rolls with overlap": {func(f *fixture, id string) error {
			_, _, err := f.keys[0].Roll(f.t.Context(), f.ada, id, time.Hour)
			_, _, again := f.keys[0].Roll(f.t.Context(), f.ada, id, time.Hour)
			return errors.Join(err, again)
		}, 0, auth.ErrInvalidToken},
		"its expiry": {func(*fixture, string) error { return nil }, time.Hour, auth.ErrInvalidToken},
		"Disable":    {func(f *fixture, _ string) error { return f.accounts.Disable(f.t.Context(), f.id) }, 0, auth.ErrRevokedToken},
		"Disable, long after": {func(f *fixture, _ string) error {
			return f.accounts.Disable(f.t.Context(), f.id)
		}, 50 * time.Minute, auth.ErrRevokedToken},
		"Disable and Enable": {func(f *fixture, _ string) error {
			return errors.Join(f.accounts.Disable(f.t.Context(), f.id), f.accounts.Enable(f.t.Context(), f.id))
		}, 0, nil},
		"deletion of the account": {func(f *fixture, _ string) error { return f.accounts.Delete(f.t.Context(), f.id) }, 0, auth.ErrInvalidToken},
		"EndSessions":             {func(f *fixture, _ string) error { return f.accounts.EndSessions(f.t.Context(), f.id, "") }, 0, nil},
		"SetPassword": {func(f *fixture, _ string) error {
			return f.accounts.SetPassword(f.t.Context(), f.id, "another long password")
		}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, after := range []time.Duration{0, 3 * time.Second, 2 * time.Minute} {
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t, apikey.Config{})
					key, secret := f.create(apikey.Spec{Lifetime: time.Hour})
					time.Sleep(after)
					f.verifies(0, secret, nil, "the key before the change")
					f.verifies(1, secret, nil, "the key before the change, at another replica")
					is(t, row.change(f, key.ID), nil, "the change")
					time.Sleep(row.wait)
					f.verifies(0, secret, row.want, "the key where the change was made")
					time.Sleep(5 * time.Second)
					f.verifies(1, secret, row.want, "the key at another replica")
					f.verifies(0, secret, row.want, "the key later")
				})
			}
		})
	}
}

// What outlives a request asks whether its key is still valid.
func TestCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		time.Sleep(123456 * time.Microsecond)
		checks := func(p *auth.Principal, want error, what string) {
			t.Helper()
			for _, k := range f.keys {
				is(t, k.Check(t.Context(), p), want, what)
			}
		}
		key, secret := f.create(apikey.Spec{Lifetime: time.Hour})
		first := f.verifies(0, secret, nil, "a key")
		checks(first, nil, "the caller")
		_, secondSecret, err := f.keys[0].Roll(t.Context(), f.ada, key.ID, 10*time.Minute)
		is(t, err, nil, "Roll")
		second := f.verifies(0, string(secondSecret), nil, "the new secret")
		overlapping := f.verifies(0, secret, nil, "the old secret")
		checks(first, nil, "a caller from before the roll, in the overlap")
		checks(overlapping, nil, "the caller with the old secret")
		checks(second, nil, "the caller with the new secret")
		time.Sleep(5 * time.Minute)
		_, thirdSecret, err := f.keys[0].Roll(t.Context(), f.ada, key.ID, 10*time.Minute)
		is(t, err, nil, "Roll")
		third := f.verifies(0, string(thirdSecret), nil, "the newest secret")
		time.Sleep(5 * time.Second)
		checks(first, auth.ErrInvalidToken, "a caller with the secret before the last")
		checks(second, nil, "a caller with the last secret")
		time.Sleep(10 * time.Minute)
		checks(second, auth.ErrInvalidToken, "a caller with the last secret, after the overlap")
		checks(third, nil, "the caller with the newest secret")

		f.store.reset()
		for range 90 {
			checks(third, nil, "the caller")
			time.Sleep(time.Second)
		}
		if r, w := f.store.reads.Load(), f.store.writes.Load(); r > 40 || w != 0 {
			t.Errorf("a minute and a half of checks each second at two replicas cost %d reads and %d writes", r, w)
		}
		is(t, f.accounts.EndSessions(t.Context(), f.id, ""), nil, "EndSessions")
		time.Sleep(5 * time.Second)
		checks(third, nil, "the caller after the end of sessions")
		is(t, f.accounts.Disable(t.Context(), f.id), nil, "Disable")
		time.Sleep(5 * time.Second)
		checks(third, auth.ErrRevokedToken, "the caller after Disable")
		is(t, f.accounts.Enable(t.Context(), f.id), nil, "Enable")
		checks(third, nil, "the caller after Enable")
		f.store.fail(errors.New("down"))
		time.Sleep(5 * time.Second)
		if err := f.keys[0].Check(t.Context(), third); auth.HTTPStatus(err) != 503 {
			t.Errorf("with the store down: got %v", err)
		}
		f.store.fail(nil)
		is(t, f.keys[0].Delete(t.Context(), f.id, key.ID), nil, "Delete")
		is(t, f.keys[0].Check(t.Context(), third), auth.ErrInvalidToken, "the caller after Delete, at once")
		time.Sleep(5 * time.Second)
		checks(third, auth.ErrInvalidToken, "the caller after Delete")
		checks(f.ada, auth.ErrInvalidToken, "a caller who uses no key")
		checks(nil, auth.ErrInvalidToken, "nobody")
		key, secret = f.create(apikey.Spec{})
		p := f.verifies(0, secret, nil, "a key")
		other, err := jwt.NewPrincipal(auth.Claims{Subject: "eve", Kind: auth.KindAPIKey, TokenID: key.ID, IssuedAt: p.IssuedAt()})
		is(t, err, nil, "NewPrincipal")
		checks(other, auth.ErrInvalidToken, "another user with that key's ID")
	})
}

func TestRoll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		key, first := f.create(apikey.Spec{Scopes: []string{"read"}, Lifetime: 24 * time.Hour})
		time.Sleep(12 * time.Hour)
		rolled, second, err := f.keys[0].Roll(t.Context(), f.ada, key.ID, time.Hour)
		is(t, err, nil, "Roll")
		if rolled.ID != key.ID || rolled.RolledAt.IsZero() || rolled.ExpiresAt.Sub(rolled.RolledAt) != 24*time.Hour || rolled.OldUntil.Sub(rolled.RolledAt) != time.Hour {
			t.Errorf("got %+v", rolled)
		}
		if p := f.verifies(1, first, nil, "the old secret"); !p.Expiry().Equal(rolled.OldUntil) || p.TokenID() != key.ID {
			t.Errorf("the old secret ends %v, want %v", p.Expiry(), rolled.OldUntil)
		}
		f.verifies(1, string(second), nil, "the new secret")
		time.Sleep(time.Hour - time.Second)
		f.verifies(1, first, nil, "the old secret a second before the end of the overlap")
		time.Sleep(time.Second)
		f.verifies(1, first, auth.ErrInvalidToken, "the old secret after the overlap")
		f.verifies(1, string(second), nil, "the new secret")
		if list, err := f.keys[1].List(t.Context(), f.id); err != nil || len(list) != 1 || !list[0].OldUntil.IsZero() {
			t.Errorf("got the list %+v, %v", list, err)
		}

		// The overlap is no extension of the old secret's own life.
		key, first = f.create(apikey.Spec{Lifetime: time.Hour})
		time.Sleep(59 * time.Minute)
		rolled, _, err = f.keys[0].Roll(t.Context(), f.ada, key.ID, time.Hour)
		if is(t, err, nil, "Roll"); !rolled.OldUntil.Equal(key.ExpiresAt) {
			t.Errorf("the old secret ends %v, want %v", rolled.OldUntil, key.ExpiresAt)
		}
		f.verifies(1, first, nil, "the old secret")
		for _, overlap := range []time.Duration{-1, 7*24*time.Hour + 1} {
			_, _, err := f.keys[0].Roll(t.Context(), f.ada, key.ID, overlap)
			is(t, err, apikey.ErrInvalid, overlap.String())
		}
	})
}

// Nobody gets a key that may do more than they may.
func TestCreators(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		as := func(c auth.Claims) *auth.Principal {
			p, err := jwt.NewPrincipal(c)
			is(t, err, nil, "NewPrincipal")
			return p
		}
		weaker := as(auth.Claims{Subject: f.id, Scopes: []string{"read"}})
		key, secret := f.create(apikey.Spec{Scopes: []string{"write"}})
		role, _ := f.create(apikey.Spec{Roles: []string{"editor"}})
		for name, row := range map[string]struct {
			p    *auth.Principal
			spec apikey.Spec
			want error
		}{
			"a scope that the caller has":        {weaker, apikey.Spec{Name: "a", Scopes: []string{"read"}}, nil},
			"a scope that the caller lacks":      {weaker, apikey.Spec{Name: "a", Scopes: []string{"read", "write"}}, auth.ErrInsufficientScope},
			"a role that the caller lacks":       {weaker, apikey.Spec{Name: "a", Roles: []string{"editor"}}, auth.ErrInsufficientScope},
			"an API key":                         {f.verifies(0, secret, nil, "the key"), apikey.Spec{Name: "a"}, auth.ErrInsufficientScope},
			"an agent of the user":               {as(auth.Claims{Subject: f.id, Actors: []string{"bot"}}), apikey.Spec{Name: "a"}, auth.ErrInsufficientScope},
			"a program":                          {as(auth.Claims{Subject: f.id, Kind: auth.KindService}), apikey.Spec{Name: "a"}, auth.ErrInsufficientScope},
			"nobody":                             {nil, apikey.Spec{Name: "a"}, auth.ErrInsufficientScope},
			"a user who is gone":                 {as(auth.Claims{Subject: "gone"}), apikey.Spec{Name: "a"}, auth.ErrRevokedToken},
			"no name":                            {f.ada, apikey.Spec{Name: " "}, apikey.ErrInvalid},
			"a long name":                        {f.ada, apikey.Spec{Name: string(make([]rune, 101))}, apikey.ErrInvalid},
			"a name with a line break":           {f.ada, apikey.Spec{Name: "a\nb"}, apikey.ErrInvalid},
			"a name that is not UTF-8":           {f.ada, apikey.Spec{Name: "a\xff"}, apikey.ErrInvalid},
			"a life that is too long":            {f.ada, apikey.Spec{Name: "a", Lifetime: 366 * 24 * time.Hour}, apikey.ErrInvalid},
			"a negative life":                    {f.ada, apikey.Spec{Name: "a", Lifetime: -time.Hour}, apikey.ErrInvalid},
			"a scope that is no scope":           {f.ada, apikey.Spec{Name: "a", Scopes: []string{"read write"}}, apikey.ErrInvalid},
			"an empty scope":                     {f.ada, apikey.Spec{Name: "a", Scopes: []string{""}}, apikey.ErrInvalid},
			"an empty role":                      {f.ada, apikey.Spec{Name: "a", Roles: []string{""}}, apikey.ErrInvalid},
			"more roles than a record can store": {as(auth.Claims{Subject: f.id, Roles: long()}), apikey.Spec{Name: "a", Roles: long()}, apikey.ErrInvalid},
		} {
			key, secret, err := f.keys[0].Create(t.Context(), row.p, row.spec)
			if !errors.Is(err, row.want) || (err == nil) != (secret != "") || (err == nil) != (key.ID != "") {
				t.Errorf("%s: got %v, want %v", name, err, row.want)
			}
		}
		for _, id := range []string{key.ID, role.ID} { // who lost a scope or role gets no new secret that has it
			_, _, err := f.keys[0].Roll(t.Context(), weaker, id, 0)
			is(t, err, auth.ErrInsufficientScope, "Roll by a caller who lacks a scope or role of the key")
		}
		_, _, err := f.keys[0].Roll(t.Context(), f.verifies(0, secret, nil, "the key"), key.ID, 0)
		is(t, err, auth.ErrInsufficientScope, "Roll by a key")
		if records, err := f.store.Records(t.Context(), "gone"); err != nil || len(records) != 0 {
			t.Errorf("a user who is gone has %d records, %v", len(records), err)
		}

		eve := as(auth.Claims{Subject: "eve", Scopes: []string{"write"}, Roles: []string{"editor"}})
		for _, id := range []string{key.ID, "", "x", key.ID + "x", key.ID[:25], "/../../../../../../../../.."} {
			_, _, err := f.keys[0].Roll(t.Context(), eve, id, 0)
			is(t, err, apikey.ErrNotFound, "Roll of a key of another")
			is(t, f.keys[0].Delete(t.Context(), "eve", id), apikey.ErrNotFound, "Delete of a key of another")
		}
		f.verifies(1, secret, nil, "the key")
	})
}

// long returns more roles than fit into a record.
func long() (roles []string) {
	for i := range 40 {
		roles = append(roles, strings.Repeat("r", 100)+time.Duration(i).String())
	}
	return roles
}

// crowded is a store in which concurrent calls always come between a read and the write after it.
type crowded struct{ *counting }

func (c crowded) Records(ctx context.Context, owner string) ([]auth.Record, error) {
	defer time.Sleep(time.Millisecond)
	return c.counting.Records(ctx, owner)
}

// However many calls create keys at the same time, a user gets PerUser, and no fewer.
func TestPerUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		keys, err := apikey.New("myapp_live", f.store, crowded{f.store}, apikey.Config{PerUser: 7})
		is(t, err, nil, "New")
		var made, refused atomic.Int64
		var calls sync.WaitGroup
		for range 40 {
			calls.Go(func() {
				switch _, _, err := keys.Create(t.Context(), f.ada, apikey.Spec{Name: "a"}); {
				case err == nil:
					made.Add(1)
				case errors.Is(err, apikey.ErrTooMany):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		calls.Wait()
		list, err := keys.List(t.Context(), f.id)
		if is(t, err, nil, "List"); made.Load() != 7 || refused.Load() != 33 || len(list) != 7 {
			t.Fatalf("%d keys were created, %d refused, %d are there, want 7, 33 and 7", made.Load(), refused.Load(), len(list))
		}
		ids := map[string]bool{}
		for _, k := range list {
			ids[k.ID] = true
		}
		is(t, keys.Delete(t.Context(), f.id, list[3].ID), nil, "Delete")
		again, _, err := keys.Create(t.Context(), f.ada, apikey.Spec{Name: "a"})
		if is(t, err, nil, "Create in the place of a deleted key"); ids[again.ID] {
			t.Error("the key has the ID of the deleted one")
		}
		is(t, keys.Delete(t.Context(), f.id, list[3].ID), apikey.ErrNotFound, "Delete of the deleted key, whose place another has")
		for _, k := range list { // one of the places that fewer would use
			if k.ID[16:18] == "01" {
				is(t, keys.Delete(t.Context(), f.id, k.ID), nil, "Delete")
			}
		}
		fewer, err := apikey.New("myapp_live", f.store, f.store, apikey.Config{PerUser: 3})
		is(t, err, nil, "New")
		_, _, err = fewer.Create(t.Context(), f.ada, apikey.Spec{Name: "a"})
		is(t, err, apikey.ErrTooMany, "Create where fewer are allowed than there are")
		other, err := apikey.New("myapp_test", f.store, f.store, apikey.Config{PerUser: 3})
		is(t, err, nil, "New")
		_, _, err = other.Create(t.Context(), f.ada, apikey.Spec{Name: "a"})
		is(t, err, nil, "Create with another prefix")
		if list, err := other.List(t.Context(), f.id); err != nil || len(list) != 1 {
			t.Errorf("got %d keys with the other prefix, %v", len(list), err)
		}
	})
}

// A use costs one read of the record or, within CacheTime, none. Once a minute the last use is written, and the
// account looked at.
func TestCost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		uncached, err := apikey.New("myapp_live", f.store, f.store, apikey.Config{CacheTime: apikey.NoCache, Check: func(context.Context, *auth.Principal) error { return nil }})
		is(t, err, nil, "New")
		f.keys[1] = uncached
		_, secret := f.create(apikey.Spec{})
		costs := func(what string, replica int, reads, writes, users int64) {
			t.Helper()
			f.store.reset()
			f.verifies(replica, secret, nil, what)
			if r, w, u := f.store.reads.Load(), f.store.writes.Load(), f.store.users.Load(); r != reads || w != writes || u != users || f.store.lists.Load() != 0 {
				t.Errorf("%s: %d reads, %d writes, %d accounts, want %d, %d, %d", what, r, w, u, reads, writes, users)
			}
		}
		costs("the first use", 0, 1, 1, 1)
		costs("a use from memory", 0, 0, 0, 0)
		costs("a use without memory", 1, 1, 0, 0)
		costs("another", 1, 1, 0, 0)
		time.Sleep(5 * time.Second)
		costs("a use after CacheTime", 0, 1, 0, 0)
		time.Sleep(55 * time.Second)
		costs("a use a minute later", 0, 1, 1, 1)
		costs("a use after that", 0, 0, 0, 0)

		// The end of sessions may be that of the account: it is looked at, until it was after the revocation.
		is(t, f.accounts.EndSessions(t.Context(), f.id, ""), nil, "EndSessions")
		costs("a use after the end of sessions", 0, 1, 0, 1)
		time.Sleep(2 * time.Minute)
		costs("a use two minutes later", 0, 1, 1, 1)
		costs("a use after that", 0, 0, 0, 0)

		// Without Check there is an account with each record.
		f.keys[1], err = apikey.New("myapp_live", f.store, f.store, apikey.Config{})
		is(t, err, nil, "New")
		costs("a use without Check", 1, 1, 0, 1)
		costs("a use without Check from memory", 1, 0, 0, 0)

		f.store.reset()
		for _, bad := range []string{"", "myapp_live_", secret[:len(secret)-1], secret + "x", "myapp_test" + secret[len("myapp_live"):], changed(secret, 40)} {
			f.verifies(0, bad, auth.ErrInvalidToken, bad)
		}
		if n := f.store.reads.Load() + f.store.users.Load(); n != 0 {
			t.Errorf("malformed keys cost %d reads", n)
		}
	})
}

// changed returns s with another character at i.
func changed(s string, i int) string {
	c := "x"
	if s[i] == 'x' {
		c = "y"
	}
	return s[:i] + c + s[i+1:]
}

// If the store is down, a key in use is accepted for the rest of CacheTime, and nothing else is decided.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		_, used := f.create(apikey.Spec{})
		key, unused := f.create(apikey.Spec{})
		f.verifies(0, used, nil, "a key")
		broken := errors.New("connection refused")
		f.store.fail(broken)
		f.verifies(0, used, nil, "a key from memory")
		p, err := f.keys[0].Verify(t.Context(), unused)
		is(t, err, broken, "a key that is not in memory")
		if p != nil || auth.HTTPStatus(err) != 503 || errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("got %v and %d %v, want 503", p, auth.HTTPStatus(err), err)
		}
		time.Sleep(5 * time.Second)
		_, err = f.keys[0].Verify(t.Context(), used)
		if is(t, err, broken, "a key after CacheTime"); auth.HTTPStatus(err) != 503 {
			t.Errorf("got %d, want 503", auth.HTTPStatus(err))
		}
		_, _, err = f.keys[0].Create(t.Context(), f.ada, apikey.Spec{Name: "a"})
		is(t, err, broken, "Create")
		_, _, err = f.keys[0].Roll(t.Context(), f.ada, key.ID, 0)
		is(t, err, broken, "Roll")
		is(t, f.keys[0].Delete(t.Context(), f.id, key.ID), broken, "Delete")
		_, err = f.keys[0].List(t.Context(), f.id)
		is(t, err, broken, "List")
		f.store.fail(nil)
		f.store.noUsers = broken
		_, err = f.keys[0].Verify(t.Context(), unused)
		if is(t, err, broken, "a key whose account cannot be looked at"); auth.HTTPStatus(err) != 503 {
			t.Errorf("got %d, want 503", auth.HTTPStatus(err))
		}
		f.store.noUsers = nil
		f.verifies(0, unused, nil, "the key once the store is back")
	})
}

// mute is a store that writes and then loses the reply.
type mute struct {
	*counting
	lose atomic.Bool
}

func (m *mute) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	err := m.counting.ReplaceRecord(ctx, old, r)
	if m.lose.Load() {
		return errors.New("connection reset")
	}
	return err
}

// A reply that is lost loses no secret.
func TestLostReplies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		store := &mute{counting: f.store}
		keys, err := apikey.New("myapp_live", f.store, store, apikey.Config{CacheTime: apikey.NoCache})
		is(t, err, nil, "New")
		store.lose.Store(true)
		key, first, err := keys.Create(t.Context(), f.ada, apikey.Spec{Name: "a"})
		is(t, err, nil, "Create")
		_, err = keys.Verify(t.Context(), string(first))
		is(t, err, nil, "the first use, whose time is written")
		_, second, err := keys.Roll(t.Context(), f.ada, key.ID, time.Hour)
		is(t, err, nil, "Roll")
		f.verifies(1, string(first), nil, "the old secret")
		f.verifies(1, string(second), nil, "the new secret")
	})
}

// The store's clock decides, however far it is from ours.
func TestClocksApart(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{-3 * time.Hour, -time.Minute, time.Minute, 3 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, apikey.Config{})
				f.store.ahead.Store(int64(ahead))
				key, secret := f.create(apikey.Spec{Lifetime: time.Hour})
				f.verifies(0, secret, nil, "a new key")
				rolled, second, err := f.keys[0].Roll(t.Context(), f.ada, key.ID, 10*time.Minute)
				is(t, err, nil, "Roll")
				if off := rolled.RolledAt.Sub(time.Now().Add(ahead)).Abs(); off > time.Second {
					t.Errorf("the key was rolled %v off the store's time", off)
				}
				time.Sleep(9 * time.Minute)
				f.verifies(1, secret, nil, "the old secret within the overlap")
				time.Sleep(time.Minute)
				f.verifies(1, secret, auth.ErrInvalidToken, "the old secret after the overlap")
				time.Sleep(40 * time.Minute)
				f.verifies(1, string(second), nil, "a key in its life")
				time.Sleep(3 * time.Second)
				is(t, f.accounts.Disable(t.Context(), f.id), nil, "Disable")
				time.Sleep(5 * time.Second)
				f.verifies(1, string(second), auth.ErrRevokedToken, "a key of a disabled user, at another replica")
				is(t, f.accounts.Enable(t.Context(), f.id), nil, "Enable")
				f.verifies(1, string(second), nil, "the key of a user who is enabled again")
				time.Sleep(10 * time.Minute)
				f.verifies(1, string(second), auth.ErrInvalidToken, "a key after its life")
			})
		})
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		key, secret := f.create(apikey.Spec{})
		f.verifies(0, secret, nil, "a key")
		_, _, err := f.keys[0].Roll(t.Context(), f.ada, key.ID, 0)
		is(t, err, nil, "Roll")
		is(t, f.keys[0].Delete(t.Context(), f.id, key.ID), nil, "Delete")
		is(t, f.keys[0].Delete(t.Context(), f.id, key.ID), apikey.ErrNotFound, "Delete again")
		want := []auth.EventKind{auth.EventAPIKeyCreated, auth.EventAPIKeyRolled, auth.EventAPIKeyDeleted}
		if len(f.events) != len(want) {
			t.Fatalf("got the events %v", f.events)
		}
		for i, e := range f.events {
			if e.Kind != want[i] || e.UserID != f.id || e.KeyID != key.ID {
				t.Errorf("got %v, want %s of %s and %s", e, want[i], f.id, key.ID)
			}
		}
	})
}

// A key that is deleted or rolled while another call verifies it is not remembered by that call: in this process
// it has ended.
func TestEndDuringUse(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(f *fixture, id string) error{
		"Delete": func(f *fixture, id string) error { return f.keys[0].Delete(f.t.Context(), f.id, id) },
		"Roll": func(f *fixture, id string) error {
			_, _, err := f.keys[0].Roll(f.t.Context(), f.ada, id, 0)
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, apikey.Config{})
			key, secret := f.create(apikey.Spec{})
			during := func() { is(t, end(f, key.ID), nil, name) }
			f.store.afterRead.Store(&during)
			f.verifies(0, secret, nil, "the use during "+name)
			f.verifies(0, secret, auth.ErrInvalidToken, "the next use after "+name)
			f.verifies(0, secret, auth.ErrInvalidToken, "another")
		})
	}
}
