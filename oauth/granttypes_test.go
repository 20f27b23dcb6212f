package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/oauth"
)

const (
	codeGrant     = "authorization_code"
	clientGrant   = "client_credentials"
	deviceGrant   = "urn:ietf:params:oauth:grant-type:device_code"
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessType    = "urn:ietf:params:oauth:token-type:access_token"
)

// withRobot adds clients that act for themselves: robot with a secret, and keyed with a key.
func withRobot(key signer) func(*oauth.Config) {
	return func(cfg *oauth.Config) {
		cfg.ClientCredentials = true
		cfg.Register.PerHour = 10
		cfg.Clients = append(cfg.Clients,
			oauth.Client{ID: "robot", Secret: secret, Grants: []string{clientGrant}},
			oauth.Client{ID: "keyed", Keys: []byte(key.keySet()), Grants: []string{clientGrant}},
			oauth.Client{ID: "either", Secret: secret, Grants: []string{clientGrant}, AuthMethod: "client_secret_basic client_secret_post"},
			oauth.Client{ID: "reader", Secret: secret, Grants: []string{clientGrant}, Scopes: []string{"notes:read"}},
			oauth.Client{ID: "both", Secret: secret, Grants: []string{clientGrant, codeGrant}, RedirectURIs: []string{callback}},
		)
	}
}

func (r *replica) metadata() (document map[string]any) {
	r.t.Helper()
	if err := json.NewDecoder(r.do("GET", "/.well-known/oauth-authorization-server", "").Body).Decode(&document); err != nil {
		r.t.Fatal(err)
	}
	return document
}

// grantsOf returns the grants that the metadata names.
func (r *replica) grantsOf() (list []string) {
	r.t.Helper()
	grants, _ := r.metadata()["grant_types_supported"].([]any)
	for _, g := range grants {
		list = append(list, g.(string))
	}
	return list
}

// A client gets a token for itself, by its secret or its key: of the kind service, without a session and
// without a refresh token, and its subject is no user's ID.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	key := newSigner(t)
	r := newServer(t, withRobot(key))
	for id, ask := range map[string]func(more ...string) answer{
		"robot": func(more ...string) answer {
			return r.tokenWith(basic("robot", secret), append([]string{"grant_type", clientGrant}, more...)...)
		},
		"keyed": func(more ...string) answer {
			return r.token(append(append([]string{"grant_type", clientGrant}, key.assertion(t, "keyed", nil)...), more...)...)
		},
	} {
		a := ask()
		if a.Status != http.StatusOK || a.Type != "Bearer" || a.Expires != 900 || a.Scope != "notes:read" || a.Refresh != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %+v", id, a)
		}
		c, err := r.verify(a.Access, notes)
		if err != nil {
			t.Fatal(err)
		}
		if c.Subject != "client:"+id || c.ClientID != id || c.Kind != auth.KindService || c.SessionID != "" || !c.AuthTime.IsZero() || !slices.Equal(c.Scopes, []string{"notes:read"}) {
			t.Errorf("%s: claims %+v", id, c)
		}
		if _, err := r.verify(a.Access, files); err == nil {
			t.Errorf("%s: the token is good for another resource", id)
		}
		if a := ask("resource", files, "scope", "files:read"); a.Scope != "files:read" {
			t.Errorf("%s: another resource: %+v", id, a)
		}
		if a := ask("scope", "notes:write notes:read"); a.Scope != "notes:read notes:write" {
			t.Errorf("%s: two scopes: %+v", id, a)
		}
		if a := ask("scope", "files:read"); a.Error != "invalid_scope" {
			t.Errorf("%s: a scope of another resource: %+v", id, a)
		}
		if a := ask("resource", "https://evil.example/"); a.Error != "invalid_target" {
			t.Errorf("%s: a foreign resource: %+v", id, a)
		}
	}
	if a := r.tokenWith(basic("reader", secret), "grant_type", clientGrant, "scope", "notes:write"); a.Error != "invalid_scope" {
		t.Errorf("a scope that the client may not have: %+v", a)
	}
	inBody := func(id, secret string) answer {
		return r.token("grant_type", clientGrant, "client_id", id, "client_secret", secret)
	}
	if a := r.tokenWith(basic("either", secret), "grant_type", clientGrant); a.Status != http.StatusOK {
		t.Errorf("a client with two methods, by Basic: %+v", a)
	}
	if a := inBody("either", secret); a.Status != http.StatusOK {
		t.Errorf("a client with two methods, in the body: %+v", a)
	}
	for _, a := range []answer{inBody("either", secret+"x"), inBody("robot", secret), r.token("grant_type", clientGrant, "client_id", "either")} {
		if a.Error != "invalid_client" {
			t.Errorf("a wrong secret, a method of others, or none: %+v", a)
		}
	}
	if !r.saw(oauth.EventClientToken) {
		t.Error("there was no event")
	}
}

