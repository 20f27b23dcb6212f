// Package mcpauth protects a server of the Model Context Protocol (MCP) that is built with the official Go
// SDK, github.com/modelcontextprotocol/go-sdk. It stands between an [auth.Middleware] and the SDK's handler:
//
//	guard, err := auth.NewMiddleware(verifier, auth.MiddlewareConfig{
//		Hosts:            []string{"example.com"},
//		ResourceMetadata: authhttp.ResourceMetadataURL("https://example.com/mcp"),
//	})
//	…
//	handler, err := mcpauth.Guard(guard, mcp.NewStreamableHTTPHandler(server, nil), "notes:read")
//	…
//	mux.Handle("/mcp", handler)
//
// # Whose request is it
//
// Up to the protocol of 2025-11-25 a client begins a session, and names it in each later request. The SDK
// runs the tools in the context of the request that began the session. Behind a middleware alone, somebody
// who learns the ID of Ada's session can send a token of their own with it, and the tools believe that Ada
// calls (session hijacking, in the specification's security best practices). A handler from this package
// prevents that twice: the SDK answers 403 if the caller is not the one who began the session, by issuer,
// subject, client and actors; and [Caller] returns the bearer of the very request that a tool is called by.
// [auth.FromContext] finds nobody in a tool's context, unless [Middleware.Methods] put the right caller there.
//
// The binding is kept by the SDK beside its session, and nowhere else: it takes a digest a session, ends with
// the session, and needs no store. A session lives in the memory of one replica, so another one answers 404
// whoever asks. Set SessionTimeout of [mcp.StreamableHTTPOptions], or Stateless: without either, sessions that
// clients abandon are kept for ever.
package mcpauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/jwt"
)

// Config configures a [Middleware]. With its zero value every verified caller may call every tool.
type Config struct {
	// Scopes are what every request needs. nil: none.
	Scopes []string

	// Tools says which scopes single tools need beside Scopes, by the tool's name. Callers who lack them
	// do not see the tool in tools/list, and a call of theirs is answered 403, with a challenge that names
	// all scopes of the call. It needs [Middleware.Methods] in the server. nil: Scopes are enough.
	Tools map[string][]string

	// Wrap, if not nil, gets the SDK's handler, to wrap it: with package stream, so that open streams end
	// with the caller's token. It runs behind the guard: [auth.FromContext] finds the caller. The context
	// of a tool then ends with that of its request, if that ended for a reason of its own
	// ([context.Cause]), and not because the client hung up. nil: nothing is wrapped.
	Wrap func(http.Handler) http.Handler
}

// Middleware protects one MCP server. It is immutable and safe for concurrent use.
type Middleware struct {
	guard  *auth.Middleware
	scopes []string
	tools  map[string][]string
	wrap   func(http.Handler) http.Handler
}

