package authtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// TestRecordStore checks that the stores that factory returns keep the contract of
// [auth.RecordStore]. It runs each rule as a subtest and calls factory for an empty store each time.
// Some rules wait a second for a record to expire by the store's clock.
func TestRecordStore(t *testing.T, factory func(t *testing.T) auth.RecordStore) {
	t.Helper()
	testRules(t, recordStoreRules(), factory)
}

// recordStoreRules returns the contract, one rule a sentence.
func recordStoreRules() []rule[auth.RecordStore] {
	return slices.Concat([]rule[auth.RecordStore]{
		{name: "Write", holds: "A record that was written is found by its key, as it was written.", check: checkWriteRecord},
		{name: "Absent", holds: "A key without a record has the zero Record and no error; replacing or deleting it is ErrConflict.", check: checkAbsentRecord},
		{name: "Taken", holds: "Writing with the old version 0 where there is a record is ErrConflict, and nothing changes.", check: checkTakenRecord},
		{name: "Replace", holds: "ReplaceRecord with the current version replaces the whole record: value, version and expiry.", check: checkReplaceRecord},
		{name: "ReplaceConflict", holds: "With another version nothing is replaced or deleted: ErrConflict.", check: checkRecordConflict},
		{name: "Delete", holds: "DeleteRecord removes the record and no other, and its key is free.", check: checkDeleteRecord},
		{name: "Keys", holds: "Keys are compared byte for byte.", check: checkRecordKeys},
		{name: "Values", holds: "Values of 0 to 4,096 bytes come back byte for byte, and any version above 0.", check: checkRecordValues},
		{name: "Expiry", holds: "An expired record does not exist: it is not found, not replaced, not deleted, and its key is free.", check: checkRecordExpiry},
		{name: "Expired", holds: "A record that is written with an expiry in the past does not exist.", check: checkRecordExpired},
		{name: "Clock", holds: "Record returns the store's time, which advances, whether there is a record or not.", check: checkRecordClock},
		{name: "Copies", holds: "What is passed in or returned is a copy.", check: checkRecordCopies},
	}, recordOwnerRules(), recordRaceRules(), []rule[auth.RecordStore]{
		{name: "Context", holds: "With a context that has ended nothing is done, and the error is the context's.", check: checkRecordContext},
	})
}

// note returns the n-th record of a check, without an owner.
func note(n int) auth.Record {
	r := auth.Record{
		Key:   fmt.Sprintf("note:%d", n),
		Value: fmt.Appendf(nil, "value of %d\x00\xff", n), ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond),
	}
	r.Renew()
	return r
}

// writeRecords writes records whose keys have none.
func writeRecords(ctx context.Context, s auth.RecordStore, records ...auth.Record) error {
	for _, r := range records {
		if err := answers("ReplaceRecord of version 0 of "+name(r.Key), s.ReplaceRecord(ctx, 0, r), nil); err != nil {
			return err
		}
	}
	return nil
}

// hasRecords returns an error unless each record is found as it is given.
func hasRecords(ctx context.Context, s auth.RecordStore, records ...auth.Record) error {
	for _, want := range records {
		call := "Record of " + name(want.Key)
		got, _, err := s.Record(ctx, want.Key)
		if err := answers(call, err, nil); err != nil {
			return err
		}
		if err := sameRecord(call, got, want); err != nil {
			return err
		}
	}
	return nil
}

// sameRecord returns an error unless a call returned the record want.
func sameRecord(call string, got, want auth.Record) error {
	switch {
	case got.Key != want.Key:
		return fmt.Errorf("%s returned the key %s, want %s", call, name(got.Key), name(want.Key))
	case got.Owner != want.Owner:
		return fmt.Errorf("%s returned the owner %s, want %s", call, name(got.Owner), name(want.Owner))
	case !bytes.Equal(got.Value, want.Value):
		return fmt.Errorf("%s returned the value %x, want %x", call, got.Value, want.Value)
	case got.Version != want.Version:
		return fmt.Errorf("%s returned version %d, want %d", call, got.Version, want.Version)
	case !got.ExpiresAt.Equal(want.ExpiresAt) || got.ExpiresAt.IsZero() != want.ExpiresAt.IsZero():
		return fmt.Errorf("%s returned the expiry %v, want %v", call, got.ExpiresAt, want.ExpiresAt)
	}
	return nil
}

// noRecords returns an error if one of the keys has a record.
func noRecords(ctx context.Context, s auth.RecordStore, keys ...string) error {
	for _, key := range keys {
		r, _, err := s.Record(ctx, key)
		if err := answers("Record of "+name(key)+", which has none,", err, nil); err != nil {
			return err
		}
		if r.Key != "" || r.Owner != "" || r.Value != nil || r.Version != 0 || !r.ExpiresAt.IsZero() {
			return fmt.Errorf("Record of %s, which has none, returned %+v, want the zero Record", name(key), r)
		}
	}
	return nil
}

func checkWriteRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	ownerless, owned, permanent := note(1), note(2), note(3)
	owned.Owner = "ada"
	permanent.ExpiresAt = time.Time{}
	if err := writeRecords(ctx, s, ownerless, owned, permanent); err != nil {
		return err
	}
	return hasRecords(ctx, s, ownerless, owned, permanent)
}

func checkAbsentRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	r := note(1)
	if err := answers("ReplaceRecord of a version that is not there", s.ReplaceRecord(ctx, r.Version, r), auth.ErrConflict); err != nil {
		return err
	}
	if err := answers("DeleteRecord of a record that is not there", s.DeleteRecord(ctx, r.Key, r.Version), auth.ErrConflict); err != nil {
		return err
	}
	return noRecords(ctx, s, r.Key)
}

func checkTakenRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	stored, other := note(1), note(2)
	other.Key = stored.Key
	if err := writeRecords(ctx, s, stored); err != nil {
		return err
	}
	if err := answers("ReplaceRecord of version 0 where there is a record", s.ReplaceRecord(ctx, 0, other), auth.ErrConflict); err != nil {
		return err
	}
	return hasRecords(ctx, s, stored)
}

func checkReplaceRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	r, other := note(1), note(2)
	if err := writeRecords(ctx, s, r, other); err != nil {
		return err
	}
	for i := range 3 {
		old := r.Renew()
		r.Value, r.ExpiresAt = fmt.Appendf(nil, "changed %d times", i), r.ExpiresAt.Add(time.Minute)
		if i == 2 {
			r.ExpiresAt = time.Time{}
		}
		if err := answers("ReplaceRecord", s.ReplaceRecord(ctx, old, r), nil); err != nil {
			return err
		}
		if err := hasRecords(ctx, s, r, other); err != nil {
			return err
		}
	}
	// A record may be replaced by an equal one.
	return answers("ReplaceRecord by an equal record", s.ReplaceRecord(ctx, r.Version, r), nil)
}

func checkRecordConflict(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	stored := note(1)
	if err := writeRecords(ctx, s, stored); err != nil {
		return err
	}
	changed := stored
	changed.Value = []byte("changed")
	for _, version := range []int64{1, stored.Version - 1, stored.Version + 1, -stored.Version} {
		changed.Renew()
		if err := answers("ReplaceRecord of another version", s.ReplaceRecord(ctx, version, changed), auth.ErrConflict); err != nil {
			return err
		}
		if err := answers("DeleteRecord of another version", s.DeleteRecord(ctx, stored.Key, version), auth.ErrConflict); err != nil {
			return err
		}
	}
	if err := answers("DeleteRecord of version 0", s.DeleteRecord(ctx, stored.Key, 0), auth.ErrConflict); err != nil {
		return err
	}
	return hasRecords(ctx, s, stored)
}

func checkDeleteRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	deleted, other := note(1), note(2)
	if err := writeRecords(ctx, s, deleted, other); err != nil {
		return err
	}
	if err := answers("DeleteRecord", s.DeleteRecord(ctx, deleted.Key, deleted.Version), nil); err != nil {
		return err
	}
	if err := noRecords(ctx, s, deleted.Key); err != nil {
		return err
	}
	if err := answers("DeleteRecord again", s.DeleteRecord(ctx, deleted.Key, deleted.Version), auth.ErrConflict); err != nil {
		return err
	}
	if err := answers("ReplaceRecord of a deleted record", s.ReplaceRecord(ctx, deleted.Version, deleted), auth.ErrConflict); err != nil {
		return err
	}
	next := note(3)
	next.Key = deleted.Key
	if err := writeRecords(ctx, s, next); err != nil {
		return err
	}
	return hasRecords(ctx, s, next, other)
}

func checkRecordKeys(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	var records []auth.Record
	for i, key := range []string{
		"note:a", "note:A", "NOTE:a", "note:a:", "note:ab", "note:*", "note:?", "note:[a]", "note:{a}", "note:%", "note:_", `note:\`, `note:'`, `note:"`,
		strings.Repeat("k", 200), strings.Repeat("k", 199),
	} {
		r := note(i)
		r.Key = key
		records = append(records, r)
	}
	if err := noRecords(ctx, s, records[0].Key); err != nil {
		return err
	}
	if err := writeRecords(ctx, s, records...); err != nil {
		return err
	}
	if err := hasRecords(ctx, s, records...); err != nil {
		return err
	}
	return noRecords(ctx, s, "note:b", "note", "note:aB", "note:abc")
}

func checkRecordValues(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	longest := make([]byte, 4096)
	for i := range longest {
		longest[i] = byte(i)
	}
	for i, value := range [][]byte{
		{}, {0}, []byte("  "), longest[:256], longest, bytes.Repeat([]byte{' '}, 4096), bytes.Repeat([]byte{0}, 300),
	} {
		r := note(i)
		r.Value, r.Version = value, []int64{1, 1<<63 - 1, 1<<53 + 1, 1 << 32}[i%4]
		if err := writeRecords(ctx, s, r); err != nil {
			return err
		}
		if err := hasRecords(ctx, s, r); err != nil {
			return err
		}
		if err := answers("DeleteRecord", s.DeleteRecord(ctx, r.Key, r.Version), nil); err != nil {
			return err
		}
	}
	return nil
}

// spoil changes every byte.
func spoil(value []byte) {
	for i := range value {
		value[i] ^= 1
	}
}

func checkRecordCopies(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	want := note(1)
	want.Owner = "ada"
	given := want
	given.Value = slices.Clone(want.Value)
	if err := writeRecords(ctx, s, given); err != nil {
		return err
	}
	spoil(given.Value)
	got, _, err := s.Record(ctx, want.Key)
	if err != nil {
		return answers("Record", err, nil)
	}
	if err := hasRecords(ctx, s, want); err != nil {
		return err
	}
	spoil(got.Value)
	list, err := s.Records(ctx, want.Owner)
	if err != nil {
		return answers("Records", err, nil)
	}
	for _, listed := range list {
		spoil(listed.Value)
	}
	return hasRecords(ctx, s, want)
}
