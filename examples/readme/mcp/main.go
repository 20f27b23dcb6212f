package main

import (
	"context"
	"log"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/mcpauth"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

const issuer, api = "http://localhost:8080", "http://localhost:8080/mcp" // in production: the https URLs of clients

func main() {
	var pages *authui.Pages
	store := must(sqlite.Open(context.Background(), "users.db", sqlstore.Config{}))
	app := must(authkit.Open(context.Background(), authkit.All(store), authkit.Config{
		Issuer: issuer, KeyFolder: "keys",
		Cookies: &authhttp.CookieConfig{DangerouslyInsecureLocalhost: true}, // in production: false
		OAuth: &oauth.Config{
			Resources: []oauth.Resource{{URL: api, Name: "Greeter", Scopes: []oauth.Scope{{Name: "greet", Text: "Greet you"}}}},
			Documents: oauth.Documents{On: true},   // Claude, ChatGPT and VS Code name themselves by a document
			Register:  oauth.Register{PerHour: 20}, // Cursor and others register themselves
			Consent:   func(w http.ResponseWriter, r *http.Request, p oauth.ConsentPage) { pages.Consent(w, r, p) },
		},
	}))
	pages = must(app.Pages(authui.Config{Name: "Greeter"}))

	server := mcp.NewServer(&mcp.Implementation{Name: "greeter", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "greet", Description: "Greet the user"}, greet)
	guard := must(app.Guard(api, auth.MiddlewareConfig{}))
	tools := must(mcpauth.Guard(guard, mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true, DisableLocalhostProtection: true}), "greet")) // the guard checks Host
	http.Handle("/", app.Handler())
	http.Handle("/mcp", tools)
	if err := pages.Mount(http.DefaultServeMux); err != nil {
		log.Fatal(err)
	}
	log.Fatal((&http.Server{Addr: "localhost:8080", ReadTimeout: 30 * time.Second}).ListenAndServe())
}

func greet(_ context.Context, call *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
	caller, _ := mcpauth.Caller(call) // always present behind the guard
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "hello " + caller.Subject()}}}, nil, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
