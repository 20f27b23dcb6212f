package auth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
)

// The host has seen a passkey, which is a key in the user's hands and their finger:
// two factors, so it says "mfa".
func ExampleAuthenticator_LoginUser() {
	accounts := newAccounts(memstore.New(), newTokens())
	ctx := context.Background()
	ada, err := accounts.Register(ctx, "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := accounts.LoginUser(ctx, ada.ID, "hwk", "user", "mfa")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tokens.Principal.Subject() == ada.ID, tokens.Principal.AMR())
	_, err = accounts.LoginUser(ctx, "nobody", "hwk")
	fmt.Println(err)
	// Output:
	// true [hwk user mfa]
	// auth: invalid credentials
}

// A caller who logged in an hour ago types the password once more, and gets a token
// for a route that wants a recent login.
func ExampleAuthenticator_StepUp() {
	issuer := newTokens()
	accounts := newAccounts(memstore.New(), issuer)
	ctx := context.Background()
	ada, err := accounts.Register(ctx, "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	token, err := issuer.Issue(ctx, auth.Claims{Subject: ada.ID, AuthTime: time.Now().Add(-time.Hour)})
	if err != nil {
		log.Fatal(err)
	}
	transfer := newGuard(accounts).RequireRecent(5 * time.Minute)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "sent")
	}))
	get(transfer, "/transfer", token)

	caller, err := accounts.Verify(ctx, token) // in a handler: auth.FromContext
	if err != nil {
		log.Fatal(err)
	}
	_, err = accounts.StepUp(ctx, caller, "wrong horse", "")
	fmt.Println(err)
	tokens, err := accounts.StepUp(ctx, caller, "correct horse battery", "")
	if err != nil {
		log.Fatal(err)
	}
	get(transfer, "/transfer", tokens.AccessToken)
	// Output:
	// 401 Bearer realm="api", error="insufficient_user_authentication", max_age="300"
	// auth: invalid credentials
	// 200 sent
}

// A route for who has proven a second factor, as LoginMFA and a passkey do.
func ExampleMiddleware_RequireMFA() {
	tokens := newTokens()
	keys := newGuard(tokens).RequireMFA(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "your keys")
	}))
	for _, how := range [][]string{{"pwd", "otp", "mfa"}, {"pwd"}} {
		token, err := tokens.Issue(context.Background(), auth.Claims{Subject: "17", AMR: how})
		if err != nil {
			log.Fatal(err)
		}
		get(keys, "/keys", token)
	}
	// Output:
	// 200 your keys
	// 401 Bearer realm="api", error="insufficient_user_authentication", acr_values="mfa"
}

// Any one of the roles will do; Config.Claims gives them.
func ExampleMiddleware_RequireRole() {
	tokens := newTokens()
	posts := newGuard(tokens).RequireRole("editor", "admin")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "published")
	}))
	for _, role := range []string{"editor", "reader"} {
		token, err := tokens.Issue(context.Background(), auth.Claims{Subject: "17", Roles: []string{role}})
		if err != nil {
			log.Fatal(err)
		}
		get(posts, "/posts", token)
	}
	// Output:
	// 200 published
	// 403 Bearer realm="api", error="insufficient_scope"
}
