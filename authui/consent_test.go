package authui_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/secrets"
)

// hostileName is the name of a client that tries to write HTML.
const hostileName = `</p><script>alert(1)</script><b onclick="x">`

// newServer returns a site with an authorization server, whose clients have been configured.
func newServer(t *testing.T) *site {
	t.Helper()
	var server *oauth.Server
	store, ring := memstore.New(), must(secrets.NewRing(secrets.Generate()))
	s := newSiteOn(t, store, authui.Config{
		Name:     "Notes",
		ReturnTo: func(sealed string) (string, bool) { return server.ReturnTo(sealed) },
		Apps:     lazyApps{&server},
	}, func(cfg *authkit.Config) { cfg.Secrets, cfg.Tokens.Resources = ring, []string{origin + "/mcp"} })
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: origin, Audience: origin, Resources: []string{origin + "/mcp"}, Keys: s.app.Keys}))
	server = must(oauth.New(s.app.Accounts, oauth.Config{
		Issuer: origin, Prefix: "/oauth", Tokens: tokens, Keys: s.app.Keys, Records: store, Sessions: store, Secrets: ring,
		Resources: []oauth.Resource{{URL: origin + "/mcp", Name: "Your notes", Scopes: []oauth.Scope{
			{Name: "notes:read", Text: "Read your notes"}, {Name: "notes:write", Text: "Change your notes"},
		}}},
		User: s.app.Check, LoginURL: "/login", Consent: s.pages.Consent, Device: oauth.Device{On: true, Page: s.pages.Device},
		Clients: []oauth.Client{
			{ID: "web", Name: "Web App", RedirectURIs: []string{"https://app.test/cb"}},
			{ID: "native", Name: "Native App", RedirectURIs: []string{"http://127.0.0.1/cb"}},
			{ID: "tv", Name: "Living Room TV", Grants: []string{"urn:ietf:params:oauth:grant-type:device_code"}},
			{ID: "evil", Name: hostileName, RedirectURIs: []string{"https://evil.test/cb"}},
		},
	}))
	mux := http.NewServeMux()
	if err := server.Mount(mux); err != nil {
		t.Fatal(err)
	}
	s.mux.Handle("/oauth/", mux)
	return s
}

// lazyApps are the apps of a server that is made after the pages.
type lazyApps struct{ server **oauth.Server }

func (l lazyApps) Grants(ctx context.Context, userID string) ([]oauth.Grant, error) {
	return (*l.server).Grants(ctx, userID)
}

func (l lazyApps) EndGrant(ctx context.Context, userID, grantID string) error {
	return (*l.server).EndGrant(ctx, userID, grantID)
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// authorize opens a request of a client, as an app does that a user has clicked in.
func (b *browser) authorize(client, redirect, scope string) *shown {
	b.t.Helper()
	return b.send("GET", "/oauth/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirect}, "scope": {scope}, "state": {"s " + scope},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, "resource": {origin + "/mcp"},
	}.Encode(), "cross-site", nil)
}

// decide sends the decision of a consent page, and returns what the app receives.
func (b *browser) decide(page *shown, decision string, fields ...string) url.Values {
	b.t.Helper()
	got := b.submit(page, "/oauth/authorize/decision", append(fields, "decision", decision)...)
	location, err := url.Parse(got.header.Get("Location"))
	if err != nil || got.status != 302 && got.status != 303 || location.Host == "" {
		b.t.Fatalf("the decision is answered %d %q:\n%s", got.status, got.header.Get("Location"), got.text())
	}
	return location.Query()
}

