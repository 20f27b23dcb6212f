package roles_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/roles"
	"github.com/seed-e36e2130/auth/secrets"
)

// program is a server as it was, with roles added.
type program struct {
	*http.ServeMux
	accounts *auth.Authenticator
	policy   *roles.Rules
	close    func() error
}

func newProgram(store *memstore.Store, keys *jwt.KeyRing, refreshKeys *secrets.Ring, createPost http.Handler) *program {
	revoked := must(revocation.Follow(store, revocation.Config{}))
	policy := must(roles.New("https://id.example.com", roles.Policy{
		"viewer": {"posts:read"},
		"editor": {roles.Includes("viewer"), "posts:write"},
		"admin":  {roles.Includes("editor"), "users:*", roles.Assign},
	}, roles.Config{Store: store, Revoked: revoked}))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://id.example.com", Audience: "posts", Keys: keys,
		Check: policy.CheckToken,
	}))
	accounts := must(auth.New(store, tokens, auth.Config{
		Sessions: store, RefreshKeys: refreshKeys, Revoked: revoked.Sync,
		Claims: policy.Claims,
	}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	mux := http.NewServeMux()
	mux.Handle("POST /posts", policy.Require(guard, "posts:write")(createPost))
	return &program{mux, accounts, policy, revoked.Close}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A user gets a role while logged in. The token from before is stale then, and a refresh gives one that has the role.
func Example() {
	ctx, store := context.Background(), memstore.New()
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	refreshKeys := must(secrets.NewRing(secrets.Generate()))
	p := newProgram(store, keys, refreshKeys, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))
	defer p.close()
	ada := must(p.accounts.Create(ctx, "ada"))
	session := must(p.accounts.LoginUser(ctx, ada.ID, "sso"))
	post := func(token string) {
		r, w := httptest.NewRequest("POST", "/posts", nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer "+token)
		p.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	}
	post(session.AccessToken)
	if err := p.policy.GrantByOperator(ctx, roles.Assignment{UserID: ada.ID, Role: "editor"}); err != nil {
		fmt.Println(err)
	}
	post(session.AccessToken)
	session = must(p.accounts.Refresh(ctx, session.RefreshToken))
	post(session.AccessToken)
	// Output:
	// 403 Bearer realm="api", error="insufficient_scope"
	// 401 Bearer realm="api", error="invalid_token"
	// 201
}
