package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth"
)

// shows reports whether a request leads to the page that asks.
func (r *replica) shows(cookie string, changes ...string) bool {
	r.t.Helper()
	return r.do("GET", "/authorize?"+query(changes...), "", "Cookie", cookie).StatusCode == http.StatusOK
}

// A page is answered once, on whichever replica, by the login that was asked, and by a page of this site.
func TestDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r, second := w.replica(), w.replica()
	r.user("ada@example.com")
	r.user("eve@example.com")
	ada, eve := r.login("ada@example.com"), r.login("eve@example.com")
	page := r.ask(ada)
	for name, refused := range map[string]*http.Response{
		"another user":       r.decide(eve, page, "allow"),
		"another login":      r.decide(r.login("ada@example.com"), page, "allow"),
		"no login":           r.decide("", page, "allow"),
		"another origin":     r.decide(ada, page, "allow", "Origin", "https://evil.example"),
		"another site":       r.decide(ada, page, "allow", "Sec-Fetch-Site", "cross-site"),
		"a sandboxed page":   r.decide(ada, page, "allow", "Origin", "null", "Sec-Fetch-Site", "cross-site"),
		"no decision":        r.decide(ada, page, ""),
		"another decision":   r.decide(ada, page, "Allow"),
		"an altered request": r.decide(ada, page[:40]+"AAAAAAAA"+page[48:], "allow"),
		"no request":         r.decide(ada, "", "allow"),
		"GET":                r.do("GET", "/authorize/decision?"+url.Values{"request": {page}, "decision": {"allow"}}.Encode(), "", "Cookie", ada),
	} {
		if refused.StatusCode < 400 || refused.StatusCode >= 500 || refused.Header.Get("Location") != "" {
			t.Errorf("%s: %d %s", name, refused.StatusCode, refused.Header.Get("Location"))
		}
	}
	second.code(second.decide(ada, page, "allow"))
	if again := r.decide(ada, page, "allow"); again.StatusCode != http.StatusBadRequest {
		t.Errorf("the page that was answered: %d", again.StatusCode)
	}
}

// Deny goes to the client, and so does a choice of no scope. What a form adds is not granted.
func TestDenyAndNarrow(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	both := []string{"scope", "notes:read notes:write"}
	answer := func(more url.Values) url.Values {
		t.Helper()
		more.Set("request", r.ask(cookie, both...))
		to, err := r.do("POST", "/authorize/decision", more.Encode(), "Cookie", cookie, "Origin", issuer).Location()
		if err != nil {
			t.Fatal(err)
		}
		return to.Query()
	}
	for name, form := range map[string]url.Values{
		"deny": {"decision": {"deny"}}, "no scope": {"decision": {"allow"}, "narrow": {"1"}},
		"a foreign scope alone": {"decision": {"allow"}, "narrow": {"1"}, "scope": {"files:read"}},
	} {
		if q := answer(form); q.Get("error") != "access_denied" || q.Get("state") != "a state" || q.Get("iss") != issuer || q.Has("code") {
			t.Errorf("%s: %v", name, q)
		}
	}
	for want, form := range map[string]url.Values{
		"notes:write":            {"decision": {"allow"}, "narrow": {"1"}, "scope": {"notes:write", "files:read", "admin"}},
		"notes:read notes:write": {"decision": {"allow"}, "scope": {"files:read"}},
	} {
		if a := r.redeem(answer(form).Get("code")); a.Scope != want {
			t.Errorf("granted %q, want %q", a.Scope, want)
		}
	}
}

// A consent is remembered for a client that nobody else can claim to be, for the same or less, until the
// grant is ended.
func TestRememberedConsent(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	id := r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	wide := "notes:read notes:write"
	for _, client := range []string{"web", "post"} {
		r.authorize(cookie, "client_id", client)
		if !r.shows(cookie, "client_id", client) {
			t.Errorf("the client %s was not asked about again", client)
		}
	}
	connect := func() {
		t.Helper()
		code := r.authorize(cookie, "client_id", "secret", "scope", wide)
		if a := r.tokenWith(basic("secret", secret), "grant_type", "authorization_code", "code", code, "code_verifier", verifier); a.Status != http.StatusOK {
			t.Fatalf("%+v", a)
		}
	}
	r.authorize(cookie, "client_id", "secret", "scope", wide)
	if !r.shows(cookie, "client_id", "secret") {
		t.Error("a consent was remembered that no grant followed from")
	}
	connect()
	for name, row := range map[string]struct {
		asked   bool
		changes []string
	}{
		"the same":         {false, []string{"scope", wide}},
		"less":             {false, nil},
		"silent":           {false, []string{"prompt", "none"}},
		"another resource": {true, []string{"resource", files, "scope", "-"}},
		"prompt=consent":   {true, []string{"prompt", "consent"}},
		"another redirect": {true, []string{"redirect_uri", callback + "/second"}},
	} {
		if got := r.shows(cookie, append([]string{"client_id", "secret"}, row.changes...)...); got != row.asked {
			t.Errorf("%s: asked %t, want %t", name, got, row.asked)
		}
	}
	grants, err := r.server.Grants(t.Context(), id)
	if err != nil || len(grants) != 1 {
		t.Fatalf("grants: %v, %v", grants, err)
	}
	if err := r.server.EndGrant(t.Context(), id, grants[0].ID); err != nil {
		t.Fatal(err)
	}
	if !r.shows(cookie, "client_id", "secret") {
		t.Error("after EndGrant the user was not asked again")
	}
	connect()
	if err := r.accounts.SetPassword(t.Context(), id, "another horse battery staple"); err != nil {
		t.Fatal(err)
	}
	tokens, err := r.accounts.Login(t.Context(), "ada@example.com", "another horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	if !r.shows("login="+tokens.AccessToken, "client_id", "secret") {
		t.Error("after a new password the user was not asked again")
	}
}

