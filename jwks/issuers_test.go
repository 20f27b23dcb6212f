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
	"github.com/seed-e36e2130/auth/jwt"
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
		"Clerk": {
			cfg:      jwks.Clerk("https://clerk.example.com/", "https://app.example.com", "http://localhost:3000"),
			issuer:   "https://clerk.example.com",
			keysPath: "/.well-known/jwks.json",
			alg:      "RS256",
			header:   claims{"typ": "JWT", "cat": "cl_B7d4PD111AAA"},
			claims: claims{
				"azp": "https://app.example.com", "fva": []int{7, -1}, "jti": "1234567890", "nbf": 1713158390, "sid": "sess_123", "sub": "user_123",
				"v": 2, "pla": "u:free,o:pro", "fea": "o:dashboard", "sts": "active",
				"o": claims{"id": "org_123", "slg": "org-slug", "rol": "admin", "per": "read,manage", "fpm": "3,2"},
			},
			roles: "admin",
			also: map[string]claims{
				"another origin":         {"azp": "http://localhost:3000"},
				"no active organisation": {"o": nil},
				"impersonated":           {"act": claims{"iss": "https://dashboard.clerk.com", "sid": "sess_456", "sub": "user_456"}},
			},
			refuse: map[string]claims{
				"of a page that is not ours": {"azp": "https://evil.example.com"},
				"without an origin":          {"azp": nil},
				"a pending session":          {"sts": "pending"},
				"from a JWT template":        {"sid": nil, "sts": nil, "aud": "https://app.example.com"},
			},
		},
		"Zitadel": {
			cfg:      jwks.Zitadel("https://acme.zitadel.cloud/", "178204173316174381"),
			issuer:   "https://acme.zitadel.cloud",
			keysPath: "/oauth/v2/keys",
			alg:      "RS256",
			header:   plain,
			claims: claims{
				"aud": []string{"209358103284843523@web", "178204173316174381"}, "sub": "165467338479501569", "nbf": 1639484400,
				"azp": "209358103284843523@web", "jti": "165475143147118849", "client_id": "209358103284843523@web",
				"urn:zitadel:iam:org:project:roles": claims{"admin": claims{"178204173316174381": "acme.ch", "209358103284843523": "partner.ch"}},
			},
			roles: "admin",
			also:  map[string]claims{"no roles": {"urn:zitadel:iam:org:project:roles": nil}},
			refuse: map[string]claims{
				"ID token":                 {"jti": nil, "amr": []string{"pwd"}, "at_hash": "x", "auth_time": 1639484399},
				"another project":          {"aud": []string{"209358103284843523@web"}},
				"roles that are something": {"urn:zitadel:iam:org:project:roles": claims{"admin": true}},
			},
		},
		"Okta": {
			cfg:      jwks.Okta("https://acme.okta.com/oauth2/default/", "api://default"),
			issuer:   "https://acme.okta.com/oauth2/default",
			keysPath: "/oauth2/default/v1/keys",
			alg:      "RS256",
			header:   none,
			claims: claims{
				"ver": 1, "jti": "AT.bcNo4WsBA8QS81SOrrTxWbqMsO50lrFxlYK88DlAPiM", "aud": "api://default", "cid": "0oaoesxtxmPf08QHk0h7",
				"uid": "00uixa271s6x7qt8I0h7", "scp": []string{"openid", "items.read"}, "auth_time": 1573775215, "sub": "joe.user@example.com",
			},
			scopes: "openid items.read",
			also:   map[string]claims{"client credentials": {"uid": nil, "sub": "0oaoesxtxmPf08QHk0h7", "scp": []string{"items.read"}}},
			refuse: map[string]claims{
				"ID token":             {"aud": "0oaoesxtxmPf08QHk0h7", "cid": nil, "scp": nil, "jti": "ID.T-ngjNl193t6rg3_eXifJatKDhLPviN8NG02wJLWf2g"},
				"ID token in disguise": {"cid": nil, "scp": nil},
				"of the org server":    {"iss": "https://acme.okta.com", "aud": "https://acme.okta.com", "typ header": "application/okta-internal-at+jwt"},
				"bound to a key":       {"cnf": claims{"jkt": "2HR2BW5-tan1aI6yIPHVOHwirAy4kQGWULoQHKUO0s4"}},
			},
		},
		"Firebase": {
			cfg:      jwks.Firebase("acme-1234"),
			issuer:   "https://securetoken.google.com/acme-1234",
			keysPath: "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
			alg:      "RS256",
			header:   plain,
			claims: claims{
				"aud": "acme-1234", "auth_time": 1713158000, "user_id": "u1", "sub": "u1", "email": "jane@example.com", "email_verified": true,
				"firebase": claims{"identities": claims{"email": []string{"jane@example.com"}}, "sign_in_provider": "password"},
			},
			also: map[string]claims{"anonymous": {"provider_id": "anonymous", "email": nil}},
			refuse: map[string]claims{
				"another project": {"aud": "other-1234", "iss": "https://securetoken.google.com/other-1234"},
				"session cookie":  {"iss": "https://session.firebase.google.com/acme-1234"},
				"no user":         {"sub": "", "user_id": ""},
			},
		},
		"Google": {
			cfg:      jwks.Google("1234-web.apps.googleusercontent.com", "1234-ios.apps.googleusercontent.com"),
			issuer:   "https://accounts.google.com",
			keysPath: "https://www.googleapis.com/oauth2/v3/certs",
			alg:      "RS256",
			header:   plain,
			claims: claims{
				"azp": "1234-web.apps.googleusercontent.com", "aud": "1234-web.apps.googleusercontent.com", "sub": "110169484474386276334",
				"hd": "example.com", "email": "jane@example.com", "email_verified": true, "at_hash": "x", "nonce": "y", "name": "Jane",
			},
			also: map[string]claims{"another application": {"aud": "1234-ios.apps.googleusercontent.com"}},
			refuse: map[string]claims{
				"an application of somebody else": {"aud": "9999-web.apps.googleusercontent.com"},
				"the other spelling of iss":       {"iss": "accounts.google.com"},
			},
		},
		"Apple": {
			cfg:      jwks.Apple("com.example.app", "com.example.web"),
			issuer:   "https://appleid.apple.com",
			keysPath: "https://appleid.apple.com/auth/keys",
			alg:      "RS256",
			header:   none,
			claims: claims{
				"aud": "com.example.app", "sub": "001393.6d621dadasdd04956bds129fa982ba.1517", "nonce": "x", "c_hash": "y", "email": "a@privaterelay.appleid.com",
				"email_verified": "true", "is_private_email": "true", "auth_time": 1703795295, "nonce_supported": true,
			},
			also:   map[string]claims{"a site": {"aud": "com.example.web", "email_verified": true}},
			refuse: map[string]claims{"another app": {"aud": "com.evil.app"}},
		},
		"GitHub Actions": {
			cfg:      jwks.GitHubActions("octo-org/octo-repo", "https://api.example.com"),
			issuer:   "https://token.actions.githubusercontent.com",
			keysPath: "/.well-known/jwks",
			alg:      "RS256",
			jwk:      claims{"x5c": []string{"MIIC"}, "x5t": "x"},
			header:   claims{"typ": "JWT", "x5t": "x"},
			claims: claims{
				"jti": "example-id", "sub": "repo:octo-org/octo-repo:environment:prod", "environment": "prod", "aud": "https://api.example.com",
				"ref": "refs/heads/main", "repository": "octo-org/octo-repo", "repository_owner": "octo-org", "repository_id": "74", "repository_owner_id": "65",
				"actor": "octocat", "workflow": "ci", "event_name": "workflow_dispatch", "job_workflow_ref": "octo-org/x/.github/workflows/oidc.yml@refs/heads/main",
			},
			also: map[string]claims{"the new form of subjects": {"sub": "repo:octo-org@65/octo-repo@74:ref:refs/heads/main"}},
			refuse: map[string]claims{
				"another repository":          {"repository": "evil-org/octo-repo"},
				"a repository that begins so": {"repository": "octo-org/octo-repo-2"},
				"for somebody else":           {"aud": "https://github.com/octo-org"},
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
			keysURL := product.keysPath
			if !strings.HasPrefix(keysURL, "https://") {
				keysURL = "https://" + strings.Split(product.issuer, "/")[2] + keysURL
			}
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

// A parameter that cannot be right is a fault that names the function and says what is wanted.
func TestProductFaults(t *testing.T) {
	t.Parallel()
	const tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
	all := func(string) bool { return true }
	changed := func(cfg jwks.Config, change func(*jwks.Config)) jwks.Config {
		change(&cfg)
		return cfg
	}
	for name, row := range map[string]struct {
		cfg  jwks.Config
		want string // in the error; "": there is none
	}{
		"Auth0":                   {jwks.Auth0("acme.eu.auth0.com", "a"), ""},
		"Auth0, URL":              {jwks.Auth0("https://acme.eu.auth0.com/", "a"), "jwks.Auth0"},
		"Auth0, slash":            {jwks.Auth0("acme.eu.auth0.com/", "a"), "jwks.Auth0"},
		"Auth0, nothing":          {jwks.Auth0("", "a"), "jwks.Auth0"},
		"Entra":                   {jwks.Entra(tenant, "a"), ""},
		"Entra, capitals":         {jwks.Entra(strings.ToUpper(tenant), "a"), ""},
		"Entra, common":           {jwks.Entra("common", "a"), "jwks.EntraTenants"},
		"Entra, organizations":    {jwks.Entra("organizations", "a"), "jwks.EntraTenants"},
		"Entra, consumers":        {jwks.Entra("Consumers", "a"), "jwks.EntraTenants"},
		"Entra, domain":           {jwks.Entra("contoso.onmicrosoft.com", "a"), "GUID"},
		"Entra, common by hand":   {jwks.Config{Tokens: jwt.VerifierConfig{Issuer: "https://login.microsoftonline.com/common/v2.0", Audience: "a"}}, "jwks.EntraTenants"},
		"Entra, many":             {jwks.EntraTenants("a", all), ""},
		"Entra, many, nobody":     {jwks.EntraTenants("a", nil), "jwks.EntraTenants: allow is nil"},
		"Entra, many, one issuer": {changed(jwks.EntraTenants("a", all), func(cfg *jwks.Config) { cfg.Tokens.Issuer = "https://login.microsoftonline.us/x/v2.0" }), "{tenantid}"},
		"Entra, many, a function": {changed(jwks.EntraTenants("a", all), func(cfg *jwks.Config) {
			cfg.Tokens.IssuerFunc = func(*jwt.Principal, string) bool { return true }
		}), "IssuerFunc"},
		"Cognito":                    {jwks.Cognito("eu-central-1_Ab1Cd2Ef3", "c"), ""},
		"Cognito, an ARN":            {jwks.Cognito("arn:aws:cognito-idp:eu-central-1:1:userpool", "c"), "jwks.Cognito"},
		"Keycloak":                   {jwks.Keycloak("https://id.example.com/realms/acme", "a"), ""},
		"Keycloak, a name":           {jwks.Keycloak("acme", "a"), "Tokens.Issuer"},
		"Okta":                       {jwks.Okta("https://acme.okta.com/oauth2/default", "a"), ""},
		"Okta, the org server":       {jwks.Okta("https://acme.okta.com", "a"), "jwks.Okta"},
		"Firebase":                   {jwks.Firebase("acme-1234"), ""},
		"Firebase, nothing":          {jwks.Firebase(""), "Audience"},
		"Firebase, a URL":            {jwks.Firebase("https://acme.firebaseapp.com"), "jwks.Firebase"},
		"Clerk":                      {jwks.Clerk("https://clerk.example.com", "https://app.example.com"), ""},
		"Clerk, no origin":           {jwks.Clerk("https://clerk.example.com", ""), "Audience"},
		"Zitadel":                    {jwks.Zitadel("https://acme.zitadel.cloud", "1"), ""},
		"Google":                     {jwks.Google("c"), ""},
		"Google, nobody":             {jwks.Google(""), "Audience"},
		"Apple":                      {jwks.Apple("c"), ""},
		"GitHub Actions":             {jwks.GitHubActions("octo-org/octo-repo", "a"), ""},
		"GitHub Actions, everybody":  {jwks.GitHubActions("", "a"), "jwks.GitHubActions"},
		"GitHub Actions, an owner":   {jwks.GitHubActions("octo-org", "a"), "jwks.GitHubActions"},
		"GitHub Actions, any of one": {jwks.GitHubActions("octo-org/", "a"), "jwks.GitHubActions"},
		"GitHub Actions, a URL":      {jwks.GitHubActions("https://github.com/octo-org/octo-repo", "a"), "jwks.GitHubActions"},
	} {
		_, err := jwks.New(row.cfg)
		switch fault, isFault := errors.AsType[*auth.ConfigError](err); {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case row.want != "" && (!isFault || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: got %v, %v, want a ConfigError that holds %s", name, fault, err, row.want)
		}
	}
}
