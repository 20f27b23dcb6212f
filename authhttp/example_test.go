package authhttp_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/throttle"
)

// postman stands in for a mail server; package smtpnotify sends mails to one.
type postman chan recovery.Message

func (p postman) Notify(_ context.Context, m recovery.Message) error {
	p <- m
	return nil
}

// A login with a link in a mail. The page that the link leads to shows a button, and the button
// posts the token of the link.
func ExampleLoginByLink() {
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.EdDSA))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys}))
	store, addresses, mails := memstore.New(), recovery.NewMemoryAddresses(), make(postman, 1)
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{})), Hasher: must(passwords.NewBcrypt(10))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	flows := must(recovery.New(accounts, addresses, store, mails, recovery.Config{BaseURL: "https://example.com/account"}))
	cookies := must(authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/auth/refresh"}))
	mux := http.NewServeMux()
	cfg := authhttp.MountConfig{Config: authhttp.Config{Cookies: cookies}, Recovery: flows}
	if err := authhttp.Mount(mux, "/auth", accounts, guard, cfg, authhttp.EndpointLoginLink); err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	ada := must(accounts.Register(ctx, "ada", "correct horse battery"))
	if err := addresses.ReplaceAddress(ctx, ada.ID, "", "ada@example.com", true); err != nil { // stands in for VerifyAddress
		log.Fatal(err)
	}
	post := func(path, body, cookie string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	asked := post("/auth/login/link/request", `{"address":"ada@example.com"}`, "")
	cookie, _, _ := strings.Cut(asked.Header().Get("Set-Cookie"), ";") // identifies the browser that asked
	fmt.Println(asked.Code)
	mail := <-mails
	link := must(url.Parse(mail.Link))
	fmt.Println("to", mail.To, "a link to", link.Host+link.Path)

	body := `{"token":"` + link.Query().Get("token") + `"}`
	other := post("/auth/login/link", body, "")
	fmt.Print(other.Code, " ", other.Body)
	in := post("/auth/login/link", body, cookie)
	fmt.Println(in.Code, strings.HasPrefix(in.Header().Get("Set-Cookie"), "__Host-access="))
	again := post("/auth/login/link", body, cookie)
	fmt.Print(again.Code, " ", again.Body)
	if err := flows.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 202
	// to ada@example.com a link to example.com/account/login
	// 403 {"title":"Forbidden","status":403,"code":"other_browser","detail":"the login was requested in another browser: open the link there, or enter the code of the same mail there"}
	// 200 true
	// 400 {"title":"Bad Request","status":400,"code":"invalid_link","detail":"the link is invalid, has been used or has expired"}
}
