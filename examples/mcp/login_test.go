package main

import (
	"encoding/json"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/authtest"
)

const (
	callback = "http://127.0.0.1:4711/cb"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	password = "correct horse battery staple"
)

// browser is a browser, and the app that has led it to the server.
type browser struct {
	*http.Client
	t    *testing.T
	base string
}

// newBrowser starts the program's handler, and returns a browser that has not been there.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	opts, err := parse([]string{"-addr=" + listener.Addr().String(), "-data=" + t.TempDir(), "-user=ada=" + password, "-register=10"})
	if err != nil {
		t.Fatal(err)
	}
	opts.hasher = authtest.FastHasher(t)
	s, err := open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := s.handler()
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(func() { server.Close(); s.close() })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if "http://"+r.URL.Host != opts.issuer {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return &browser{client, t, opts.issuer}
}

// do sends a request and returns the answer and its body.
func (b *browser) do(method, path, body string, headers ...string) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(text)
}

var (
	actionOf = regexp.MustCompile(`action="([^"]+)"`)
	hiddenOf = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
)

// submit sends the form of a page, with further fields as names and values.
func (b *browser) submit(page string, fields ...string) (*http.Response, string) {
	b.t.Helper()
	v := url.Values{}
	for _, field := range hiddenOf.FindAllStringSubmatch(page, -1) {
		v.Set(field[1], html.UnescapeString(field[2]))
	}
	for i := 0; i < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	action := actionOf.FindStringSubmatch(page)
	if action == nil {
		b.t.Fatalf("the page has no form: %s", page)
	}
	return b.do("POST", action[1], v.Encode(), "Origin", b.base, "Sec-Fetch-Site", "same-origin")
}

// An app registers itself, its user logs in (at the second try) and allows it, and it calls the API until the
// user disconnects it.
func TestLogin(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	var client struct {
		ID string `json:"client_id"`
	}
	_, text := b.do("POST", "/register", `{"client_name":"Test App","redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"none"}`)
	if err := json.Unmarshal([]byte(text), &client); err != nil || client.ID == "" {
		t.Fatalf("register: %s", text)
	}
	query := url.Values{
		"response_type": {"code"}, "client_id": {client.ID}, "redirect_uri": {callback}, "scope": {readNotes}, "state": {"x"}, "resource": {b.base + "/mcp"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode()
	_, page := b.do("GET", "/authorize?"+query, "")
	resp, page := b.submit(page, "username", "ada", "password", "a wrong one")
	if resp.StatusCode != http.StatusUnauthorized || !strings.Contains(page, "Wrong username or password") {
		t.Fatalf("a wrong password: %d %s", resp.StatusCode, page)
	}
	_, page = b.submit(page, "username", "ada", "password", password)
	for _, want := range []string{"Test App", "Read your notes", "Notes", "127.0.0.1:4711", "ada", `class="warning"`} {
		if !strings.Contains(page, want) {
			t.Fatalf("the page that asks lacks %q: %s", want, page)
		}
	}
	resp, _ = b.submit(page, "decision", "allow")
	to, err := resp.Location()
	if err != nil || to.Query().Get("code") == "" || to.Query().Get("iss") != b.base {
		t.Fatalf("the answer: %d %v", resp.StatusCode, to)
	}
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	redeem := url.Values{"grant_type": {"authorization_code"}, "client_id": {client.ID}, "code": {to.Query().Get("code")}, "code_verifier": {verifier}}
	if _, text = b.do("POST", "/token", redeem.Encode()); json.Unmarshal([]byte(text), &tokens) != nil || tokens.Refresh == "" {
		t.Fatalf("token: %s", text)
	}
	notes := func(method string) int {
		resp, _ := b.do(method, "/notes", "a note", "Authorization", "Bearer "+tokens.Access)
		return resp.StatusCode
	}
	if read, write := notes("GET"), notes("POST"); read != http.StatusOK || write != http.StatusForbidden {
		t.Errorf("read %d, write %d", read, write)
	}
	var apps struct{ Apps []struct{ ID string } }
	if _, text = b.do("GET", "/apps", ""); json.Unmarshal([]byte(text), &apps) != nil || len(apps.Apps) != 1 {
		t.Fatalf("apps: %s", text)
	}
	if resp, _ := b.do("DELETE", "/apps/"+apps.Apps[0].ID, "", "Origin", b.base); resp.StatusCode != http.StatusNoContent {
		t.Errorf("disconnect: %d", resp.StatusCode)
	}
	for end := time.Now().Add(time.Minute); notes("GET") != http.StatusUnauthorized; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the access token lives on")
		}
	}
	refresh := url.Values{"grant_type": {"refresh_token"}, "client_id": {client.ID}, "refresh_token": {tokens.Refresh}}
	if resp, text = b.do("POST", "/token", refresh.Encode()); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "invalid_grant") {
		t.Errorf("refresh: %d %s", resp.StatusCode, text)
	}
}

// Another site can neither log a browser in nor out, nor change the password; a link cannot, either.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	_, page := b.do("GET", "/login?return_to=x", "")
	form := url.Values{"username": {"ada"}, "password": {password}, "form_token": {hiddenOf.FindStringSubmatch(page)[2]}}
	for name, headers := range map[string][]string{
		"another origin": {"Origin", "https://evil.example"}, "another site": {"Sec-Fetch-Site", "cross-site"},
		"no cookie, as a form of another site sends it": {"Origin", b.base, "Cookie", ""},
	} {
		stranger := &browser{&http.Client{CheckRedirect: b.CheckRedirect}, t, b.base}
		if resp, _ := stranger.do("POST", "/login", form.Encode(), headers...); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	if resp, _ := b.submit(page, "username", "ada", "password", password); resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/account" {
		t.Errorf("the login: %d at %s", resp.StatusCode, resp.Request.URL)
	}
	loggedIn := func() bool {
		resp, _ := b.do("GET", "/apps", "")
		return resp.StatusCode == http.StatusOK
	}
	for name, row := range map[string][]string{
		"GET": {"GET", "/logout"}, "another site": {"POST", "/logout", "Sec-Fetch-Site", "cross-site"},
		"the password": {"POST", "/password", "Origin", "https://evil.example"},
	} {
		if resp, _ := b.do(row[0], row[1], "", row[2:]...); resp.StatusCode < 400 || !loggedIn() {
			t.Errorf("%s: %d, logged in %t", name, resp.StatusCode, loggedIn())
		}
	}
	change := `{"current_password":"` + password + `","new_password":"another horse battery staple"}`
	if resp, text := b.do("POST", "/password", change, "Origin", b.base, "Content-Type", "application/json"); resp.StatusCode != http.StatusOK || !loggedIn() {
		t.Errorf("the password: %d %s", resp.StatusCode, text)
	}
	if b.do("POST", "/logout", "", "Origin", b.base); loggedIn() {
		t.Error("the logout left the browser logged in")
	}
}
