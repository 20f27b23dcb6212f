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
)

type fails struct{ err error }

func (f fails) Verify(context.Context, string) (*auth.Principal, error) { return nil, f.err }

type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s stream) Context() context.Context { return s.ctx }

// What could not be decided is neither the caller's fault nor told to them.
func TestUndecided(t *testing.T) {
	t.Parallel()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer x"))
	for err, want := range map[error]codes.Code{
		fmt.Errorf("%w: postgres://secret", auth.ErrKeysUnavailable):   codes.Unavailable,
		fmt.Errorf("%w: postgres://secret", auth.ErrRevocationUnknown): codes.Unavailable,
		fmt.Errorf("postgres://secret: %w", context.DeadlineExceeded):  codes.Unavailable,
		errors.New("postgres://secret: no such table"):                 codes.Internal,
		fmt.Errorf("%w: postgres://secret", auth.ErrRevokedToken):      codes.Unauthenticated,
		fmt.Errorf("%w: postgres://secret", auth.ErrUserNotFound):      codes.Internal,
		fmt.Errorf("%w: postgres://secret", auth.ErrInsufficientScope): codes.PermissionDenied,
	} {
		guard := interceptor{must(auth.NewMiddleware(fails{err}, auth.MiddlewareConfig{}))}
		_, unary := guard.unary(ctx, nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) {
			t.Errorf("%v: the method is called", err)
			return nil, nil
		})
		streamed := guard.stream(nil, stream{ctx: ctx}, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error {
			t.Errorf("%v: the method is called", err)
			return nil
		})
		for _, got := range []error{unary, streamed} {
			if status.Code(got) != want || strings.Contains(got.Error(), "secret") {
				t.Errorf("%v becomes %v, want %v", err, got, want)
			}
		}
	}
}
