package roles_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/roles"
)

const secret = "correct horse battery staple"

func issuerConfig(check func(context.Context, *auth.Principal) error) jwt.IssuerConfig {
	return jwt.IssuerConfig{Issuer: issuer, Audience: "api", Check: check}
}

// service is a program on a store, as one replica runs it.
type service struct {
	*auth.Authenticator
	policy *roles.Rules
	list   *revocation.List
	guard  *auth.Middleware
	keys   *jwt.KeyRing
}

// everything is what a program keeps.
type everything interface {
	auth.UserStore
	auth.SessionStore
	roles.Store
}

// newService returns a program. With a first one, it is another replica of it.
func newService(t testing.TB, s everything, first *service, cfg roles.Config) *service {
	t.Helper()
	cfg.Store, cfg.Revoked, cfg.Owner, cfg.Logger = s, follow(t, s), "owner", discardLog
	n := &service{list: cfg.Revoked, policy: newRules(t, staff, cfg)}
	if first != nil {
		n.keys = first.keys
	} else {
		n.keys = testkit.RingOf(t, testkit.Generated(t, "HS256"))
	}
	tokens := issuerConfig(n.policy.CheckToken)
	tokens.Keys = n.keys
	issuer, err := jwt.NewIssuer(tokens)
	if err != nil {
		t.Fatal(err)
	}
	if n.guard, err = auth.NewMiddleware(issuer, auth.MiddlewareConfig{Logger: discardLog}); err != nil {
		t.Fatal(err)
	}
	n.Authenticator, err = auth.New(s, issuer, auth.Config{
		Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: testkit.Secrets(t), Revoked: n.list.Sync, Logger: discardLog,
		Claims: func(ctx context.Context, u auth.User, c *auth.Claims) error {
			c.Scopes = []string{"posts:write", "money:pay"} // what users may delegate
			return n.policy.Claims(ctx, u, c)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// asks returns the answer to a request with a token for a route that asks for a permission.
func (n *service) asks(token, permission string) (status int, challenge string) {
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	n.policy.Require(n.guard, permission)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })).ServeHTTP(w, r)
	return w.Code, w.Header().Get("WWW-Authenticate")
}

func (n *service) login(t testing.TB, name string) (id string, tokens auth.Tokens) {
	t.Helper()
	u, err := n.Register(t.Context(), name, secret)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err = n.Login(t.Context(), name, secret)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID, tokens
}

func wantStatus(t testing.TB, what string, got int, challenge string, want int) {
	t.Helper()
	if got != want || (got == 401) != strings.Contains(challenge, `error="invalid_token"`) {
		t.Errorf("%s: %d %s, want %d", what, got, challenge, want)
	}
}

// A change of roles makes the tokens from before stale, on every replica that has read the feed; a refresh at once
// gives a token that holds; and nobody is logged out.
func TestChangeMakesTokensStale(t *testing.T) {
	t.Parallel()
	s := withUsers(t)
	here := newService(t, s, nil, roles.Config{})
	there := newService(t, s, here, roles.Config{})
	id, tokens := here.login(t, "ada")
	ask := func(what string, n *service, token, permission string, want int) {
		t.Helper()
		status, challenge := n.asks(token, permission)
		wantStatus(t, what, status, challenge, want)
	}
	ask("without a role", here, tokens.AccessToken, "posts:read", 403)
	for step := range 4 {
		// Promotions and demotions, of which several lie within one second.
		var err error
		want := 204
		if step%2 == 0 {
			err = here.policy.GrantByOperator(t.Context(), roles.Assignment{UserID: id, Role: "editor"})
		} else {
			err, want = here.policy.TakeByOperator(t.Context(), id, "editor", ""), 403
		}
		if err != nil {
			t.Fatal(err)
		}
		ask("a token from before the change", here, tokens.AccessToken, "posts:read", 401)
		if err := there.list.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		ask("on another replica", there, tokens.AccessToken, "posts:read", 401)
		refreshed, err := here.Refresh(t.Context(), tokens.RefreshToken)
		if err != nil {
			t.Fatalf("a refresh after the change: %v", err)
		}
		tokens = refreshed
		ask("after a refresh", here, tokens.AccessToken, "posts:write", want)
		ask("after a refresh, on another replica", there, tokens.AccessToken, "posts:write", want)
	}
	// Another user's tokens are as they were.
	_, eve := here.login(t, "eve")
	if err := here.policy.GrantByOperator(t.Context(), roles.Assignment{UserID: id, Role: "editor"}); err != nil {
		t.Fatal(err)
	}
	ask("a token of another user", here, eve.AccessToken, "posts:read", 403)
	if _, err := here.Sessions(t.Context(), id); err != nil {
		t.Error(err)
	}
}

// Within the bound, a replica learns of a change without anybody telling it.
func TestChangeReachesOtherReplicas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := withUsers(t)
		here := newService(t, s, nil, roles.Config{})
		there := newService(t, s, here, roles.Config{})
		defer here.list.Close()
		defer there.list.Close()
		id, _ := here.login(t, "ada")
		byOperator(t, here.policy, id, "editor")
		tokens, err := here.Login(t.Context(), "ada", secret)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := there.asks(tokens.AccessToken, "posts:write"); status != 204 {
			t.Fatalf("before the change: %d", status)
		}
		if err := here.policy.TakeByOperator(t.Context(), id, "editor", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) // the default bound
		status, challenge := there.asks(tokens.AccessToken, "posts:write")
		wantStatus(t, "after the bound", status, challenge, 401)
	})
}

