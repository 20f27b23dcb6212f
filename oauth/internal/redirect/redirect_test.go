package redirect_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/oauth/internal/redirect"
)

// good are URIs that real clients register, and others of their kinds.
var good = []string{
	"https://app.example/cb", "https://app.example", "https://app.example/", "https://app.example:8443/cb?a=b&c=%2F", "https://APP.example/CB", "https://app.example./cb",
	"https://claude.ai/api/mcp/auth_callback", "https://vscode.dev/redirect", "https://chat.example.com/oauth/clients/mcp:notes/callback", "https://localhost/cb",
	"https://global.consent.azure-apim.net/redirect/cr938-5fzephyr-20mcp-5f43bcb8573bc3e84", "https://10.0.0.1/cb", "https://[2001:db8::1]:8443/cb", "https://a_b.example/cb",
	"https://xn--caf-dma.example/cb", "https://app.example/cb?user@host", "https://app.example/@me", "https://app.example/a//b", "https://app.example?a=b",
	"http://127.0.0.1/callback", "http://127.0.0.1:33418/", "http://127.0.0.1", "http://[::1]:80/cb", "http://[::1]/cb", "http://localhost", "http://localhost:3118/callback",
	"http://localhost:65535/callback?x=1", "http://127.0.0.1?x=1",
	"cursor://anysphere.cursor-mcp/oauth/callback", "com.example.app:/oauth2redirect", "com.example.app://", "com.example.app:///cb", "com.example.App:/cb",
	"vscode://saoudrizwan.claude-dev/mcp-auth/callback/3f2a9c", "windsurf://MermaidChart.vscode-mermaid-chart", "claude://host:8080/x",
}

