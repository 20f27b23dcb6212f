package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/stream"
)

// failing is a verifier that returns err.
type failing struct{ err error }

func (f failing) Verify(context.Context, string) (*auth.Principal, error) { return nil, f.err }

type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s serverStream) Context() context.Context { return s.ctx }

// TestUndecided checks that an infrastructure failure is not reported as the caller's fault, and
// that no error's text is disclosed.
func TestUndecided(t *testing.T) {
	t.Parallel()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer x"))
	streams := must(stream.New(func(context.Context, *auth.Principal) error { return nil }, stream.Config{}))
	defer streams.Close()
	for err, want := range map[error]codes.Code{
		fmt.Errorf("%w: postgres://secret", auth.ErrKeysUnavailable):   codes.Unavailable,
		fmt.Errorf("%w: postgres://secret", auth.ErrRevocationUnknown): codes.Unavailable,
		fmt.Errorf("postgres://secret: %w", context.DeadlineExceeded):  codes.Unavailable,
		errors.New("postgres://secret: no such table"):                 codes.Internal,
		fmt.Errorf("%w: postgres://secret", auth.ErrRevokedToken):      codes.Unauthenticated,
		fmt.Errorf("%w: postgres://secret", auth.ErrUserNotFound):      codes.Internal,
		fmt.Errorf("%w: postgres://secret", auth.ErrInsufficientScope): codes.PermissionDenied,
	} {
		guard := interceptor{must(auth.NewMiddleware(failing{err}, auth.MiddlewareConfig{})), streams}
		_, unary := guard.unary(ctx, nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) {
			t.Errorf("%v: the method is called", err)
			return nil, nil
		})
		streamed := guard.stream(nil, serverStream{ctx: ctx}, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error {
			t.Errorf("%v: the method is called", err)
			return nil
		})
		for _, got := range []error{unary, streamed} {
			if status.Code(got) != want || strings.Contains(got.Error(), "secret") {
				t.Errorf("%v: the caller gets %v, want the code %v", err, got, want)
			}
		}
	}
}

// token is a verifier that finds ada in every token.
type token struct{}

func (token) Verify(context.Context, string) (*auth.Principal, error) {
	return jwt.NewPrincipal(auth.Claims{Subject: "ada", SessionID: "a"})
}

// RecvMsg waits for a message that never comes.
func (s serverStream) RecvMsg(any) error {
	<-s.ctx.Done()
	return s.ctx.Err()
}

// TestReceiving checks that a method which waits for a message does not keep a stream from ending.
func TestReceiving(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer x")))
	receiving, revoked := make(chan struct{}), make(chan struct{})
	streams := must(stream.New(func(context.Context, *auth.Principal) error {
		select {
		case <-revoked:
			return auth.ErrRevokedToken
		default:
			return nil
		}
	}, stream.Config{Changed: func() <-chan struct{} {
		select {
		case <-revoked:
			return nil
		default:
			return revoked
		}
	}}))
	defer streams.Close()
	go func() { <-receiving; close(revoked) }()
	guard := interceptor{must(auth.NewMiddleware(token{}, auth.MiddlewareConfig{})), streams}
	returned := make(chan error, 1)
	err := guard.stream(nil, serverStream{ctx: ctx}, &grpc.StreamServerInfo{}, func(_ any, s grpc.ServerStream) error {
		close(receiving)
		err := s.RecvMsg(nil)
		returned <- err
		return err
	})
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("the stream ends with %v, want Unauthenticated", err)
	}
	cancel() // grpc does this when the interceptor has returned
	<-returned
}
