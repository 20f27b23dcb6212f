package jwt

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// Principal is a verified caller: the subject of a verified token, or of any other credential that a
// [TokenVerifier] accepts. It never changes, and is safe for concurrent use. See decision 0001.
type Principal struct {
	payload string // verified claims, one object of strict JSON

	// Claims of payload, decoded.
	subject, issuer, sessionID, tokenID, acr, clientID, rolesVersion string
	kind                                                             Kind
	scope                                                            string // words, separated by spaces

	// Claims of payload as their JSON text, which was checked and is decoded when asked for.
	audience, roles, amr, act, cnf string

	expiry, notBefore, issuedAt, authTime clock.Instant
}

// NewPrincipal returns the principal with claims c, for tests and for a [TokenVerifier] of credentials
// other than JWTs. Here c may set every claim, those of the issuer included. It returns an error if c
// has no Subject or a custom claim that Issue would refuse.
func NewPrincipal(c Claims) (*Principal, error) {
	payload, err := appendClaims(nil, &c)
	if err != nil {
		return nil, err
	}
	p, err := parsePrincipal(string(payload), defaultClaimNames)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Subject returns the user ID (sub). It is never empty.
func (p *Principal) Subject() string { return p.subject }

// Kind returns the sort of caller (sub_profile).
func (p *Principal) Kind() Kind { return p.kind }

// Issuer returns the issuer that vouches for the subject (iss).
func (p *Principal) Issuer() string { return p.issuer }

// Audience returns the services that the token is intended for (aud).
func (p *Principal) Audience() []string {
	return texts(p.audience)
}

// isFor reports whether one of audiences is in aud, byte for byte.
func (p *Principal) isFor(audiences []string) bool {
	for _, a := range audiences {
		if holds(p.audience, a) {
			return true
		}
	}
	return false
}

// SessionID returns the session that the token belongs to (sid), or "".
func (p *Principal) SessionID() string { return p.sessionID }

// TokenID returns the token's own identifier (jti), or "".
func (p *Principal) TokenID() string { return p.tokenID }

// IssuedAt returns when the token was issued (iat), or the zero time.
func (p *Principal) IssuedAt() time.Time { return p.issuedAt.Time() }

// Expiry returns when the token expires (exp), or the zero time for a principal without a token.
func (p *Principal) Expiry() time.Time { return p.expiry.Time() }

// AuthTime returns when the caller last proved their identity (auth_time), or the zero time.
func (p *Principal) AuthTime() time.Time { return p.authTime.Time() }

// ACR returns the strength of the caller's authentication (acr), or "".
func (p *Principal) ACR() string { return p.acr }

// AMR returns the caller's authentication methods (amr, RFC 8176), and nothing if the issuer writes
// amr as anything but an array of strings.
func (p *Principal) AMR() []string { return texts(p.amr) }

// HasAMR reports whether method is one of the caller's authentication methods.
func (p *Principal) HasAMR(method string) bool { return holds(p.amr, method) }

// ClientID returns the client that the token was issued to (client_id, RFC 9068 section 2.2), or "" if
// the token does not say.
func (p *Principal) ClientID() string { return p.clientID }

// Actor returns the subject of the party that acts for the caller (act.sub, RFC 8693 section 4.1), or
// "" if the caller acts for themselves.
func (p *Principal) Actor() string {
	if p.act == "" { // as a rule
		return ""
	}
	sub, _, _ := actorOf(p.act)
	return sub
}

// Actors returns the subject of the party that acts for the caller, and behind it those that it acts
// for in turn, up to the one who was the first to act for the caller (nested act, RFC 8693 section
// 4.1). Access is decided by the caller and the first of them; the others are for audit logs.
func (p *Principal) Actors() []string {
	var actors []string
	for act := p.act; act != ""; {
		sub, before, _ := actorOf(act)
		actors, act = append(actors, sub), before
	}
	return actors
}

// Confirmation returns the key that the token is bound to, as the JSON text of cnf (RFC 7800 section
// 3.1), or "" for a bearer token. See [VerifierConfig].CheckProof.
func (p *Principal) Confirmation() string { return p.cnf }

// Scopes returns the caller's scopes (scope, RFC 8693 section 4.2).
func (p *Principal) Scopes() []string {
	var scopes []string
	for word := range strings.SplitSeq(p.scope, " ") {
		if word != "" {
			scopes = append(scopes, word)
		}
	}
	return scopes
}

// HasScope reports whether scope is one of the caller's scopes, compared as a whole word and byte for
// byte.
func (p *Principal) HasScope(scope string) bool {
	if scope == "" {
		return false
	}
	for word := range strings.SplitSeq(p.scope, " ") {
		if word == scope {
			return true
		}
	}
	return false
}

// Roles returns the caller's roles (roles, RFC 9068 section 2.2.3.1).
func (p *Principal) Roles() []string { return texts(p.roles) }

// HasRole reports whether role is one of the caller's roles, byte for byte.
func (p *Principal) HasRole(role string) bool {
	return holds(p.roles, role)
}

// AnyRole reports whether f returns true for one of the caller's roles. It calls f for each role, in the
// order of the token, until f returns true, and allocates nothing for roles that are written without
// escapes.
func (p *Principal) AnyRole(f func(role string) bool) bool {
	if strings.IndexByte(p.roles, '\\') >= 0 {
		return slices.ContainsFunc(p.Roles(), f)
	}
	// Without escapes, and checked when it was parsed, the claim has quotes around its strings and nowhere else.
	begin := 0 // of a string, after its quote; 0: outside
	for i := range len(p.roles) {
		switch {
		case p.roles[i] != '"':
		case begin == 0:
			begin = i + 1
		case f(p.roles[begin:i]):
			return true
		default:
			begin = 0
		}
	}
	return false
}

// RolesVersion returns the state of the assignments that the caller's roles come from (roles_version), or
// "" if the token does not say. See package roles.
func (p *Principal) RolesVersion() string { return p.rolesVersion }

// Claims returns a copy of the claims. Custom holds every claim that is not registered, with numbers
// as [json.Number].
func (p *Principal) Claims() Claims {
	c := Claims{
		Subject: p.subject, Kind: p.kind, Issuer: p.issuer, Audience: p.Audience(),
		Scopes: p.Scopes(), Roles: p.Roles(), RolesVersion: p.rolesVersion, SessionID: p.sessionID, TokenID: p.tokenID,
		IssuedAt: p.IssuedAt(), Expiry: p.Expiry(), AuthTime: p.AuthTime(),
		AMR: p.AMR(), ACR: p.acr, ClientID: p.clientID, Actors: p.Actors(),
	}
	_ = strictjson.Object(p.payload, func(name, value string) error { // cannot fail: it was checked when it was parsed
		if registered(name) {
			return nil
		}
		d := json.NewDecoder(strings.NewReader(value))
		d.UseNumber()
		var v any
		if d.Decode(&v) == nil {
			if c.Custom == nil {
				c.Custom = make(map[string]any)
			}
			c.Custom[name] = v
		}
		return nil
	})
	return c
}

// Format writes the subject and no other claim, whatever the verb.
func (p *Principal) Format(f fmt.State, _ rune) {
	if p == nil {
		io.WriteString(f, "jwt.Principal(none)")
		return
	}
	fmt.Fprintf(f, "jwt.Principal(%s)", p.subject)
}

// LogValue returns the subject, the session and the token ID. An audit log needs them, and none is
// secret.
func (p *Principal) LogValue() slog.Value {
	if p == nil {
		return slog.StringValue("none")
	}
	attrs := []slog.Attr{slog.String("sub", p.subject)}
	if p.sessionID != "" {
		attrs = append(attrs, slog.String("sid", p.sessionID))
	}
	if p.tokenID != "" {
		attrs = append(attrs, slog.String("jti", p.tokenID))
	}
	return slog.GroupValue(attrs...)
}

// texts returns the strings of a claim that is a string or an array of strings, which was checked when
// it was parsed.
func texts(claim string) []string {
	if s, ok := strictjson.Text(claim); ok {
		return []string{s}
	}
	var list []string
	_ = strictjson.Array(claim, func(value string) error {
		s, _ := strictjson.Text(value)
		list = append(list, s)
		return nil
	})
	return list
}

// holds reports whether want is one of the strings of claim.
func holds(claim, want string) bool {
	if s, ok := strictjson.Text(claim); ok {
		return s == want
	}
	found := false
	_ = strictjson.Array(claim, func(value string) error {
		s, _ := strictjson.Text(value)
		found = found || s == want
		return nil
	})
	return found
}
