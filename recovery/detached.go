package recovery

import (
	"context"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/detach"
)

// The types of this file call the stores, each call with a context that does not end when the client
// hangs up: see package detach.

type detachedAddresses struct {
	store Addresses
	calls *detach.Calls
}

func (d detachedAddresses) UserByAddress(ctx context.Context, address string) (string, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) (string, error) { return d.store.UserByAddress(ctx, address) })
}

func (d detachedAddresses) Address(ctx context.Context, userID string) (address string, verified bool, err error) {
	err = detach.Do(ctx, d.calls, func(ctx context.Context) (err error) {
		address, verified, err = d.store.Address(ctx, userID)
		return err
	})
	return address, verified, err
}

func (d detachedAddresses) ReplaceAddress(ctx context.Context, userID, old, replacement string, verified bool) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error {
		return d.store.ReplaceAddress(ctx, userID, old, replacement, verified)
	})
}

type detachedRecords struct {
	store auth.RecordStore
	calls *detach.Calls
}

func (d detachedRecords) Record(ctx context.Context, key string) (r auth.Record, now time.Time, err error) {
	err = detach.Do(ctx, d.calls, func(ctx context.Context) (err error) {
		r, now, err = d.store.Record(ctx, key)
		return err
	})
	return r, now, err
}

func (d detachedRecords) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.ReplaceRecord(ctx, old, r) })
}

func (d detachedRecords) DeleteRecord(ctx context.Context, key string, version int64) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.DeleteRecord(ctx, key, version) })
}

func (d detachedRecords) Records(ctx context.Context, owner string) ([]auth.Record, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) ([]auth.Record, error) { return d.store.Records(ctx, owner) })
}

func (d detachedRecords) DeleteRecords(ctx context.Context, owner string) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.store.DeleteRecords(ctx, owner) })
}
