package oauth

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// Paths of the endpoints below the issuer and [Config].Prefix.
const (
	pathAuthorize  = "/authorize"
	pathDecision   = "/authorize/decision"
	pathToken      = "/token"
	pathRegister   = "/register"
	pathRevoke     = "/revoke"
	pathIntrospect = "/introspect"
	pathApps       = "/apps"
	pathKeys       = "/.well-known/jwks.json"
)

// endpoint is one path of the server.
type endpoint struct {
	path    string
	methods string // methods that handler serves, separated by ", "; HEAD comes with GET
	open    bool   // pages of every origin may call it, without credentials (CORS)
	handler http.HandlerFunc
}

func (s *Server) endpoints() []endpoint {
	list := []endpoint{
		{metadataPath(s.cfg.Issuer), "GET, HEAD", true, s.metadata},
		{s.base + pathAuthorize, "GET, HEAD", false, s.authorize},
		{s.base + pathDecision, "POST", false, s.decide},
		{s.base + pathToken, "POST", true, s.token},
		{s.base + pathRevoke, "POST", true, s.revoke},
		{s.base + pathIntrospect, "POST", false, s.introspect},
		{s.base + pathApps, "GET, HEAD", false, s.listApps},
		{s.base + pathApps + "/{id}", "DELETE", false, s.endApp},
		{s.base + pathKeys, "GET, HEAD", true, s.cfg.Keys.JWKSHandler().ServeHTTP},
	}
	if s.cfg.Register.on() {
		list = append(list, endpoint{s.base + pathRegister, "POST", true, s.register})
	}
	if s.cfg.Device.On {
		list = append(list,
			endpoint{s.base + pathDeviceStart, "POST", true, s.beginDevice},
			endpoint{s.base + pathDevice, "GET, HEAD", false, s.devicePage},
			endpoint{s.base + pathDeviceDecision, "POST", false, s.decideDevice},
		)
	}
	return list
}

// Mount puts the endpoints on mux: those for browsers (authorize, apps), those for clients (token,
// register, revoke, introspect), the published keys, and the metadata where RFC 8414 section 3.1 has it. It
// returns a [*cfgerr.Error] if a pattern is taken, as that of authhttp.EndpointMetadata would be. Then
// nothing is mounted, unless it is another pattern than that of the metadata.
func (s *Server) Mount(mux *http.ServeMux) error {
	if mux == nil {
		return &cfgerr.Error{Field: "oauth.Mount.mux", Reason: "is required"}
	}
	for _, e := range s.endpoints() {
		handler := e.serve()
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if err := handle(mux, method+" "+e.path, handler); err != nil {
				return err
			}
		}
	}
	return nil
}

// handle registers a handler. A mux panics if patterns collide, which is a fault of the configuration
// like any other.
func handle(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &cfgerr.Error{
				Field: "oauth.Mount.mux", Value: pattern, Reason: fmt.Sprint("has a pattern that collides: ", reason),
			}
		}
	}()
	mux.Handle(pattern, h)
	return nil
}

// corsHeaders are what pages of other origins may send: the TypeScript SDK of MCP names its version with
// each request.
const corsHeaders = "Authorization, Content-Type, MCP-Protocol-Version"

// serve returns the handler of an endpoint for every method.
func (e endpoint) serve() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if e.open {
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, Retry-After")
		}
		switch {
		case strings.Contains(", "+e.methods+",", ", "+r.Method+","):
			e.handler(w, r)
		case r.Method == http.MethodOptions:
			h.Set("Allow", e.methods+", OPTIONS")
			if e.open {
				h.Set("Access-Control-Allow-Methods", e.methods)
				h.Set("Access-Control-Allow-Headers", corsHeaders)
				h.Set("Access-Control-Max-Age", "3600")
			}
			w.WriteHeader(http.StatusNoContent)
		default:
			h.Set("Allow", e.methods+", OPTIONS")
			writeJSON(w, http.StatusMethodNotAllowed, &refusal{Code: "invalid_request", Description: "this endpoint takes " + e.methods})
		}
	})
}

// metadataPath returns the path where clients look for the metadata of issuer (RFC 8414 section 3.1).
func metadataPath(issuer string) string {
	const wellKnown = "/.well-known/oauth-authorization-server"
	u, err := url.Parse(issuer)
	if err != nil {
		return wellKnown
	}
	return wellKnown + strings.TrimSuffix(u.EscapedPath(), "/")
}
