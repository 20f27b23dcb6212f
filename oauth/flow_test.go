package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth"
)

// A browser without a login is led to the login page, and from there on as it was. Then the user is asked,
// the code goes to the client with state and iss, and the tokens say what was allowed.
func TestCodeFlow(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	id := r.user("ada@example.com")
	resp := r.do("GET", "/authorize?"+query(), "")
	to, err := resp.Location()
	if err != nil || resp.StatusCode != http.StatusSeeOther || to.Path != "/login" {
		t.Fatalf("without a login: %d %v", resp.StatusCode, to)
	}
	back, ok := r.server.ReturnTo(to.Query().Get("return_to"))
	if !ok || back != "/authorize?"+query() {
		t.Fatalf("the way back is %q, %t", back, ok)
	}
	cookie := r.login("ada@example.com")
	page := text(t, r.do("GET", back, "", "Cookie", cookie))
	for _, want := range []string{"Web App", "app.example", "Read your notes", "Notes"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, `class="warning"`) || strings.Contains(page, "Change your notes") {
		t.Error("the page warns, or names a scope that was not asked for")
	}
	resp = r.decide(cookie, r.ask(cookie), "allow")
	if to, err = resp.Location(); err != nil || resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to.String(), callback+"?") {
		t.Fatalf("the decision: %d %v", resp.StatusCode, to)
	}
	if q := to.Query(); q.Get("state") != "a state" || q.Get("iss") != issuer || len(q) != 3 {
		t.Errorf("the answer is %v", q)
	}
	a := r.redeem(r.code(resp), "redirect_uri", callback, "resource", notes)
	if a.Status != http.StatusOK || a.Type != "Bearer" || a.Expires != 900 || a.Scope != "notes:read" || a.Refresh == "" || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("tokens: %+v", a)
	}
	c, err := r.verify(a.Access, notes)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != id || c.Kind != auth.KindAgent || c.ClientID != "web" || strings.Join(c.Scopes, " ") != "notes:read" || c.SessionID == "" || c.AuthTime.IsZero() {
		t.Errorf("claims: %+v", c)
	}
	if _, err := r.verify(a.Access, files); err == nil {
		t.Error("the token is good for another resource")
	}
	if _, err := r.issuer.Verify(t.Context(), a.Access); err == nil {
		t.Error("the token is good for the program's own API")
	}
	if next := r.refresh(a.Refresh); next.Status != http.StatusOK || next.Refresh == a.Refresh || next.Scope != a.Scope {
		t.Errorf("refresh: %+v", next)
	}
}

// What is wrong with client or redirect URI is shown, and nobody is sent anywhere; without a login, all
// else leads to the login.
func TestShown(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for name, q := range map[string]string{
		"unknown client":         query("client_id", "nobody"),
		"no client":              query("client_id", "-"),
		"client twice":           query() + "&client_id=other",
		"redirect twice":         query() + "&redirect_uri=" + url.QueryEscape(callback),
		"foreign redirect":       query("redirect_uri", "https://evil.example/cb"),
		"longer redirect":        query("redirect_uri", callback+"/x"),
		"foreign, and no PKCE":   query("redirect_uri", "https://evil.example/cb", "code_challenge", "-", "response_type", "token"),
		"none, several known":    query("client_id", "native", "redirect_uri", "-"),
		"broken encoding":        query() + "&x=%zz",
		"script":                 query("redirect_uri", "javascript:alert(1)"),
		"foreign redirect, none": query("redirect_uri", "https://evil.example/cb", "prompt", "none"),
	} {
		resp := r.do("GET", "/authorize?"+q, "", "Cookie", cookie)
		if resp.StatusCode < 400 || resp.StatusCode >= 500 || resp.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", name, resp.StatusCode, resp.Header.Get("Location"))
		}
		if h := resp.Header; !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") == "" {
			t.Errorf("%s: headers %v", name, h)
		}
	}
	for name, q := range map[string]string{"no PKCE": query("code_challenge", "-"), "token": query("response_type", "token"), "foreign": query("redirect_uri", "https://evil.example/")} {
		if to := r.do("GET", "/authorize?"+q, "").Header.Get("Location"); !strings.HasPrefix(to, "/login?") {
			t.Errorf("%s, without a login: led to %q", name, to)
		}
	}
	page := text(t, r.do("GET", "/authorize?"+query("client_id", `"><script>alert(1)</script>`), "", "Cookie", cookie))
	if strings.Contains(page, "<script>") {
		t.Error("the page has markup of the request")
	}
}

