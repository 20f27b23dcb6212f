package authtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-e36e2130/auth"
)

// recordRaceRules are the rules of concurrent calls.
func recordRaceRules() []rule[auth.RecordStore] {
	return []rule[auth.RecordStore]{
		{name: "Race/Write", holds: "Of many callers that write one key at once, one succeeds and the others get ErrConflict.", check: checkRaceWriteRecord},
		{name: "Race/Replace", holds: "Of many callers that replace one version at once, one succeeds and the others get ErrConflict.", check: checkRaceReplaceRecord},
		{name: "Race/Delete", holds: "Of many callers that delete one version at once, one succeeds and the others get ErrConflict.", check: checkRaceDeleteRecord},
		{name: "Race/DeleteOwner", holds: "A record that DeleteRecords removed while others replaced it stays removed.", check: checkRaceDeleteOwner},
		{name: "Race/MoveOwner", holds: "Records that are replaced and deleted at once are whole: gone, or in the list of the owner that they name.", check: checkRaceMoveOwner},
	}
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
	want := write(winner)
	want.ExpiresAt = got.ExpiresAt // each call to write returns another
	return sameRecord("after the call that succeeded, Record", got, want)
}

func checkRaceReplaceRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	current := note(1)
	if err := writeRecords(ctx, s, current); err != nil {
		return err
	}
	for range 4 {
		next := func(i int) auth.Record {
			next := current
			next.Value, next.Version = fmt.Appendf(nil, "by %d", i), current.Version/2+int64(i)+1
			return next
		}
		winner, err := oneWins("ReplaceRecord", together(func(i int) error { return s.ReplaceRecord(ctx, current.Version, next(i)) }), auth.ErrConflict)
		if err != nil {
			return err
		}
		current = next(winner)
		if err := hasRecords(ctx, s, current); err != nil {
			return err
		}
	}
	return nil
}

func checkRaceDeleteRecord(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	deleted, other := note(1), note(2)
	if err := writeRecords(ctx, s, deleted, other); err != nil {
		return err
	}
	if _, err := oneWins("DeleteRecord", together(func(int) error { return s.DeleteRecord(ctx, deleted.Key, deleted.Version) }), auth.ErrConflict); err != nil {
		return err
	}
	if err := noRecords(ctx, s, deleted.Key); err != nil {
		return err
	}
	return hasRecords(ctx, s, other)
}

// replaceCurrent replaces the record with a key by change of it. Without a record it changes the
// zero Record if create is true, and otherwise does nothing. That another call was faster is no
// error.
func replaceCurrent(ctx context.Context, s auth.RecordStore, key string, create bool, change func(*auth.Record)) error {
	r, _, err := s.Record(ctx, key)
	if err := answers("Record", err, nil); err != nil {
		return err
	}
	if r.Version == 0 && !create {
		return nil
	}
	change(&r)
	old := r.Renew()
	err = s.ReplaceRecord(ctx, old, r)
	if errors.Is(err, auth.ErrConflict) {
		return answers("ReplaceRecord", err, auth.ErrConflict)
	}
	return answers("ReplaceRecord", err, nil)
}

func checkRaceDeleteOwner(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	for n := range 4 {
		r, other := ownedNote(n, "ada"), ownedNote(n, "bob")
		other.Key += ":bob"
		if err := writeRecords(ctx, s, r, other); err != nil {
			return err
		}
		for _, err := range together(func(i int) error {
			if i == crowd/2 {
				return deleteOwned(ctx, s, "ada")
			}
			return replaceCurrent(ctx, s, r.Key, false, func(r *auth.Record) { r.Value = fmt.Appendf(nil, "by %d", i) })
		}) {
			if err != nil {
				return err
			}
		}
		if err := noRecords(ctx, s, r.Key); err != nil {
			return err
		}
		if err := listsRecords(ctx, s, "ada"); err != nil {
			return err
		}
		if err := hasRecords(ctx, s, other); err != nil {
			return err
		}
	}
	return nil
}

func checkRaceMoveOwner(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	const keys = 8
	key := func(i int) string { return fmt.Sprintf("note:%d", i%keys) }
	owners := []string{"ada", "bob", ""}
	for range 3 {
		for _, err := range together(func(i int) error {
			for turn := range 3 {
				if (i+turn)%8 == 0 {
					if err := deleteOwned(ctx, s, owners[i/8%2]); err != nil {
						return err
					}
					continue
				}
				if err := replaceCurrent(ctx, s, key(i), true, func(r *auth.Record) {
					r.Key, r.Owner, r.Value = key(i), owners[(i/8+turn)%3], fmt.Appendf(nil, "by %d in turn %d", i, turn)
				}); err != nil {
					return err
				}
			}
			return nil
		}) {
			if err != nil {
				return err
			}
		}
		owned := make(map[string][]auth.Record)
		for i := range keys {
			r, _, err := s.Record(ctx, key(i))
			if err := answers("Record", err, nil); err != nil {
				return err
			}
			if r.Version != 0 {
				owned[r.Owner] = append(owned[r.Owner], r)
			}
		}
		for _, owner := range []string{"ada", "bob"} {
			if err := listsRecords(ctx, s, owner, owned[owner]...); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkRecordContext(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	stored, other := ownedNote(1, "ada"), note(2)
	if err := writeRecords(ctx, s, stored); err != nil {
		return err
	}
	ended, end := context.WithCancel(ctx)
	end()
	_, _, recordErr := s.Record(ended, stored.Key)
	_, recordsErr := s.Records(ended, stored.Owner)
	for call, err := range map[string]error{
		"Record":        recordErr,
		"Records":       recordsErr,
		"ReplaceRecord": s.ReplaceRecord(ended, 0, other),
		"DeleteRecord":  s.DeleteRecord(ended, stored.Key, stored.Version),
		"DeleteRecords": s.DeleteRecords(ended, stored.Owner),
	} {
		if err := fails(call+" with a context that has ended", err); err != nil {
			return err
		}
		if err := wants(call+" with a context that has ended", err, context.Canceled); err != nil {
			return err
		}
	}
	if err := noRecords(ctx, s, other.Key); err != nil {
		return err
	}
	return hasRecords(ctx, s, stored)
}