// Whatever a host's accounts are called, a client is none of them.
func TestClientIsNoUser(t *testing.T) {
	t.Parallel()
	r := newServer(t, withRobot(newSigner(t)))
	var err error
	r.accounts, err = auth.New(r.store, r.issuer, auth.Config{
		Records: r.store, NewUserID: func(context.Context) (string, error) { return "robot", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	id := r.user("robot@example.com")
	c, err := r.verify(r.tokenWith(basic("robot", secret), "grant_type", clientGrant).Access, notes)
	if err != nil || id != "robot" || c.Subject == id {
		t.Errorf("the subject is %q, the user's ID %q, %v", c.Subject, id, err)
	}
}

// The grant is for confidential clients that the host knows and has given it, and for nobody else; a client
// that has no other grant gets no code.
func TestClientCredentialsRefused(t *testing.T) {
	t.Parallel()
	key := newSigner(t)
	r := newServer(t, withRobot(key))
	registered := r.register(`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_basic","grant_types":["authorization_code","client_credentials"]}`)
	if registered.Status != http.StatusCreated || registered.Secret == "" {
		t.Fatalf("registered: %+v", registered)
	}
	good := key.assertion(t, "keyed", nil)
	for name, row := range map[string]struct {
		headers, parameters []string
		code                string
	}{
		"no secret":                {nil, []string{"client_id", "robot"}, "invalid_client"},
		"a wrong secret":           {basic("robot", secret+"x"), nil, "invalid_client"},
		"a public client":          {nil, []string{"client_id", "web"}, "unauthorized_client"},
		"a client without it":      {basic("secret", secret), nil, "unauthorized_client"},
		"a client that registered": {basic(registered.ID, registered.Secret), nil, "unauthorized_client"},
		"an assertion, and Basic":  {basic("keyed", secret), good, "invalid_request"},
		"an assertion of another":  {nil, append(good, "client_id", "robot"), "invalid_client"},
	} {
		if a := r.tokenWith(row.headers, append([]string{"grant_type", clientGrant}, row.parameters...)...); a.Error != row.code || a.Access != "" {
			t.Errorf("%s: %d %s, want %s", name, a.Status, a.Error, row.code)
		}
	}
	for try, status := range []int{http.StatusOK, http.StatusUnauthorized} {
		if a := r.token(append([]string{"grant_type", clientGrant}, good...)...); a.Status != status {
			t.Errorf("an assertion, try %d: %+v", try, a)
		}
	}
	off := newServer(t, nil)
	if a := off.tokenWith(basic("secret", secret), "grant_type", clientGrant); a.Error != "unsupported_grant_type" {
		t.Errorf("off: %+v", a)
	}
	if a := r.tokenWith(basic("robot", secret), "grant_type", "Client_Credentials"); a.Error != "unsupported_grant_type" {
		t.Errorf("another spelling: %+v", a)
	}
	r.user("ada@example.com")
	if a := r.flow2(r.login("ada@example.com"), "both"); a.Status != http.StatusOK {
		t.Errorf("a client with both grants: %+v", a)
	}
}

// flow2 logs a client with a secret in.
func (r *replica) flow2(cookie, client string, changes ...string) answer {
	r.t.Helper()
	code := r.authorize(cookie, append([]string{"client_id", client}, changes...)...)
	return r.tokenWith(basic(client, secret), "grant_type", codeGrant, "code", code, "code_verifier", verifier)
}

// A client whose grants lack authorization_code gets no code.
func TestCodeIsNotForAll(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) {
		cfg.Device.On = true
		cfg.Clients = append(cfg.Clients, oauth.Client{ID: "tv", RedirectURIs: []string{callback}, Grants: []string{deviceGrant}})
	})
	r.user("ada@example.com")
	resp := r.do("GET", "/authorize?"+query("client_id", "tv"), "", "Cookie", r.login("ada@example.com"))
	if to := resp.Header.Get("Location"); !strings.Contains(to, "error=unauthorized_client") {
		t.Errorf("%d %q", resp.StatusCode, to)
	}
}

// What is on is advertised, and what is off is neither advertised nor served.
func TestFurtherGrantsInMetadata(t *testing.T) {
	t.Parallel()
	off := newServer(t, nil)
	if list := off.grantsOf(); !slices.Equal(list, []string{codeGrant, "refresh_token"}) {
		t.Errorf("off: %v", list)
	}
	if off.metadata()["device_authorization_endpoint"] != nil {
		t.Error("off: there is an endpoint for devices")
	}
	for _, path := range []string{"/device", "/device_authorization", "/device/decision"} {
		if resp := off.do("POST", path, "client_id=web"); resp.StatusCode != http.StatusNotFound {
			t.Errorf("off: %s is %d", path, resp.StatusCode)
		}
	}
	for _, grant := range []string{clientGrant, deviceGrant, exchangeGrant, "password"} {
		if a := off.token("grant_type", grant, "client_id", "web"); a.Error != "unsupported_grant_type" {
			t.Errorf("off: %s: %+v", grant, a)
		}
	}
	on := newServer(t, func(cfg *oauth.Config) { cfg.ClientCredentials, cfg.Exchange, cfg.Device.On = true, true, true })
	if list := on.grantsOf(); !slices.Equal(list, []string{codeGrant, "refresh_token", clientGrant, deviceGrant, exchangeGrant}) {
		t.Errorf("on: %v", list)
	}
	document := on.metadata()
	if document["device_authorization_endpoint"] != issuer+"/device_authorization" {
		t.Errorf("the endpoint for devices is %v", document["device_authorization_endpoint"])
	}
	methods, _ := document["token_endpoint_auth_methods_supported"].([]any)
	algorithms, _ := document["token_endpoint_auth_signing_alg_values_supported"].([]any)
	if !slices.Contains(methods, any("private_key_jwt")) || !slices.Contains(algorithms, any("ES256")) || slices.Contains(algorithms, any("HS256")) || slices.Contains(algorithms, any("none")) {
		t.Errorf("methods %v with %v", methods, algorithms)
	}
}

// Faults of the configuration of grants are found together.
func TestFaultyGrants(t *testing.T) {
	t.Parallel()
	good := newServer(t, nil)
	for reason, change := range map[string]func(*oauth.Config){
		"that no field of Config turns on: client_credentials": func(cfg *oauth.Config) {
			cfg.Clients = []oauth.Client{{ID: "x", Secret: secret, Grants: []string{clientGrant}}}
		},
		"that no field of Config turns on: password": func(cfg *oauth.Config) {
			cfg.Clients = []oauth.Client{{ID: "x", Secret: secret, Grants: []string{"password"}}}
		},
		"needs a Secret or Keys: client_credentials": func(cfg *oauth.Config) {
			cfg.ClientCredentials, cfg.Clients = true, []oauth.Client{{ID: "x", Grants: []string{clientGrant}}}
		},
		"needs a Secret or Keys: " + exchangeGrant: func(cfg *oauth.Config) {
			cfg.Exchange, cfg.Clients = true, []oauth.Client{{ID: "x", Grants: []string{exchangeGrant}, Exchanges: []string{notes}}}
		},
		"must have Exchanges if": func(cfg *oauth.Config) {
			cfg.Exchange, cfg.Clients = true, []oauth.Client{{ID: "x", Secret: secret, Grants: []string{exchangeGrant}}}
		},
		"exchanges tokens of no resource": func(cfg *oauth.Config) {
			cfg.Exchange, cfg.Clients = true, []oauth.Client{{ID: "x", Secret: secret, Grants: []string{exchangeGrant}, Exchanges: []string{"https://evil.example"}}}
		},
		"must have RedirectURIs": func(cfg *oauth.Config) {
			cfg.ClientCredentials, cfg.Clients = true, []oauth.Client{{ID: "x", Secret: secret, Grants: []string{codeGrant, clientGrant}}}
		},
		"has settings, but is not On": func(cfg *oauth.Config) { cfg.Device.PerMinute = 5 },
		"Device.Life":                 func(cfg *oauth.Config) { cfg.Device = oauth.Device{On: true, Life: 1 << 60} },
	} {
		cfg := good.config()
		change(&cfg)
		_, err := oauth.New(good.accounts, cfg)
		if fault, ok := errors.AsType[*cfgerr.Error](err); !ok || !strings.Contains(err.Error(), reason) {
			t.Errorf("want %q, got %v, %v", reason, fault, err)
		}
	}
}

// What the host adds to the claims of a client's own token is added, and nothing else is changed.
func TestClaimsOfClient(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) {
		withRobot(newSigner(t))(cfg)
		cfg.Claims = claimsOf
	})
	c, err := r.verify(r.tokenWith(basic("robot", secret), "grant_type", clientGrant).Access, notes)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject != "client:robot" || c.Kind != auth.KindService || c.ClientID != "robot" || !slices.Equal(c.Roles, []string{"of robot"}) {
		t.Errorf("claims: %+v", c)
	}
}
