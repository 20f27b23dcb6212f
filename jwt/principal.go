package jwt

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// Principal is who calls, however they proved it: a verified token, or whatever
// else a [TokenVerifier] accepts. It exists only verified, it never changes, and
// it is safe for concurrent use: it is read through methods alone.
type Principal struct {
	payload string // the verified claims, an object in strict JSON

	// Parts of payload, decoded.
	subject, issuer, sessionID, tokenID, acr, actor string
	kind                                            Kind
	scope                                           string // words, separated by spaces

	// Parts of payload, as they stand: checked, and read again when asked for.
	audience, roles, amr string

	expiry, notBefore, issuedAt, authTime clock.Instant
}

// NewPrincipal returns the principal with claims c, for tests and for a
// [TokenVerifier] that accepts something else than a JWT. Unlike a token's, its
// issuer, audience, expiry and the rest are the caller's to set. It returns an
// error if c has no Subject or a custom claim that Issue would refuse.
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

// Kind returns what sort of caller this is (sub_profile).
func (p *Principal) Kind() Kind { return p.kind }

// Issuer returns who vouches for the subject (iss).
func (p *Principal) Issuer() string { return p.issuer }

// Audience returns the services that the token is meant for (aud).
func (p *Principal) Audience() []string {
	return texts(p.audience)
}

// isFor reports whether one of audiences is the token's, byte for byte.
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

// IssuedAt returns when the token was made (iat), or the zero time.
func (p *Principal) IssuedAt() time.Time { return p.issuedAt.Time() }

// Expiry returns when the token ends (exp), or the zero time for a principal
// that came by no token.
func (p *Principal) Expiry() time.Time { return p.expiry.Time() }

// AuthTime returns when the caller last proved who they are (auth_time), or the
// zero time.
func (p *Principal) AuthTime() time.Time { return p.authTime.Time() }

// ACR returns how strongly the caller proved who they are (acr), or "".
func (p *Principal) ACR() string { return p.acr }

// AMR returns how the caller proved who they are (amr, RFC 8176): nothing where
// the issuer writes it as anything but an array of strings.
func (p *Principal) AMR() []string { return texts(p.amr) }

// HasAMR reports whether method is one of the ways in which the caller proved who they are.
func (p *Principal) HasAMR(method string) bool { return holds(p.amr, method) }

// Actor returns the subject of who acts for the caller (act.sub, RFC 8693
// section 4.1), or "" if the caller acts for themselves.
func (p *Principal) Actor() string { return p.actor }

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

// HasScope reports whether scope is one of the caller's: a whole word, compared
// byte for byte.
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

// HasRole reports whether role is one of the caller's, byte for byte.
func (p *Principal) HasRole(role string) bool {
	return holds(p.roles, role)
}

// Claims returns the claims as a copy of the caller's own. Custom holds every
// claim that is not registered, numbers as [json.Number].
func (p *Principal) Claims() Claims {
	c := Claims{
		Subject: p.subject, Kind: p.kind, Issuer: p.issuer, Audience: p.Audience(),
		Scopes: p.Scopes(), Roles: p.Roles(), SessionID: p.sessionID, TokenID: p.tokenID,
		IssuedAt: p.IssuedAt(), Expiry: p.Expiry(), AuthTime: p.AuthTime(),
		AMR: p.AMR(), ACR: p.acr, Actor: p.actor,
	}
	_ = strictjson.Object(p.payload, func(name, value string) error { // checked when parsed
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

// LogValue returns the subject, the session and the token ID: what an audit log
// needs, and nothing that is personal or secret.
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

// texts returns the strings of a claim that is a string or an array of strings, as
// was checked when it was parsed.
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

// holds reports whether want is one of the texts of claim.
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