// bad are URIs that nobody may be sent to.
var bad = []string{
	"", "/cb", "cb", "//app.example/cb", "app.example/cb", "?a=b", "https:", "https:/app.example/cb", "https:app.example/cb", "https://", "https:///cb", "https://:443/cb", "https://?a", "1https://app.example",
	"http://app.example/cb", "http://127.0.0.1.evil.example/cb", "http://localhost.evil.example/cb", "http://localhost:80@evil.example/cb", `http://127.0.0.1:80\@evil.example/cb`, "http://sub.localhost/cb",
	"http://127.0.0.2/cb", "http://0.0.0.0/cb", "http://[::]/cb", "http://[::ffff:127.0.0.1]/cb", "http://[0:0:0:0:0:0:0:1]/cb", "http://[::1%25lo]/cb", "http://127.1/cb", "http://2130706433/cb", "http://0x7f000001/cb", "http://LOCALHOST/cb", "http://localhost./cb",
	"http://10.0.0.1/cb", "http://127.0.0.1:/cb", "http://127.0.0.1:0/cb", "http://127.0.0.1:65536/cb", "http://127.0.0.1:080/cb", "http://127.0.0.1:+80/cb", "http://127.0.0.1:8a/cb", "http://127.0.0.1:80:80/cb", "http://::1/cb", "http://[127.0.0.1]/cb", "http://user:pw@127.0.0.1/cb",
	"https://user:pw@app.example/cb", "https://user@app.example/cb", "https://@app.example/cb", "https://*.example/cb", "https://app.example/*", "https://0.0.0.0/cb", "https://[::]/cb", "https://[::ffff:10.0.0.1]/cb", "https://0177.0.0.1/cb", "https://1.2.3/cb", "https://app.0x1/cb", "https://a..b/cb", "https://.example/cb", "https://app%2eexample/cb", "https://[fe80::1%25eth0]/cb", "https://[::1/cb", "https://app.example:port/cb",
	"https://app.example/cb#x", "https://app.example/cb#", "cursor://host/cb#x", "https://app.example/cb\n", "https://app.example/cb\nx", " https://app.example/cb", "https://app.example/cb ", "https://app.example/a b", "https://app.example/\x00", "https://app.example/\x7f", "https://app.example/caf\u00e9", "https://caf\u00e9.example/",
	"https://app.example/cb%0d%0aSet-Cookie:x", "https://app.example/%00", "https://app.example/%7F", "https://app.example/%zz", "https://app.example/%4", "https://app.example/%", "https://app.example/cb\"><script>", "https://app.example/cb`", "https://app.example/{id}", "https://app.example/a|b", "https://app.example/a^b",
	"javascript:alert(1)", "JavaScript:alert(1)", "javascript://app.example/%0aalert(1)", "javascript://app.example/x", "java\tscript:alert(1)", "\x01javascript:alert(1)", "data:text/html,x", "DATA://host/x", "vbscript:x", "vbscript://host/x", "file:///etc/passwd", "file://host/x", "blob:https://app.example/x", "about:blank", "filesystem:https://app.example/x", "view-source:https://app.example", "mailto:a@b.example", "ws://app.example", "wss://app.example/x", "ftp://app.example/x", "intent://app.example/x", "ms-msdt://host/id", "search-ms://query/x", "urn:ietf:wg:oauth:2.0:oob", "jar:https://app.example/x",
	"HTTPS://app.example/cb", "Http://127.0.0.1/cb", "myapp:/cb", "myapp:cb", "myapp://", "myapp:///cb", "myapp://:80/cb", "com.example.app:cb", "com.example.app://:80/cb", "cursor://user@host/cb", "cursor://ho%20st/cb", ".com.example:/cb", ":/cb", "com_example.app:/cb",
	"https://app.example/cb?code=1", "https://app.example/cb?a=b&state=", "https://app.example/cb?iss", "https://app.example/cb?%65rror=x",
	"https://app.example/" + strings.Repeat("a", redirect.MaxBytes),
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, uri := range good {
		if err := redirect.Check(uri); err != nil {
			t.Errorf("%q: got %v, want none", uri, err)
		}
	}
	for _, uri := range bad {
		err := redirect.Check(uri)
		if err == nil {
			t.Errorf("%q may be registered", uri)
		} else if strings.ContainsAny(err.Error(), "\"\\\n") {
			t.Errorf("%q: %q cannot stand in an error_description", uri, err)
		}
		if redirect.Match([]string{uri}, uri) {
			t.Errorf("%q matches itself, though it may not be registered", uri)
		}
		if redirect.Source(uri)+redirect.Shown(uri)+redirect.Host(uri) != "" || redirect.IsLoopback(uri) || redirect.IsApp(uri) {
			t.Errorf("%q is described as if it could be used", uri)
		}
	}
	if err := redirect.Check("https://app.example/" + strings.Repeat("a", redirect.MaxBytes-20)); err != nil {
		t.Errorf("a URI of MaxBytes: %v", err)
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	rows := []struct {
		registered, uri string // registered may be several, with spaces between them
		want            bool
	}{
		// Any port of a loopback address, whether or not one was registered.
		{"http://127.0.0.1/callback", "http://127.0.0.1:51004/callback", true},
		{"http://127.0.0.1:33418/", "http://127.0.0.1:60005/", true},
		{"http://127.0.0.1:33999/callback", "http://127.0.0.1/callback", true},
		{"http://127.0.0.1/callback", "http://127.0.0.1:65535/callback", true},
		{"http://127.0.0.1/callback", "http://127.0.0.1/callback", true},
		{"http://[::1]/callback", "http://[::1]:8080/callback", true},
		{"http://localhost/callback", "http://localhost:3118/callback", true},
		{"http://localhost:7777/oauth/callback?x=1", "http://localhost:1/oauth/callback?x=1", true},
		{"http://127.0.0.1", "http://127.0.0.1:8080", true},
		// One name of loopback is not another.
		{"http://127.0.0.1/callback", "http://localhost:8080/callback", false},
		{"http://localhost/callback", "http://127.0.0.1:8080/callback", false},
		{"http://127.0.0.1/callback", "http://[::1]:8080/callback", false},
		{"http://localhost/callback http://127.0.0.1/callback", "http://localhost:55611/callback", true},
		// All else is equal.
		{"http://127.0.0.1/callback", "http://127.0.0.1:33999/evil", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:33999/callback?x=1", false},
		{"http://127.0.0.1/callback?x=1", "http://127.0.0.1:33999/callback?x=2", false},
		{"http://127.0.0.1/callback", "https://127.0.0.1:33999/callback", false},
		{"https://127.0.0.1/callback", "https://127.0.0.1:33999/callback", false},
		{"https://localhost/callback", "https://localhost:33999/callback", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:33999/callback/", false},
		{"http://127.0.0.1", "http://127.0.0.1:33999/", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:33999/Callback", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:33999/./callback", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:33999/c%61llback", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:33999@evil.example/callback", false},
		{"http://localhost/callback", "http://localhost@evil.example/callback", false},
		{"http://127.0.0.1/callback", "http://user:pw@127.0.0.1:33999/callback", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:65536/callback", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:0/callback", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:/callback", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1:33999/callback#x", false},
		{"http://127.0.0.1/callback", "http://127.0.0.1.evil.example/callback", false},
		{"http://127.0.0.1/callback", "http://127.1:33999/callback", false},
		{"http://localhost/callback", "http://LOCALHOST:33999/callback", false},
		{"http://localhost/callback", "http://localhost.:33999/callback", false},
		// Everything else is compared as text.
		{"https://app.example/cb", "https://app.example/cb", true},
		{"https://app.example/cb", "https://app.example/cb/", false},
		{"https://app.example/cb", "https://app.example/cb?x=1", false},
		{"https://app.example/cb", "https://app.example/CB", false},
		{"https://app.example/cb", "https://APP.example/cb", false},
		{"https://app.example/cb", "HTTPS://app.example/cb", false},
		{"https://app.example/cb", "https://app.example:443/cb", false},
		{"https://app.example/cb", "https://app.example:8443/cb", false},
		{"https://app.example/cb", "http://app.example/cb", false},
		{"https://app.example/cb", "https://evil.app.example/cb", false},
		{"https://app.example/cb", "https://app.example.evil.example/cb", false},
		{"https://app.example/cb", "https://app.example@evil.example/cb", false},
		{"https://app.example/cb", "https://evil.example/cb?https://app.example/cb", false},
		{"https://app.example/cb", "https://app.examplee/cb", false},
		{"https://app.example/cb", "https://app.example/c%62", false},
		{"https://app.example/cb", "https://app.example/x/../cb", false},
		{"https://app.example", "https://app.example/", false},
		{"cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback", true},
		{"cursor://anysphere.cursor-mcp/oauth/callback", "cursor://evil/oauth/callback", false},
		{"cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback/x", false},
		{"cursor://localhost/cb", "cursor://localhost:8080/cb", false},
		{"com.example.app:/oauth2redirect", "com.example.app:/evil", false},
		{"com.example.app:/oauth2redirect", "com.example.app2:/oauth2redirect", false},
		{"com.example.app:/oauth2redirect", "com.example.APP:/oauth2redirect", false},
		{"https://insiders.vscode.dev/redirect https://vscode.dev/redirect http://127.0.0.1/ http://127.0.0.1:33418/", "http://127.0.0.1:52345/", true},
		{"https://insiders.vscode.dev/redirect https://vscode.dev/redirect http://127.0.0.1/ http://127.0.0.1:33418/", "https://vscode.dev/redirect", true},
		{"", "https://app.example/cb", false},
		{"https://app.example/cb", "", false},
		{"https://app.example/cb javascript:alert(1)", "javascript:alert(1)", false},
		{"http://127.0.0.1:99999/cb", "http://127.0.0.1:80/cb", false},
	}
	for _, row := range rows {
		if got := redirect.Match(strings.Fields(row.registered), row.uri); got != row.want {
			t.Errorf("registered %s: %q matches: %t, want %t", row.registered, row.uri, got, row.want)
		}
	}
}

func TestDescriptions(t *testing.T) {
	t.Parallel()
	rows := []struct {
		uri, shown, host, source string
		loopback, app            bool
	}{
		{"https://app.example/cb?a", "app.example", "app.example", "https://app.example", false, false},
		{"https://app.example:8443?a", "app.example:8443", "app.example:8443", "https://app.example:8443", false, false},
		{"http://127.0.0.1:45454/cb", "127.0.0.1:45454", "127.0.0.1:45454", "http://127.0.0.1:45454", true, false},
		{"http://localhost", "localhost", "localhost", "http://localhost", true, false},
		{"http://[::1]:8080/cb", "[::1]:8080", "[::1]:8080", "http:", true, false},
		{"https://localhost/cb", "localhost", "localhost", "https://localhost", false, false},
		{"https://10.0.0.1/cb", "10.0.0.1", "10.0.0.1", "https:", false, false},
		{"https://[2001:db8::1]/cb", "[2001:db8::1]", "[2001:db8::1]", "https:", false, false},
		{"https://a_b.example/cb", "a_b.example", "a_b.example", "https:", false, false},
		{"cursor://anysphere.cursor-mcp/oauth/callback", "cursor", "", "cursor:", false, true},
		{"com.example.App:/cb", "com.example.App", "", "com.example.app:", false, true},
	}
	for _, row := range rows {
		if got := redirect.Shown(row.uri); got != row.shown {
			t.Errorf("Shown(%q) is %q, want %q", row.uri, got, row.shown)
		}
		if got := redirect.Host(row.uri); got != row.host {
			t.Errorf("Host(%q) is %q, want %q", row.uri, got, row.host)
		}
		if got := redirect.Source(row.uri); got != row.source {
			t.Errorf("Source(%q) is %q, want %q", row.uri, got, row.source)
		}
		if redirect.IsLoopback(row.uri) != row.loopback || redirect.IsApp(row.uri) != row.app {
			t.Errorf("%q: IsLoopback %t, IsApp %t, want %t and %t", row.uri, !row.loopback, !row.app, row.loopback, row.app)
		}
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	answer := url.Values{"code": {"a b"}, "state": {"x&y=z/+\r\n"}}
	const encoded = "code=a+b&state=x%26y%3Dz%2F%2B%0D%0A"
	for uri, want := range map[string]string{
		"https://app.example/cb":          "https://app.example/cb?" + encoded,
		"https://app.example/cb?":         "https://app.example/cb?" + encoded,
		"https://app.example/cb?a=%2f&b":  "https://app.example/cb?a=%2f&b&" + encoded,
		"https://app.example/cb?a&":       "https://app.example/cb?a&" + encoded,
		"windsurf://Mermaid.vscode":       "windsurf://Mermaid.vscode?" + encoded,
		"com.example.app:/cb":             "com.example.app:/cb?" + encoded,
		"http://127.0.0.1:8080?x=a?b":     "http://127.0.0.1:8080?x=a?b&" + encoded,
		"https://app.example/mcp:notes/x": "https://app.example/mcp:notes/x?" + encoded,
	} {
		if got := redirect.With(uri, answer); got != want {
			t.Errorf("%q: got %q, want %q", uri, got, want)
		}
	}
}

// FuzzMatch holds that a URI which matches leads where the registered one leads: the standard library, which
// reads URLs by rules of its own, finds the same scheme, host, path and query in both, and no user.
func FuzzMatch(f *testing.F) {
	for _, uri := range good {
		f.Add(uri, uri)
		f.Add("http://127.0.0.1/cb", uri)
	}
	for _, uri := range bad {
		f.Add("http://localhost:80/cb", uri)
		f.Add(uri, uri)
	}
	f.Fuzz(func(t *testing.T, registered, uri string) {
		if !redirect.Match([]string{registered}, uri) {
			if registered == uri && redirect.Check(uri) == nil {
				t.Errorf("%q does not match itself", uri)
			}
			return
		}
		a, err := url.Parse(registered)
		if err != nil {
			t.Fatalf("registered %q: %v", registered, err)
		}
		b, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q: %v", uri, err)
		}
		if a.Scheme != b.Scheme || a.Hostname() != b.Hostname() || a.EscapedPath() != b.EscapedPath() || a.RawQuery != b.RawQuery || a.Opaque != b.Opaque {
			t.Errorf("%q matches %q", uri, registered)
		}
		if b.User != nil || b.Fragment != "" || strings.Contains(uri, "#") {
			t.Errorf("%q matches, with a user or a fragment", uri)
		}
		if a.Port() != b.Port() && !(b.Scheme == "http" && redirect.IsLoopback(uri)) {
			t.Errorf("%q matches %q with another port", uri, registered)
		}
		if b.Scheme == "http" && b.Hostname() != "127.0.0.1" && b.Hostname() != "::1" && b.Hostname() != "localhost" {
			t.Errorf("%q is http to another machine", uri)
		}
		if b.Scheme == "https" && b.Hostname() == "" {
			t.Errorf("%q has no host", uri)
		}
	})
}
