// Command grpc is a gRPC server whose interceptors verify the caller of every method. Users
// register and log in over HTTP, on another address.
package main

import (
	"cmp"
	"context"
	"flag"
	"log"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/seed-e36e2130/auth/examples/frameworks/profilev1"

	// auth: begin
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
	addr := flag.String("addr", "localhost:8080", "address of /register and /login")
	rpc := flag.String("grpc", "localhost:9090", "address of the gRPC server")
	lifetime := flag.Duration("lifetime", 0, "lifetime of access tokens; 0: 15m")
	flag.Parse()
	// auth: begin
	// Keys in a KeyFolder survive a restart. The store is of this process alone: accounts and sessions.
	app := must(authkit.Open(context.Background(), authkit.All(memstore.New()), authkit.Config{
		Issuer: "https://example.com", Keys: must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.EdDSA)))), Secrets: must(secrets.NewRing(secrets.Generate())),
		Tokens: jwt.IssuerConfig{Lifetime: *lifetime, Leeway: jwt.NoLeeway}, // one process has one clock
	}))
	guard := interceptor{app.Middleware, app.Streams}
	server := grpc.NewServer(grpc.UnaryInterceptor(guard.unary), grpc.StreamInterceptor(guard.stream))
	http.Handle("/register", authhttp.Register(app.Accounts, authhttp.Config{}))
	http.Handle("/login", authhttp.Login(app.Accounts, authhttp.Config{}))
	http.Handle("/auth/", app.Handler()) // among others /auth/logout
	// auth: end
	profilev1.RegisterProfileServiceServer(server, service{})
	web, calls := must(net.Listen("tcp", *addr)), must(net.Listen("tcp", *rpc))
	log.Printf("http://%s", web.Addr())
	log.Printf("grpc://%s", calls.Addr())
	logins := &http.Server{
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	go func() { log.Fatal(logins.Serve(web)) }()
	log.Fatal(server.Serve(calls))
}

// auth: begin

// scopes holds the scope that a method requires, by the name of the method. Config.Claims grants
// scopes; no user has one here.
var scopes = map[string]string{profilev1.ProfileService_Purge_FullMethodName: "admin"}

// interceptor accepts the callers that the middleware accepts. Each call has a token of its own, also where
// calls of several users share a connection.
type interceptor struct {
	*auth.Middleware
	streams *stream.Streams
}

func (i interceptor) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	caller, err := i.caller(ctx, info.FullMethod)
	if err != nil {
		return nil, refusal(err)
	}
	return next(auth.NewContext(ctx, caller), req)
}

// stream ends with the login, because the token is checked only when the stream begins. It does not wait
// for a method that receives: that call returns when the stream has ended.
func (i interceptor) stream(srv any, calls grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	caller, err := i.caller(calls.Context(), info.FullMethod)
	if err != nil {
		return refusal(err)
	}
	ctx, finish, err := i.streams.Begin(auth.NewContext(calls.Context(), caller), caller, stream.Cut())
	if err != nil {
		return refusal(err)
	}
	defer finish()
	returned := make(chan error, 1)
	go func() { returned <- next(srv, &streamWithCaller{calls, ctx}) }()
	select {
	case err := <-returned:
		if ctx.Err() == nil {
			return err
		}
	case <-ctx.Done():
	}
	return refusal(context.Cause(ctx))
}

type streamWithCaller struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *streamWithCaller) Context() context.Context { return s.ctx }

// caller has the middleware check the metadata "authorization" as if it were the header.
func (i interceptor) caller(ctx context.Context, method string) (*auth.Principal, error) {
	r := &http.Request{Header: http.Header{"Authorization": metadata.ValueFromIncomingContext(ctx, "authorization")}}
	caller, err := i.Check(r.WithContext(ctx))
	if scope := scopes[method]; err == nil && scope != "" && !caller.HasScope(scope) {
		return nil, auth.ErrInsufficientScope
	}
	return caller, err
}

// codeOf maps HTTP statuses to gRPC codes. gRPC has no code for malformed credentials.
var codeOf = map[int]codes.Code{
	http.StatusBadRequest: codes.Unauthenticated, http.StatusUnauthorized: codes.Unauthenticated,
	http.StatusForbidden: codes.PermissionDenied, http.StatusServiceUnavailable: codes.Unavailable,
}

// refusal returns the error for the caller: a code without details.
func refusal(err error) error {
	httpStatus := auth.HTTPStatus(err)
	if httpStatus >= 500 {
		log.Print(err)
	}
	return status.Error(cmp.Or(codeOf[httpStatus], codes.Internal), http.StatusText(httpStatus))
}

// auth: end

type service struct {
	profilev1.UnimplementedProfileServiceServer
}

func (service) Get(ctx context.Context, _ *emptypb.Empty) (*profilev1.Profile, error) {
	// auth: begin
	caller, _ := auth.FromContext(ctx)
	// auth: end
	return &profilev1.Profile{Subject: caller.Subject()}, nil
}

func (s service) Watch(_ *emptypb.Empty, stream grpc.ServerStreamingServer[profilev1.Profile]) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		profile, _ := s.Get(stream.Context(), nil)
		if err := stream.Send(profile); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
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
