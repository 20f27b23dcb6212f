package jwks_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

// tokenCase is a file of testdata/cases: a token as another issuer made it, its keys, and what a host
// configures. Lines at its head say what is expected and why.
type tokenCase struct {
	Token  string
	JWKS   json.RawMessage
	Config struct {
		Issuer, Audience string
		Types            []string
	}
}

func readCase(t *testing.T, name string) (c tokenCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/cases/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text[strings.Index(string(text), "\n{"):], &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// verifier returns the verifier that the case configures, with a change, whose issuer publishes the
// keys of the case.
func (c tokenCase) verifier(t *testing.T, change func(*jwks.Config)) *jwks.Verifier {
	t.Helper()
	i := newIssuer(t, c.Config.Issuer)
	i.answerSet(answer(string(c.JWKS)))
	return i.verifier(t, func(cfg *jwks.Config) {
		cfg.Tokens.Audience, cfg.Tokens.Types = c.Config.Audience, c.Config.Types
		if change != nil {
			change(cfg)
		}
	})
}

// Tokens and key sets as other issuers write them.
func TestTokenCases(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*jwks.Config){
		"08-header-jku":        func(cfg *jwks.Config) { cfg.Tokens.IgnoreKeyHeaders = true },
		"09-jwks-leading-zero": nil,
		"11-jwk-without-kid":   nil,
	} {
		c := readCase(t, name)
		if p := accepted(t, c.verifier(t, change), c.Token); p.Subject() != "u-42" {
			t.Errorf("%s speaks for %q", name, p.Subject())
		}
	}
	jku := readCase(t, "08-header-jku")
	if p, err := jku.verifier(t, nil).Verify(t.Context(), jku.Token); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("jku without the setting: got %v, %v, want ErrInvalidToken", p, err)
	}
}

// A token of version 1 is refused with the setting that is to be changed, whether there are keys yet,
// are none, or are those of the token.
func TestEntraVersion1Case(t *testing.T) {
	t.Parallel()
	c := readCase(t, "14-entra-v1-iss")
	const tenant = "11111111-2222-3333-4444-555555555555"
	i := newIssuer(t, entra+tenant+"/v2.0")
	i.answerSet(answer(string(c.JWKS)))
	for name, cfg := range map[string]jwks.Config{
		"one tenant":   jwks.Entra(tenant, "api"),
		"many tenants": jwks.EntraTenants("api", func(string) bool { return true }),
	} {
		cfg.Transport, cfg.KeysURL = i, i.url+"/keys"
		v, err := jwks.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			p, err := v.Verify(t.Context(), c.Token)
			if !errors.Is(err, auth.ErrInvalidToken) || !strings.Contains(err.Error(), "sts.windows.net") || !strings.Contains(err.Error(), "requestedAccessTokenVersion") {
				t.Errorf("%s, round %d: got %v, %v, want an error that names sts.windows.net and requestedAccessTokenVersion", name, round, p, err)
			}
			_, _ = v.Verify(t.Context(), newKey(t, "EdDSA", "x").token(t, i.url)) // now there are keys
		}
		if i.fetches() == 0 {
			t.Error("no keys were fetched")
		}
	}
}

// A JWK without kid is used for every kid, and is fetched again when a token has another key: at once,
// and not for each forged token.
func TestKeyWithoutID(t *testing.T) {
	t.Parallel()
	for name, kid := range map[string]string{"a kid that is not told": "2026-01", "no kid in the token": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				key, next := newKey(t, "EdDSA", kid), newKey(t, "EdDSA", kid)
				nameless := func(k testKey) any { return k.jwk(map[string]any{"kid": nil}) }
				i := newIssuer(t, issuerURL)
				i.answerSet(answer(setOf(t, nameless(key), newKey(t, "ES256", "es").jwk())))
				v := i.verifier(t)
				accepted(t, v, key.token(t, issuerURL))
				time.Sleep(time.Minute)
				i.answerSet(answer(setOf(t, nameless(next))))
				accepted(t, v, next.token(t, issuerURL))
				if n := i.fetches(); n != 2 {
					t.Errorf("%d fetches, want 2", n)
				}
				for range 20 {
					if p, err := v.Verify(t.Context(), newKey(t, "EdDSA", kid).token(t, issuerURL)); !errors.Is(err, auth.ErrUnknownKey) {
						t.Errorf("a forged token: got %v, %v, want ErrUnknownKey", p, err)
					}
				}
				if n := i.fetches(); n > 3 {
					t.Errorf("%d fetches, want at most 3", n)
				}
			})
		})
	}
}

