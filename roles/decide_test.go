package roles_test

import (
	"bytes"
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/roles"
)

// other is another issuer.
const other = "https://other.example"

func TestCan(t *testing.T) {
	t.Parallel()
	r := newRules(t, site, roles.Config{
		Clients: []string{issuer, "app"}, Scopes: map[string][]roles.Permission{"write": {"posts:*"}},
		Issuers: map[string]map[string]string{other: {"Writers": "editor"}, "https://third.example": {}},
	})
	for name, row := range map[string]struct {
		claims   auth.Claims
		permit   []string
		prohibit []string
	}{
		"no role":           {auth.Claims{}, nil, []string{"posts:read", "posts:write", "users:list", "", "*"}},
		"a role":            {auth.Claims{Roles: []string{"viewer"}}, []string{"posts:read"}, []string{"posts:write", "posts:rea", "posts:readx", "posts:", "posts", "viewer"}},
		"an included role":  {auth.Claims{Roles: []string{"admin"}}, []string{"posts:read", "posts:write", "users:list", "users:a:b", "roles:assign"}, []string{"users:", "users", "usersx", "posts:delete"}},
		"everything":        {auth.Claims{Roles: []string{"root"}}, []string{"whatever", "posts:delete"}, []string{""}},
		"two roles":         {auth.Claims{Roles: []string{"owner", "viewer"}}, []string{"posts:delete", "posts:read"}, []string{"posts:write"}},
		"unknown role":      {auth.Claims{Roles: []string{"Editor", "editor ", "posts:write", "includes(editor)", "*"}}, nil, []string{"posts:read", "posts:write"}},
		"service":           {auth.Claims{Kind: auth.KindService, Roles: []string{"editor"}, ClientID: "billing"}, []string{"posts:write"}, []string{"users:list"}},
		"scope alone":       {auth.Claims{Scopes: []string{"posts:write"}}, nil, []string{"posts:write"}},
		"our client":        {auth.Claims{Roles: []string{"editor"}, ClientID: "app"}, []string{"posts:write"}, nil},
		"the issuer's name": {auth.Claims{Roles: []string{"editor"}, ClientID: issuer}, []string{"posts:write"}, nil},

		"another client":                {auth.Claims{Roles: []string{"editor"}, ClientID: "calendar"}, nil, []string{"posts:read", "posts:write"}},
		"another client, scope":         {auth.Claims{Roles: []string{"editor"}, ClientID: "calendar", Scopes: []string{"posts:read", "users:list"}}, []string{"posts:read"}, []string{"posts:write", "users:list"}},
		"another client, wide scope":    {auth.Claims{Roles: []string{"editor"}, ClientID: "calendar", Scopes: []string{"posts:*"}}, []string{"posts:read", "posts:write"}, []string{"posts:delete", "users:list"}},
		"another client, named scope":   {auth.Claims{Roles: []string{"editor"}, ClientID: "calendar", Scopes: []string{"write"}}, []string{"posts:read", "posts:write"}, []string{"users:list"}},
		"another client, star":          {auth.Claims{Roles: []string{"root"}, ClientID: "calendar", Scopes: []string{"*"}}, nil, []string{"posts:read", "users:list"}},
		"another client, begins alike":  {auth.Claims{Roles: []string{"root"}, ClientID: "calendar", Scopes: []string{"post:*", "posts:rea", "posts*"}}, nil, []string{"posts:read"}},
		"agent without store":           {auth.Claims{Kind: auth.KindAgent, Actors: []string{"bot"}, Scopes: []string{"posts:read"}, Roles: []string{"root"}}, nil, []string{"posts:read"}},
		"actor of an unmarked token":    {auth.Claims{Actors: []string{"bot"}, Scopes: []string{"posts:read"}, Roles: []string{"root"}}, nil, []string{"posts:read"}},
		"API key without store":         {auth.Claims{Kind: auth.KindAPIKey, Scopes: []string{"posts:read"}, Roles: []string{"root"}}, nil, []string{"posts:read"}},
		"a kind that nobody knows":      {auth.Claims{Kind: "robot", Scopes: []string{"posts:read"}, Roles: []string{"root"}}, nil, []string{"posts:read"}},
		"another issuer, our names":     {auth.Claims{Issuer: other, Roles: []string{"editor", "admin", "root"}}, nil, []string{"posts:read", "users:list"}},
		"another issuer, its names":     {auth.Claims{Issuer: other, Roles: []string{"Writers"}}, []string{"posts:read", "posts:write"}, []string{"users:list"}},
		"another issuer, other case":    {auth.Claims{Issuer: other, Roles: []string{"writers"}}, nil, []string{"posts:read"}},
		"another issuer, agent":         {auth.Claims{Issuer: other, Roles: []string{"Writers"}, Actors: []string{"bot"}, Scopes: []string{"posts:read"}}, []string{"posts:read"}, []string{"posts:write"}},
		"an issuer whose map is empty":  {auth.Claims{Issuer: "https://third.example", Roles: []string{"Writers", "editor"}}, nil, []string{"posts:read"}},
		"an issuer without a map":       {auth.Claims{Issuer: "https://fourth.example", Roles: []string{"Writers", "editor"}}, nil, []string{"posts:read"}},
		"an issuer that begins like us": {auth.Claims{Issuer: issuer + "/", Roles: []string{"root"}}, nil, []string{"posts:read"}},
	} {
		p := principal(t, row.claims)
		check := func(permission string, want bool) {
			t.Helper()
			if got := r.Can(p, permission); got != want {
				t.Errorf("%s: can %q: %t", name, permission, got)
			}
			err := r.Check(t.Context(), p, permission)
			if want && err != nil || !want && !errors.Is(err, auth.ErrInsufficientScope) {
				t.Errorf("%s: Check of %q: %v", name, permission, err)
			}
			if r.Uses(permission) != nil {
				return // no route can ask for it
			}
			if status := ask(r.Require(guardOf(t, p), permission)).Code; status != map[bool]int{true: 204, false: 403}[want] {
				t.Errorf("%s: a route that asks for %q: %d", name, permission, status)
			}
		}
		for _, permission := range row.permit {
			check(permission, true)
		}
		for _, permission := range row.prohibit {
			check(permission, false)
		}
	}
	if r.Can(nil, "posts:read") || !errors.Is(r.Check(t.Context(), nil, "posts:read"), auth.ErrNoCredentials) {
		t.Error("nobody may read posts")
	}
}

