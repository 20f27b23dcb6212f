package jwks

import (
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/jwt"
)

// The functions below return the settings for the access tokens of one product. They follow its
// documentation and refuse its other tokens, as far as their claims differ. See decision 0031.
//
// The result is an ordinary Config, which a host may change where its issuer is configured
// otherwise. New reports a parameter that cannot be right. [jwt.Principal.Kind] is KindUser for all of
// them, because these products issue tokens to people and programs alike. A host that distinguishes
// programs reads the product's own claims. The functions of workloads.go are for programs alone.

// Keycloak returns the settings for a realm, whose URL is like
// "https://id.example.com/realms/acme". Keycloak puts an API into aud only if a client scope has an
// audience mapper for it.
//
// Roles are those of the realm (realm_access.roles). For the roles of a client, set
// Tokens.RolesClaim to {"resource_access", client, "roles"}. ID and refresh tokens are refused by
// their claim typ.
// https://www.keycloak.org/docs/latest/server_admin/#_audience
func Keycloak(realmURL, audience string) Config {
	return Config{Tokens: jwt.VerifierConfig{
		Issuer:         strings.TrimSuffix(realmURL, "/"),
		Audience:       audience,
		Types:          []string{"JWT", "at+jwt"}, // depends on a setting of the client
		RolesClaim:     []string{"realm_access", "roles"},
		RequiredClaims: map[string]string{"typ": "Bearer"},
	}}
}

// Auth0 returns the settings for an API of a tenant. The domain is like "acme.eu.auth0.com" or the
// tenant's custom domain; the audience is the identifier of the API. Both token profiles are
// accepted. Do not use an application's client ID as the audience: Auth0 writes it into ID tokens.
//
// Auth0 writes no roles. Set Tokens.RolesClaim to {"permissions"} to read the permissions of its
// RBAC as roles, or to the name of a claim that an Action writes.
// https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
func Auth0(domain, audience string) Config {
	cfg := Config{Tokens: jwt.VerifierConfig{
		Issuer:   "https://" + domain + "/",
		Audience: audience,
		Types:    []string{"JWT", "at+jwt"},
	}}
	if _, ok := parseHost(domain); !ok {
		cfg.refuse("Auth0", domain, "must be the domain of the tenant alone, as in acme.eu.auth0.com, without https:// and /")
	}
	return cfg
}

// Entra returns the settings for an API that is registered in one tenant of Microsoft Entra ID, by
// tenant ID and application (client) ID, both GUIDs. The API's manifest must ask for version 2
// tokens (requestedAccessTokenVersion). Scopes come from scp and roles from the app roles. ID
// tokens, which may have the same client ID as audience, are refused because they lack azp.
//
// The tenants "common", "organizations" and "consumers" stand for many issuers: see [EntraTenants].
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
func Entra(tenantID, clientID string) Config {
	tenantID = strings.ToLower(tenantID)
	cfg := entra(tenantID, clientID)
	if !isGUID(tenantID) {
		cfg.refuse("Entra", tenantID, "must be the ID of one tenant, a GUID, which its tokens have in iss; for many tenants use jwks.EntraTenants")
	}
	return cfg
}

// EntraTenants returns the settings for an API that accepts the tokens of many tenants of Microsoft
// Entra ID. allow says whether a tenant is allowed, by its ID, a GUID in lower case. It is called on
// each use of a token, also before the token is verified, from many goroutines: let it look at
// memory. What [Entra] says of tokens holds here.
//
// The iss of a token must be that of the tenant in its claim tid, and a key that is published for
// one tenant verifies no token of another. A subject is unique only within its tenant: store
// [jwt.Principal.Issuer] beside [jwt.Principal.Subject]. Personal Microsoft accounts are the tenant
// 9188040d-6c67-4c5b-b112-36a304b66dad. For another cloud than the public one change the hosts in
// Tokens.Issuer, which keeps its {tenantid}, and in KeysURL.
// https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-issuer
func EntraTenants(clientID string, allow func(tenantID string) bool) Config {
	cfg := entra(tenantID, clientID)
	cfg.KeysURL = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
	cfg.Tokens.RequiredClaims["tid"] = ""
	if cfg.tenants = allow; allow == nil {
		cfg.refuse("EntraTenants", "", "allow is nil: it says which tenants are allowed")
	}
	return cfg
}

func entra(tenantID, clientID string) Config {
	return Config{Tokens: jwt.VerifierConfig{
		Issuer:         "https://login.microsoftonline.com/" + tenantID + "/v2.0",
		Audience:       clientID,
		Types:          []string{"JWT"},
		ScopeClaim:     "scp",
		RequiredClaims: map[string]string{"azp": ""},
	}}
}

