package mcpauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/mcpauth"
)

// callers are the callers of the tests, by their tokens.
var callers = map[string]auth.Claims{
	"ada":       {Issuer: "https://as.test", Subject: "1", ClientID: "app", Scopes: []string{"notes:read"}},
	"ada-again": {Issuer: "https://as.test", Subject: "1", ClientID: "app", Scopes: []string{"notes:read", "notes:write"}},
	"ada-other": {Issuer: "https://as.test", Subject: "1", ClientID: "other app", Scopes: []string{"notes:read"}},
	"ada-agent": {Issuer: "https://as.test", Subject: "1", ClientID: "app", Scopes: []string{"notes:read"}, Actors: []string{"bot"}},
	"eve":       {Issuer: "https://as.test", Subject: "2", ClientID: "app", Scopes: []string{"notes:read"}},
	"namesake":  {Issuer: "https://other.test", Subject: "1", ClientID: "app", Scopes: []string{"notes:read"}},
	"writer":    {Issuer: "https://as.test", Subject: "3", ClientID: "app", Scopes: []string{"notes:write"}},
	"nobody":    {Issuer: "https://as.test", Subject: "4", ClientID: "app"},
}

type verifier struct{}

func (verifier) Verify(_ context.Context, token string) (*auth.Principal, error) {
	c, ok := callers[token]
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return jwt.NewPrincipal(c)
}

const metadataURL = "http://127.0.0.1/.well-known/oauth-protected-resource/mcp"

func newGuard(t testing.TB, v auth.TokenVerifier) *auth.Middleware {
	t.Helper()
	guard, err := auth.NewMiddleware(v, auth.MiddlewareConfig{
		Hosts: []string{"mcp.test"}, ResourceMetadata: metadataURL,
		Implies: map[string][]string{"notes:write": {"notes:read"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return guard
}

// who is what the tool whoami answers: the caller by this package, and the one that the context names.
type who struct{ Caller, Scope, Context, Token string }

func newServer(middleware ...mcp.Middleware) *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	server.AddReceivingMiddleware(middleware...)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami"}, func(ctx context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		var w who
		if p, ok := mcpauth.Caller(req); ok {
			w.Caller, w.Scope = p.Issuer()+" "+p.Subject(), strings.Join(p.Scopes(), " ")
		}
		if p, ok := auth.FromContext(ctx); ok {
			w.Context = p.Issuer() + " " + p.Subject()
		}
		w.Token = req.Extra.Header.Get("Authorization")
		text, err := json.Marshal(w)
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(text)}}}, nil, err
	})
	for _, name := range []string{"write", "delete"} {
		mcp.AddTool(server, &mcp.Tool{Name: name}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "done"}}}, nil, nil
		})
	}
	return server
}

func sdkHandler(server *mcp.Server, stateless bool) *mcp.StreamableHTTPHandler {
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: stateless})
}

// send sends one request to a handler, and returns the answer.
func send(h http.Handler, method, token, session, body string, header ...string) *http.Response {
	r := httptest.NewRequest(method, "http://mcp.test/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if session != "" {
		r.Header.Set("Mcp-Session-Id", session)
		r.Header.Set("Mcp-Protocol-Version", "2025-06-18")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // a stream that should not have begun
	defer cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(ctx))
	return w.Result()
}

const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// begin begins a session, and returns its ID.
func begin(t *testing.T, h http.Handler, token string) string {
	t.Helper()
	res := send(h, "POST", token, "", initialize)
	session := res.Header.Get("Mcp-Session-Id")
	if res.StatusCode != http.StatusOK || session == "" {
		t.Fatalf("initialize: %s, session %q", res.Status, session)
	}
	if res := send(h, "POST", token, session, `{"jsonrpc":"2.0","method":"notifications/initialized"}`); res.StatusCode != http.StatusAccepted {
		t.Fatalf("initialized: %s", res.Status)
	}
	return session
}

