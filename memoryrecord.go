package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Record implements [RecordStore].
func (s *MemoryStore) Record(ctx context.Context, key string) (Record, time.Time, error) {
	if err := s.holds(ctx, Record{Key: key}); err != nil {
		return Record{}, time.Time{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := time.Now()
	r, _ := s.record(key, now)
	r.Value = slices.Clone(r.Value)
	return r, now, nil
}

// holds returns an error unless s can be used and any store would take r: what works
// in memory works in a database.
func (s *MemoryStore) holds(ctx context.Context, r Record) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if len(r.Key) < 1 || len(r.Key) > 200 || strings.ContainsFunc(r.Key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return errors.New("auth: memory store: the key of a record must be of 1 to 200 characters of printable ASCII without space")
	}
	if len(r.Value) > 4096 {
		return errors.New("auth: memory store: the value of a record must be of at most 4096 bytes")
	}
	return nil
}

// record returns the record with this key that lives.
func (s *MemoryStore) record(key string, now time.Time) (Record, bool) {
	stored, there := s.records[key]
	if !there {
		return Record{}, false
	}
	r := stored()
	if expired(r, now) {
		return Record{}, false
	}
	return r, true
}

func expired(r Record, now time.Time) bool { return !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt) }

// ReplaceRecord implements [RecordStore]. It forgets a few expired records for each
// that it writes.
func (s *MemoryStore) ReplaceRecord(ctx context.Context, old int64, r Record) error {
	if err := s.holds(ctx, r); err != nil {
		return err
	}
	r.Value = slices.Clone(r.Value)
	if !r.ExpiresAt.IsZero() {
		r.ExpiresAt = toMicroseconds(r.ExpiresAt)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if stored, _ := s.record(r.Key, now); stored.Version != old {
		return ErrConflict
	}
	s.sweepRecords(now)
	if s.records == nil {
		s.records = make(map[string]func() Record)
	}
	s.records[r.Key] = func() Record { return r }
	return nil
}

// DeleteRecord implements [RecordStore].
func (s *MemoryStore) DeleteRecord(ctx context.Context, key string, version int64) error {
	if err := s.holds(ctx, Record{Key: key}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored, there := s.record(key, time.Now()); !there || stored.Version != version {
		return ErrConflict
	}
	delete(s.records, key)
	return nil
}

// sweepRecords looks at a few records, wherever the map begins this time, and
// forgets those that have expired. As each write adds one at most, what has expired
// stays a small part of all.
func (s *MemoryStore) sweepRecords(now time.Time) {
	looked := 0
	for key, stored := range s.records {
		if expired(stored(), now) {
			delete(s.records, key)
		}
		if looked++; looked == 8 {
			return
		}
	}
}
