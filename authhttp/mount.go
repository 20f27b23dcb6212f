package authhttp

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/recovery"
)

// Endpoint names an endpoint, or several that belong together, to be chosen for [Mount].
type Endpoint string

// The endpoints, and their paths below the prefix of [Mount].
const (
	EndpointRegister   Endpoint = "register"   // /register
	EndpointLogin      Endpoint = "login"      // /login
	EndpointMFA        Endpoint = "mfa"        // /login/mfa
	EndpointStepUp     Endpoint = "step-up"    // /step-up
	EndpointEnrol      Endpoint = "enrol"      // /mfa/begin, /mfa/confirm, /mfa/recovery-codes, /mfa/remove
	EndpointToken      Endpoint = "token"      // /token
	EndpointRefresh    Endpoint = "refresh"    // /refresh
	EndpointLogout     Endpoint = "logout"     // /logout
	EndpointMe         Endpoint = "me"         // /me
	EndpointSessions   Endpoint = "sessions"   // /sessions, /sessions/{id}
	EndpointAPIKeys    Endpoint = "api-keys"   // /keys, /keys/{id}, /keys/{id}/roll
	EndpointPassword   Endpoint = "password"   // /password
	EndpointRecovery   Endpoint = "recovery"   // /password/forgot, /password/reset, /verify/request, /verify
	EndpointLoginLink  Endpoint = "login-link" // /login/link/request, /login/link
	EndpointLoginCode  Endpoint = "login-code" // /login/code/request, /login/code
	EndpointAddress    Endpoint = "address"    // /address, /address/confirm
	EndpointDelete     Endpoint = "delete"     // /account/delete
	EndpointRevoke     Endpoint = "revoke"     // /revoke
	EndpointIntrospect Endpoint = "introspect" // /introspect
	EndpointJWKS       Endpoint = "jwks"       // /.well-known/jwks.json, without the prefix
	EndpointMetadata   Endpoint = "metadata"   // MetadataPath(Issuer), without the prefix
	EndpointOpenAPI    Endpoint = "openapi"    // /openapi.json: the mounted endpoints in OpenAPI 3.1

	EndpointChangePassword Endpoint = "change-password" // /.well-known/change-password, without the prefix
)

// MountConfig configures the endpoints of [Mount], and holds what some of them need.
type MountConfig struct {
	Config
	Users           Users              // for EndpointMe and EndpointEnrol
	Factor          Enroller           // for EndpointEnrol: the Authenticator's auth.Config.SecondFactor
	Recovery        *recovery.Recovery // for EndpointRecovery, LoginLink, LoginCode, Address and Delete
	ResourceServers *ResourceServers   // for EndpointIntrospect
	Keys            *jwt.KeyRing       // for EndpointJWKS
	APIKeys         *apikey.Keys       // for EndpointAPIKeys

	// Issuer is the issuer of the tokens, and BaseURL the URL of the mux as clients see it, such as
	// "https://example.com". EndpointMetadata needs and publishes both. EndpointOpenAPI publishes
	// BaseURL; without it, the document describes the server that it comes from. The document does
	// not describe answers of the Middleware's ErrorHandler, of Config.Before and of Config.Respond.
	Issuer, BaseURL string

	// ChangePasswordPage is the page where users change their password: a path of this host, such as
	// "/account", or an https URL. EndpointChangePassword redirects password managers there.
	ChangePasswordPage string

	// RecentProof is how long ago callers may have proven their identity who end sessions other than
	// their own, or create, roll or delete API keys. It is also how long ago callers may have proven it with both factors who change the
	// password, the address or API keys, or delete the account, if the account has a second factor. Others are
	// answered 401 with the code insufficient_user_authentication, and get another access token from
	// EndpointStepUp, or by logging in. 0: 5 minutes; from 1 minute to 24 hours.
	RecentProof time.Duration

	// NoticeNewDevices sends a notice to the owner when a device logs in that the account's throttle
	// does not know. It needs Recovery, and an [auth.Config].Throttle that knows devices, such as that
	// of package throttle.
	NoticeNewDevices bool

	// DangerouslyWithoutThrottle mounts the endpoints of an Authenticator that has no
	// [auth.Config].Throttle: nothing but the cost of a hash then limits how many passwords a client
	// guesses, unless the host limits the requests itself.
	DangerouslyWithoutThrottle bool
}