// A role that ends makes a token of it stale in that moment, and the next one has it no more.
func TestRoleEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := withUsers(t)
		n := newService(t, s, nil, roles.Config{})
		defer n.list.Close()
		id, _ := n.login(t, "ada")
		byOperator(t, n.policy, id, "viewer")
		if err := n.policy.GrantByOperator(t.Context(), roles.Assignment{UserID: id, Role: "editor", Until: time.Now().Add(5 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		tokens, err := n.Login(t.Context(), "ada", secret)
		if err != nil {
			t.Fatal(err)
		}
		bot := principal(t, auth.Claims{Subject: id, Kind: auth.KindAgent, Actors: []string{"bot"}, Scopes: []string{"posts:write"}})
		if status, _ := n.asks(tokens.AccessToken, "posts:write"); status != 204 || !n.policy.Can(bot, "posts:write") {
			t.Errorf("before the end: %d", status)
		}
		time.Sleep(4*time.Minute + 57*time.Second)
		if status, _ := n.asks(tokens.AccessToken, "posts:write"); status != 204 || !n.policy.Can(bot, "posts:write") {
			t.Errorf("just before the end: %d", status)
		}
		time.Sleep(2 * time.Second)
		var c auth.Claims
		if err := n.policy.Claims(t.Context(), auth.User{ID: id}, &c); err != nil || !slices.Equal(c.Roles, []string{"viewer"}) {
			t.Errorf("a token of the last second would have the roles %q, %v", c.Roles, err)
		}
		time.Sleep(2 * time.Second)
		status, challenge := n.asks(tokens.AccessToken, "posts:write")
		wantStatus(t, "after the end", status, challenge, 401)
		if n.policy.Can(bot, "posts:write") {
			t.Error("an agent has a role that has ended")
		}
		tokens, err = n.Refresh(t.Context(), tokens.RefreshToken)
		if err != nil {
			t.Fatal(err)
		}
		if got := tokens.Principal.Roles(); !slices.Equal(got, []string{"viewer"}) {
			t.Errorf("roles of the next token: %q", got)
		}
	})
}

