package auth

import (
	"strings"
	"time"
)

// Principal is who calls, however they proved it: a verified token, or whatever
// else a [TokenVerifier] accepts. It exists only verified, it never changes, and
// it is safe for concurrent use: it is read through methods alone.
type Principal struct {
	subject, issuer, sessionID, tokenID string
	kind                                Kind
	scope                               string // words separated by single spaces
	issuedAt, expiry, authTime          time.Time
}

// Subject returns the user ID (sub). It is never empty.
func (p *Principal) Subject() string { return p.subject }

// Kind returns what sort of caller this is.
func (p *Principal) Kind() Kind { return p.kind }

// Issuer returns who vouches for the subject (iss).
func (p *Principal) Issuer() string { return p.issuer }

// SessionID returns the session that the token belongs to (sid), or "".
func (p *Principal) SessionID() string { return p.sessionID }

// TokenID returns the token's own identifier (jti), or "".
func (p *Principal) TokenID() string { return p.tokenID }

// IssuedAt returns when the token was made (iat), or the zero time.
func (p *Principal) IssuedAt() time.Time { return p.issuedAt }

// Expiry returns when the token ends (exp).
func (p *Principal) Expiry() time.Time { return p.expiry }

// AuthTime returns when the caller last proved who they are (auth_time), or the
// zero time.
func (p *Principal) AuthTime() time.Time { return p.authTime }

// Scopes returns the caller's scopes, each a whole word.
func (p *Principal) Scopes() []string { return strings.Fields(p.scope) }
