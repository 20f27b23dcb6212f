package auth

import (
	"context"

	"github.com/seed-e36e2130/auth/jwt"
)

// The contracts of tokens: see package jwt.
type (
	TokenVerifier = jwt.TokenVerifier
	TokenIssuer   = jwt.TokenIssuer
	Claims        = jwt.Claims
	Principal     = jwt.Principal
	Kind          = jwt.Kind
)

// The kinds of caller.
const (
	KindUser    = jwt.KindUser
	KindService = jwt.KindService
	KindAgent   = jwt.KindAgent
	KindAPIKey  = jwt.KindAPIKey
)

// Decode returns the verified claims of p as a T: see [jwt.Principal.Decode].
func Decode[T any](p *Principal) (T, error) { return jwt.Decode[T](p) }

// ByForm returns a verifier of tokens and of other credentials, such as API keys: see [jwt.ByForm].
func ByForm(tokens TokenVerifier, keys jwt.FormVerifier) (TokenVerifier, error) {
	return jwt.ByForm(tokens, keys)
}

// NewContext returns a context in which [FromContext] finds p: for tests of handlers, and for a host
// that verified the caller by other means.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return &principalContext{ctx, p}
}

// FromContext returns the verified caller of the request that ctx belongs to, and false if there is
// none.
func FromContext(ctx context.Context) (*Principal, bool) {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	if p == nil || p.Subject() == "" {
		return nil, false
	}
	return p, true
}

// principalContext does what context.WithValue does, in one small allocation for key and value.
type principalContext struct {
	context.Context
	principal *Principal
}

type principalKey struct{}

func (c *principalContext) Value(key any) any {
	if key == (principalKey{}) {
		return c.principal
	}
	return c.Context.Value(key)
}
