package readme_test

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// visitor is a browser, and the app that leads it to the program.
type visitor struct {
	*http.Client
	t    *testing.T
	base string
}

// do sends a request, and returns the answer and its body. headers are names and values.
func (v *visitor) do(method, path, body string, headers ...string) (*http.Response, string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	response, err := v.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return response, string(text)
}

// get decodes the JSON document of an address of the program.
func (v *visitor) get(address string) (document map[string]any) {
	v.t.Helper()
	response, text := v.do("GET", strings.TrimPrefix(address, v.base), "")
	if err := json.Unmarshal([]byte(text), &document); err != nil || response.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: %d %s", address, response.StatusCode, text)
	}
	return document
}

var (
	formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
	formHidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)
)

// submit sends the first form of a page, with further fields as names and values.
func (v *visitor) submit(page string, fields ...string) (*http.Response, string) {
	v.t.Helper()
	values := url.Values{}
	for _, field := range formHidden.FindAllStringSubmatch(page, -1) {
		values.Set(field[1], html.UnescapeString(field[2]))
	}
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	action := formAction.FindStringSubmatch(page)
	if action == nil {
		v.t.Fatalf("the page has no form: %s", page)
	}
	return v.do("POST", html.UnescapeString(action[1]), values.Encode(), "Origin", v.base, "Sec-Fetch-Site", "same-origin")
}

// TestLogInToMCPServer runs the program of docs/mcp-login.md, and takes the way of an MCP client that knows nothing but
// the address of the server, with a user who has no account yet.
func TestLogInToMCPServer(t *testing.T) {
	t.Parallel()
	program := blocks(t, "docs/mcp-login.md", "go")[0]
	if n := strings.Count(program.text, "\n"); n > 60 {
		t.Errorf("the program has %d lines, want at most 60", n)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, base: "http://" + start(t, program)}
	v.Client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if "http://"+r.URL.Host != v.base {
			return http.ErrUseLastResponse
		}
		return nil
	}}

	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greet","arguments":{}}}`
	const bothTypes = "application/json, text/event-stream"
	response, _ := v.do("POST", "/mcp", call, "Content-Type", "application/json", "Accept", bothTypes)
	challenge := regexp.MustCompile(`resource_metadata="([^"]+)"`).FindStringSubmatch(response.Header.Get("WWW-Authenticate"))
	if response.StatusCode != http.StatusUnauthorized || challenge == nil {
		t.Fatalf("without a token: %d %q", response.StatusCode, response.Header)
	}
	resource := v.get(challenge[1])
	if resource["resource"] != v.base+"/mcp" || resource["authorization_servers"].([]any)[0] != v.base {
		t.Fatalf("the metadata of the resource: %v", resource)
	}
	server := v.get(v.base + "/.well-known/oauth-authorization-server")
	if server["issuer"] != v.base || server["client_id_metadata_document_supported"] != true {
		t.Fatalf("the metadata of the authorization server: %v", server)
	}
	endpoint := func(name string) string { return strings.TrimPrefix(server[name].(string), v.base) }

	const callback = "http://127.0.0.1:4711/callback"
	const verifier, hashed = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	var client struct {
		ID string `json:"client_id"`
	}
	_, text := v.do("POST", endpoint("registration_endpoint"),
		`{"client_name":"Test App","redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"none"}`, "Content-Type", "application/json")
	if err := json.Unmarshal([]byte(text), &client); err != nil || client.ID == "" {
		t.Fatalf("the registration: %s", text)
	}
	_, page := v.do("GET", endpoint("authorization_endpoint")+"?"+url.Values{
		"response_type": {"code"}, "client_id": {client.ID}, "redirect_uri": {callback}, "state": {"x"},
		"resource": {v.base + "/mcp"}, "code_challenge": {hashed}, "code_challenge_method": {"S256"},
	}.Encode(), "")
	link := regexp.MustCompile(`href="(/register[^"]*)"`).FindStringSubmatch(page)
	if link == nil {
		t.Fatalf("the page that logs in has no link to create an account: %s", page)
	}
	_, page = v.do("GET", html.UnescapeString(link[1]), "")
	_, page = v.submit(page, "username", "ada", "password", "correct horse battery staple")
	for _, want := range []string{"Test App", "Greet you", "Greeter", "127.0.0.1:4711"} {
		if !strings.Contains(page, want) {
			t.Fatalf("the page that asks the user lacks %q: %s", want, page)
		}
	}
	response, text = v.submit(page, "decision", "allow")
	to, err := response.Location()
	if err != nil || to.Query().Get("code") == "" || to.Query().Get("state") != "x" || to.Query().Get("iss") != v.base {
		t.Fatalf("the answer of the user: %d %v %s", response.StatusCode, to, text)
	}
	var tokens struct {
		Access string `json:"access_token"`
	}
	_, text = v.do("POST", endpoint("token_endpoint"), url.Values{
		"grant_type": {"authorization_code"}, "client_id": {client.ID}, "redirect_uri": {callback},
		"code": {to.Query().Get("code")}, "code_verifier": {verifier}, "resource": {v.base + "/mcp"},
	}.Encode())
	if err := json.Unmarshal([]byte(text), &tokens); err != nil || tokens.Access == "" {
		t.Fatalf("the token: %s", text)
	}
	response, text = v.do("POST", "/mcp", call, "Content-Type", "application/json", "Accept", bothTypes, "Authorization", "Bearer "+tokens.Access)
	if response.StatusCode != http.StatusOK || !regexp.MustCompile(`"text":"hello \S+"`).MatchString(text) {
		t.Errorf("the tool: %d %s", response.StatusCode, text)
	}
	// A token of this resource opens nothing else.
	v.Client = &http.Client{} // without the cookies of the login
	if response, _ = v.do("GET", "/auth/me", "", "Authorization", "Bearer "+tokens.Access); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("the account, with the token of the tool: %d", response.StatusCode)
	}
}