func TestCanInTemplate(t *testing.T) {
	t.Parallel()
	r := newRules(t, site, roles.Config{})
	page := template.Must(template.New("page").Parse(`{{if .Policy.Can .Caller "posts:write"}}write{{end}}{{if .Policy.Can .Caller "users:list"}}list{{end}}`))
	var b strings.Builder
	if err := page.Execute(&b, map[string]any{"Policy": r, "Caller": principal(t, auth.Claims{Roles: []string{"editor"}})}); err != nil || b.String() != "write" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	r := newRules(t, site, roles.Config{})
	editor := principal(t, auth.Claims{Roles: []string{"editor"}})
	for name, row := range map[string]struct {
		permissions []string
		want        int
		challenge   string
	}{
		"has":        {[]string{"posts:write"}, 204, ""},
		"has both":   {[]string{"posts:write", "posts:read"}, 204, ""},
		"has one":    {[]string{"posts:write", "users:list"}, 403, `Bearer realm="api", error="insufficient_scope"`},
		"has none":   {[]string{"users:list"}, 403, `Bearer realm="api", error="insufficient_scope"`},
		"none asked": {nil, 500, ""},
		"malformed":  {[]string{"posts:*"}, 500, ""},
	} {
		w := ask(r.Require(guardOf(t, editor), row.permissions...))
		if w.Code != row.want || w.Header().Get("WWW-Authenticate") != row.challenge {
			t.Errorf("%s: %d %q, want %d %q", name, w.Code, w.Header().Get("WWW-Authenticate"), row.want, row.challenge)
		}
	}
	// Without a role that has everything, a misspelled permission is found.
	strict := newRules(t, roles.Policy{"a": {"x:read", "y:*"}}, roles.Config{})
	a := principal(t, auth.Claims{Roles: []string{"a"}})
	if w := ask(strict.Require(guardOf(t, a), "x:raed")); w.Code != http.StatusInternalServerError {
		t.Errorf("a permission of no role: %d", w.Code)
	}
	if err := strict.Uses("x:read", "y:any", "z", "y:", "x:*"); len(testkit.FaultFields(err)) != 3 {
		t.Errorf("Uses: %v", err)
	}
	permissions := []string{"x:read"}
	route := strict.Require(guardOf(t, a), permissions...)
	permissions[0] = "z"
	if w := ask(route); w.Code != http.StatusNoContent {
		t.Errorf("a change of the caller's slice changed a route: %d", w.Code)
	}
}

