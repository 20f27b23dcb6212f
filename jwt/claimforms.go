package jwt

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// The functions of this file read one claim from its JSON text, in the forms that it may have.

const null = "null"

// numericSubject returns a whole number as its digits. Other spellings of numbers are refused, so
// that one subject has one spelling.
func numericSubject(value string) (subject string, ok bool) {
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return value, true
}

func isText(value string) bool { _, ok := strictjson.Text(value); return ok }

func isTexts(value string) bool {
	return strictjson.Array(value, func(element string) error {
		if !isText(element) {
			return errClaims
		}
		return nil
	}) == nil
}

// IsScope reports whether s is a scope-token of RFC 6749 section 3.3.
func IsScope(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf-1 {
			return false
		}
	}
	return s != ""
}

// scopeText reads the string of RFC 8693 section 4.2 or, if allowed, the array of strings that some
// issuers write.
func scopeText(value string, mayBeArray bool) (string, bool) {
	if s, ok := strictjson.Text(value); ok {
		return s, true
	}
	if !mayBeArray || !isTexts(value) {
		return "", false
	}
	words := texts(value)
	if slices.ContainsFunc(words, func(w string) bool { return !IsScope(w) }) {
		return "", false // an element with a space must not count as two scopes
	}
	return strings.Join(words, " "), true
}

// rolesAt returns the roles that path leads to, as the JSON text of a string or an array of strings.
// One string is one role. If the path ends early or at null, there are no roles; if it ends at
// something else, ok is false.
func rolesAt(value string, path []string) (roles string, ok bool) {
	if len(path) == 0 {
		switch {
		case value == null || value == `""`:
			return "", true
		case isText(value) || isTexts(value):
			return value, true
		}
		return rolesOfObject(value)
	}
	ok = true
	err := strictjson.Object(value, func(name, inner string) error {
		if name == path[0] {
			roles, ok = rolesAt(inner, path[1:])
		}
		return nil
	})
	if ok = ok && err == nil || value == null; !ok {
		return "", false
	}
	return roles, true
}

// rolesOfObject reads roles as Zitadel writes them: the names of an object, whose values tell which
// organisations granted the role, by ID and domain. An object of another form has no roles: its names
// could mean anything.
func rolesOfObject(value string) (roles string, ok bool) {
	array := []byte{'['}
	err := strictjson.Object(value, func(name, organisations string) error {
		if len(array) > 1 {
			array = append(array, ',')
		}
		array, _ = strictjson.AppendText(array, name) // no error: name is valid UTF-8
		return strictjson.Object(organisations, func(_, domain string) error {
			if !isText(domain) {
				return errClaims
			}
			return nil
		})
	})
	if err != nil {
		return "", false
	}
	return string(append(array, ']')), true
}

// isActor reports whether value is an act claim of RFC 8693 section 4.1. An actor without a sub would
// look like no actor at all, so it is none, and neither is one who acted before.
func isActor(value string) bool {
	sub, before, ok := actorOf(value)
	return ok && sub != "" && (before == "" || isActor(before))
}

// actorOf returns the subject of an actor, and the act claim of the actor before, if there is one.
func actorOf(value string) (sub, before string, ok bool) {
	ok = true
	err := strictjson.Object(value, func(name, inner string) error {
		switch name {
		case "sub":
			sub, ok = strictjson.Text(inner)
		case "act":
			before = inner
		}
		return nil
	})
	return sub, before, ok && err == nil
}

// parseInstant reads a JSON number, integer or not, of the years 1 to 9999.
func parseInstant(value string) (clock.Instant, bool) {
	if len(value) <= 12 { // whole seconds, as nearly all are
		n, whole := clock.Instant(0), true
		for _, c := range []byte(value) {
			whole = whole && '0' <= c && c <= '9'
			n = n*10 + clock.Instant(c-'0')
		}
		if whole {
			return n * clock.Second, n <= clock.Max/clock.Second
		}
	}
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false // a string, a literal, an array or an object
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || f < float64(clock.Min/clock.Second) || f > float64(clock.Max/clock.Second) {
		return 0, false
	}
	return clock.Instant(f * float64(clock.Second)), true
}
