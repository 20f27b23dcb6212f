// Command gin is a server on gin-gonic/gin. The function use adapts the middleware.
package main

import (
	"flag"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
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
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	// auth: begin
	key := must(jwt.GenerateKey(jwt.EdDSA)) // jwt.OpenKeyFile returns a key that survives a restart
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: must(jwt.NewKeyRing(key)), Lifetime: *lifetime,
	}))
	store := memstore.New() // of this process alone: accounts, and counts of failed logins
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{}))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))

	r.Any("/register", gin.WrapH(authhttp.Register(accounts, authhttp.Config{})))
	r.Any("/login", gin.WrapH(authhttp.Login(accounts, authhttp.Config{})))
	r.GET("/profile", use(guard.Require), profile)
	r.GET("/events", use(guard.Require), events)
	// Config.Claims grants scopes; no user has one here.
	r.GET("/admin", use(guard.RequireScope("admin")), profile)
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	// WriteTimeout is left out because it would end the streams of /events.
	server := &http.Server{
		Handler: r, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Fatal(server.Serve(listener))
}

// auth: begin

// use returns the middleware as a gin.HandlerFunc. The next handlers run only if the middleware
// accepts the request.
func use(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

// auth: end

func profile(c *gin.Context) {
	// auth: begin
	caller, _ := auth.FromContext(c.Request.Context())
	// auth: end
	c.String(http.StatusOK, "you are %s\n", caller.Subject())
}

// events sends the time until the client disconnects.
func events(c *gin.Context) {
	ctx := c.Request.Context()
	// auth: begin
	caller, _ := auth.FromContext(ctx) // the token was checked when the stream began: end with it
	ctx, stop := context.WithDeadline(ctx, caller.Expiry())
	defer stop()
	// auth: end
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		c.SSEvent("", time.Now().UTC().Format(time.RFC3339Nano))
		c.Writer.Flush()
		select {
		case <-ctx.Done():
			return
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
