package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jwkset"
	"github.com/seed-e36e2130/auth/internal/problem"
	"github.com/seed-e36e2130/auth/oauth/internal/assertion"
	"github.com/seed-e36e2130/auth/oauth/internal/fetch"
	"github.com/seed-e36e2130/auth/oauth/internal/redirect"
)

// Methods by which a client authenticates (RFC 7591 section 2).
const (
	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authKey   = "private_key_jwt"

	eitherSecret = authBasic + " " + authPost
)

// Client is a client that the host knows. Printed and logged it does not show the secret.
type Client struct {
	ID   string // client_id: 1 to 200 characters of printable ASCII without space, and no https URL. Required
	Name string // for the consent page. "": the ID

	// RedirectURIs are where codes go: https, http to a loopback address or localhost, whose port is
	// then free (RFC 8252 section 7.3), or a private-use scheme. Required, unless Grants lacks
	// authorization_code.
	RedirectURIs []string

	// Secret makes the client a confidential one: 22 to 256 characters of printable ASCII, random. Only
	// its digest is kept. "": a public client.
	Secret string

	// AuthMethod is how the client sends its secret: client_secret_basic or client_secret_post, or both
	// with a space between them, for programs that choose by the metadata. "": client_secret_basic with a
	// Secret, private_key_jwt with Keys, and otherwise none.
	AuthMethod string

	// Keys is a JWK set with the public keys of a confidential client that authenticates with the private
	// ones (private_key_jwt, RFC 7523). It has no Secret then. nil: it does not.
	Keys []byte

	// Scopes limit what the client may ask for. nil: every scope of the resources.
	Scopes []string

	// AlwaysAsk asks the user each time, though they have allowed the same before.
	AlwaysAsk bool

	// Grants are the grant types that the client may use, each of which must be on. nil: authorization_code
	// and refresh_token. All but these and that for devices need a Secret or Keys.
	Grants []string

	// Exchanges are the URLs of the resources whose tokens the client may exchange, if
	// urn:ietf:params:oauth:grant-type:token-exchange is among its Grants (RFC 8693): those that it
	// serves, as a rule.
	Exchanges []string

	// Introspects is the URL of the resource that this client serves: it may introspect the tokens for it,
	// whoever they were issued to. It needs a Secret or Keys. "": the client is no resource server.
	Introspects string
}

// Format writes the ID, whatever the verb.
func (c Client) Format(f fmt.State, _ rune) { io.WriteString(f, "oauth.Client("+c.ID+")") }

