package roles

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// maxUnknown bounds how many unknown roles are remembered, each of which is logged once.
const maxUnknown = 100

// Require returns the Require of a guard for callers who have all of these permissions; others get
// [auth.ErrInsufficientScope], 403. Without a permission, or with one that no role of the policy permits, it lets
// nobody pass: every request is then answered 500, and the fault is logged. [Rules.Uses] finds that at the start.
func (r *Rules) Require(guard *auth.Middleware, permissions ...string) func(http.Handler) http.Handler {
	err := r.Uses(permissions...)
	if err == nil && len(permissions) == 0 {
		err = &cfgerr.Error{Field: "roles.Rules.Require", Reason: "needs permissions"}
	}
	if err != nil {
		return guard.RequireFunc(func(context.Context, *auth.Principal) error { return err })
	}
	needs := make([]need, len(permissions))
	for i, permission := range permissions {
		needs[i] = r.needOf(permission)
	}
	return guard.RequireFunc(func(ctx context.Context, p *auth.Principal) error {
		inPerson := p.Issuer() == r.issuer && !actsForUser(p) && r.isOwnClient(p)
		for _, need := range needs {
			if inPerson && p.AnyRole(need.permitting) {
				continue
			}
			if err := r.Check(ctx, p, need.permission); err != nil {
				return err
			}
		}
		return nil
	})
}

// need is a permission that a route asks for.
type need struct {
	permission string
	permitting func(role string) bool // whether a role permits it
}

// needOf looks up beforehand which roles permit something: one look-up for each role of a caller is left.
func (r *Rules) needOf(permission string) need {
	var few []string
	permitting := map[string]bool{}
	for role, g := range r.roles {
		if g.permits(permission) {
			few, permitting[role] = append(few, role), true
		}
	}
	if len(few) <= 16 { // comparing so many texts is faster than hashing one
		return need{permission, func(role string) bool { return slices.Contains(few, role) }}
	}
	return need{permission, func(role string) bool { return permitting[role] }}
}

// Uses says that the program asks for permissions, as by Can in a handler. It returns a [*cfgerr.Error] for each
// that no role of the policy permits, and so most likely is misspelled.
func (r *Rules) Uses(permissions ...string) error {
	faults := cfgerr.Faults{Prefix: "roles."}
	for _, permission := range permissions {
		switch {
		case !isPermission(permission):
			faults.Add("Rules.Uses", permission, permissionRule)
			continue
		case !r.isPermitted(permission):
			faults.Add("Rules.Uses", permission, "is permitted by no role of the policy")
			continue
		}
		r.mu.Lock()
		r.asked[permission] = true
		r.mu.Unlock()
	}
	return faults.Err()
}

// isPermitted reports whether a role permits something.
func (r *Rules) isPermitted(permission string) bool {
	for _, g := range r.roles {
		if g.permits(permission) {
			return true
		}
	}
	return false
}

