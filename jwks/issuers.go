package jwks

import (
	"strings"

	"github.com/seed-e36e2130/auth/jwt"
)

// The functions below return the settings for the access tokens of one product. They follow its
// documentation and refuse its other tokens, as far as their claims differ. See decision 0031.
//
// The result is an ordinary Config, which a host may change where its issuer is configured
// otherwise. No setting says whether the caller is a person: [jwt.Principal.Kind] is KindUser for
// all of them. A host that distinguishes services reads the product's own claims.

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
	return Config{Tokens: jwt.VerifierConfig{
		Issuer:   "https://" + domain + "/",
		Audience: audience,
		Types:    []string{"JWT", "at+jwt"},
	}}
}

// Entra returns the settings for an API that is registered in one tenant of Microsoft Entra ID, by
// tenant ID and application (client) ID, both GUIDs. The API's manifest must ask for version 2
// tokens (requestedAccessTokenVersion). Scopes come from scp and roles from the app roles. ID
// tokens, which may have the same client ID as audience, are refused because they lack azp.
//
// The tenants "common", "organizations" and "consumers" stand for many issuers and do not work
// here. Use one verifier for each tenant, and [jwt.AnyOf].
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
func Entra(tenantID, clientID string) Config {
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
	region, _, _ := strings.Cut(userPoolID, "_")
	return Config{Tokens: jwt.VerifierConfig{
		Issuer:         "https://cognito-idp." + region + ".amazonaws.com/" + userPoolID,
		Audience:       clientID,
		OtherAudiences: otherClientIDs,
		AudienceClaim:  "client_id",
		Types:          []string{jwt.NoType},
		RolesClaim:     []string{"cognito:groups"},
		RequiredClaims: map[string]string{"token_use": "access"},
	}}
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
