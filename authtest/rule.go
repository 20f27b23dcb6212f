package authtest

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

// rule is one sentence of a contract, with the check that a value keeps it. A check returns an
// error instead of failing a test, so that the tests of this package can find out which rules a
// broken implementation breaks.
type rule[T any] struct {
	name  string // name of the subtest
	holds string // the rule as the sentence that a failure prints
	clock bool   // whether the check moves the clock and runs in a synctest bubble
	check func(T) error
}

// broken returns an error that says how a value of the factory breaks the rule, or nil.
func (r rule[T]) broken(t *testing.T, factory func(*testing.T) T) (err error) {
	run := func(t *testing.T) { err = r.check(factory(t)) }
	if r.clock {
		synctest.Test(t, run)
	} else {
		run(t)
	}
	if err != nil {
		return fmt.Errorf("%s\n\tbut: %w", r.holds, err)
	}
	return nil
}

// testRules runs each rule as a subtest on a fresh value.
func testRules[T any](t *testing.T, rules []rule[T], factory func(*testing.T) T) {
	t.Helper()
	if factory == nil {
		t.Fatal("authtest: the factory is nil")
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if err := r.broken(t, factory); err != nil {
				t.Error(err)
			}
		})
	}
}

// wants returns an error unless a call returned want, which may be nil.
func wants(call string, got, want error) error {
	if want == nil && got == nil || want != nil && errors.Is(got, want) {
		return nil
	}
	return fmt.Errorf("%s returned %s, want %s", call, describe(got), describe(want))
}

// describe returns an error, or "nil", as text for a sentence.
func describe(err error) string {
	if err == nil {
		return "nil"
	}
	return fmt.Sprintf("the error %q", err)
}
