package jwt

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// registeredClaims are the names that this library gives a meaning, or would have to. A custom claim
// may not spell one of them in any letter case, because some readers of JSON fold case.
var registeredClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", // RFC 7519 section 4.1
	"sid", "scope", "roles", "auth_time", "amr", "acr", "act", "sub_profile",
	"client_id",     // RFC 8693 section 4.3, RFC 9068 section 2.2
	"roles_version", // package roles
	"may_act",       // RFC 8693 section 4.4
	"cnf",           // RFC 7800: a token that is bound to a key is not a bearer token
}

func registered(name string) bool { return slices.Contains(registeredClaims, name) }

// shadows reports whether some reader could take name for a registered claim.
func shadows(name string) bool {
	return slices.ContainsFunc(registeredClaims, func(r string) bool { return strings.EqualFold(r, name) })
}

// claimNames says where an issuer puts the claims whose place can be set, which forms of them are
// read, and which claims it must set.
type claimNames struct {
	subject       string
	numberSubject bool // whether subject may be a number
	audience      string
	scope         string
	scopes        bool              // whether scope may be an array
	roles         []string          // names that lead through objects to the roles
	rolesNamed    bool              // whether the host named them: then malformed roles are not passed over
	bound         bool              // whether tokens with a cnf are read, because their proof is checked
	required      map[string]string // value by name; "": any text but the empty one
	errRequired   map[string]error  // by name

	errSubject, errNumericSubject, errAudience, errScope, errRoles error // the claim is malformed
}

var defaultClaimNames = newClaimNames(VerifierConfig{})

func newClaimNames(cfg VerifierConfig) *claimNames {
	n := &claimNames{
		subject: cmp.Or(cfg.SubjectClaim, "sub"), numberSubject: cfg.NumericSubject,
		audience: cmp.Or(cfg.AudienceClaim, "aud"),
		scope:    cmp.Or(cfg.ScopeClaim, "scope"), scopes: cfg.ScopeClaim != "",
		roles: []string{"roles"}, rolesNamed: len(cfg.RolesClaim) > 0,
		bound:    cfg.CheckProof != nil,
		required: maps.Clone(cfg.RequiredClaims),
	}
	if n.rolesNamed {
		n.roles = slices.Clone(cfg.RolesClaim)
	}
	n.errSubject, n.errAudience, n.errScope = malformed(n.subject), malformed(n.audience), malformed(n.scope)
	n.errNumericSubject = malformed(n.subject + " is a number, which NumericSubject accepts")
	n.errRequired = make(map[string]error, len(n.required))
	for name := range n.required {
		n.errRequired[name] = fmt.Errorf("%w: required claim %s", ErrInvalidToken, name)
	}
	n.errRoles = malformed(strings.Join(n.roles, "."))
	return n
}

// parsePrincipal reads claims whose signature was verified. Which of them are required, and what they
// must say, is decided by the verifier: see accept.
func parsePrincipal(payload string, names *claimNames) (*Principal, error) {
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
		return nil, names.missing(payload)
	case r.p.subject == "":
		return nil, errSubject
	}
	return r.p, nil
}

// missing returns the error for the first required claim, by name, that payload does not have.
func (n *claimNames) missing(payload string) error {
	has := map[string]bool{}
	_ = strictjson.Object(payload, func(name, _ string) error { // cannot fail: it was read before
		has[name] = true
		return nil
	})
	for _, name := range slices.Sorted(maps.Keys(n.required)) {
		if !has[name] {
			return n.errRequired[name]
		}
	}
	return errClaims // impossible
}

// claimsReader reads the members of a payload into a principal. An optional claim of another form
// than the specified one, such as null, counts as absent, because an issuer may give its name another
// meaning. See decision 0110.
type claimsReader struct {
	names    *claimNames
	p        *Principal
	required int // required claims that were found
}

// read reads one member.
func (r *claimsReader) read(name, value string) error {
	if err := r.readNamed(name, value); err != nil {
		return err
	}
	if want, is := r.names.required[name]; is {
		if text, _ := strictjson.Text(value); text == "" || want != "" && text != want {
			return r.names.errRequired[name]
		}
		r.required++
	}
	switch {
	case name == "cnf" && value != null && !r.names.bound: // whatever it is: the token is bound to it
		return errBound
	case name == "aud" && r.names.audience != "aud" && value != null: // a reader of aud would have to refuse it
		return errAudience
	case name == "sub" && r.names.subject != "sub" && value != null: // a reader of sub would see another subject
		return errTwoSubjects
	}
	return r.readRegistered(name, value)
}

// readNamed reads a claim whose place can be set.
func (r *claimsReader) readNamed(name, value string) error {
	ok := true
	if name == r.names.subject && value != null {
		if r.p.subject, ok = strictjson.Text(value); !ok {
			if r.p.subject, ok = numericSubject(value); !ok {
				return r.names.errSubject
			}
			if !r.names.numberSubject {
				return r.names.errNumericSubject
			}
		}
	}
	if name == r.names.scope && value != null {
		if r.p.scope, ok = scopeText(value, r.names.scopes); !ok {
			return r.names.errScope
		}
	}
	if name == r.names.roles[0] {
		if r.p.roles, ok = rolesAt(value, r.names.roles[1:]); !ok && r.names.rolesNamed {
			return r.names.errRoles
		}
	}
	if name == r.names.audience && value != null {
		if r.p.audience = value; !isText(value) && !isTexts(value) {
			return r.names.errAudience
		}
	}
	return nil
}

// readRegistered reads a claim that has one place.
func (r *claimsReader) readRegistered(name, value string) error {
	p, ok := r.p, true
	switch name {
	case "iss":
		p.issuer, ok = strictjson.Text(value)
		ok = ok || value == null
	case "exp":
		p.expiry, ok = parseInstant(value)
	case "nbf":
		p.notBefore, ok = parseInstant(value)
	case "iat":
		p.issuedAt, ok = parseInstant(value)
	case "act":
		p.act, ok = value, isActor(value)
	case "auth_time":
		if at, ok := parseInstant(value); ok {
			p.authTime = at
		}
	case "jti":
		p.tokenID, _ = strictjson.Text(value)
	case "sid":
		p.sessionID, _ = strictjson.Text(value)
	case "acr":
		p.acr, _ = strictjson.Text(value)
	case "roles_version":
		p.rolesVersion, _ = strictjson.Text(value)
	case "client_id":
		p.clientID, _ = strictjson.Text(value)
	case "cnf":
		if value != null {
			p.cnf = value
		}
	case "amr":
		if isTexts(value) { // some issuers write objects, which prove no method that AMR could name
			p.amr = value
		}
	case "sub_profile":
		kind, _ := strictjson.Text(value)
		p.kind = Kind(kind)
	}
	if !ok {
		return errMalformedClaim[name]
	}
	return nil
}
