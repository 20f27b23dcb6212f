package roles

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/assignment"
)

// The contract of assignments: see package assignment.
type (
	Assignment = assignment.Assignment
	State      = assignment.State
	Store      = assignment.Store
)

// ErrStale is the error of a token that was issued before the roles of its user changed, or for longer than one of
// them. It is an [auth.ErrExpiredToken], so that a client gets a challenge that a refresh answers.
var ErrStale = fmt.Errorf("%w: the roles of the user have changed", auth.ErrExpiredToken)

var errNoStore = errors.New("roles: Config.Store is nil: nobody can be given a role")

const (
	// keptFor bounds how long the roles of a user are kept in memory. It is shorter than a change of them is
	// remembered in the feed.
	keptFor = time.Minute

	// endMargin is how much earlier than it ends a role is left out of tokens: a token has whole seconds.
	endMargin = 2 * time.Second
)

// user is what a user has, as far as it counts.
type user struct {
	version string              // as tokens name it; "": none, and then nothing is kept in memory
	global  []string            // roles outside of organisations
	orgs    map[string][]string // roles by organisation
	loaded  time.Time
	end     time.Time // time when the first of the roles ends, by our clock; zero: none does
}

// users keeps the roles of users in memory.
type users struct {
	mu   sync.RWMutex
	byID map[string]*user
	most int
}

