package auth

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/extract"
	"github.com/seed-e36e2130/auth/internal/origin"
	"github.com/seed-e36e2130/auth/internal/problem"
	"github.com/seed-e36e2130/auth/internal/scopes"
	"github.com/seed-e36e2130/auth/jwt"
)

// MiddlewareConfig configures a [Middleware]. With its zero value tokens are taken from the
// Authorization header alone.
type MiddlewareConfig struct {
	// Realm names the protected space in challenges (RFC 9110 section 11.5): printable ASCII without
	// quote and backslash. "": "api".
	Realm string

	// Extractors say where a request may carry its token. A request that carries one in two of these
	// places is malformed. nil: [BearerToken] alone.
	Extractors []Extractor

	// TrustedOrigins are other origins whose pages may send requests with an ambient credential, such
	// as a [Cookie]. Each is "https://host" or "https://host:port", as browsers write it in Origin,
	// or http to this machine: others on the network can change any other page that comes over http. The
	// origin of an app's web view or of an extension is its scheme and host, such as
	// "capacitor://localhost" or "chrome-extension://" and the extension's ID.
	TrustedOrigins []string

	// DangerouslyTrustedSubdomains are patterns like "https://*.preview.example", for deployments whose
	// names are not known beforehand: they trust every origin with one label in the place of the star.
	// Whoever gets such a name, or runs a page there, can act for users who visit it. The best-known domains
	// where strangers get names are refused, such as "https://*.vercel.app"; the host must know the others.
	DangerouslyTrustedSubdomains []string

	// Hosts are the names at which this server is reached, as they come in Host: "api.example", with the
	// port if it is not 80 or 443. A request for another host, or with the Origin of a page elsewhere that
	// is not trusted, is then refused with [ErrCrossOrigin], with or without a token, whatever its method.
	// Servers of MCP must do so, and servers on a user's own machine should: else any page can reach them
	// by a name of its own that points to their address (DNS rebinding). nil: every host; the origin
	// matters with ambient credentials alone.
	Hosts []string

	// Implies says which scopes include others: {"files:write": {"files:read"}} lets a caller with
	// files:write pass where files:read is asked for. It counts through several steps. A scope that
	// includes itself is a fault. nil: each scope stands for itself.
	Implies map[string][]string

	// ErrorHandler writes the answer to a request that was refused or could not be decided.
	// WWW-Authenticate, Retry-After and Cache-Control are set before it is called. It must write a
	// status: [HTTPStatus] of err, which is one of this package's errors or the verifier's own, for
	// use with [errors.Is]. nil: problem details (RFC 9457) that reveal no more than the status does.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// ResourceMetadata is the URL of the protected resource metadata, which challenges then name (RFC
	// 9728 section 5.1): https, or http to a loopback address. "": challenges name none.
	ResourceMetadata string

	// Logger receives a line for each request that was not let in: at level Error what could not be
	// decided, with the cause; at level Debug what was refused, with the check that failed, the value
	// that was expected and, for iss, aud, typ and kid, the one that came. nil: [slog.Default].
	Logger *slog.Logger
}

// Middleware lets verified callers pass. It never wraps the [http.ResponseWriter], and writes to a
// response only if it refuses the request. No method is exempt: answer CORS preflights before it.
// Make one with [NewMiddleware]. It is immutable and safe for concurrent use.
type Middleware struct {
	verifier     TokenVerifier
	realm        string
	extractors   []Extractor
	origins      *origin.Protection
	hosts        origin.Hosts
	scopes       scopes.Hierarchy
	errorHandler func(http.ResponseWriter, *http.Request, error)
	metadata     string
	logger       *slog.Logger
}

