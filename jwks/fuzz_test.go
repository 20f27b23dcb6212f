package jwks_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

// Whatever metadata say, the keys come from where the host allowed.
func FuzzMetadata(f *testing.F) {
	f.Add(`{"issuer":"https://issuer.test/realms/a","jwks_uri":"https://issuer.test/keys"}`)
	f.Add(`{"issuer":"https://issuer.test/realms/a","jwks_uri":"https://KEYS.test:443/keys?a=b"}`)
	f.Add(`{"issuer":"https://issuer.test/realms/a","jwks_uri":"http://issuer.test/keys"}`)
	f.Add(`{"issuer":"https://issuer.test/realms/a","jwks_uri":"https://issuer.test@evil.test/keys"}`)
	f.Add(`{"issuer":"https://issuer.test/realms/a","jwks_uri":"https://issuer.test\\@evil.test/keys"}`)
	f.Add(`{"issuer":"https://issuer.test/realms/a","jwks_uri":"https:issuer.test/keys"}`)
	f.Add(`{"issuer":"https://issuer.test/realms/a/","jwks_uri":"//issuer.test"}`)
	cfg := jwks.Config{Tokens: jwt.VerifierConfig{Issuer: issuerURL, Audience: audience}, KeyHosts: []string{"keys.test"}}
	f.Fuzz(func(t *testing.T, text string) {
		keysURL, err := jwks.ReadMetadata(cfg, text)
		if err != nil {
			return
		}
		u, err := url.Parse(keysURL)
		if err != nil {
			t.Fatal(err)
		}
		host := strings.ToLower(u.Hostname())
		if u.Scheme != "https" || u.User != nil || host != "issuer.test" && host != "keys.test" || u.Port() != "" && u.Port() != "443" {
			t.Errorf("keys from %q", keysURL)
		}
		// What asks there must see the same host.
		r, err := http.NewRequest("GET", keysURL, nil)
		if err != nil || r.URL.Host != u.Host || r.Host != u.Host {
			t.Errorf("%q is asked of %q: %v", keysURL, r.Host, err)
		}
	})
}

// Whatever a set says, what is taken from it is few, sound and public, can stand
// in a ring, and is the same in another order.
func FuzzKeySet(f *testing.F) {
	rs, ec, ed := newKey(f, "RS256", "1"), newKey(f, "ES256", "2"), newKey(f, "EdDSA", "3")
	f.Add(setOf(f, rs.jwk(), ec.jwk(), ed.jwk()), "")
	f.Add(setOf(f, rs.jwk(map[string]any{"alg": nil}), ec.jwk(map[string]any{"use": "enc"})), "PS256")
	f.Add(setOf(f, ed.jwk(), ed.jwk(map[string]any{"kid": "4"})), "")
	f.Add(setOf(f, ed.jwk(), ed.jwk(map[string]any{"d": "AAAA", "kid": "4"})), "")
	f.Add(setOf(f, map[string]any{"kty": "oct", "k": encode(make([]byte, 32))}, ed.jwk()), "")
	f.Add(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"","kid":""}]}`, "")
	f.Fuzz(func(t *testing.T, text, rsaAlgorithm string) {
		keys, prints, err := jwks.ParseKeySet(text, rsaAlgorithm)
		if err != nil {
			if len(keys) != 0 {
				t.Error("keys and an error")
			}
			return
		}
		if len(keys) == 0 || len(keys) > 100 || len(keys) != len(prints) || !slices.IsSorted(prints) {
			t.Fatalf("%d keys, prints %q", len(keys), prints)
		}
		for _, k := range keys {
			if k.CanSign() || k.ID() == "" || strings.HasPrefix(k.Algorithm(), "HS") || k.Algorithm() == "" {
				t.Errorf("took %v", k)
			}
		}
		_ = new(jwt.KeyRing).Replace(keys[0], keys[1:]...) // refuses or not, and never panics
	})
}

func FuzzMaxAge(f *testing.F) {
	f.Add("public, max-age=600", "")
	f.Add(`max-age="600"`, "no-cache")
	f.Add("max-age=99999999999999999999", "max-age=1")
	f.Fuzz(func(t *testing.T, a, b string) {
		age := jwks.MaxAge(http.Header{"Cache-Control": {a, b}})
		if age != -1 && (age < 0 || age > 100*365*24*time.Hour) {
			t.Errorf("%v", age)
		}
	})
}
