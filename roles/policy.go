package roles

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/detach"
	"github.com/seed-e36e2130/auth/revocation"
)

// Permission is something that a role permits, such as "posts:write": 1 to 128 ASCII letters, digits and
// characters of "_-.:/". In a [Policy] it may also be "*", which stands for every permission, or end with
// ":*": "users:*" stands for every permission that begins with "users:".
type Permission string

// Assign is the permission to grant and take roles: see [Rules.Grant].
const Assign Permission = "roles:assign"

// Includes stands in the permissions of a role for all that another role permits.
func Includes(role string) Permission { return Permission(includes + role + ")") }

const includes = "includes("

// included returns the role of Includes.
func (p Permission) included() (role string, ok bool) {
	role, ok = strings.CutPrefix(string(p), includes)
	return strings.TrimSuffix(role, ")"), ok
}

// Policy holds the permissions of each role, by the name of the role: 1 to 64 ASCII letters, digits and
// characters of "_-.:". What a role does not permit is denied to those who have no other role.
type Policy map[string][]Permission

// Config configures [New]. Its zero value is the safe choice.
type Config struct {
	// Exclusive holds sets of roles of each of which nobody may have two, such as {"payer", "approver"}: static
	// separation of duties (INCITS 359-2012 section 5.3). A role that includes another has it, too.
	Exclusive [][]string

	// Issuers says what roles in the tokens of other issuers stand for: our role by theirs, by issuer. The
	// name of their role is compared byte for byte. An issuer with an empty map has callers whom Allows of a
	// [Resource] may let pass. nil: nothing, so that their tokens permit nothing.
	Issuers map[string]map[string]string

	// Clients are the client_id of the program's own clients, whose tokens may do all that their user may. The
	// tokens of other clients may do what their scopes permit, too. nil: the issuer's name alone, which is what
	// a jwt.Issuer writes if nothing else is set.
	Clients []string

	// Scopes says what a scope permits an API key, an agent or another client, beside the permission that has
	// the same name. The permissions are patterns as in a Policy. nil: nothing more.
	Scopes map[string][]Permission

	// Owner is the role that a user has for resources that belong to the user: see [Resource]. It is not
	// assigned to anybody. "": owners have no more permissions than others.
	Owner string

	// Store keeps who has which role: usually the same store as users, such as a memstore.Store or a
	// sqlstore.Store. With it, users can be given roles, their tokens get them by [Rules.Claims], and API keys and
	// agents may do what their user's roles permit. nil: roles come from elsewhere, and API keys and agents may
	// do nothing.
	Store Store

	// Revoked follows the feed of Store. It says when the roles of a user have changed. Required with Store.
	Revoked *revocation.List

	// Administrator is the role that at least one user keeps, outside of organisations and without an end. "":
	// "admin", if the policy has that role.
	Administrator string

	// TokenLife is the longest life of an access token, for which a change of roles is remembered. It is the
	// MaxLifetime of the issuer. 0: 24 hours, which is that of a jwt.Issuer; from 1 minute to 3,650 days.
	TokenLife time.Duration

	// CacheEntries is for how many users the roles are kept in memory, for API keys, agents and organisations. 0:
	// 4,096; from 1 to 1,048,576.
	CacheEntries int

	// Events receives [EventGranted] and [EventTaken], under the rules of [auth.Config].Events. nil: there are no
	// events.
	Events func(ctx context.Context, e auth.Event)

	// Logger receives a warning, once for each role, when a token has a role that the policy does not know. nil:
	// [slog.Default].
	Logger *slog.Logger
}

// Rules decides by a policy. Make one with [New]. What it decides never changes, and it is safe for
// concurrent use.
type Rules struct {
	issuer  string
	roles   map[string]*grant            // by role
	scopes  map[string]*grant            // by scope
	foreign map[string]map[string]*grant // by issuer and role of that issuer
	users   users                        // roles of users, from the store
	owner   *grant                       // nil: owners have no permissions of their own
	config  Config

	mu      sync.Mutex
	asked   map[string]bool // permissions that routes ask for
	unknown map[string]bool // roles that were reported as unknown
}

// grant is what a role or scope permits, roles that it includes counted in.
type grant struct {
	roles    map[string]bool // the role itself and those that it includes
	exact    map[string]bool // permissions
	prefixes []string        // beginnings of permissions, from wildcards
}

