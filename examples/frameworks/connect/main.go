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
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
	// auth: end
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	lifetime := flag.Duration("lifetime", 0, "lifetime of access tokens; 0: 15m")
	flag.Parse()
	mux := http.NewServeMux()
	path, handler := profilev1connect.NewProfileServiceHandler(service{})
	// auth: begin
	key := must(jwt.GenerateKey(jwt.EdDSA)) // jwt.OpenKeyFile returns a key that survives a restart
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: must(jwt.NewKeyRing(key)), Lifetime: *lifetime,
	}))
	store := memstore.New() // of this process alone: accounts, and counts of failed logins
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{}))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{ErrorHandler: refuse}))

	mux.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
	mux.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	mux.Handle(path, guard.Require(handler))
	// Config.Claims grants scopes; no user has one here.
	mux.Handle(profilev1connect.ProfileServicePurgeProcedure, guard.RequireScope("admin")(handler))
	// auth: end
	listener := must(net.Listen("tcp", *addr))
	log.Printf("http://%s", listener.Addr())
	// WriteTimeout is left out because it would end the streams of Watch.
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
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
	// An error means that the client has disconnected.
	_ = refusals.Write(w, r, connect.NewError(code, errors.New(http.StatusText(status))))
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
	// auth: begin
	caller, _ := auth.FromContext(ctx) // the token was checked when the stream began: end with it
	ctx, stop := context.WithDeadline(ctx, caller.Expiry())
	defer stop()
	// auth: end
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		profile, _ := s.Get(ctx, nil)
		if err := stream.Send(profile); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return connect.NewError(connect.CodeUnauthenticated, ctx.Err())
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
