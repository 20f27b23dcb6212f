package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth"
)

// Whatever ends the sessions of a user ends the grants: refresh tokens at once, access tokens by a
// revocation. A logout of the browser does not.
func TestGrantsEndWithSessions(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		do   func(ctx context.Context, a *auth.Authenticator, userID, sessionID string) error
		ends bool
	}{
		"logout": {func(ctx context.Context, a *auth.Authenticator, userID, sessionID string) error {
			return a.EndSession(ctx, userID, sessionID)
		}, false},
		"changed password": {func(ctx context.Context, a *auth.Authenticator, userID, _ string) error {
			_, err := a.ChangePassword(ctx, userID, password, "another horse battery staple")
			return err
		}, true},
		"set password": {func(ctx context.Context, a *auth.Authenticator, userID, _ string) error {
			return a.SetPassword(ctx, userID, "another horse battery staple")
		}, true},
		"disabled": {func(ctx context.Context, a *auth.Authenticator, userID, _ string) error {
			return a.Disable(ctx, userID)
		}, true},
		"deleted": {func(ctx context.Context, a *auth.Authenticator, userID, _ string) error { return a.Delete(ctx, userID) }, true},
		"logged out everywhere": {func(ctx context.Context, a *auth.Authenticator, userID, _ string) error {
			return a.EndSessions(ctx, userID, "")
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newServer(t, nil)
			id := r.user("ada@example.com")
			cookie := r.login("ada@example.com")
			p, err := r.issuer.Verify(t.Context(), strings.TrimPrefix(cookie, "login="))
			if err != nil {
				t.Fatal(err)
			}
			a := r.flow(cookie)
			pending := r.authorize(cookie) // allowed, and not redeemed yet
			if err := row.do(t.Context(), r.accounts, id, p.SessionID()); err != nil {
				t.Fatal(err)
			}
			if got := r.refresh(a.Refresh); (got.Error == "invalid_grant") != row.ends {
				t.Errorf("refresh: %d %s", got.Status, got.Error)
			}
			if got := r.ended(a.Access); got != row.ends {
				t.Errorf("the access token was revoked: %t", got)
			}
			if got := r.redeem(pending); got.Error != "invalid_grant" {
				t.Errorf("a code whose login has ended: %d %s", got.Status, got.Error)
			}
			list, err := r.server.Grants(t.Context(), id)
			if err != nil || (len(list) == 0) != row.ends {
				t.Errorf("grants: %v, %v", list, err)
			}
			if name == "deleted" {
				if left, err := r.store.Records(t.Context(), id); err != nil || len(left) > 0 {
					t.Errorf("%d records of the deleted user are left, %v", len(left), err)
				}
			}
		})
	}
}

