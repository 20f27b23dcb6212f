package oauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth/internal/places"
)

// revoke is the revocation endpoint (RFC 7009). A refresh token or an access token of the client ends its
// grant, with all its tokens: access tokens cannot be ended one by one. token_type_hint is not needed. A
// token that is unknown, or that of another client, is answered 200, and nothing happens.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	f, _, err := readForm(w, r)
	var c *client
	if err == nil {
		c, err = s.authenticate(r, f)
	}
	if err == nil && f["token"] == "" {
		err = refuse("invalid_request", "token is missing")
	}
	if err == nil {
		err = s.revokeToken(r.Context(), c, f["token"])
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (s *Server) revokeToken(ctx context.Context, c *client, token string) error {
	if c.unproven {
		return errUnavailable
	}
	userID, grantID, err := s.grantOfToken(ctx, c, token)
	if err != nil || grantID == "" {
		return err
	}
	if err := s.end(ctx, userID, grantID, EventGrantEnded); err != nil && !errors.Is(err, ErrGrantNotFound) {
		return err
	}
	return nil
}

// grantOfToken returns the user and the ID of the grant of a genuine token that was issued to the client,
// or nothing if the token is none.
func (s *Server) grantOfToken(ctx context.Context, c *client, token string) (userID, grantID string, err error) {
	if presented, err := places.Read(s.cfg.Secrets, token); err == nil {
		g, err := s.load(ctx, presented.Grant())
		if errors.Is(err, ErrGrantNotFound) {
			return "", "", nil
		}
		if err != nil {
			return "", "", err
		}
		if _, err := g.places.Open(presented); err != nil || g.ClientID != c.id {
			return "", "", nil
		}
		return g.UserID, g.ID, nil
	}
	p, err := s.accessToken(ctx, token)
	if p == nil || err != nil || p.ClientID() != c.id || p.Actor() != "" { // an actor's token belongs to the grant or login of others
		return "", "", err
	}
	return p.Subject(), p.SessionID(), nil
}

// accessToken returns the principal of a valid access token for one of the resources, or nil.
func (s *Server) accessToken(ctx context.Context, token string) (*auth.Principal, error) {
	for _, r := range s.cfg.Resources {
		verifier, err := s.cfg.Tokens.VerifierFor(r.URL)
		if err != nil {
			return nil, err
		}
		p, err := verifier.Verify(ctx, token)
		if err == nil || !errors.Is(err, auth.ErrInvalidToken) {
			return p, err
		}
	}
	return nil, nil
}
