package authtest

import (
	"net/http"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// started is the real time at which the tests began.
var started = time.Now()

// The functions Broken…Rules return the rules that a value breaks, by name, with the errors that
// the suite would print.

func BrokenUserStoreRules(t *testing.T, factory func(*testing.T) auth.UserStore) map[string]error {
	return BrokenUserStoreRulesBy(t, factory)
}

func BrokenUserStoreRulesBy(t *testing.T, factory func(*testing.T) auth.UserStore, ids ...func(int) string) map[string]error {
	makers := makersOf(t, ids)
	return brokenRules(t, userStoreRules(makers), with(factory, func(s auth.UserStore) users { return users{s, makers} }))
}

func BrokenHasherRules(t *testing.T, factory func(*testing.T) auth.Hasher) map[string]error {
	return brokenRules(t, hasherRules(), factory)
}

func BrokenTokenRules(t *testing.T, factory func(*testing.T) auth.TokenIssuer) map[string]error {
	return brokenRules(t, tokenRules(), factory)
}

// brokenRules checks each rule in a bubble of [testing/synctest]. A mutant that sleeps there to
// lose a race loses it on every machine.
func brokenRules[T any](t *testing.T, rules []rule[T], factory func(*testing.T) T) map[string]error {
	broken := make(map[string]error)
	for _, r := range rules {
		check := r.check
		r.clock, r.check = true, func(v T) error {
			time.Sleep(time.Until(started)) // the clock of a bubble starts in the year 2000
			return check(v)
		}
		if err := r.broken(t, factory); err != nil {
			broken[r.name] = err
		}
	}
	return broken
}

func UserStoreRules() []string { return ruleNames(userStoreRules(idMaker{anyText: true})) }

func HasherRules() []string { return ruleNames(hasherRules()) }

func TokenRules() []string { return ruleNames(tokenRules()) }

func ruleNames[T any](rules []rule[T]) (names []string) {
	for _, r := range rules {
		names = append(names, r.name)
	}
	return names
}

func BrokenSessionStoreRules(t *testing.T, factory func(*testing.T) auth.SessionStore) map[string]error {
	return brokenRules(t, sessionStoreRules(), factory)
}

func SessionStoreRules() []string { return ruleNames(sessionStoreRules()) }

func BrokenRecordStoreRules(t *testing.T, factory func(*testing.T) auth.RecordStore) map[string]error {
	return brokenRules(t, recordStoreRules(), factory)
}

func RecordStoreRules() []string { return ruleNames(recordStoreRules()) }

func BrokenAccountStoreRules(t *testing.T, factory func(*testing.T) Accounts) map[string]error {
	makers := makersOf(t, nil)
	return brokenRules(t, accountStoreRules(), with(factory, func(s Accounts) accounts { return accounts{s, makers} }))
}

func AccountStoreRules() []string { return ruleNames(accountStoreRules()) }

// AttackFinding is what Attack reports, and the kinds of attacks that showed it.
type AttackFinding struct {
	Says  string
	Kinds []string
}

// AttackFindings returns what Attack reports, without some kinds of attacks.
func AttackFindings(t testing.TB, handler http.Handler, cfg AttackConfig, without ...string) (found []AttackFinding) {
	t.Helper()
	left := map[string]bool{}
	for _, kind := range without {
		left[kind] = true
	}
	for _, f := range findings(t, handler, cfg, left) {
		found = append(found, AttackFinding{f.String(), f.kinds})
	}
	return found
}

// AttackKinds returns the names of the kinds of attacks.
func AttackKinds() []string {
	names := []string{"internals"}
	for _, kind := range attackKinds {
		names = append(names, kind.name)
	}
	return names
}
