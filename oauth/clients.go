package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/oauth/internal/redirect"
)

// Methods by which a client authenticates (RFC 7591 section 2).
const (
	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
)

// Client is a client that the host knows. Printed and logged it does not show the secret.
type Client struct {
	ID   string // client_id: 1 to 200 characters of printable ASCII without space, and no https URL. Required
	Name string // for the consent page. "": the ID

	// RedirectURIs are where codes go: https, http to a loopback address or localhost, whose port is
	// then free (RFC 8252 section 7.3), or a private-use scheme. Required.
	RedirectURIs []string

	// Secret makes the client a confidential one: 22 to 256 characters of printable ASCII, random. Only
	// its digest is kept. "": a public client.
	Secret string

	// AuthMethod is how the client sends its secret: client_secret_basic or client_secret_post. "":
	// client_secret_basic with a Secret, and otherwise none.
	AuthMethod string

	// Scopes limit what the client may ask for. nil: every scope of the resources.
	Scopes []string

	// AlwaysAsk asks the user each time, though they have allowed the same before.
	AlwaysAsk bool

	// Introspects is the URL of the resource that this client serves: it may introspect the tokens for it.
	// It needs a Secret. "": the client is no resource server.
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
	secret    [sha256.Size]byte // digest; unused with the method none
	scopes    []string          // nil: all
	alwaysAsk bool
	known     bool // configured by the host

	introspects string // URL of the resource whose tokens it may introspect; "": none
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
func newClients(list []Client, resources []Resource, faults *cfgerr.Faults) map[string]*client {
	clients := make(map[string]*client, len(list))
	for _, c := range list {
		add := func(reason string) { faults.Add("Clients", c.ID, reason) }
		if len(c.ID) < 1 || len(c.ID) > 200 || !isVisible(c.ID) || strings.HasPrefix(c.ID, "https://") {
			add("must have an ID of 1 to 200 characters of printable ASCII without space that is no https URL")
		}
		if clients[c.ID] != nil {
			add("comes twice")
		}
		if len(c.RedirectURIs) == 0 {
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
			}
		}
		switch {
		case !slices.Contains([]string{authNone, authBasic, authPost}, c.AuthMethod):
			add("has an unknown AuthMethod: use none, client_secret_basic or client_secret_post")
		case (c.AuthMethod == authNone) != (c.Secret == ""):
			add("must have a Secret if, and only if, its AuthMethod uses one")
		case c.Secret != "" && (len(c.Secret) < 22 || len(c.Secret) > 256 || !isVisible(c.Secret)):
			add("has a Secret that is not 22 to 256 characters of printable ASCII")
		}
		if u := c.Introspects; u != "" && (c.Secret == "" || !slices.ContainsFunc(resources, func(r Resource) bool { return r.URL == u })) {
			add("introspects tokens without a Secret, or for no resource of this server: " + u)
		}
		for _, scope := range c.Scopes {
			if !slices.ContainsFunc(resources, func(r Resource) bool { return r.has(scope) }) {
				add("is limited to a scope that no resource has: " + scope)
			}
		}
		clients[c.ID] = &client{
			id: c.ID, name: displayName(c.Name, c.ID), redirects: slices.Clone(c.RedirectURIs), method: c.AuthMethod,
			secret: sha256.Sum256([]byte(c.Secret)), scopes: slices.Clone(c.Scopes), alwaysAsk: c.AlwaysAsk, known: true,
			introspects: c.Introspects,
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
var errUnknownClient = &Error{Code: "invalid_client", Description: "unknown client", status: http.StatusUnauthorized}

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
	basic      bool // the request has an Authorization header
}

// readCredentials reads them, each from one place (OAuth 2.1 section 2.4).
func readCredentials(r *http.Request, f form) (credentials, error) {
	c := credentials{id: f["client_id"], secret: f["client_secret"], method: authNone}
	if c.secret != "" {
		c.method = authPost
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
		return c, &Error{Code: "invalid_client", Description: "authenticate with Basic, or in the body", status: http.StatusUnauthorized, challenge: basicChallenge}
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
	c, err := readCredentials(r, f)
	if err != nil {
		return nil, err
	}
	unauthorized := &Error{Code: "invalid_client", Description: "the client is unknown or did not authenticate as registered", status: http.StatusUnauthorized}
	if c.basic {
		unauthorized.challenge = basicChallenge
	}
	if c.id == "" {
		return nil, unauthorized
	}
	registered, err := s.client(r.Context(), c.id, s.clientIP(r))
	switch {
	case err == errUnknownClient:
		return nil, unauthorized
	case s.isDocument(c.id) && c.method == authNone && isPassing(err): // its users go on: they have been asked
		registered, err = bareDocument(c.id), nil
	}
	if err != nil {
		return nil, err
	}
	if registered.method != c.method {
		return nil, unauthorized
	}
	if c.method == authNone {
		return registered, nil
	}
	tries := withSuffix(networks(s.clientIP(r)), c.id)
	if wait := s.limits.wrongSecret.peek(tries...); wait > 0 {
		return nil, tooMany(wait)
	}
	digest := sha256.Sum256([]byte(c.secret))
	if subtle.ConstantTimeCompare(digest[:], registered.secret[:]) != 1 {
		s.limits.wrongSecret.take(tries...)
		return nil, unauthorized
	}
	return registered, nil
}

// has reports whether the resource has a scope.
func (r Resource) has(name string) bool {
	return slices.ContainsFunc(r.Scopes, func(s Scope) bool { return s.Name == name })
}
