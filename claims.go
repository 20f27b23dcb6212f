package auth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// registeredClaims are the names that this library gives a meaning, or would have
// to: a custom claim may not spell one of them in any letter case, for there are
// readers that fold case.
var registeredClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", // RFC 7519 section 4.1
	"sid", "scope", "roles", "auth_time", "amr", "acr", "act", "sub_profile",
	"may_act", // RFC 8693 section 4.4
	"cnf",     // RFC 7800: a token bound to a key is no bearer token
}

func registered(name string) bool { return slices.Contains(registeredClaims, name) }

// shadows reports whether some reader could take name for a registered claim.
func shadows(name string) bool {
	return slices.ContainsFunc(registeredClaims, func(r string) bool { return strings.EqualFold(r, name) })
}

// claimNames says where things stand in other issuers' tokens, and what must.
type claimNames struct {
	audience string
	scope    string
	roles    []string          // the way through objects to the array
	required map[string]string // "": any text but the empty one
}

var defaultClaimNames = claimNames{audience: "aud", scope: "scope", roles: []string{"roles"}}

// parsePrincipal reads claims whose signature was verified. Which of them must be
// there and what they must say is the verifier's business: see accept.
func parsePrincipal(payload string, names claimNames) (*Principal, error) {
	payload = strings.Trim(payload, " \t\r\n") // of JSON's own space
	p := &Principal{payload: payload, expiry: absent, notBefore: absent, issuedAt: absent, authTime: absent}
	required := 0
	err := strictjson.Object(payload, func(name, value string) error {
		ok := true
		if name == names.scope {
			p.scope, ok = scopeText(value)
		}
		if name == names.roles[0] {
			p.roles, ok = rolesAt(value, names.roles[1:])
		}
		if name == names.audience {
			p.audience, ok = value, isText(value) || isTexts(value)
		}
		if !ok {
			return errClaims
		}
		if want, is := names.required[name]; is {
			if text, _ := strictjson.Text(value); text == "" || want != "" && text != want {
				return errRequired
			}
			required++
		}
		switch name {
		case "sub":
			p.subject, ok = strictjson.Text(value)
		case "iss":
			p.issuer, ok = strictjson.Text(value)
		case "aud":
			if names.audience != "aud" { // it would have to be looked at all the same
				return errAudience
			}
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
		case "act":
			p.actor, ok = actorOf(value)
		case "sub_profile":
			var kind string
			kind, ok = strictjson.Text(value)
			p.kind = Kind(kind)
		case "cnf":
			return errBound
		}
		if !ok {
			return errClaims
		}
		return nil
	})
	switch {
	case err == nil:
	case errors.Is(err, ErrInvalidToken):
		return nil, err
	default:
		return nil, errClaims
	}
	if required != len(names.required) {
		return nil, errRequired
	}
	if p.subject == "" {
		return nil, errSubject
	}
	return p, nil
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

// scopeText reads the string of RFC 8693 section 4.2, or the array of strings
// that some issuers write.
func scopeText(value string) (string, bool) {
	if s, ok := strictjson.Text(value); ok {
		return s, true
	}
	if !isTexts(value) {
		return "", false
	}
	return strings.Join(texts(value), " "), true
}

// rolesAt returns the array of strings that way leads to. Where the way ends
// early there are no roles; where it ends at something else the token is refused.
func rolesAt(value string, way []string) (array string, ok bool) {
	if len(way) == 0 {
		return value, isTexts(value)
	}
	ok = true
	err := strictjson.Object(value, func(name, inner string) error {
		if name == way[0] {
			array, ok = rolesAt(inner, way[1:])
		}
		return nil
	})
	return array, ok && err == nil
}

// actorOf reads RFC 8693 section 4.1. An actor without a name would pass for no
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

// instant is a NumericDate (RFC 7519 section 2) in microseconds.
type instant int64

const (
	absent instant = -1 << 63

	second     instant = 1e6
	minInstant         = -62135596800 * second // year 1
	maxInstant         = 253402300799 * second // year 9999
)

func (i instant) time() time.Time {
	if i == absent {
		return time.Time{}
	}
	return time.UnixMicro(int64(i)).UTC()
}

// parseInstant reads a JSON number, integer or not, of the years 1 to 9999.
func parseInstant(value string) (instant, bool) {
	if len(value) <= 12 {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && value[0] != '+' {
			i := instant(n) * second
			return i, minInstant <= i && i <= maxInstant
		}
	}
	if c := value[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false // a string, a literal, an array or an object
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || f < float64(minInstant/second) || f > float64(maxInstant/second) {
		return 0, false
	}
	return instant(f * float64(second)), true
}

// appendClaims writes c as JSON, itself: names and values that a host made up can
// neither add a member nor replace one.
func appendClaims(dst []byte, c *Claims) ([]byte, error) {
	if c.Subject == "" {
		return nil, fmt.Errorf("auth: claims: no subject")
	}
	w := claimsWriter{dst: append(dst, '{')}
	w.text("iss", c.Issuer)
	w.text("sub", c.Subject)
	switch len(c.Audience) {
	case 0:
	case 1:
		w.text("aud", c.Audience[0])
	default:
		w.texts("aud", c.Audience)
	}
	w.instant("exp", c.Expiry)
	w.instant("iat", c.IssuedAt)
	w.text("jti", c.TokenID)
	w.text("sid", c.SessionID)
	w.text("sub_profile", string(c.Kind))
	if len(c.Scopes) > 0 {
		for _, s := range c.Scopes {
			if !isScope(s) {
				return nil, fmt.Errorf("auth: claims: scope %q is not a word of RFC 6749 section 3.3", s)
			}
		}
		w.text("scope", strings.Join(c.Scopes, " "))
	}
	w.texts("roles", c.Roles)
	w.instant("auth_time", c.AuthTime)
	w.texts("amr", c.AMR)
	w.text("acr", c.ACR)
	if c.Actor != "" {
		w.name("act")
		w.dst = append(w.dst, `{"sub":`...)
		w.value(c.Actor)
		w.dst = append(w.dst, '}')
	}
	for _, name := range slices.Sorted(maps.Keys(c.Custom)) {
		if shadows(name) {
			return nil, fmt.Errorf("auth: claims: custom claim %q collides with a registered one", name)
		}
		b, err := json.Marshal(c.Custom[name])
		if err == nil {
			err = strictjson.Valid(string(b), 1) // what a Marshaler wrote, too
		}
		if err != nil {
			return nil, fmt.Errorf("auth: claims: custom claim %q: %w", name, err)
		}
		w.name(name)
		w.dst = append(w.dst, b...)
	}
	if w.err != nil {
		return nil, fmt.Errorf("auth: claims: %w", w.err)
	}
	return append(w.dst, '}'), nil
}

// isScope reports whether s is a scope-token of RFC 6749 section 3.3.
func isScope(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf-1 {
			return false
		}
	}
	return s != ""
}

// claimsWriter writes members and leaves the empty ones out; err is its first
// fault.
type claimsWriter struct {
	dst []byte
	err error
}

func (w *claimsWriter) value(s string) {
	var err error
	w.dst, err = strictjson.AppendText(w.dst, s)
	w.err = cmp.Or(w.err, err)
}

func (w *claimsWriter) name(name string) {
	if w.dst[len(w.dst)-1] != '{' {
		w.dst = append(w.dst, ',')
	}
	w.value(name)
	w.dst = append(w.dst, ':')
}

func (w *claimsWriter) text(name, s string) {
	if s != "" {
		w.name(name)
		w.value(s)
	}
}

func (w *claimsWriter) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.name(name)
	w.dst = append(w.dst, '[')
	for i, s := range list {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.value(s)
	}
	w.dst = append(w.dst, ']')
}

// instant writes whole seconds, rounded down: a token never outlives its claim.
func (w *claimsWriter) instant(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	s := t.Unix()
	if s < int64(minInstant/second) || s > int64(maxInstant/second) {
		w.err = cmp.Or(w.err, fmt.Errorf("%s is not in the years 1 to 9999", name))
	}
	w.name(name)
	w.dst = strconv.AppendInt(w.dst, s, 10)
}
