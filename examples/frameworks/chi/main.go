// Command chi is a server on go-chi/chi, which takes the middleware as it is.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
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
	r := chi.NewRouter()
	// auth: begin
	key := must(jwt.GenerateKey(jwt.EdDSA)) // jwt.OpenKeyFile returns a key that survives a restart
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: must(jwt.NewKeyRing(key)), Lifetime: *lifetime,
	}))
	store := memstore.New() // of this process alone: accounts, and counts of failed logins
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{}))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))

	r.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
	r.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	r.Group(func(r chi.Router) {
		r.Use(guard.Require)
		r.Get("/profile", profile)
		r.Get("/events", events)
	})
	// Config.Claims grants scopes; no user has one here.
	r.With(guard.RequireScope("admin")).Get("/admin", profile)
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	// WriteTimeout is left out because it would end the streams of /events.
	server := &http.Server{
		Handler: r, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Fatal(server.Serve(listener))
}

func profile(w http.ResponseWriter, r *http.Request) {
	// auth: begin
	caller, _ := auth.FromContext(r.Context())
	// auth: end
	fmt.Fprintf(w, "you are %s\n", caller.Subject())
}

// events sends the time until the client disconnects.
func events(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	// auth: begin
	caller, _ := auth.FromContext(ctx) // the token was checked when the stream began: end with it
	ctx, stop := context.WithDeadline(ctx, caller.Expiry())
	defer stop()
	// auth: end
	w.Header().Set("Content-Type", "text/event-stream")
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		fmt.Fprintf(w, "data: %s\n\n", time.Now().UTC().Format(time.RFC3339Nano))
		w.(http.Flusher).Flush()
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
