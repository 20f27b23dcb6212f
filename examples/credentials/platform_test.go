package credentials_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// platform is another issuer: it publishes its metadata and its keys, and signs tokens as it likes.
type platform struct {
	url string
	key ed25519.PrivateKey
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{key: key}
	mux := http.NewServeMux()
	answer := func(path string, body func() any) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(body())
		})
	}
	type object = map[string]any
	metadata := func() any { return object{"issuer": p.url, "jwks_uri": p.url + "/keys"} }
	answer("/.well-known/openid-configuration", metadata)
	answer("/.well-known/oauth-authorization-server", metadata)
	answer("/keys", func() any {
		return object{"keys": []object{{
			"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "1", "x": base64.RawURLEncoding.EncodeToString(public),
		}}}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// token returns a token that the platform signs: iss, iat and exp are added to the claims.
func (p *platform) token(t *testing.T, typ string, life time.Duration, claims map[string]any) string {
	t.Helper()
	now := time.Now()
	claims["iss"], claims["iat"], claims["exp"] = p.url, now.Unix(), now.Add(life).Unix()
	header := map[string]any{"alg": "EdDSA", "kid": "1"}
	if typ != "" {
		header["typ"] = typ
	}
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	input := encode(header) + "." + encode(claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(p.key, []byte(input)))
}
