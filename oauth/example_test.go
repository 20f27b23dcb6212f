package oauth_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
)

// newAuthorizationServer puts an authorization server on mux. Its tokens are for one API, which guard
// protects. In production keys and secrets come from files that all replicas share, and the store is a
// database.
func newAuthorizationServer(mux *http.ServeMux) (guard *auth.Middleware, close func(), err error) {
	const issuer, api = "https://example.com", "https://example.com/mcp"
	store := memstore.New()
	ring := must(secrets.NewRing(secrets.Generate()))
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.EdDSA))))
	revoked := must(revocation.Follow(store, revocation.Config{}))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: issuer, Audience: issuer, Resources: []string{api}, Keys: keys, Check: revoked.Check,
	}))
	accounts := must(auth.New(store, tokens, auth.Config{
		Hasher: must(passwords.NewBcrypt(10)), Sessions: store, RefreshKeys: ring, Records: store, Accounts: store, Revoked: revoked.Sync,
	}))
	server, err := oauth.New(accounts, oauth.Config{
		Issuer: issuer,
		Resources: []oauth.Resource{{URL: api, Name: "Notes", Scopes: []oauth.Scope{
			{Name: "notes:read", Text: "Read your notes"},
			{Name: "notes:write", Text: "Change your notes"},
		}}},
		Tokens: tokens, Keys: keys, Records: store, Sessions: store, Secrets: ring, Revoked: revoked.Sync,
		LoginURL: "/login", // goes on to what (*Server).ReturnTo returns
		User: func(r *http.Request) (*auth.Principal, error) {
			cookie, err := r.Cookie("login") // set by the page that logs in, to the user's access token
			if err != nil {
				return nil, auth.ErrNoCredentials
			}
			return tokens.Verify(r.Context(), cookie.Value)
		},
		Documents: oauth.Documents{On: true},
		Register:  oauth.Register{PerHour: 20},
	})
	if err != nil {
		return nil, nil, err
	}
	guard = must(auth.NewMiddleware(must(tokens.VerifierFor(api)), auth.MiddlewareConfig{}))
	return guard, func() { revoked.Close() }, server.Mount(mux)
}

// An authorization server beside an API. An app finds its endpoints in the metadata, and leads the user's
// browser to the login first.
func ExampleServer_Mount() {
	mux := http.NewServeMux()
	guard, closeAll, err := newAuthorizationServer(mux)
	if err != nil {
		log.Fatal(err)
	}
	defer closeAll()
	mux.Handle("/mcp", guard.RequireScope("notes:read")(http.NotFoundHandler()))

	get := func(path string) *http.Response {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Result()
	}
	fmt.Println(get("/.well-known/oauth-authorization-server").Status)
	fmt.Println(get("/authorize?client_id=app").Header.Get("Location")[:17])
	// Output:
	// 200 OK
	// /login?return_to=
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
