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

// sessionMutants are stores that each break one rule, by the name of the rule.
var sessionMutants = map[string]map[string]func() auth.SessionStore{
	"Create": {
		"drops the domain of an address": scanning(sessionFaults{stored: func(one *auth.Session) { one.UserID = strings.TrimSuffix(one.UserID, "@example.com") }}),
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
		"with State":             scanning(sessionFaults{listsState: true}),
		"takes none for a fault": scanning(sessionFaults{strangersFail: true}),
	},
	"Expired": {"WHERE expires_at > now()": scanning(sessionFaults{forgets: true})},
	"Clock": {
		"has none":             scanning(sessionFaults{clock: func(auth.Session) time.Time { return time.Time{} }}),
		"last use":             scanning(sessionFaults{clock: func(one auth.Session) time.Time { return one.LastUsedAt }}),
		"whole seconds":        scanning(sessionFaults{clock: func(auth.Session) time.Time { return time.Now().Truncate(time.Second) }}),
		"local time as if UTC": scanning(sessionFaults{clock: func(auth.Session) time.Time { return time.Now().Add(2 * time.Hour) }}),
	},
	"Copies": {"keeps slices": scanning(sessionFaults{aliases: true})},
	"Values/Times": {
		"keeps milliseconds": scanning(sessionFaults{stored: func(one *auth.Session) { one.LastUsedAt = one.LastUsedAt.Truncate(time.Millisecond) }}),
		"keeps 32 bits": scanning(sessionFaults{stored: func(one *auth.Session) {
			one.ExpiresAt = time.Unix(int64(int32(one.ExpiresAt.Unix())), int64(one.ExpiresAt.Nanosecond())).UTC()
		}}),
		"answers in the server's zone": scanning(sessionFaults{loaded: func(one *auth.Session) { one.CreatedAt = one.CreatedAt.In(time.FixedZone("CET", 3600)) }}),
	},
	"Values/Device": {
		"VARCHAR(200)": scanning(sessionFaults{stored: func(one *auth.Session) { one.UserAgent = one.UserAgent[:min(len(one.UserAgent), 200)] }}),
		"IPv4 alone": scanning(sessionFaults{stored: func(one *auth.Session) {
			if one.IP.Is6() {
				one.IP = netip.Addr{}
			}
		}}),
		"0.0.0.0 for none": scanning(sessionFaults{loaded: func(one *auth.Session) {
			if !one.IP.IsValid() {
				one.IP = netip.IPv4Unspecified()
			}
		}}),
	},
	"Values/State": {
		"VARBINARY(255)": scanning(sessionFaults{stored: func(one *auth.Session) { one.State = one.State[:min(len(one.State), 255)] }}),
		"BINARY(512)":    scanning(sessionFaults{stored: func(one *auth.Session) { one.State = bytes.TrimRight(one.State, " \x00") }}),
		"text":           scanning(sessionFaults{stored: func(one *auth.Session) { one.State = bytes.ToValidUTF8(one.State, []byte("?")) }}),
	},
	"Values/Version": {
		"float64": scanning(sessionFaults{stored: func(one *auth.Session) { one.Version = int64(float64(one.Version)) }}),
		"int32":   scanning(sessionFaults{stored: func(one *auth.Session) { one.Version = int64(int32(one.Version)) }}),
	},
	"Replace": {"UPDATE without the ID": scanning(sessionFaults{everyone: true})},
	"ReplaceConflict": {
		"an older version is fine": scanning(sessionFaults{accepts: func(stored, old auth.Session) bool { return stored.Version < old.Version }}),
		"content with the result":  scanning(sessionFaults{reached: true}),
	},
	"Delete":     {"still lists it": scanning(sessionFaults{listsDeleted: true})},
	"DeleteUser": {"bars the user": scanning(sessionFaults{barsUser: true})},
	"DeleteOthers": {
		"asks whose the spared one is": scanning(sessionFaults{checksExcept: true}),
	},
	"Feed/Empty": {"records changes": scanning(sessionFaults{recordsReplaced: true})},
	"Feed/Delete": {
		"records what it refused": scanning(sessionFaults{recordsRefused: true}),
		"whole seconds":           scanning(sessionFaults{revoked: func(r *auth.Revocation) { r.Expiry = r.Expiry.Truncate(time.Second) }}),
	},
	"Feed/User":       {"whole seconds": scanning(sessionFaults{revoked: func(r *auth.Revocation) { r.IssuedAt = r.IssuedAt.Truncate(time.Second) }})},
	"Feed/NoSessions": {"INSERT … SELECT": scanning(sessionFaults{recordsIfAny: true})},
	"Feed/Others":     {"the user, too": scanning(sessionFaults{recordsAlways: true})},
	"Feed/Cursor":     {"a queue": scanning(sessionFaults{consumes: true})},
	"Feed/Many":       {"LIMIT 1000": scanning(sessionFaults{limit: 1000})},
	"Feed/Concurrent": {"numbers before commit": scanning(sessionFaults{lateCommit: true})},
	"Race/Create":     {"looks, then inserts": scanning(sessionFaults{raceCreate: true})},
	"Race/Replace":    {"looks, then updates": scanning(sessionFaults{raceReplace: true})},
	"Race/Delete":     {"looks, then deletes": scanning(sessionFaults{raceDelete: true})},
	"Race/ReplaceDelete": {
		"looks, then upserts": scanning(sessionFaults{resurrects: true}),
	},
	"Context/Create": {
		"does it all the same": failing(overridden{createSession: func(s auth.SessionStore, ctx context.Context, one auth.Session) error {
			return errors.Join(s.CreateSession(context.WithoutCancel(ctx), one), ctx.Err())
		}}),
		"hides the cause": failing(overridden{createSession: func(s auth.SessionStore, ctx context.Context, one auth.Session) error {
			if ctx.Err() != nil {
				return errDown
			}
			return s.CreateSession(ctx, one)
		}}),
	},
	"Context/Read": {
		"finds none": failing(overridden{session: func(s auth.SessionStore, ctx context.Context, id string) (auth.Session, time.Time, error) {
			if ctx.Err() != nil {
				return auth.Session{}, time.Time{}, auth.ErrSessionNotFound
			}
			return s.Session(ctx, id)
		}}),
		"feed ignores it": failing(overridden{revokedSince: func(s auth.SessionStore, ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
			return s.RevokedSince(context.WithoutCancel(ctx), cursor, each)
		}}),
	},
	"Context/Replace": {
		"calls it a conflict": failing(overridden{replaceSession: func(s auth.SessionStore, ctx context.Context, old, replacement auth.Session) error {
			if ctx.Err() != nil {
				return auth.ErrConflict
			}
			return s.ReplaceSession(ctx, old, replacement)
		}}),
		"does it all the same": failing(overridden{replaceSession: func(s auth.SessionStore, ctx context.Context, old, replacement auth.Session) error {
			return errors.Join(ctx.Err(), s.ReplaceSession(context.WithoutCancel(ctx), old, replacement))
		}}),
	},
	"Context/Delete": {
		"does half of it": failing(overridden{deleteSession: func(s auth.SessionStore, ctx context.Context, id string, expiry time.Time) error {
			return errors.Join(ctx.Err(), s.DeleteSession(context.WithoutCancel(ctx), id, expiry))
		}}),
	},
}

