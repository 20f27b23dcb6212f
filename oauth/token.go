package oauth

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Grants that the token endpoint takes.
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// tokens is the answer of the token endpoint (OAuth 2.1 section 3.2.3).
type tokens struct {
	Access    string `json:"access_token"`
	Type      string `json:"token_type"`
	ExpiresIn int64  `json:"expires_in"`
	Refresh   string `json:"refresh_token,omitempty"`
	Scope     string `json:"scope"`

	IssuedType string `json:"issued_token_type,omitempty"` // of an exchange
}

// token is the token endpoint. The client is authenticated before anything else is looked at.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	f, all, err := readForm(w, r, "resource")
	var c *client
	if err == nil {
		c, err = s.authenticate(r, f)
	}
	var t tokens
	if err == nil {
		t, err = s.grant(r, c, f, all)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, t)
}

// grant returns the tokens of the grant that a request asks for.
func (s *Server) grant(r *http.Request, c *client, f form, all url.Values) (tokens, error) {
	switch f["grant_type"] {
	case "":
		return tokens{}, refuse("invalid_request", "grant_type is missing")
	case grantCode:
		g, err := s.redeem(r, c, f, all)
		if err != nil {
			return tokens{}, err
		}
		s.event(r.Context(), EventGrantBegan, g.UserID, g.ID)
		return s.issue(r, g, g.Scopes, g.first)
	case grantRefresh:
		return s.refresh(r, c, f, all)
	}
	return s.furtherGrant(r, c, f, all)
}

// issue issues an access token of a grant for some of its scopes. Its sid is the ID of the grant, so that it
// ends with the grant. Its kind is that of a program that acts for a person: what only the user in person may
// do, such as to change the password, is not for an app.
func (s *Server) issue(r *http.Request, g grant, scopes []string, refreshToken string) (tokens, error) {
	life := min(s.cfg.AccessLife, g.End.Sub(g.now))
	claims := auth.Claims{
		Subject: g.UserID, Kind: auth.KindAgent, ClientID: g.ClientID, Audience: []string{g.Resource}, Scopes: scopes, SessionID: g.ID,
		AMR: g.AMR, Expiry: time.Now().Add(life),
	}
	if g.AuthTime != 0 {
		claims.AuthTime = time.Unix(g.AuthTime, 0)
	}
	return s.sign(r.Context(), g.Grant, claims, life, refreshToken)
}

// sign issues an access token. What [Config].Claims adds is added; of a token of an agent only custom claims.
func (s *Server) sign(ctx context.Context, g Grant, claims auth.Claims, life time.Duration, refreshToken string) (tokens, error) {
	if s.cfg.Claims != nil {
		fixed := claims
		if err := s.cfg.Claims(ctx, g, &claims); err != nil {
			return tokens{}, err
		}
		if len(fixed.Actors) > 0 { // see decision 0126
			claims = auth.Claims{Custom: claims.Custom}
		}
		claims.Subject, claims.ClientID, claims.Audience, claims.Scopes = fixed.Subject, fixed.ClientID, fixed.Audience, fixed.Scopes
		claims.SessionID, claims.AMR, claims.Expiry, claims.AuthTime = fixed.SessionID, fixed.AMR, fixed.Expiry, fixed.AuthTime
		claims.Kind, claims.Actors = fixed.Kind, fixed.Actors
	}
	access, err := s.cfg.Tokens.Issue(ctx, claims)
	return tokens{
		Access: access, Type: "Bearer", ExpiresIn: int64(life.Seconds()), Refresh: refreshToken, Scope: strings.Join(claims.Scopes, " "),
	}, err
}