// A user sees their own apps, the newest first, and ends them; nobody else does, and no other site.
func TestApps(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r, second := w.replica(), w.replica()
	r.user("ada@example.com")
	r.user("eve@example.com")
	ada, eve := r.login("ada@example.com"), r.login("eve@example.com")
	first := r.flow(ada, "scope", "notes:read notes:write")
	other := r.flow(ada, "resource", files, "scope", "files:read")
	type app struct {
		ID         string    `json:"id"`
		ClientID   string    `json:"client_id"`
		ClientName string    `json:"client_name"`
		Resource   string    `json:"resource"`
		Scopes     []string  `json:"scopes"`
		Created    time.Time `json:"created"`
		LastUsed   time.Time `json:"last_used"`
	}
	list := func(cookie string) (apps []app) {
		t.Helper()
		var body struct{ Apps []app }
		if err := json.NewDecoder(r.do("GET", "/apps", "", "Cookie", cookie).Body).Decode(&body); err != nil || body.Apps == nil {
			t.Fatal(body, err)
		}
		return body.Apps
	}
	apps := list(ada)
	if len(apps) != 2 || len(list(eve)) != 0 || apps[0].Resource != files || apps[1].ClientID != "web" || apps[1].ClientName != "Web App" ||
		len(apps[1].Scopes) != 2 || apps[1].Created.IsZero() || apps[1].LastUsed.IsZero() {
		t.Fatalf("apps: %+v", apps)
	}
	id := apps[1].ID
	for name, row := range map[string]struct {
		cookie, id string
		headers    []string
		status     int
	}{
		"nobody":      {"", id, nil, 401},
		"another":     {eve, id, nil, 404},
		"unknown":     {ada, "nothing", nil, 404},
		"other site":  {ada, id, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"same domain": {ada, id, []string{"Origin", "https://evil.auth.example", "Sec-Fetch-Site", "same-site"}, 403},
	} {
		if resp := r.do("DELETE", "/apps/"+row.id, "", append(row.headers, "Cookie", row.cookie)...); resp.StatusCode != row.status {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, row.status)
		}
	}
	if resp := r.do("DELETE", "/apps/"+id, "", "Cookie", ada, "Origin", issuer, "Sec-Fetch-Site", "same-origin"); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("its user: %d", resp.StatusCode)
	}
	if got := second.refresh(first.Refresh); got.Error != "invalid_grant" || !r.ended(first.Access) || !w.saw(oauth.EventGrantEnded) {
		t.Errorf("after the end: %+v", got)
	}
	if got := second.refresh(other.Refresh); got.Status != http.StatusOK || len(list(ada)) != 1 {
		t.Errorf("the other app: %+v", got)
	}
	if resp := r.do("DELETE", "/apps/"+id, "", "Cookie", ada); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the second time: %d", resp.StatusCode)
	}
	if resp := r.do("GET", "/apps", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the list of nobody: %d", resp.StatusCode)
	}
	for _, pair := range [][2]string{{"", id}, {"u", ""}, {"u", "a b"}, {"u", strings.Repeat("x", 300)}} {
		if err := r.server.EndGrant(t.Context(), pair[0], pair[1]); !errors.Is(err, oauth.ErrGrantNotFound) {
			t.Errorf("EndGrant(%.20q): %v", pair, err)
		}
	}
}

// A client revokes its own tokens, and no others. Both kinds of tokens end the grant.
func TestRevoke(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	revoke := func(headers []string, parameters url.Values) int {
		t.Helper()
		return r.do("POST", "/revoke", parameters.Encode(), headers...).StatusCode
	}
	for _, kind := range []string{"refresh", "access"} {
		a := r.flow(cookie)
		token := a.Refresh
		if kind == "access" {
			token = a.Access
		}
		for name, row := range map[string]struct {
			headers    []string
			parameters url.Values
			status     int
		}{
			"another client": {nil, url.Values{"client_id": {"other"}, "token": {token}}, 200},
			"a confidential": {basic("secret", secret), url.Values{"token": {token}}, 200},
			"no client":      {nil, url.Values{"token": {token}}, 401},
			"wrong secret":   {basic("secret", "x"), url.Values{"token": {token}}, 401},
			"no token":       {nil, url.Values{"client_id": {"web"}}, 400},
			"unknown token":  {nil, url.Values{"client_id": {"web"}, "token": {"x"}}, 200},
			"altered token":  {nil, url.Values{"client_id": {"web"}, "token": {token[:len(token)-9] + "AAAAAAAAA"}}, 200},
		} {
			if status := revoke(row.headers, row.parameters); status != row.status || r.ended(a.Access) {
				t.Errorf("%s, %s: %d, ended %t", kind, name, status, r.ended(a.Access))
			}
		}
		if status := revoke(nil, url.Values{"client_id": {"web"}, "token": {token}, "token_type_hint": {"nonsense"}}); status != 200 || !r.ended(a.Access) {
			t.Errorf("%s: %d, ended %t", kind, status, r.ended(a.Access))
		}
		if got := r.refresh(a.Refresh); got.Error != "invalid_grant" {
			t.Errorf("%s: the refresh token: %+v", kind, got)
		}
	}
}

