package cookies

import (
	"context"
	"fmt"
)

// MaxBytes is the greatest length of a cookie's name and value together (RFC 6265 section 6.1).
// Browsers drop longer cookies without an error.
const MaxBytes = 4096

type nameKey struct{}

// WithName returns a context for calls that issue an access token for the cookie with this name.
func WithName(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, nameKey{}, name)
}

// CheckSize returns an error, for the operator, if token does not fit into the cookie that ctx names. A
// login calls it before there is a session: nobody would get the tokens of that session.
func CheckSize(ctx context.Context, token string) error {
	name, ok := ctx.Value(nameKey{}).(string)
	if size := len(name) + len(token); ok && size > MaxBytes {
		return fmt.Errorf("auth: the access token takes %d bytes as cookie %s, and browsers keep %d: "+
			"put fewer roles and claims into it, or send it in a header", size, name, MaxBytes)
	}
	return nil
}