func scanning(f sessionFaults) func() auth.SessionStore {
	return func() auth.SessionStore { return &sessionScan{sessionFaults: f} }
}

// failing puts methods over a store that keeps the contract.
func failing(o overridden) func() auth.SessionStore {
	return func() auth.SessionStore {
		o := o
		o.SessionStore = new(sessionScan)
		return o
	}
}

// overridden is a store with some methods replaced; each gets the store beneath.
type overridden struct {
	auth.SessionStore
	createSession  func(auth.SessionStore, context.Context, auth.Session) error
	session        func(auth.SessionStore, context.Context, string) (auth.Session, time.Time, error)
	replaceSession func(s auth.SessionStore, ctx context.Context, old, replacement auth.Session) error
	deleteSession  func(auth.SessionStore, context.Context, string, time.Time) error
	revokedSince   func(auth.SessionStore, context.Context, string, func(auth.Revocation)) (string, error)
}

func (o overridden) CreateSession(ctx context.Context, one auth.Session) error {
	if o.createSession != nil {
		return o.createSession(o.SessionStore, ctx, one)
	}
	return o.SessionStore.CreateSession(ctx, one)
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

// TestSessionMutants proves the suite, as TestMutants does that of users.
func TestSessionMutants(t *testing.T) {
	t.Parallel()
	for name, err := range authtest.BrokenSessionStoreRules(t, func(*testing.T) auth.SessionStore { return new(sessionScan) }) {
		t.Errorf("%s refuses a store that keeps it: %v", name, err)
	}
	for _, rule := range authtest.SessionStoreRules() {
		if len(sessionMutants[rule]) == 0 {
			t.Errorf("no store breaks the rule %s alone", rule)
		}
	}
	for rule, stores := range sessionMutants {
		for name, store := range stores {
			t.Run(rule+"/"+name, func(t *testing.T) {
				t.Parallel()
				broken := authtest.BrokenSessionStoreRules(t, func(*testing.T) auth.SessionStore { return store() })
				if _, caught := broken[rule]; !caught || len(broken) != 1 {
					t.Errorf("it breaks %q, and the suite says %q: %v", rule, slices.Sorted(maps.Keys(broken)), broken)
				}
			})
		}
	}
}
