package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// typeAccessToken is the only type of token that is exchanged, and that is given (RFC 8693 section 3).
const typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"

// errSubject says that a token cannot be exchanged, and not why (RFC 8693 section 2.2.2).
var errSubject = refuse("invalid_request", "subject_token is no valid token of a user that this client may exchange")

// exchange gives a client a token by which it acts for the user of a token that was sent to it (RFC 8693).
// See decision 0154.
func (s *Server) exchange(r *http.Request, c *client, f form, all url.Values) (tokens, error) {
	switch {
	case f["subject_token"] == "":
		return tokens{}, refuse("invalid_request", "subject_token is missing")
	case f["subject_token_type"] != typeAccessToken:
		return tokens{}, refuse("invalid_request", "subject_token_type must be "+typeAccessToken)
	case f["requested_token_type"] != "" && f["requested_token_type"] != typeAccessToken:
		return tokens{}, refuse("invalid_request", "requested_token_type must be "+typeAccessToken)
	case f["actor_token"] != "" || f["actor_token_type"] != "":
		return tokens{}, refuse("invalid_request", "actor_token is not supported: the client itself is the actor")
	}
	ctx := r.Context()
	p, resource, err := s.subject(ctx, c, f["subject_token"])
	if err != nil {
		return tokens{}, err
	}
	asked := all["resource"]
	if f["audience"] != "" {
		asked = append(slices.Clone(asked), f["audience"])
	}
	target, err := s.resourceOf(asked, resource)
	if err != nil {
		return tokens{}, err
	}
	scopes, err := exchangedScopes(c, p, target, f["scope"])
	if err != nil {
		return tokens{}, err
	}
	d := jwt.Delegation{Actor: clientSubject(c), ClientID: c.id, Scopes: scopes}
	if s.cfg.AccessLife < time.Until(p.Expiry()) {
		d.Lifetime = s.cfg.AccessLife
	}
	claims, err := p.Delegated(d)
	if errors.Is(err, jwt.ErrDelegation) {
		return tokens{}, errSubject
	}
	if err != nil {
		return tokens{}, err
	}
	if err := s.subjectLasts(ctx, p); err != nil {
		return tokens{}, err
	}
	claims.Audience = []string{target.URL}
	g := Grant{ID: p.SessionID(), UserID: p.Subject(), ClientID: c.id, ClientName: c.name, Resource: target.URL, Scopes: scopes}
	t, err := s.sign(ctx, g, claims, time.Until(claims.Expiry), "")
	if err != nil {
		return tokens{}, err
	}
	t.IssuedType = typeAccessToken
	s.cfg.Events(ctx, auth.Event{
		Kind: auth.EventDelegated, UserID: p.Subject(), SessionID: p.SessionID(), Actor: d.Actor, ClientID: c.id, Device: auth.DeviceFromContext(ctx),
	})
	return t, nil
}

// subject returns the caller of a token, which must be good for a resource whose tokens the client may
// exchange, and that resource. It is verified as that resource does.
func (s *Server) subject(ctx context.Context, c *client, token string) (*auth.Principal, string, error) {
	for _, u := range c.exchanges {
		verifier, err := s.cfg.Tokens.VerifierFor(u)
		if err != nil {
			return nil, "", err
		}
		p, err := verifier.Verify(ctx, token)
		switch {
		case errors.Is(err, auth.ErrInvalidToken):
			continue
		case err != nil:
			return nil, "", err
		}
		if err := mayAct(token, c, s.cfg.Issuer); err != nil {
			return nil, "", err
		}
		return p, u, nil
	}
	return nil, "", errSubject
}

// mayAct returns errSubject if a verified token says who may act for its user, and the client is another
// (RFC 8693 section 4.4). What else may_act says of that party is not known here, so it is nobody then.
func mayAct(token string, c *client, issuer string) error {
	var claims map[string]json.RawMessage
	payload, err := base64url.DecodeString(strings.SplitN(token, ".", 3)[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		return fmt.Errorf("oauth: read a verified token: %w", err)
	}
	said, there := claims["may_act"]
	if !there || string(said) == "null" {
		return nil
	}
	var party map[string]string
	if json.Unmarshal(said, &party) != nil || party["sub"] == "" && party["client_id"] == "" {
		return errSubject
	}
	known := map[string]string{"sub": clientSubject(c), "client_id": c.id, "iss": issuer}
	for name, value := range party {
		if known[name] != value {
			return errSubject
		}
	}
	return nil
}

// exchangedScopes returns the scopes of p that a resource has, that the client may have, and that it asks
// for: all of these if it asks for none. A request for more is refused.
func exchangedScopes(c *client, p *auth.Principal, target Resource, asked string) ([]string, error) {
	var may []string
	for _, scope := range target.Scopes {
		if p.HasScope(scope.Name) && (c.scopes == nil || slices.Contains(c.scopes, scope.Name)) {
			may = append(may, scope.Name)
		}
	}
	scopes, err := narrower(may, asked)
	if err == nil && len(scopes) == 0 {
		err = refuse("invalid_scope", "the token has no scope of this resource that the client may have")
	}
	return scopes, err
}

// subjectLasts returns errSubject if the login or the grant that a token belongs to has ended, or its
// account has. Both are read from the store, so an end on one replica holds on each.
func (s *Server) subjectLasts(ctx context.Context, p *auth.Principal) error {
	use, err := s.keeper.Find(ctx, p.Subject(), p.SessionID())
	if errors.Is(err, auth.ErrSessionNotFound) {
		return errSubject
	}
	if err != nil {
		return err
	}
	fingerprint, err := s.accounts.Fingerprint(ctx, p.Subject())
	if errors.Is(err, auth.ErrInvalidCredentials) || err == nil && !use.BelongsTo(fingerprint) {
		return errSubject
	}
	return err
}
