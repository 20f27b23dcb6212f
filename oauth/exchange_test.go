package oauth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/oauth"
)

// withExchange adds clients that exchange tokens: api those of notes, and gate those of both resources.
func withExchange(cfg *oauth.Config) {
	cfg.Exchange = true
	cfg.Resources[1].Scopes = append(cfg.Resources[1].Scopes, oauth.Scope{Name: "notes:read", Text: "Read your notes"})
	for i, id := range []string{"api2", "gate", "small"} {
		c := oauth.Client{ID: id, Secret: secret, Grants: []string{exchangeGrant}, Exchanges: []string{notes, files}[:min(i+1, 2)]}
		if id == "small" {
			c.Scopes = []string{"notes:read"}
		}
		cfg.Clients = append(cfg.Clients, c)
	}
}

// exchanged is the answer to an exchange.
func (r *replica) exchange(client, token string, more ...string) answer {
	r.t.Helper()
	parameters := []string{"grant_type", exchangeGrant, "subject_token", token}
	if !slices.Contains(more, "subject_token_type") {
		more = append(more, "subject_token_type", accessType)
	}
	return r.tokenWith(basic(client, secret), append(parameters, more...)...)
}

// A client that a token was sent to gets one by which it acts for its user: for one resource of the server,
// with the user's subject and session, no more scopes and no longer a life.
func TestExchange(t *testing.T) {
	t.Parallel()
	r := newServer(t, withExchange)
	id := r.user("ada@example.com")
	first := r.flow(r.login("ada@example.com"), "scope", "notes:read notes:write")
	subject, err := r.verify(first.Access, notes)
	if err != nil {
		t.Fatal(err)
	}
	a := r.exchange("api2", first.Access)
	if a.Status != http.StatusOK || a.Issued != accessType || a.Type != "Bearer" || a.Refresh != "" || a.Scope != "notes:read notes:write" || a.Expires <= 0 || a.Expires > 900 {
		t.Fatalf("the answer: %+v", a)
	}
	c, err := r.verify(a.Access, notes)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != id || c.SessionID != subject.SessionID || c.Kind != auth.KindAgent || c.ClientID != "api2" || !slices.Equal(c.Actors, []string{"client:api2"}) ||
		c.Expiry.After(subject.Expiry) || len(c.AMR) > 0 || !c.AuthTime.IsZero() || len(c.Roles) > 0 {
		t.Errorf("claims: %+v", c)
	}
	for name, row := range map[string]struct {
		more            []string
		resource, scope string
	}{
		"another resource, by resource": {[]string{"resource", files}, files, "notes:read"},
		"by audience":                   {[]string{"audience", files}, files, "notes:read"},
		"by both":                       {[]string{"audience", files, "resource", files}, files, "notes:read"},
		"a scope":                       {[]string{"scope", "notes:write", "requested_token_type", accessType}, notes, "notes:write"},
	} {
		a := r.exchange("api2", first.Access, row.more...)
		if c, err := r.verify(a.Access, row.resource); err != nil || a.Scope != row.scope || !slices.Equal(c.Scopes, strings.Fields(row.scope)) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	if a := r.exchange("small", first.Access); a.Scope != "notes:read" {
		t.Errorf("a client that is limited to one scope: %+v", a)
	}
	if !r.saw(auth.EventDelegated) {
		t.Error("there was no event")
	}
}

// Whatever is not as it must be is refused, with the codes of RFC 8693 section 2.2.2.
func TestExchangeRefused(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) {
		withExchange(cfg)
		cfg.ClientCredentials = true
		cfg.Clients = append(cfg.Clients, oauth.Client{ID: "robot", Secret: secret, Grants: []string{clientGrant}})
	})
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	first, other := r.flow(cookie), r.flow(cookie, "resource", files, "scope", "files:read")
	robot := r.tokenWith(basic("robot", secret), "grant_type", clientGrant)
	foreign := testkit.NewIssuer(t, jwt.IssuerConfig{Issuer: issuer, Audience: notes, Keys: testkit.RingOf(t, testkit.Generated(t, jwt.ES256))})
	forged := testkit.Issue(t, foreign, auth.Claims{Subject: "u", SessionID: "s", Scopes: []string{"notes:read"}})
	for name, row := range map[string]struct {
		client, token string
		more          []string
		code          string
	}{
		"no token":                      {"api2", "", nil, "invalid_request"},
		"no type":                       {"api2", first.Access, []string{"subject_token_type", ""}, "invalid_request"},
		"another type":                  {"api2", first.Access, []string{"subject_token_type", "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"},
		"another type is wanted":        {"api2", first.Access, []string{"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"},
		"an actor token":                {"api2", first.Access, []string{"actor_token", first.Access, "actor_token_type", accessType}, "invalid_request"},
		"a refresh token":               {"api2", first.Refresh, nil, "invalid_request"},
		"an altered token":              {"api2", first.Access[:len(first.Access)-6] + "AAAAAA", nil, "invalid_request"},
		"a forged token":                {"api2", forged, nil, "invalid_request"},
		"a token of another resource":   {"api2", other.Access, nil, "invalid_request"},
		"a login":                       {"api2", strings.TrimPrefix(cookie, "login="), nil, "invalid_request"},
		"a client's own token":          {"api2", robot.Access, nil, "invalid_request"},
		"a foreign resource":            {"api2", first.Access, []string{"resource", "https://evil.example/"}, "invalid_target"},
		"a foreign audience":            {"api2", first.Access, []string{"audience", "https://evil.example/"}, "invalid_target"},
		"two resources":                 {"api2", first.Access, []string{"audience", files, "resource", notes}, "invalid_target"},
		"a wider scope":                 {"api2", first.Access, []string{"scope", "notes:read notes:write"}, "invalid_scope"},
		"nothing left for the resource": {"gate", other.Access, []string{"resource", notes}, "invalid_scope"},
		"nothing left for the client":   {"small", other.Access, nil, "invalid_scope"},
		"a client without the grant":    {"secret", first.Access, nil, "unauthorized_client"},
		"a wrong secret":                {"nobody", first.Access, nil, "invalid_client"},
	} {
		if a := r.exchange(row.client, row.token, row.more...); a.Error != row.code || a.Access != "" {
			t.Errorf("%s: %d %s, want %s", name, a.Status, a.Error, row.code)
		}
	}
	if a := r.token("grant_type", exchangeGrant, "client_id", "web", "subject_token", first.Access, "subject_token_type", accessType); a.Error != "unauthorized_client" {
		t.Errorf("a public client: %+v", a)
	}
	off := newServer(t, nil)
	if a := off.exchange("secret", first.Access); a.Error != "unsupported_grant_type" {
		t.Errorf("off: %+v", a)
	}
}

// Three parties may act in a chain, the last one outermost.
func TestExchangeChain(t *testing.T) {
	t.Parallel()
	r := newServer(t, withExchange)
	r.user("ada@example.com")
	token, want := r.flow(r.login("ada@example.com")).Access, []string(nil)
	for _, client := range []string{"api2", "gate", "small"} {
		a := r.exchange(client, token)
		want = append([]string{"client:" + client}, want...)
		c, err := r.verify(a.Access, notes)
		if err != nil || !slices.Equal(c.Actors, want) || c.ClientID != client {
			t.Fatalf("%s: %d %s: actors %v, %v", client, a.Status, a.Error, c.Actors, err)
		}
		token = a.Access
	}
	if a := r.exchange("api2", token); a.Error != "invalid_request" {
		t.Errorf("a fourth party: %+v", a)
	}
}

// A token never lives longer than the one that it was exchanged for.
func TestExchangeShrinksLife(t *testing.T) {
	t.Parallel()
	r := newServer(t, withExchange)
	r.user("ada@example.com")
	c, err := r.verify(r.flow(r.login("ada@example.com")).Access, notes)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(life time.Duration) string {
		return testkit.Issue(t, r.issuer, auth.Claims{
			Subject: c.Subject, SessionID: c.SessionID, ClientID: "web", Scopes: c.Scopes, Audience: []string{notes}, Expiry: time.Now().Add(life),
		})
	}
	if a := r.exchange("api2", issue(time.Minute)); a.Status != http.StatusOK || a.Expires > 60 {
		t.Errorf("a token of a minute: %+v", a)
	}
	r.change = func(cfg *oauth.Config) { withExchange(cfg); cfg.AccessLife = 5 * time.Second }
	if a := r.replica().exchange("api2", issue(time.Minute)); a.Status != http.StatusOK || a.Expires > 5 {
		t.Errorf("an access life of 5 s: %+v", a)
	}
}

// The new token ends with what the first belongs to, and is exchanged no more then, on no replica.
func TestExchangeEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(r *replica, userID, grantID string) error{
		"the grant": func(r *replica, userID, grantID string) error {
			return r.server.EndGrant(context.Background(), userID, grantID)
		},
		"the account": func(r *replica, userID, _ string) error { return r.accounts.Disable(context.Background(), userID) },
		"the password": func(r *replica, userID, _ string) error {
			return r.accounts.SetPassword(context.Background(), userID, password+"2")
		},
	} {
		w := newWorld(t, withExchange)
		r, second := w.replica(), w.replica()
		id := r.user("ada@example.com")
		first := r.flow(r.login("ada@example.com"))
		a := r.exchange("api2", first.Access)
		c, err := r.verify(a.Access, notes)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(r, id, c.SessionID); err != nil {
			t.Fatal(err)
		}
		if !r.ended(a.Access) {
			t.Errorf("%s: the exchanged token was not revoked", name)
		}
		for _, token := range []string{first.Access, a.Access} {
			if again := second.exchange("api2", token); again.Error != "invalid_request" {
				t.Errorf("%s: an exchange after the end: %+v", name, again)
			}
		}
	}
}

