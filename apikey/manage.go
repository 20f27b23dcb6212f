package apikey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/jwt"
)

const (
	maxName  = 100 // characters
	maxOwner = 255 // bytes of [auth.Record].Owner
	tries    = 8   // attempts at a record that other calls change at the same time
)

// Spec says what a key is to be.
type Spec struct {
	Name          string        // what the owner calls it: 1 to 100 characters
	Scopes, Roles []string      // what it may do: no more than the caller may; nil: nothing that asks for a scope or role
	Lifetime      time.Duration // how long it is valid. 0: [Config].MaxLifetime, which it may not exceed; at least 1 minute
}

// Create gives the caller p a key, and returns it, with its secret. The secret is shown this once.
//
// It returns [ErrInvalid] if spec is invalid, [ErrTooMany] if the user has [Config].PerUser keys, and
// [auth.ErrInsufficientScope] if p lacks a scope or role of the spec, or is not a user in person: a key
// creates no keys. It returns [auth.ErrRevokedToken] if the account is disabled or deleted. Let callers create
// keys only after they have proven their identity recently, as the endpoint of package authhttp does.
func (k *Keys) Create(ctx context.Context, p *auth.Principal, spec Spec) (Key, Secret, error) {
	s, err := k.draft(p, spec)
	if err != nil {
		return Key{}, "", err
	}
	owner := k.form.ownerDigits(p.Subject())
	for range k.config.PerUser + tries { // each conflict means that another call has taken a slot
		slot, err := k.freeSlot(ctx, p.Subject())
		if err != nil {
			return Key{}, "", err
		}
		s.ID = owner + slotDigits(slot) + randomDigits(nonceLength)
		secret := k.form.newSecret(s.ID)
		sum := digest(string(secret))
		r, now, err := k.records.Record(ctx, place(s.ID))
		if err != nil {
			return Key{}, "", unavailable(err)
		}
		if r.Version != 0 {
			continue
		}
		s.Digest, s.Created = sum[:], clock.At(now)
		r = auth.Record{Key: place(s.ID), Owner: p.Subject(), ExpiresAt: clock.Microseconds(now.Add(s.Lifetime))}
		err = k.write(ctx, &s, r)
		if errors.Is(err, auth.ErrConflict) {
			continue
		}
		if err == nil {
			// A concurrent deletion of the account either happened before this check or deletes the record.
			err = k.admit(ctx, p.Subject())
		}
		if err != nil { // nobody has the secret: leave nothing behind
			after := context.WithoutCancel(ctx)
			if there, _, _, failed := k.load(after, s.ID); failed == nil {
				_ = k.records.DeleteRecord(after, there.Key, there.Version)
			}
			return Key{}, "", err
		}
		k.emit(ctx, auth.EventAPIKeyCreated, p.Subject(), s.ID)
		return s.describe(r, now), secret, nil
	}
	return Key{}, "", &auth.RetryError{Err: auth.ErrBusy, After: time.Second}
}

// freeSlot returns a slot of a user that has no key.
func (k *Keys) freeSlot(ctx context.Context, userID string) (int, error) {
	list, err := k.records.Records(ctx, userID)
	if err != nil {
		return 0, unavailable(err)
	}
	taken, n := map[string]bool{}, 0
	for _, r := range list {
		if k.isMine(r) {
			taken[r.Key[len(r.Key)-slotLength:]] = true
			n++
		}
	}
	for slot := range k.config.PerUser {
		if n < k.config.PerUser && !taken[slotDigits(slot)] { // PerUser may have been greater before
			return slot, nil
		}
	}
	return 0, ErrTooMany
}

// draft checks what a caller asks for.
func (k *Keys) draft(p *auth.Principal, spec Spec) (stored, error) {
	if err := mayManage(p); err != nil {
		return stored{}, err
	}
	s := stored{
		Name: strings.TrimSpace(spec.Name), Scopes: unique(spec.Scopes), Roles: unique(spec.Roles),
		Lifetime: cmp.Or(spec.Lifetime, k.config.MaxLifetime),
	}
	switch {
	case s.Name == "" || utf8.RuneCountInString(s.Name) > maxName || !utf8.ValidString(s.Name) || strings.ContainsFunc(s.Name, notShown):
		return stored{}, fmt.Errorf("%w: the name must have 1 to 100 printable characters", ErrInvalid)
	case s.Lifetime < time.Minute || s.Lifetime > k.config.MaxLifetime:
		return stored{}, fmt.Errorf("%w: the lifetime must be from 1 minute to %d seconds", ErrInvalid, k.config.MaxLifetime/time.Second)
	case slices.ContainsFunc(s.Scopes, func(scope string) bool { return !jwt.IsScope(scope) }):
		return stored{}, fmt.Errorf("%w: a scope must be a word of printable ASCII without quote and backslash", ErrInvalid)
	case slices.Contains(s.Roles, ""):
		return stored{}, fmt.Errorf("%w: a role is empty", ErrInvalid)
	}
	if err := s.within(p); err != nil {
		return stored{}, err
	}
	longest := s
	longest.ID, longest.Digest, longest.Old = strings.Repeat("0", idLength), make([]byte, 32), make([]byte, 32)
	longest.Created, longest.Rolled, longest.Used, longest.OldIssued, longest.OldUntil = clock.Max, clock.Max, clock.Max, clock.Max, clock.Max
	var r auth.Record
	if err := longest.encode(&r); err != nil {
		return stored{}, err
	}
	if len(r.Value) > maxValue {
		return stored{}, fmt.Errorf("%w: there are too many scopes and roles", ErrInvalid)
	}
	return s, nil
}

func notShown(c rune) bool { return !unicode.IsPrint(c) }

