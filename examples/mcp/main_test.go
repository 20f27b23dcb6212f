package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
)

// program is a running replica.
type program struct {
	*server
	user   account
	base   string       // URL of the issuer
	client *http.Client // reaches this replica at every URL
}

// start starts the program on a port of its own. The issuer is that of the first replica, if there is one.
func start(t *testing.T, first *program, args ...string) *program {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	p := &program{base: "http://" + addr, user: account{"ada-" + rand.Text(), "correct horse battery staple"}, client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}}
	t.Cleanup(p.client.CloseIdleConnections)
	if first != nil {
		p.base, p.user = first.base, first.user
	}
	opts, err := parse(append([]string{"-addr=" + addr, "-issuer=" + p.base, "-user=" + p.user.name + "=" + p.user.password}, args...))
	if err != nil {
		t.Fatal(err)
	}
	opts.hasher = authtest.FastHasher(t)
	if p.server, err = open(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	handler, err := p.handler()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, handler) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

// token logs the user in, and returns an access token for a resource.
func (p *program) token(t *testing.T, r resource) string {
	t.Helper()
	token, err := p.login(t.Context(), p.user, r)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (p *program) send(t *testing.T, method, path, body string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	res, err := p.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func read(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	for path, want := range map[string]string{
		"/mcp":   `{"resource":"BASE/mcp","authorization_servers":["BASE"],"scopes_supported":["notes:read","notes:write"],"bearer_methods_supported":["header"],"resource_name":"Notes"}`,
		"":       `{"resource":"BASE/mcp","authorization_servers":["BASE"],"scopes_supported":["notes:read","notes:write"],"bearer_methods_supported":["header"],"resource_name":"Notes"}`,
		"/files": `{"resource":"BASE/files","authorization_servers":["BASE"],"scopes_supported":["files:read"],"bearer_methods_supported":["header"],"resource_name":"Files"}`,
	} {
		path, want = "/.well-known/oauth-protected-resource"+path, strings.ReplaceAll(want, "BASE", p.base)
		// Nothing of a request is in the document.
		res := p.send(t, "GET", path, "", "Origin", "https://app.test", "X-Forwarded-Host", "evil.test", "Forwarded", "host=evil.test")
		if got := strings.TrimSpace(read(t, res)); got != want || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %s %s, want %s", path, res.Status, res.Header.Get("Content-Type"), got, want)
		}
		if got := res.Header.Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("%s: pages may read it from %q, want *", path, got)
		}
		if res := p.send(t, "HEAD", path, ""); res.StatusCode != 200 || read(t, res) != "" {
			t.Errorf("HEAD %s: %s", path, res.Status)
		}
		if res := p.send(t, "OPTIONS", path, "", "Origin", "https://app.test", "Access-Control-Request-Method", "GET"); res.StatusCode != 204 ||
			!strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "MCP-Protocol-Version") {
			t.Errorf("OPTIONS %s: %s %v", path, res.Status, res.Header)
		}
		if res := p.send(t, "POST", path, ""); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("POST %s: %s, Allow %q", path, res.Status, res.Header.Get("Allow"))
		}
	}
}

