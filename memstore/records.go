package memstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/clock"
)

// Record implements [auth.RecordStore].
func (s *Store) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	if err := s.holds(ctx, auth.Record{Key: key}); err != nil {
		return auth.Record{}, time.Time{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := clock.In(ctx)
	r, _ := s.record(key, now)
	r.Value = slices.Clone(r.Value)
	return r, now, nil
}

// holds returns an error if ctx has ended, or if some store would not take r: what works in memory must
// also work in a database.
func (s *Store) holds(ctx context.Context, r auth.Record) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if len(r.Key) < 1 || len(r.Key) > 200 || strings.ContainsFunc(r.Key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return errors.New("auth: memory store: the key of a record must be of 1 to 200 characters of printable ASCII without space")
	}
	if len(r.Owner) > 255 {
		return errors.New("auth: memory store: the owner of a record must be of at most 255 bytes")
	}
	if len(r.Value) > 4096 {
		return errors.New("auth: memory store: the value of a record must be of at most 4096 bytes")
	}
	return nil
}

// record returns the record with this key that has not expired.
func (s *Store) record(key string, now time.Time) (auth.Record, bool) {
	stored, there := s.records[key]
	if !there {
		return auth.Record{}, false
	}
	r := stored()
	if expired(r, now) {
		return auth.Record{}, false
	}
	return r, true
}

func expired(r auth.Record, now time.Time) bool {
	return !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt)
}

// ReplaceRecord implements [auth.RecordStore]. It also removes a few expired records.
func (s *Store) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	if err := s.holds(ctx, r); err != nil {
		return err
	}
	r.Value = slices.Clone(r.Value)
	if !r.ExpiresAt.IsZero() {
		r.ExpiresAt = clock.Microseconds(r.ExpiresAt)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := clock.In(ctx)
	if stored, _ := s.record(r.Key, now); stored.Version != old {
		return auth.ErrConflict
	}
	s.sweepRecords(now, 8)
	s.putRecord(r)
	return nil
}

// DeleteRecord implements [auth.RecordStore].
func (s *Store) DeleteRecord(ctx context.Context, key string, version int64) error {
	if err := s.holds(ctx, auth.Record{Key: key}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored, there := s.record(key, clock.In(ctx)); !there || stored.Version != version {
		return auth.ErrConflict
	}
	s.removeRecord(key)
	return nil
}

// sweepRecords looks at n records, from wherever the map's iteration begins, and removes those that
// have expired. Each write adds one record at most, so with a few looks a write expired ones stay a small
// part of all.
func (s *Store) sweepRecords(now time.Time, n int) {
	looked := 0
	for key, stored := range s.records {
		if expired(stored(), now) {
			s.removeRecord(key)
		}
		if looked++; looked == n {
			return
		}
	}
}

// Records implements [auth.RecordStore].
func (s *Store) Records(ctx context.Context, owner string) ([]auth.Record, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := clock.In(ctx)
	var list []auth.Record
	for key := range s.owned[owner] {
		if r, lives := s.record(key, now); lives {
			r.Value = slices.Clone(r.Value)
			list = append(list, r)
		}
	}
	return list, nil
}

// DeleteRecords implements [auth.RecordStore].
func (s *Store) DeleteRecords(ctx context.Context, owner string) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.owned[owner] {
		s.removeRecord(key)
	}
	return nil
}

// putRecord writes a record in the place of the one with its key. A record whose owner stays the same
// keeps its place in the index: a write then takes the same time whether the record has an owner or
// not.
func (s *Store) putRecord(r auth.Record) {
	if stored, there := s.records[r.Key]; !there || stored().Owner != r.Owner {
		s.removeRecord(r.Key)
		s.addToOwner(r)
	}
	s.records[r.Key] = func() auth.Record { return r }
}

// addToOwner adds a record to those of its owner, if it has one.
func (s *Store) addToOwner(r auth.Record) {
	if r.Owner == "" {
		return
	}
	if s.owned[r.Owner] == nil {
		s.owned[r.Owner] = make(map[string]bool)
	}
	s.owned[r.Owner][r.Key] = true
}

// removeRecord removes the record with a key, if there is one, expired or not.
func (s *Store) removeRecord(key string) {
	stored, there := s.records[key]
	if !there {
		return
	}
	delete(s.records, key)
	owner := stored().Owner
	delete(s.owned[owner], key)
	if len(s.owned[owner]) == 0 {
		delete(s.owned, owner)
	}
}
