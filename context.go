package auth

import "context"

// NewContext returns a context in which [FromContext] finds p: for tests of
// handlers, and for a host that verified the caller by other means.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return &principalContext{ctx, p}
}

// FromContext returns the verified caller of the request that ctx belongs to,
// and false if there is none.
func FromContext(ctx context.Context) (*Principal, bool) {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	if p == nil || p.subject == "" {
		return nil, false
	}
	return p, true
}

// principalContext does the work of context.WithValue in one small allocation
// for key and value.
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
