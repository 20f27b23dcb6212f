// Command gin is a server on gin-gonic/gin.
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
	// auth: end
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	lifetime := flag.Duration("lifetime", 0, "life of a token, 0: 15m")
	flag.Parse()
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	// auth: begin
	key := must(jwt.GenerateKey(jwt.EdDSA)) // OpenKeyFile keeps it through a restart
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: must(jwt.NewKeyRing(key)), Lifetime: *lifetime}))
	accounts := must(auth.New(memstore.New(), tokens, auth.Config{}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))

	r.Any("/register", gin.WrapH(authhttp.Register(accounts, authhttp.Config{})))
	r.Any("/login", gin.WrapH(authhttp.Login(accounts, authhttp.Config{})))
	r.GET("/profile", use(guard.Require), profile)
	r.GET("/events", use(guard.Require), events)
	r.GET("/admin", use(guard.RequireScope("admin")), profile) // Config.Claims grants scopes: here nobody has one
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	server := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

// auth: begin

// use makes a gin.HandlerFunc of the middleware: what comes after it runs only if
// the middleware lets the request pass.
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

// events tells the time, until the client leaves.
func events(c *gin.Context) {
	ctx := c.Request.Context()
	// auth: begin
	caller, _ := auth.FromContext(ctx) // a stream is checked when it begins, so let it end with the token
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
