package authtest

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// writeAndExpire writes a record, sees it, and returns it when it has expired by the store's clock.
func writeAndExpire(ctx context.Context, s auth.RecordStore, owner string) (expired auth.Record, err error) {
	const absent = "note:absent"
	for n, life := 1, time.Second; ; n, life = n+1, 2*life {
		_, now, err := s.Record(ctx, absent)
		if err := answers("Record", err, nil); err != nil {
			return auth.Record{}, err
		}
		expired = ownedNote(n, owner)
		expired.ExpiresAt = now.Add(life).UTC().Truncate(time.Microsecond)
		if err := writeRecords(ctx, s, expired); err != nil {
			return auth.Record{}, err
		}
		missing := hasRecords(ctx, s, expired)
		if missing == nil {
			break
		}
		// On a slow machine it may have expired before it was read: try again with a longer life.
		if _, now, err = s.Record(ctx, absent); err != nil || now.Before(expired.ExpiresAt) {
			return auth.Record{}, cmp.Or(answers("Record", err, nil), missing)
		}
	}
	for {
		_, now, err := s.Record(ctx, absent)
		if err := answers("Record", err, nil); err != nil {
			return auth.Record{}, err
		}
		if now.After(expired.ExpiresAt.Add(5 * time.Millisecond)) {
			return expired, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func checkRecordExpiry(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	living := note(100)
	if err := writeRecords(ctx, s, living); err != nil {
		return err
	}
	expired, err := writeAndExpire(ctx, s, "")
	if err != nil {
		return err
	}
	if err := noRecords(ctx, s, expired.Key); err != nil {
		return err
	}
	changed := expired
	changed.ExpiresAt = living.ExpiresAt
	changed.Renew()
	if err := answers("ReplaceRecord of an expired record", s.ReplaceRecord(ctx, expired.Version, changed), auth.ErrConflict); err != nil {
		return err
	}
	if err := answers("DeleteRecord of an expired record", s.DeleteRecord(ctx, expired.Key, expired.Version), auth.ErrConflict); err != nil {
		return err
	}
	if err := writeRecords(ctx, s, changed); err != nil {
		return err
	}
	return hasRecords(ctx, s, changed, living)
}

func checkRecordExpired(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	past := note(1)
	past.ExpiresAt = time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)
	if err := writeRecords(ctx, s, past); err != nil {
		return err
	}
	if err := noRecords(ctx, s, past.Key); err != nil {
		return err
	}
	living := note(1)
	if err := writeRecords(ctx, s, living); err != nil {
		return err
	}
	if err := answers("ReplaceRecord by an expired record", s.ReplaceRecord(ctx, living.Version, past), nil); err != nil {
		return err
	}
	return noRecords(ctx, s, past.Key)
}

func checkRecordClock(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	r := note(1)
	if err := writeRecords(ctx, s, r); err != nil {
		return err
	}
	for _, key := range []string{r.Key, "note:none"} {
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
			return fmt.Errorf("the time that Record returned advanced by %v between two calls that were 20 ms to %v apart", passed, most)
		}
		if off := time.Since(after).Abs(); off > 10*time.Minute {
			return fmt.Errorf("the time that Record returned is off by %v", off)
		}
	}
	return nil
}