// LogValue returns what Format writes.
func (c Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// client is a client as the server uses it, whoever has described it.
type client struct {
	id, name  string
	host      string // host of the document that describes the client; "": none does
	redirects []string
	method    string
	methods   []string          // further methods that it may authenticate by
	secret    [sha256.Size]byte // digest; unused without a method that has a secret
	keys      []byte            // JWK set, for private_key_jwt; nil: it is at keysURL
	keysURL   string
	scopes    []string // nil: all
	alwaysAsk bool
	known     bool // configured by the host
	unproven  bool // its document cannot be had now, and may say that it must authenticate

	introspects string   // URL of the resource whose tokens it may introspect; "": none
	grants      []string // nil: code and refresh
	exchanges   []string // URLs of the resources whose tokens it may exchange
}

// remembers reports whether a consent may be remembered that leads to a redirect URI: only if nobody else
// can stand behind it (RFC 8252 section 8.6).
func (c *client) remembers(uri string) bool {
	u, err := url.Parse(uri)
	switch {
	case err != nil || c.alwaysAsk || u.Scheme != "https":
		return false
	case c.known:
		return c.method != authNone
	}
	return c.host != "" && u.Host == c.host
}

// newClients returns the configured clients by ID, and adds a fault for what is wrong with them.
func newClients(cfg *Config, faults *cfgerr.Faults) map[string]*client {
	list, resources := cfg.Clients, cfg.Resources
	clients := make(map[string]*client, len(list))
	for _, c := range list {
		add := func(reason string) { faults.Add("Clients", c.ID, reason) }
		if len(c.ID) < 1 || len(c.ID) > 200 || !isVisible(c.ID) || strings.HasPrefix(c.ID, "https://") {
			add("must have an ID of 1 to 200 characters of printable ASCII without space that is no https URL")
		}
		if clients[c.ID] != nil {
			add("comes twice")
		}
		c.checkGrants(cfg, faults)
		if len(c.RedirectURIs) == 0 && (c.Grants == nil || slices.Contains(c.Grants, grantCode)) {
			add("must have RedirectURIs")
		}
		for _, uri := range c.RedirectURIs {
			if err := redirect.Check(uri); err != nil {
				add("has a redirect URI that nobody may be sent to: " + err.Error())
			}
		}
		if c.AuthMethod == "" {
			c.AuthMethod = authNone
			if c.Secret != "" {
				c.AuthMethod = authBasic
			} else if c.Keys != nil {
				c.AuthMethod = authKey
			}
		}
		var methods []string
		if c.AuthMethod == eitherSecret {
			c.AuthMethod, methods = authBasic, []string{authPost}
		}
		switch {
		case !slices.Contains([]string{authNone, authBasic, authPost, authKey}, c.AuthMethod):
			add("has an unknown AuthMethod: use none, client_secret_basic, client_secret_post or private_key_jwt")
		case (c.AuthMethod == authBasic || c.AuthMethod == authPost) != (c.Secret != ""):
			add("must have a Secret if, and only if, its AuthMethod uses one")
		case (c.AuthMethod == authKey) != (c.Keys != nil):
			add("must have Keys if, and only if, its AuthMethod uses them")
		case c.Keys != nil && !isKeySet(c.Keys):
			add("has Keys that are no JWK set with usable public keys alone")
		case c.Secret != "" && (len(c.Secret) < 22 || len(c.Secret) > 256 || !isVisible(c.Secret)):
			add("has a Secret that is not 22 to 256 characters of printable ASCII")
		}
		if u := c.Introspects; u != "" && (c.Secret == "" && c.Keys == nil || !slices.ContainsFunc(resources, func(r Resource) bool { return r.URL == u })) {
			add("introspects tokens without a Secret or Keys, or for no resource of this server: " + u)
		}
		for _, scope := range c.Scopes {
			if !slices.ContainsFunc(resources, func(r Resource) bool { return r.has(scope) }) {
				add("is limited to a scope that no resource has: " + scope)
			}
		}
		clients[c.ID] = &client{
			id: c.ID, name: displayName(c.Name, c.ID), redirects: slices.Clone(c.RedirectURIs), method: c.AuthMethod, methods: methods,
			secret: sha256.Sum256([]byte(c.Secret)), keys: slices.Clone(c.Keys), scopes: slices.Clone(c.Scopes), alwaysAsk: c.AlwaysAsk, known: true,
			introspects: c.Introspects, grants: slices.Clone(c.Grants), exchanges: slices.Clone(c.Exchanges),
		}
	}
	return clients
}

// maxName bounds the name of a client, in characters.
const maxName = 100

// displayName returns a name as a page may show it: bounded, and without characters that deceive the
// reader, such as those that turn the direction of text around.
func displayName(name, otherwise string) string {
	name = strings.Join(strings.Fields(strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case !unicode.IsGraphic(c) || unicode.In(c, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
			return -1
		}
		return c
	}, name)), " ")
	if name == "" {
		name = otherwise
	}
	if short := []rune(name); len(short) > maxName {
		name = string(short[:maxName]) + "…"
	}
	return name
}

// errUnknownClient is the answer about a client that there is not: on it, clients register anew.
var errUnknownClient = &refusal{Code: "invalid_client", Description: "unknown client", status: http.StatusUnauthorized}

// client returns the client with an ID, or errUnknownClient. ip is the address that makes the server look.
func (s *Server) client(ctx context.Context, id string, ip netip.Addr) (*client, error) {
	if c := s.clients[id]; c != nil {
		return c, nil
	}
	if s.isDocument(id) {
		return s.described(ctx, id, ip)
	}
	return s.registered(ctx, id)
}

// credentials are what a request says about its client.
type credentials struct {
	id, secret string
	method     string
	assertion  string // signed by the client
	basic      bool   // the request has an Authorization header
}