// Unused returns the permissions of the policy, wildcards included, that neither [Rules.Require] nor [Rules.Uses]
// has asked for, sorted. Call it when all routes are mounted: what is unused is misspelled, or forgotten. It leaves
// out "*" and [Assign].
func (r *Rules) Unused() []Permission {
	r.mu.Lock()
	defer r.mu.Unlock()
	unused := map[Permission]bool{}
	for _, g := range r.roles {
		for permission := range g.exact {
			if !r.asked[permission] && permission != string(Assign) {
				unused[Permission(permission)] = true
			}
		}
		for _, prefix := range g.prefixes {
			used := prefix == ""
			for permission := range r.asked {
				used = used || strings.HasPrefix(permission, prefix)
			}
			if !used {
				unused[Permission(prefix+"*")] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(unused))
}

// Check returns nil if p has a permission, and [auth.ErrInsufficientScope] if not. Any other error means that it
// could not be decided.
func (r *Rules) Check(ctx context.Context, p *auth.Principal, permission string) error {
	return r.CheckOn(ctx, p, permission, Resource{})
}

// Can reports whether p has a permission, for handlers and templates. It reports false where [Rules.Check] returns
// an error, and logs an error other than [auth.ErrInsufficientScope].
func (r *Rules) Can(p *auth.Principal, permission string) bool {
	return r.CanOn(context.Background(), p, permission, Resource{})
}

// Resource is what a permission is asked for.
type Resource struct {
	// Owner is the ID of the user whom the resource belongs to: that user has the permissions of [Config].Owner for
	// it. "": nobody.
	Owner string

	// Org is the organisation that the resource belongs to: roles that a user has in it count, too. "": none.
	Org string

	// Allows, if not nil, is asked where roles do not permit something. An error means that it could not be
	// decided. Of an API key and an agent the scopes have been asked then. It is not asked about issuers that are not in
	// [Config].Issuers; where there are some, it must look at the Issuer of p, because a subject is unique only there.
	Allows func(ctx context.Context, p *auth.Principal, permission string) (bool, error)
}

// CheckOn is [Rules.Check] for one resource. A role that permits something permits it for every resource; a role
// in its organisation, the owner and Allows permit it for this one.
func (r *Rules) CheckOn(ctx context.Context, p *auth.Principal, permission string, on Resource) error {
	if p == nil {
		return auth.ErrNoCredentials
	}
	own := p.Issuer() == r.issuer
	acts := actsForUser(p)
	if !own && r.foreign[p.Issuer()] == nil {
		return auth.ErrInsufficientScope
	}
	if (acts || own && !r.isOwnClient(p)) && !r.isInScope(p, permission) {
		return auth.ErrInsufficientScope
	}
	switch permitted, err := r.rolesPermit(ctx, p, permission, on.Org, own, acts); {
	case err != nil:
		return err
	case permitted, own && on.Owner != "" && on.Owner == p.Subject() && r.owner.permits(permission):
		return nil
	}
	if on.Allows != nil {
		if allowed, err := on.Allows(ctx, p, permission); err != nil || allowed {
			return err
		}
	}
	r.reportUnknown(ctx, p, own, acts)
	return auth.ErrInsufficientScope
}

// CanOn is [Rules.Can] for one resource.
func (r *Rules) CanOn(ctx context.Context, p *auth.Principal, permission string, on Resource) bool {
	err := r.CheckOn(ctx, p, permission, on)
	if err != nil && !errors.Is(err, auth.ErrInsufficientScope) && !errors.Is(err, auth.ErrNoCredentials) {
		r.config.Logger.ErrorContext(ctx, "roles: a permission could not be decided", "permission", permission, "error", err)
	}
	return err == nil
}

// actsForUser reports whether p is a program that acts for a user, or of a kind that is not known.
func actsForUser(p *auth.Principal) bool {
	switch p.Kind() {
	case auth.KindUser, auth.KindService:
		return p.Actor() != ""
	}
	return true
}

// isOwnClient reports whether a token of ours was issued to a client of the program, or to a service for itself.
func (r *Rules) isOwnClient(p *auth.Principal) bool {
	client := p.ClientID()
	return client == "" || p.Kind() == auth.KindService || slices.Contains(r.config.Clients, client)
}

// isInScope reports whether the scopes of a caller permit something, or the roles of an API key.
func (r *Rules) isInScope(p *auth.Principal, permission string) bool {
	if p.HasScope(permission) {
		return true
	}
	for _, scope := range p.Scopes() {
		if prefix, wild := strings.CutSuffix(scope, ":*"); wild && strings.HasPrefix(permission, prefix+":") || r.scopes[scope].permits(permission) {
			return true
		}
	}
	return p.Kind() == auth.KindAPIKey && p.Issuer() == r.issuer &&
		p.AnyRole(func(role string) bool { return r.roles[role].permits(permission) })
}

// rolesPermit reports whether a role of the user whom p stands for permits something.
func (r *Rules) rolesPermit(ctx context.Context, p *auth.Principal, permission, org string, own, acts bool) (bool, error) {
	switch {
	case !own:
		foreign := r.foreign[p.Issuer()]
		return p.AnyRole(func(role string) bool { return foreign[role].permits(permission) }), nil
	case acts: // the roles in the credential, if any, are not those that the user has now
		return r.userPermits(ctx, p.Subject(), permission, org)
	case p.AnyRole(func(role string) bool { return r.roles[role].permits(permission) }):
		return true, nil
	case org != "" && p.Kind() == auth.KindUser:
		return r.userPermits(ctx, p.Subject(), permission, org)
	}
	return false, nil
}

// reportUnknown logs the roles of a caller that the policy does not know, each once.
func (r *Rules) reportUnknown(ctx context.Context, p *auth.Principal, own, acts bool) {
	if !own || acts {
		return
	}
	for _, role := range p.Roles() {
		if r.roles[role] == nil {
			r.reportRole(ctx, role)
		}
	}
}

// reportRole logs once that a role is not in the policy.
func (r *Rules) reportRole(ctx context.Context, role string) {
	r.mu.Lock()
	report := !r.unknown[role] && len(r.unknown) < maxUnknown
	if report {
		r.unknown[role] = true
	}
	r.mu.Unlock()
	if report {
		r.config.Logger.WarnContext(ctx, "roles: somebody has a role that is not in the policy, and that permits nothing", "role", role)
	}
}