func TestBelowAPath(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	p.close()
	tenant := start(t, &program{base: p.base + "/tenant", user: p.user})
	const metadata = "/.well-known/oauth-protected-resource/tenant/files"
	res := tenant.send(t, "POST", "/files", "")
	if got := res.Header.Get("WWW-Authenticate"); !strings.Contains(got, `resource_metadata="`+p.base+metadata+`"`) {
		t.Errorf("the challenge is %s", got)
	}
	tenant.base = p.base
	var document struct{ Resource string }
	if err := json.Unmarshal([]byte(read(t, tenant.send(t, "GET", metadata, ""))), &document); err != nil || document.Resource != p.base+"/tenant/files" {
		t.Errorf("the metadata names %q, %v", document.Resource, err)
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	token := "Bearer " + p.token(t, p.notes)
	if res := p.send(t, "POST", "/notes", `a "note" of any form`, "Authorization", token); res.StatusCode != 200 {
		t.Errorf("POST: %s", res.Status)
	}
	for range 2 * keptNotes {
		if res := p.send(t, "POST", "/notes", strings.Repeat("<é", 1000), "Authorization", token); res.StatusCode != 200 {
			t.Errorf("POST of a long note: %s", res.Status)
		}
	}
	var got struct{ Notes []string }
	if err := json.Unmarshal([]byte(read(t, p.send(t, "GET", "/notes", "", "Authorization", token))), &got); err != nil {
		t.Fatal(err)
	}
	if n := len(got.Notes); n == 0 || n > keptNotes || len(got.Notes[0]) > noteBytes || !strings.HasPrefix(got.Notes[n-1], "<é<é") {
		t.Errorf("the notes are %q", got.Notes)
	}
	if res := p.send(t, "POST", "/notes", strings.Repeat("x", 65<<10), "Authorization", token); res.StatusCode != 413 {
		t.Errorf("a note of 65 KiB: %s", res.Status)
	}
	user, err := p.store.UserByUsername(t.Context(), strings.ToLower(p.user.name))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.accounts.Delete(t.Context(), user.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := p.store.Records(t.Context(), user.ID); err != nil || len(left) > 0 {
		t.Errorf("of a deleted user are left %v, %v", left, err)
	}
}

// Each resource takes its own tokens alone, in the header alone, and says to everybody else what is missing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	reader := p.notes
	reader.scopes = []string{readNotes}
	writer := p.notes
	writer.scopes = []string{writeNotes}
	login, err := p.accounts.Login(t.Context(), p.user.name, p.user.password)
	if err != nil {
		t.Fatal(err)
	}
	read, write, files := p.token(t, reader), p.token(t, writer), p.token(t, p.files)
	metadata := func(path string) string {
		return fmt.Sprintf(`, resource_metadata="%s/.well-known/oauth-protected-resource%s"`, p.base, path)
	}
	whoami := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`
	addNote := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","arguments":{"text":"x"}}}`
	for name, row := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		challenge          string
	}{
		"notes":                       {"GET", "/notes", "", []string{"Authorization", "Bearer " + read}, 200, ""},
		"notes, a wider scope":        {"GET", "/notes", "", []string{"Authorization", "Bearer " + write}, 200, ""},
		"notes, no token":             {"GET", "/notes", "", nil, 401, `Bearer realm="Notes", scope="notes:read"` + metadata("/mcp")},
		"notes, bad token":            {"GET", "/notes", "", []string{"Authorization", "Bearer x"}, 401, `Bearer realm="Notes", error="invalid_token", scope="notes:read"` + metadata("/mcp")},
		"notes, of the other API":     {"GET", "/notes", "", []string{"Authorization", "Bearer " + files}, 401, `Bearer realm="Notes", error="invalid_token", scope="notes:read"` + metadata("/mcp")},
		"notes, of a login":           {"GET", "/notes", "", []string{"Authorization", "Bearer " + login.AccessToken}, 401, `Bearer realm="Notes", error="invalid_token", scope="notes:read"` + metadata("/mcp")},
		"notes, in a cookie":          {"GET", "/notes", "", []string{"Cookie", "access=" + read + "; __Host-access=" + read}, 401, `Bearer realm="Notes", scope="notes:read"` + metadata("/mcp")},
		"notes, in the address":       {"GET", "/notes?access_token=" + read, "", nil, 401, `Bearer realm="Notes", scope="notes:read"` + metadata("/mcp")},
		"notes, foreign origin":       {"GET", "/notes", "", []string{"Origin", "https://evil.test", "Authorization", "Bearer " + read}, 403, ""},
		"writing, without the scope":  {"POST", "/notes", "x", []string{"Authorization", "Bearer " + read}, 403, `Bearer realm="Notes", error="insufficient_scope", scope="notes:write"` + metadata("/mcp")},
		"mcp":                         {"POST", "/mcp", whoami, []string{"Authorization", "bearer  " + read}, 200, ""},
		"mcp, no token":               {"POST", "/mcp", whoami, nil, 401, `Bearer realm="Notes", scope="notes:read"` + metadata("/mcp")},
		"mcp, a session, but nobody":  {"GET", "/mcp", "", []string{"Mcp-Session-Id", "x"}, 401, `Bearer realm="Notes", scope="notes:read"` + metadata("/mcp")},
		"mcp, ended by nobody":        {"DELETE", "/mcp", "", []string{"Mcp-Session-Id", "x"}, 401, `Bearer realm="Notes", scope="notes:read"` + metadata("/mcp")},
		"mcp, foreign origin":         {"POST", "/mcp", whoami, []string{"Origin", "https://evil.test", "Authorization", "Bearer " + read}, 403, ""},
		"mcp, foreign origin, nobody": {"POST", "/mcp", whoami, []string{"Origin", "https://evil.test"}, 403, ""},
		"mcp, own origin":             {"POST", "/mcp", whoami, []string{"Origin", p.base, "Authorization", "Bearer " + read}, 200, ""},
		"mcp, another host":           {"POST", "/mcp", whoami, []string{"Host", "evil.test", "Authorization", "Bearer " + read}, 403, ""},
		"mcp, a tool with a scope":    {"POST", "/mcp", addNote, []string{"Authorization", "Bearer " + read}, 403, `Bearer realm="Notes", error="insufficient_scope", scope="notes:read notes:write"` + metadata("/mcp")},
		"mcp, with that scope":        {"POST", "/mcp", addNote, []string{"Authorization", "Bearer " + write}, 200, ""},
		"files":                       {"POST", "/files", whoami, []string{"Authorization", "Bearer " + files}, 200, ""},
		"files, of the other API":     {"POST", "/files", whoami, []string{"Authorization", "Bearer " + read}, 401, `Bearer realm="Files", error="invalid_token", scope="files:read"` + metadata("/files")},
	} {
		res := p.send(t, row.method, row.path, row.body, row.header...)
		if got := res.Header.Get("WWW-Authenticate"); res.StatusCode != row.status || got != row.challenge {
			t.Errorf("%s: %s %s, want %d %s", name, res.Status, got, row.status, row.challenge)
		}
	}
}

