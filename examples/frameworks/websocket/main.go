// Command websocket opens a WebSocket at /echo for a caller that sends an access token in one of
// three ways:
//
//   - in the Authorization header. A page cannot do this, because a browser does not let it set
//     headers of a WebSocket;
//   - as a sub-protocol: new WebSocket(url, ["bearer", token]). A proxy or server that keeps
//     Authorization out of its logs may still log this header, and the token in it;
//   - as a ticket in the URL. POST /ticket exchanges a token for a ticket. URLs are logged everywhere,
//     but a ticket opens one WebSocket, once, within 30 seconds.
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
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	lifetime := flag.Duration("lifetime", 0, "lifetime of access tokens; 0: 15m")
	flag.Parse()
	mux := http.NewServeMux()
	// auth: begin
	key := must(jwt.GenerateKey(jwt.EdDSA)) // jwt.OpenKeyFile returns a key that survives a restart
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: must(jwt.NewKeyRing(key)), Lifetime: *lifetime,
	}))
	store := memstore.New() // of this process alone: accounts, and counts of failed logins
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{}))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	issued := newTickets(accounts)
	socketGuard := must(auth.NewMiddleware(issued, auth.MiddlewareConfig{
		Extractors: []auth.Extractor{auth.BearerToken(), subprotocol{}, ticketInURL{}},
	}))

	mux.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
	mux.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	mux.Handle("POST /ticket", guard.Require(http.HandlerFunc(issued.issue))) // refuses tickets
	mux.Handle("GET /echo", socketGuard.Require(http.HandlerFunc(echo)))
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	server := &http.Server{ // an open WebSocket is exempt from these timeouts
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
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
	caller, _ := auth.FromContext(r.Context()) // the token was checked when the socket opened: close with it
	expire := time.AfterFunc(time.Until(caller.Expiry()), func() {
		_ = conn.Close(websocket.StatusPolicyViolation, "the access token has expired")
	})
	defer expire.Stop()
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
