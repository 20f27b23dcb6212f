package oauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/oauth/internal/assertion"
)

// Provider is an identity provider that may let its users' clients in without asking them, because the
// company that they work for has decided so (enterprise-managed authorization of MCP,
// draft-ietf-oauth-identity-assertion-authz-grant). Such a client presents an assertion of the provider about
// a user, for this server and this client alone, and gets an access token, but no refresh token: each time
// the provider decides anew.
type Provider struct {
	Issuer string       // iss of its assertions. Required
	Keys   *jwt.KeyRing // its own public keys: see package jwks. Required

	// Account returns the ID of the account that a user of this provider has here, by the sub that the
	// provider gives them and never gives to another, or [auth.ErrUserNotFound]. No account is made. Do
	// not look for an address: a provider can write any. Required.
	Account func(ctx context.Context, sub string) (userID string, err error)

	// Scopes limit what the provider can allow. nil: every scope of the resources.
	Scopes []string
}

// provider is a Provider with its verifier.
type provider struct {
	Provider
	verifier *jwt.Verifier
}

// typeIDJAG is the typ of an assertion, which no other token has.
const typeIDJAG = "oauth-id-jag+jwt"

// newProviders returns the providers, and adds a fault for what is wrong with them.
func newProviders(cfg *Config, faults *cfgerr.Faults) (list []provider) {
	for i, p := range cfg.Providers {
		add := func(reason string) { faults.Add("Providers", p.Issuer, reason) }
		if p.Issuer == cfg.Issuer || slices.IndexFunc(cfg.Providers, func(o Provider) bool { return o.Issuer == p.Issuer }) != i {
			add("is this server, or comes twice")
		}
		if p.Account == nil {
			add("must have Account")
		}
		for _, scope := range p.Scopes {
			if !slices.ContainsFunc(cfg.Resources, func(r Resource) bool { return r.has(scope) }) {
				add("is limited to a scope that no resource has: " + scope)
			}
		}
		if p.Keys == nil || p.Issuer == "" || cfg.Issuer == "" {
			add("must have an Issuer and Keys")
			continue
		}
		verifier, err := jwt.NewVerifier(jwt.VerifierConfig{
			Issuer: p.Issuer, Audience: cfg.Issuer, Keys: p.Keys, Types: []string{typeIDJAG}, VerifiedTokens: -1,
		})
		if err != nil {
			add(err.Error())
			continue
		}
		p.Scopes = slices.Clone(p.Scopes)
		list = append(list, provider{p, verifier})
	}
	return list
}

// errAssertion says that an assertion is no good, and not why.
var errAssertion = refuse("invalid_grant", "the assertion is none of a provider that is trusted here, about a user who is known here, for this client")

// assertionLeeway is for clocks that differ, as the verifier has it.
const assertionLeeway = 30 * time.Second

// assert answers an assertion of a provider (RFC 7523 section 3, with the draft's section on processing it).
func (s *Server) assert(r *http.Request, c *client, f form, all url.Values) (tokens, error) {
	if f["assertion"] == "" {
		return tokens{}, refuse("invalid_request", "assertion is missing")
	}
	ctx := r.Context()
	by, p, err := s.asserted(ctx, c, f["assertion"])
	if err != nil {
		return tokens{}, err
	}
	resource, err := s.assertedResource(p, all["resource"])
	if err != nil {
		return tokens{}, err
	}
	scopes, err := by.scopes(c, p, resource, f["scope"])
	if err != nil {
		return tokens{}, err
	}
	userID, err := by.Account(ctx, p.Subject())
	if errors.Is(err, auth.ErrUserNotFound) || err == nil && userID == "" {
		return tokens{}, errAssertion
	}
	if err != nil {
		return tokens{}, err
	}
	before, err := s.accounts.Fingerprint(ctx, userID)
	if err != nil {
		return tokens{}, asInvalidAssertion(err)
	}
	if err := s.useAssertion(ctx, p, userID); err != nil {
		return tokens{}, err
	}
	now := time.Now()
	claims := auth.Claims{
		Subject: userID, ClientID: c.id, Audience: []string{resource.URL}, Scopes: scopes, Expiry: now.Add(s.cfg.AccessLife),
	}
	g := Grant{UserID: userID, ClientID: c.id, ClientName: c.name, Resource: resource.URL, Scopes: scopes, Created: now, LastUsed: now}
	t, err := s.sign(ctx, g, claims, s.cfg.AccessLife, "")
	if err != nil {
		return tokens{}, err
	}
	// Whoever disables the account from now on ends the token, too.
	if after, err := s.accounts.Fingerprint(ctx, userID); err != nil || after != before {
		return tokens{}, asInvalidAssertion(errors.Join(err, auth.ErrInvalidCredentials))
	}
	s.cfg.Events(ctx, auth.Event{Kind: EventProviderToken, UserID: userID, ClientID: c.id, Device: auth.DeviceFromContext(ctx)})
	return t, nil
}