// answer is the answer of the tool slow.
type answer struct {
	events *bufio.Scanner
	t      *testing.T
}

func (p *program) slow(t *testing.T, token string, seconds int) *answer {
	t.Helper()
	res := p.send(t, "POST", "/mcp", fmt.Sprintf(
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow","arguments":{"seconds":%d},"_meta":{"progressToken":"p"}}}`, seconds),
		"Authorization", "Bearer "+token)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("slow: %s %s", res.Status, res.Header.Get("Content-Type"))
	}
	return &answer{bufio.NewScanner(res.Body), t}
}

// next returns the next message, or "" at the end of the stream.
func (s *answer) next() string {
	for s.events.Scan() {
		if data, ok := strings.CutPrefix(s.events.Text(), "data: "); ok {
			return data
		}
	}
	return ""
}

// ended reads on to the end, and returns how long that took, and whether the result came.
func (s *answer) ended() (after time.Duration, completed bool) {
	began := time.Now()
	for message := s.next(); message != ""; message = s.next() {
		completed = completed || strings.Contains(message, " seconds")
	}
	return time.Since(began), completed
}

func TestSlow(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "-data="+t.TempDir())
	other := start(t, p, "-data="+p.opts.data)
	token := p.token(t, p.notes)
	s := p.slow(t, token, 1)
	if first := s.next(); !strings.Contains(first, `"progressToken":"p"`) || !strings.Contains(first, "notifications/progress") {
		t.Errorf("the first message is %s", first)
	}
	if _, completed := s.ended(); !completed {
		t.Error("the result did not come")
	}

	// A login that ends at one replica ends the streams of its tokens at the other.
	s = other.slow(t, token, 600)
	if first := s.next(); !strings.Contains(first, "notifications/progress") {
		t.Errorf("the first message is %s", first)
	}
	caller, err := p.tokens.VerifierFor(p.notes.url)
	if err != nil {
		t.Fatal(err)
	}
	principal, err := caller.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.accounts.EndSession(t.Context(), principal.Subject(), principal.SessionID()); err != nil {
		t.Fatal(err)
	}
	after, completed := s.ended()
	t.Logf("the stream ended %v after the login", after.Round(time.Millisecond))
	if completed {
		t.Errorf("the stream ended after %v, completed: %t", after, completed)
	}
	if res := other.send(t, "GET", "/notes", "", "Authorization", "Bearer "+token); res.StatusCode != 401 {
		t.Errorf("the token after the end of its login: %s", res.Status)
	}
}

