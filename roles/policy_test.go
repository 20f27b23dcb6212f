package roles_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/roles"
)

func TestNewFindsEachFault(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("r", 65)
	for name, row := range map[string]struct {
		policy roles.Policy
		cfg    roles.Config
		want   []string // parts of the text, one for each fault
	}{
		"no policy": {nil, roles.Config{}, []string{"New.policy: is required"}},
		"odd names": {
			roles.Policy{"": {"a"}, "a b": {}, "é": {}, long: {}, "x*": {}, "ok_-.:9": {}}, roles.Config{},
			[]string{`New.policy: must be`, `"a b": must be`, `"é": must be`, `rrr": must be`, `"x*": must be`},
		},
		"odd permissions": {
			roles.Policy{"r": {"", "a b", "*:a", "a*", "a:*:b", "a:**", ":*", roles.Permission(strings.Repeat("p", 129)), "a:*", "*", "a/b.c-d_e:9"}}, roles.Config{},
			[]string{`"r: ": must`, `"r: a b"`, `"r: *:a"`, `"r: a*"`, `"r: a:*:b"`, `"r: a:**"`, `"r: :*"`, `ppp"`},
		},
		"unknown role": {
			roles.Policy{"a": {roles.Includes("b"), roles.Includes("")}, "c": {roles.Includes("C")}}, roles.Config{},
			[]string{`"a": includes "b", which`, `"a": includes "", which`, `"c": includes "C", which`},
		},
		"circles": {
			roles.Policy{"a": {roles.Includes("a")}, "b": {roles.Includes("c")}, "c": {roles.Includes("d")}, "d": {roles.Includes("b")}, "e": {roles.Includes("b")}}, roles.Config{},
			[]string{`"a includes a": is a circle`, `"b includes c includes d includes b": is a circle`},
		},
		"exclusive": {
			roles.Policy{"payer": {"pay"}, "approver": {"approve"}, "both": {roles.Includes("payer"), roles.Includes("approver")}},
			roles.Config{Exclusive: [][]string{{"payer", "approver"}, {"payer"}, {"payer", "payer"}, {"payer", "nobody"}}},
			[]string{`nobody could have the role "both"`, `"payer": must have two`, `"payer, payer": must have two`, `"nobody": is no role`},
		},
		"settings": {
			roles.Policy{"r": {"p"}},
			roles.Config{
				Owner: "o", Clients: []string{""}, Scopes: map[string][]roles.Permission{"": {"p"}, "s": {"a b"}},
				Issuers: map[string]map[string]string{"": {}, issuer: {}, "https://other": {"theirs": "x"}},
			},
			[]string{
				`Config.Owner "o": is no`, `Config.Issuers: must be`, `Config.Issuers "` + issuer, `"https://other: theirs: x": is no`,
				`Config.Scopes: is required`, `Config.Scopes "s: a b"`, `Config.Clients: is required`,
			},
		},
	} {
		_, err := roles.New(issuer, row.policy, row.cfg)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if faults := testkit.FaultFields(err); len(faults) != len(row.want) {
			t.Errorf("%s: %d faults, want %d:\n%v", name, len(faults), len(row.want), err)
		}
		for _, want := range row.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no fault has %q:\n%v", name, want, err)
			}
		}
	}
	if _, err := roles.New("", site, roles.Config{}); err == nil {
		t.Error("no issuer: no error")
	}
	if _, err := roles.New(issuer, site, roles.Config{}); err != nil {
		t.Error(err)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	r := newRules(t, site, roles.Config{})
	if got := r.Roles(); !slices.Equal(got, []string{"admin", "editor", "owner", "root", "viewer"}) {
		t.Errorf("Roles: %q", got)
	}
	for role, want := range map[string][]roles.Permission{
		"admin": {"posts:read", "posts:write", "roles:assign", "users:*"}, "viewer": {"posts:read"}, "root": {"*"}, "nobody": nil,
	} {
		if got := r.Permissions(role); !slices.Equal(got, want) {
			t.Errorf("Permissions of %s: %q, want %q", role, got, want)
		}
	}
}

