// Package record holds the contract of small values that change by compare-and-swap. What stands in
// them belongs to the parts of the library that write them.
package record

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"
)

// Record is a small value that changes by compare-and-swap: a one-time token, a second factor, a
// count of failures. Its content belongs to the part of the library that wrote it.
type Record struct {
	Key       string    // 1 to 200 characters of printable ASCII without space; nothing secret
	Owner     string    // ID of the user that it is about, at most 255 bytes; empty: nobody
	Value     []byte    // at most 4,096 bytes
	Version   int64     // version of this state of the record, set by Renew; 0: there is no record yet
	ExpiresAt time.Time // end of the record, by the store's clock; zero: never; UTC, whole microseconds
}

// Store keeps records. Like a store of sessions it contains no rules; package authtest holds the
// suite that proves one right.
//
// Every method honours ctx and is safe for concurrent use, by any number of processes. What is
// returned is the caller's own copy. ErrConflict is that of package session. Any other error means an
// infrastructure failure.
type Store interface {
	// Record returns the record with this key as it was last written, or the zero Record if there
	// is none or it has expired; and the store's own time.
	Record(ctx context.Context, key string) (r Record, now time.Time, err error)

	// ReplaceRecord puts r in the place of the record that has its Key and the version old, in one
	// atomic step; with old 0 there must be none, or one that has expired. It returns ErrConflict
	// if there is something else, and then nothing has changed.
	ReplaceRecord(ctx context.Context, old int64, r Record) error

	// DeleteRecord removes the record with this key and version. It returns ErrConflict if there
	// is none (of concurrent calls exactly one succeeds), and then nothing has changed.
	DeleteRecord(ctx context.Context, key string, version int64) error

	// Records returns the records of an owner that have not expired, in any order. The owner is
	// not empty.
	Records(ctx context.Context, owner string) ([]Record, error)

	// DeleteRecords removes all records of an owner, whatever their version. The owner is not
	// empty. That there are none is no error.
	DeleteRecords(ctx context.Context, owner string) error
}

// Renew gives r a new Version, for it to be written, and returns the one before, which is to be
// replaced. Versions are random, so that no two states of a key are taken for one, not even if the
// record was gone between them. See decision 0033.
func (r *Record) Renew() (old int64) {
	var b [8]byte
	rand.Read(b[:]) // never fails
	old, r.Version = r.Version, max(int64(binary.BigEndian.Uint64(b[:])>>1), 1)
	return old
}