// A stream ends when its token expires.
func TestSlowEndsWithToken(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "-access=2s")
	token := p.token(t, p.notes)
	if after, completed := p.slow(t, token, 600).ended(); completed {
		t.Errorf("the stream ended after %v, completed: %t", after, completed)
	}
	if res := p.send(t, "GET", "/notes", "", "Authorization", "Bearer "+token); res.StatusCode != 401 {
		t.Errorf("an expired token: %s", res.Status)
	}
}

// walk is a client of the Go SDK that is refused, follows the challenge, and then gets its token.
type walk struct {
	t       *testing.T
	p       *program
	token   oauth2.TokenSource
	refused []string
}

func (w *walk) TokenSource(context.Context) (oauth2.TokenSource, error) { return w.token, nil }

func (w *walk) Authorize(ctx context.Context, _ *http.Request, res *http.Response) error {
	defer res.Body.Close()
	challenges, err := oauthex.ParseWWWAuthenticate(res.Header["Www-Authenticate"])
	if err != nil || len(challenges) != 1 {
		return fmt.Errorf("challenges %v: %w", challenges, err)
	}
	c := challenges[0].Params
	w.refused = append(w.refused, fmt.Sprint(res.StatusCode, " ", c["error"], " ", c["scope"]))
	metadata, err := oauthex.GetProtectedResourceMetadata(ctx, c["resource_metadata"], w.p.notes.url, w.p.client)
	if err != nil {
		return err
	}
	if metadata.Resource != w.p.notes.url || !reflect.DeepEqual(metadata.AuthorizationServers, []string{w.p.base}) {
		w.t.Errorf("it found %+v", metadata)
	}
	r := w.p.notes
	r.scopes = strings.Fields(c["scope"])
	w.token = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: w.p.token(w.t, r)})
	return nil
}

func TestClientOfTheGoSDK(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ flag, version string }{
		{"-sessions=false", "2026-07-28"}, {"-sessions=false", "2025-06-18"}, {"-sessions", "2025-06-18"},
	} {
		t.Run(row.version+row.flag, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, row.flag)
			w := &walk{t: t, p: p}
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
				Endpoint: p.notes.url, HTTPClient: p.client, OAuthHandler: w, MaxRetries: -1,
			}, &mcp.ClientSessionOptions{ProtocolVersion: row.version})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if got := session.InitializeResult(); got != nil && got.ProtocolVersion != row.version {
				t.Errorf("they speak %s, want %s", got.ProtocolVersion, row.version)
			}
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			if err != nil {
				t.Fatal(err)
			}
			if got := result.Content[0].(*mcp.TextContent).Text; !strings.Contains(got, `"scope":"notes:read"`) {
				t.Errorf("whoami: %s", got)
			}
			// The tool needs more: the client asks for it, and comes back.
			if result, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "add_note", Arguments: map[string]any{"text": "x"}}); err != nil {
				t.Fatal(err)
			}
			if got := result.Content[0].(*mcp.TextContent).Text; got != "added" {
				t.Errorf("add_note: %s", got)
			}
			want := []string{"401  notes:read", "403 insufficient_scope notes:read notes:write"}
			if !reflect.DeepEqual(w.refused, want) {
				t.Errorf("it was refused %q, want %q", w.refused, want)
			}
		})
	}
}

