package rolestest

import "github.com/seed-e36e2130/auth/assignment"

// Broken returns the names of the rules that the stores of a factory break.
func Broken(factory func() (assignment.Store, [3]string)) (names []string) {
	for _, r := range rules {
		if broken(r, factory) != nil {
			names = append(names, r.name)
		}
	}
	return names
}

// Rules returns the names of all rules.
func Rules() (names []string) {
	for _, r := range rules {
		names = append(names, r.name)
	}
	return names
}
