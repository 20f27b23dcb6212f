package authhttp_test

import (
	"crypto/rand"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/throttle"
)

// All endpoints for a site that keeps tokens in cookies: the Middleware must read the cookies, and
// Refresh must be mounted at the path that they are sent to.
func ExampleMount() {
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys}))
	store := memstore.New()
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{})), Sessions: store, RefreshKeys: must(secrets.NewRing(secrets.Generate())), Hasher: must(passwords.NewBcrypt(10))}))
	cookies := must(authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/auth/refresh", SameSite: http.SameSiteStrictMode}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{Extractors: []auth.Extractor{cookies.Extractor()}}))
	mux := http.NewServeMux()
	err := authhttp.Mount(mux, "/auth", accounts, guard, authhttp.MountConfig{Config: authhttp.Config{Cookies: cookies}, Users: store})
	if err != nil {
		log.Fatal(err)
	}

	post := func(path, body string) *http.Response {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Result()
	}
	fmt.Println(post("/auth/register", `{"username":"ada","password":"correct horse battery"}`).Status)
	in := post("/auth/login", `{"username":"ada","password":"correct horse battery"}`)
	fmt.Println(in.Status)
	for _, c := range in.Cookies() {
		if c.MaxAge > 0 { // the others remove what a subdomain may have planted
			fmt.Println(c.Name, c.Path, c.HttpOnly, c.Secure)
		}
	}
	r := httptest.NewRequest("GET", "/auth/me", nil)
	for _, c := range in.Cookies() {
		r.AddCookie(c) // a browser sends those for this path alone
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.Contains(w.Body.String(), `"username":"ada"`))
	// Output:
	// 201 Created
	// 200 OK
	// __Host-access / true true
	// __Secure-refresh /auth/refresh true true
	// __Secure-refresh /auth/logout true true
	// __Host-refresh-id / true true
	// __Host-device / true true
	// 200 true
}

// The token endpoint of OAuth, for apps of the host's own. It accepts passwords if PasswordGrant is
// set.
func ExampleToken() {
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys}))
	store := memstore.New()
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{})), Hasher: must(passwords.NewBcrypt(10))}))
	for _, cfg := range []authhttp.Config{{}, {PasswordGrant: true}} {
		form := url.Values{"grant_type": {"password"}, "username": {"ada"}, "password": {"wrong horse"}}
		r := httptest.NewRequest("POST", "/token", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		authhttp.Token(accounts, cfg).ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 400 {"error":"unsupported_grant_type","error_description":"this grant_type is not supported here"}
	// 400 {"error":"invalid_grant","error_description":"wrong username or password"}
}

// A server behind two proxies of the host's own, 10.1.0.1 and 10.1.0.2. The client may have made up
// the entries of X-Forwarded-For before the one that the first proxy wrote.
func ExampleTrustProxies() {
	clientIP := must(authhttp.TrustProxies(netip.MustParsePrefix("10.1.0.0/16")))
	_ = authhttp.Config{ClientIP: clientIP} // pass it to every endpoint

	r := httptest.NewRequest("POST", "/login", nil)
	r.RemoteAddr = "10.1.0.2:4321"
	r.Header.Set("X-Forwarded-For", "127.0.0.1, 203.0.113.9, 10.1.0.1")
	fmt.Println(clientIP(r))
	r.RemoteAddr = "198.51.100.7:4321" // a client that calls the server directly
	fmt.Println(clientIP(r))
	// Output:
	// 203.0.113.9
	// 198.51.100.7
}

// Another server of the host's own asks about a token.
func ExampleIntrospect() {
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.EdDSA))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys}))
	secret := rand.Text() + rand.Text() // generated once; both servers keep it
	servers := must(authhttp.NewResourceServers(map[string]string{"shop": secret}))
	introspect := authhttp.Introspect(tokens, servers, authhttp.Config{})

	for _, password := range []string{secret, "guessed"} {
		r := httptest.NewRequest("POST", "/introspect", strings.NewReader("token=eyJ"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("shop", password)
		w := httptest.NewRecorder()
		introspect.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"active":false}
	// 401 {"error":"invalid_client","error_description":"authenticate as a registered resource server, with HTTP Basic"}
}
