// Package jwt holds what a token says and who may sign it: claims, keys, and the issuer and the
// verifier of JSON Web Tokens (RFC 7519) that are access tokens of RFC 9068.
//
// A token is accepted in its canonical encoding alone, under the one algorithm of its key, and only if
// signature, type, issuer, audience, subject and times are all in order. RFC 8725 (JSON Web Token Best
// Current Practices) is where most of the rules come from.
package jwt

import (
	"context"
	"time"
)

// TokenVerifier turns a token into the caller that it stands for. It is all that a resource server
// needs. Implementations are safe for concurrent use.
type TokenVerifier interface {
	// Verify returns the principal of a token that is genuine, intended for this service and valid
	// now. It returns [ErrInvalidToken], or an error that wraps it, if the token is not, and any
	// other error if that could not be decided. A principal comes only with a nil error.
	Verify(ctx context.Context, token string) (*Principal, error)
}

// TokenIssuer issues the tokens that it verifies. Implementations are safe for concurrent use.
type TokenIssuer interface {
	TokenVerifier

	// Issue returns a token with claims c. It returns an error, and no token, if c has no Subject,
	// sets a claim that the issuer sets, or holds a custom claim that collides with a registered one
	// or cannot be encoded.
	Issue(ctx context.Context, c Claims) (token string, err error)

	// MaxLifetime returns the longest time that a token of this issuer may live, from Issue to its
	// expiry. It is how long a revocation of a user's tokens is kept.
	MaxLifetime() time.Duration
}

// Kind is the sort of caller that a [Principal] is.
type Kind string

// The kinds of caller.
const (
	KindUser    Kind = ""        // person
	KindService Kind = "service" // program that acts for itself
	KindAgent   Kind = "agent"   // program that acts for a person: see Actor
	KindAPIKey  Kind = "api_key" // long-lived key of a person or program
)

// Claims is what a token says. For Issue the host sets Subject and, where wanted, Kind, Audience,
// ClientID, Scopes, Roles, SessionID, Expiry, AuthTime, AMR, ACR, Actors, Custom and RolesVersion; the
// issuer sets the others.
type Claims struct {
	Subject   string         // sub: user ID, never empty
	Kind      Kind           // sub_profile
	Issuer    string         // iss; set by the issuer
	Audience  []string       // aud; for Issue nil, or one of the audiences that the issuer is configured with
	ClientID  string         // client_id, RFC 9068 section 2.2: client that the token is issued to; for Issue "": the issuer's
	Scopes    []string       // scope, RFC 8693 section 4.2: words without space, quote or backslash
	Roles     []string       // roles, RFC 9068 section 2.2.3.1
	SessionID string         // sid; empty: no session
	TokenID   string         // jti; set by the issuer: 128 random bits
	IssuedAt  time.Time      // iat; set by the issuer
	Expiry    time.Time      // exp; zero: now and the issuer's Lifetime, which it may not exceed
	AuthTime  time.Time      // auth_time: when the caller last proved their identity; zero: left out
	AMR       []string       // amr, RFC 8176: methods by which they proved it
	ACR       string         // acr: strength of that proof
	Actors    []string       // act.sub, RFC 8693 section 4.1: subject who acts for this one, then the one who acted before, and so on
	Custom    map[string]any // further claims, as encoding/json encodes them

	// RolesVersion is the state of the assignments that Roles come from (roles_version). Package roles sets
	// it. Empty: Roles come from elsewhere.
	RolesVersion string
}