// While the store is down nobody logs in without roles, and nobody is logged out.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	s := &downStore{Store: withUsers(t)}
	n := newService(t, s, nil, roles.Config{})
	id, tokens := n.login(t, "ada")
	byOperator(t, n.policy, id, "editor")
	bot := principal(t, auth.Claims{Subject: id, Kind: auth.KindAgent, Actors: []string{"bot"}, Scopes: []string{"posts:write"}})
	s.mu.Lock()
	s.down = errors.New("the database is down")
	s.mu.Unlock()
	_, login := n.Login(t.Context(), "ada", secret)
	_, refresh := n.Refresh(t.Context(), tokens.RefreshToken)
	for call, err := range map[string]error{"Login": login, "Refresh": refresh, "an agent": n.policy.Check(t.Context(), bot, "posts:write")} {
		if !errors.Is(err, s.down) || auth.HTTPStatus(err) != 500 {
			t.Errorf("%s: %v", call, err)
		}
	}
	if n.policy.Can(bot, "posts:write") {
		t.Error("an agent may do what could not be decided")
	}
	s.mu.Lock()
	s.down = nil
	s.mu.Unlock()
	if _, err := n.Refresh(t.Context(), tokens.RefreshToken); err != nil {
		t.Errorf("a refresh when the store is back: %v", err)
	}
}

