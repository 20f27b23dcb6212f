package roles

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
	"github.com/seed-e36e2130/auth/internal/clock"
)

// Events of package roles. UserID is whose role it is, Actor who granted or took it, and Role which.
const (
	EventGranted auth.EventKind = "role_granted" // a user got a role, or another end of one
	EventTaken   auth.EventKind = "role_taken"   // a user lost a role
)

// Errors that a caller's input can cause, for use with [errors.Is]. Others are [auth.ErrInsufficientScope] and
// [auth.ErrUserNotFound].
var (
	ErrInvalid     = errors.New("roles: invalid")                         // wrapped by an error that says what is invalid, for the caller
	ErrExclusive   = errors.New("roles: nobody may have these two roles") // wrapped by an error that names them
	ErrNotAssigned = errors.New("roles: the user does not have the role") // or no longer
	ErrLast        = assignment.ErrLast                                   // the last administrator
)

const (
	maxRoles     = 100  // roles of a user outside of organisations, or in one
	maxAll       = 1000 // roles of a user
	maxRoleBytes = 2560 // names of the roles of a user, with three bytes more for each: what a token holds beside the rest
	maxOrg       = 255  // bytes
	maxConflicts = 8    // of one call with others that change the same user
	syncTime     = time.Second
	operator     = "operator" // Actor of events

	// versionMargin is how much longer than the tokens a retired version is remembered, for clocks that differ and
	// the leeway of verifiers.
	versionMargin = 10 * time.Minute
)

// Grant gives a user a role, until a.Until if that is not zero, or gives a role that the user has another end.
// GrantedBy and GrantedAt of a are set. The tokens that the user has become stale: see [ErrStale].
//
// by must be a user in person who has the permission [Assign] now, and everything that the role permits, by roles that
// do not end before a.Until; for a role in an organisation, roles in that organisation count. Otherwise, Grant returns [auth.ErrInsufficientScope]. It
// returns [ErrInvalid] for a role that is not in the policy, for the role of owners, for an end that is past, and if
// the user would have more than 100 roles in one place, or with names longer than 2,560 bytes together; [ErrExclusive]
// if nobody may have the role beside one that the user has; [ErrLast] if an end would leave no administrator; and
// [auth.ErrUserNotFound].
func (r *Rules) Grant(ctx context.Context, by *auth.Principal, a Assignment) error {
	if !r.isInPerson(by) {
		return auth.ErrInsufficientScope
	}
	return r.change(ctx, by.Subject(), a, false)
}

// Take takes a role from a user, outside of organisations if org is empty. by must be as for [Rules.Grant], or be the
// user. It returns [ErrNotAssigned] if the user does not have the role, and [ErrLast] for the last administrator.
func (r *Rules) Take(ctx context.Context, by *auth.Principal, userID, role, org string) error {
	if !r.isInPerson(by) {
		return auth.ErrInsufficientScope
	}
	return r.change(ctx, by.Subject(), Assignment{UserID: userID, Role: role, Org: org}, true)
}

// GrantByOperator is [Rules.Grant] without somebody who must have the role: for commands, and for the first
// administrator. Never call it for a request.
func (r *Rules) GrantByOperator(ctx context.Context, a Assignment) error {
	return r.change(ctx, "", a, false)
}

// TakeByOperator is [Rules.Take] for commands.
func (r *Rules) TakeByOperator(ctx context.Context, userID, role, org string) error {
	return r.change(ctx, "", Assignment{UserID: userID, Role: role, Org: org}, true)
}

