package auth

import (
	"context"
	"time"

	"github.com/seed-e36e2130/auth/internal/detach"
)

// The types of this file call what a host has configured, each call with a context that does not end
// when the client hangs up: see package detach. Every method is written out, so that none is forgotten.

type detachedUsers struct {
	store UserStore
	calls *detach.Calls
}

func (d detachedUsers) CreateUser(ctx context.Context, u User) (string, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) (string, error) { return d.store.CreateUser(ctx, u) })
}

func (d detachedUsers) UserByID(ctx context.Context, id string) (User, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) (User, error) { return d.store.UserByID(ctx, id) })
}

func (d detachedUsers) UserByUsername(ctx context.Context, username string) (User, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) (User, error) { return d.store.UserByUsername(ctx, username) })
}

func (d detachedUsers) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.ReplacePasswordHash(ctx, id, old, replacement) })
}

type detachedAccounts struct {
	store AccountStore
	calls *detach.Calls
}

func (d detachedAccounts) SetDisabled(ctx context.Context, id string, disabled bool) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.SetDisabled(ctx, id, disabled) })
}

func (d detachedAccounts) DeleteUser(ctx context.Context, id string) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.DeleteUser(ctx, id) })
}

type detachedRecords struct {
	store RecordStore
	calls *detach.Calls
}

func (d detachedRecords) Record(ctx context.Context, key string) (Record, time.Time, error) {
	return detach.Get2(ctx, d.calls, func(ctx context.Context) (Record, time.Time, error) { return d.store.Record(ctx, key) })
}

func (d detachedRecords) ReplaceRecord(ctx context.Context, old int64, r Record) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.ReplaceRecord(ctx, old, r) })
}

func (d detachedRecords) DeleteRecord(ctx context.Context, key string, version int64) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.DeleteRecord(ctx, key, version) })
}

func (d detachedRecords) Records(ctx context.Context, owner string) ([]Record, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) ([]Record, error) { return d.store.Records(ctx, owner) })
}

func (d detachedRecords) DeleteRecords(ctx context.Context, owner string) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.DeleteRecords(ctx, owner) })
}

type detachedSessions struct {
	store SessionStore
	calls *detach.Calls
}

func (d detachedSessions) CreateSession(ctx context.Context, s Session) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.CreateSession(ctx, s) })
}

func (d detachedSessions) Session(ctx context.Context, id string) (Session, time.Time, error) {
	return detach.Get2(ctx, d.calls, func(ctx context.Context) (Session, time.Time, error) { return d.store.Session(ctx, id) })
}

func (d detachedSessions) Sessions(ctx context.Context, userID string) ([]Session, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) ([]Session, error) { return d.store.Sessions(ctx, userID) })
}

func (d detachedSessions) ReplaceSession(ctx context.Context, old, replacement Session) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.ReplaceSession(ctx, old, replacement) })
}

func (d detachedSessions) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.DeleteSession(ctx, id, expiry) })
}

func (d detachedSessions) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error {
		return d.store.DeleteUserSessions(ctx, userID, except, issuedAt, expiry)
	})
}

// RevokedSince is for feeds, which no client waits for.
func (d detachedSessions) RevokedSince(ctx context.Context, cursor string, each func(Revocation)) (string, error) {
	return d.store.RevokedSince(ctx, cursor, each)
}

type detachedThrottle struct {
	throttle Throttle
	calls    *detach.Calls
}

func (d detachedThrottle) Begin(ctx context.Context, a Attempt) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.throttle.Begin(ctx, a) })
}

func (d detachedThrottle) Succeed(ctx context.Context, a Attempt) (DeviceToken, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) (DeviceToken, error) { return d.throttle.Succeed(ctx, a) })
}

func (d detachedThrottle) Undo(ctx context.Context, a Attempt) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.throttle.Undo(ctx, a) })
}

func (d detachedThrottle) Forget(ctx context.Context, username string, targets ...string) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.throttle.Forget(ctx, username, targets...) })
}

type detachedFactor struct {
	factor SecondFactor
	calls  *detach.Calls
}

func (d detachedFactor) Required(ctx context.Context, userID string) (bool, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) (bool, error) { return d.factor.Required(ctx, userID) })
}

func (d detachedFactor) Prove(ctx context.Context, userID, code string) ([]string, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) ([]string, error) { return d.factor.Prove(ctx, userID, code) })
}

// detachStores puts detached calls in the place of what a and its sessions call.
func (a *Authenticator) detachStores(sessions *SessionStore) {
	calls := detach.New()
	a.users = detachedUsers{a.users, calls}
	if a.accounts != nil {
		a.accounts = detachedAccounts{a.accounts, calls}
	}
	if a.records != nil {
		a.records = detachedRecords{a.records, calls}
	}
	if a.throttle != nil {
		a.throttle = detachedThrottle{a.throttle, calls}
	}
	if a.second != nil {
		a.second = detachedFactor{a.second, calls}
	}
	if *sessions != nil {
		*sessions = detachedSessions{*sessions, calls}
	}
	// The host's functions may call methods of a, so they take no place of their own.
	if claims := a.claims; claims != nil {
		a.claims = func(ctx context.Context, u User, c *Claims) error {
			return detach.Do(ctx, nil, func(ctx context.Context) error { return claims(ctx, u, c) })
		}
	}
	if newID := a.newID; newID != nil {
		a.newID = func(ctx context.Context) (string, error) { return detach.Get(ctx, nil, newID) }
	}
}
