// Command echo is a server on labstack/echo, whose WrapMiddleware adapts the middleware.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v5"
	// auth: begin
	"context"

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
	e := echo.New()
	// auth: begin
	key := must(jwt.GenerateKey(jwt.EdDSA)) // jwt.OpenKeyFile returns a key that survives a restart
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: must(jwt.NewKeyRing(key)), Lifetime: *lifetime,
	}))
	store := memstore.New() // of this process alone: accounts, and counts of failed logins
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{}))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))

	e.Any("/register", echo.WrapHandler(authhttp.Register(accounts, authhttp.Config{})))
	e.Any("/login", echo.WrapHandler(authhttp.Login(accounts, authhttp.Config{})))
	e.GET("/profile", profile, echo.WrapMiddleware(guard.Require))
	e.GET("/events", events, echo.WrapMiddleware(guard.Require))
	// Config.Claims grants scopes; no user has one here.
	e.GET("/admin", profile, echo.WrapMiddleware(guard.RequireScope("admin")))
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	// WriteTimeout is left out because it would end the streams of /events.
	server := &http.Server{
		Handler: e, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Fatal(server.Serve(listener))
}

func profile(c *echo.Context) error {
	// auth: begin
	caller, _ := auth.FromContext(c.Request().Context())
	// auth: end
	return c.String(http.StatusOK, fmt.Sprintf("you are %s\n", caller.Subject()))
}

// events sends the time until the client disconnects.
func events(c *echo.Context) error {
	ctx := c.Request().Context()
	// auth: begin
	caller, _ := auth.FromContext(ctx) // the token was checked when the stream began: end with it
	ctx, stop := context.WithDeadline(ctx, caller.Expiry())
	defer stop()
	// auth: end
	w := c.Response()
	w.Header().Set("Content-Type", "text/event-stream")
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		fmt.Fprintf(w, "data: %s\n\n", time.Now().UTC().Format(time.RFC3339Nano))
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