// Mount puts endpoints on mux, below prefix, which is empty or a path like "/auth". Without names of
// endpoints it mounts every endpoint whose requirements a and cfg meet. With cookies, guard must
// read them: see [Cookies.Extractor]. Each pattern has its method, so that mux may have patterns like
// "GET /" or "OPTIONS /" as well: other methods are theirs, or are answered 405 by mux.
//
// a must have an [auth.Config].Throttle, such as that of package throttle.
//
// The endpoints that change how an account is proven or reached (password, second factor, recovery
// codes, address) end the other sessions of the user, as [auth.Authenticator.EndOtherSessions] does. With
// MountConfig.Recovery they also send a notice to the verified address of the account. Handlers that a
// host mounts one by one do so for the password and the address alone, and send the notices that their
// recovery.Recovery sends.
//
// It returns every fault as a [*cfgerr.Error]. Then nothing is mounted, unless the fault is that a
// pattern collides with one that is on mux.
func Mount(
	mux *http.ServeMux, prefix string, a *auth.Authenticator, guard *auth.Middleware, cfg MountConfig, endpoints ...Endpoint,
) error {
	faults := cfgerr.Faults{Prefix: "authhttp."}
	faults.Require("Mount.mux", mux != nil)
	faults.Require("Mount.a", a != nil)
	faults.Require("Mount.guard", guard != nil)
	if err := faults.Err(); err != nil {
		return err
	}
	cfg.Config = cfg.shared()
	m := &mount{prefix: prefix, a: a, guard: guard, cfg: cfg}
	m.recentProof = cfgerr.Within(&faults, "MountConfig.RecentProof", cfg.RecentProof, 5*time.Minute, time.Minute, 24*time.Hour)
	m.choose(endpoints, &faults)
	m.check(&faults)
	if err := faults.Err(); err != nil {
		return err
	}
	return m.register(mux)
}

// mount is one call of [Mount]: the parts that handlers are made of, and the endpoints to mount.
type mount struct {
	prefix  string
	a       *auth.Authenticator
	guard   *auth.Middleware
	cfg     MountConfig
	mounted []endpoint // rows of the table, in its order

	recentProof time.Duration // MountConfig.RecentProof, or its default
}

// notices returns what informs owners.
func (m *mount) notices() notices { return notices{m.cfg.Recovery, m.cfg.NoticeNewDevices} }

// accounts returns m.a as endpoints call it.
func (m *mount) accounts() informing { return informing{m.a, m.notices()} }

// mail returns m.cfg.Recovery as endpoints call it.
func (m *mount) mail() informingMail { return informingMail{m.cfg.Recovery, m.notices()} }

// factor returns m.cfg.Factor as endpoints call it.
func (m *mount) factor() Enroller { return informingFactor{m.cfg.Factor, m.a, m.notices()} }

// guardOthers returns a guard for the endpoints of sessions: a caller who ends sessions other than
// their own must have proven their identity recently, so that a stolen access token cannot log out
// its owner (OWASP ASVS 7.5.2).
func (m *mount) guardOthers() Guard {
	return GuardFunc(func(next http.Handler) http.Handler {
		recent := m.guard.RequireRecent(m.recentProof)(next)
		return m.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, _ := auth.FromContext(r.Context())
			if id := r.PathValue("id"); r.Method == http.MethodDelete && (id == "" || id != p.SessionID()) {
				recent.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		}))
	})
}

// guardChanges returns a guard for the endpoints that change how the account is reached or delete it.
// If the account has a second factor, the caller must have proven it recently: a token from before the
// factor was enrolled, and the password, are not enough.
func (m *mount) guardChanges() Guard {
	if !m.a.Capabilities().SecondFactor {
		return m.guard
	}
	return GuardFunc(func(next http.Handler) http.Handler {
		strongest := m.guard.RequireMFA(m.guard.RequireRecent(m.recentProof)(next))
		return m.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, _ := auth.FromContext(r.Context())
			required, err := m.a.HasSecondFactor(r.Context(), p.Subject())
			switch {
			case err != nil:
				m.cfg.refuse(w, r, err)
			case required:
				strongest.ServeHTTP(w, r)
			default:
				next.ServeHTTP(w, r)
			}
		}))
	})
}

// apiKeys returns m.cfg.APIKeys as endpoints call it.
func (m *mount) apiKeys() informingKeys { return informingKeys{m.cfg.APIKeys, m.notices()} }

// guardKeys returns a guard for the endpoints of API keys: a caller who does more than list them must have proven
// their identity recently, and with both factors if the account has a second one. A key outlives the access
// token that created it.
func (m *mount) guardKeys() Guard {
	changes := m.guardChanges()
	return GuardFunc(func(next http.Handler) http.Handler {
		list, change := m.guard.Require(next), changes.Require(m.guard.RequireRecent(m.recentProof)(next))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				list.ServeHTTP(w, r)
				return
			}
			change.ServeHTTP(w, r)
		})
	})
}

// choose sets m.mounted, and adds a fault for each name that is unknown or whose requirements are
// not met.
func (m *mount) choose(names []Endpoint, faults *cfgerr.Faults) {
	for _, name := range names {
		i := slices.IndexFunc(table, func(e endpoint) bool { return e.name == name })
		if i < 0 {
			faults.Add("Mount.endpoints", string(name), "is not the name of an endpoint")
		} else if missing := table[i].missing(m); missing != "" {
			faults.Add("Mount.endpoints", string(name), "needs "+missing)
		}
	}
	for _, e := range table {
		if (len(names) == 0 || slices.Contains(names, e.name)) && e.missing(m) == "" {
			m.mounted = append(m.mounted, e)
		}
	}
}

