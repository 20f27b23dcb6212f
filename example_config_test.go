package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/secrets"
)

// configured returns accounts by cfg, with quicker hashes than the default, in which
// ada is registered.
func configured(users auth.UserStore, cfg auth.Config) *auth.Authenticator {
	var err error
	if cfg.Hasher == nil {
		cfg.Hasher, err = passwords.NewBcrypt(10)
	}
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(users, newTokens(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := accounts.Register(context.Background(), "Ada", "correct horse battery"); err != nil {
		log.Fatal(err)
	}
	return accounts
}

// What a token says of its user, and how a handler reads it.
func ExampleConfig_claims() {
	accounts := configured(memstore.New(), auth.Config{
		Claims: func(_ context.Context, u auth.User, c *auth.Claims) error {
			c.Scopes, c.Roles = []string{"items:read"}, []string{"editor"}
			c.Custom = map[string]any{"plan": "pro"} // of u, from the host's own tables
			return nil
		},
	})
	tokens, err := accounts.Login(context.Background(), "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	caller := tokens.Principal // in a handler: auth.FromContext
	own, err := auth.Decode[struct {
		Plan string `json:"plan"`
	}](caller)
	fmt.Println(caller.HasScope("items:read"), caller.HasRole("admin"), own.Plan, err)
	// Output: true false pro <nil>
}

// Sessions: each login has refresh tokens, until it is ended.
func ExampleConfig_sessions() {
	keys, err := secrets.NewRing(secrets.Generate()) // secrets.OpenFile keeps a key through a restart
	if err != nil {
		log.Fatal(err)
	}
	store := memstore.New()
	accounts := configured(store, auth.Config{
		Sessions: store, RefreshKeys: keys,
		SessionIdle: 30 * 24 * time.Hour, SessionLifetime: 365 * 24 * time.Hour, SessionsPerUser: 10,
	})
	ctx := context.Background()
	first, err := accounts.Login(ctx, "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	second, err := accounts.Refresh(ctx, first.RefreshToken)
	fmt.Println(second.Principal.SessionID() == first.Principal.SessionID(), second.RefreshExpiresIn, err)

	fmt.Println(accounts.Logout(ctx, second.RefreshToken))
	_, err = accounts.Refresh(ctx, second.RefreshToken)
	fmt.Println(err)
	// Output:
	// true 720h0m0s <nil>
	// <nil>
	// auth: invalid refresh token
}

// What happened: auth.LogEvents writes it to a logger instead.
func ExampleConfig_events() {
	accounts := configured(memstore.New(), auth.Config{
		Events: func(_ context.Context, e auth.Event) { fmt.Println(e.Kind, e.UserID != "", e.Err) },
	})
	ctx := context.Background()
	for _, attempt := range [][2]string{{"ada", "wrong horse"}, {"nobody", "wrong horse"}, {"ada", "correct horse battery"}} {
		_, _ = accounts.Login(ctx, attempt[0], attempt[1])
	}
	// Output:
	// registered true <nil>
	// login_failed true auth: password does not match hash
	// login_failed false auth: user not found
	// login true <nil>
}

// A table whose names were compared as they stand, as Django's are, goes on so.
func ExampleConfig_normalizeUsername() {
	accounts := configured(memstore.New(), auth.Config{
		NormalizeUsername: func(name string) (string, error) {
			if strings.Contains(name, " ") {
				return "", errors.New("has a space")
			}
			return name, nil
		},
	})
	for _, name := range []string{"Ada", "ada"} {
		_, err := accounts.Login(context.Background(), name, "correct horse battery")
		fmt.Println(name, err)
	}
	_, err := accounts.Register(context.Background(), "Ada Lovelace", "correct horse battery")
	fmt.Println(err)
	// Output:
	// Ada <nil>
	// ada auth: invalid credentials
	// auth: invalid username: has a space
}

// What a new password has to satisfy.
func ExampleConfig_minPasswordLength() {
	accounts := configured(memstore.New(), auth.Config{
		Passwords: passwords.Policy{MinLength: 15, ContextWords: []string{"acme", "acmeshop"}},
	})
	for _, password := range []string{"battery staple", "AcmeShop-AcmeShop", "correct horse battery"} {
		_, err := accounts.Register(context.Background(), "grace", password)
		fmt.Println(err)
	}
	// Output:
	// auth: password too short: at least 15 characters
	// auth: password is little more than the user's or the service's name
	// <nil>
}

// A pepper: a secret that is not in the table goes into every hash. Older hashes are read until their
// owners log in.
func ExampleConfig_pepper() {
	key, err := secrets.Generate().WithID("2031") // secrets.OpenFile keeps a key through a restart
	if err != nil {
		log.Fatal(err)
	}
	keys, err := secrets.NewRing(key)
	if err != nil {
		log.Fatal(err)
	}
	plain, err := passwords.NewBcrypt(10)
	if err != nil {
		log.Fatal(err)
	}
	peppered, err := passwords.Pepper(plain, keys)
	if err != nil {
		log.Fatal(err)
	}
	store := memstore.New()
	configured(store, auth.Config{Hasher: plain})
	accounts, err := auth.New(store, newTokens(), auth.Config{Hasher: passwords.Chain(peppered, plain)})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for range 2 {
		u, err := store.UserByUsername(ctx, "ada")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(strings.HasPrefix(u.PasswordHash, "$auth-pepper$"))
		_, err = accounts.Login(ctx, "ada", "correct horse battery")
		fmt.Println(err)
	}
	// Output:
	// false
	// <nil>
	// true
	// <nil>
}

// Tokens in a cookie beside those in the header, and refusals as the host writes
// its own. Package authhttp has cookies ready made.
func ExampleMiddlewareConfig() {
	tokens := newTokens()
	guard, err := auth.NewMiddleware(tokens, auth.MiddlewareConfig{
		Realm:          "shop",
		Extractors:     []auth.Extractor{auth.BearerToken(), auth.Cookie("__Host-token")},
		TrustedOrigins: []string{"https://app.example.com"},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "log in first", auth.HTTPStatus(err)) // err is for logs
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	token, err := tokens.Issue(context.Background(), auth.Claims{Subject: "17"})
	if err != nil {
		log.Fatal(err)
	}
	cart := guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "your cart") }))
	for _, origin := range []string{"", "https://app.example.com", "https://evil.example"} {
		r := httptest.NewRequest("POST", "/cart", nil)
		r.AddCookie(&http.Cookie{Name: "__Host-token", Value: token})
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		cart.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	get(cart, "/cart", "")
	// Output:
	// 200 your cart
	// 200 your cart
	// 403 log in first
	// 401 Bearer realm="shop"
}

// A route that wants a login of the last five minutes; Authenticator.StepUp, or the
// endpoint of that name in package authhttp, makes one.
func ExampleMiddleware_RequireRecent() {
	tokens := newTokens()
	transfer := newGuard(tokens).RequireRecent(5 * time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "sent")
	}))
	for _, ago := range []time.Duration{time.Minute, time.Hour} {
		token, err := tokens.Issue(context.Background(), auth.Claims{Subject: "17", AuthTime: time.Now().Add(-ago)})
		if err != nil {
			log.Fatal(err)
		}
		get(transfer, "/transfer", token)
	}
	// Output:
	// 200 sent
	// 401 Bearer realm="api", error="insufficient_user_authentication", max_age="300"
}
