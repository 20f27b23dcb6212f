// Command websocket opens a WebSocket at /echo for a caller that sends an access token in one of
// three ways:
//
//   - in the Authorization header. A page cannot do this, because a browser does not let it set
//     headers of a WebSocket;
//   - as a sub-protocol: new WebSocket(url, ["bearer", token]). A proxy or server that keeps
//     Authorization out of its logs may still log this header, and the token in it;
//   - as a ticket in the URL. POST /ticket exchanges a token for a ticket. URLs are logged everywhere,
//     but a ticket opens one WebSocket, once, within a minute.
//
// The WebSocket closes when the token expires and when its session is logged out. POST /renew with a newer
// token of the session keeps it open.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/stream"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	lifetime := flag.Duration("lifetime", 0, "lifetime of access tokens; 0: 15m")
	flag.Parse()
	mux := http.NewServeMux()
	// auth: begin
	// Keys in a KeyFolder survive a restart. The store is of this process alone: accounts and sessions.
	store := memstore.New()
	app := must(authkit.Open(context.Background(), authkit.All(store), authkit.Config{
		Issuer: "https://example.com", Keys: must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.EdDSA)))), Secrets: must(secrets.NewRing(secrets.Generate())),
		Tokens: jwt.IssuerConfig{Lifetime: *lifetime, Leeway: jwt.NoLeeway}, // one process has one clock
	}))
	tickets := must(stream.NewTickets(app.Accounts, store, stream.TicketConfig{}))
	guard := must(auth.NewMiddleware(tickets, auth.MiddlewareConfig{
		Extractors: []auth.Extractor{auth.BearerToken(), subprotocol{}, tickets.Extractor()},
	}))

	mux.Handle("/register", authhttp.Register(app.Accounts, authhttp.Config{}))
	mux.Handle("/login", authhttp.Login(app.Accounts, authhttp.Config{}))
	mux.Handle("/auth/", app.Handler()) // among others /auth/logout
	mux.Handle("POST /ticket", tickets.Handler(app.Middleware))
	mux.Handle("POST /renew", app.Require(app.Streams.RenewHandler()))
	mux.Handle("GET /echo", guard.Require(app.Streams.Wrap(stream.Cut())(http.HandlerFunc(echo))))
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	server := &http.Server{ // an open WebSocket is exempt from these timeouts
		Handler: tickets.Strip(mux), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Fatal(server.Serve(listener))
}

// echo sends back each message that it receives.
func echo(w http.ResponseWriter, r *http.Request) {
	// Accept refuses pages of other origins. Of the sub-protocols offered it can only choose
	// "bearer", so the reply never holds the token.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{bearer}})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	// auth: begin
	// The context ends when the token expires, when its session is revoked, or when this function returns.
	close := context.AfterFunc(r.Context(), func() { _ = conn.Close(websocket.StatusPolicyViolation, "the login has ended") })
	defer close()
	// auth: end
	for {
		kind, message, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		if err := conn.Write(context.Background(), kind, message); err != nil {
			return
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
