package jwt

import (
	"context"
	"time"
)

// TokenVerifier turns a token into the caller it speaks for. It is all that a
// resource server needs. Implementations are safe for concurrent use.
type TokenVerifier interface {
	// Verify returns the principal of a token that is genuine, meant for this
	// service and valid now. It returns [ErrInvalidToken] (or an error that
	// wraps it) if the token is not, and any other error if that could not be
	// decided; a principal comes only with a nil error.
	Verify(ctx context.Context, token string) (*Principal, error)
}

// TokenIssuer makes the tokens that it verifies.
type TokenIssuer interface {
	TokenVerifier

	// Issue returns a token with claims c. It returns an error, and no token, if
	// c has no Subject, sets what the issuer owns, or holds a custom claim that
	// collides with a registered one or cannot be encoded.
	Issue(ctx context.Context, c Claims) (token string, err error)

	// MaxLifetime returns the longest time that a token of this issuer may live, from Issue to its
	// expiry. It is how long a revocation of a user's tokens is kept.
	MaxLifetime() time.Duration
}

// Kind says what sort of caller a [Principal] is.
type Kind string

// The kinds of caller.
const (
	KindUser    Kind = ""        // a person
	KindService Kind = "service" // a program acting for itself
	KindAgent   Kind = "agent"   // a program acting for a person: see Actor
	KindAPIKey  Kind = "api_key" // a long-lived key of a person or program
)

// Claims is what a token says. For Issue the host fills Subject and what it
// wants of Kind, Scopes, Roles, SessionID, AuthTime, AMR, ACR, Actor and Custom;
// the issuer owns the rest.
type Claims struct {
	Subject   string         // sub: the user ID, never empty
	Kind      Kind           // sub_profile
	Issuer    string         // iss; the issuer's
	Audience  []string       // aud; the issuer's
	Scopes    []string       // scope, RFC 8693 section 4.2: words without space, quote or backslash
	Roles     []string       // roles, RFC 9068 section 2.2.3.1
	SessionID string         // sid; empty: no session
	TokenID   string         // jti; the issuer's: 128 random bits
	IssuedAt  time.Time      // iat; the issuer's
	Expiry    time.Time      // exp; zero: after the issuer's lifetime; else earlier than that
	AuthTime  time.Time      // auth_time: when the caller last proved who they are; zero: left out
	AMR       []string       // amr, RFC 8176: how they proved it
	ACR       string         // acr: how strongly
	Actor     string         // act.sub, RFC 8693 section 4.1: who acts for the subject
	Custom    map[string]any // further claims, as encoding/json encodes them
}
