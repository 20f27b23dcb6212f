package authhttp

import (
	"context"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// rememberMember is the member of bodies that log in by which users ask to stay logged in.
const rememberMember = "remember"

// remembering returns b with the member "remember" where the host lets users choose.
func (cfg Config) remembering(b body) body {
	if cfg.Unremembered != nil {
		b.flags = []string{rememberMember}
	}
	return b
}

// withTerms returns a context for a login whose body is in.
func (cfg Config) withTerms(ctx context.Context, in input) (context.Context, error) {
	if cfg.Unremembered == nil {
		return ctx, nil
	}
	remember, err := in.flag(rememberMember)
	if err != nil || remember {
		return ctx, err
	}
	terms := *cfg.Unremembered
	terms.NonPersistent = true
	return auth.WithSession(ctx, terms), nil
}

// flag returns a member that is true or false: in a JSON object as such or as text, in a form as the value
// of a checkbox. A member that is absent is false.
func (in input) flag(name string) (bool, error) {
	switch strings.ToLower(in.values[name]) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0", "":
		return false, nil
	}
	return false, malformed(name + " must be true or false")
}
