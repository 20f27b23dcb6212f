package roles

import "context"

// userPermits reports whether a role that a user has now permits something. Nobody has roles beside those in a
// token.
func (r *Rules) userPermits(context.Context, string, string) (bool, error) { return false, nil }
