package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
)

// Bounds of a record, in bytes.
const (
	maxRecordKey   = 200
	maxRecordValue = 4096
	maxOwner       = 255
)

// A stored record begins with its version, 8 random bytes of the write, its expiry in microseconds
// as text, and the length of its owner. The owner and the value follow.
const (
	recordHead = 16 + timeDigits + 1
	never      = "99999999999999999999" // expiry of a record that does not expire
)

const (
	ownerTries    = 32  // attempts at a record whose owner changes meanwhile
	recordsAtOnce = 256 // records that one script loads or deletes
)

// recordKey returns the Redis key of a record, or an error if key is not the key of any record.
func (s *Store) recordKey(key string) (string, error) {
	valid := len(key) >= 1 && len(key) <= maxRecordKey
	for i := 0; i < len(key); i++ {
		valid = valid && key[i] > ' ' && key[i] <= '~'
	}
	if !valid {
		return "", fmt.Errorf("auth: redis store: the key of a record must be 1 to %d characters of printable ASCII without space", maxRecordKey)
	}
	return s.prefix + "r:" + key, nil
}

// ownerKey returns the Redis key of the list of an owner's records, a sorted set of their keys by
// the time when Redis forgets them.
func (s *Store) ownerKey(owner string) string { return s.prefix + "o:" + hashed(owner) }

// Record implements [auth.RecordStore].
func (s *Store) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	const doing = "load record"
	name, err := s.recordKey(key)
	if err != nil {
		return auth.Record{}, time.Time{}, err
	}
	keys, owner := []string{name}, ""
	for range ownerTries {
		reply, err := s.query(ctx, doing, loadRecord, keys, key)
		if err != nil {
			return auth.Record{}, time.Time{}, err
		}
		now, err := serverTime(reply)
		if err != nil || len(reply) != 4 {
			return auth.Record{}, time.Time{}, errReply(doing)
		}
		value, listed := reply[2], reply[3] != ""
		if value == "" {
			return auth.Record{}, now, nil
		}
		r, ok := decodeRecord(key, value)
		switch {
		case !ok:
			return auth.Record{}, time.Time{}, fmt.Errorf("auth: redis store: record %s is damaged", key)
		case expired(r, now):
			return auth.Record{}, now, nil
		case r.Owner == "" || r.Owner == owner && listed:
			return r, now, nil
		case r.Owner == owner:
			return auth.Record{}, now, nil // its owner's list was lost
		}
		keys, owner = []string{name, s.ownerKey(r.Owner)}, r.Owner
	}
	return auth.Record{}, time.Time{}, errOwnerChanges
}

var errOwnerChanges = errors.New("auth: redis store: the owner of the record changed again and again")

func expired(r auth.Record, now time.Time) bool {
	return !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt)
}

// ReplaceRecord implements [auth.RecordStore].
func (s *Store) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	if len(r.Value) > maxRecordValue || len(r.Owner) > maxOwner || r.Version == 0 {
		return fmt.Errorf("auth: redis store: record %s is too large, or has no version", r.Key)
	}
	oldVersion, forgetAt := "", "+inf"
	if old != 0 {
		oldVersion = version(old)
	}
	if !r.ExpiresAt.IsZero() {
		forgetAt = milliseconds(r.ExpiresAt.Add(time.Millisecond))
	}
	return s.changeRecord(ctx, "replace record", replaceRecord, r.Key, oldVersion, r.Owner, encodeRecord(&r), forgetAt)
}

// DeleteRecord implements [auth.RecordStore].
func (s *Store) DeleteRecord(ctx context.Context, key string, oldVersion int64) error {
	return s.changeRecord(ctx, "delete record", deleteRecord, key, version(oldVersion), "")
}

