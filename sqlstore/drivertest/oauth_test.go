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
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/revocation"
)

// connectedApps is an authorization server, and the app and the browser that use it.
type connectedApps struct {
	t    testing.TB
	mux  *http.ServeMux
	user *auth.Principal // who is logged in to the browser
	*oauth.Server
}

const appSecret = "the secret of an app, in tests"

// newApps returns an authorization server that keeps everything in these stores.
func newApps(t testing.TB, a *auth.Authenticator, tokens *jwt.Issuer, keys serverKeys, store everyStore, records auth.RecordStore) *connectedApps {
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
	return c.tokens(form).Refresh
}

// appTokens is what an app reads of an answer of the token endpoint.
type appTokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// tokens calls the token endpoint, and returns the zero value if it refuses.
func (c *connectedApps) tokens(form url.Values) (t appTokens) {
	c.t.Helper()
	form.Set("client_id", "app")
	form.Set("client_secret", strings.ReplaceAll(appSecret, " ", "-"))
	resp := c.send("POST", "/token", form)
	if err := json.NewDecoder(resp.Body).Decode(&t); err != nil || resp.StatusCode >= 500 {
		c.t.Fatalf("token: %d, %v", resp.StatusCode, err)
	}
	return t
}

// TestAccessTokenIsNotLookedUp calls a resource a hundred times with the access token of an app: no call reads
// from the store. Only package revocation reads its feed, whether there are calls or not.
func TestAccessTokenIsNotLookedUp(t *testing.T) {
	t.Parallel()
	const resource = "https://id.test/mcp"
	s := &storeCalls{everyStore: memstore.New()}
	revoked, err := revocation.Follow(s, revocation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { revoked.Close() })
	if err := revoked.Sync(bounded(t)); err != nil {
		t.Fatal(err)
	}
	keys := newKeys(t)
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://id.test", Audience: "api", Resources: []string{resource}, Keys: keys.access, Check: revoked.Check,
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(s, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys.refresh, Records: s, Accounts: s})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := tokens.VerifierFor(resource)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewMiddleware(verifier, auth.MiddlewareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	app := newApps(t, a, tokens, keys, s, s)
	create(t, s, user("1", "alice"))
	login, err := a.LoginUser(bounded(t), "1", "pwd")
	if err != nil {
		t.Fatal(err)
	}
	refreshToken, _ := app.connect(login.Principal)
	before := len(s.calls())
	access := app.tokens(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}}).Access
	after := len(s.calls())
	if access == "" || after == before {
		t.Fatalf("a refresh made %d calls of the store: the test proves nothing", after-before)
	}
	api := guard.RequireScope("read")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for range 100 {
		call, w := httptest.NewRequest("GET", resource, nil), httptest.NewRecorder()
		call.Header.Set("Authorization", "Bearer "+access)
		if api.ServeHTTP(w, call); w.Code != http.StatusNoContent {
			t.Fatalf("the resource answered %d: %s", w.Code, w.Body)
		}
	}
	if list := s.calls()[after:]; len(list) > 0 {
		t.Errorf("100 calls of a resource made %d calls of the store, the first is %s", len(list), list[0].name)
	}
}
