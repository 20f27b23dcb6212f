package authtest_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
)

// sessionMutants has stores that each break one rule, by the name of the rule.
var sessionMutants = map[string]map[string]func() auth.SessionStore{
	"Create": {
		"drops the domain of an address": scanning(sessionFaults{stored: func(session *auth.Session) { session.UserID = strings.TrimSuffix(session.UserID, "@example.com") }}),
	},
	"CreateTaken": {
		"ON CONFLICT DO UPDATE": scanning(sessionFaults{overwrites: true}),
	},
	"Unknown": {
		"upserts":                scanning(sessionFaults{inserts: true}),
		"DELETE without a count": scanning(sessionFaults{deletesNothing: true}),
	},
	"IDs":     {"case-insensitive": scanning(sessionFaults{id: strings.ToLower})},
	"UserIDs": {"case-insensitive": scanning(sessionFaults{user: strings.ToLower}), "trims": scanning(sessionFaults{user: strings.TrimSpace})},
	"List": {
		"with State":                        scanning(sessionFaults{listsState: true}),
		"fails for a user without sessions": scanning(sessionFaults{strangersFail: true}),
	},
	"Expired": {"WHERE expires_at > now()": scanning(sessionFaults{forgets: true})},
	"Clock": {
		"zero":                 scanning(sessionFaults{clock: func(auth.Session) time.Time { return time.Time{} }}),
		"the last use":         scanning(sessionFaults{clock: func(session auth.Session) time.Time { return session.LastUsedAt }}),
		"whole seconds":        scanning(sessionFaults{clock: func(auth.Session) time.Time { return time.Now().Truncate(time.Second) }}),
		"local time as if UTC": scanning(sessionFaults{clock: func(auth.Session) time.Time { return time.Now().Add(2 * time.Hour) }}),
	},
	"Copies": {"keeps slices": scanning(sessionFaults{aliases: true})},
	"Values/Times": {
		"keeps milliseconds": scanning(sessionFaults{stored: func(session *auth.Session) { session.LastUsedAt = session.LastUsedAt.Truncate(time.Millisecond) }}),
		"keeps 32 bits": scanning(sessionFaults{stored: func(session *auth.Session) {
			session.ExpiresAt = time.Unix(int64(int32(session.ExpiresAt.Unix())), int64(session.ExpiresAt.Nanosecond())).UTC()
		}}),
		"returns times in the zone of the server": scanning(sessionFaults{loaded: func(session *auth.Session) { session.CreatedAt = session.CreatedAt.In(time.FixedZone("CET", 3600)) }}),
	},
	"Values/Device": {
		"VARCHAR(200)": scanning(sessionFaults{stored: func(session *auth.Session) { session.UserAgent = session.UserAgent[:min(len(session.UserAgent), 200)] }}),
		"only IPv4": scanning(sessionFaults{stored: func(session *auth.Session) {
			if session.IP.Is6() {
				session.IP = netip.Addr{}
			}
		}}),
		"0.0.0.0 for an unknown IP": scanning(sessionFaults{loaded: func(session *auth.Session) {
			if !session.IP.IsValid() {
				session.IP = netip.IPv4Unspecified()
			}
		}}),
	},
	"Values/State": {
		"VARBINARY(255)": scanning(sessionFaults{stored: func(session *auth.Session) { session.State = session.State[:min(len(session.State), 255)] }}),
		"BINARY(512)":    scanning(sessionFaults{stored: func(session *auth.Session) { session.State = bytes.TrimRight(session.State, " \x00") }}),
		"text":           scanning(sessionFaults{stored: func(session *auth.Session) { session.State = bytes.ToValidUTF8(session.State, []byte("?")) }}),
	},
	"Values/Version": {
		"float64": scanning(sessionFaults{stored: func(session *auth.Session) { session.Version = int64(float64(session.Version)) }}),
		"int32":   scanning(sessionFaults{stored: func(session *auth.Session) { session.Version = int64(int32(session.Version)) }}),
	},
	"Replace": {"UPDATE without the ID": scanning(sessionFaults{everyone: true})},
	"ReplaceConflict": {
		"accepts an older version":                     scanning(sessionFaults{accepts: func(stored, old auth.Session) bool { return stored.Version < old.Version }}),
		"accepts a replacement that is already stored": scanning(sessionFaults{reached: true}),
	},
	"Delete":     {"still lists it": scanning(sessionFaults{listsDeleted: true})},
	"DeleteUser": {"refuses new sessions of the user": scanning(sessionFaults{barsUser: true})},
	"DeleteOthers": {
		"keeps all if except is not of the user": scanning(sessionFaults{checksExcept: true}),
	},
	"Feed/Empty": {"records changes": scanning(sessionFaults{recordsReplaced: true})},
	"Feed/Delete": {
		"records a session that it does not find": scanning(sessionFaults{recordsRefused: true}),
		"whole seconds": scanning(sessionFaults{revoked: func(r *auth.Revocation) { r.Expiry = r.Expiry.Truncate(time.Second) }}),
	},
	"Feed/User":       {"whole seconds": scanning(sessionFaults{revoked: func(r *auth.Revocation) { r.IssuedAt = r.IssuedAt.Truncate(time.Second) }})},
	"Feed/NoSessions": {"INSERT … SELECT": scanning(sessionFaults{recordsIfAny: true})},
	"Feed/Others":     {"records the user as well": scanning(sessionFaults{recordsAlways: true})},
	"Feed/Cursor":     {"a queue": scanning(sessionFaults{consumes: true})},
	"Feed/Many":       {"LIMIT 1000": scanning(sessionFaults{limit: 1000})},
	"Feed/Expired":    {"WHERE expires_at > now()": scanning(sessionFaults{forgetsFeed: true})},
	"Feed/Concurrent": {"assigns numbers before the commit": scanning(sessionFaults{lateCommit: true})},
	"Race/Create":     {"reads, then inserts": scanning(sessionFaults{raceCreate: true})},
	"Race/Replace":    {"reads, then updates": scanning(sessionFaults{raceReplace: true})},
	"Race/Delete":     {"reads, then deletes": scanning(sessionFaults{raceDelete: true})},
	"Race/ReplaceDelete": {
		"reads, then upserts": scanning(sessionFaults{resurrects: true}),
	},
	"Context/Create": {
		"creates the session nevertheless": failing(overridden{createSession: func(s auth.SessionStore, ctx context.Context, session auth.Session) error {
			return errors.Join(s.CreateSession(context.WithoutCancel(ctx), session), ctx.Err())
		}}),
		"hides the cause": failing(overridden{createSession: func(s auth.SessionStore, ctx context.Context, session auth.Session) error {
			if ctx.Err() != nil {
				return errDown
			}
			return s.CreateSession(ctx, session)
		}}),
	},
	"Context/Read": {
		"returns ErrSessionNotFound": failing(overridden{session: func(s auth.SessionStore, ctx context.Context, id string) (auth.Session, time.Time, error) {
			if ctx.Err() != nil {
				return auth.Session{}, time.Time{}, auth.ErrSessionNotFound
			}
			return s.Session(ctx, id)
		}}),
		"the feed ignores the context": failing(overridden{revokedSince: func(s auth.SessionStore, ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
			return s.RevokedSince(context.WithoutCancel(ctx), cursor, each)
		}}),
	},
	"Context/Replace": {
		"returns ErrConflict": failing(overridden{replaceSession: func(s auth.SessionStore, ctx context.Context, old, replacement auth.Session) error {
			if ctx.Err() != nil {
				return auth.ErrConflict
			}
			return s.ReplaceSession(ctx, old, replacement)
		}}),
		"replaces the session nevertheless": failing(overridden{replaceSession: func(s auth.SessionStore, ctx context.Context, old, replacement auth.Session) error {
			return errors.Join(ctx.Err(), s.ReplaceSession(context.WithoutCancel(ctx), old, replacement))
		}}),
	},
	"Context/Delete": {
		"deletes the session nevertheless": failing(overridden{deleteSession: func(s auth.SessionStore, ctx context.Context, id string, expiry time.Time) error {
			return errors.Join(ctx.Err(), s.DeleteSession(context.WithoutCancel(ctx), id, expiry))
		}}),
	},
}

