package jwks_test

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
)

// The access tokens of the products, as their documentation shows them, are accepted. The other
// tokens that they sign with the same keys are refused.
func TestProducts(t *testing.T) {
	t.Parallel()
	const (
		tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
		client = "00001111-aaaa-2222-bbbb-3333cccc4444"
	)
	type claims = map[string]any
	plain, none := claims{"typ": "JWT"}, claims{}
	products := map[string]struct {
		cfg      jwks.Config
		issuer   string
		keysPath string
		alg      string
		jwk      claims // further members of its JWKs
		header   claims
		claims   claims
		roles    string
		scopes   string
		also     map[string]claims // changed claims with which a token is still accepted
		refuse   map[string]claims // changed claims with which a token is refused
	}{
		"Keycloak": {
			cfg:      jwks.Keycloak("https://id.example.com/realms/acme/", "my-api"),
			issuer:   "https://id.example.com/realms/acme",
			keysPath: "/realms/acme/protocol/openid-connect/certs",
			alg:      "RS256",
			jwk:      claims{"x5c": []string{"MIIC"}, "x5t": "x", "x5t#S256": "y"},
			header:   plain,
			claims: claims{
				"jti": "trrtcc:d58f5dc8", "aud": []string{"my-api", "account"}, "sub": "36fa0f91-f94d-4a0c-afed-6b7d952e47da",
				"typ": "Bearer", "azp": "web", "sid": "2a88c258", "acr": "1", "allowed-origins": []string{"https://www.example.com"},
				"realm_access":    claims{"roles": []string{"offline_access", "admin"}},
				"resource_access": claims{"account": claims{"roles": []string{"manage-account"}}},
				"scope":           "openid email profile", "email_verified": true, "preferred_username": "jane",
			},
			roles: "offline_access admin", scopes: "openid email profile",
			also: map[string]claims{"at+jwt": {"typ header": "at+jwt"}, "no roles": {"realm_access": nil}},
			refuse: map[string]claims{
				"ID token":         {"typ": "ID", "aud": "my-api", "at_hash": "x"},
				"refresh token":    {"typ": "Refresh", "aud": "https://id.example.com/realms/acme"},
				"of no kind":       {"typ": nil},
				"no such audience": {"aud": "account"},
				"logout token":     {"typ header": "logout+jwt", "typ": "Logout"},
			},
		},
		"Auth0": {
			cfg:      jwks.Auth0("acme.eu.auth0.com", "https://api.example.com"),
			issuer:   "https://acme.eu.auth0.com/",
			keysPath: "/.well-known/jwks.json",
			alg:      "RS256",
			jwk:      claims{"x5c": []string{"MIIC"}, "x5t": "x"},
			header:   plain,
			claims: claims{
				"sub": "auth0|123456", "aud": []string{"https://api.example.com", "https://acme.eu.auth0.com/userinfo"},
				"azp": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja", "scope": "openid profile read:patients", "permissions": []string{"read:patients"},
			},
			scopes: "openid profile read:patients",
			also: map[string]claims{
				"RFC 9068 profile":   {"typ header": "at+jwt", "client_id": "K1AU", "azp": nil, "jti": "73Wakr"},
				"client credentials": {"sub": "K1AU@clients", "aud": "https://api.example.com", "gty": "client-credentials"},
			},
			refuse: map[string]claims{
				"ID token":          {"aud": "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja", "nonce": "x"},
				"for userinfo only": {"aud": "https://acme.eu.auth0.com/userinfo"},
			},
		},
		"Entra": {
			cfg:      jwks.Entra(tenant, client),
			issuer:   "https://login.microsoftonline.com/" + tenant + "/v2.0",
			keysPath: "/" + tenant + "/discovery/v2.0/keys",
			alg:      "RS256",
			jwk:      claims{"alg": nil, "x5t": "x", "x5c": []string{"MIID"}, "issuer": "https://login.microsoftonline.com/" + tenant + "/v2.0"},
			header:   plain,
			claims: claims{
				"aud": client, "aio": "x", "azp": "11112222-bbbb-3333-cccc-4444dddd5555", "azpacr": "1", "name": "Jane", "oid": "o",
				"preferred_username": "jane@example.com", "rh": "x", "scp": "Files.Read Files.Write", "sub": "s", "tid": tenant, "uti": "x", "ver": "2.0",
				"roles": []string{"Reader"},
			},
			roles: "Reader", scopes: "Files.Read Files.Write",
			also: map[string]claims{"client credentials": {"scp": nil}},
			refuse: map[string]claims{
				"ID token":        {"azp": nil, "azpacr": nil, "scp": nil, "nonce": "x"},
				"another client":  {"aud": "11112222-bbbb-3333-cccc-4444dddd5555"},
				"another tenant":  {"iss": "https://login.microsoftonline.com/bbbbaaaa-0000-cccc-1111-dddd2222eeee/v2.0"},
				"version 1 token": {"iss": "https://sts.windows.net/" + tenant + "/", "aud": "api://" + client},
			},
		},
		"Cognito": {
			cfg:      jwks.Cognito("eu-central-1_Ab1Cd2Ef3", "web1234", "mobile567"),
			issuer:   "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1Cd2Ef3",
			keysPath: "/eu-central-1_Ab1Cd2Ef3/.well-known/jwks.json",
			alg:      "RS256",
			header:   none,
			claims: claims{
				"sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "device_key": "x", "cognito:groups": []string{"admin"}, "token_use": "access",
				"scope": "aws.cognito.signin.user.admin", "auth_time": 1562190524, "origin_jti": "x", "jti": "y", "client_id": "web1234", "username": "jane",
				"version": 2, "aud": nil,
			},
			roles: "admin", scopes: "aws.cognito.signin.user.admin",
			also: map[string]claims{"another app client": {"client_id": "mobile567"}, "no groups": {"cognito:groups": nil}},
			refuse: map[string]claims{
				"ID token":              {"token_use": "id", "aud": "web1234", "client_id": nil},
				"ID token in disguise":  {"token_use": "id"},
				"an app client not set": {"client_id": "other"},
				"bound to a resource":   {"aud": "https://other.example.com"},
			},
		},
		"Supabase": {
			cfg:      jwks.Supabase("https://abcdefghijkl.supabase.co"),
			issuer:   "https://abcdefghijkl.supabase.co/auth/v1",
			keysPath: "/auth/v1/.well-known/jwks.json",
			alg:      "ES256",
			jwk:      claims{"key_ops": []string{"verify"}, "ext": true},
			header:   plain,
			claims: claims{
				"aud": "authenticated", "sub": "123e4567-e89b-12d3-a456-426614174000", "role": "authenticated", "aal": "aal1", "session_id": "x",
				"email": "jane@example.com", "phone": "", "is_anonymous": false, "amr": []claims{{"method": "password", "timestamp": 1640991600}},
				"app_metadata": claims{"provider": "email", "providers": []string{"email"}}, "user_metadata": claims{},
			},
			also: map[string]claims{"anonymous": {"is_anonymous": true}},
			refuse: map[string]claims{
				"the anon key":         {"role": "anon", "aud": "anon"},
				"the service role key": {"role": "service_role", "session_id": nil},
				"another project":      {"iss": "https://other.supabase.co/auth/v1"},
			},
		},
	}
	for name, product := range products {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t, product.alg, "kid-1=")
			keysURL := "https://" + strings.Split(product.issuer, "/")[2] + product.keysPath
			set := setOf(t, key.jwk(product.jwk), newKey(t, "RS256", "enc").jwk(map[string]any{"use": "enc", "alg": "RSA-OAEP"}))
			product.cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				i := &issuer{set: status(404), metadata: status(404)}
				switch r.URL.String() {
				case strings.TrimSuffix(product.issuer, "/") + "/.well-known/openid-configuration":
					i.set = answer(string(marshal(t, claims{"issuer": product.issuer, "jwks_uri": keysURL})))
				case keysURL:
					i.set = answer(set)
				}
				i.metadata = i.set
				return i.RoundTrip(r)
			})
			v, err := jwks.New(product.cfg)
			if err != nil {
				t.Fatal(err)
			}
			makeToken := func(change claims) string {
				now := time.Now().Unix()
				header := claims{"alg": key.alg, "kid": key.kid}
				payload := claims{"iss": product.issuer, "iat": now, "exp": now + 3600}
				maps.Copy(header, product.header)
				maps.Copy(payload, product.claims)
				for name, value := range change {
					if name == "typ header" {
						header["typ"] = value
						continue
					}
					payload[name] = value
				}
				for name, value := range payload {
					if value == nil {
						delete(payload, name)
					}
				}
				return key.sign(t, header, payload)
			}
			p := accepted(t, v, makeToken(nil))
			if p.Subject() != product.claims["sub"] || strings.Join(p.Roles(), " ") != product.roles || strings.Join(p.Scopes(), " ") != product.scopes {
				t.Errorf("the token reads as %+v", p.Claims())
			}
			for name, change := range product.also {
				if _, err := v.Verify(t.Context(), makeToken(change)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			for name, change := range product.refuse {
				if _, err := v.Verify(t.Context(), makeToken(change)); !errors.Is(err, auth.ErrInvalidToken) {
					t.Errorf("%s: got %v, want ErrInvalidToken", name, err)
				}
			}
			if _, err := v.Verify(t.Context(), newKey(t, product.alg, "other").token(t, "https://other.test")); !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("token of another issuer: got %v, want ErrInvalidToken", err)
			}
		})
	}
}
