package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/mcpauth"
	"github.com/seed-e36e2130/auth/stream"
)

// The scopes, as tokens name them.
const (
	readNotes  = "notes:read"
	writeNotes = "notes:write"
	readFiles  = "files:read"
)

// resource is a protected resource: an API whose tokens no other API takes.
type resource struct {
	url    string // audience of its tokens
	name   string // for people
	scopes []string
}

// path returns the path of the issuer, below which everything stands but what is well known.
func (s *server) path() string {
	u, _ := url.Parse(s.opts.issuer) // was parsed before
	return u.Path
}

// guard returns the middleware of a resource.
func (s *server) guard(r resource) (*auth.Middleware, error) {
	verifier, err := s.tokens.VerifierFor(r.url)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(r.url)
	if err != nil {
		return nil, err
	}
	return auth.NewMiddleware(verifier, auth.MiddlewareConfig{
		Realm: r.name, Hosts: []string{u.Host}, ResourceMetadata: authhttp.ResourceMetadataURL(r.url),
		Implies: map[string][]string{writeNotes: {readNotes}},
	})
}

// mountResources serves the MCP endpoints /mcp and /files, the plain endpoint /notes, which belongs to the
// first, and the metadata of both.
func (s *server) mountResources(mux *http.ServeMux) error {
	path := s.path()
	notes, err := s.guard(s.notes)
	if err != nil {
		return err
	}
	files, err := s.guard(s.files)
	if err != nil {
		return err
	}
	for _, e := range []struct {
		at    string
		guard *auth.Middleware
		cfg   mcpauth.Config
		tools func(*mcp.Server)
	}{
		{"/mcp", notes, mcpauth.Config{Scopes: []string{readNotes}, Tools: map[string][]string{"add_note": {writeNotes}}}, s.addNoteTools},
		{"/files", files, mcpauth.Config{Scopes: []string{readFiles}}, s.addFileTools},
	} {
		e.cfg.Wrap = s.streams.Wrap(stream.Cut())
		m, err := mcpauth.New(e.guard, e.cfg)
		if err != nil {
			return err
		}
		tools := mcp.NewServer(&mcp.Implementation{Name: "mcp" + e.at, Version: "1"}, nil)
		tools.AddReceivingMiddleware(m.Methods)
		e.tools(tools)
		handler, err := m.Handler(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return tools }, &mcp.StreamableHTTPOptions{
			Stateless: !s.opts.sessions, SessionTimeout: 10 * time.Minute, PropagateRequestCancellation: true,
			DisableLocalhostProtection: true, // the guard checks Host, also where a proxy on this machine forwards requests
		}))
		if err != nil {
			return err
		}
		mux.Handle(path+e.at, handler)
	}
	mux.Handle("GET "+path+"/notes", notes.RequireScope(readNotes)(http.HandlerFunc(s.listNotes)))
	mux.Handle("POST "+path+"/notes", notes.RequireScope(writeNotes)(http.HandlerFunc(s.postNote)))
	return s.mountMetadata(mux)
}

// mountMetadata serves the metadata of the resources where clients look for it: that of the first also
// without a path, where clients look that have guessed.
func (s *server) mountMetadata(mux *http.ServeMux) error {
	for _, r := range []resource{s.notes, s.files} {
		metadata, err := authhttp.ResourceMetadata(authhttp.ResourceConfig{
			Resource: r.url, AuthorizationServers: []string{s.opts.issuer}, Scopes: r.scopes, Name: r.name,
		})
		if err != nil {
			return err
		}
		mux.Handle(authhttp.ResourceMetadataPath(r.url), metadata)
		if r.url == s.notes.url {
			mux.Handle("/.well-known/oauth-protected-resource", metadata)
		}
	}
	return nil
}

func (s *server) listNotes(w http.ResponseWriter, r *http.Request) {
	p, _ := auth.FromContext(r.Context())
	notes, err := s.notesOf(r.Context(), p)
	if err != nil {
		authhttp.WriteError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string][]string{"notes": slices.Clip(notes)})
}

func (s *server) postNote(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		http.Error(w, "a note has 64 KiB at most", http.StatusRequestEntityTooLarge)
		return
	} else if err != nil {
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	p, _ := auth.FromContext(r.Context())
	if err := s.addNote(r.Context(), p, string(text)); err != nil {
		authhttp.WriteError(w, r, err)
		return
	}
	s.listNotes(w, r)
}
