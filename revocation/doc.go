// Package revocation ends access tokens before they expire. When a user logs out, when an account
// is disabled or when its password changes, the access tokens stop working on every replica within
// seconds. Without it an access token is valid until it expires. These lines switch it on:
//
//	revoked, err := revocation.Follow(store, revocation.Config{})
//	…
//	defer revoked.Close()
//	issuer, err := jwt.NewIssuer(jwt.IssuerConfig{Check: revoked.Check, …})
//	…
//	accounts, err := auth.New(users, issuer, auth.Config{Sessions: store, Revoked: revoked.Sync, …})
//
// A request is checked in memory, without a call to the store. The store, which all replicas share,
// records a revocation with every session that ends. Each replica reads the new revocations four
// times in [Config].Bound, and keeps each one until the tokens that it ends have expired.
//
// A revocation of a user, as by Disable or by a new password, ends tokens that may have been issued
// a moment ago, so it is kept as long as the longest token may live: for the MaxLifetime of the
// [auth.TokenIssuer], which is 24 hours for a jwt.Issuer, and for 10 minutes more, because clocks
// differ and verifiers allow a leeway. A store keeps it for one more day, in case its clock differs
// by more. A replica that starts later still reads it. A host that writes a TokenIssuer of its own
// must return the longest life of any token there, also of tokens issued before a change of
// configuration: a token that lives longer becomes valid again on a replica that starts after the
// revocation was forgotten.
package revocation