func TestConsent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.register("ada")
	b := s.browser()

	// A wrong password on the way loses nothing.
	page := b.authorize("web", "https://app.test/cb", "notes:read notes:write").want(200, "/login")
	page = b.submit(page, "/login", "username", "ada", "password", other).want(401, "/login")
	page = b.submit(page, "/login", "username", "ada", "password", password)
	page.want(200, "/oauth/authorize", "Allow access?", "Web App", "app.test", "Your notes", "Read your notes", "Change your notes", "ada", "Allow", "Deny")
	if policy := page.header.Get("Content-Security-Policy"); strings.Contains(policy, "form-action") || !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the policy of the page is %s", policy)
	}
	if strings.Contains(page.body, `class="warning"`) {
		t.Error("the page warns of an app that runs elsewhere")
	}
	if !strings.Contains(page.text(), "at the latest") {
		t.Error("the page does not say when the access ends")
	}
	if got := b.decide(page, "allow", "scope", "notes:read"); got.Get("code") == "" || got.Get("state") != "s notes:read notes:write" {
		t.Errorf("the app receives %v", got)
	}
	if got := b.decide(b.authorize("web", "https://app.test/cb", "notes:read"), "deny"); got.Get("error") != "access_denied" {
		t.Errorf("after Deny the app receives %v", got)
	}

	page = b.authorize("native", "http://127.0.0.1:4711/cb", "notes:read").want(200, "/oauth/authorize", "127.0.0.1:4711")
	if !strings.Contains(page.body, `class="warning"`) {
		t.Error("the page does not warn of an app on the user's own computer")
	}
	page = b.authorize("evil", "https://evil.test/cb", "notes:read")
	if strings.Contains(page.body, "<script") || strings.Contains(page.body, "<b ") || !strings.Contains(page.text(), "evil.test") {
		t.Errorf("the name of a client becomes HTML:\n%s", page.body)
	}

	// A new account in the middle.
	c := s.browser()
	page = c.authorize("web", "https://app.test/cb", "notes:read").want(200, "/login")
	_, fields := page.form("/login")
	page = c.open("/register?" + url.Values{"return_to": {fields.Get("return_to")}}.Encode())
	page = c.submit(page, "/register", "username", "bob", "password", password).want(200, "/oauth/authorize", "Web App", "bob")
	c.decide(page, "allow")

	// Two tabs.
	one, two := b.authorize("web", "https://app.test/cb", "notes:read"), b.authorize("native", "http://127.0.0.1:4711/cb", "notes:read")
	b.decide(two, "allow")
	b.decide(one, "allow")
}

// A user sees each app that has access, and ends it.
func TestConnectedApps(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.register("ada")
	b := s.browser()
	b.login("ada").want(200, "/account", "No app has access")
	code := b.decide(b.authorize("web", "https://app.test/cb", "notes:read").want(200, "/oauth/authorize"), "allow").Get("code")
	r := httptest.NewRequestWithContext(t.Context(), "POST", origin+"/oauth/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {"web"}, "redirect_uri": {"https://app.test/cb"}, "code_verifier": {verifier},
	}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("the code is answered %d %s", w.Code, w.Body)
	}
	account := b.open("/account").want(200, "/account", "Connected apps", "Web App", "notes:read")
	s.register("eve")
	eve := s.browser()
	_, form := account.form("/account/apps")
	eve.login("eve").want(200, "/account")
	_, own := eve.open("/account/password").form("/account/password")
	form.Set("form_token", own.Get("form_token"))
	eve.send("POST", "/account/apps", "same-origin", form).want(404, "/account/apps", "no access any more")
	b.open("/account").want(200, "/account", "Web App")
	ended := b.submit(account, "/account/apps").want(200, "/account", "The app has no access any more", "No app has access")
	if strings.Contains(ended.text(), "Web App") {
		t.Error("the app is still listed")
	}
}

// A device shows a code; the user types it in, compares it, and decides.
func TestDevice(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.register("ada")
	b := s.browser()
	b.login("ada")
	begin := func() (code string) {
		t.Helper()
		var d struct {
			Code string `json:"user_code"`
		}
		asked := b.send("POST", "/oauth/device_authorization", "same-origin", url.Values{"client_id": {"tv"}, "scope": {"notes:read"}, "resource": {origin + "/mcp"}})
		if err := json.Unmarshal([]byte(asked.body), &d); err != nil || d.Code == "" {
			t.Fatalf("the device gets %d %s", asked.status, asked.body)
		}
		return d.Code
	}
	b.open("/oauth/device").want(200, "/oauth/device", "Connect a device", "Enter the code")
	b.open("/oauth/device?user_code=BBBB-BBBB").want(404, "/oauth/device", "This code is unknown")
	for decision, done := range map[string]string{"allow": "Your device is connected", "deny": "Your device is not connected"} {
		code := begin()
		page := b.open("/oauth/device?user_code="+code).want(200, "/oauth/device", "Living Room TV", code, "Your notes", "Read your notes", "ada", "Deny this if", "at the latest")
		if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("the policy of the page is %s", policy)
		}
		action, form := page.form("/oauth/device/decision")
		form.Set("decision", decision)
		b.send("POST", action, "same-origin", form).want(200, "/oauth/device/decision", done)
	}
}
