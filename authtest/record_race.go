package authtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

func checkRecordExpiry(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two := note(1), note(2)
	if err := writeRecords(ctx, s, two); err != nil {
		return err
	}
	// It must be there until it expires. Where it expired before that could be seen,
	// another one gets more time.
	for n, life := 3, time.Second; ; n, life = n+1, 2*life {
		_, now, err := s.Record(ctx, two.Key)
		if err := answers("Record", err, nil); err != nil {
			return err
		}
		one = note(n)
		one.ExpiresAt = now.Add(life).UTC().Truncate(time.Microsecond)
		if err := writeRecords(ctx, s, one); err != nil {
			return err
		}
		missing := hasRecords(ctx, s, one)
		if missing == nil {
			break
		}
		if _, now, err = s.Record(ctx, two.Key); err != nil || now.Before(one.ExpiresAt) {
			return cmp.Or(answers("Record", err, nil), missing)
		}
	}
	for {
		_, now, err := s.Record(ctx, two.Key)
		if err := answers("Record", err, nil); err != nil {
			return err
		}
		if now.After(one.ExpiresAt.Add(5 * time.Millisecond)) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := noRecords(ctx, s, one.Key); err != nil {
		return err
	}
	changed := one
	changed.ExpiresAt = two.ExpiresAt
	changed.Renew()
	if err := answers("ReplaceRecord of one that has expired", s.ReplaceRecord(ctx, one.Version, changed), auth.ErrConflict); err != nil {
		return err
	}
	if err := answers("DeleteRecord of one that has expired", s.DeleteRecord(ctx, one.Key, one.Version), auth.ErrConflict); err != nil {
		return err
	}
	if err := writeRecords(ctx, s, changed); err != nil {
		return err
	}
	return hasRecords(ctx, s, changed, two)
}

func checkRecordExpired(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one := note(1)
	one.ExpiresAt = time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)
	if err := writeRecords(ctx, s, one); err != nil {
		return err
	}
	if err := noRecords(ctx, s, one.Key); err != nil {
		return err
	}
	again := note(1)
	if err := writeRecords(ctx, s, again); err != nil {
		return err
	}
	past := one
	old := again.Version
	if err := answers("ReplaceRecord by one that has expired", s.ReplaceRecord(ctx, old, past), nil); err != nil {
		return err
	}
	return noRecords(ctx, s, one.Key)
}

func checkRecordClock(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one := note(1)
	if err := writeRecords(ctx, s, one); err != nil {
		return err
	}
	for _, key := range []string{one.Key, "note:none"} {
		began := time.Now()
		_, before, err := s.Record(ctx, key)
		if err != nil {
			return answers("Record", err, nil)
		}
		time.Sleep(20 * time.Millisecond)
		_, after, err := s.Record(ctx, key)
		if err != nil {
			return answers("Record", err, nil)
		}
		most := time.Since(began)
		if passed := after.Sub(before); passed < 10*time.Millisecond || passed > most+30*time.Second {
			return fmt.Errorf("the time that Record returned went on by %v in 20 ms to %v", passed, most)
		}
		if off := time.Since(after).Abs(); off > 10*time.Minute {
			return fmt.Errorf("the time that Record returned is off by %v", off)
		}
	}
	return nil
}

func checkRaceWriteRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	write := func(i int) auth.Record {
		r := note(1)
		r.Value, r.Version = fmt.Appendf(nil, "by %d", i), int64(i)+1
		return r
	}
	winner, err := oneWins("ReplaceRecord", together(func(i int) error { return s.ReplaceRecord(ctx, 0, write(i)) }), auth.ErrConflict)
	if err != nil {
		return err
	}
	got, _, err := s.Record(ctx, write(0).Key)
	if err != nil {
		return answers("Record", err, nil)
	}
	if want := write(winner); !bytes.Equal(got.Value, want.Value) || got.Version != want.Version {
		return fmt.Errorf("the record is %q, and who had success wrote %q", got.Value, want.Value)
	}
	return nil
}

func checkRaceReplaceRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one := note(1)
	if err := writeRecords(ctx, s, one); err != nil {
		return err
	}
	for range 4 {
		next := func(i int) auth.Record {
			next := one
			next.Value, next.Version = fmt.Appendf(nil, "by %d", i), one.Version/2+int64(i)+1
			return next
		}
		winner, err := oneWins("ReplaceRecord", together(func(i int) error { return s.ReplaceRecord(ctx, one.Version, next(i)) }), auth.ErrConflict)
		if err != nil {
			return err
		}
		one = next(winner)
		if err := hasRecords(ctx, s, one); err != nil {
			return err
		}
	}
	return nil
}

func checkRaceDeleteRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two := note(1), note(2)
	if err := writeRecords(ctx, s, one, two); err != nil {
		return err
	}
	if _, err := oneWins("DeleteRecord", together(func(int) error { return s.DeleteRecord(ctx, one.Key, one.Version) }), auth.ErrConflict); err != nil {
		return err
	}
	if err := noRecords(ctx, s, one.Key); err != nil {
		return err
	}
	return hasRecords(ctx, s, two)
}

func checkRecordContext(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two := note(1), note(2)
	if err := writeRecords(ctx, s, one); err != nil {
		return err
	}
	over, end := context.WithCancel(ctx)
	end()
	_, _, err := s.Record(over, one.Key)
	for call, err := range map[string]error{
		"Record":        err,
		"ReplaceRecord": s.ReplaceRecord(over, 0, two),
		"DeleteRecord":  s.DeleteRecord(over, one.Key, one.Version),
	} {
		if err := fails(call+" with a context that has ended", err); err != nil {
			return err
		}
		if err := wants(call+" with a context that has ended", err, context.Canceled); err != nil {
			return err
		}
	}
	if err := noRecords(ctx, s, two.Key); err != nil {
		return err
	}
	return hasRecords(ctx, s, one)
}