// A resource server learns of tokens for its own audience alone.
func TestIntrospect(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	id := r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	own, foreign := r.flow(cookie), r.flow(cookie, "resource", files, "scope", "files:read")
	ask := func(token string, headers ...string) (int, map[string]any) {
		t.Helper()
		var body map[string]any
		resp := r.do("POST", "/introspect", url.Values{"token": {token}}.Encode(), headers...)
		if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, body
	}
	if status, body := ask(own.Access, basic("api", secret)...); status != 200 || body["active"] != true || body["sub"] != id || body["client_id"] != "web" || body["scope"] != "notes:read" {
		t.Errorf("its own: %d %v", status, body)
	}
	for name, token := range map[string]string{"another audience": foreign.Access, "a refresh token": own.Refresh, "a browser's": strings.TrimPrefix(cookie, "login="), "none": "x"} {
		if status, body := ask(token, basic("api", secret)...); status != 200 || len(body) != 1 || body["active"] != false {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
	for name, row := range map[string]struct {
		headers []string
		status  int
	}{"nobody": {nil, 401}, "wrong secret": {basic("api", "x"), 401}} {
		if status, body := ask(own.Access, row.headers...); status != row.status || body["active"] != nil {
			t.Errorf("%s: %d %v", name, status, body)
		}
	}
	if status, body := ask(own.Access, basic("secret", secret)...); status != 200 || len(body) != 1 || body["active"] != false {
		t.Errorf("another client: %d %v", status, body)
	}
	code := r.authorize(cookie, "client_id", "secret")
	self := r.tokenWith(basic("secret", secret), "grant_type", "authorization_code", "code", code, "code_verifier", verifier)
	if status, body := ask(self.Access, basic("secret", secret)...); status != 200 || body["active"] != true {
		t.Errorf("a client's own token: %d %v", status, body)
	}
	if status := r.do("POST", "/introspect", "token="+own.Access+"&client_id=web").StatusCode; status != 403 {
		t.Errorf("a public client: %d", status)
	}
}

// A user has only so many grants. One more ends the least recently used one of the same app, before any of another
// app; the logins of the user are none, and the consent stays.
func TestGrantsPerUser(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) { cfg.GrantsPerUser = 3 })
	id := r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	code := r.authorize(cookie, "client_id", "other", "redirect_uri", "https://other.example/cb")
	other := r.token("grant_type", "authorization_code", "client_id", "other", "code", code, "code_verifier", verifier)
	first := r.flow(cookie)
	second := r.flow(cookie)
	if first = r.refresh(first.Refresh); first.Status != http.StatusOK { // used after the second
		t.Fatalf("%+v", first)
	}
	third := r.flow(cookie)
	grants, err := r.server.Grants(t.Context(), id)
	if err != nil || len(grants) != 3 {
		t.Errorf("%d grants, %v", len(grants), err)
	}
	if a := r.refresh(second.Refresh); a.Error != "invalid_grant" {
		t.Errorf("the least recently used grant: %+v", a)
	}
	for name, a := range map[string]answer{"a used grant": r.refresh(first.Refresh), "the last": r.refresh(third.Refresh), "another app's": r.refresh(other.Refresh, "client_id", "other")} {
		if a.Status != http.StatusOK {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if _, err := r.issuer.Verify(t.Context(), strings.TrimPrefix(cookie, "login=")); err != nil {
		t.Errorf("the user's login: %v", err)
	}
	if records, err := r.store.Records(t.Context(), id); err != nil || slices.ContainsFunc(records, func(rec auth.Record) bool {
		return strings.HasPrefix(rec.Key, "oauth:grant:") && !slices.ContainsFunc(grants, func(g oauth.Grant) bool { return strings.HasSuffix(rec.Key, g.ID) })
	}) {
		t.Errorf("records of grants that have ended are left, %v", err)
	}
}
