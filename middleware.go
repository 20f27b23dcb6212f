package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/internal/origin"
	"github.com/seed-e36e2130/auth/internal/problem"
	"github.com/seed-e36e2130/auth/jwt"
)

// MiddlewareConfig is what a [Middleware] may be told. Its zero takes tokens
// from the Authorization header alone.
type MiddlewareConfig struct {
	// Realm names the protected space in challenges (RFC 9110 section 11.5):
	// printable ASCII without quote and backslash. "": "api".
	Realm string

	// Extractors say where tokens may stand. A request that carries one in two of
	// these places is malformed. nil: [BearerToken] alone.
	Extractors []Extractor

	// TrustedOrigins may send what is refused to other origins because an ambient
	// credential such as a [Cookie] comes with it. Each is "https://host" or
	// "https://host:port" as browsers write it in Origin.
	TrustedOrigins []string

	// ErrorHandler writes the answer to a request that was refused or could not
	// be decided. WWW-Authenticate, Retry-After and Cache-Control are set before
	// it is called. It must write a status: [HTTPStatus] of err, which is one of
	// this package's errors or the verifier's own, for use with [errors.Is]. nil:
	// problem details (RFC 9457) that reveal no more than the status does.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

	// ResourceMetadata is the URL of the protected resource metadata, told in
	// challenges (RFC 9728 section 5.1): https, or http to a loopback address.
	// "": not told.
	ResourceMetadata string

	// Logger receives what could not be decided: a fault of the host or its
	// surroundings, never of a caller. nil: silent.
	Logger *slog.Logger
}

// Middleware lets verified callers pass. It never wraps the [http.ResponseWriter]
// and touches only the responses that it writes itself. No method is exempt:
// answer CORS preflights before it. It is immutable and safe for concurrent use;
// its zero value refuses everything.
type Middleware struct {
	verifier     TokenVerifier
	realm        string
	extractors   []Extractor
	origins      *http.CrossOriginProtection
	errorHandler func(http.ResponseWriter, *http.Request, error)
	metadata     string
	logger       *slog.Logger
}

// NewMiddleware returns a middleware that lets pass whom v verifies, or every
// fault of cfg as a [*ConfigError].
func NewMiddleware(v TokenVerifier, cfg MiddlewareConfig) (*Middleware, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &ConfigError{Field: field, Value: value, Reason: reason})
	}
	m := &Middleware{
		verifier: v, realm: cfg.Realm, extractors: slices.Clone(cfg.Extractors),
		errorHandler: cfg.ErrorHandler, metadata: cfg.ResourceMetadata, logger: cfg.Logger,
	}
	if v == nil {
		fault("NewMiddleware", "", "a TokenVerifier is required")
	}
	if m.realm == "" {
		m.realm = "api"
	}
	if !isQuotable(m.realm) {
		fault("MiddlewareConfig.Realm", m.realm, "must be printable ASCII without quote and backslash")
	}
	switch {
	case cfg.Extractors == nil:
		m.extractors = []Extractor{BearerToken()}
	case len(cfg.Extractors) == 0:
		fault("MiddlewareConfig.Extractors", "", "is empty: leave it nil for BearerToken alone")
	}
	for _, e := range m.extractors {
		if e == nil {
			fault("MiddlewareConfig.Extractors", "", "holds nil")
		}
		if c, ok := e.(cookie); ok && !isToken(string(c)) {
			fault("MiddlewareConfig.Extractors", string(c), "is no name for a cookie (RFC 6265 section 4.1.1)")
		}
	}
	m.origins = origin.Protection(cfg.TrustedOrigins, func(o string) { fault("MiddlewareConfig.TrustedOrigins", o, origin.Fault) })
	if m.metadata != "" && !isMetadataURL(m.metadata) {
		fault("MiddlewareConfig.ResourceMetadata", m.metadata, "must be an https URL without fragment")
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return m, nil
}

// Check returns the verified caller of r; it touches no response. It returns
// [ErrNoCredentials] if r carries no token, [ErrInvalidRequest] if it carries a
// malformed one or two, [ErrCrossOrigin] if another origin caused it and a
// browser added the token, and the verifier's error if the token was refused
// or could not be decided on.
func (m *Middleware) Check(r *http.Request) (*Principal, error) {
	token, err := m.extract(r)
	if err != nil {
		return nil, err
	}
	return m.verify(r.Context(), token)
}

// Require lets verified callers pass to next, which finds them by [FromContext].
func (m *Middleware) Require(next http.Handler) http.Handler {
	return m.guard(next, rule{})
}

// Optional is [Middleware.Require], but lets requests without credentials pass,
// too; those with bad ones are refused. An answer that differs by caller and may
// be cached needs Vary: Authorization, which is the handler's to set.
func (m *Middleware) Optional(next http.Handler) http.Handler {
	return m.guard(next, rule{anonymous: true})
}