// An agent and an API key may do what their scopes and the roles of their user permit at the time, and the store is
// not asked for each request.
func TestAgentsAndKeys(t *testing.T) {
	t.Parallel()
	s := &downStore{Store: withUsers(t)}
	n := newService(t, s, nil, roles.Config{})
	id, _ := n.login(t, "ada")
	byOperator(t, n.policy, id, "editor", "viewer@org-1")
	tokens, err := n.Login(t.Context(), "ada", secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*auth.Principal{
		"agent":              principal(t, auth.Claims{Subject: id, Kind: auth.KindAgent, Actors: []string{"bot"}, Scopes: []string{"posts:write", "money:pay"}, Roles: []string{"admin"}}),
		"API key":            principal(t, auth.Claims{Subject: id, Kind: auth.KindAPIKey, Scopes: []string{"posts:write", "money:pay"}}),
		"API key with roles": principal(t, auth.Claims{Subject: id, Kind: auth.KindAPIKey, Roles: []string{"editor", "payer"}}),
	} {
		for permission, want := range map[string]bool{"posts:write": true, "money:pay": false, "posts:read": name == "API key with roles", "reports:read": false} {
			if got := n.policy.Can(p, permission); got != want {
				t.Errorf("%s can %s: %t", name, permission, got)
			}
		}
	}
	delegate := func(scopes ...string) string {
		t.Helper()
		delegated, err := n.Delegate(t.Context(), tokens.Principal, jwt.Delegation{Actor: "bot", Scopes: scopes})
		if err != nil {
			t.Fatal(err)
		}
		return delegated.AccessToken
	}
	writer := delegate("posts:write", "money:pay")
	for what, row := range map[string]struct {
		token, permission string
		want              int
	}{
		"no scope": {delegate(), "posts:write", 403}, "both": {writer, "posts:write", 204},
		"a scope without the role": {writer, "money:pay", 403}, "a role without the scope": {writer, "posts:read", 403},
	} {
		if status, _ := n.asks(row.token, row.permission); status != row.want {
			t.Errorf("an agent with %s: %d, want %d", what, status, row.want)
		}
	}

	key := principal(t, auth.Claims{Subject: id, Kind: auth.KindAPIKey, Scopes: []string{"posts:write", "posts:read"}})
	org := roles.Resource{Org: "org-1"}
	n.policy.Can(key, "posts:write")
	before := s.reads
	for range 100 {
		n.policy.Can(key, "posts:write")
		n.policy.CanOn(t.Context(), key, "posts:read", org)
		n.policy.CanOn(t.Context(), tokens.Principal, "posts:read", org)
	}
	if s.reads != before {
		t.Errorf("%d reads of the store for 300 decisions", s.reads-before)
	}
	if err := n.policy.TakeByOperator(t.Context(), id, "editor", ""); err != nil {
		t.Fatal(err)
	}
	if n.policy.Can(key, "posts:write") {
		t.Error("a key may do what its user may no longer")
	}
	if status, _ := n.asks(writer, "posts:write"); status != 403 {
		t.Errorf("an agent may do what its user may no longer: %d", status)
	}
}

// Roles in an organisation count for its resources and no others, and stand in no token.
func TestOrganisations(t *testing.T) {
	t.Parallel()
	s := withUsers(t)
	n := newService(t, s, nil, roles.Config{})
	id, _ := n.login(t, "ada")
	byOperator(t, n.policy, id, "editor@org-1", "viewer")
	tokens, err := n.Login(t.Context(), "ada", secret)
	if err != nil {
		t.Fatal(err)
	}
	if got := tokens.Principal.Roles(); !slices.Equal(got, []string{"viewer"}) {
		t.Errorf("roles in the token: %q", got)
	}
	agent := principal(t, auth.Claims{Subject: id, Kind: auth.KindAgent, Actors: []string{"bot"}, Scopes: []string{"posts:write"}})
	foreign := principal(t, auth.Claims{Subject: id, Issuer: other})
	for _, row := range []struct {
		p          *auth.Principal
		permission string
		org        string
		want       bool
	}{
		{tokens.Principal, "posts:write", "org-1", true}, {tokens.Principal, "posts:write", "org-2", false}, {tokens.Principal, "posts:write", "", false},
		{tokens.Principal, "posts:read", "org-2", true}, // by the role outside
		{agent, "posts:write", "org-1", true}, {agent, "posts:read", "org-1", false}, {agent, "posts:write", "org-2", false}, {agent, "posts:write", "", false},
		{foreign, "posts:write", "org-1", false},
	} {
		if got := n.policy.CanOn(t.Context(), row.p, row.permission, roles.Resource{Org: row.org}); got != row.want {
			t.Errorf("%s %s in %q: %t", row.p.Kind(), row.permission, row.org, got)
		}
	}
}

func TestCheckToken(t *testing.T) {
	t.Parallel()
	s := withUsers(t, "ada")
	r := newStaff(t, s, roles.Config{})
	byOperator(t, r, "ada", "viewer")
	var before, now auth.Claims
	if err := r.Claims(t.Context(), auth.User{ID: "ada"}, &before); err != nil {
		t.Fatal(err)
	}
	byOperator(t, r, "ada", "editor")
	if err := r.Claims(t.Context(), auth.User{ID: "ada"}, &now); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		claims auth.Claims
		want   error
	}{
		"as issued now":            {auth.Claims{Subject: "ada", Roles: now.Roles, RolesVersion: now.RolesVersion}, nil},
		"as issued before":         {auth.Claims{Subject: "ada", Roles: before.Roles, RolesVersion: before.RolesVersion}, roles.ErrStale},
		"no roles, no version":     {auth.Claims{Subject: "ada"}, nil},
		"roles without a version":  {auth.Claims{Subject: "ada", Roles: []string{"admin"}}, roles.ErrStale},
		"roles of a service":       {auth.Claims{Subject: "cron", Kind: auth.KindService, Roles: []string{"editor"}}, nil},
		"roles of another issuer":  {auth.Claims{Subject: "ada", Issuer: other, Roles: []string{"editor"}}, nil},
		"an end that is past":      {auth.Claims{Subject: "ada", RolesVersion: now.RolesVersion + ".1"}, roles.ErrStale},
		"an end that is no number": {auth.Claims{Subject: "ada", RolesVersion: now.RolesVersion + ".x"}, roles.ErrStale},
		"an end that is far":       {auth.Claims{Subject: "ada", RolesVersion: now.RolesVersion + ".99999999999"}, nil},
		"an agent without version": {auth.Claims{Subject: "ada", Kind: auth.KindAgent, Actors: []string{"bot"}}, nil},
	} {
		if err := r.CheckToken(t.Context(), principal(t, row.claims)); !errors.Is(err, row.want) || row.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
	if !errors.Is(roles.ErrStale, auth.ErrExpiredToken) || auth.HTTPStatus(roles.ErrStale) != 401 {
		t.Error("a stale token is not answered as one that has expired")
	}
}

// A user who gets the ID of one who was deleted has tokens that are accepted.
func TestIDOfDeletedUser(t *testing.T) {
	t.Parallel()
	s := withUsers(t, "ada")
	r := newStaff(t, s, roles.Config{})
	byOperator(t, r, "ada", "editor")
	if err := s.DeleteUser(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CreateUser(t.Context(), auth.User{ID: "ada", Username: "ada"}); err != nil {
		t.Fatal(err)
	}
	c := auth.Claims{Subject: "ada"}
	if err := r.Claims(t.Context(), auth.User{ID: "ada"}, &c); err != nil || len(c.Roles) > 0 {
		t.Errorf("the next user has the roles %q, %v", c.Roles, err)
	}
	if err := r.CheckToken(t.Context(), principal(t, c)); err != nil {
		t.Errorf("a token of the next user: %v", err)
	}
	byOperator(t, r, "ada", "viewer")
	if err := r.Claims(t.Context(), auth.User{ID: "ada"}, &c); err != nil || !slices.Equal(c.Roles, []string{"viewer"}) {
		t.Errorf("the next user has the roles %q, %v", c.Roles, err)
	}
}

// What a policy said before is no reason to fail: roles that are gone are passed over, and so are roles that nobody
// may have together any more.
func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	s := withUsers(t, "ada")
	before := newRules(t, roles.Policy{"payer": {"money:pay"}, "approver": {"money:approve"}, "viewer": {"posts:read"}, "former": {"x"}}, roles.Config{Store: s, Revoked: follow(t, s)})
	byOperator(t, before, "ada", "payer", "approver", "viewer", "former")
	r := newStaff(t, s, roles.Config{})
	c := auth.Claims{Subject: "ada"}
	if err := r.Claims(t.Context(), auth.User{ID: "ada"}, &c); err != nil || !slices.Equal(c.Roles, []string{"viewer"}) {
		t.Errorf("roles %q, %v", c.Roles, err)
	}
	if err := r.TakeByOperator(t.Context(), "ada", "former", ""); err != nil {
		t.Errorf("taking a role that is gone: %v", err)
	}
	if err := r.TakeByOperator(t.Context(), "ada", "payer", ""); err != nil {
		t.Error(err)
	}
	if err := r.Claims(t.Context(), auth.User{ID: "ada"}, &c); err != nil || len(c.Roles) != 2 {
		t.Errorf("roles %q, %v", c.Roles, err)
	}
}

// The memory of roles has a bound.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	ids := []string{"a", "b", "c", "d", "e"}
	s := &downStore{Store: withUsers(t, ids...)}
	r := newStaff(t, s, roles.Config{CacheEntries: 2})
	for round := range 3 {
		for _, id := range ids {
			r.Can(principal(t, auth.Claims{Subject: id, Kind: auth.KindAPIKey, Scopes: []string{"posts:read"}}), "posts:read")
		}
		if least := 3 * (round + 1); s.reads < least {
			t.Errorf("%d reads for five users in turn, with places for two", s.reads)
		}
	}
}

// hangingStore keeps a change waiting until it is told to go on.
type hangingStore struct {
	*memstore.Store
	began, goOn chan struct{}
}

func (s *hangingStore) ReplaceAssignment(ctx context.Context, c assignment.Change) error {
	s.began <- struct{}{}
	<-s.goOn
	return s.Store.ReplaceAssignment(ctx, c)
}

// A client that hangs up while its change is being made leaves a change that is made and reported.
func TestClientHangsUp(t *testing.T) {
	t.Parallel()
	var log eventLog
	s := &hangingStore{withUsers(t, "ada"), make(chan struct{}), make(chan struct{})}
	r := newStaff(t, s, roles.Config{Events: log.add})
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.GrantByOperator(ctx, roles.Assignment{UserID: "ada", Role: "editor"}) }()
	<-s.began
	hangUp()
	s.goOn <- struct{}{}
	if err := <-done; err != nil {
		t.Errorf("the change: %v", err)
	}
	if len(log.list) != 1 {
		t.Errorf("events %q", log.list)
	}
	if err := r.GrantByOperator(ctx, roles.Assignment{UserID: "ada", Role: "viewer"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a change for a client that is gone: %v", err)
	}
}