// Every other error goes to the client, with state and iss.
func TestErrorsByRedirect(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for name, row := range map[string]struct{ q, code string }{
		"no response_type":   {query("response_type", "-"), "invalid_request"},
		"token":              {query("response_type", "token"), "unsupported_response_type"},
		"code token":         {query("response_type", "code token"), "unsupported_response_type"},
		"scope twice":        {query() + "&scope=notes:read", "invalid_request"},
		"response_type":      {query() + "&response_type=code", "invalid_request"},
		"no challenge":       {query("code_challenge", "-"), "invalid_request"},
		"plain":              {query("code_challenge_method", "plain"), "invalid_request"},
		"no method":          {query("code_challenge_method", "-"), "invalid_request"},
		"short challenge":    {query("code_challenge", "abc"), "invalid_request"},
		"unknown resource":   {query("resource", "https://elsewhere.example/"), "invalid_target"},
		"part of a resource": {query("resource", issuer), "invalid_target"},
		"fragment":           {query("resource", notes+"#x"), "invalid_target"},
		"two resources":      {query() + "&resource=" + url.QueryEscape(files), "invalid_target"},
		"unknown scope":      {query("scope", "everything"), "invalid_scope"},
		"scope of another":   {query("scope", "files:read"), "invalid_scope"},
		"beyond the client":  {query("client_id", "post", "scope", "notes:write"), "invalid_scope"},
		"request object":     {query("request", "x.y.z"), "request_not_supported"},
		"request by URI":     {query("request_uri", "https://a.example/"), "request_uri_not_supported"},
		"silent":             {query("prompt", "none"), "consent_required"},
		"state of no UTF-8":  {query("state", "\xff"), "invalid_request"},
	} {
		resp := r.do("GET", "/authorize?"+row.q, "", "Cookie", cookie)
		to, err := resp.Location()
		if err != nil || !strings.HasPrefix(to.String(), callback+"?") {
			t.Errorf("%s: %d %v", name, resp.StatusCode, to)
			continue
		}
		state := "a state"
		if name == "state of no UTF-8" {
			state = "\xff"
		}
		if q := to.Query(); q.Get("error") != row.code || q.Get("state") != state || q.Get("iss") != issuer || q.Get("code") != "" {
			t.Errorf("%s: %v, want %s", name, q, row.code)
		}
	}
	resp := r.do("GET", "/authorize?"+query("prompt", "none"), "")
	if to := resp.Header.Get("Location"); !strings.Contains(to, "error=login_required") {
		t.Errorf("silent, without a login: %q", to)
	}
}

// What may be left out has a meaning; what is unknown is ignored.
func TestDefaults(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for name, row := range map[string]struct {
		changes         []string
		scope, resource string
	}{
		"no scope":             {[]string{"scope", "-"}, "notes:read", notes},
		"empty scope":          {[]string{"scope", ""}, "notes:read", notes},
		"offline alone":        {[]string{"scope", " offline_access"}, "notes:read", notes},
		"offline, too":         {[]string{"scope", "offline_access notes:write"}, "notes:write", notes},
		"unknown ones as well": {[]string{"scope", "a b notes:write notes:read notes:read files:read"}, "notes:read notes:write", notes},
		"no resource":          {[]string{"resource", "-"}, "notes:read", notes},
		"another resource":     {[]string{"resource", files, "scope", "-"}, "files:read", files},
		"no redirect":          {[]string{"redirect_uri", "-"}, "notes:read", notes},
		"unknown parameters":   {[]string{"nonce", "n", "display", "popup", "audience", "x", "response_mode", "form_post"}, "notes:read", notes},
		"prompt=consent":       {[]string{"prompt", "consent"}, "notes:read", notes},
	} {
		a := r.flow(cookie, row.changes...)
		c, err := r.verify(a.Access, row.resource)
		if err != nil || a.Scope != row.scope || strings.Join(c.Scopes, " ") != row.scope {
			t.Errorf("%s: scope %q, %v", name, a.Scope, err)
		}
	}
	resp := r.decide(cookie, r.ask(cookie, "state", "-"), "allow")
	if to, _ := resp.Location(); to.Query().Has("state") {
		t.Error("the answer has a state that was not sent")
	}
}

