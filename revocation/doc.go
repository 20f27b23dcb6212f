// Package revocation ends access tokens before they expire, on every replica and
// with no call to the store on the way of a request:
//
//	revoked, err := revocation.Follow(store, revocation.Config{})
//	defer revoked.Close()
//	tokens, err := auth.NewJWTIssuer(auth.JWTConfig{Check: revoked.Check, …})
//	accounts, err := auth.New(users, tokens, auth.Config{Sessions: store, Revoked: revoked.Sync, …})
//
// What is revoked stands in the [session.Store] that all replicas share. Each
// reads what is new four times in [Config].Bound, and keeps it in memory until the
// tokens have expired.
package revocation