// permits reports whether g permits something. nil permits nothing.
func (g *grant) permits(permission string) bool {
	if g == nil {
		return false
	}
	if g.exact[permission] {
		return true
	}
	for _, prefix := range g.prefixes {
		if len(permission) > len(prefix) && permission[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}

// covers reports whether g permits all that other permits.
func (g *grant) covers(other *grant) bool {
	for permission := range other.exact {
		if !g.permits(permission) {
			return false
		}
	}
	for _, wide := range other.prefixes {
		if !slices.ContainsFunc(g.prefixes, func(prefix string) bool { return strings.HasPrefix(wide, prefix) }) {
			return false
		}
	}
	return true
}

// add adds a permission that is no Includes.
func (g *grant) add(p Permission) {
	if prefix, wild := strings.CutSuffix(string(p), "*"); wild {
		if !slices.Contains(g.prefixes, prefix) {
			g.prefixes = append(g.prefixes, prefix)
		}
		return
	}
	g.exact[string(p)] = true
}

// join adds all that other permits.
func (g *grant) join(other *grant) {
	maps.Copy(g.roles, other.roles)
	maps.Copy(g.exact, other.exact)
	for _, prefix := range other.prefixes {
		if !slices.Contains(g.prefixes, prefix) {
			g.prefixes = append(g.prefixes, prefix)
		}
	}
}

func newGrant() *grant { return &grant{roles: map[string]bool{}, exact: map[string]bool{}} }

const (
	roleRule       = "must be 1 to 64 ASCII letters, digits and characters of _-.:"
	permissionRule = "must be 1 to 128 ASCII letters, digits and characters of _-.:/"
	patternRule    = permissionRule + `, and may end with ":*" or be "*"`
)

// isName reports whether s has 1 to most ASCII letters, digits and characters of more.
func isName(s string, most int, more string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && !(c >= '0' && c <= '9') && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= most
}

func isRole(s string) bool { return isName(s, 64, "_-.:") }

func isPermission(s string) bool { return isName(s, 128, "_-.:/") }

// isPattern reports whether p is a permission, or a wildcard of permissions.
func isPattern(p Permission) bool {
	prefix, wild := strings.CutSuffix(string(p), ":*")
	return p == "*" || isPermission(prefix) && (!wild || len(p) <= 128)
}

// New returns the rules of a policy for the tokens of an issuer, the iss of the program's own tokens. It
// returns a [*cfgerr.Error] for each fault, joined: a name of another form, Includes of a role that is not
// in the policy, roles that include each other in a circle, a role that includes two roles of an exclusive
// set, and a role in cfg that is not in the policy.
func New(issuer string, policy Policy, cfg Config) (*Rules, error) {
	faults := cfgerr.Faults{Prefix: "roles."}
	faults.Require("New.issuer", issuer != "")
	faults.Require("New.policy", len(policy) > 0)
	r := &Rules{issuer: issuer, asked: map[string]bool{}, unknown: map[string]bool{}}
	r.roles = compile(&faults, policy)
	r.checkExclusive(&faults, cfg.Exclusive)
	known := func(field, value, role string) *grant {
		g := r.roles[role]
		if g == nil {
			faults.Add(field, value, "is no role of the policy")
		}
		return g
	}
	if cfg.Owner != "" {
		r.owner = known("Config.Owner", cfg.Owner, cfg.Owner)
	}
	r.foreign = make(map[string]map[string]*grant, len(cfg.Issuers))
	for _, other := range slices.Sorted(maps.Keys(cfg.Issuers)) {
		if other == "" || other == issuer {
			faults.Add("Config.Issuers", other, "must be the name of another issuer")
		}
		r.foreign[other] = make(map[string]*grant, len(cfg.Issuers[other]))
		for _, theirs := range slices.Sorted(maps.Keys(cfg.Issuers[other])) {
			ours := cfg.Issuers[other][theirs]
			r.foreign[other][theirs] = known("Config.Issuers", other+": "+theirs+": "+ours, ours)
		}
	}
	r.scopes = compileScopes(&faults, cfg.Scopes)
	if cfg.Administrator != "" {
		known("Config.Administrator", cfg.Administrator, cfg.Administrator)
	} else if r.roles["admin"] != nil {
		cfg.Administrator = "admin"
	}
	if (cfg.Store == nil) != (cfg.Revoked == nil) {
		faults.Add("Config.Revoked", "", "and Store need each other: without the list nobody would notice that roles have changed")
	}
	cfg.TokenLife = cfgerr.Within(&faults, "Config.TokenLife", cfg.TokenLife, 24*time.Hour, time.Minute, 3650*24*time.Hour)
	r.users.most = cfgerr.Within(&faults, "Config.CacheEntries", cfg.CacheEntries, 4096, 1, 1<<20)
	for _, client := range cfg.Clients {
		faults.Require("Config.Clients", client != "")
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	cfg.Clients = slices.Clone(cfg.Clients)
	if cfg.Clients == nil {
		cfg.Clients = []string{issuer}
	}
	exclusive := make([][]string, len(cfg.Exclusive))
	for i, set := range cfg.Exclusive {
		exclusive[i] = slices.Clone(set)
	}
	cfg.Exclusive = exclusive
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	if cfg.Events == nil {
		cfg.Events = func(context.Context, auth.Event) {}
	}
	if cfg.Store != nil {
		cfg.Store = detached{cfg.Store, detach.New()}
	}
	r.config = cfg
	return r, nil
}

// compile returns what each role of a policy permits.
func compile(faults *cfgerr.Faults, policy Policy) map[string]*grant {
	c := compiler{faults, policy, make(map[string]*grant, len(policy)), nil}
	for _, role := range slices.Sorted(maps.Keys(policy)) {
		if !isRole(role) {
			faults.Add("New.policy", role, roleRule)
		}
		c.role(role)
	}
	return c.done
}

// compiler follows roles to those that they include.
type compiler struct {
	faults *cfgerr.Faults
	policy Policy
	done   map[string]*grant // nil for a role whose turn is not over
	way    []string          // roles that lead to the present one
}

// role returns what a role permits, or nil if it includes itself.
func (c *compiler) role(role string) *grant {
	if g, begun := c.done[role]; begun {
		if i := slices.Index(c.way, role); i >= 0 {
			c.faults.Add("New.policy", strings.Join(append(slices.Clone(c.way[i:]), role), " includes "), "is a circle: no role may include itself")
		}
		return g
	}
	c.done[role] = nil
	c.way = append(c.way, role)
	g := newGrant()
	g.roles[role] = true
	for _, p := range c.policy[role] {
		other, isInclude := p.included()
		_, there := c.policy[other]
		switch {
		case isInclude && !there:
			c.faults.Add("New.policy", role, fmt.Sprintf("includes %q, which is no role of the policy", other))
		case isInclude:
			if included := c.role(other); included != nil {
				g.join(included)
			}
		case !isPattern(p):
			c.faults.Add("New.policy", role+": "+string(p), patternRule)
		default:
			g.add(p)
		}
	}
	c.way = c.way[:len(c.way)-1]
	c.done[role] = g
	return g
}

// compileScopes returns what scopes permit beside the permissions of their names.
func compileScopes(faults *cfgerr.Faults, scopes map[string][]Permission) map[string]*grant {
	compiled := make(map[string]*grant, len(scopes))
	for _, scope := range slices.Sorted(maps.Keys(scopes)) {
		faults.Require("Config.Scopes", scope != "")
		g := newGrant()
		for _, p := range scopes[scope] {
			if !isPattern(p) {
				faults.Add("Config.Scopes", scope+": "+string(p), patternRule)
				continue
			}
			g.add(p)
		}
		compiled[scope] = g
	}
	return compiled
}

// checkExclusive adds a fault for each set that is none, and for each role that has two roles of a set.
func (r *Rules) checkExclusive(faults *cfgerr.Faults, sets [][]string) {
	const field = "Config.Exclusive"
	for _, set := range sets {
		name := strings.Join(set, ", ")
		sorted := slices.Sorted(slices.Values(set))
		if len(slices.Compact(sorted)) < max(2, len(set)) {
			faults.Add(field, name, "must have two roles or more, each once")
			continue
		}
		for _, role := range set {
			if r.roles[role] == nil {
				faults.Add(field, role, "is no role of the policy")
			}
		}
		for _, role := range slices.Sorted(maps.Keys(r.roles)) {
			if two := among(set, r.roles[role]); len(two) > 1 {
				faults.Add(field, name, fmt.Sprintf("nobody could have the role %q, which has %q and %q", role, two[0], two[1]))
			}
		}
	}
}

// among returns the roles of a set that one who has one of the grants has.
func among(set []string, grants ...*grant) (found []string) {
	for _, role := range set {
		if slices.ContainsFunc(grants, func(g *grant) bool { return g != nil && g.roles[role] }) {
			found = append(found, role)
		}
	}
	return found
}

// conflict returns two of the roles of a user that nobody may have together.
func (r *Rules) conflict(roles []string) (one, other string, found bool) {
	var grants []*grant
	for _, role := range roles {
		grants = append(grants, r.roles[role])
	}
	for _, set := range r.config.Exclusive {
		if two := among(set, grants...); len(two) > 1 {
			return two[0], two[1], true
		}
	}
	return "", "", false
}

// Roles returns the names of the roles of the policy, sorted.
func (r *Rules) Roles() []string { return slices.Sorted(maps.Keys(r.roles)) }

// Permissions returns what a role permits, with what the roles that it includes permit, sorted. Wildcards
// stand as they are declared. It returns nothing for a role that is not in the policy.
func (r *Rules) Permissions(role string) (list []Permission) {
	g := r.roles[role]
	if g == nil {
		return nil
	}
	for p := range g.exact {
		list = append(list, Permission(p))
	}
	for _, prefix := range g.prefixes {
		list = append(list, Permission(prefix+"*"))
	}
	slices.Sort(list)
	return list
}
