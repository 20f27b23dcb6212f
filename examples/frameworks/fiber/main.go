// Command fiber is a server on gofiber/fiber, whose adaptor runs the middleware. Fiber is not built
// on net/http.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"

	// auth: begin
	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
	// auth: end
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	lifetime := flag.Duration("lifetime", 0, "lifetime of access tokens; 0: 15m")
	flag.Parse()
	app := fiber.New(fiber.Config{ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute})
	// auth: begin
	key := must(jwt.GenerateKey(jwt.EdDSA)) // jwt.OpenKeyFile returns a key that survives a restart
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: must(jwt.NewKeyRing(key)), Lifetime: *lifetime,
	}))
	store := memstore.New() // of this process alone: accounts, and counts of failed logins
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{}))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))

	app.All("/register", handler(authhttp.Register(accounts, authhttp.Config{})))
	app.All("/login", handler(authhttp.Login(accounts, authhttp.Config{})))
	app.Get("/profile", use(guard.Require), profile)
	// Config.Claims grants scopes; no user has one here.
	app.Get("/admin", use(guard.RequireScope("admin")), profile)
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	log.Fatal(app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}))
}

// auth: begin

// use returns the middleware as a fiber.Handler. The next handler runs only if the middleware
// accepts the request, and finds the caller in c.Context().
func use(middleware func(http.Handler) http.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		var caller *auth.Principal
		err := handler(middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			caller, _ = auth.FromContext(r.Context())
		})))(c)
		if err != nil || caller == nil {
			return err // the middleware has answered
		}
		c.SetContext(auth.NewContext(c.Context(), caller))
		return c.Next()
	}
}

// handler is adaptor.HTTPHandler, but h gets every field of the request's header. The adaptor keeps
// one value for each name, so that a second Authorization would hide the first, and keeps it in
// memory that the next request overwrites.
func handler(h http.Handler) fiber.Handler {
	return func(c fiber.Ctx) error {
		header := make(http.Header)
		for name, value := range c.Request().Header.All() {
			header.Add(string(name), string(value))
		}
		return adaptor.HTTPHandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header = header
			h.ServeHTTP(w, r)
		})(c)
	}
}

// auth: end

func profile(c fiber.Ctx) error {
	// auth: begin
	caller, _ := auth.FromContext(c.Context())
	// auth: end
	return c.SendString(fmt.Sprintf("you are %s\n", caller.Subject()))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