// RequireScope returns [Middleware.Require] for callers who have all of these
// scopes; the rest get [ErrInsufficientScope]. A scope that none can have (RFC
// 6749 section 3.3), or no scope, lets nobody pass.
func (m *Middleware) RequireScope(scopes ...string) func(http.Handler) http.Handler {
	scopes = slices.Clone(scopes)
	rule := rule{
		ask: `scope="` + strings.Join(scopes, " ") + `"`,
		allow: func(p *Principal) bool {
			return !slices.ContainsFunc(scopes, func(s string) bool { return !p.HasScope(s) })
		},
	}
	if len(scopes) == 0 || slices.ContainsFunc(scopes, func(s string) bool { return !jwt.IsScope(s) }) {
		rule.fault = &ConfigError{Field: "RequireScope", Value: strings.Join(scopes, " "), Reason: "needs scopes: words of printable ASCII without quote and backslash"}
	}
	return func(next http.Handler) http.Handler { return m.guard(next, rule) }
}

// RequireRole returns [Middleware.Require] for callers who have any of these
// roles; the rest get [ErrInsufficientScope]. No role lets nobody pass.
func (m *Middleware) RequireRole(roles ...string) func(http.Handler) http.Handler {
	roles = slices.Clone(roles)
	rule := rule{allow: func(p *Principal) bool {
		for _, role := range roles { // without a closure: it would be made anew for each request
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

// RequireRecent returns [Middleware.Require] for callers who have proven who they
// are within d (auth_time); the rest, and whoever's token does not say, get
// [ErrInsufficientAuthentication] and the max_age to ask for (RFC 9470 section 3):
// [Authenticator.StepUp] gives them another token. At least 1 second.
func (m *Middleware) RequireRecent(d time.Duration) func(http.Handler) http.Handler {
	rule := rule{
		allow:  func(p *Principal) bool { return !p.AuthTime().IsZero() && time.Since(p.AuthTime()) <= d },
		denied: ErrInsufficientAuthentication,
		ask:    `max_age="` + strconv.FormatInt(int64(d/time.Second), 10) + `"`,
	}
	if d < time.Second {
		rule.fault = &ConfigError{Field: "RequireRecent", Value: d.String(), Reason: "must be at least 1s"}
	}
	return func(next http.Handler) http.Handler { return m.guard(next, rule) }
}

// RequireMFA is [Middleware.Require] for callers who have proven who they are by
// more than one factor (acr or an amr of "mfa", as [Authenticator.LoginMFA] has
// them); the rest get [ErrInsufficientAuthentication].
func (m *Middleware) RequireMFA(next http.Handler) http.Handler {
	return m.guard(next, rule{
		allow:  func(p *Principal) bool { return p.ACR() == mfa || p.HasAMR(mfa) },
		denied: ErrInsufficientAuthentication,
		ask:    `acr_values="` + mfa + `"`,
	})
}

// rule is what a route asks beyond a verified caller.
type rule struct {
	anonymous bool                  // pass without credentials
	allow     func(*Principal) bool // nil: everybody
	denied    error                 // what the others get; nil: ErrInsufficientScope
	ask       string                // told to them: a parameter of the challenge
	fault     error                 // of the host's: refuse everybody
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
			err = rule.check(p)
		}
		if err != nil {
			m.refuse(w, r, err, rule.ask)
			return
		}
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), p)))
	})
}

func (rule *rule) check(p *Principal) error {
	switch {
	case rule.fault != nil:
		return rule.fault
	case rule.allow == nil || rule.allow(p):
		return nil
	case rule.denied != nil:
		return rule.denied
	}
	return ErrInsufficientScope
}

// extract returns the one token of r.
func (m *Middleware) extract(r *http.Request) (string, error) {
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
	if ambient && m.isForged(r) {
		return "", ErrCrossOrigin
	}
	return token, nil
}

// isForged reports whether another origin's page may have caused r.
func (m *Middleware) isForged(r *http.Request) bool {
	if r.Header["Upgrade"] != nil {
		// A WebSocket opens with a GET, which counts as safe, but lets the page that
		// opened it read and write, whatever its origin. Hold it to the strict rule.
		r = r.WithContext(r.Context())
		r.Method = http.MethodPost
	}
	return m.origins.Check(r) != nil
}

// verify asks the verifier and holds it to its contract: a caller or an error.
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

// refuse answers in place of the handler; ask is what the route asks for.
func (m *Middleware) refuse(w http.ResponseWriter, r *http.Request, err error, ask string) {
	a := answerTo(err)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if a.challenge {
		if a.cause != ErrInsufficientScope && a.cause != ErrInsufficientAuthentication {
			ask = ""
		}
		h.Set("WWW-Authenticate", challenge(m.realm, m.metadata, a.code, ask))
	}
	if retry, ok := errors.AsType[*RetryError](err); ok {
		h.Set("Retry-After", problem.RetryAfter(retry.After))
	}
	if a.status >= 500 {
		problem.Log(m.logger, r, err)
	}
	if m.errorHandler != nil {
		m.errorHandler(w, r, err)
		return
	}
	problem.Write(w, a.status, a.code, a.detail)
}

// Extractors returns the places where m looks for tokens.
func (m *Middleware) Extractors() []Extractor { return slices.Clone(m.extractors) }
