package jwks_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

const (
	tenantA  = "aaaaaaaa-0000-cccc-1111-dddd2222eeee"
	tenantB  = "bbbbbbbb-0000-cccc-1111-dddd2222eeee"
	personal = "9188040d-6c67-4c5b-b112-36a304b66dad"
	entra    = "https://login.microsoftonline.com/"
)

// entraKeys publishes the keys of Entra for all tenants.
func entraKeys(t *testing.T, jwks ...any) *issuer {
	i := newIssuer(t, "")
	i.answerSet(answer(setOf(t, jwks...)))
	return i
}

// tenantToken returns an access token of a tenant.
func tenantToken(t *testing.T, k testKey, tenant string, others ...map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": entra + tenant + "/v2.0", "tid": tenant, "aud": "client", "azp": "app", "sub": "s", "oid": "o", "ver": "2.0", "scp": "Files.Read",
		"iat": now, "exp": now + 3600,
	}
	for _, o := range others {
		for name, value := range o {
			claims[name] = value
		}
	}
	return k.sign(t, map[string]any{"alg": k.alg, "kid": k.kid, "typ": "JWT"}, claims)
}

// Tokens of allowed tenants are accepted, each under the name of its tenant and by a key that is for
// this tenant. Nothing else is.
func TestEntraTenants(t *testing.T) {
	t.Parallel()
	shared, consumers, ofA, plain := newKey(t, "EdDSA", "shared"), newKey(t, "EdDSA", "consumers"), newKey(t, "EdDSA", "a"), newKey(t, "EdDSA", "plain")
	i := entraKeys(t,
		shared.jwk(map[string]any{"issuer": entra + "{tenantid}/v2.0"}),
		consumers.jwk(map[string]any{"issuer": entra + personal + "/v2.0"}),
		ofA.jwk(map[string]any{"issuer": entra + tenantA + "/v2.0"}),
		plain.jwk(),
	)
	var banned atomic.Value // a tenant that is no longer allowed
	banned.Store("")
	cfg := jwks.EntraTenants("client", func(id string) bool { return (id == tenantA || id == personal) && id != banned.Load() })
	if cfg.KeysURL != "https://login.microsoftonline.com/common/discovery/v2.0/keys" {
		t.Errorf("the keys are fetched from %s", cfg.KeysURL)
	}
	cfg.Transport = i
	checked := 0
	cfg.Tokens.Check = func(context.Context, *jwt.Principal) error { checked++; return nil }
	v, err := jwks.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"another tenant, before there are keys": tenantToken(t, shared, tenantB),
		"no tenant, before there are keys":      tenantToken(t, shared, "common"),
		"version 1, before there are keys":      tenantToken(t, shared, tenantA, map[string]any{"iss": "https://sts.windows.net/" + tenantA + "/"}),
	} {
		if p, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("%s: got %v, %v, want ErrInvalidToken", name, p, err)
		}
	}
	if n := i.requests(); n != 0 {
		t.Errorf("%d requests for tokens of others", n)
	}

	for name, token := range map[string]string{
		"a tenant":                           tenantToken(t, shared, tenantA),
		"personal accounts":                  tenantToken(t, shared, personal),
		"personal accounts by their own key": tenantToken(t, consumers, personal),
		"a tenant by its own key":            tenantToken(t, ofA, tenantA),
		"a tenant by a key of no issuer":     tenantToken(t, plain, tenantA),
	} {
		for range 2 {
			if p := accepted(t, v, token); !p.HasScope("Files.Read") || !strings.HasPrefix(p.Issuer(), entra) {
				t.Errorf("%s reads as %+v", name, p.Claims())
			}
		}
	}
	if checked != 10 {
		t.Errorf("the check of the host was called %d times, want 10", checked)
	}
	for name, token := range map[string]string{
		"another tenant":                        tenantToken(t, shared, tenantB),
		"a tenant by the key of personal":       tenantToken(t, consumers, tenantA),
		"personal accounts by the key of A":     tenantToken(t, ofA, personal),
		"tid of an allowed tenant":              tenantToken(t, shared, tenantB, map[string]any{"tid": tenantA}),
		"iss of an allowed tenant":              tenantToken(t, shared, tenantA, map[string]any{"tid": tenantB}),
		"no tid":                                tenantToken(t, shared, tenantA, map[string]any{"tid": ""}),
		"tid as a list":                         tenantToken(t, shared, tenantA, map[string]any{"tid": []string{tenantA}}),
		"the template itself":                   tenantToken(t, shared, "{tenantid}"),
		"the name common":                       tenantToken(t, shared, "common"),
		"capitals":                              tenantToken(t, shared, strings.ToUpper(tenantA)),
		"a path before":                         tenantToken(t, shared, tenantA, map[string]any{"iss": "https://evil.test/" + entra + tenantA + "/v2.0"}),
		"a path within":                         tenantToken(t, shared, tenantA, map[string]any{"iss": entra + "x/" + tenantA + "/v2.0"}),
		"something after":                       tenantToken(t, shared, tenantA, map[string]any{"iss": entra + tenantA + "/v2.0/"}),
		"version 1":                             tenantToken(t, shared, tenantA, map[string]any{"iss": "https://sts.windows.net/" + tenantA + "/"}),
		"another audience":                      tenantToken(t, shared, tenantA, map[string]any{"aud": "other"}),
		"ID token":                              tenantToken(t, shared, tenantA, map[string]any{"azp": ""}),
		"signed by somebody":                    tenantToken(t, newKey(t, "EdDSA", "shared"), tenantA),
		"signed by the key of A, called shared": tenantToken(t, testKey{"EdDSA", "shared", ofA.signer}, tenantA),
	} {
		for range 2 {
			if p, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("%s: got %v, %v, want ErrInvalidToken", name, p, err)
			}
		}
	}
	all := jwks.EntraTenants("client", func(string) bool { return true })
	all.Transport = i
	everybody, err := jwks.New(all)
	if err != nil {
		t.Fatal(err)
	}
	accepted(t, everybody, tenantToken(t, shared, tenantB))
	for _, id := range []string{"{tenantid}", "common", "", "x/" + tenantA, strings.ToUpper(tenantA), tenantA[:35], tenantA + "0", strings.ReplaceAll(tenantA, "-", ""), strings.Replace(tenantA, "-", "0", 1)} {
		if p, err := everybody.Verify(t.Context(), tenantToken(t, shared, id)); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("the tenant %q: got %v, %v, want ErrInvalidToken", id, p, err)
		}
	}
	token := tenantToken(t, shared, tenantA)
	accepted(t, v, token)
	banned.Store(tenantA)
	if p, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("a tenant that is no longer allowed: got %v, %v, want ErrInvalidToken", p, err)
	}
}

