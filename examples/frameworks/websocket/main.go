// Command websocket opens WebSockets, at /echo, for callers who show an access token in one of
// three ways:
//
//   - in the header Authorization, as programs do. Pages cannot: browsers let them
//     set no header;
//   - as a sub-protocol, new WebSocket(url, ["bearer", token]). Proxies and servers
//     that leave Authorization out of their logs may write this header down, and the
//     token with it;
//   - by a ticket in the URL, which a POST to /ticket gives for a token. URLs are
//     logged everywhere, but a ticket opens one socket, once, within 30 seconds.
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
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	lifetime := flag.Duration("lifetime", 0, "life of a token, 0: 15m")
	flag.Parse()
	mux := http.NewServeMux()
	// auth: begin
	key := must(jwt.GenerateKey(jwt.EdDSA)) // OpenKeyFile keeps it through a restart
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: must(jwt.NewKeyRing(key)), Lifetime: *lifetime}))
	accounts := must(auth.New(memstore.New(), tokens, auth.Config{}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	issued := newTickets(accounts)
	socketGuard := must(auth.NewMiddleware(issued, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.BearerToken(), subprotocol{}, ticketInURL{}}}))

	mux.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
	mux.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	mux.Handle("POST /ticket", guard.Require(http.HandlerFunc(issued.issue))) // no ticket buys another
	mux.Handle("GET /echo", socketGuard.Require(http.HandlerFunc(echo)))
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

// echo sends back what it is sent.
func echo(w http.ResponseWriter, r *http.Request) {
	// Accept refuses pages of other origins, and never names the token as the
	// protocol that it chose.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{bearer}})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	// auth: begin
	caller, _ := auth.FromContext(r.Context()) // checked when the socket opens, so let it close with the token
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
