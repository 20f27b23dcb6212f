// Package roles says who may do what: roles, what they permit, and who has them.
//
// A program declares its roles in Go, once. [New] checks the declaration and finds every fault in it at the
// start:
//
//	policy, err := roles.New("https://id.example.com", roles.Policy{
//		"viewer": {"posts:read"},
//		"editor": {roles.Includes("viewer"), "posts:write"},
//		"admin":  {roles.Includes("editor"), "users:*", roles.Assign},
//	}, roles.Config{})
//	…
//	mux.Handle("POST /posts", policy.Require(guard, "posts:write")(createPost))
//
// What no role of a caller permits is denied. A route asks for a permission, never for a role, so that
// another role can get the permission without a change of the route.
//
// Roles of a user come from the roles claim of the user's access token. An API key and an agent that acts
// for a user may do what its scopes permit and the user's roles permit, no more. Roles in the tokens of
// another issuer count only where [Config].Issuers says what they stand for.
package roles
