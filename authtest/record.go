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

// TestRecordStore checks that the stores a factory makes keep the contract of
// [auth.RecordStore]. Each rule calls factory for an empty store of its own. Some
// wait a second for a record to expire by the store's clock.
func TestRecordStore(t *testing.T, factory func(t *testing.T) auth.RecordStore) {
	t.Helper()
	testRules(t, recordStoreRules(), factory)
}

// recordStoreRules is the contract, one rule a sentence.
func recordStoreRules() []rule[auth.RecordStore] {
	return []rule[auth.RecordStore]{
		{name: "Write", holds: "A record that was written is found by its key, as it was written.", check: checkWriteRecord},
		{name: "Absent", holds: "A key without a record has the zero Record and no error; replacing or deleting one is ErrConflict.", check: checkAbsentRecord},
		{name: "Taken", holds: "Writing where there should be none and is one is ErrConflict, and nothing has changed.", check: checkTakenRecord},
		{name: "Replace", holds: "A record is replaced if its version is the one that is named, value and expiry and all.", check: checkReplaceRecord},
		{name: "ReplaceConflict", holds: "With another version nothing is replaced or deleted: ErrConflict.", check: checkRecordConflict},
		{name: "Delete", holds: "A deleted record is gone, no other is, and its key is free.", check: checkDeleteRecord},
		{name: "Keys", holds: "Keys are compared byte for byte.", check: checkRecordKeys},
		{name: "Values", holds: "Values of 0 to 4,096 bytes come back byte for byte, and any version above 0.", check: checkRecordValues},
		{name: "Expiry", holds: "A record that has expired is none: it is not found, not replaced, not deleted, and its key is free.", check: checkRecordExpiry},
		{name: "Expired", holds: "A record that is written with an expiry in the past is none.", check: checkRecordExpired},
		{name: "Clock", holds: "Record returns the time by a clock that goes, whether there is a record or not.", check: checkRecordClock},
		{name: "Copies", holds: "What is passed in or returned is a copy.", check: checkRecordCopies},
		{name: "Race/Write", holds: "Of many who write one key at once, one does and the others get ErrConflict.", check: checkRaceWriteRecord},
		{name: "Race/Replace", holds: "Of many who replace one version at once, one does and the others get ErrConflict.", check: checkRaceReplaceRecord},
		{name: "Race/Delete", holds: "Of many who delete one version at once, one does and the others get ErrConflict.", check: checkRaceDeleteRecord},
		{name: "Context", holds: "With a context that has ended nothing is done, and the error is the context's.", check: checkRecordContext},
	}
}

// note returns the n-th record of a check.
func note(n int) auth.Record {
	r := auth.Record{
		Key:   fmt.Sprintf("note:%d", n),
		Value: fmt.Appendf(nil, "value of %d\x00\xff", n), ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond),
	}
	r.Renew()
	return r
}

// writeRecords writes records where there are none.
func writeRecords(ctx context.Context, s auth.RecordStore, records ...auth.Record) error {
	for _, r := range records {
		if err := answers("ReplaceRecord of none by "+name(r.Key), s.ReplaceRecord(ctx, 0, r), nil); err != nil {
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
		switch {
		case got.Key != want.Key:
			return fmt.Errorf("%s returned the key %s", call, name(got.Key))
		case !bytes.Equal(got.Value, want.Value):
			return fmt.Errorf("%s returned the value %x, want %x", call, got.Value, want.Value)
		case got.Version != want.Version:
			return fmt.Errorf("%s returned version %d, want %d", call, got.Version, want.Version)
		case !got.ExpiresAt.Equal(want.ExpiresAt) || got.ExpiresAt.IsZero() != want.ExpiresAt.IsZero():
			return fmt.Errorf("%s returned the expiry %v, want %v", call, got.ExpiresAt, want.ExpiresAt)
		}
	}
	return nil
}

// noRecords returns an error unless none of the keys has a record.
func noRecords(ctx context.Context, s auth.RecordStore, keys ...string) error {
	for _, key := range keys {
		r, _, err := s.Record(ctx, key)
		if err := answers("Record of "+name(key)+", which has none,", err, nil); err != nil {
			return err
		}
		if r.Key != "" || r.Value != nil || r.Version != 0 || !r.ExpiresAt.IsZero() {
			return fmt.Errorf("Record of %s, which has none, returned %+v, want the zero Record", name(key), r)
		}
	}
	return nil
}

func checkWriteRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two, forever := note(1), note(2), note(3)
	forever.ExpiresAt = time.Time{}
	if err := writeRecords(ctx, s, one, two, forever); err != nil {
		return err
	}
	return hasRecords(ctx, s, one, two, forever)
}

func checkAbsentRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one := note(1)
	if err := answers("ReplaceRecord of a version that is not there", s.ReplaceRecord(ctx, one.Version, one), auth.ErrConflict); err != nil {
		return err
	}
	if err := answers("DeleteRecord of one that is not there", s.DeleteRecord(ctx, one.Key, one.Version), auth.ErrConflict); err != nil {
		return err
	}
	return noRecords(ctx, s, one.Key)
}

func checkTakenRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one, other := note(1), note(2)
	other.Key = one.Key
	if err := writeRecords(ctx, s, one); err != nil {
		return err
	}
	if err := answers("ReplaceRecord of none where there is one", s.ReplaceRecord(ctx, 0, other), auth.ErrConflict); err != nil {
		return err
	}
	return hasRecords(ctx, s, one)
}

func checkReplaceRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one, other := note(1), note(2)
	if err := writeRecords(ctx, s, one, other); err != nil {
		return err
	}
	for i := range 3 {
		old := one.Renew()
		one.Value, one.ExpiresAt = fmt.Appendf(nil, "changed %d times", i), one.ExpiresAt.Add(time.Minute)
		if i == 2 {
			one.ExpiresAt = time.Time{}
		}
		if err := answers("ReplaceRecord", s.ReplaceRecord(ctx, old, one), nil); err != nil {
			return err
		}
		if err := hasRecords(ctx, s, one, other); err != nil {
			return err
		}
	}
	// A record may be written as it is.
	return answers("ReplaceRecord by the same", s.ReplaceRecord(ctx, one.Version, one), nil)
}

func checkRecordConflict(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one := note(1)
	if err := writeRecords(ctx, s, one); err != nil {
		return err
	}
	changed := one
	changed.Value = []byte("changed")
	for _, version := range []int64{1, one.Version - 1, one.Version + 1, -one.Version} {
		changed.Renew()
		if err := answers("ReplaceRecord of another version", s.ReplaceRecord(ctx, version, changed), auth.ErrConflict); err != nil {
			return err
		}
		if err := answers("DeleteRecord of another version", s.DeleteRecord(ctx, one.Key, version), auth.ErrConflict); err != nil {
			return err
		}
	}
	if err := answers("DeleteRecord of version 0", s.DeleteRecord(ctx, one.Key, 0), auth.ErrConflict); err != nil {
		return err
	}
	return hasRecords(ctx, s, one)
}

func checkDeleteRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two := note(1), note(2)
	if err := writeRecords(ctx, s, one, two); err != nil {
		return err
	}
	if err := answers("DeleteRecord", s.DeleteRecord(ctx, one.Key, one.Version), nil); err != nil {
		return err
	}
	if err := noRecords(ctx, s, one.Key); err != nil {
		return err
	}
	if err := answers("DeleteRecord again", s.DeleteRecord(ctx, one.Key, one.Version), auth.ErrConflict); err != nil {
		return err
	}
	if err := answers("ReplaceRecord of one that was deleted", s.ReplaceRecord(ctx, one.Version, one), auth.ErrConflict); err != nil {
		return err
	}
	again := note(3)
	again.Key = one.Key
	if err := writeRecords(ctx, s, again); err != nil {
		return err
	}
	return hasRecords(ctx, s, again, two)
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
	all := make([]byte, 4096)
	for i := range all {
		all[i] = byte(i)
	}
	for i, value := range [][]byte{{}, {0}, []byte("  "), all[:256], all, bytes.Repeat([]byte{' '}, 4096), bytes.Repeat([]byte{0}, 300)} {
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

func checkRecordCopies(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one := note(1)
	given := one
	given.Value = slices.Clone(one.Value)
	if err := writeRecords(ctx, s, given); err != nil {
		return err
	}
	given.Value[0] ^= 1
	got, _, err := s.Record(ctx, one.Key)
	if err != nil {
		return answers("Record", err, nil)
	}
	if err := hasRecords(ctx, s, one); err != nil {
		return err
	}
	got.Value[0] ^= 1
	return hasRecords(ctx, s, one)
}