// Cognito returns the settings for the access tokens of app clients of an Amazon Cognito user pool,
// whose ID is like "eu-central-1_Ab1Cd2Ef3". These access tokens have no typ, and they have
// client_id instead of aud. ID tokens are refused by their token_use. Roles are the groups of the
// user.
//
// If the pool binds tokens to resources, the tokens have aud as well: set Tokens.Audience to the
// resource and Tokens.AudienceClaim to "".
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
func Cognito(userPoolID, clientID string, otherClientIDs ...string) Config {
	region, _, ok := strings.Cut(userPoolID, "_")
	cfg := Config{Tokens: jwt.VerifierConfig{
		Issuer:         "https://cognito-idp." + region + ".amazonaws.com/" + userPoolID,
		Audience:       clientID,
		OtherAudiences: otherClientIDs,
		AudienceClaim:  "client_id",
		Types:          []string{jwt.NoType},
		RolesClaim:     []string{"cognito:groups"},
		RequiredClaims: map[string]string{"token_use": "access"},
	}}
	if !ok {
		cfg.refuse("Cognito", userPoolID, "must be the ID of a user pool, as in eu-central-1_Ab1Cd2Ef3")
	}
	return cfg
}

// Supabase returns the settings for the users of a project, whose URL is like
// "https://abcdefghijkl.supabase.co". The project must sign with an asymmetric key: tokens under
// its legacy secret are refused. Users who signed in anonymously are accepted like others; their
// tokens have the claim is_anonymous.
// https://supabase.com/docs/guides/auth/jwt-fields
func Supabase(projectURL string) Config {
	issuer := strings.TrimSuffix(projectURL, "/") + "/auth/v1"
	return Config{
		KeysURL: issuer + "/.well-known/jwks.json",
		Tokens: jwt.VerifierConfig{
			Issuer:         issuer,
			Audience:       "authenticated",
			Types:          []string{"JWT"},
			RequiredClaims: map[string]string{"role": "authenticated", "session_id": ""},
		},
	}
}

// Clerk returns the settings for the session tokens of an instance, by its Frontend API URL, like
// "https://clerk.example.com" or "https://verb-noun-00.clerk.accounts.dev". Session tokens have no
// aud. Their azp is the origin of the page that asked for them, and must be origin or one of
// otherOrigins, like "https://app.example.com". Requests that browsers send without an Origin, and
// native apps, get tokens without azp: set Tokens.DangerouslyNoAudience to accept those.
//
// Tokens have version 2, and sessions with a pending task, such as choosing an organisation, are
// refused by their sts. The role is that in the active organisation, without the prefix "org:". For
// tokens of version 1, which have no sts, remove it from Tokens.RequiredClaims and set
// Tokens.RolesClaim to {"org_role"}.
// https://clerk.com/docs/guides/sessions/session-tokens
// https://clerk.com/docs/guides/sessions/manual-jwt-verification
func Clerk(frontendAPI, origin string, otherOrigins ...string) Config {
	issuer := strings.TrimSuffix(frontendAPI, "/")
	return Config{
		KeysURL: issuer + "/.well-known/jwks.json",
		Tokens: jwt.VerifierConfig{
			Issuer:         issuer,
			Audience:       origin,
			OtherAudiences: otherOrigins,
			AudienceClaim:  "azp",
			Types:          []string{"JWT"},
			RolesClaim:     []string{"o", "rol"},
			RequiredClaims: map[string]string{"sid": "", "sts": "active"},
		},
	}
}

// Zitadel returns the settings for an instance, whose URL is like "https://acme.zitadel.cloud". The
// audience is the ID of the project, if clients ask for it by scope, or the client ID of the API.
// The application must have the access token type JWT. ID tokens are refused because they lack jti.
//
// Roles are those of the project, whatever organisation granted them, if the project asserts them.
// For the roles of one project, set Tokens.RolesClaim to {"urn:zitadel:iam:org:project:ID:roles"}.
// https://zitadel.com/docs/apis/openidoauth/claims
func Zitadel(instanceURL, audience string) Config {
	return Config{Tokens: jwt.VerifierConfig{
		Issuer:         strings.TrimSuffix(instanceURL, "/"),
		Audience:       audience,
		Types:          []string{"JWT", "at+jwt"},
		RolesClaim:     []string{"urn:zitadel:iam:org:project:roles"},
		RequiredClaims: map[string]string{"jti": ""},
	}}
}

// Okta returns the settings for a custom authorization server, whose URL is like
// "https://acme.okta.com/oauth2/default". The audience is the one of the server, as in
// "api://default". Tokens of the org authorization server, whose URL ends with the domain, are for
// Okta alone: the URL is refused. Scopes come from scp. ID tokens are refused because they lack cid.
//
// The subject of a user is the login name, which can change; the claim uid is the user's ID. Groups
// are in the token if a claim for them is configured: set Tokens.RolesClaim to its name.
// https://developer.okta.com/docs/guides/validate-access-tokens
func Okta(serverURL, audience string) Config {
	cfg := Config{Tokens: jwt.VerifierConfig{
		Issuer:         strings.TrimSuffix(serverURL, "/"),
		Audience:       audience,
		Types:          []string{jwt.NoType, "JWT", "at+jwt"}, // custom servers write none
		ScopeClaim:     "scp",
		RequiredClaims: map[string]string{"cid": ""},
	}}
	if !strings.Contains(serverURL, "/oauth2/") {
		cfg.refuse("Okta", serverURL, "must be the URL of a custom authorization server, as in https://acme.okta.com/oauth2/default")
	}
	return cfg
}

// refuse has New report a parameter of the function that made the Config.
func (cfg *Config) refuse(function, value, reason string) {
	cfg.fault = &cfgerr.Error{Field: "jwks." + function, Value: value, Reason: reason}
}
