package detach

import (
	"context"
	"time"

	"github.com/seed-e36e2130/auth/session"
)

// The types of this file call what a host has configured, each call with a context that does not end
// when the client hangs up. Every method is written out, so that none is forgotten: package auth does
// not compile while one of its contracts has a method that is missing here. The type parameters are
// types of package auth, which stands above this one.

// Users calls a store of users of type U.
type Users[U any] struct {
	Store interface {
		CreateUser(ctx context.Context, u U) (string, error)
		UserByID(ctx context.Context, id string) (U, error)
		UserByUsername(ctx context.Context, username string) (U, error)
		ReplacePasswordHash(ctx context.Context, id, old, replacement string) error
	}
	Calls *Calls
}

func (d Users[U]) CreateUser(ctx context.Context, u U) (string, error) {
	return Get(ctx, d.Calls, func(ctx context.Context) (string, error) { return d.Store.CreateUser(ctx, u) })
}

func (d Users[U]) UserByID(ctx context.Context, id string) (U, error) {
	return Get(ctx, d.Calls, func(ctx context.Context) (U, error) { return d.Store.UserByID(ctx, id) })
}

func (d Users[U]) UserByUsername(ctx context.Context, username string) (U, error) {
	return Get(ctx, d.Calls, func(ctx context.Context) (U, error) { return d.Store.UserByUsername(ctx, username) })
}

func (d Users[U]) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Store.ReplacePasswordHash(ctx, id, old, replacement) })
}

// Accounts calls a store that disables and deletes users.
type Accounts struct {
	Store interface {
		SetDisabled(ctx context.Context, id string, disabled bool) error
		DeleteUser(ctx context.Context, id string) error
	}
	Calls *Calls
}

func (d Accounts) SetDisabled(ctx context.Context, id string, disabled bool) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Store.SetDisabled(ctx, id, disabled) })
}

func (d Accounts) DeleteUser(ctx context.Context, id string) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Store.DeleteUser(ctx, id) })
}

// Records calls a store of records of type R.
type Records[R any] struct {
	Store interface {
		Record(ctx context.Context, key string) (R, time.Time, error)
		ReplaceRecord(ctx context.Context, old int64, r R) error
		DeleteRecord(ctx context.Context, key string, version int64) error
		Records(ctx context.Context, owner string) ([]R, error)
		DeleteRecords(ctx context.Context, owner string) error
	}
	Calls *Calls
}

func (d Records[R]) Record(ctx context.Context, key string) (R, time.Time, error) {
	return Get2(ctx, d.Calls, func(ctx context.Context) (R, time.Time, error) { return d.Store.Record(ctx, key) })
}

func (d Records[R]) ReplaceRecord(ctx context.Context, old int64, r R) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Store.ReplaceRecord(ctx, old, r) })
}

func (d Records[R]) DeleteRecord(ctx context.Context, key string, version int64) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Store.DeleteRecord(ctx, key, version) })
}

func (d Records[R]) Records(ctx context.Context, owner string) ([]R, error) {
	return Get(ctx, d.Calls, func(ctx context.Context) ([]R, error) { return d.Store.Records(ctx, owner) })
}

func (d Records[R]) DeleteRecords(ctx context.Context, owner string) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Store.DeleteRecords(ctx, owner) })
}

// Sessions calls a store of sessions.
type Sessions struct {
	Store session.Store
	Calls *Calls
}

func (d Sessions) CreateSession(ctx context.Context, s session.Session) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Store.CreateSession(ctx, s) })
}

func (d Sessions) Session(ctx context.Context, id string) (session.Session, time.Time, error) {
	return Get2(ctx, d.Calls, func(ctx context.Context) (session.Session, time.Time, error) { return d.Store.Session(ctx, id) })
}

func (d Sessions) Sessions(ctx context.Context, userID string) ([]session.Session, error) {
	return Get(ctx, d.Calls, func(ctx context.Context) ([]session.Session, error) { return d.Store.Sessions(ctx, userID) })
}

func (d Sessions) ReplaceSession(ctx context.Context, old, replacement session.Session) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Store.ReplaceSession(ctx, old, replacement) })
}

func (d Sessions) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Store.DeleteSession(ctx, id, expiry) })
}

func (d Sessions) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error {
		return d.Store.DeleteUserSessions(ctx, userID, except, issuedAt, expiry)
	})
}

// RevokedSince is for feeds, which no client waits for.
func (d Sessions) RevokedSince(ctx context.Context, cursor string, each func(session.Revocation)) (string, error) {
	return d.Store.RevokedSince(ctx, cursor, each)
}

// Throttle calls a throttle of attempts of type A that gives device tokens of type T.
type Throttle[A, T any] struct {
	Throttle interface {
		Begin(ctx context.Context, a A) error
		Succeed(ctx context.Context, a A) (T, error)
		Undo(ctx context.Context, a A) error
		Forget(ctx context.Context, username string, targets ...string) error
	}
	Calls *Calls
}

func (d Throttle[A, T]) Begin(ctx context.Context, a A) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Throttle.Begin(ctx, a) })
}

func (d Throttle[A, T]) Succeed(ctx context.Context, a A) (T, error) {
	return Get(ctx, d.Calls, func(ctx context.Context) (T, error) { return d.Throttle.Succeed(ctx, a) })
}

func (d Throttle[A, T]) Undo(ctx context.Context, a A) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Throttle.Undo(ctx, a) })
}

func (d Throttle[A, T]) Forget(ctx context.Context, username string, targets ...string) error {
	return Do(ctx, d.Calls, func(ctx context.Context) error { return d.Throttle.Forget(ctx, username, targets...) })
}

// Factor calls a second factor.
type Factor struct {
	Factor interface {
		Required(ctx context.Context, userID string) (bool, error)
		Prove(ctx context.Context, userID, code string) ([]string, error)
	}
	Calls *Calls
}

func (d Factor) Required(ctx context.Context, userID string) (bool, error) {
	return Get(ctx, d.Calls, func(ctx context.Context) (bool, error) { return d.Factor.Required(ctx, userID) })
}

func (d Factor) Prove(ctx context.Context, userID, code string) ([]string, error) {
	return Get(ctx, d.Calls, func(ctx context.Context) ([]string, error) { return d.Factor.Prove(ctx, userID, code) })
}
