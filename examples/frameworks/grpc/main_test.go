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

// failing is a verifier that returns err.
type failing struct{ err error }

func (f failing) Verify(context.Context, string) (*auth.Principal, error) { return nil, f.err }

type stream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s stream) Context() context.Context { return s.ctx }

// TestUndecided checks that an infrastructure failure is not reported as the caller's fault, and
// that no error's text is disclosed.
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
		guard := interceptor{must(auth.NewMiddleware(failing{err}, auth.MiddlewareConfig{}))}
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
				t.Errorf("%v: the caller gets %v, want the code %v", err, got, want)
			}
		}
	}
}