// A key that is published for another tenant than before verifies no tokens of the old one.
func TestKeyChangesItsTenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA", "k")
		i := entraKeys(t, key.jwk(map[string]any{"issuer": entra + tenantA + "/v2.0"}))
		cfg := jwks.EntraTenants("client", func(string) bool { return true })
		cfg.Transport = i
		v, err := jwks.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		accepted(t, v, tenantToken(t, key, tenantA))
		i.answerSet(answer(setOf(t, key.jwk(map[string]any{"issuer": entra + tenantB + "/v2.0"}))))
		time.Sleep(time.Hour)
		accepted(t, v, tenantToken(t, key, tenantB))
		if p, err := v.Verify(t.Context(), tenantToken(t, key, tenantA)); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("got %v, %v, want ErrInvalidToken", p, err)
		}
	})
}

// Of two verifiers, the one of many tenants stands second.
func ExampleEntraTenants() {
	customers := map[string]bool{"aaaabbbb-0000-cccc-1111-dddd2222eeee": true} // from your database, kept in memory
	entra, err := jwks.New(jwks.EntraTenants("00001111-aaaa-2222-bbbb-3333cccc4444", func(tenantID string) bool {
		return customers[tenantID]
	}))
	if err != nil {
		panic(err)
	}
	own, err := jwks.New(jwks.Keycloak("https://id.example.com/realms/acme", "my-api"))
	if err != nil {
		panic(err)
	}
	verifier, err := jwt.Either(own, entra)
	if err != nil {
		panic(err)
	}
	guard, err := auth.NewMiddleware(verifier, auth.MiddlewareConfig{})
	if err != nil {
		panic(err)
	}
	http.Handle("GET /items", guard.Require(http.NotFoundHandler()))
}
