// Package apikey gives users long-lived keys for their programs. A key is one line of text, such as
//
//	myapp_live_5gT0cWmYv1aNq8Zk00uE4rXb2P_9fQ…
//
// of a prefix, the ID of the key, a secret and a checksum. [Keys] is an [auth.TokenVerifier], so that a
// handler behind an [auth.Middleware] finds the same [auth.Principal] for a key as for a token:
//
//	keys, err := apikey.New("myapp_live", store, store, apikey.Config{Check: revoked.Check})
//	…
//	verifier, err := auth.ByForm(accounts, keys)
//	…
//	guard, err := auth.NewMiddleware(verifier, auth.MiddlewareConfig{})
//
// Its Subject is the user, its Kind [auth.KindAPIKey], its TokenID the ID of the key. It has no AuthTime,
// so that [auth.Middleware.RequireRecent] refuses keys.
//
// A store holds the SHA-256 of a key, one [auth.Record] each, and not the key. The secret has 256 random
// bits, so that no slow hash is needed. A key that is malformed, that has another prefix or a wrong
// checksum is refused without a look at the store. Secret scanners find leaked keys by the pattern
// that [Keys.Pattern] returns.
//
// # When a key ends
//
// A key ends when it expires, or by [Keys.Delete], [Keys.Roll], [auth.Authenticator.Disable] and
// [auth.Authenticator.Delete], on every replica within the time of [Config].CacheTime. For Disable, Check
// must be set and the store's sessions must be those of the Authenticator; the key works again once the
// account is enabled. Without Check the account is loaded each time that the record of a key is.
//
// What outlives a request, such as a stream, asks [Keys.Check].
//
// The end of sessions ends no key: neither a logout, nor a new password, nor
// [auth.Authenticator.EndSessions]. Where an account may have been in the hands of somebody else, call
// [Keys.DeleteAll].
package apikey
