// Package auth registers users, logs them in and protects routes with JSON Web
// Tokens, inside a net/http server that already exists:
//
//	key, err := auth.OpenKeyFile("auth.key", auth.EdDSA) // made at the first start
//	keys, err := auth.NewKeyRing(key)
//	tokens, err := auth.NewJWTIssuer(auth.JWTConfig{
//		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys,
//	})
//	accounts, err := auth.New(auth.NewMemoryStore(), tokens, auth.Config{})
//	guard, err := auth.NewMiddleware(accounts, auth.MiddlewareConfig{})
//
//	mux.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
//	mux.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
//	mux.Handle("/profile", guard.Require(profile)) // profile asks auth.FromContext
//
// The parts are interfaces: [UserStore] stands over the users table that is
// there, [passwords.Hasher] reads the hashes in it, [jwt.TokenIssuer] makes other tokens. What
// is not given is the safe choice: a token lives 15 minutes and is accepted in one
// spelling, under the one algorithm of its key; every failed login costs one hash
// and gives one error; each input is bounded before it costs anything; and what
// cannot be decided is an error of its own, never a login and never a 401.
//
// It defends against strangers, other users, other services' tokens, other
// origins' pages, and readers of logs and of the database. A stolen refresh token
// is found when both hands have used it. It does not defend a stolen access token
// until that expires or its session ends (see package revocation), nor a host
// whose memory or key file is read.
package auth
