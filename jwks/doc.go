// Package jwks verifies the tokens of other issuers by the keys that they publish: of Keycloak,
// Auth0, Microsoft Entra, Amazon Cognito, Okta, Zitadel, Clerk, Supabase, Firebase, Google, Apple,
// GitHub Actions, and of any other that supports OpenID Connect.
//
//	keycloak, err := jwks.New(jwks.Keycloak("https://id.example.com/realms/acme", "my-api"))
//	guard, err := auth.NewMiddleware(keycloak, auth.MiddlewareConfig{})
//
// A [Verifier] only fetches and caches the keys. It is built on [jwt.NewVerifier], which checks the
// signature and the claims. For several issuers, make one Verifier for each and combine them with
// [jwt.AnyOf], or with [jwt.Either] where iss does not tell them apart.
//
// Keys are fetched when the first token of the issuer arrives, so a service starts while its issuer
// is down. They are fetched again when they have grown old, without delay for the request that
// notices it, and when a token names an unknown key, so that a new key works at once. However many
// tokens a caller sends, unknown keys cause at most one fetch per Cooldown.
//
// While the issuer is down, the keys that were fetched last stay in use, up to MaxStale. After
// that, and before the first fetch has succeeded, Verify returns [jwt.ErrKeysUnavailable]. The
// middleware answers it with 503 and Retry-After, never with 401.
package jwks
