// Package cfgerr holds the error for faults in a host's configuration, and collects them: a
// constructor finds every fault and returns them joined.
package cfgerr

import (
	"errors"
	"fmt"
	"time"
)

// Error is one fault in what a host configured. Constructors return it, as a rule joined with
// others ([errors.Join]); find it with [errors.As]. A constructor that touches the system, such
// as one that reads a key file, returns other errors as well, wrapped.
type Error struct {
	Field  string // the field or parameter at fault, such as "jwt.IssuerConfig.Issuer" or "New.users"
	Value  string // what was given; empty where that is secret or absent
	Reason string // what is wrong and what is accepted
}

// Error returns the field, the value if there is one, and the reason.
func (e *Error) Error() string {
	if e.Value == "" {
		return "auth: " + e.Field + ": " + e.Reason
	}
	return fmt.Sprintf("auth: %s %q: %s", e.Field, e.Value, e.Reason)
}

// Faults collects the faults of one configuration. Its zero value holds none. It is not safe for
// concurrent use.
type Faults struct {
	Prefix string // stands before the Field of each fault that is added, such as "jwt.IssuerConfig."

	faults []error
}

// Add adds a fault of a field. The value must be empty if it is secret.
func (f *Faults) Add(field, value, reason string) {
	f.faults = append(f.faults, &Error{Field: f.Prefix + field, Value: value, Reason: reason})
}

// Require adds a fault of a field that must be given, unless it is present.
func (f *Faults) Require(field string, present bool) {
	if !present {
		f.Add(field, "", "is required")
	}
}

// Join adds what another constructor returned: each fault of it, and nothing if err is nil.
func (f *Faults) Join(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		f.faults = append(f.faults, joined.Unwrap()...)
	} else if err != nil {
		f.faults = append(f.faults, err)
	}
}

// Err returns all faults, joined, or nil if there are none.
func (f *Faults) Err() error { return errors.Join(f.faults...) }

// Within returns the value of a field that has a default and a range: byDefault for 0, the value
// itself from least to most, and otherwise byDefault with a fault added.
func Within[T int | int64 | time.Duration](f *Faults, field string, value, byDefault, least, most T) T {
	switch {
	case value == 0:
		return byDefault
	case value < least || value > most:
		f.Add(field, fmt.Sprint(value), fmt.Sprintf("must be 0 or %v to %v", least, most))
		return byDefault
	}
	return value
}