// check adds a fault for each part that does not fit the endpoints to mount.
func (m *mount) check(faults *cfgerr.Faults) {
	if !isPrefix(m.prefix) {
		faults.Add("Mount.prefix", m.prefix, "must be empty or a path like /auth")
	}
	if !m.a.Capabilities().Throttle && !m.cfg.DangerouslyWithoutThrottle {
		faults.Add("Mount.a", "", "has no auth.Config.Throttle, so passwords can be guessed without limit: "+
			"set it to the result of throttle.New, or set MountConfig.DangerouslyWithoutThrottle")
	}
	if m.cfg.NoticeNewDevices && (m.cfg.Recovery == nil || !m.a.Capabilities().Throttle) {
		faults.Add("MountConfig.NoticeNewDevices", "", "needs MountConfig.Recovery, which sends notices, and auth.Config.Throttle, which knows devices")
	}
	if c := m.cfg.Cookies; c != nil {
		if refresh := m.prefix + "/refresh"; !strings.HasSuffix(c.refreshPath, refresh) {
			faults.Add("CookieConfig.RefreshPath", c.refreshPath, "must end with "+refresh+", where Refresh is mounted")
		}
		if logout := m.prefix + "/logout"; m.mounts(EndpointLogout) && !strings.HasSuffix(c.logoutPath, logout) {
			faults.Add("CookieConfig.LogoutPath", c.logoutPath, "must end with "+logout+", where Logout is mounted")
		}
		if slices.ContainsFunc(m.mounted, endpoint.guarded) && !c.readBy(m.guard) {
			faults.Add("Mount.guard", "", "must read the cookies: put Cookies.Extractor() into MiddlewareConfig.Extractors")
		}
	}
	m.cfg.checkNames(faults)
	if page := m.cfg.ChangePasswordPage; page != "" && !isPage(page) {
		faults.Add("MountConfig.ChangePasswordPage", page, "must be a path like /account, or an https URL")
	}
	metadata := m.mounts(EndpointMetadata)
	if metadata && !isServiceURL(m.cfg.Issuer) {
		faults.Add("MountConfig.Issuer", m.cfg.Issuer, serviceURLFault)
	}
	if base := m.cfg.BaseURL; (metadata || m.mounts(EndpointOpenAPI) && base != "") && !isServiceURL(base) {
		faults.Add("MountConfig.BaseURL", base, serviceURLFault)
	}
}

// isPrefix reports whether s is empty, or a path other than the root, in its shortest form and
// without wildcards.
func isPrefix(s string) bool {
	return s == "" || s[0] == '/' && s != "/" && path.Clean(s) == s && !strings.ContainsAny(s, "{} ")
}

// mounts reports whether an endpoint is among those to mount.
func (m *mount) mounts(name Endpoint) bool {
	return slices.ContainsFunc(m.mounted, func(e endpoint) bool { return e.name == name })
}

// path returns the path of an endpoint on the mux.
func (m *mount) path(e endpoint) string {
	switch {
	case e.name == EndpointMetadata:
		return MetadataPath(m.cfg.Issuer)
	case strings.HasPrefix(e.path, "/.well-known/"):
		return e.path
	}
	return m.prefix + e.path
}

// url returns the URL of an endpoint as clients see it, or "" if it is not mounted.
func (m *mount) url(name Endpoint) string {
	i := slices.IndexFunc(m.mounted, func(e endpoint) bool { return e.name == name })
	if i < 0 {
		return ""
	}
	return m.baseURL() + m.path(m.mounted[i])
}

// baseURL returns MountConfig.BaseURL in the form that a path follows.
func (m *mount) baseURL() string { return strings.TrimSuffix(m.cfg.BaseURL, "/") }

// metadata returns the metadata of what is mounted.
func (m *mount) metadata() metadata {
	return newMetadata(MetadataConfig{
		Issuer: m.cfg.Issuer, PasswordGrant: m.cfg.PasswordGrant, Token: m.url(EndpointToken),
		Revoke: m.url(EndpointRevoke), Introspect: m.url(EndpointIntrospect), JWKS: m.url(EndpointJWKS),
	})
}

// register puts the handlers on mux, each under its method alone: a pattern without a method collides with
// one like "GET /", which pages of a program with one page are served by. Other methods, such as OPTIONS for
// preflights, are left to the host, but for documents that pages of every origin may read.
func (m *mount) register(mux *http.ServeMux) error {
	handlers := map[string]http.Handler{} // by path, because all methods of a path have the same handler
	for _, e := range m.mounted {
		path := m.path(e)
		if handlers[path] == nil {
			handlers[path] = e.handler(m)
		}
		methods := []string{e.method}
		if e.document {
			methods = append(methods, http.MethodOptions)
		}
		for _, method := range methods {
			if err := handle(mux, method+" "+path, handlers[path]); err != nil {
				return err
			}
		}
	}
	return nil
}

// handle registers a handler. A mux panics if patterns collide, which is a fault of the
// configuration like any other.
func handle(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &cfgerr.Error{
				Field: "authhttp.Mount.mux", Value: pattern, Reason: fmt.Sprint("has a pattern that collides: ", reason),
			}
		}
	}()
	mux.Handle(pattern, h)
	return nil
}