// A declaration cannot be changed by changing what New was given.
func TestPolicyIsCopied(t *testing.T) {
	t.Parallel()
	policy := roles.Policy{"a": {"x"}, "b": {"y"}}
	clients := []string{"app"}
	r := newRules(t, policy, roles.Config{Clients: clients})
	policy["a"][0], policy["c"], clients[0] = "y", []roles.Permission{"*"}, "other"
	a := principal(t, auth.Claims{Roles: []string{"a", "c"}, ClientID: "app"})
	if !r.Can(a, "x") || r.Can(a, "y") {
		t.Error("a change of the map changed the policy")
	}
}

// TestPolicyAgainstSimpleRule compares decisions about random policies and callers with a rule that is
// written down as in the documentation, without anything that is precomputed.
func TestPolicyAgainstSimpleRule(t *testing.T) {
	t.Parallel()
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	permissions := []string{"a", "a:b", "a:b:c", "b", "b:c", "ab:c", "c:d:e", "roles:assign"}
	patterns := append([]string{"*", "a:*", "a:b:*", "b:*", "c:*"}, permissions...)
	random := rand.New(rand.NewPCG(3, 4))
	allowed, denied := 0, 0
	for range rounds {
		names := make([]string, 2+random.IntN(8))
		for i := range names {
			names[i] = fmt.Sprintf("r%d", i)
		}
		policy, includes := roles.Policy{}, map[string][]string{}
		for i, name := range names {
			policy[name] = nil
			for range random.IntN(4) {
				policy[name] = append(policy[name], roles.Permission(patterns[random.IntN(len(patterns))]))
			}
			for range random.IntN(3) {
				if i > 0 { // only roles before it, so that there is no circle
					other := names[random.IntN(i)]
					includes[name] = append(includes[name], other)
					policy[name] = append(policy[name], roles.Includes(other))
				}
			}
		}
		r := newRules(t, policy, roles.Config{})
		// permits follows the declaration word by word.
		var permits func(role, permission string) bool
		permits = func(role, permission string) bool {
			for _, p := range policy[role] {
				prefix, wild := strings.CutSuffix(string(p), ":*")
				if string(p) == permission || p == "*" || wild && strings.HasPrefix(permission, prefix+":") {
					return true
				}
			}
			return slices.ContainsFunc(includes[role], func(other string) bool { return permits(other, permission) })
		}
		for range 20 {
			var has []string
			for _, name := range append(names, "unknown") {
				if random.IntN(4) == 0 {
					has = append(has, name)
				}
			}
			p := principal(t, auth.Claims{Roles: has})
			for _, permission := range permissions {
				want := slices.ContainsFunc(has, func(role string) bool { return permits(role, permission) })
				if got := r.Can(p, permission); got != want {
					t.Fatalf("%v: roles %q can %s: %t, want %t", policy, has, permission, got, want)
				}
				if want {
					allowed++
				} else {
					denied++
				}
			}
		}
	}
	if allowed < rounds || denied < rounds {
		t.Errorf("%d allowed and %d denied show little", allowed, denied)
	}
}

// large returns a policy of 1,000 roles and 1,000 permissions, the last of which includes a chain of ten.
func large() roles.Policy {
	policy := roles.Policy{}
	for i := range 1000 {
		policy[fmt.Sprintf("role-%d", i)] = []roles.Permission{roles.Permission(fmt.Sprintf("things:%d:write", i)), roles.Permission(fmt.Sprintf("things:%d:read", i))}
	}
	for i := range 10 {
		chain := []roles.Permission{roles.Permission(fmt.Sprintf("level:%d", i))}
		for j := i * 100; j < (i+1)*100; j++ {
			chain = append(chain, roles.Permission(fmt.Sprintf("items:%d", j)))
		}
		if i > 0 {
			chain = append(chain, roles.Includes(fmt.Sprintf("chain-%d", i-1)))
		}
		policy[fmt.Sprintf("chain-%d", i)] = chain
	}
	return policy
}

func TestLargePolicy(t *testing.T) {
	t.Parallel()
	began := time.Now()
	r := newRules(t, large(), roles.Config{})
	t.Logf("a policy of 1,010 roles took %v", time.Since(began))
	p := principal(t, auth.Claims{Roles: []string{"chain-9"}})
	for i := range 1000 {
		if !r.Can(p, fmt.Sprintf("items:%d", i)) {
			t.Fatalf("items:%d is denied", i)
		}
	}
	if r.Can(p, "things:1:read") || r.Can(p, "items:1000") {
		t.Error("a role permits what it does not declare")
	}
}
