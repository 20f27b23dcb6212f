package jwt

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxActors is how many parties may act for a caller in a chain, each for the one before. Access is
// decided by the last alone, and a longer chain is of use to nobody.
const MaxActors = 3

// ErrDelegation is the error of a delegation that would give an agent more than the caller has, or
// that the caller may not make. Its text says which rule it breaks.
var ErrDelegation = errors.New("auth: not to be delegated")

// Delegation says what an agent may do for a caller (RFC 8693 section 1.1).
type Delegation struct {
	Actor    string        // required; sub of the agent
	ClientID string        // client_id of the token, for an agent that is a registered client; "": the issuer's
	Scopes   []string      // scopes of the agent, each one of the caller's; nil: none
	Lifetime time.Duration // life of the token, at least 1 s and at most the rest of the caller's; 0: that rest
}

// Delegated returns the claims of a token by which the agent of d acts for p. They have the subject,
// the session and the audience of p, the scopes and the life of d, and the agent before the actors of p.
// They have no roles, and nothing that says how or when the person proved their identity: what needs a
// recent or a strong login is not for an agent.
//
// It returns [ErrDelegation], wrapped, if p is neither a person nor an agent of one, belongs to no session,
// has MaxActors actors or has expired, and if d has no Actor, a scope that p does not have, or a life
// that is longer than that of p.
func (p *Principal) Delegated(d Delegation) (Claims, error) {
	if p == nil {
		return Claims{}, fmt.Errorf("%w: there is no caller", ErrDelegation)
	}
	left := time.Until(p.Expiry())
	actors := append([]string{d.Actor}, p.Actors()...)
	switch {
	case p.kind != KindUser && p.kind != KindAgent:
		return Claims{}, fmt.Errorf("%w: the caller is no person", ErrDelegation)
	case p.sessionID == "":
		return Claims{}, fmt.Errorf("%w: the caller's token belongs to no session", ErrDelegation)
	case d.Actor == "":
		return Claims{}, fmt.Errorf("%w: Actor is empty", ErrDelegation)
	case len(actors) > MaxActors:
		return Claims{}, fmt.Errorf("%w: %d parties act for the caller already", ErrDelegation, MaxActors)
	case left < time.Second:
		return Claims{}, fmt.Errorf("%w: the caller's token has expired", ErrDelegation)
	case d.Lifetime != 0 && (d.Lifetime < time.Second || d.Lifetime > left):
		return Claims{}, fmt.Errorf("%w: Lifetime is not between 1s and the rest of the caller's, %s", ErrDelegation, left.Truncate(time.Second))
	}
	for _, s := range d.Scopes {
		if !p.HasScope(s) {
			return Claims{}, fmt.Errorf("%w: the caller does not have the scope %q", ErrDelegation, s)
		}
	}
	c := Claims{
		Subject: p.subject, Kind: KindAgent, SessionID: p.sessionID, ClientID: d.ClientID,
		Scopes: slices.Clone(d.Scopes), Actors: actors, Expiry: p.Expiry(),
	}
	if d.Lifetime != 0 {
		c.Expiry = time.Now().Add(d.Lifetime)
	}
	return c, nil
}