// ByUser returns the assignments of a user that have not ended, in any order, also of roles that are not in the
// policy.
func (r *Rules) ByUser(ctx context.Context, userID string) ([]Assignment, error) {
	if r.config.Store == nil {
		return nil, errNoStore
	}
	s, _, err := r.config.Store.Assignments(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	return s.Assignments, nil
}

// Holders returns who has a role, in the order of their IDs: at most limit users, from 1 to 1,000, whose IDs come after
// the ID after. It does not return who has a role that includes it.
func (r *Rules) Holders(ctx context.Context, role, org, after string, limit int) ([]Assignment, error) {
	switch {
	case r.config.Store == nil:
		return nil, errNoStore
	case limit < 1 || limit > 1000:
		return nil, fmt.Errorf("%w: a limit must be 1 to 1,000", ErrInvalid)
	}
	list, err := r.config.Store.Holders(ctx, role, org, after, limit)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	return list, nil
}

// isInPerson reports whether p is a user of ours, and no program that acts for one.
func (r *Rules) isInPerson(p *auth.Principal) bool {
	return p != nil && p.Issuer() == r.issuer && p.Kind() == auth.KindUser && p.Actor() == "" && r.isOwnClient(p)
}

// change grants or takes a role, for the user by or, if that is empty, for the operator.
func (r *Rules) change(ctx context.Context, by string, a Assignment, remove bool) error {
	if r.config.Store == nil {
		return errNoStore
	}
	for range maxConflicts {
		c, err := r.draft(ctx, by, a, remove)
		if err != nil {
			return err
		}
		err = r.config.Store.ReplaceAssignment(ctx, c)
		switch {
		case errors.Is(err, auth.ErrConflict):
			continue // somebody's roles have changed: decide again
		case errors.Is(err, ErrLast), errors.Is(err, auth.ErrUserNotFound):
			return err
		case err != nil:
			return fmt.Errorf("roles: %w", err)
		}
		r.changed(ctx, by, a, remove)
		return nil
	}
	return &auth.RetryError{Err: auth.ErrBusy, After: time.Second}
}

// draft returns a change, if everybody's roles as they are now allow it.
func (r *Rules) draft(ctx context.Context, by string, a Assignment, remove bool) (c assignment.Change, err error) {
	state, now, err := r.config.Store.Assignments(ctx, a.UserID)
	if err != nil {
		return c, fmt.Errorf("roles: %w", err)
	}
	c = assignment.Change{
		Assignment: a, Remove: remove, Old: state.Version, New: newVersion(), Retired: state.Version,
		Expiry: time.Now().Add(r.config.TokenLife + versionMargin),
	}
	c.GrantedBy, c.GrantedAt = by, clock.Microseconds(now)
	if c.Old == "" {
		c.Retired = initialVersion(a.UserID)
	}
	if by != "" {
		if err := r.authorize(ctx, by, state, &c); err != nil {
			return c, err
		}
	}
	had, hasNow := Assignment{}, false
	var others []Assignment
	for _, there := range state.Assignments {
		if there.Role == a.Role && there.Org == a.Org {
			had, hasNow = there, true
		} else {
			others = append(others, there)
		}
	}
	c.Keep = hasNow && had.Until.IsZero() && a.Org == "" && a.Role == r.config.Administrator && (remove || !a.Until.IsZero())
	if remove {
		if !hasNow {
			return c, ErrNotAssigned
		}
		return c, nil
	}
	return c, r.acceptable(a, others, now)
}

// authorize returns [auth.ErrInsufficientScope] unless a user may make a change, and has the store make it only if the
// user's roles are still the same then.
func (r *Rules) authorize(ctx context.Context, by string, state assignment.State, c *assignment.Change) error {
	if by != c.UserID {
		var err error
		if state, _, err = r.config.Store.Assignments(ctx, by); err != nil {
			return fmt.Errorf("roles: %w", err)
		}
		c.By, c.ByVersion = by, state.Version
	} else if c.Remove {
		return nil // everybody may give up a role
	}
	has := newGrant()
	var assigned []string
	for _, a := range state.Assignments {
		endsFirst := !c.Remove && !a.Until.IsZero() && (c.Until.IsZero() || a.Until.Before(c.Until))
		if (a.Org == "" || a.Org == c.Org) && !endsFirst {
			assigned = append(assigned, a.Role)
		}
	}
	for _, role := range r.compatible(ctx, by, assigned, nil) {
		if g := r.roles[role]; g != nil {
			has.join(g)
		}
	}
	role := r.roles[c.Role]
	if role == nil && c.Remove {
		role = newGrant() // a role that the policy no longer has permits nothing
	}
	if !has.permits(string(Assign)) || role != nil && !has.covers(role) {
		return auth.ErrInsufficientScope
	}
	return nil
}

// acceptable returns an error if a user who has others must not be given a role.
func (r *Rules) acceptable(a Assignment, others []Assignment, now time.Time) error {
	switch {
	case r.roles[a.Role] == nil:
		return fmt.Errorf("%w: %.100q is no role of the policy", ErrInvalid, a.Role)
	case a.Role == r.config.Owner:
		return fmt.Errorf("%w: %q is the role of owners, which is not granted", ErrInvalid, a.Role)
	case len(a.Org) > maxOrg:
		return fmt.Errorf("%w: an organisation has an ID of at most %d bytes", ErrInvalid, maxOrg)
	case !a.Until.IsZero() && !a.Until.After(now):
		return fmt.Errorf("%w: the end is past", ErrInvalid)
	}
	beside := map[string][]string{}
	for _, other := range others {
		beside[other.Org] = append(beside[other.Org], other.Role)
	}
	size := len(a.Role) + 3
	for _, role := range beside[a.Org] {
		size += len(role) + 3
	}
	if len(beside[a.Org]) >= maxRoles || size > maxRoleBytes || len(others) >= maxAll {
		return fmt.Errorf("%w: the user has as many roles as a token holds: %d, or %d bytes of names; or %d in all", ErrInvalid, maxRoles, maxRoleBytes, maxAll)
	}
	beside[a.Org] = append(beside[a.Org], a.Role)
	for org, roles := range beside {
		if org != "" {
			roles = append(append([]string(nil), roles...), beside[""]...)
		}
		if one, other, found := r.conflict(roles); found {
			return fmt.Errorf("%w: %s and %s", ErrExclusive, one, other)
		}
	}
	return nil
}

// newVersion returns 128 random bits as text.
func newVersion() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// changed makes a change take effect in this process, and emits its event, also if the client has hung up. On other
// replicas it takes effect within the bound of revocation; here, too, if the feed cannot be read now.
func (r *Rules) changed(ctx context.Context, by string, a Assignment, remove bool) {
	syncing, cancel := context.WithTimeout(context.WithoutCancel(ctx), syncTime)
	defer cancel()
	if err := r.config.Revoked.Sync(syncing); err != nil {
		r.config.Logger.WarnContext(ctx, "roles: the feed of revocations could not be read after a change", "error", err)
	}
	e := auth.Event{Kind: EventGranted, UserID: a.UserID, Actor: by, Role: a.Role, Device: auth.DeviceFromContext(ctx)}
	if remove {
		e.Kind = EventTaken
	}
	if by == "" {
		e.Actor = operator
	}
	if a.Org != "" {
		e.Role += " " + a.Org
	}
	r.config.Events(ctx, e)
}