// A password that was changed beside the library has ended the logins before it, for an exchange as well.
func TestExchangeAfterForeignChange(t *testing.T) {
	t.Parallel()
	r := newServer(t, withExchange)
	id := r.user("ada@example.com")
	first := r.flow(r.login("ada@example.com"))
	u, err := r.store.UserByID(t.Context(), id)
	if err == nil {
		err = r.store.ReplacePasswordHash(t.Context(), id, u.PasswordHash, u.PasswordHash+"x")
	}
	if err != nil {
		t.Fatal(err)
	}
	if a := r.exchange("api2", first.Access); a.Error != "invalid_request" {
		t.Errorf("%+v", a)
	}
}

// A client that acts for a user cannot end the grant that its token belongs to: it is another client's.
func TestExchangedTokenRevokesNothing(t *testing.T) {
	t.Parallel()
	r := newServer(t, withExchange)
	r.user("ada@example.com")
	first := r.flow(r.login("ada@example.com"))
	a := r.exchange("api2", first.Access)
	resp := r.do("POST", "/revoke", "token="+a.Access, basic("api2", secret)...)
	if resp.StatusCode != http.StatusOK || r.ended(first.Access) {
		t.Errorf("%d, the grant ended: %t", resp.StatusCode, r.ended(first.Access))
	}
}