// initialVersion is the version of the roles of a user that were never changed. The first change retires it.
func initialVersion(userID string) string {
	sum := sha256.Sum256([]byte("auth roles: never changed\x00" + userID))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// load reads the roles of a user from the store.
func (r *Rules) load(ctx context.Context, userID string) (*user, error) {
	if r.config.Store == nil {
		return nil, errNoStore
	}
	// If the initial version was retired before the store was read, and the user has no version then, the ID was
	// that of a user who was deleted: a token with the initial version would be refused at each use.
	version := initialVersion(userID)
	if errors.Is(r.config.Revoked.CheckID(ctx, version), auth.ErrRevokedToken) {
		version = ""
	}
	began := time.Now()
	state, now, err := r.config.Store.Assignments(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	if state.Version != "" {
		version = state.Version
	}
	u := &user{version: version, orgs: map[string][]string{}, loaded: began}
	for _, a := range state.Assignments {
		left := a.Until.Sub(now)
		switch {
		case !a.Until.IsZero() && left < endMargin:
			continue
		case r.roles[a.Role] == nil:
			r.reportRole(ctx, a.Role)
			continue
		case a.Org == "":
			u.global = append(u.global, a.Role)
		default:
			u.orgs[a.Org] = append(u.orgs[a.Org], a.Role)
		}
		if end := began.Add(left); !a.Until.IsZero() && (u.end.IsZero() || end.Before(u.end)) {
			u.end = end
		}
	}
	u.global = r.compatible(ctx, userID, u.global, nil)
	for org, roles := range u.orgs {
		u.orgs[org] = r.compatible(ctx, userID, roles, u.global)
	}
	return u, nil
}

// compatible returns roles without those that nobody may have together, or together with the roles beside. A user
// can have such roles only from before the policy said so.
func (r *Rules) compatible(ctx context.Context, userID string, roles, beside []string) (left []string) {
	excluded := map[string]bool{}
	all := append(append([]string(nil), roles...), beside...)
	for _, set := range r.config.Exclusive {
		if len(among(set, r.grantsOf(all)...)) < 2 {
			continue
		}
		for _, role := range roles {
			excluded[role] = excluded[role] || len(among(set, r.roles[role])) > 0
		}
		r.config.Logger.WarnContext(ctx, "roles: a user has roles that nobody may have together; they permit nothing", "sub", userID, "roles", set)
	}
	for _, role := range roles {
		if !excluded[role] {
			left = append(left, role)
		}
	}
	return left
}

// grantsOf returns what roles permit.
func (r *Rules) grantsOf(roles []string) (grants []*grant) {
	for _, role := range roles {
		grants = append(grants, r.roles[role])
	}
	return grants
}

// user returns the roles of a user from memory, or else from the store.
func (r *Rules) user(ctx context.Context, userID string) (*user, error) {
	r.users.mu.RLock()
	u := r.users.byID[userID]
	r.users.mu.RUnlock()
	if u != nil && u.lasts(time.Now()) {
		switch err := r.config.Revoked.CheckID(ctx, u.version); {
		case err == nil:
			return u, nil
		case !errors.Is(err, auth.ErrRevokedToken):
			return nil, err
		}
	}
	u, err := r.load(ctx, userID)
	if err == nil && u.version != "" {
		r.users.put(userID, u)
	}
	return u, err
}

// lasts reports whether the roles may still be used at a time. It compares both clocks: the monotonic one stands
// still while a machine is suspended, and the wall clock may step.
func (u *user) lasts(now time.Time) bool {
	age := max(now.Sub(u.loaded), now.Round(0).Sub(u.loaded.Round(0)))
	return age < keptFor && !now.Round(0).Before(u.loaded.Round(0)) && (u.end.IsZero() || now.Before(u.end))
}

// put keeps the roles of a user, in the place of some other user's if there are too many.
func (m *users) put(userID string, u *user) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID == nil {
		m.byID = make(map[string]*user)
	}
	if _, there := m.byID[userID]; !there && len(m.byID) >= m.most {
		for other := range m.byID {
			delete(m.byID, other)
			break
		}
	}
	m.byID[userID] = u
}

// userPermits reports whether a role that a user has now permits something: one outside of organisations or, if org is
// not empty, in that one.
func (r *Rules) userPermits(ctx context.Context, userID, permission, org string) (bool, error) {
	if r.config.Store == nil {
		return false, nil
	}
	u, err := r.user(ctx, userID)
	if err != nil {
		return false, err
	}
	permit := func(roles []string) bool {
		for _, role := range roles {
			if r.roles[role].permits(permission) {
				return true
			}
		}
		return false
	}
	return permit(u.global) || org != "" && permit(u.orgs[org]), nil
}

// Claims is for the Claims of an [auth.Config]: it sets the roles of a token, those outside of organisations, and
// their version. It reads the store, and an error ends the login or the refresh. A host that sets more claims calls
// it from a function of its own.
func (r *Rules) Claims(ctx context.Context, u auth.User, c *auth.Claims) error {
	has, err := r.load(ctx, u.ID)
	if err != nil {
		return err
	}
	c.Roles, c.RolesVersion = has.global, has.version
	if !has.end.IsZero() {
		c.RolesVersion += "." + strconv.FormatInt(has.end.Unix(), 10)
	}
	return nil
}

// CheckToken is for the Check of a jwt.IssuerConfig or a jwt.VerifierConfig, in the place of that of
// [Config].Revoked, which it asks first. It then returns [ErrStale] for a token of the issuer if the roles of its
// user have changed since it was issued, or one of them has ended, or if it has roles of a user without a version.
// It looks at memory alone.
func (r *Rules) CheckToken(ctx context.Context, p *auth.Principal) error {
	if r.config.Revoked == nil {
		return errNoStore
	}
	if err := r.config.Revoked.Check(ctx, p); err != nil || p.Issuer() != r.issuer {
		return err
	}
	version := p.RolesVersion()
	if version == "" {
		if p.Kind() == auth.KindUser && p.AnyRole(func(string) bool { return true }) {
			return ErrStale
		}
		return nil
	}
	id, end, ends := strings.Cut(version, ".")
	if ends {
		if at, err := strconv.ParseInt(end, 10, 64); err != nil || time.Now().Unix() >= at {
			return ErrStale
		}
	}
	if id == "" { // roles of the next user with the ID of one who was deleted
		return nil
	}
	err := r.config.Revoked.CheckID(ctx, id)
	if errors.Is(err, auth.ErrRevokedToken) {
		return ErrStale
	}
	return err
}
