package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
)

var _ auth.RecordStore = (*Store)(nil)

// Bounds of a record, in bytes.
const (
	maxRecordKey   = 200
	maxRecordValue = 4096
	recordHead     = 16 + timeDigits // version, random bytes of the write, and expiry
	never          = "99999999999999999999"
)

// current returns the first bytes of the record in KEYS[1], or nothing if there is none
// or it has expired.
const current = `
local function current()
	local head, now = redis.call('GETRANGE', KEYS[1], 0, 35), redis.call('TIME')
	if string.sub(head, 17, 36) <= string.format('%014d%06d', now[1], now[2]) then
		return ''
	end
	return head
end
`

// replaceRecord writes ARGV[1] where the version is ARGV[2], to be forgotten at
// ARGV[3], if ever. As with sessions, a command that was sent again finds its deed
// done.
var replaceRecord = redis.NewScript(current + `
local head = current()
if head ~= '' and string.sub(head, 1, 16) == string.sub(ARGV[1], 1, 16) then
	return 1
end
if string.sub(head, 1, 8) ~= ARGV[2] then
	return 0
end
redis.call('SET', KEYS[1], ARGV[1])
if ARGV[3] ~= '' then
	redis.call('PEXPIREAT', KEYS[1], ARGV[3])
end
return 1
`)

// deleteRecord removes the record whose version is ARGV[1].
var deleteRecord = redis.NewScript(current + `
if string.sub(current(), 1, 8) ~= ARGV[1] then
	return 0
end
return redis.call('DEL', KEYS[1])
`)

// recordKey returns the key of a record, which in a cluster lies in a slot of its
// own. It returns an error if key is none.
func (s *Store) recordKey(key string) (string, error) {
	if s == nil || s.client == nil {
		return "", errZero
	}
	bad := len(key) == 0 || len(key) > maxRecordKey
	for i := 0; i < len(key); i++ {
		bad = bad || key[i] <= ' ' || key[i] > '~'
	}
	if bad {
		return "", fmt.Errorf("auth: redis store: a key that is not 1 to %d characters of printable ASCII without space", maxRecordKey)
	}
	return s.records + key, nil
}

// Record implements [auth.RecordStore].
func (s *Store) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	const doing = "load record"
	name, err := s.recordKey(key)
	if err != nil {
		return auth.Record{}, time.Time{}, err
	}
	found, err := s.texts(ctx, doing, load, []string{name})
	if err != nil {
		return auth.Record{}, time.Time{}, err
	}
	now, err := clock(found)
	if err != nil || len(found) != 3 {
		return auth.Record{}, time.Time{}, errAnswer(doing)
	}
	if found[2] == "" {
		return auth.Record{}, now, nil
	}
	r, ok := decodeRecord(key, found[2])
	if !ok {
		return auth.Record{}, time.Time{}, fmt.Errorf("auth: redis store: record %s is damaged", key)
	}
	if !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt) {
		return auth.Record{}, now, nil
	}
	return r, now, nil
}

// ReplaceRecord implements [auth.RecordStore].
func (s *Store) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	name, err := s.recordKey(r.Key)
	if err != nil {
		return err
	}
	if len(r.Value) > maxRecordValue || r.Version == 0 {
		return fmt.Errorf("auth: redis store: record %s is too large, or has no version", r.Key)
	}
	was, until := "", ""
	if old != 0 {
		was = version(old)
	}
	if !r.ExpiresAt.IsZero() {
		until = milliseconds(r.ExpiresAt.Add(time.Millisecond))
	}
	did, err := s.done(ctx, "replace record", replaceRecord, []string{name}, encodeRecord(&r), was, until)
	if err == nil && !did {
		return auth.ErrConflict
	}
	return err
}

// DeleteRecord implements [auth.RecordStore].
func (s *Store) DeleteRecord(ctx context.Context, key string, of int64) error {
	name, err := s.recordKey(key)
	if err != nil {
		return err
	}
	did, err := s.done(ctx, "delete record", deleteRecord, []string{name}, version(of))
	if err == nil && !did {
		return auth.ErrConflict
	}
	return err
}

// encodeRecord returns r as it is stored, all but its key.
func encodeRecord(r *auth.Record) string {
	b := append([]byte(version(r.Version)), make([]byte, 8)...)
	rand.Read(b[8:]) // never fails: crypto/rand
	if r.ExpiresAt.IsZero() {
		b = append(b, never...)
	} else {
		b = append(b, digits(r.ExpiresAt)...)
	}
	return string(append(b, r.Value...))
}

// decodeRecord returns the record that is stored as value.
func decodeRecord(key, value string) (r auth.Record, ok bool) {
	if len(value) < recordHead {
		return r, false
	}
	r.Key, r.Value = key, []byte(value[recordHead:])
	r.Version = int64(binary.BigEndian.Uint64([]byte(value[:8])))
	if expiry := value[16:recordHead]; expiry != never {
		if r.ExpiresAt, ok = parseDigits(expiry); !ok {
			return auth.Record{}, false
		}
	}
	return r, r.Version != 0
}
