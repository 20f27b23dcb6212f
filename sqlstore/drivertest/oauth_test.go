package drivertest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/oauth"
)

// connectedApps is an authorization server, and the app and the browser that use it.
type connectedApps struct {
	t    *testing.T
	mux  *http.ServeMux
	user *auth.Principal // who is logged in to the browser
	*oauth.Server
}

const appSecret = "the secret of an app, in tests"

// newApps returns an authorization server that keeps everything in these stores.
func newApps(t *testing.T, a *auth.Authenticator, tokens *jwt.Issuer, keys serverKeys, store everyStore, records auth.RecordStore) *connectedApps {
	t.Helper()
	c := &connectedApps{t: t, mux: http.NewServeMux()}
	server, err := oauth.New(a, oauth.Config{
		Issuer: "https://id.test", Tokens: tokens, Keys: keys.access, Records: records, Sessions: store, Secrets: keys.refresh, LoginURL: "/login",
		Resources: []oauth.Resource{{URL: "https://id.test/mcp", Scopes: []oauth.Scope{{Name: "read", Text: "Read"}}}},
		User:      func(*http.Request) (*auth.Principal, error) { return c.user, nil },
		Clients:   []oauth.Client{{ID: "app", RedirectURIs: []string{"https://app.test/cb"}, Secret: strings.ReplaceAll(appSecret, " ", "-"), AuthMethod: "client_secret_post"}},
	})
	if err == nil {
		err = server.Mount(c.mux)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Server = server
	return c
}

func (c *connectedApps) send(method, target string, form url.Values) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	c.mux.ServeHTTP(w, r)
	return w.Result()
}

var sealedRequest = regexp.MustCompile(`name="request" value="([^"]+)"`)

// code returns a code that the user has allowed. The consent is remembered, so only the first is asked about.
func (c *connectedApps) code(user *auth.Principal) string {
	c.t.Helper()
	c.user = user
	query := url.Values{
		"response_type": {"code"}, "client_id": {"app"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	resp := c.send("GET", "/authorize?"+query.Encode(), nil)
	if resp.StatusCode == http.StatusOK {
		var page strings.Builder
		if err := resp.Write(&page); err != nil {
			c.t.Fatal(err)
		}
		resp = c.send("POST", "/authorize/decision", url.Values{"decision": {"allow"}, "request": {sealedRequest.FindStringSubmatch(page.String())[1]}})
	}
	to, err := resp.Location()
	if err != nil || to.Query().Get("code") == "" {
		c.t.Fatalf("no code: %d %v", resp.StatusCode, to)
	}
	return to.Query().Get("code")
}

// connect has a user allow the app, and returns a refresh token and a code that is not used.
func (c *connectedApps) connect(user *auth.Principal) (refreshToken, code string) {
	c.t.Helper()
	t := c.token(url.Values{"grant_type": {"authorization_code"}, "code": {c.code(user)}, "code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}})
	if t == "" {
		c.t.Fatal("the code was refused")
	}
	return t, c.code(user)
}

// token calls the token endpoint, and returns the refresh token of the answer, or "" if there is none.
func (c *connectedApps) token(form url.Values) string {
	c.t.Helper()
	form.Set("client_id", "app")
	form.Set("client_secret", strings.ReplaceAll(appSecret, " ", "-"))
	resp := c.send("POST", "/token", form)
	var t struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&t); err != nil || resp.StatusCode >= 500 {
		c.t.Fatalf("token: %d, %v", resp.StatusCode, err)
	}
	return t.Refresh
}