// More than was allowed is asked about, and the same is not.
func TestMoreThanRemembered(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	code := r.authorize(cookie, "client_id", "secret")
	r.tokenWith(basic("secret", secret), "grant_type", "authorization_code", "code", code, "code_verifier", verifier)
	if r.shows(cookie, "client_id", "secret") || !r.shows(cookie, "client_id", "secret", "scope", "notes:read notes:write") {
		t.Error("the same is asked about, or more is not")
	}
}

// The page names a private-use scheme, and warns of programs on the user's own machine. Its headers keep
// others from framing and storing it.
func TestPage(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for uri, want := range map[string]string{
		"http://127.0.0.1:51004/cb": "127.0.0.1:51004", "http://localhost:3118/cb": "localhost:3118", "cursor://host.app/cb": "cursor",
	} {
		resp := r.do("GET", "/authorize?"+query("client_id", "native", "redirect_uri", uri), "", "Cookie", cookie)
		page := text(t, resp)
		if !strings.Contains(page, want) || strings.Contains(page, `class="warning"`) == strings.HasPrefix(uri, "cursor") {
			t.Errorf("%s: the page lacks %s, or warns wrongly", uri, want)
		}
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "form-action") || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers: %v", resp.Header)
		}
	}
}

// The host may show a page of its own, and names the account.
func TestOwnPage(t *testing.T) {
	t.Parallel()
	var shown oauth.ConsentPage
	r := newServer(t, func(cfg *oauth.Config) {
		cfg.Consent = func(w http.ResponseWriter, _ *http.Request, p oauth.ConsentPage) { shown = p }
	})
	r.user("ada@example.com")
	resp := r.do("GET", "/authorize?"+query(), "", "Cookie", r.login("ada@example.com"))
	if shown.ClientID != "web" || shown.ClientName != "Web App" || shown.Redirect != "app.example" || shown.Action != "/authorize/decision" ||
		shown.Resource.URL != notes || len(shown.Scopes) != 1 || shown.Scopes[0].Text != "Read your notes" || shown.Hidden["request"] == "" {
		t.Errorf("the page gets %+v", shown)
	}
	if resp.Header.Get("Content-Security-Policy") == "" {
		t.Error("the page has no Content-Security-Policy")
	}
}

// A key, an agent or a service is nobody who could allow anything.
func TestInPerson(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	id := r.user("ada@example.com")
	p, err := r.issuer.Verify(t.Context(), strings.TrimPrefix(r.login("ada@example.com"), "login="))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]auth.Claims{
		"the user": {}, "a key": {Kind: auth.KindAPIKey}, "a service": {Kind: auth.KindService}, "an agent": {Kind: auth.KindAgent, Actors: []string{"agent"}},
		"an actor": {Actors: []string{"agent"}},
	} {
		c.Subject, c.SessionID = id, p.SessionID()
		token, err := r.issuer.Issue(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		person := name == "the user"
		if asked := r.shows("login=" + token); asked != person {
			t.Errorf("%s is asked: %t", name, asked)
		}
		if status := r.do("GET", "/apps", "", "Cookie", "login="+token).StatusCode; (status == http.StatusOK) != person {
			t.Errorf("%s gets the list of apps: %d", name, status)
		}
	}
}

// A page and a way back are good for an hour.
func TestSealsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, nil)
		r.user("ada@example.com")
		to, _ := r.do("GET", "/authorize?"+query(), "").Location()
		cookie := r.login("ada@example.com")
		late, early := r.ask(cookie), r.ask(cookie)
		time.Sleep(time.Minute)
		r.code(r.decide(cookie, early, "allow"))
		time.Sleep(time.Hour)
		if _, ok := r.server.ReturnTo(to.Query().Get("return_to")); ok {
			t.Error("a way back of more than an hour ago is good")
		}
		tokens, err := r.accounts.Login(t.Context(), "ada@example.com", password)
		if err != nil {
			t.Fatal(err)
		}
		if resp := r.decide("login="+tokens.AccessToken, late, "allow"); resp.StatusCode < 400 {
			t.Errorf("a page of more than an hour ago: %d", resp.StatusCode)
		}
	})
}