// readCredentials reads them, each from one place (OAuth 2.1 section 2.4).
func readCredentials(r *http.Request, f form) (credentials, error) {
	c := credentials{id: f["client_id"], secret: f["client_secret"], method: authNone}
	if c.secret != "" {
		c.method = authPost
	}
	if c.assertion = f["client_assertion"]; c.assertion != "" {
		c.method = authKey
		switch {
		case f["client_assertion_type"] != assertion.Type:
			return c, refuse("invalid_request", "client_assertion_type must be "+assertion.Type)
		case c.secret != "" || len(r.Header["Authorization"]) > 0:
			return c, refuse("invalid_request", "the request authenticates in two ways")
		case c.id == "":
			c.id = assertion.ClientID(c.assertion)
		}
		return c, nil
	}
	switch len(r.Header["Authorization"]) {
	case 0:
		return c, nil
	case 1:
	default:
		return c, refuse("invalid_request", "the request has more than one Authorization header")
	}
	id, secret, ok := r.BasicAuth()
	if !ok {
		return c, &refusal{Code: "invalid_client", Description: "authenticate with Basic, or in the body", status: http.StatusUnauthorized, challenge: basicChallenge}
	}
	id, secret = formDecoded(id), formDecoded(secret)
	switch {
	case f["client_id"] != "" && f["client_id"] != id:
		return c, refuse("invalid_request", "client_id differs from that of the Authorization header")
	case c.secret != "":
		return c, refuse("invalid_request", "the request authenticates in two ways")
	}
	c.id, c.basic = id, true
	if secret != "" { // an empty one is none: golang.org/x/oauth2 sends it for public clients
		c.secret, c.method = secret, authBasic
	}
	return c, nil
}

const basicChallenge = `Basic realm="oauth", charset="UTF-8"`

// formDecoded returns s decoded as RFC 6749 section 2.3.1 has it encoded, or s itself if it is not.
func formDecoded(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	return s
}

// authenticate returns the client that has sent r. Nothing else of the request is looked at before: a
// client with a wrong secret must not lose its code.
func (s *Server) authenticate(r *http.Request, f form) (*client, error) {
	said, err := readCredentials(r, f)
	if err != nil {
		return nil, err
	}
	unauthorized := &refusal{Code: "invalid_client", Description: "the client is unknown or did not authenticate as registered", status: http.StatusUnauthorized}
	if said.basic {
		unauthorized.challenge = basicChallenge
	}
	if said.id == "" {
		return nil, unauthorized
	}
	c, err := s.client(r.Context(), said.id, s.clientIP(r))
	switch {
	case err == errUnknownClient:
		return nil, unauthorized
	case s.isDocument(said.id) && said.method == authNone && isPassing(err): // its users go on: they have been asked
		c, err = bareDocument(said.id), nil
		c.unproven = true
	}
	if err != nil {
		return nil, err
	}
	if !c.allows(said.method) {
		return nil, unauthorized
	}
	return c, s.prove(r, c, said, unauthorized)
}

// allows reports whether the client may authenticate by a method.
func (c *client) allows(method string) bool {
	return method == c.method || slices.Contains(c.methods, method)
}

// prove returns unauthorized if a client does not prove that it is the one that it says. Wrong proofs are
// counted by client and network.
func (s *Server) prove(r *http.Request, c *client, said credentials, unauthorized *refusal) error {
	if said.method == authNone {
		return nil
	}
	tries := withSuffix(networks(s.clientIP(r)), c.id)
	if wait := s.limits.wrongSecret.peek(tries...); wait > 0 {
		return tooMany(wait)
	}
	if said.method == authKey {
		err := s.assertions.Check(r.Context(), c.id, said.assertion, s.keysOf(c, s.clientIP(r)))
		if !errors.Is(err, assertion.ErrInvalid) {
			return err
		}
		problem.Refused(s.log, r, err, unauthorized.status, false)
	} else if digest := sha256.Sum256([]byte(said.secret)); subtle.ConstantTimeCompare(digest[:], c.secret[:]) == 1 {
		return nil
	}
	s.limits.wrongSecret.take(tries...)
	return unauthorized
}

// keysOf returns the keys of a client, or fetches them from where they are.
func (s *Server) keysOf(c *client, ip netip.Addr) assertion.Keys {
	return func(ctx context.Context, notBefore time.Time) ([]byte, error) {
		if c.keysURL == "" {
			return c.keys, nil
		}
		keys, err := s.fetcher.Get(ctx, fetch.Request{URL: c.keysURL, Client: ip, KeySet: true, NotBefore: notBefore})
		return keys, s.fetchError(ctx, err)
	}
}

// isKeySet reports whether a text is a JWK set whose keys are all public and usable.
func isKeySet(text []byte) bool {
	set, err := jwkset.Parse(string(text), "")
	return err == nil && len(set.Faults) == 0
}

// has reports whether the resource has a scope.
func (r Resource) has(name string) bool {
	return slices.ContainsFunc(r.Scopes, func(s Scope) bool { return s.Name == name })
}
