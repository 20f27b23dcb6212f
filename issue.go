package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth/internal/cookies"
	"github.com/seed-e36e2130/auth/session"
)

// mfa is the amr (RFC 8176) and the acr of a caller who proved more than one factor.
const mfa = "mfa"

// grant is what an access token is issued for.
type grant struct {
	user      User
	sessionID string // empty: no session
	authTime  time.Time
	amr       []string
	end       time.Time // the token expires then at the latest; zero: no bound
	agent     *Claims   // what an agent may do for the user; nil: the user acts
}

// issue issues the access token of an account that has proven its identity.
func (a *Authenticator) issue(ctx context.Context, g grant) (Tokens, error) {
	c := Claims{Subject: g.user.ID, SessionID: g.sessionID, AuthTime: g.authTime, AMR: g.amr}
	if slices.Contains(g.amr, mfa) {
		c.ACR = mfa
	}
	if g.agent != nil {
		c = *g.agent
	}
	if a.claims != nil {
		if err := a.claims(ctx, withoutHash(g.user), &c); err != nil {
			return Tokens{}, fmt.Errorf("auth: claims: %w", err)
		}
		if c.Subject != g.user.ID || c.SessionID != g.sessionID {
			return Tokens{}, errors.New("auth: claims: Config.Claims changed the subject or the session")
		}
		if g.agent != nil { // what else it sets is the user's
			custom := c.Custom
			c = *g.agent
			c.Custom = custom
		}
	}
	t, err := a.issueClaims(ctx, c)
	if err == nil && !g.end.IsZero() && t.Principal.Expiry().After(g.end) {
		c.Expiry = g.end
		t, err = a.issueClaims(ctx, c)
	}
	return t, err
}

func (a *Authenticator) issueClaims(ctx context.Context, c Claims) (Tokens, error) {
	token, err := a.tokens.Issue(ctx, c)
	if err != nil {
		return Tokens{}, fmt.Errorf("auth: issue token: %w", err)
	}
	if err := cookies.CheckSize(ctx, token); err != nil {
		return Tokens{}, err
	}
	// Verify it: that tells its expiry, whatever kind of token it is, and shows that it is of use.
	p, err := a.tokens.Verify(ctx, token)
	switch {
	case errors.Is(err, ErrRevokedToken): // the host's Check refuses this account
		return Tokens{}, ErrInvalidCredentials
	case errors.Is(err, ErrInvalidToken): // not the caller's fault, so not ErrInvalidToken
		return Tokens{}, fmt.Errorf("auth: the issued token is refused: %v", err)
	case err != nil:
		return Tokens{}, fmt.Errorf("auth: verify issued token: %w", err)
	}
	life := max(0, time.Until(p.Expiry())+time.Second-1)
	t := Tokens{AccessToken: token, ExpiresIn: life.Truncate(time.Second), Principal: p}
	t.NonPersistent = session.TermsFromContext(ctx).NonPersistent
	return t, nil
}

// expiry returns when the access token expires, or otherwise if it does not say.
func (t *Tokens) expiry(otherwise time.Time) time.Time {
	if expiry := t.Principal.Expiry(); !expiry.IsZero() {
		return expiry
	}
	return otherwise
}