func TestUnused(t *testing.T) {
	t.Parallel()
	r := newRules(t, site, roles.Config{})
	unused := func(want ...roles.Permission) {
		t.Helper()
		if got := r.Unused(); !slices.Equal(got, want) {
			t.Errorf("Unused: %q, want %q", got, want)
		}
	}
	unused("posts:delete", "posts:read", "posts:write", "users:*")
	r.Require(guardOf(t, principal(t, auth.Claims{})), "posts:write", "posts:read")
	unused("posts:delete", "users:*")
	if err := r.Uses("users:list"); err != nil {
		t.Error(err)
	}
	unused("posts:delete")
}

func TestResources(t *testing.T) {
	t.Parallel()
	r := newRules(t, site, roles.Config{Owner: "owner", Issuers: map[string]map[string]string{other: {}}})
	errDown := errors.New("the database is down")
	says := func(allowed bool, err error) func(context.Context, *auth.Principal, string) (bool, error) {
		return func(context.Context, *auth.Principal, string) (bool, error) { return allowed, err }
	}
	for name, row := range map[string]struct {
		claims auth.Claims
		on     roles.Resource
		want   error
	}{
		"owner":                     {auth.Claims{}, roles.Resource{Owner: "u-1"}, nil},
		"another's":                 {auth.Claims{}, roles.Resource{Owner: "u-2"}, auth.ErrInsufficientScope},
		"nobody's":                  {auth.Claims{}, roles.Resource{}, auth.ErrInsufficientScope},
		"role for all":              {auth.Claims{Roles: []string{"root"}}, roles.Resource{Owner: "u-2"}, nil},
		"the same ID elsewhere":     {auth.Claims{Issuer: other}, roles.Resource{Owner: "u-1"}, auth.ErrInsufficientScope},
		"agent of the owner":        {auth.Claims{Kind: auth.KindAgent, Actors: []string{"bot"}}, roles.Resource{Owner: "u-1"}, auth.ErrInsufficientScope},
		"agent with the scope":      {auth.Claims{Kind: auth.KindAgent, Actors: []string{"bot"}, Scopes: []string{"posts:delete"}}, roles.Resource{Owner: "u-1"}, nil},
		"allowed, elsewhere":        {auth.Claims{Issuer: other}, roles.Resource{Allows: says(true, nil)}, nil},
		"allowed, from anywhere":    {auth.Claims{Issuer: "https://fourth.example"}, roles.Resource{Allows: says(true, nil)}, auth.ErrInsufficientScope},
		"allowed":                   {auth.Claims{}, roles.Resource{Allows: says(true, nil)}, nil},
		"not allowed":               {auth.Claims{}, roles.Resource{Allows: says(false, nil)}, auth.ErrInsufficientScope},
		"undecided":                 {auth.Claims{}, roles.Resource{Allows: says(false, errDown)}, errDown},
		"undecided, yet allowed":    {auth.Claims{}, roles.Resource{Allows: says(true, errDown)}, errDown},
		"allowed, but out of scope": {auth.Claims{Kind: auth.KindAgent, Actors: []string{"bot"}}, roles.Resource{Allows: says(true, nil)}, auth.ErrInsufficientScope},
	} {
		p := principal(t, row.claims)
		if err := r.CheckOn(t.Context(), p, "posts:delete", row.on); !errors.Is(err, row.want) || row.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		if got := r.CanOn(t.Context(), p, "posts:delete", row.on); got != (row.want == nil) {
			t.Errorf("%s: CanOn: %t", name, got)
		}
	}
	if newRules(t, site, roles.Config{}).CanOn(t.Context(), principal(t, auth.Claims{}), "posts:delete", roles.Resource{Owner: "u-1"}) {
		t.Error("an owner has permissions without Config.Owner")
	}
}

// Roles that the policy does not know are logged, each once, and no others.
func TestUnknownRolesAreLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := newRules(t, site, roles.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		r.Can(principal(t, auth.Claims{Roles: []string{"viewer", "former"}}), "posts:write")
		r.Can(principal(t, auth.Claims{Roles: []string{"theirs"}, Issuer: other}), "posts:write")
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "role=former") {
		t.Errorf("logged: %s", text)
	}
}
