package mcpauth_test

import (
	"context"
	"errors"
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
	"github.com/seed-e36e2130/auth/mcpauth"
)

// scoped is a server whose tool write needs a scope, and delete two.
func scoped(t testing.TB, stateless bool, middleware ...mcp.Middleware) http.Handler {
	t.Helper()
	m, err := mcpauth.New(newGuard(t, verifier{}), mcpauth.Config{
		Scopes: []string{"notes:read"},
		Tools:  map[string][]string{"write": {"notes:write"}, "delete": {"notes:write", "notes:delete"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := m.Handler(sdkHandler(newServer(append(middleware, m.Methods)...), stateless))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestToolScopes(t *testing.T) {
	t.Parallel()
	const metadata = `, resource_metadata="` + metadataURL + `"`
	for _, stateless := range []bool{false, true} {
		h := scoped(t, stateless)
		for name, row := range map[string]struct {
			token, body string
			status      int
			challenge   string
		}{
			"a tool for all":     {"ada", callOf("whoami"), 200, ""},
			"a scope more":       {"ada", callOf("write"), 403, `scope="notes:read notes:write"`},
			"that scope":         {"ada-again", callOf("write"), 200, ""},
			"two scopes":         {"ada-again", callOf("delete"), 403, `scope="notes:read notes:write notes:delete"`},
			"no scope at all":    {"nobody", callOf("write"), 403, `scope="notes:read"`},
			"no token":           {"", callOf("write"), 401, `scope="notes:read"`},
			"a batch":            {"ada", "[" + callOf("whoami") + ",\n" + strings.Replace(callOf("write"), "7", "8", 1) + "]", 403, `scope="notes:read notes:write"`},
			"white space":        {"ada", " \t\n" + callOf("write"), 403, `scope="notes:read notes:write"`},
			"an escaped name":    {"ada", strings.Replace(callOf("write"), `"write"`, `"\u0077rite"`, 1), 403, `scope="notes:read notes:write"`},
			"a name twice":       {"ada", strings.Replace(callOf("write"), `"name"`, `"name":"whoami","name"`, 1), 403, `scope="notes:read notes:write"`},
			"a name in capitals": {"ada", strings.Replace(callOf("write"), `"name"`, `"NAME":"whoami","name"`, 1), 403, `scope="notes:read notes:write"`},
		} {
			session := ""
			if !stateless && row.token != "" && row.token != "nobody" {
				session = begin(t, h, row.token)
			}
			header := []string(nil)
			if name == "a batch" { // the last version with batches
				header = []string{"Mcp-Protocol-Version", "2025-03-26"}
			}
			res := send(h, "POST", row.token, session, row.body, header...)
			challenge := res.Header.Get("WWW-Authenticate")
			if res.StatusCode != row.status || row.challenge != "" && !strings.HasSuffix(challenge, row.challenge+metadata) || row.challenge == "" && challenge != "" {
				t.Errorf("stateless %t, %s: %s %s, want %d %s", stateless, name, res.Status, challenge, row.status, row.challenge)
			}
			if res.StatusCode == 403 && !strings.Contains(challenge, `error="insufficient_scope"`) {
				t.Errorf("stateless %t, %s: %s", stateless, name, challenge)
			}
		}
	}
}

// A call that the reading of the body has missed is refused in the server: what the SDK has read decides.
func TestMethodsDecide(t *testing.T) {
	t.Parallel()
	long := strings.Replace(callOf("write"), `{}`, `{"x":"`+strings.Repeat("x", mcp.DefaultMaxRequestBodyBytes)+`"}`, 1)
	m, err := mcpauth.New(newGuard(t, verifier{}), mcpauth.Config{Tools: map[string][]string{"write": {"notes:write"}}})
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(m.Methods)
	h, err := m.Handler(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		Stateless: true, MaxRequestBodyBytes: 64 << 20,
	}))
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]string{"ada": `"code":-32003`, "writer": "x"} {
		res := send(h, "POST", token, "", long)
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 || !strings.Contains(string(body), want) || strings.Contains(string(body), "done") {
			// The tool has no argument x, so the writer's call is refused for that, and not for the scope.
			t.Errorf("%s: %s, %v: %s", token, res.Status, err, body)
		}
		if token == "writer" && strings.Contains(string(body), "-32003") {
			t.Errorf("%s: %s", token, body)
		}
	}
}

// Through another way than the guard nobody calls anything.
func TestMethodsNeedTheGuard(t *testing.T) {
	t.Parallel()
	m, err := mcpauth.New(newGuard(t, verifier{}), mcpauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(m.Methods)
	h := newGuard(t, verifier{}).Require(sdkHandler(server, true))
	res := send(h, "POST", "ada", "", callOf("whoami"))
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), "no verified caller") {
		t.Errorf("%s, %v: %s", res.Status, err, body)
	}
	serverSide, clientSide := mcp.NewInMemoryTransports()
	if _, err := server.Connect(t.Context(), serverSide, nil); err != nil {
		t.Fatal(err)
	}
	if session, err := mcp.NewClient(&mcp.Implementation{Name: "t"}, nil).Connect(t.Context(), clientSide, nil); err == nil {
		session.Close()
		t.Error("a client in memory gets in")
	}
}

// A request that ends for a reason of its own, such as a revocation, ends its tool; one whose client has hung
// up does not.
func TestContextEndsWithRequest(t *testing.T) {
	t.Parallel()
	for _, stateless := range []bool{false, true} {
		revoke := make(chan context.CancelCauseFunc, 1)
		m, err := mcpauth.New(newGuard(t, verifier{}), mcpauth.Config{
			Wrap: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if _, ok := auth.FromContext(r.Context()); !ok {
						t.Error("Wrap sees no caller")
					}
					ctx, cancel := context.WithCancelCause(r.Context())
					defer cancel(nil)
					if r.Header.Get("X-Revoke") != "" {
						revoke <- cancel
					}
					next.ServeHTTP(w, r.WithContext(ctx))
				})
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		server := newServer(m.Methods)
		began, ended := make(chan struct{}), make(chan error, 1)
		mcp.AddTool(server, &mcp.Tool{Name: "wait"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			close(began)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, nil, ctx.Err()
		})
		h, err := m.Handler(sdkHandler(server, stateless))
		if err != nil {
			t.Fatal(err)
		}
		session := ""
		if !stateless {
			session = begin(t, h, "ada")
		}
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			send(h, "POST", "ada", session, callOf("wait"), "X-Revoke", "1")
		}()
		<-began
		(<-revoke)(auth.ErrRevokedToken)
		select {
		case cause := <-ended:
			if !errors.Is(cause, auth.ErrRevokedToken) {
				t.Errorf("stateless %t: the tool ends because of %v", stateless, cause)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("stateless %t: the tool does not end", stateless)
		}
		<-answered
	}
}

// The SDK's own client lists and calls what its token allows, in the version without sessions and in one with.
func TestClientOfTheSDK(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		stateless bool
		version   string
	}{{true, "2026-07-28"}, {true, "2025-06-18"}, {false, "2025-06-18"}, {false, "2026-07-28"}} {
		t.Run(fmt.Sprintf("%s, stateless %t", row.version, row.stateless), func(t *testing.T) {
			t.Parallel()
			lists := make(chan *mcp.ListToolsResult, 10)
			h := scoped(t, row.stateless, func(next mcp.MethodHandler) mcp.MethodHandler {
				return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
					result, err := next(ctx, method, req)
					if list, ok := result.(*mcp.ListToolsResult); ok {
						lists <- list
					}
					return result, err
				}
			})
			srv := httptest.NewServer(hostOf("mcp.test", h))
			t.Cleanup(srv.Close)
			for token, want := range map[string]string{"ada": "whoami", "ada-again": "whoami write"} {
				session := connect(t, srv.URL, token, row.version)
				list, err := session.ListTools(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, tool := range list.Tools {
					names = append(names, tool.Name)
				}
				slices.Sort(names)
				if got := strings.Join(names, " "); got != want {
					t.Errorf("%s sees the tools %q, want %q", token, got, want)
				}
				if scope := (<-lists).CacheScope; scope != "private" {
					t.Errorf("the list of a caller may be kept for others: %q", scope)
				}
				_, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "write"})
				if allowed := strings.Contains(want, "write"); (err == nil) != allowed {
					t.Errorf("%s calls write: %v", token, err)
				} else if !allowed && !strings.Contains(err.Error(), "Forbidden") {
					t.Errorf("%s calls write: %v", token, err)
				}
				result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
				if token == "ada" { // the client takes the 403 as the end of its connection
					continue
				}
				if err != nil || !strings.Contains(result.Content[0].(*mcp.TextContent).Text, `"Caller":"https://as.test 1"`) {
					t.Errorf("%s calls whoami: %v, %v", token, result, err)
				}
			}
		})
	}
}

// hostOf lets a test server be reached by a name that is known before its address.
func hostOf(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = host
		// The SDK would refuse the name at a loopback address.
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, nil)))
	})
}

// connect connects a client of the SDK that sends a token.
func connect(t *testing.T, url, token, version string) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "t", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: url + "/mcp", MaxRetries: -1, HTTPClient: &http.Client{Transport: bearer(token)},
	}, &mcp.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}