// scanning returns a store with these faults.
func scanning(f sessionFaults) func() auth.SessionStore {
	return func() auth.SessionStore { return &sessionScan{sessionFaults: f} }
}

// failing returns a store that keeps the contract except for some methods.
func failing(o overridden) func() auth.SessionStore {
	return func() auth.SessionStore {
		o := o
		o.SessionStore = new(sessionScan)
		return o
	}
}

// overridden is a store with some methods replaced. Each replacement gets the original store.
type overridden struct {
	auth.SessionStore
	createSession  func(auth.SessionStore, context.Context, auth.Session) error
	session        func(auth.SessionStore, context.Context, string) (auth.Session, time.Time, error)
	replaceSession func(s auth.SessionStore, ctx context.Context, old, replacement auth.Session) error
	deleteSession  func(auth.SessionStore, context.Context, string, time.Time) error
	revokedSince   func(auth.SessionStore, context.Context, string, func(auth.Revocation)) (string, error)
}

func (o overridden) CreateSession(ctx context.Context, session auth.Session) error {
	if o.createSession != nil {
		return o.createSession(o.SessionStore, ctx, session)
	}
	return o.SessionStore.CreateSession(ctx, session)
}

func (o overridden) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	if o.session != nil {
		return o.session(o.SessionStore, ctx, id)
	}
	return o.SessionStore.Session(ctx, id)
}

func (o overridden) ReplaceSession(ctx context.Context, old, replacement auth.Session) error {
	if o.replaceSession != nil {
		return o.replaceSession(o.SessionStore, ctx, old, replacement)
	}
	return o.SessionStore.ReplaceSession(ctx, old, replacement)
}

func (o overridden) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	if o.deleteSession != nil {
		return o.deleteSession(o.SessionStore, ctx, id, expiry)
	}
	return o.SessionStore.DeleteSession(ctx, id, expiry)
}

func (o overridden) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	if o.revokedSince != nil {
		return o.revokedSince(o.SessionStore, ctx, cursor, each)
	}
	return o.SessionStore.RevokedSince(ctx, cursor, each)
}

// Each mutant breaks its own rule and no other, and each rule has a mutant. A store that keeps the
// contract breaks no rule.
func TestSessionMutants(t *testing.T) {
	t.Parallel()
	for name, err := range authtest.BrokenSessionStoreRules(t, func(*testing.T) auth.SessionStore { return new(sessionScan) }) {
		t.Errorf("a store that keeps the contract breaks the rule %s: %v", name, err)
	}
	for _, rule := range authtest.SessionStoreRules() {
		if len(sessionMutants[rule]) == 0 {
			t.Errorf("the rule %s has no mutant", rule)
		}
	}
	for rule, stores := range sessionMutants {
		for name, store := range stores {
			t.Run(rule+"/"+name, func(t *testing.T) {
				t.Parallel()
				broken := authtest.BrokenSessionStoreRules(t, func(*testing.T) auth.SessionStore { return store() })
				if _, caught := broken[rule]; !caught || len(broken) != 1 {
					t.Errorf("the mutant breaks the rule %q, but the suite reports %q: %v", rule, slices.Sorted(maps.Keys(broken)), broken)
				}
			})
		}
	}
}