// NewMiddleware returns a middleware that lets callers pass whose token v verifies, or every fault
// of cfg as a [*ConfigError].
func NewMiddleware(v TokenVerifier, cfg MiddlewareConfig) (*Middleware, error) {
	var faults cfgerr.Faults
	faults.Require("NewMiddleware.v", v != nil)
	faults.Prefix = "MiddlewareConfig."
	m := &Middleware{
		verifier: v, realm: cmp.Or(cfg.Realm, "api"), extractors: checkExtractors(&faults, cfg.Extractors),
		errorHandler: cfg.ErrorHandler, metadata: cfg.ResourceMetadata, logger: cfg.Logger,
		origins: origin.NewProtection(cfg.TrustedOrigins, cfg.DangerouslyTrustedSubdomains, faults.Add),
		hosts:   origin.NewHosts(cfg.Hosts, faults.Add), scopes: scopes.NewHierarchy(cfg.Implies, faults.Add),
	}
	if !problem.IsQuotable(m.realm) {
		faults.Add("Realm", m.realm, "must be printable ASCII without quote and backslash")
	}
	if m.metadata != "" && !(problem.IsQuotable(m.metadata) && origin.IsSecureURL(m.metadata)) {
		faults.Add("ResourceMetadata", m.metadata, "must be an https URL without fragment")
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// checkExtractors returns a copy of the extractors, or the default.
func checkExtractors(faults *cfgerr.Faults, extractors []Extractor) []Extractor {
	switch {
	case extractors == nil:
		return []Extractor{BearerToken()}
	case len(extractors) == 0:
		faults.Add("Extractors", "", "is empty: leave it nil for BearerToken alone")
	}
	for _, e := range extractors {
		if e == nil {
			faults.Add("Extractors", "", "holds nil")
		}
		if c, ok := e.(extract.Cookie); ok && !c.Valid() {
			faults.Add("Extractors", string(c), "is not a valid name of a cookie (RFC 6265 section 4.1.1)")
		}
		if s, ok := e.(extract.Scheme); ok && !s.Valid() {
			faults.Add("Extractors", string(s), "is not a valid scheme (RFC 9110 section 11.1)")
		}
	}
	return slices.Clone(extractors)
}

// Check returns the verified caller of r; it touches no response. It returns [ErrNoCredentials] if r
// carries no token, [ErrInvalidRequest] if it carries a malformed one or two of them,
// [ErrCrossOrigin] if a page of another origin caused the request and the browser added the token,
// and the verifier's error if the token was refused or could not be decided.
func (m *Middleware) Check(r *http.Request) (*Principal, error) {
	token, err := m.extract(r)
	if err != nil {
		return nil, err
	}
	return m.verify(r.Context(), token)
}

// Require lets verified callers pass to next, which finds the caller by [FromContext].
func (m *Middleware) Require(next http.Handler) http.Handler {
	return m.guard(next, rule{})
}

// Optional is [Middleware.Require], but also lets requests without credentials pass. It refuses
// requests with bad credentials; for stale cookies see Cookies.Optional of package authhttp. If an answer
// differs by caller and may be cached, the handler must set Vary: Authorization.
func (m *Middleware) Optional(next http.Handler) http.Handler {
	return m.guard(next, rule{anonymous: true})
}

// RequireScope returns [Middleware.Require] for callers who have all of these scopes, or scopes that
// include them; others get [ErrInsufficientScope]. Each challenge names the scopes, so that a client
// without a token learns which to ask for. A scope that no token can have (RFC 6749 section 3.3), or no scope, lets
// nobody pass: every request is then answered 500, and the fault is logged. See decision 0019.
func (m *Middleware) RequireScope(scopes ...string) func(http.Handler) http.Handler {
	needed, possible := m.scopes.Rule(scopes...)
	rule := rule{parameter: needed.Parameter(), always: true, allow: needed.Allows}
	if !possible {
		rule.fault = &ConfigError{Field: "RequireScope", Value: needed.String(), Reason: "needs scopes: words of printable ASCII without quote and backslash"}
	}
	return func(next http.Handler) http.Handler { return m.guard(next, rule) }
}

// RequireRole returns [Middleware.Require] for callers who have any of these roles; others get
// [ErrInsufficientScope]. No role lets nobody pass: every request is then answered 500, and the
// fault is logged.
func (m *Middleware) RequireRole(roles ...string) func(http.Handler) http.Handler {
	roles = slices.Clone(roles)
	rule := rule{allow: func(p *Principal) bool {
		for _, role := range roles { // no closure: each request would allocate it
			if p.HasRole(role) {
				return true
			}
		}
		return false
	}}
	if len(roles) == 0 {
		rule.fault = &ConfigError{Field: "RequireRole", Reason: "needs roles"}
	}
	return func(next http.Handler) http.Handler { return m.guard(next, rule) }
}

// RequireFunc returns [Middleware.Require] for callers for whom check returns nil; others get the error that
// it returns, such as [ErrInsufficientScope]. It is for rules of the host's own, and for package roles. An error
// that is none of this package's is answered 500 and logged.
func (m *Middleware) RequireFunc(check func(ctx context.Context, p *Principal) error) func(http.Handler) http.Handler {
	rule := rule{decide: check}
	if check == nil {
		rule.fault = &ConfigError{Field: "RequireFunc.check", Reason: "is required"}
	}
	return func(next http.Handler) http.Handler { return m.guard(next, rule) }
}

// RequireRecent returns [Middleware.Require] for callers who have proven their identity within d
// (auth_time). Others, and callers whose token does not say when they did, get
// [ErrInsufficientAuthentication] and a challenge with the max_age (RFC 9470 section 3):
// [Authenticator.StepUp] gives them another token. d is at least 1 second.
func (m *Middleware) RequireRecent(d time.Duration) func(http.Handler) http.Handler {
	rule := rule{
		allow:     func(p *Principal) bool { return !p.AuthTime().IsZero() && time.Since(p.AuthTime()) <= d },
		denied:    ErrInsufficientAuthentication,
		parameter: `max_age="` + strconv.FormatInt(int64(d/time.Second), 10) + `"`,
	}
	if d < time.Second {
		rule.fault = &ConfigError{Field: "RequireRecent", Value: d.String(), Reason: "must be at least 1s"}
	}
	return func(next http.Handler) http.Handler { return m.guard(next, rule) }
}

// RequireMFA is [Middleware.Require] for callers who have proven more than one factor (acr or an amr
// of "mfa", which [Authenticator.LoginMFA] sets); others get [ErrInsufficientAuthentication].
func (m *Middleware) RequireMFA(next http.Handler) http.Handler {
	return m.guard(next, rule{
		allow:     func(p *Principal) bool { return p.ACR() == mfa || p.HasAMR(mfa) },
		denied:    ErrInsufficientAuthentication,
		parameter: `acr_values="` + mfa + `"`,
	})
}

// rule is what a route asks for beyond a verified caller.
type rule struct {
	anonymous bool                  // requests without credentials pass
	allow     func(*Principal) bool // nil: every caller passes
	denied    error                 // error for callers who may not pass; nil: ErrInsufficientScope
	parameter string                // parameter of the challenge that says what is asked for
	always    bool                  // the parameter stands in each challenge, not only in that of denied
	fault     error                 // the host's mistake: nobody passes

	decide func(context.Context, *Principal) error // in the place of allow and denied
}

func (m *Middleware) guard(next http.Handler, rule rule) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := m.extract(r)
		if rule.anonymous && errors.Is(err, ErrNoCredentials) {
			next.ServeHTTP(w, r)
			return
		}
		var p *Principal
		if err == nil {
			p, err = m.verify(r.Context(), token)
		}
		if err == nil {
			err = rule.check(r.Context(), p)
		}
		if err != nil {
			m.refuse(w, r, err, &rule)
			return
		}
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), p)))
	})
}