// With two keys of one algorithm, or a kid on the only one, an unknown kid stays unknown.
func TestUnknownIDStaysUnknown(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	for name, set := range map[string]string{
		"two without kid":         setOf(t, key.jwk(map[string]any{"kid": nil}), newKey(t, "EdDSA", "").jwk(map[string]any{"kid": nil})),
		"one without, one with":   setOf(t, key.jwk(map[string]any{"kid": nil}), newKey(t, "EdDSA", "2").jwk()),
		"one with another kid":    setOf(t, key.jwk(map[string]any{"kid": "2"})),
		"its thumbprint as a kid": setOf(t, key.jwk(map[string]any{"kid": thumbprint(t, key)})),
	} {
		i := newIssuer(t, issuerURL)
		i.answerSet(answer(set))
		if p, err := i.verifier(t).Verify(t.Context(), key.token(t, issuerURL)); !errors.Is(err, auth.ErrUnknownKey) {
			t.Errorf("%s: got %v, %v, want ErrUnknownKey", name, p, err)
		}
	}
}

func thumbprint(t *testing.T, k testKey) string {
	t.Helper()
	key, err := jwt.NewVerifyingKey(k.signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key.ID()
}

// Tokens without iss are verified where the host says so and names the place of the keys.
func TestNoIssuer(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	i := newIssuer(t, issuerURL, key)
	nameless := map[string]any{"iss": nil}
	token := key.token(t, issuerURL, nameless)
	if p, err := i.verifier(t).Verify(t.Context(), token); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("without the setting: got %v, %v, want ErrInvalidToken", p, err)
	}
	for name, change := range map[string]func(*jwks.Config){
		"or one": func(cfg *jwks.Config) { cfg.Tokens.DangerouslyNoIssuer = true },
		"and no name": func(cfg *jwks.Config) {
			cfg.Tokens.DangerouslyNoIssuer, cfg.Tokens.Issuer, cfg.KeysURL = true, "", issuerURL+"/keys"
		},
		"a function": func(cfg *jwks.Config) {
			cfg.Tokens.Issuer, cfg.KeysURL = "", issuerURL+"/keys"
			cfg.Tokens.IssuerFunc = func(p *jwt.Principal, keyID string) bool { return p.Issuer() == "" && keyID == "1" }
		},
	} {
		before := i.requests()
		v := i.verifier(t, change)
		if name != "a function" { // which decides when the token was verified
			if _, err := v.Verify(t.Context(), key.token(t, "https://other.test")); !errors.Is(err, auth.ErrInvalidToken) || i.requests() != before {
				t.Errorf("%s, token of another issuer: got %v after %d requests, want ErrInvalidToken after none", name, err, i.requests()-before)
			}
		}
		accepted(t, v, token)
		if p, err := v.Verify(t.Context(), key.token(t, "https://other.test")); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("%s, token of another issuer: got %v, %v, want ErrInvalidToken", name, p, err)
		}
	}
	if _, err := jwks.New(jwks.Config{Tokens: jwt.VerifierConfig{Audience: audience, DangerouslyNoIssuer: true}}); err == nil || !strings.Contains(err.Error(), "KeysURL") {
		t.Errorf("got %v, want a fault of KeysURL", err)
	}
}