// The host's claims cannot give a token of an exchange the roles of its user.
func TestClaimsOfExchange(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) {
		withExchange(cfg)
		cfg.Claims = func(_ context.Context, _ oauth.Grant, c *auth.Claims) error {
			c.Roles, c.Actors, c.Kind, c.Subject, c.Custom = []string{"admin"}, nil, "", "root", map[string]any{"tenant": "t1"}
			return nil
		}
	})
	id := r.user("ada@example.com")
	c, err := r.verify(r.exchange("api2", r.flow(r.login("ada@example.com")).Access).Access, notes)
	if err != nil || c.Subject != id || c.Kind != auth.KindAgent || len(c.Roles) > 0 || !slices.Equal(c.Actors, []string{"client:api2"}) || c.Custom["tenant"] != "t1" {
		t.Errorf("claims: %+v, %v", c, err)
	}
}

// A token that says who may act for its user is exchanged by that party alone.
func TestMayAct(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withExchange)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil || public == nil {
		t.Fatal(err)
	}
	key, err := jwt.NewSigningKey(private)
	if err != nil {
		t.Fatal(err)
	}
	w.keys = testkit.RingOf(t, key)
	r := w.replica()
	r.user("ada@example.com")
	parts := strings.Split(r.flow(r.login("ada@example.com")).Access, ".")
	saying := func(mayAct any) string {
		text, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		if err := d.Decode(&claims); err != nil {
			t.Fatal(err)
		}
		claims["may_act"] = mayAct
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		input := parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload)
		return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(input)))
	}
	for name, row := range map[string]struct {
		mayAct any
		may    bool
	}{
		"the client":                 {map[string]string{"sub": "client:api2"}, true},
		"the client, by its ID":      {map[string]string{"client_id": "api2"}, true},
		"the client of this issuer":  {map[string]string{"sub": "client:api2", "iss": issuer}, true},
		"nothing":                    {nil, true},
		"another client":             {map[string]string{"sub": "client:gate"}, false},
		"a user of that name":        {map[string]string{"sub": "api2"}, false},
		"a client of another issuer": {map[string]string{"sub": "client:api2", "iss": "https://evil.example"}, false},
		"an issuer alone":            {map[string]string{"iss": issuer}, false},
		"what is not known here":     {map[string]string{"sub": "client:api2", "email": "a@example.com"}, false},
		"nobody":                     {map[string]string{}, false},
		"a text":                     {"client:api2", false},
	} {
		a := r.exchange("api2", saying(row.mayAct))
		if row.may != (a.Status == http.StatusOK) || !row.may && a.Error != "invalid_request" {
			t.Errorf("%s: %d %s", name, a.Status, a.Error)
		}
	}
}
