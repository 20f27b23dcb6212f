package oauth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/oauth"
)

// signer is a client with a key of its own.
type signer struct {
	public  ed25519.PublicKey
	private ed25519.PrivateKey
}

func newSigner(t *testing.T) signer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{public, private}
}

// keySet returns the client's keys as it publishes them.
func (s signer) keySet() string {
	return `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + base64.RawURLEncoding.EncodeToString(s.public) + `"}]}`
}

// assertion returns the parameters by which a client authenticates, with changes to the claims.
func (s signer) assertion(t *testing.T, clientID string, changes map[string]any) []string {
	t.Helper()
	claims := map[string]any{"iss": clientID, "sub": clientID, "aud": issuer, "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "jti": rand.Text()}
	for name, value := range changes {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	input := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	token := input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.private, []byte(input)))
	return []string{"client_assertion", token, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
}

// A client with a key authenticates by an assertion, once for each, and by nothing else: configured,
// registered, or described by a document.
func TestPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	key, other := newSigner(t), newSigner(t)
	w := newWorld(t, func(cfg *oauth.Config) {
		withDocuments(cfg)
		cfg.Register.PerHour = 10
		cfg.Clients = append(cfg.Clients, oauth.Client{ID: "keyed", RedirectURIs: []string{callback}, Keys: []byte(key.keySet())})
	})
	r, second := w.replica(), w.replica()
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	h := newHost(t, `"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":`+key.keySet())
	registered := r.register(`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks":` + key.keySet() + `}`)
	if registered.Secret != "" || registered.Method != "private_key_jwt" {
		t.Fatalf("registered: %+v", registered)
	}
	for name, id := range map[string]string{"configured": "keyed", "registered": registered.ID, "a document": h.id()} {
		code := r.authorize(cookie, "client_id", id)
		ask := func(r *replica, parameters ...string) answer {
			t.Helper()
			return r.token(append([]string{"grant_type", "authorization_code", "code", code, "code_verifier", verifier}, parameters...)...)
		}
		good := key.assertion(t, id, nil)
		for what, row := range map[string]struct {
			parameters []string
			code       string
		}{
			"no assertion":     {[]string{"client_id", id}, "invalid_client"},
			"a secret":         {[]string{"client_id", id, "client_secret", secret}, "invalid_client"},
			"another key":      {other.assertion(t, id, nil), "invalid_client"},
			"another audience": {key.assertion(t, id, map[string]any{"aud": issuer + "/token"}), "invalid_client"},
			"two audiences":    {key.assertion(t, id, map[string]any{"aud": []string{issuer, "https://a.example"}}), "invalid_client"},
			"expired":          {key.assertion(t, id, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), "invalid_client"},
			"far ahead":        {key.assertion(t, id, map[string]any{"exp": time.Now().Add(time.Hour).Unix()}), "invalid_client"},
			"no jti":           {key.assertion(t, id, map[string]any{"jti": ""}), "invalid_client"},
			"another issuer":   {key.assertion(t, id, map[string]any{"iss": "web"}), "invalid_client"},
			"another client":   {append(key.assertion(t, id, nil), "client_id", "web"), "invalid_client"},
			"a secret as well": {append(key.assertion(t, id, nil), "client_secret", secret), "invalid_request"},
			"another type":     {append(good[:2:2], "client_assertion_type", "x"), "invalid_request"},
		} {
			if a := ask(r, row.parameters...); a.Error != row.code || a.Access != "" {
				t.Errorf("%s, %s: %d %s, want %s", name, what, a.Status, a.Error, row.code)
			}
		}
		a := ask(second, append(good, "client_id", id)...)
		if a.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, a.Status, a.Error)
		}
		refresh := []string{"grant_type", "refresh_token", "refresh_token", a.Refresh}
		if again := r.token(append(refresh, good...)...); again.Error != "invalid_client" {
			t.Errorf("%s: the same assertion on another replica: %d %s", name, again.Status, again.Error)
		}
		if a = r.token(append(refresh, key.assertion(t, id, nil)...)...); a.Status != http.StatusOK {
			t.Errorf("%s: refresh: %d %s", name, a.Status, a.Error)
		}
		if name != "a document" {
			continue
		}
		h.status.Store(http.StatusInternalServerError) // without its document, nobody knows that it must authenticate
		if a := r.token("grant_type", "refresh_token", "refresh_token", a.Refresh, "client_id", id); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Errorf("without the document, and without an assertion: %d %s", a.Status, a.Error)
		}
		if resp := r.do("POST", "/revoke", "client_id="+id+"&token="+a.Refresh); resp.StatusCode != http.StatusServiceUnavailable || r.ended(a.Access) {
			t.Errorf("revocation without the document: %d", resp.StatusCode)
		}
		h.status.Store(http.StatusOK)
		h.body.Store(strings.ReplaceAll(h.body.Load().(string), key.keySet(), other.keySet()))
		if a := r.token(append([]string{"grant_type", "refresh_token", "refresh_token", a.Refresh}, other.assertion(t, id, nil)...)...); a.Status != http.StatusOK {
			t.Errorf("a key that the document has now: %d %s", a.Status, a.Error)
		}
	}
}