// changeRecord runs a script that changes the record which has a key and a version, and returns
// [auth.ErrConflict] if there is none. owner is the owner of the new record, if there will be one.
// A script must declare the lists that it touches, so it is run again when it meets a record of
// another owner.
func (s *Store) changeRecord(ctx context.Context, doing string, script *redis.Script, key, oldVersion, owner string, args ...any) error {
	name, err := s.recordKey(key)
	if err != nil {
		return err
	}
	var owners []string
	if owner != "" {
		owners = append(owners, owner)
	}
	own := len(owners)
	for range ownerTries {
		keys, head := []string{name}, []any{key, oldVersion}
		for _, owner := range owners {
			keys, head = append(keys, s.ownerKey(owner)), append(head, owner)
		}
		reply, err := s.run(ctx, doing, script, keys, append(head, args...)...)
		if err != nil {
			return err
		}
		switch reply := reply.(type) {
		case string: // the owner of the record that is there
			owners = append(owners[:own], reply)
		case int64:
			if reply != 1 {
				return auth.ErrConflict
			}
			return nil
		default:
			return errReply(doing)
		}
	}
	return errOwnerChanges
}

// Records implements [auth.RecordStore].
func (s *Store) Records(ctx context.Context, owner string) ([]auth.Record, error) {
	const doing = "list the records of an owner"
	keys, err := s.query(ctx, doing, listMembers, []string{s.ownerKey(owner)})
	if err != nil {
		return nil, err
	}
	var records []auth.Record
	for chunk := range slices.Chunk(keys, recordsAtOnce) {
		reply, err := s.queryOwned(ctx, doing, loadRecords, owner, chunk)
		if err != nil {
			return nil, err
		}
		now, err := serverTime(reply)
		if err != nil || len(reply) != 2+len(chunk) {
			return nil, errReply(doing)
		}
		for i, value := range reply[2:] {
			if value == "" {
				continue // it ended meanwhile
			}
			r, ok := decodeRecord(chunk[i], value)
			if !ok {
				return nil, fmt.Errorf("auth: redis store: record %s is damaged", chunk[i])
			}
			if r.Owner == owner && !expired(r, now) {
				records = append(records, r)
			}
		}
	}
	return records, nil
}

// DeleteRecords implements [auth.RecordStore]. It reads once which records there are. Those that
// other calls write afterwards stay, unless they replace one of these before it is deleted.
func (s *Store) DeleteRecords(ctx context.Context, owner string) error {
	const doing = "delete the records of an owner"
	keys, err := s.query(ctx, doing, listMembers, []string{s.ownerKey(owner)})
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(keys, recordsAtOnce) {
		if _, err := s.queryOwned(ctx, doing, deleteRecords, owner, chunk); err != nil {
			return err
		}
	}
	return nil
}

// queryOwned runs a script on the list of an owner and the records that have these keys.
func (s *Store) queryOwned(ctx context.Context, doing string, script *redis.Script, owner string, keys []string) ([]string, error) {
	names, args := []string{s.ownerKey(owner)}, []any{owner}
	for _, key := range keys {
		name, err := s.recordKey(key)
		if err != nil {
			return nil, errReply(doing)
		}
		names, args = append(names, name), append(args, key)
	}
	return s.query(ctx, doing, script, names, args...)
}

// encodeRecord returns r as it is stored, without its key.
func encodeRecord(r *auth.Record) string {
	b := append([]byte(version(r.Version)), make([]byte, 8)...)
	rand.Read(b[8:]) // never fails
	if r.ExpiresAt.IsZero() {
		b = append(b, never...)
	} else {
		b = append(b, digits(r.ExpiresAt)...)
	}
	b = append(b, byte(len(r.Owner)))
	b = append(b, r.Owner...)
	return string(append(b, r.Value...))
}

// decodeRecord returns the record that is stored as value.
func decodeRecord(key, value string) (r auth.Record, ok bool) {
	if len(value) < recordHead {
		return r, false
	}
	head, rest := value[:recordHead], value[recordHead:]
	owner := int(head[recordHead-1])
	if len(rest) < owner {
		return r, false
	}
	r.Key, r.Owner, r.Value = key, rest[:owner], []byte(rest[owner:])
	r.Version = int64(binary.BigEndian.Uint64([]byte(head[:8])))
	if expiry := head[16 : 16+timeDigits]; expiry != never {
		if r.ExpiresAt, ok = parseDigits(expiry); !ok {
			return auth.Record{}, false
		}
	}
	return r, r.Version != 0
}