func TestClientsOfNPM(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(filepath.Join("testdata", "client.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sdk", "client"} {
		for _, flag := range []string{"-sessions=false", "-sessions"} {
			t.Run(name+flag, func(t *testing.T) {
				t.Parallel()
				dir := testenv.NodeModule(t, "@modelcontextprotocol/"+name)
				p := start(t, nil, flag)
				cmd := exec.CommandContext(t.Context(), testenv.Command(t, "node"), "--input-type=module", "-e", string(script),
					name, p.notes.url, p.token(t, p.notes))
				cmd.Dir = dir
				var got struct {
					Status                                          int
					Scope, Metadata, Resource, Chosen, Issuer, Root string
					Error                                           *string
					Tools                                           []string
					Whoami                                          map[string]string
				}
				testenv.Ask(t, cmd, nil, &got)
				if got.Status != 401 || got.Error != nil || got.Scope != "notes:read" || got.Metadata != p.base+"/.well-known/oauth-protected-resource/mcp" {
					t.Errorf("its refusal is %+v", got)
				}
				if got.Resource != p.notes.url || got.Chosen != p.notes.url || got.Root != p.notes.url || got.Issuer != p.base {
					t.Errorf("it found %+v", got)
				}
				if strings.Join(got.Tools, " ") != "add_note echo slow whoami" || got.Whoami["scope"] != "notes:read notes:write" || got.Whoami["sub"] == "" {
					t.Errorf("it got %+v", got)
				}
			})
		}
	}
}

// Two replicas share a database: any step may be taken at any of them.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for server, variable := range map[string]string{"PostgreSQL": "AUTH_TEST_POSTGRES", "Redis": "AUTH_TEST_REDIS"} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			dsn := testenv.Require(t, server, variable)
			keys := t.TempDir()
			p := start(t, nil, "-data="+dsn, "-keys="+keys)
			other := start(t, p, "-data="+dsn, "-keys="+keys)
			if res := other.send(t, "GET", "/notes", "", "Authorization", "Bearer "+p.token(t, p.notes)); res.StatusCode != 200 {
				t.Errorf("a token of one replica at the other: %s", res.Status)
			}
			user, err := p.store.UserByUsername(t.Context(), strings.ToLower(p.user.name))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.accounts.Delete(t.Context(), user.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := other.accounts.Login(t.Context(), p.user.name, p.user.password); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("a deleted user logs in: %v", err)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{
		"-addr=127.0.0.1:1", "-data=x", "-user=a@b=c d=e", "-user=u=p", "-clients=f", "-register=5", "-documents=false", "-test-clients",
		"-proxies=127.0.0.1/32,::1/128", "-access=1s", "-code=2s", "-window=3s", "-idle=4s", "-grant=5s",
	})
	if err != nil {
		t.Fatal(err)
	}
	if opts.issuer != "http://127.0.0.1:1" || len(opts.users) != 2 || opts.users[0] != (account{"a@b", "c d=e"}) || len(opts.proxies) != 2 ||
		opts.register != 5 || opts.documents || !opts.testClients || opts.grant != 5*time.Second {
		t.Errorf("the options are %+v", opts)
	}
	for _, wrong := range []string{"-user=a", "-user==b", "-proxies=x", "-access=x", "-register=-1", "-unknown", "x"} {
		if _, err := parse([]string{wrong}); err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
	for _, wrong := range []string{"-issuer=x", "-issuer=http://127.0.0.1/", "-issuer=http://example.com", "-data=mysql://x", "-data=redis://x/y", "-access=1000h", "-user=a=short"} {
		opts, err := parse([]string{wrong})
		if err != nil {
			t.Fatal(err)
		}
		s, err := open(t.Context(), opts)
		if err == nil {
			_, err = s.handler()
			s.close()
		}
		if err == nil {
			t.Errorf("%s is accepted", wrong)
		}
	}
}