func callOf(tool string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":%q,"arguments":{}}}`, tool)
}

// text returns the text that a tool has answered.
func text(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v: %s", res.Status, err, body)
	}
	_, data, _ := strings.Cut(string(body), "data: ")
	var answer struct {
		Result struct{ Content []struct{ Text string } }
	}
	if err := json.Unmarshal([]byte(data), &answer); err != nil || len(answer.Result.Content) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	return answer.Result.Content[0].Text
}

func whoami(t *testing.T, res *http.Response) (w who) {
	t.Helper()
	if err := json.Unmarshal([]byte(text(t, res)), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// The fault that this package is for: behind a middleware alone, the session decides who calls.
func TestSessionOfAnotherWithoutGuard(t *testing.T) {
	t.Parallel()
	h := newGuard(t, verifier{}).Require(sdkHandler(newServer(), false))
	session := begin(t, h, "ada")
	if got := whoami(t, send(h, "POST", "eve", session, callOf("whoami"))); got.Context != "https://as.test 1" {
		t.Errorf("Eve acts as %q: the SDK has changed, see whether this package is still needed", got.Context)
	}
}

func TestSessionOfAnother(t *testing.T) {
	t.Parallel()
	h, err := mcpauth.Guard(newGuard(t, verifier{}), sdkHandler(newServer(), false), "notes:read")
	if err != nil {
		t.Fatal(err)
	}
	session := begin(t, h, "ada")
	for token, want := range map[string]int{
		"ada": 200, "ada-again": 200, "eve": 403, "namesake": 403, "ada-other": 403, "ada-agent": 403, "": 401, "made up": 400, "unknown": 401,
	} {
		res := send(h, "POST", token, session, callOf("whoami"))
		if res.StatusCode != want {
			t.Errorf("POST with the token %q in Ada's session: %s, want %d", token, res.Status, want)
		}
		if want == http.StatusOK {
			continue
		}
		if res := send(h, "GET", token, session, ""); res.StatusCode != want {
			t.Errorf("GET with the token %q in Ada's session: %s, want %d", token, res.Status, want)
		}
		if res := send(h, "DELETE", token, session, ""); res.StatusCode != want {
			t.Errorf("DELETE with the token %q in Ada's session: %s, want %d", token, res.Status, want)
		}
	}
	if res := send(h, "POST", "ada", session, callOf("whoami")); res.StatusCode != http.StatusOK {
		t.Errorf("after the tries of the others Ada gets %s", res.Status)
	}
	if res := send(h, "DELETE", "ada", session, ""); res.StatusCode != http.StatusNoContent {
		t.Errorf("Ada ends her session: %s", res.Status)
	}
	if res := send(h, "POST", "ada", session, callOf("whoami")); res.StatusCode != http.StatusNotFound {
		t.Errorf("a session that has ended: %s", res.Status)
	}
}

// In a session, too, the caller is the bearer of this request, with the scopes of this token.
func TestCallerIsOfThisRequest(t *testing.T) {
	t.Parallel()
	for _, stateless := range []bool{false, true} {
		for _, methods := range []bool{false, true} {
			m, err := mcpauth.New(newGuard(t, verifier{}), mcpauth.Config{})
			if err != nil {
				t.Fatal(err)
			}
			server := newServer()
			context := ""
			if methods {
				server.AddReceivingMiddleware(m.Methods)
				context = "https://as.test 1"
			}
			h, err := m.Handler(sdkHandler(server, stateless))
			if err != nil {
				t.Fatal(err)
			}
			session := "made-up"
			if !stateless {
				session = begin(t, h, "ada")
			}
			for token, scope := range map[string]string{"ada": "notes:read", "ada-again": "notes:read notes:write"} {
				want := who{Caller: "https://as.test 1", Scope: scope, Context: context}
				if got := whoami(t, send(h, "POST", token, session, callOf("whoami"))); got != want {
					t.Errorf("stateless %t, methods %t, %s: %+v, want %+v", stateless, methods, token, got, want)
				}
			}
			if stateless {
				if got := whoami(t, send(h, "POST", "eve", session, callOf("whoami"))); got.Caller != "https://as.test 2" {
					t.Errorf("without sessions Eve is %+v", got)
				}
			}
		}
	}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	h, err := mcpauth.Guard(newGuard(t, verifier{}), sdkHandler(newServer(), true), "notes:read")
	if err != nil {
		t.Fatal(err)
	}
	const metadata = `, resource_metadata="` + metadataURL + `"`
	for name, row := range map[string]struct {
		token, origin string
		status        int
		challenge     string
	}{
		"no token":                {"", "", 401, `Bearer realm="api", scope="notes:read"` + metadata},
		"bad token":               {"x", "", 401, `Bearer realm="api", error="invalid_token", scope="notes:read"` + metadata},
		"no scope":                {"nobody", "", 403, `Bearer realm="api", error="insufficient_scope", scope="notes:read"` + metadata},
		"a scope that includes":   {"writer", "", 200, ""},
		"foreign origin":          {"ada", "https://evil.test", 403, ""},
		"foreign origin, nobody":  {"", "https://evil.test", 403, ""},
		"own origin":              {"ada", "http://mcp.test", 200, ""},
		"own origin, but no name": {"ada", "null", 403, ""},
	} {
		var header []string
		if row.origin != "" {
			header = []string{"Origin", row.origin}
		}
		res := send(h, "POST", row.token, "", callOf("whoami"), header...)
		if got := res.Header.Get("WWW-Authenticate"); res.StatusCode != row.status || got != row.challenge {
			t.Errorf("%s: %d %s, want %d %s", name, res.StatusCode, got, row.status, row.challenge)
		}
	}
	r := httptest.NewRequest("POST", "http://mcp.test/mcp?access_token=ada", strings.NewReader(callOf("whoami")))
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("a token in the address: %d", w.Code)
	}
	r = httptest.NewRequest("POST", "http://evil.test/mcp", strings.NewReader(callOf("whoami")))
	r.Header.Set("Authorization", "Bearer ada")
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 403 {
		t.Errorf("another host: %d", w.Code)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, verifier{})
	bare, err := auth.NewMiddleware(verifier{}, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.BearerToken(), auth.Cookie("t")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		guard *auth.Middleware
		cfg   mcpauth.Config
		want  []string
	}{
		"none":     {guard, mcpauth.Config{Scopes: []string{"a"}, Tools: map[string][]string{"t": {"b"}}}, nil},
		"no guard": {nil, mcpauth.Config{}, []string{"mcpauth.New.guard"}},
		"a guard that guards too little": {bare, mcpauth.Config{}, []string{
			"auth.MiddlewareConfig.Hosts", "auth.MiddlewareConfig.ResourceMetadata", "auth.MiddlewareConfig.Extractors",
		}},
		"scopes": {guard, mcpauth.Config{Scopes: []string{""}, Tools: map[string][]string{"": {"a"}, "t": {"a b"}, "u": nil}}, []string{
			"mcpauth.Config.Scopes", "mcpauth.Config.Tools", "mcpauth.Config.Tools", "mcpauth.Config.Tools",
		}},
	} {
		_, err := mcpauth.New(row.guard, row.cfg)
		if got := testkit.FaultFields(err); !slices.Equal(got, row.want) {
			t.Errorf("%s: faults in %q, want %q: %v", name, got, row.want, err)
		}
	}
	if _, err := mcpauth.Guard(guard, nil); !slices.Equal(testkit.FaultFields(err), []string{"mcpauth.Handler.handler"}) {
		t.Errorf("no handler: %v", err)
	}
	if _, err := mcpauth.Guard(guard, sdkHandler(newServer(), true), `"`); err == nil {
		t.Error("Guard takes a quote for a scope")
	}
}
