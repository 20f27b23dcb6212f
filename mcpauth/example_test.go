package mcpauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/mcpauth"
)

// protect puts an MCP server with two tools behind the tokens that a verifier accepts.
func protect(mux *http.ServeMux, tokens auth.TokenVerifier) error {
	const resource = "https://example.com/mcp" // as clients write it: the audience of the tokens
	guard, err := auth.NewMiddleware(tokens, auth.MiddlewareConfig{
		Hosts:            []string{"example.com"},
		ResourceMetadata: authhttp.ResourceMetadataURL(resource),
		Implies:          map[string][]string{"notes:write": {"notes:read"}},
	})
	if err != nil {
		return err
	}
	protection, err := mcpauth.New(guard, mcpauth.Config{
		Scopes: []string{"notes:read"},
		Tools:  map[string][]string{"add_note": {"notes:write"}},
	})
	if err != nil {
		return err
	}

	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	server.AddReceivingMiddleware(protection.Methods)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, whoAmI)
	mcp.AddTool(server, &mcp.Tool{Name: "add_note"}, addNote)
	handler, err := protection.Handler(mcp.NewStreamableHTTPHandler(
		func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true, DisableLocalhostProtection: true}, // the guard knows the hosts
	))
	if err != nil {
		return err
	}
	mux.Handle("/mcp", handler)

	metadata, err := authhttp.ResourceMetadata(authhttp.ResourceConfig{
		Resource: resource, AuthorizationServers: []string{"https://example.com"},
		Scopes: []string{"notes:read", "notes:write"}, Name: "Notes",
	})
	if err != nil {
		return err
	}
	mux.Handle(authhttp.ResourceMetadataPath(resource), metadata)
	mux.Handle("/.well-known/oauth-protected-resource", metadata) // for clients that try the root
	return nil
}

func whoAmI(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	caller, ok := mcpauth.Caller(req)
	if !ok {
		return nil, nil, auth.ErrNoCredentials
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "you are " + caller.Subject()}}}, nil, nil
}

func addNote(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	return &mcp.CallToolResult{}, nil, nil
}

// A client without a token learns what it needs and where to get it. One whose token lacks the scope of a
// tool learns which scopes to ask for.
func Example() {
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/mcp", Keys: keys, Lifetime: time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}
	reader, err := tokens.Issue(context.Background(), jwt.Claims{Subject: "ada", Scopes: []string{"notes:read"}})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	if err := protect(mux, tokens); err != nil {
		log.Fatal(err)
	}
	for _, call := range []struct{ token, tool string }{{"", "whoami"}, {reader, "whoami"}, {reader, "add_note"}} {
		r := httptest.NewRequest("POST", "https://example.com/mcp", strings.NewReader(callOf(call.tool)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if call.token != "" {
			r.Header.Set("Authorization", "Bearer "+call.token)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(call.tool, w.Code)
		if challenge := w.Header().Get("WWW-Authenticate"); challenge != "" {
			fmt.Println(" ", strings.ReplaceAll(challenge, ", ", "\n  "))
		}
	}
	// Output:
	// whoami 401
	//   Bearer realm="api"
	//   scope="notes:read"
	//   resource_metadata="https://example.com/.well-known/oauth-protected-resource/mcp"
	// whoami 200
	// add_note 403
	//   Bearer realm="api"
	//   error="insufficient_scope"
	//   scope="notes:read notes:write"
	//   resource_metadata="https://example.com/.well-known/oauth-protected-resource/mcp"
}