// unique returns the texts of a list, sorted, each once.
func unique(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// mayManage returns nil if p is a user in person. A key, or a program that acts for the user, must not get a key
// that outlives it.
func mayManage(p *auth.Principal) error {
	if p == nil || p.Subject() == "" || len(p.Subject()) > maxOwner || p.Kind() != auth.KindUser || p.Actor() != "" {
		return fmt.Errorf("apikey: only a user in person manages keys: %w", auth.ErrInsufficientScope)
	}
	return nil
}

// within returns [auth.ErrInsufficientScope] unless p has every scope and role of a key.
func (s *stored) within(p *auth.Principal) error {
	lacksScope := slices.ContainsFunc(s.Scopes, func(scope string) bool { return !p.HasScope(scope) })
	if lacksScope || slices.ContainsFunc(s.Roles, func(role string) bool { return !p.HasRole(role) }) {
		return fmt.Errorf("apikey: the key would have a scope or role that the caller lacks: %w", auth.ErrInsufficientScope)
	}
	return nil
}

// List returns the keys of a user that have not expired, the oldest first.
func (k *Keys) List(ctx context.Context, userID string) ([]Key, error) {
	keys := []Key{}
	if userID == "" || len(userID) > maxOwner {
		return keys, nil
	}
	list, err := k.records.Records(ctx, userID)
	if err != nil {
		return nil, unavailable(err)
	}
	now := time.Time{}
	for _, r := range list {
		if !k.isMine(r) {
			continue
		}
		s, err := decode(r)
		if err != nil {
			return nil, err
		}
		if s.OldUntil != 0 && now.IsZero() { // only the store knows whether that is past
			if _, now, err = k.records.Record(ctx, r.Key); err != nil {
				return nil, unavailable(err)
			}
		}
		keys = append(keys, s.describe(r, now))
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	return keys, nil
}

// Roll gives a key of the caller p another secret, which is shown this once. The old one is valid for overlap
// more, for programs to be given the new one, but not longer than before: 0 ends it at once. A secret that was
// valid from a Roll before ends at once. The ID of the key stays, and its lifetime begins again.
//
// It returns [ErrNotFound] if p has no such key, [ErrInvalid] if overlap is negative or exceeds
// [Config].MaxOverlap, [auth.ErrInsufficientScope] if p lacks a scope or role of the key or is not a user in
// person, and [auth.ErrConflict] if others keep changing the key at the same time.
func (k *Keys) Roll(ctx context.Context, p *auth.Principal, id string, overlap time.Duration) (Key, Secret, error) {
	if err := mayManage(p); err != nil {
		return Key{}, "", err
	}
	if overlap < 0 || overlap > k.config.MaxOverlap {
		return Key{}, "", fmt.Errorf("%w: the overlap must be from 0 to %d seconds", ErrInvalid, k.config.MaxOverlap/time.Second)
	}
	for range tries {
		r, s, now, err := k.own(ctx, p.Subject(), id)
		if err != nil {
			return Key{}, "", err
		}
		if err := s.within(p); err != nil {
			return Key{}, "", err
		}
		if err := k.admit(ctx, p.Subject()); err != nil {
			return Key{}, "", err
		}
		secret := k.form.newSecret(id)
		sum := digest(string(secret))
		if s.Old, s.OldIssued, s.OldUntil = nil, 0, 0; overlap > 0 {
			s.Old, s.OldIssued, s.OldUntil = s.Digest, s.issued(), min(clock.At(now.Add(overlap)), clock.At(r.ExpiresAt))
		}
		s.Digest, s.Rolled = sum[:], max(clock.At(now), s.issued()+clock.Second) // each in another second: see Check
		r.ExpiresAt = clock.Microseconds(now.Add(min(s.Lifetime, k.config.MaxLifetime)))
		err = k.write(ctx, &s, r)
		if errors.Is(err, auth.ErrConflict) {
			continue
		}
		k.cache.forget(id)
		if err != nil {
			return Key{}, "", err
		}
		k.emit(ctx, auth.EventAPIKeyRolled, p.Subject(), id)
		return s.describe(r, now), secret, nil
	}
	return Key{}, "", auth.ErrConflict
}

// Delete ends a key of a user: at once in this process, and within [Config].CacheTime in others. It returns
// [ErrNotFound] if the user has no such key.
func (k *Keys) Delete(ctx context.Context, userID, id string) error {
	for range tries {
		r, _, _, err := k.own(ctx, userID, id)
		if err != nil {
			return err
		}
		err = k.records.DeleteRecord(ctx, r.Key, r.Version)
		if errors.Is(err, auth.ErrConflict) {
			continue
		}
		k.cache.forget(id)
		if err != nil {
			return unavailable(err)
		}
		k.emit(ctx, auth.EventAPIKeyDeleted, userID, id)
		return nil
	}
	return auth.ErrConflict
}

// DeleteAll ends all keys of a user: for an account that may have been in the hands of somebody else.
func (k *Keys) DeleteAll(ctx context.Context, userID string) error {
	keys, err := k.List(ctx, userID)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if failed := k.Delete(ctx, userID, key.ID); failed != nil && !errors.Is(failed, ErrNotFound) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// own returns the record of a user's key.
func (k *Keys) own(ctx context.Context, userID, id string) (auth.Record, stored, time.Time, error) {
	if !isID(id) {
		return auth.Record{}, stored{}, time.Time{}, ErrNotFound
	}
	r, s, now, err := k.load(ctx, id)
	if err == nil && r.Owner != userID {
		err = ErrNotFound
	}
	return r, s, now, err
}

// emit emits an event about a key.
func (k *Keys) emit(ctx context.Context, kind auth.EventKind, userID, id string) {
	k.config.Events(ctx, auth.Event{Kind: kind, UserID: userID, KeyID: id, Device: auth.DeviceFromContext(ctx)})
}
