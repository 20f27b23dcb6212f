package oauth

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// Further grants, each of which is off unless a field of Config turns it on.
const (
	grantClient   = "client_credentials"
	grantDevice   = "urn:ietf:params:oauth:grant-type:device_code"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	grantAssert   = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// Kinds of events of these grants. There is no SessionID: the tokens belong to no grant of a user.
const (
	EventClientToken   auth.EventKind = "client_token"   // a client got a token for itself
	EventProviderToken auth.EventKind = "provider_token" // a client got a token for a user by the word of their provider
)

// grantTypes returns the grants that are on.
func (s *Server) grantTypes() []string {
	list := []string{grantCode, grantRefresh}
	for _, grant := range []string{grantClient, grantDevice, grantExchange, grantAssert} {
		if s.cfg.offers(grant) {
			list = append(list, grant)
		}
	}
	return list
}

// selfGrants returns the grants that are on for clients that describe themselves. The others are for clients
// that the host knows.
func (s *Server) selfGrants() []string {
	return slices.DeleteFunc(s.grantTypes(), isForKnown)
}

// isForKnown reports whether a grant is only for confidential clients that the host knows.
func isForKnown(grant string) bool {
	return grant == grantClient || grant == grantExchange || grant == grantAssert
}

// offers reports whether a grant is on.
func (cfg *Config) offers(grant string) bool {
	switch grant {
	case grantCode, grantRefresh:
		return true
	case grantClient:
		return cfg.ClientCredentials
	case grantDevice:
		return cfg.Device.On
	case grantExchange:
		return cfg.Exchange
	case grantAssert:
		return len(cfg.Providers) > 0
	}
	return false
}

// mayUse reports whether a grant is for the client.
func (c *client) mayUse(grant string) bool {
	if c.grants == nil {
		return grant == grantCode || grant == grantRefresh
	}
	return slices.Contains(c.grants, grant)
}

// checkGrants adds a fault for what is wrong with the grants of a configured client.
func (c Client) checkGrants(cfg *Config, faults *cfgerr.Faults) {
	add := func(reason string) { faults.Add("Clients", c.ID, reason) }
	for _, grant := range c.Grants {
		switch {
		case !cfg.offers(grant):
			add("has a grant that is unknown, or that no field of Config turns on: " + grant)
		case isForKnown(grant) && c.Secret == "" && c.Keys == nil:
			add("has a grant that needs a Secret or Keys: " + grant)
		}
	}
	if slices.Contains(c.Grants, grantExchange) != (len(c.Exchanges) > 0) {
		add("must have Exchanges if, and only if, token exchange is among its Grants")
	}
	for _, u := range c.Exchanges {
		if !slices.ContainsFunc(cfg.Resources, func(r Resource) bool { return r.URL == u }) {
			add("exchanges tokens of no resource of this server: " + u)
		}
	}
}

// furtherGrant returns the tokens of a grant that may be off.
func (s *Server) furtherGrant(r *http.Request, c *client, f form, all url.Values) (tokens, error) {
	grant := f["grant_type"]
	switch {
	case !s.cfg.offers(grant):
		return tokens{}, refuse("unsupported_grant_type", "this grant_type is not supported here")
	case !c.mayUse(grant) && !(c.unproven && grant == grantDevice): // whose code says that it may
		return tokens{}, refuse("unauthorized_client", "this grant_type is not for this client")
	}
	switch grant {
	case grantClient:
		return s.ownToken(r, c, f, all)
	case grantExchange:
		return s.exchange(r, c, f, all)
	case grantAssert:
		return s.assert(r, c, f, all)
	}
	g, err := s.poll(r, c, f, all)
	if err != nil {
		return tokens{}, err
	}
	s.event(r.Context(), EventGrantBegan, g.UserID, g.ID)
	return s.issue(r, g, g.Scopes, g.first)
}

// clientSubject returns what stands for a client as sub, or as the sub of act. No account may have such an
// ID: see [Config].ClientCredentials.
func clientSubject(c *client) string { return "client:" + c.id }

// ownToken gives a client a token for itself (OAuth 2.1 section 4.2). There is no refresh token, and no
// session: the token ends when it expires.
func (s *Server) ownToken(r *http.Request, c *client, f form, all url.Values) (tokens, error) {
	resource, err := s.resourceOf(all["resource"], s.cfg.Resources[0].URL)
	if err != nil {
		return tokens{}, err
	}
	scopes, err := scopesFor(c, resource, f["scope"])
	if err != nil {
		return tokens{}, err
	}
	now := time.Now()
	claims := auth.Claims{
		Subject: clientSubject(c), Kind: auth.KindService, ClientID: c.id, Audience: []string{resource.URL}, Scopes: scopes,
		Expiry: now.Add(s.cfg.AccessLife),
	}
	g := Grant{ClientID: c.id, ClientName: c.name, Resource: resource.URL, Scopes: scopes, Created: now, LastUsed: now}
	t, err := s.sign(r.Context(), g, claims, s.cfg.AccessLife, "")
	if err == nil {
		s.cfg.Events(r.Context(), auth.Event{Kind: EventClientToken, ClientID: c.id, Device: auth.DeviceFromContext(r.Context())})
	}
	return t, err
}
