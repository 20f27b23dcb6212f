// Package auth registers users, logs them in and protects routes with JSON Web Tokens, inside a
// net/http server that already exists:
//
//	key, err := jwt.OpenKeyFile("auth.key", jwt.EdDSA) // created at the first start
//	keys, err := jwt.NewKeyRing(key)
//	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
//		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys,
//	})
//	store := memstore.New() // accounts, and counts of failed logins
//	limits, err := throttle.New(store, throttle.Config{})
//	accounts, err := auth.New(store, tokens, auth.Config{Throttle: limits})
//	guard, err := auth.NewMiddleware(accounts, auth.MiddlewareConfig{})
//
//	mux.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
//	mux.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
//	mux.Handle("/profile", guard.Require(profile)) // profile calls auth.FromContext
//
// Package authkit assembles all of this in one call, with sessions, revocation, recovery and the endpoints.
//
// The parts are interfaces: a [UserStore] stands over the users table that you have, a [Hasher]
// reads the password hashes in it, and a [TokenIssuer] issues the tokens. What is not configured is
// the safe choice. An access token lives 15 minutes. It is accepted in its canonical encoding alone
// (no second base64url text stands for the same token), under the one algorithm of its key. Every failed login costs one hash and gives the same error. Each input is
// bounded before it costs anything. If the server cannot decide about a request, because a store is down, the
// error is one of its own: never a login, and never a 401.
//
// The package defends against strangers, other users, tokens of other services, pages of other
// origins, and readers of logs and of the database. A stolen refresh token is found once both the
// thief and the owner have used theirs. A stolen access token works until it expires or its session
// ends (see package revocation). The package cannot defend a host whose memory or key file an
// attacker can read.
//
// The packages that it is composed of can be used by themselves: jwt issues and verifies tokens,
// passwords hashes and checks passwords, session holds the rule of refresh tokens, secrets the
// server's own secrets.
package auth
