package oauth

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/detach"
	"github.com/seed-e36e2130/auth/internal/origin"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/oauth/internal/assertion"
	"github.com/seed-e36e2130/auth/oauth/internal/fetch"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/session"
)

// Tokens issues the access tokens and verifies them. [jwt.Issuer] implements it. Each URL of
// [Config].Resources must be among its Resources, or be its Audience.
type Tokens interface {
	Issue(ctx context.Context, c auth.Claims) (token string, err error)
	MaxLifetime() time.Duration
	VerifierFor(audience string) (*jwt.Verifier, error)
}

// Resource is an API that clients get access tokens for, such as an MCP endpoint.
type Resource struct {
	URL    string  // audience of its tokens, and what clients send as resource (RFC 8707): compared as text
	Name   string  // for the consent page. "": the URL
	Scopes []Scope // what clients may ask for; the first is granted to a client that asks for none
}

// Scope is something that a client may be allowed to do.
type Scope struct {
	Name string // scope token, RFC 6749 section 3.3; not offline_access
	Text string // in words, for the consent page: "Read your notes"
}

// Config configures a [Server]. What is not marked as required may be left out.
type Config struct {
	// Issuer is the name of the authorization server: the https URL that clients reach it at, without a
	// slash at its end; http to this machine. It may have a path. Metadata and tokens have it byte for
	// byte, and the endpoints stand below it. It must be that of Tokens. Required.
	Issuer string

	// Prefix is a path between Issuer and the endpoints, such as "/oauth". "": none.
	Prefix string

	Resources []Resource                  // APIs that tokens are for; the first is that of a client that names none. Required
	Tokens    Tokens                      // issues access tokens. Required
	Keys      *jwt.KeyRing                // keys of Tokens, which are published. Required
	Records   auth.RecordStore            // keeps codes, grants, clients and consents: the Records of the accounts. Required
	Sessions  auth.SessionStore           // keeps a session for each grant: the Sessions of the accounts. Required
	Secrets   *secrets.Ring               // seals pages and makes refresh tokens; the same on all replicas. Required
	Revoked   func(context.Context) error // called when a grant has ended: as [auth.Config].Revoked

	// User returns who is logged in to the browser that sent r, with the session of that login, or
	// [auth.ErrNoCredentials] or [auth.ErrInvalidToken] if nobody is. API keys, agents and services count
	// as nobody. Required.
	User func(r *http.Request) (*auth.Principal, error)

	// LoginURL is the page where users log in: a path of this host, or a URL. It is called with the
	// parameter return_to, which it hands to [Server.ReturnTo] after the login. Required.
	LoginURL string

	// Account returns the name by which a user knows their account, for the consent page. nil: the
	// page shows none.
	Account func(ctx context.Context, userID string) (string, error)

	// Consent writes the page that asks the user. nil: a plain page.
	Consent func(w http.ResponseWriter, r *http.Request, p ConsentPage)

	// Clients are known beforehand.
	Clients []Client

	// Register configures dynamic client registration (RFC 7591). Zero: there is none.
	Register Register

	// Documents configures Client ID Metadata Documents. Zero: there are none.
	Documents Documents

	// ClientCredentials lets clients whose Grants say so get tokens for themselves (OAuth 2.1 section 4.2).
	// Such a token has the kind "service", no session, and for its sub "client:" and the ID of the
	// client: no account may have an ID that begins so.
	ClientCredentials bool

	// Exchange lets clients whose Grants say so exchange tokens (RFC 8693): for a token of a user that was
	// sent to them they get one by which they act for that user, with no more scopes and no longer a
	// life. It is as [auth.Authenticator.Delegate] has it, ends with the login or the grant of the
	// first, and has "client:" and the ID of the client for its actor.
	Exchange bool

	// Providers are identity providers whose word about their users is taken from clients whose Grants have
	// urn:ietf:params:oauth:grant-type:jwt-bearer. nil: that grant is off.
	Providers []Provider

	// Device configures the grant for devices without a browser (RFC 8628). Zero: there is none.
	Device Device

	// Claims, if not nil, completes the claims of an access token, with roles or custom claims. Subject,
	// ClientID, SessionID, Scopes, Audience, Expiry, AuthTime, AMR, Kind and Actors are set, and stay as
	// they are; a token of an exchange gets custom claims alone. It is called for each token, also at a
	// refresh. The Grant has no UserID if the client acts for itself. An error is an infrastructure failure.
	Claims func(ctx context.Context, g Grant, c *auth.Claims) error

	// AccessLife is the life of an access token. 0: 15 minutes; from 1 s to 24 hours, and no more than
	// the Lifetime of Tokens.
	AccessLife time.Duration

	// CodeLife is the life of an authorization code. 0: 60 s; from 1 s to 60 s.
	CodeLife time.Duration

	// IdleLife is how long a grant lives that is not used, GrantLife how long any grant lives. 0: 30 days
	// and 180 days; from 1 s to 3,650 days.
	IdleLife, GrantLife time.Duration

	// GrantsPerUser is how many grants a user may have: one more ends the least recently used, of the same
	// client if it has another one. 0: 100; from 1 to 1,000.
	GrantsPerUser int

	// RefreshWindow is how long a used refresh token still gets the answer that it got, from the same
	// network: for requests that a client sends twice, and for lost replies. 0: 30 s, and with Strict
	// nothing; at most 10 minutes; negative: nothing.
	RefreshWindow time.Duration

	// Strict ends a grant as soon as a used refresh token comes again (OWASP ASVS 10.4.5). Clients that
	// run as several processes then log in again and again. See [Config].RefreshWindow.
	Strict bool

	// ClientIP returns the address of the client, or the zero Addr if it is unknown. nil: the address of
	// the connection; see ClientIP of authhttp.Config, and authhttp.TrustProxies for services behind
	// proxies.
	ClientIP func(r *http.Request) netip.Addr

	// Limits bound what one client network may ask for. See [Limits].
	Limits Limits

	// Events receives what happens: see [auth.Config].Events, and the kinds of this package. nil: there
	// are no events.
	Events func(ctx context.Context, e auth.Event)

	// Logger receives a line for each request that could not be decided. nil: [slog.Default].
	Logger *slog.Logger
}

