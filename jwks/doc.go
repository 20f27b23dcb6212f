// Package jwks verifies the tokens of other issuers (Keycloak, Auth0, Microsoft
// Entra, Amazon Cognito, Supabase, or whatever speaks OpenID Connect) by the keys
// that they publish:
//
//	keycloak, err := jwks.New(jwks.Keycloak("https://id.example.com/realms/acme", "my-api"))
//	guard, err := auth.NewMiddleware(keycloak, auth.MiddlewareConfig{})
//
// A [Verifier] is a cache of keys and nothing else: what a token must be is the
// business of [jwt.NewVerifier], which it is built on. For several issuers
// give each its own Verifier and all of them to [jwt.AnyOf].
//
// Keys are fetched when the first token of the issuer comes, so a service starts
// while its issuer is down; anew when they have grown old, behind the request that
// notices; and when a token names an unknown key, so that a new key works at once.
// Nothing that a caller sends makes it fetch more often than once a Cooldown. While
// the issuer is down the keys that were fetched last serve on, up to MaxStale;
// after that, and before the first fetch, Verify returns
// [jwt.ErrKeysUnavailable], which the middleware answers with 503 and Retry-After,
// never with 401.
package jwks
