// Command connect is a server on connectrpc.com/connect, which speaks Connect, gRPC and gRPC-Web on
// one address. All three are HTTP, so the middleware wraps the handler and decides before a message
// is read. Refusals are written in the client's protocol. After /register and /login, type
//
//	curl localhost:8080/profile.v1.ProfileService/Get -d '{}' -H 'Content-Type: application/json' -H "Authorization: Bearer $TOKEN"
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/seed-e36e2130/auth/examples/frameworks/profilev1"
	"github.com/seed-e36e2130/auth/examples/frameworks/profilev1/profilev1connect"

	// auth: begin
	"errors"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/stream"
	// auth: end
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	lifetime := flag.Duration("lifetime", 0, "lifetime of access tokens; 0: 15m")
	flag.Parse()
	mux := http.NewServeMux()
	path, handler := profilev1connect.NewProfileServiceHandler(service{})
	// auth: begin
	// Keys in a KeyFolder survive a restart. The store is of this process alone: accounts and sessions.
	app := must(authkit.Open(context.Background(), authkit.All(memstore.New()), authkit.Config{
		Issuer: "https://example.com", Keys: must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.EdDSA)))), Secrets: must(secrets.NewRing(secrets.Generate())),
		Tokens: jwt.IssuerConfig{Lifetime: *lifetime, Leeway: jwt.NoLeeway}, // one process has one clock
	}))
	guard := must(auth.NewMiddleware(app.Accounts, auth.MiddlewareConfig{ErrorHandler: refuse}))

	mux.Handle("/register", authhttp.Register(app.Accounts, authhttp.Config{}))
	mux.Handle("/login", authhttp.Login(app.Accounts, authhttp.Config{}))
	mux.Handle("/auth/", app.Handler())                                      // among others /auth/logout
	mux.Handle(path, guard.Require(app.Streams.Wrap(stream.Cut())(handler))) // streams end with the login
	// Config.Claims grants scopes; no user has one here.
	mux.Handle(profilev1connect.ProfileServicePurgeProcedure, guard.RequireScope("admin")(handler))
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	// ReadTimeout and WriteTimeout are left out because they would end the streams of Watch.
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute,
		Protocols: new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true) // lets gRPC clients connect without TLS
	log.Fatal(server.Serve(listener))
}

// auth: begin

var refusals = connect.NewErrorWriter()

// refuse writes the Connect code that corresponds to the HTTP status of err.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	_ = refusals.Write(w, r, refusal(err)) // an error means that the client has disconnected
}

// refusal returns the error for the caller: a code without details.
func refusal(err error) error {
	status, code := auth.HTTPStatus(err), connect.CodeInternal
	switch status {
	case http.StatusBadRequest:
		code = connect.CodeInvalidArgument
	case http.StatusUnauthorized:
		code = connect.CodeUnauthenticated
	case http.StatusForbidden:
		code = connect.CodePermissionDenied
	case http.StatusServiceUnavailable:
		code = connect.CodeUnavailable
	}
	return connect.NewError(code, errors.New(http.StatusText(status)))
}

// auth: end

type service struct{}

func (service) Get(ctx context.Context, _ *emptypb.Empty) (*profilev1.Profile, error) {
	// auth: begin
	caller, _ := auth.FromContext(ctx)
	// auth: end
	return &profilev1.Profile{Subject: caller.Subject()}, nil
}

func (s service) Watch(ctx context.Context, _ *emptypb.Empty, stream *connect.ServerStream[profilev1.Profile]) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		profile, _ := s.Get(ctx, nil)
		if err := stream.Send(profile); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			// auth: begin
			return refusal(context.Cause(ctx)) // expired, revoked, or the client has gone
			// auth: end
		case <-ticker.C:
		}
	}
}

func (service) Purge(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
