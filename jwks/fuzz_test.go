package jwks_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/freshness"
	"github.com/seed-e36e2130/auth/internal/jwkset"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

// Whatever the metadata says, keys are fetched only from hosts that are allowed.
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
			t.Errorf("keys would be fetched from %q", keysURL)
		}
		// The HTTP client must see the same host.
		r, err := http.NewRequest("GET", keysURL, nil)
		if err != nil || r.URL.Host != u.Host || r.Host != u.Host {
			t.Errorf("%q is requested from %q: %v", keysURL, r.Host, err)
		}
	})
}

// Whatever a set says, the keys taken from it are at most 100, sound and public.
func FuzzKeySet(f *testing.F) {
	rs, ec, ed := newKey(f, "RS256", "1"), newKey(f, "ES256", "2"), newKey(f, "EdDSA", "3")
	f.Add(setOf(f, rs.jwk(), ec.jwk(), ed.jwk()), "")
	f.Add(setOf(f, rs.jwk(map[string]any{"alg": nil}), ec.jwk(map[string]any{"use": "enc"})), "PS256")
	f.Add(setOf(f, ed.jwk(), ed.jwk(map[string]any{"kid": "4"})), "")
	f.Add(setOf(f, ed.jwk(), ed.jwk(map[string]any{"d": "AAAA", "kid": "4"})), "")
	f.Add(setOf(f, map[string]any{"kty": "oct", "k": encode(make([]byte, 32))}, ed.jwk()), "")
	f.Add(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"","kid":""}]}`, "")
	f.Fuzz(func(t *testing.T, text, rsaAlgorithm string) {
		set, err := jwkset.Parse(text, rsaAlgorithm)
		keys, prints := set.Keys, set.Prints
		if err != nil {
			if len(keys) != 0 {
				t.Error("Parse returned keys and an error")
			}
			return
		}
		if len(keys) == 0 || len(keys) > 100 || len(keys) != len(prints) || !slices.IsSorted(prints) {
			t.Fatalf("got %d keys with the prints %q", len(keys), prints)
		}
		for _, k := range keys {
			if k.CanSign() || k.ID() == "" || strings.HasPrefix(k.Algorithm(), "HS") || k.Algorithm() == "" {
				t.Errorf("accepted the key %v", k)
			}
		}
		_ = new(jwt.KeyRing).Replace(keys[0], keys[1:]...) // may refuse the keys, but must not panic
	})
}

func FuzzMaxAge(f *testing.F) {
	f.Add("public, max-age=600", "")
	f.Add(`max-age="600"`, "no-cache")
	f.Add("max-age=99999999999999999999", "max-age=1")
	f.Fuzz(func(t *testing.T, a, b string) {
		age := freshness.Of(http.Header{"Cache-Control": {a, b}})
		if age != -1 && (age < 0 || age > 100*365*24*time.Hour) {
			t.Errorf("max-age is %v, want -1 or 0 to 100 years", age)
		}
	})
}
