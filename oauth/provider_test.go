package oauth_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"crypto/ed25519"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/oauth"
)

const (
	assertGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	idp         = "https://idp.example"
)

// ring returns the keys of a provider as this server has them.
func (s signer) ring(t *testing.T) *jwt.KeyRing {
	t.Helper()
	key, err := jwt.NewVerifyingKey(s.public)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwt.NewVerifyingKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// says returns an assertion about the user "ada" for the client job, with changes to the claims. A value of
// nil leaves a claim out.
func (s signer) says(t *testing.T, typ string, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": idp, "sub": "ada", "aud": issuer, "client_id": "job", "jti": rand.Text(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"EdDSA","typ":"`+typ+`"}`)) + "." + encode(payload)
	return input + "." + encode(ed25519.Sign(s.private, []byte(input)))
}

// withProvider adds two providers, whose user "ada" is the account id, and clients that may use their word.
func withProvider(t *testing.T, first, second signer, id *string) func(*oauth.Config) {
	account := func(_ context.Context, sub string) (string, error) {
		switch sub {
		case "ada":
			return *id, nil
		case "gone":
			return "no such account", nil
		case "broken":
			return "", errDown
		}
		return "", auth.ErrUserNotFound
	}
	return func(cfg *oauth.Config) {
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.Register.PerHour = 10
		cfg.Providers = []oauth.Provider{
			{Issuer: idp, Keys: first.ring(t), Account: account},
			{Issuer: "https://small.example", Keys: second.ring(t), Account: account, Scopes: []string{"notes:read"}},
		}
		cfg.Clients = append(cfg.Clients,
			oauth.Client{ID: "job", Secret: secret, Grants: []string{assertGrant}},
			oauth.Client{ID: "reader", Secret: secret, Grants: []string{assertGrant}, Scopes: []string{"notes:read"}},
		)
	}
}

// assert presents an assertion of a client.
func (r *replica) assert(client, assertion string, more ...string) answer {
	r.t.Helper()
	return r.tokenWith(basic(client, secret), append([]string{"grant_type", assertGrant, "assertion", assertion}, more...)...)
}

const idJAG = "oauth-id-jag+jwt"

// A provider's word gives a client an access token for the user's account, without a refresh token, for a
// resource and scopes that the assertion, the provider's limits and the client's all allow.
func TestProvider(t *testing.T) {
	t.Parallel()
	first, second, id := newSigner(t), newSigner(t), ""
	r := newServer(t, withProvider(t, first, second, &id))
	id = r.user("ada@example.com")
	a := r.assert("job", first.says(t, idJAG, nil))
	if a.Status != http.StatusOK || a.Refresh != "" || a.Type != "Bearer" || a.Expires != 900 || a.Scope != "notes:read" {
		t.Fatalf("the answer: %+v", a)
	}
	c, err := r.verify(a.Access, notes)
	if err != nil || c.Subject != id || c.ClientID != "job" || c.Kind != auth.KindUser || c.SessionID != "" {
		t.Errorf("claims: %+v, %v", c, err)
	}
	both := "notes:read notes:write"
	small := map[string]any{"iss": "https://small.example", "scope": both}
	for name, row := range map[string]struct {
		client    string
		assertion string
		more      []string
		resource  string
		scope     string
	}{
		"scopes of the assertion":         {"job", first.says(t, idJAG, map[string]any{"scope": both}), nil, notes, both},
		"fewer are asked for":             {"job", first.says(t, idJAG, map[string]any{"scope": both}), []string{"scope", "notes:write"}, notes, "notes:write"},
		"the assertion says none":         {"job", first.says(t, idJAG, nil), []string{"scope", both}, notes, both},
		"the provider is limited":         {"job", second.says(t, idJAG, small), nil, notes, "notes:read"},
		"the client is limited":           {"reader", first.says(t, idJAG, map[string]any{"scope": both, "client_id": "reader"}), nil, notes, "notes:read"},
		"scopes of others as well":        {"job", first.says(t, idJAG, map[string]any{"scope": "admin notes:read files:read"}), nil, notes, "notes:read"},
		"a resource of the assertion":     {"job", first.says(t, idJAG, map[string]any{"resource": files}), nil, files, "files:read"},
		"the same is asked for":           {"job", first.says(t, idJAG, map[string]any{"resource": files}), []string{"resource", files}, files, "files:read"},
		"one of two":                      {"job", first.says(t, idJAG, map[string]any{"resource": []string{notes, files}}), []string{"resource", files}, files, "files:read"},
		"a resource that is asked for":    {"job", first.says(t, idJAG, nil), []string{"resource", files}, files, "files:read"},
		"a typ with its whole media type": {"job", first.says(t, "application/"+idJAG, nil), nil, notes, "notes:read"},
	} {
		a := r.assert(row.client, row.assertion, row.more...)
		if c, err := r.verify(a.Access, row.resource); err != nil || a.Scope != row.scope || c.Subject != id {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	if profiles, _ := r.metadata()["authorization_grant_profiles_supported"].([]any); len(profiles) != 1 || !slices.Contains(r.grantsOf(), assertGrant) {
		t.Errorf("the metadata names %v", profiles)
	}
	if !r.saw(oauth.EventProviderToken) {
		t.Error("there was no event")
	}
}

// Whatever is not as it must be is refused, and not why.
func TestProviderRefused(t *testing.T) {
	t.Parallel()
	first, second, other, id := newSigner(t), newSigner(t), newSigner(t), ""
	w := newWorld(t, withProvider(t, first, second, &id))
	r, replica := w.replica(), w.replica()
	id = r.user("ada@example.com")
	used := first.says(t, idJAG, nil)
	if a := r.assert("job", used); a.Status != http.StatusOK {
		t.Fatalf("the first use: %+v", a)
	}
	for name, row := range map[string]struct{ assertion, code string }{
		"none":                      {"", "invalid_request"},
		"no JWT":                    {"x", "invalid_grant"},
		"a second use":              {used, "invalid_grant"},
		"a plain JWT":               {first.says(t, "JWT", nil), "invalid_grant"},
		"an access token":           {first.says(t, "at+jwt", nil), "invalid_grant"},
		"another key":               {other.says(t, idJAG, nil), "invalid_grant"},
		"another provider's key":    {second.says(t, idJAG, nil), "invalid_grant"},
		"another provider":          {first.says(t, idJAG, map[string]any{"iss": "https://evil.example"}), "invalid_grant"},
		"another audience":          {first.says(t, idJAG, map[string]any{"aud": issuer + "/token"}), "invalid_grant"},
		"two audiences":             {first.says(t, idJAG, map[string]any{"aud": []string{issuer, "https://a.example"}}), "invalid_grant"},
		"no audience":               {first.says(t, idJAG, map[string]any{"aud": nil}), "invalid_grant"},
		"another client":            {first.says(t, idJAG, map[string]any{"client_id": "reader"}), "invalid_grant"},
		"no client":                 {first.says(t, idJAG, map[string]any{"client_id": nil}), "invalid_grant"},
		"no jti":                    {first.says(t, idJAG, map[string]any{"jti": nil}), "invalid_grant"},
		"expired":                   {first.says(t, idJAG, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), "invalid_grant"},
		"far ahead":                 {first.says(t, idJAG, map[string]any{"exp": time.Now().Add(10 * time.Minute).Unix()}), "invalid_grant"},
		"no end":                    {first.says(t, idJAG, map[string]any{"exp": nil}), "invalid_grant"},
		"an agent of the user":      {first.says(t, idJAG, map[string]any{"act": map[string]string{"sub": "x"}}), "invalid_grant"},
		"an unknown user":           {first.says(t, idJAG, map[string]any{"sub": "eve", "email": "ada@example.com"}), "invalid_grant"},
		"an account that is gone":   {first.says(t, idJAG, map[string]any{"sub": "gone"}), "invalid_grant"},
		"a resource of others":      {first.says(t, idJAG, map[string]any{"resource": "https://evil.example"}), "invalid_target"},
		"two resources":             {first.says(t, idJAG, map[string]any{"resource": []string{notes, files}}), "invalid_target"},
		"a resource of no form":     {first.says(t, idJAG, map[string]any{"resource": 1}), "invalid_target"},
		"scopes of others":          {first.says(t, idJAG, map[string]any{"scope": "admin"}), "invalid_scope"},
		"scopes it may not give":    {second.says(t, idJAG, map[string]any{"iss": "https://small.example", "scope": "notes:write"}), "invalid_scope"},
		"accounts cannot be looked": {first.says(t, idJAG, map[string]any{"sub": "broken"}), "temporarily_unavailable"},
	} {
		if a := replica.assert("job", row.assertion); a.Error != row.code || a.Access != "" {
			t.Errorf("%s: %d %s, want %s", name, a.Status, a.Error, row.code)
		}
	}
	if a := r.assert("job", first.says(t, idJAG, map[string]any{"resource": notes}), "resource", files); a.Error != "invalid_target" {
		t.Errorf("another resource than that of the assertion: %+v", a)
	}
	if a := r.assert("job", first.says(t, idJAG, map[string]any{"scope": "notes:read"}), "scope", "notes:write"); a.Error != "invalid_scope" {
		t.Errorf("another scope than that of the assertion: %+v", a)
	}
	registered := r.register(`{"redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code","` + assertGrant + `"]}`)
	for client, code := range map[string]string{"web": "unauthorized_client", registered.ID: "unauthorized_client", "job": "invalid_client"} {
		a := r.token("grant_type", assertGrant, "client_id", client, "assertion", first.says(t, idJAG, map[string]any{"client_id": client}))
		if client == registered.ID {
			a = r.tokenWith(basic(client, registered.Secret), "grant_type", assertGrant, "assertion", first.says(t, idJAG, map[string]any{"client_id": client}))
		}
		if a.Error != code {
			t.Errorf("client %s without a secret of the host: %d %s, want %s", client, a.Status, a.Error, code)
		}
	}
	off := newServer(t, nil)
	if a := off.assert("secret", used); a.Error != "unsupported_grant_type" || slices.Contains(off.grantsOf(), assertGrant) {
		t.Errorf("off: %+v", a)
	}
}

// A disabled account gets no token, and its disabling ends those that were given.
func TestProviderAccountEnds(t *testing.T) {
	t.Parallel()
	first, id := newSigner(t), ""
	r := newServer(t, withProvider(t, first, newSigner(t), &id))
	id = r.user("ada@example.com")
	if a := r.assert("job", first.says(t, idJAG, nil)); a.Status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	owns := func() bool {
		records, err := r.store.Records(t.Context(), id)
		return err != nil || slices.ContainsFunc(records, func(record auth.Record) bool { return strings.HasPrefix(record.Key, "oauth:id-jag:") })
	}
	if !owns() {
		t.Error("the account does not own the record of the assertion")
	}
	if err := r.accounts.Disable(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	revoked := false
	if _, err := r.store.RevokedSince(t.Context(), "", func(rev auth.Revocation) { revoked = revoked || rev.UserID == id }); err != nil || !revoked {
		t.Errorf("the tokens of the account were not revoked: %v", err)
	}
	if a := r.assert("job", first.says(t, idJAG, nil)); a.Error != "invalid_grant" {
		t.Errorf("a disabled account: %+v", a)
	}
	if err := r.accounts.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if owns() {
		t.Error("the record of the assertion is left")
	}
}

// Faults of providers are found together.
func TestFaultyProviders(t *testing.T) {
	t.Parallel()
	good := newServer(t, nil)
	keys := newSigner(t).ring(t)
	account := func(context.Context, string) (string, error) { return "", auth.ErrUserNotFound }
	for reason, p := range map[string]oauth.Provider{
		"must have Account":             {Issuer: idp, Keys: keys},
		"must have an Issuer and Keys":  {Issuer: idp, Account: account},
		"is this server, or comes":      {Issuer: issuer, Keys: keys, Account: account},
		"a scope that no resource has":  {Issuer: idp, Keys: keys, Account: account, Scopes: []string{"admin"}},
		"jwt.VerifierConfig.Issuer":     {Issuer: strings.Repeat("x", 2000), Keys: keys, Account: account},
		"must have an Issuer and Keys ": {},
	} {
		cfg := good.config()
		cfg.Providers = []oauth.Provider{p}
		_, err := oauth.New(good.accounts, cfg)
		if _, ok := errors.AsType[*cfgerr.Error](err); !ok || !strings.Contains(err.Error(), strings.TrimSpace(reason)) {
			t.Errorf("want %q, got %v", reason, err)
		}
	}
	cfg := good.config()
	twice := oauth.Provider{Issuer: idp, Keys: keys, Account: account}
	cfg.Providers = []oauth.Provider{twice, twice}
	if _, err := oauth.New(good.accounts, cfg); err == nil || !strings.Contains(err.Error(), "comes twice") {
		t.Errorf("one provider twice: %v", err)
	}
}