// Server is an authorization server. Make one with [New]. It is immutable and safe for concurrent use.
type Server struct {
	cfg      Config
	accounts *auth.Authenticator
	origin   string // scheme and host of the issuer
	base     string // path of the endpoints, without a slash at its end
	records  auth.RecordStore
	sessions auth.SessionStore
	keeper   *session.Keeper // begins the session of a grant
	clients  map[string]*client
	fetcher  *fetch.Fetcher

	providers []provider

	assertions *assertion.Checker
	log        *slog.Logger

	limits        limits
	unknownPlaces sync.Once // logs that places cannot be told apart
}

// New returns a Server for the accounts, or every fault of cfg as a [*cfgerr.Error].
func New(accounts *auth.Authenticator, cfg Config) (*Server, error) {
	cfg.Resources, cfg.Clients = slices.Clone(cfg.Resources), slices.Clone(cfg.Clients)
	s := &Server{cfg: cfg, accounts: accounts, log: cfg.Logger}
	faults := cfgerr.Faults{Prefix: "oauth."}
	faults.Require("New.accounts", accounts != nil)
	if accounts != nil && !accounts.Capabilities().Sessions {
		faults.Add("New.accounts", "", "has no auth.Config.Sessions: grants could not be ended")
	}
	faults.Prefix = "oauth.Config."
	s.checkURLs(&faults)
	s.checkResources(&faults)
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"Keys", cfg.Keys != nil}, {"Records", cfg.Records != nil}, {"Sessions", cfg.Sessions != nil},
		{"Secrets", cfg.Secrets != nil && len(cfg.Secrets.Keys()) > 0}, {"User", cfg.User != nil},
	} {
		faults.Require(field.name, field.given)
	}
	s.cfg.AccessLife = cfgerr.Within(&faults, "AccessLife", cfg.AccessLife, 15*time.Minute, time.Second, 24*time.Hour)
	s.cfg.CodeLife = cfgerr.Within(&faults, "CodeLife", cfg.CodeLife, time.Minute, time.Second, time.Minute)
	s.cfg.IdleLife = cfgerr.Within(&faults, "IdleLife", cfg.IdleLife, 30*24*time.Hour, time.Second, maxGrantLife)
	s.cfg.GrantLife = cfgerr.Within(&faults, "GrantLife", cfg.GrantLife, 180*24*time.Hour, time.Second, maxGrantLife)
	s.cfg.GrantsPerUser = cfgerr.Within(&faults, "GrantsPerUser", cfg.GrantsPerUser, 100, 1, 1000)
	if cfg.RefreshWindow > 10*time.Minute {
		faults.Add("RefreshWindow", cfg.RefreshWindow.String(), "must be at most 10 minutes")
	}
	s.clients = newClients(&s.cfg, &faults)
	s.cfg.Register.check(&faults)
	s.cfg.Device.check(&faults)
	s.providers = newProviders(&s.cfg, &faults)
	s.openDocuments(&faults)
	s.limits = newLimits(s.cfg, &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if s.cfg.Events == nil {
		s.cfg.Events = func(context.Context, auth.Event) {}
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	return s, s.openStores()
}

const maxGrantLife = 3650 * 24 * time.Hour

// openStores makes the stores outlive clients that hang up, with places of their own, so that
// strangers who ask for codes take none from logins.
func (s *Server) openStores() (err error) {
	calls := detach.New()
	s.records = detach.Records[auth.Record]{Store: s.cfg.Records, Calls: calls}
	if s.assertions, err = assertion.New(s.cfg.Issuer, s.records); err != nil {
		return err
	}
	s.sessions = detach.Sessions{Store: s.cfg.Sessions, Calls: calls}
	life := max(s.cfg.GrantLife, time.Minute)
	s.keeper, err = session.New(session.Config{
		Store: s.sessions, Keys: s.cfg.Secrets, Idle: life, Life: life, TokenLife: s.cfg.Tokens.MaxLifetime(),
	})
	return err
}

func (s *Server) checkURLs(faults *cfgerr.Faults) {
	cfg := &s.cfg
	u, err := url.Parse(cfg.Issuer)
	if err != nil || !isServiceURL(cfg.Issuer) || strings.HasSuffix(cfg.Issuer, "/") {
		faults.Add("Issuer", cfg.Issuer, "must be an https URL, or http to this machine, without user, query, fragment, and slash at its end")
		u = &url.URL{}
	}
	if p := cfg.Prefix; p != "" && (p[0] != '/' || strings.HasSuffix(p, "/") || !isPath(p)) {
		faults.Add("Prefix", p, "must be empty or a path like /oauth")
	}
	s.origin, s.base = u.Scheme+"://"+u.Host, u.EscapedPath()+cfg.Prefix
	login, err := url.Parse(cfg.LoginURL)
	if err != nil || cfg.LoginURL == "" || login.Fragment != "" || !(isPath(cfg.LoginURL) || isServiceURL(strings.SplitN(cfg.LoginURL, "?", 2)[0])) {
		faults.Add("LoginURL", cfg.LoginURL, "must be a path like /login, or an https URL")
	}
}

func (s *Server) checkResources(faults *cfgerr.Faults) {
	cfg := &s.cfg
	if len(cfg.Resources) == 0 {
		faults.Add("Resources", "", "must have at least one")
	}
	faults.Require("Tokens", cfg.Tokens != nil)
	for i, r := range cfg.Resources {
		if !isServiceURL(r.URL) || slices.IndexFunc(cfg.Resources, func(o Resource) bool { return o.URL == r.URL }) != i {
			faults.Add("Resources", r.URL, "must be an https URL, or http to this machine, without user, query and fragment, and differ from the others")
		} else if cfg.Tokens != nil {
			if _, err := cfg.Tokens.VerifierFor(r.URL); err != nil {
				faults.Add("Resources", r.URL, "is no audience of Tokens: add it to jwt.IssuerConfig.Resources")
			}
		}
		if len(r.Scopes) == 0 || len(r.Scopes) > maxScopes {
			faults.Add("Resources", r.URL, "must have 1 to 64 scopes")
		}
		for _, scope := range r.Scopes {
			if !jwt.IsScope(scope.Name) || scope.Name == offlineAccess || scope.Text == "" || len(scope.Name) > maxScope {
				faults.Add("Resources", r.URL, "has a scope without a text, or whose name is no scope token of at most 100 characters, or offline_access")
			}
		}
	}
}

// Bounds of scopes, so that a grant fits into a record.
const maxScopes, maxScope = 64, 100

// isServiceURL reports whether s can be the URL of a service.
func isServiceURL(s string) bool {
	return origin.IsSecureURL(s) && isVisible(s) && !strings.Contains(s, "?")
}

// isPath reports whether s is an absolute path of this host.
func isPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.HasPrefix(s, `/\`) && isVisible(s) && !strings.ContainsAny(s, `{}\`)
}

// isVisible reports whether s is printable ASCII without space.
func isVisible(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// resource returns the resource with exactly this URL.
func (s *Server) resource(u string) (Resource, bool) {
	i := slices.IndexFunc(s.cfg.Resources, func(r Resource) bool { return r.URL == u })
	if i < 0 {
		return Resource{}, false
	}
	return s.cfg.Resources[i], true
}

// url returns the URL of an endpoint as clients see it.
func (s *Server) url(path string) string { return s.origin + s.base + path }

// event emits an event about a grant.
func (s *Server) event(ctx context.Context, kind auth.EventKind, userID, grantID string) {
	s.cfg.Events(ctx, auth.Event{Kind: kind, UserID: userID, SessionID: grantID, Device: auth.DeviceFromContext(ctx)})
}
