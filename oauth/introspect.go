package oauth

import (
	"net/http"
	"slices"
	"strings"
)

// introspection is the answer about a token (RFC 7662 section 2.2).
type introspection struct {
	Active    bool     `json:"active"`
	Scope     string   `json:"scope,omitempty"`
	ClientID  string   `json:"client_id,omitempty"`
	Type      string   `json:"token_type,omitempty"`
	Subject   string   `json:"sub,omitempty"`
	Audience  []string `json:"aud,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	Expiry    int64    `json:"exp,omitempty"`
	IssuedAt  int64    `json:"iat,omitempty"`
	TokenID   string   `json:"jti,omitempty"`
	SessionID string   `json:"sid,omitempty"`
}

// introspect is the introspection endpoint (RFC 7662), for clients that authenticate. They learn about the
// tokens that were issued to them and, if they are resource servers ([Client].Introspects), about those for
// their resource. About every other token they learn that it is not active.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	f, _, err := readForm(w, r)
	var c *client
	if err == nil {
		c, err = s.authenticate(r, f)
	}
	switch {
	case err != nil:
	case c.allows(authNone):
		err = &refusal{Code: "unauthorized_client", Description: "this client does not authenticate", status: http.StatusForbidden}
	case f["token"] == "":
		err = refuse("invalid_request", "token is missing")
	}
	var answer introspection
	if err == nil {
		answer, err = s.introspection(r, c, f["token"])
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) introspection(r *http.Request, c *client, token string) (introspection, error) {
	p, err := s.accessToken(r.Context(), token)
	if p == nil || err != nil || p.ClientID() != c.id && !slices.Equal(p.Audience(), []string{c.introspects}) {
		return introspection{}, err
	}
	return introspection{
		Active: true, Scope: strings.Join(p.Scopes(), " "), ClientID: p.ClientID(), Type: "Bearer", Subject: p.Subject(),
		Audience: p.Audience(), Issuer: p.Issuer(), Expiry: p.Expiry().Unix(), IssuedAt: p.IssuedAt().Unix(),
		TokenID: p.TokenID(), SessionID: p.SessionID(),
	}, nil
}
