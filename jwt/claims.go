package jwt

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// registeredClaims are the names that this library gives a meaning, or would have to. A custom claim
// may not spell one of them in any letter case, because some readers of JSON fold case.
var registeredClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", // RFC 7519 section 4.1
	"sid", "scope", "roles", "auth_time", "amr", "acr", "act", "sub_profile",
	"may_act", // RFC 8693 section 4.4
	"cnf",     // RFC 7800: a token that is bound to a key is not a bearer token
}

func registered(name string) bool { return slices.Contains(registeredClaims, name) }

// shadows reports whether some reader could take name for a registered claim.
func shadows(name string) bool {
	return slices.ContainsFunc(registeredClaims, func(r string) bool { return strings.EqualFold(r, name) })
}

// claimNames says where an issuer puts the claims whose place can be set, and which claims it must
// set.
type claimNames struct {
	audience string
	scope    string
	scopes   bool              // whether scope may be an array
	roles    []string          // names that lead through objects to the array
	required map[string]string // value by name; "": any text but the empty one
}

var defaultClaimNames = claimNames{audience: "aud", scope: "scope", roles: []string{"roles"}}

// parsePrincipal reads claims whose signature was verified. Which of them are required, and what they
// must say, is decided by the verifier: see accept.
func parsePrincipal(payload string, names claimNames) (*Principal, error) {
	payload = strings.Trim(payload, " \t\r\n") // white space of JSON
	r := claimsReader{names: names, p: &Principal{
		payload: payload, expiry: clock.Absent, notBefore: clock.Absent, issuedAt: clock.Absent, authTime: clock.Absent,
	}}
	err := strictjson.Object(payload, func(name, value string) error { return r.read(name, value) })
	switch {
	case errors.Is(err, ErrInvalidToken):
		return nil, err
	case err != nil:
		return nil, errClaims
	case r.required != len(names.required):
		return nil, errRequired
	case r.p.subject == "":
		return nil, errSubject
	}
	return r.p, nil
}

// claimsReader reads the members of a payload into a principal.
type claimsReader struct {
	names    claimNames
	p        *Principal
	required int // required claims that were found
}

// read reads one member.
func (r *claimsReader) read(name, value string) error {
	if !r.readNamed(name, value) {
		return errClaims
	}
	if want, is := r.names.required[name]; is {
		if text, _ := strictjson.Text(value); text == "" || want != "" && text != want {
			return errRequired
		}
		r.required++
	}
	switch {
	case name == "cnf":
		return errBound
	case name == "aud" && r.names.audience != "aud": // a reader of aud would have to refuse it
		return errAudience
	case !r.readRegistered(name, value):
		return errClaims
	}
	return nil
}

// readNamed reads a claim whose place can be set. It returns false if the claim is malformed.
func (r *claimsReader) readNamed(name, value string) bool {
	ok := true
	if name == r.names.scope {
		r.p.scope, ok = scopeText(value, r.names.scopes)
	}
	if name == r.names.roles[0] && ok {
		r.p.roles, ok = rolesAt(value, r.names.roles[1:])
	}
	if name == r.names.audience && ok {
		r.p.audience, ok = value, isText(value) || isTexts(value)
	}
	return ok
}

// readRegistered reads a claim that has one place. It returns false if the claim is malformed.
func (r *claimsReader) readRegistered(name, value string) (ok bool) {
	p := r.p
	switch name {
	case "sub":
		p.subject, ok = strictjson.Text(value)
	case "iss":
		p.issuer, ok = strictjson.Text(value)
	case "exp":
		p.expiry, ok = parseInstant(value)
	case "nbf":
		p.notBefore, ok = parseInstant(value)
	case "iat":
		p.issuedAt, ok = parseInstant(value)
	case "auth_time":
		p.authTime, ok = parseInstant(value)
	case "jti":
		p.tokenID, ok = strictjson.Text(value)
	case "sid":
		p.sessionID, ok = strictjson.Text(value)
	case "acr":
		p.acr, ok = strictjson.Text(value)
	case "amr":
		if isTexts(value) { // some issuers write objects, which prove no method that AMR could name
			p.amr = value
		}
		ok = true
	case "act":
		p.actor, ok = actorOf(value)
	case "sub_profile":
		var kind string
		kind, ok = strictjson.Text(value)
		p.kind = Kind(kind)
	default:
		ok = true
	}
	return ok
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

// rolesAt returns the array of strings that path leads to. If the path ends early there are no roles;
// if it ends at something else, ok is false and the token is refused.
func rolesAt(value string, path []string) (array string, ok bool) {
	if len(path) == 0 {
		return value, isTexts(value)
	}
	ok = true
	err := strictjson.Object(value, func(name, inner string) error {
		if name == path[0] {
			array, ok = rolesAt(inner, path[1:])
		}
		return nil
	})
	return array, ok && err == nil
}

// actorOf reads the act claim of RFC 8693 section 4.1. An actor without a sub would look like no
// actor at all, so it is refused.
func actorOf(value string) (sub string, ok bool) {
	err := strictjson.Object(value, func(name, inner string) error {
		if name == "sub" {
			sub, ok = strictjson.Text(inner)
		}
		return nil
	})
	return sub, ok && err == nil && sub != ""
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