// asInvalidAssertion returns errAssertion for an account that is not there or is disabled.
func asInvalidAssertion(err error) error {
	if errors.Is(err, auth.ErrInvalidCredentials) {
		return errAssertion
	}
	return err
}

// asserted returns the provider of an assertion for a client, and what it says.
func (s *Server) asserted(ctx context.Context, c *client, text string) (provider, *auth.Principal, error) {
	for _, by := range s.providers {
		p, err := by.verifier.Verify(ctx, text)
		switch {
		case errors.Is(err, auth.ErrInvalidToken):
			continue
		case err != nil:
			return provider{}, nil, err
		}
		if p.ClientID() != c.id || !slices.Equal(p.Audience(), []string{s.cfg.Issuer}) || p.Actor() != "" ||
			p.TokenID() == "" || time.Until(p.Expiry()) > assertion.MaxLifetime+assertionLeeway {
			return provider{}, nil, errAssertion
		}
		return by, p, nil
	}
	return provider{}, nil, errAssertion
}

// assertedResource returns the resource that an assertion is for: the one of them that the client asks for.
func (s *Server) assertedResource(p *auth.Principal, asked []string) (Resource, error) {
	var said []string
	switch resource := p.Claims().Custom["resource"].(type) {
	case nil:
		return s.resourceOf(asked, s.cfg.Resources[0].URL)
	case string:
		said = []string{resource}
	case []any:
		for _, one := range resource {
			u, _ := one.(string)
			said = append(said, u)
		}
	}
	if len(asked) == 0 {
		asked = said
	}
	for _, u := range asked {
		if !slices.Contains(said, u) {
			return Resource{}, refuse("invalid_target", "the assertion is for another resource")
		}
	}
	return s.resourceOf(asked, "") // of an assertion for no resource: there is none of that name
}

// scopes returns the scopes of a resource that the assertion, the provider's limits and the client's all
// allow, and that the client asks for. If neither the assertion nor the client says any, it is the first.
func (by provider) scopes(c *client, p *auth.Principal, r Resource, asked string) ([]string, error) {
	said := p.Scopes()
	var may []string
	for _, scope := range r.Scopes {
		if (len(said) == 0 || slices.Contains(said, scope.Name)) && (by.Scopes == nil || slices.Contains(by.Scopes, scope.Name)) &&
			(c.scopes == nil || slices.Contains(c.scopes, scope.Name)) {
			may = append(may, scope.Name)
		}
	}
	if len(may) == 0 {
		return nil, refuse("invalid_scope", "the provider allows no scope of this resource that the client may have")
	}
	if len(said) == 0 && strings.TrimSpace(asked) == "" {
		return may[:1], nil
	}
	return narrower(may, asked)
}

// useAssertion uses an assertion up, on all replicas (RFC 7523 section 3, item 7).
func (s *Server) useAssertion(ctx context.Context, p *auth.Principal, userID string) error {
	sum := sha256.Sum256([]byte(p.Issuer() + "\x00" + p.TokenID()))
	key := "oauth:id-jag:" + base64url.EncodeToString(sum[:])
	_, now, err := s.records.Record(ctx, key) // for the store's time
	if err != nil {
		return err
	}
	life := time.Until(p.Expiry()) + assertionLeeway + assertion.MaxLifetime // more, for clocks that differ
	record := auth.Record{Key: key, Owner: userID, ExpiresAt: now.Add(life).UTC().Truncate(time.Microsecond)}
	err = s.records.ReplaceRecord(ctx, record.Renew(), record)
	if errors.Is(err, auth.ErrConflict) {
		return errAssertion
	}
	return err
}
