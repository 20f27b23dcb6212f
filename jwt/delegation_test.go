package jwt_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// Whatever chain of delegations is asked for, no token of it allows more, or lives longer, than the
// one before; and what is refused broke a rule.
func TestDelegationShrinks(t *testing.T) {
	t.Parallel()
	rounds := 100_000
	if testing.Short() {
		rounds = 10_000
	}
	scopes := []string{"notes:read", "notes:write", "files:read", "admin", "x"}
	random := rand.New(rand.NewPCG(1, 2))
	some := func(of []string) (list []string) {
		for _, s := range of {
			if random.IntN(2) == 0 {
				list = append(list, s)
			}
		}
		return list
	}
	given, refused := 0, map[string]int{}
	for range rounds {
		person := jwt.Claims{
			Subject: "u-1", Issuer: testkit.Issuer, SessionID: []string{"s-1", "s-1", "s-1", ""}[random.IntN(4)], Scopes: some(scopes[:4]), Roles: []string{"admin"},
			AuthTime: time.Now(), AMR: []string{"pwd", "mfa"}, ACR: "mfa", Expiry: time.Now().Add(time.Duration(random.IntN(900)-10) * time.Second),
		}
		p, err := jwt.NewPrincipal(person)
		if err != nil {
			t.Fatal(err)
		}
		for depth := 1; depth <= jwt.MaxActors+2; depth++ {
			wanted := some(scopes)
			if random.IntN(3) > 0 {
				wanted = some(p.Scopes())
			}
			d := jwt.Delegation{Actor: "agent-" + string(rune('0'+depth)), Scopes: wanted}
			if random.IntN(2) == 0 {
				d.Lifetime = time.Duration(random.IntN(1000)-5) * time.Second
			}
			c, err := p.Delegated(d)
			left := time.Until(p.Expiry())
			breaks := depth > jwt.MaxActors || p.SessionID() == "" || left < time.Second ||
				d.Lifetime != 0 && (d.Lifetime < time.Second || d.Lifetime > left) ||
				slices.ContainsFunc(wanted, func(s string) bool { return !p.HasScope(s) })
			if err != nil {
				if !errors.Is(err, jwt.ErrDelegation) || !breaks && left > time.Second+time.Minute && d.Lifetime == 0 {
					t.Fatalf("%+v of %+v is refused: %v", d, p.Claims(), err)
				}
				refused[err.Error()]++
				break
			}
			if breaks && d.Lifetime != left.Truncate(time.Second) {
				t.Fatalf("%+v of %+v is allowed", d, p.Claims())
			}
			next, err := jwt.NewPrincipal(c)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case next.Subject() != p.Subject(), next.SessionID() != p.SessionID(), next.Kind() != jwt.KindAgent:
				t.Fatalf("%+v changes who the caller is: %+v", d, c)
			case next.Expiry().After(p.Expiry()):
				t.Fatalf("%+v lives longer than %v", c, p.Expiry())
			case slices.ContainsFunc(next.Scopes(), func(s string) bool { return !p.HasScope(s) }):
				t.Fatalf("%+v has more scopes than %q", c, p.Scopes())
			case next.Roles() != nil, !next.AuthTime().IsZero(), next.AMR() != nil, next.ACR() != "":
				t.Fatalf("%+v has the person's roles or their proof", c)
			case next.Actor() != d.Actor, !slices.Equal(next.Actors()[1:], p.Actors()):
				t.Fatalf("actors %q after %q", next.Actors(), p.Actors())
			}
			given++
			p = next
		}
	}
	if given < rounds/2 || len(refused) < 5 {
		t.Errorf("%d delegations in %d rounds, refusals %v: the chains do not try enough", given, rounds, refused)
	}
}

// A caller who is no person or agent has nothing to delegate, and an agent has a name.
func TestDelegationRefused(t *testing.T) {
	t.Parallel()
	caller := jwt.Claims{Subject: "u-1", SessionID: "s-1", Expiry: time.Now().Add(time.Hour)}
	service, key := caller, caller
	service.Kind, key.Kind = jwt.KindService, jwt.KindAPIKey
	forever := caller
	forever.Expiry = time.Time{}
	for name, row := range map[string]struct {
		caller jwt.Claims
		jwt.Delegation
	}{
		"a service": {service, jwt.Delegation{Actor: "a"}}, "a key": {key, jwt.Delegation{Actor: "a"}},
		"a caller without a token": {forever, jwt.Delegation{Actor: "a"}}, "an agent without a name": {caller, jwt.Delegation{}},
	} {
		p, err := jwt.NewPrincipal(row.caller)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Delegated(row.Delegation); !errors.Is(err, jwt.ErrDelegation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var nobody *jwt.Principal
	if _, err := nobody.Delegated(jwt.Delegation{Actor: "a"}); !errors.Is(err, jwt.ErrDelegation) {
		t.Errorf("nobody: %v", err)
	}
}