func (rule *rule) check(ctx context.Context, p *Principal) error {
	switch {
	case rule.fault != nil:
		return rule.fault
	case rule.decide != nil:
		return rule.decide(ctx, p)
	case rule.allow == nil || rule.allow(p):
		return nil
	case rule.denied != nil:
		return rule.denied
	}
	return ErrInsufficientScope
}

// extract returns the one token of r.
func (m *Middleware) extract(r *http.Request) (string, error) {
	if m.origins.CheckHost(m.hosts, r) != nil {
		return "", ErrCrossOrigin
	}
	token, ambient := "", false
	for _, e := range m.extractors {
		t, err := e.Extract(r)
		switch {
		case errors.Is(err, ErrNoCredentials):
			continue
		case err != nil:
			return "", err
		case t == "" || token != "":
			return "", ErrInvalidRequest
		}
		token, ambient = t, e.Ambient()
	}
	if token == "" {
		return "", ErrNoCredentials
	}
	if ambient && m.origins.CheckAmbient(r) != nil { // see decision 0017
		return "", ErrCrossOrigin
	}
	return token, nil
}

// verify asks the verifier, and holds it to its contract: a caller or an error.
func (m *Middleware) verify(ctx context.Context, token string) (*Principal, error) {
	p, err := m.verifier.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if p == nil || p.Subject() == "" {
		return nil, jwt.ErrNobody
	}
	return p, nil
}

// refuse answers in the place of the handler.
func (m *Middleware) refuse(w http.ResponseWriter, r *http.Request, err error, rule *rule) {
	a := answerTo(err)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if a.challenge {
		parameter := ""
		if rule.always || a.cause == ErrInsufficientScope || a.cause == ErrInsufficientAuthentication {
			parameter = rule.parameter
		}
		h.Set("WWW-Authenticate", problem.Challenge(m.realm, m.metadata, a.code, parameter))
	}
	if retry, ok := errors.AsType[*RetryError](err); ok {
		h.Set("Retry-After", problem.RetryAfter(retry.After))
	}
	if a.status >= 500 {
		problem.Log(m.logger, r, err, a.sampledKind())
	} else {
		problem.Refused(m.logger, r, err, a.status, a.cause == ErrCrossOrigin)
	}
	if m.errorHandler != nil {
		m.errorHandler(w, r, err)
		return
	}
	problem.Write(w, a.status, a.code, a.detail)
}

// Allows reports whether p has all of these scopes, or scopes that include them, as
// [Middleware.RequireScope] decides it: for what a handler offers to some callers only.
func (m *Middleware) Allows(p *Principal, scopes ...string) bool {
	needed, possible := m.scopes.Rule(scopes...)
	return possible && p != nil && needed.Allows(p)
}

// ResourceMetadata returns the URL of the protected resource metadata, or "".
func (m *Middleware) ResourceMetadata() string { return m.metadata }

// Hosts returns the names at which the server is reached, or nil if m lets every request pass.
func (m *Middleware) Hosts() []string { return slices.Clone(m.hosts) }

// Extractors returns the places where m looks for tokens.
func (m *Middleware) Extractors() []Extractor { return slices.Clone(m.extractors) }