// New returns a Middleware that lets the callers pass that guard does, or every fault as a [*cfgerr.Error]:
// guard must say at which hosts the server is reached (the protocol demands a check of Origin) and where
// the metadata of the resource is, and it must not take credentials that browsers attach by themselves.
func New(guard *auth.Middleware, cfg Config) (*Middleware, error) {
	faults := cfgerr.Faults{}
	faults.Require("mcpauth.New.guard", guard != nil)
	if guard != nil {
		faults.Require("auth.MiddlewareConfig.Hosts", len(guard.Hosts()) > 0)
		faults.Require("auth.MiddlewareConfig.ResourceMetadata", guard.ResourceMetadata() != "")
		if slices.ContainsFunc(guard.Extractors(), auth.Extractor.Ambient) {
			faults.Add("auth.MiddlewareConfig.Extractors", "", "holds a cookie: a browser login must not open an MCP server")
		}
	}
	faults.Prefix = "mcpauth.Config."
	m := &Middleware{guard: guard, scopes: slices.Clone(cfg.Scopes), tools: map[string][]string{}, wrap: cfg.Wrap}
	check := func(field string, scopes []string) {
		for _, scope := range scopes {
			if !jwt.IsScope(scope) {
				faults.Add(field, scope, "is not a scope (RFC 6749 section 3.3)")
			}
		}
	}
	check("Scopes", cfg.Scopes)
	for _, name := range slices.Sorted(maps.Keys(cfg.Tools)) {
		check("Tools", cfg.Tools[name])
		if name == "" || len(cfg.Tools[name]) == 0 {
			faults.Add("Tools", name, "needs the name of a tool and its scopes")
		}
		m.tools[name] = slices.Clone(cfg.Tools[name])
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

// Guard lets callers with these scopes reach an MCP server: it is the handler of a [New] that has no more to
// say. It returns every fault as a [*cfgerr.Error].
func Guard(guard *auth.Middleware, handler *mcp.StreamableHTTPHandler, scopes ...string) (http.Handler, error) {
	m, err := New(guard, Config{Scopes: scopes})
	if err != nil {
		return nil, err
	}
	return m.Handler(handler)
}

// Handler returns handler behind the guard. Only this handler of the SDK keeps sessions apart: its older one
// (SSEHandler) knows no callers. It returns a [*cfgerr.Error] if handler is nil.
func (m *Middleware) Handler(handler *mcp.StreamableHTTPHandler) (http.Handler, error) {
	faults := cfgerr.Faults{}
	faults.Require("mcpauth.Handler.handler", handler != nil)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	h := bind(handler)
	if len(m.tools) > 0 {
		h = m.challengeCalls(h)
	}
	if m.wrap != nil {
		h = m.wrap(h)
	}
	return m.require(h, m.scopes), nil
}

func (m *Middleware) require(next http.Handler, scopes []string) http.Handler {
	if len(scopes) == 0 {
		return m.guard.Require(next)
	}
	return m.guard.RequireScope(scopes...)(next)
}

// call is what is known of the request that a tool is called by.
type call struct {
	caller *auth.Principal
	ctx    context.Context // of the HTTP request
}

// key is where the SDK's TokenInfo holds the call.
const key = "github.com/seed-e36e2130/auth/mcpauth"

// bind tells the SDK who calls, in the way that it keeps sessions apart by: a TokenInfo in the context, which
// only its own middleware can put there. Behind it, nothing has the token, so no tool can pass it on, nor
// finds a caller in the context, which in a session is that of the request that began it.
func bind(handler http.Handler) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		delete(r.Header, "Authorization")
		handler.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), nil)))
	})
	bound := sdkauth.RequireBearerToken(
		func(ctx context.Context, _ string, _ *http.Request) (*sdkauth.TokenInfo, error) {
			p, ok := auth.FromContext(ctx)
			if !ok {
				return nil, sdkauth.ErrInvalidToken
			}
			return &sdkauth.TokenInfo{
				UserID: binding(p), Scopes: p.Scopes(), Expiration: p.Expiry(), Extra: map[string]any{key: &call{p, ctx}},
			}, nil
		},
		// The guard has verified the token a moment ago, with the leeway that it is configured with.
		&sdkauth.RequireBearerTokenOptions{AllowMissingExpiration: true, ClockSkew: time.Hour},
	)(inner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(r.Context())
		r.Header = maps.Clone(r.Header)
		r.Header["Authorization"] = []string{"Bearer verified"}
		bound.ServeHTTP(w, r)
	})
}

// binding names a caller: two callers have the same one only if issuer, subject, client and actors are all
// the same. A subject is unique only within its issuer, and what one client of a user may do says nothing
// of another's.
func binding(p *auth.Principal) string {
	h := sha256.New()
	for _, part := range append([]string{p.Issuer(), p.Subject(), p.ClientID()}, p.Actors()...) {
		h.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func callOf(req mcp.Request) *call {
	extra := req.GetExtra()
	if extra == nil || extra.TokenInfo == nil {
		return nil
	}
	c, _ := extra.TokenInfo.Extra[key].(*call)
	return c
}

// Caller returns the verified caller of the request that req came in, whoever began its session, and false if
// req did not come through a handler of this package.
func Caller(req mcp.Request) (*auth.Principal, bool) {
	c := callOf(req)
	if c == nil {
		return nil, false
	}
	return c.caller, true
}
