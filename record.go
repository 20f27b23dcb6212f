package auth

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"
)

// Record is a small value that changes by compare-and-swap: a one-time token, a
// second factor, a count of failures. What is in it is its writer's alone.
type Record struct {
	Key       string    // 1 to 200 characters of printable ASCII without space; nothing secret
	Value     []byte    // at most 4,096 bytes
	Version   int64     // of this state of the record, which Renew gives it; 0: there is none yet
	ExpiresAt time.Time // when it is gone, by the store's clock; zero: never; UTC, whole microseconds
}

// RecordStore keeps records. There is no logic in it, as there is none in a
// [SessionStore]; package authtest holds the suite that proves one right.
//
// Every method honours ctx and is safe for concurrent use, by any number of
// processes. What is returned is the caller's own copy. An error that is not
// [ErrConflict] is the world's.
type RecordStore interface {
	// Record returns the record with this key as it was last written, or the zero
	// Record if there is none or it has expired; and the store's own time.
	Record(ctx context.Context, key string) (r Record, now time.Time, err error)

	// ReplaceRecord puts r in the place of the record that has its Key and the
	// version old, in one atomic step; with old 0 there must be none, or one that
	// has expired. It returns [ErrConflict] if there is something else, and then
	// nothing has changed.
	ReplaceRecord(ctx context.Context, old int64, r Record) error

	// DeleteRecord removes the record with this key and version. It returns
	// [ErrConflict] if there is none (of concurrent calls exactly one succeeds),
	// and then nothing has changed.
	DeleteRecord(ctx context.Context, key string, version int64) error
}

// Renew gives r another Version, for it to be written, and returns the one before,
// which is to be replaced. Versions are random, so that no two states of a key are
// taken for one, not even where the record was gone between them.
func (r *Record) Renew() (old int64) {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand
	old, r.Version = r.Version, max(int64(binary.BigEndian.Uint64(b[:])>>1), 1)
	return old
}
