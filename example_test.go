package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// newTokens returns an issuer with a key that lives as long as the example.
func newTokens() *jwt.Issuer {
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer:   "https://example.com",
		Audience: "https://example.com/api",
		Keys:     keys,
	})
	if err != nil {
		log.Fatal(err)
	}
	return tokens
}

// newGuard returns the middleware in front of v, with every default.
func newGuard(v auth.TokenVerifier) *auth.Middleware {
	guard, err := auth.NewMiddleware(v, auth.MiddlewareConfig{})
	if err != nil {
		log.Fatal(err)
	}
	return guard
}

// newAccounts returns the accounts in users, with quicker hashes than the default.
func newAccounts(users auth.UserStore, tokens auth.TokenIssuer) *auth.Authenticator {
	hasher, err := passwords.NewBcrypt(10)
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(users, tokens, auth.Config{Hasher: hasher})
	if err != nil {
		log.Fatal(err)
	}
	return accounts
}

// get sends a request with a token ("": none) and prints status, challenge and body.
func get(h http.Handler, target, token string) {
	r := httptest.NewRequest("GET", target, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		fmt.Print(w.Code, " ", w.Body)
		return
	}
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
}

// Register, log in, and open a protected route.
func Example() {
	tokens := newTokens()
	accounts := newAccounts(memstore.New(), tokens)
	profile := newGuard(accounts).Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context()) // always there behind Require
		fmt.Fprintln(w, "proven by", caller.AMR())
	}))

	ctx := context.Background()
	if _, err := accounts.Register(ctx, "Ada", "correct horse battery"); err != nil {
		log.Fatal(err)
	}
	answer, err := accounts.Login(ctx, "ada", "correct horse battery") // Ada and ada are one
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer) // shows no token, however it is printed
	get(profile, "/profile", answer.AccessToken)

	_, err = accounts.Login(ctx, "ada", "guess")
	fmt.Println(err)
	_, err = accounts.Login(ctx, "nobody", "guess")
	fmt.Println(err)
	// Output:
	// auth.Tokens([REDACTED])
	// 200 proven by [pwd]
	// auth: invalid credentials
	// auth: invalid credentials
}

// Wrong: a rule that is weaker than the library stands for, and no store. Nothing
// starts until all of it is mended.
func ExampleNew_wrong() {
	_, err := auth.New(nil, newTokens(), auth.Config{Passwords: passwords.Policy{MinLength: 4}})
	fmt.Println(err)
	// Output:
	// auth: New.users: is required
	// auth: passwords.Policy.MinLength "4": must be 0 or 8 to 64
}

func ExampleMiddleware_Require() {
	tokens := newTokens()
	profile := newGuard(tokens).Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context()) // always there behind Require
		fmt.Fprintln(w, "hello,", caller.Subject())
	}))

	token, err := tokens.Issue(context.Background(), auth.Claims{Subject: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	get(profile, "/profile", token)
	get(profile, "/profile", "")
	get(profile, "/profile", token+"A")
	// Output:
	// 200 hello, ada
	// 401 Bearer realm="api"
	// 401 Bearer realm="api", error="invalid_token"
}

func ExampleMiddleware_RequireScope() {
	tokens := newTokens()
	items := newGuard(tokens).RequireScope("items:read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "one item")
	}))

	for _, scopes := range [][]string{{"items:read", "items:write"}, {"items:write"}} {
		token, err := tokens.Issue(context.Background(), auth.Claims{Subject: "ada", Scopes: scopes})
		if err != nil {
			log.Fatal(err)
		}
		get(items, "/items", token)
	}
	// Output:
	// 200 one item
	// 403 Bearer realm="api", error="insufficient_scope", scope="items:read"
}

// Anonymous callers pass; those whose token is bad do not.
func ExampleMiddleware_Optional() {
	page := newGuard(newTokens()).Optional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, known := auth.FromContext(r.Context())
		fmt.Fprintln(w, "known:", known)
	}))
	get(page, "/", "")
	get(page, "/", "stale")
	// Output:
	// 200 known: false
	// 401 Bearer realm="api", error="invalid_token"
}

// Check decides and touches no response: for frameworks with handlers of their own.
func ExampleMiddleware_Check() {
	guard := newGuard(newTokens())
	_, err := guard.Check(httptest.NewRequest("GET", "/", nil))
	fmt.Println(auth.HTTPStatus(err), errors.Is(err, auth.ErrNoCredentials))
	// Output: 401 true
}

// A handler is tested without a token: the context says who calls.
func ExampleNewContext() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		caller, ok := auth.FromContext(r.Context())
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, caller.Subject())
	}
	ada, err := jwt.NewPrincipal(auth.Claims{Subject: "ada"})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	handler(w, r.WithContext(auth.NewContext(r.Context(), ada)))
	fmt.Println(w.Body)
	// Output: ada
}

// Wrong: a route that forgot Require. FromContext knows only verified callers, so
// the handler cannot be fooled by a header, but it must look at what it gets.
func ExampleFromContext_wrong() {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Authorization", "Bearer anything")
	caller, ok := auth.FromContext(r.Context())
	fmt.Println(caller == nil, ok)
	// Output: true false
}