// A grant fits into a record, whatever its tokens are used for: a client that asks for more is refused.
func TestManyScopes(t *testing.T) {
	t.Parallel()
	var names []string
	r := newServer(t, func(cfg *oauth.Config) {
		cfg.Resources[0].Scopes = nil
		for i := range 64 {
			names = append(names, fmt.Sprintf("a-scope-with-a-long-name-%d", i))
			cfg.Resources[0].Scopes = append(cfg.Resources[0].Scopes, oauth.Scope{Name: names[i], Text: "Text"})
		}
		cfg.Clients = cfg.Clients[:1]
	})
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	if to := r.do("GET", "/authorize?"+query("scope", strings.Join(names, " ")), "", "Cookie", cookie).Header.Get("Location"); !strings.Contains(to, "error=invalid_scope") {
		t.Errorf("64 scopes: led to %q", to)
	}
	a := r.flow(cookie, "scope", strings.Join(names[:20], " "))
	for i := range 200 { // from many places
		headers := []string{"Test-Ip", fmt.Sprintf("198.51.%d.1", i)}
		if next := r.tokenWith(headers, "grant_type", "refresh_token", "client_id", "web", "refresh_token", a.Refresh); next.Status >= 500 {
			t.Fatalf("refresh %d: %+v", i, next)
		} else if next.Status != http.StatusOK {
			break
		}
	}
}

// A code fits its client, redirect URI, resource and verifier alone; what does not fit leaves it good.
func TestCodeIsBound(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	code := r.authorize(cookie)
	for name, row := range map[string]struct {
		more []string
		code string
	}{
		"another client":   {[]string{"client_id", "other"}, "invalid_grant"},
		"another redirect": {[]string{"redirect_uri", callback + "x"}, "invalid_grant"},
		"another resource": {[]string{"resource", files}, "invalid_target"},
		"twice":            {[]string{"code", code}, "invalid_request"},
	} {
		if a := r.redeem(code, row.more...); a.Status != http.StatusBadRequest || a.Error != row.code {
			t.Errorf("%s: %d %s", name, a.Status, a.Error)
		}
	}
	for name, v := range map[string]string{"none": "", "another": strings.Repeat("a", 43), "with a line break": verifier + "\n"} {
		if a := r.token("grant_type", "authorization_code", "client_id", "web", "code", code, "code_verifier", v); a.Status != http.StatusBadRequest {
			t.Errorf("verifier %s: %d", name, a.Status)
		}
	}
	if a := r.redeem(code); a.Status != http.StatusOK {
		t.Errorf("after all that: %d %s", a.Status, a.Error)
	}
}

// A verifier that has another form than RFC 7636 gives it is refused, though it fits its challenge.
func TestVerifierForm(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for v, want := range map[string]int{
		"short-verifier": 400, strings.Repeat("a", 129): 400, strings.Repeat("a b", 20): 400, strings.Repeat("é", 30): 400, verifier + "\n": 400,
		strings.Repeat("a", 43): 200, strings.Repeat("a", 128): 200, strings.Repeat("aZ0-._~", 7): 200,
	} {
		sum := sha256.Sum256([]byte(v))
		code := r.authorize(cookie, "code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		if a := r.token("grant_type", "authorization_code", "client_id", "web", "code", code, "code_verifier", v); a.Status != want {
			t.Errorf("%.20q, %d characters: %d, want %d", v, len(v), a.Status, want)
		}
	}
}

// The second use of a code is refused and ends what the first was given, on another replica as well. A
// replay without the verifier ends nothing.
func TestReplayedCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r, second := w.replica(), w.replica()
	r.user("ada@example.com")
	code := r.authorize(r.login("ada@example.com"))
	first := r.redeem(code)
	if a := r.token("grant_type", "authorization_code", "client_id", "web", "code", code, "code_verifier", strings.Repeat("b", 43)); a.Status == 200 || r.ended(first.Access) {
		t.Errorf("a replay without the verifier: %d, ended %t", a.Status, r.ended(first.Access))
	}
	if a := second.redeem(code); a.Error != "invalid_grant" {
		t.Errorf("the second use: %+v", a)
	}
	if !r.ended(first.Access) || !w.saw(oauth.EventCodeReplayed) {
		t.Error("the access token of the first use was not revoked, or no event said so")
	}
	if a := r.refresh(first.Refresh); a.Error != "invalid_grant" {
		t.Errorf("its refresh token: %+v", a)
	}
}
