package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/clock"
)

// A key is one record. Its place is made of the owner and a slot: of concurrent calls that create a key
// in a slot, the store lets one succeed, so that nobody has more keys than slots. See decision 0133.
const placePrefix = "apikey:"

// stored is the value of a record. Times are in microseconds since 1970, by the store's clock; 0: none.
type stored struct {
	ID       string        `json:"id"`
	Digest   []byte        `json:"sha256"`
	Name     string        `json:"name"`
	Scopes   []string      `json:"scopes,omitempty"`
	Roles    []string      `json:"roles,omitempty"`
	Lifetime time.Duration `json:"life"`
	Created  clock.Instant `json:"created"`
	Rolled   clock.Instant `json:"rolled,omitempty"`
	Used     clock.Instant `json:"used,omitempty"` // time of the last use, at which the account was looked at
	Old      []byte        `json:"old,omitempty"`  // digest of the secret before

	// When the secret before was issued, and until when it is valid.
	OldIssued clock.Instant `json:"old_issued,omitempty"`
	OldUntil  clock.Instant `json:"old_until,omitempty"`
}

// issued returns when the present secret was issued.
func (s *stored) issued() clock.Instant { return max(s.Created, s.Rolled) }

// maxValue is the greatest length of [auth.Record].Value, in bytes.
const maxValue = 4096

// place returns the key of the record of an API key.
func place(id string) string { return placePrefix + id[:ownerLength+slotLength] }

// decode returns the value of a record.
func decode(r auth.Record) (s stored, err error) {
	if err := json.Unmarshal(r.Value, &s); err != nil {
		return stored{}, fmt.Errorf("apikey: the record %s is damaged: %w", r.Key, err)
	}
	return s, nil
}

// encode sets the value of a record.
func (s *stored) encode(r *auth.Record) error {
	value, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	r.Value = value
	return nil
}

// describe returns what is known of a key.
func (s *stored) describe(r auth.Record, now time.Time) Key {
	k := Key{
		ID: s.ID, UserID: r.Owner, Name: s.Name, Scopes: s.Scopes, Roles: s.Roles,
		CreatedAt: s.Created.Time(), ExpiresAt: r.ExpiresAt, RolledAt: optional(s.Rolled), LastUsedAt: optional(s.Used),
	}
	if clock.At(now) < s.OldUntil {
		k.OldUntil = s.OldUntil.Time()
	}
	return k
}

func optional(i clock.Instant) time.Time {
	if i == 0 {
		return time.Time{}
	}
	return i.Time()
}

// secret is one of the secrets of a key: the present one, or the one before.
type secret struct {
	digest      []byte
	issued, end clock.Instant
}

// secrets returns the secrets of a key that are valid now.
func (s *stored) secrets(r auth.Record, now time.Time) (valid []secret) {
	for _, one := range []secret{{s.Digest, s.issued(), clock.At(r.ExpiresAt)}, {s.Old, s.OldIssued, s.OldUntil}} {
		if clock.At(now) < one.end {
			valid = append(valid, one)
		}
	}
	return valid
}

// has reports whether a credential with this digest has the secret.
func (s secret) has(sum *[sha256.Size]byte) bool {
	return subtle.ConstantTimeCompare(sum[:], s.digest) == 1
}

// load returns the record of an API key, or [ErrNotFound].
func (k *Keys) load(ctx context.Context, id string) (auth.Record, stored, time.Time, error) {
	r, now, err := k.records.Record(ctx, place(id))
	if err != nil {
		return auth.Record{}, stored{}, time.Time{}, unavailable(err)
	}
	if r.Version == 0 {
		return auth.Record{}, stored{}, now, ErrNotFound
	}
	s, err := decode(r)
	if err == nil && s.ID != id { // a later key in the same slot
		err = ErrNotFound
	}
	return r, s, now, err
}

// write puts r in the place of what it was before. If a reply is lost, it looks whether r was written.
func (k *Keys) write(ctx context.Context, s *stored, r auth.Record) error {
	if err := s.encode(&r); err != nil {
		return err
	}
	old := r.Renew()
	err := k.records.ReplaceRecord(ctx, old, r)
	if err == nil || errors.Is(err, auth.ErrConflict) {
		return err
	}
	if there, _, failed := k.records.Record(context.WithoutCancel(ctx), r.Key); failed == nil && there.Version == r.Version {
		return nil
	}
	return unavailable(err)
}

// isMine reports whether r is that of a key with the prefix of k.
func (k *Keys) isMine(r auth.Record) bool {
	return strings.HasPrefix(r.Key, placePrefix+k.form.ownerDigits(r.Owner)) && len(r.Key) == len(placePrefix)+ownerLength+slotLength
}

// unavailable returns an error that nothing could be decided for now, for which [auth.HTTPStatus] returns 503.
func unavailable(err error) error {
	return &auth.RetryError{Err: fmt.Errorf("apikey: %w: %w", auth.ErrKeysUnavailable, err), After: time.Second}
}
