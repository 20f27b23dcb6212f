package authtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// recordOwnerRules are the rules of [auth.Record.Owner].
func recordOwnerRules() []rule[auth.RecordStore] {
	return []rule[auth.RecordStore]{
		{name: "Owner/List", holds: "Records returns exactly the records of the owner, as they were written.", check: checkOwnerList},
		{name: "Owner/Names", holds: "Owners of 1 to 255 bytes are compared byte for byte.", check: checkOwnerNames},
		{name: "Owner/Replace", holds: "A record belongs to the owner that it was last written with, and to no other.", check: checkOwnerReplace},
		{name: "Owner/Delete", holds: "DeleteRecords removes the records of the owner, whatever their version, and no other; none is no error.", check: checkOwnerDelete},
		{name: "Owner/Expiry", holds: "An expired record is in no list, and its key is no longer its owner's.", check: checkOwnerExpiry},
		{name: "Owner/None", holds: "A record without an owner is in no list, and DeleteRecords does not remove it.", check: checkOwnerNone},
	}
}

// ownedNote returns the n-th record of a check, with an owner.
func ownedNote(n int, owner string) auth.Record {
	r := note(n)
	r.Owner = owner
	return r
}

// listsRecords returns an error unless the list of an owner holds exactly these records.
func listsRecords(ctx context.Context, s auth.RecordStore, owner string, want ...auth.Record) error {
	call := "Records of " + name(owner)
	list, err := s.Records(ctx, owner)
	if err := answers(call, err, nil); err != nil {
		return err
	}
	listed := make(map[string]auth.Record)
	for _, r := range list {
		if _, repeated := listed[r.Key]; repeated {
			return fmt.Errorf("%s returned the key %s twice", call, name(r.Key))
		}
		listed[r.Key] = r
	}
	for _, r := range want {
		got, ok := listed[r.Key]
		if !ok {
			return fmt.Errorf("%s did not return %s", call, name(r.Key))
		}
		if err := sameRecord(call, got, r); err != nil {
			return err
		}
		delete(listed, r.Key)
	}
	for key, r := range listed {
		return fmt.Errorf("%s also returned %s, a record of %s that expires at %v", call, name(key), name(r.Owner), r.ExpiresAt)
	}
	return nil
}

// deleteOwned deletes the records of an owner, which must succeed.
func deleteOwned(ctx context.Context, s auth.RecordStore, owner string) error {
	return answers("DeleteRecords of "+name(owner), s.DeleteRecords(ctx, owner), nil)
}

func checkOwnerList(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	short, permanent, empty, long := ownedNote(1, "ada"), ownedNote(2, "ada"), ownedNote(3, "ada"), ownedNote(4, "ada")
	permanent.ExpiresAt = time.Time{}
	empty.Value, empty.Version = nil, 1<<63-1
	long.Value = make([]byte, 4096)
	for i := range long.Value {
		long.Value[i] = byte(i)
	}
	other, ownerless := ownedNote(5, "bob"), note(6)
	if err := listsRecords(ctx, s, "ada"); err != nil {
		return err
	}
	if err := writeRecords(ctx, s, short, other, permanent, ownerless, empty, long); err != nil {
		return err
	}
	if err := hasRecords(ctx, s, short, other, permanent, ownerless, empty, long); err != nil {
		return err
	}
	if err := listsRecords(ctx, s, "ada", short, permanent, empty, long); err != nil {
		return err
	}
	if err := listsRecords(ctx, s, "bob", other); err != nil {
		return err
	}
	return listsRecords(ctx, s, "carol")
}

func checkOwnerNames(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	longest := strings.Repeat("o", 251) + "\U0001f600"
	var records []auth.Record
	for i, owner := range []string{
		"ada", "Ada", "ADA", "ada ", "ada  ", " ada", "ada\t", "ad", "adaa", "ad%", "ad_", "%", "*", "ad*", "ad?", "[a]da", "{ada}", "ada:1", "ada,bob",
		`ada\`, "ada'", `ada"`, "0", "00", "0.0", "1e1", "10", "\u00e9", "e\u0301", "\u00df", "ss", longest, longest[:251], longest[:251] + "\U0001f601",
	} {
		records = append(records, ownedNote(i, owner))
	}
	if err := writeRecords(ctx, s, records...); err != nil {
		return err
	}
	for _, r := range records {
		if err := listsRecords(ctx, s, r.Owner, r); err != nil {
			return err
		}
	}
	for _, owner := range []string{"aDa", "d", "ad\u00e0", "ada\n", "a", "o", "e", "*da", longest[:250], longest[:251] + "o"} {
		if err := listsRecords(ctx, s, owner); err != nil {
			return err
		}
		if err := deleteOwned(ctx, s, owner); err != nil {
			return err
		}
	}
	if err := hasRecords(ctx, s, records...); err != nil {
		return err
	}
	for i, r := range records {
		if err := deleteOwned(ctx, s, r.Owner); err != nil {
			return err
		}
		if err := noRecords(ctx, s, r.Key); err != nil {
			return err
		}
		if err := hasRecords(ctx, s, records[i+1:]...); err != nil {
			return fmt.Errorf("after DeleteRecords of %s: %w", name(r.Owner), err)
		}
	}
	return nil
}

func checkOwnerReplace(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	r, other := ownedNote(1, "ada"), ownedNote(2, "ada")
	if err := writeRecords(ctx, s, r, other); err != nil {
		return err
	}
	// belongs returns an error unless the lists of both owners hold r where it names the owner.
	belongs := func() error {
		if err := hasRecords(ctx, s, r, other); err != nil {
			return err
		}
		for _, owner := range []string{"ada", "bob"} {
			var want []auth.Record
			for _, stored := range []auth.Record{r, other} {
				if stored.Owner == owner {
					want = append(want, stored)
				}
			}
			if err := listsRecords(ctx, s, owner, want...); err != nil {
				return err
			}
		}
		return nil
	}
	for _, owner := range []string{"bob", "bob", "", "ada", "", "bob", "ada"} {
		old := r.Renew()
		r.Owner, r.Value = owner, []byte("of "+owner)
		if err := answers("ReplaceRecord by the record of another owner", s.ReplaceRecord(ctx, old, r), nil); err != nil {
			return err
		}
		if err := belongs(); err != nil {
			return err
		}
		conflicting := r
		conflicting.Owner = "bob"
		old = conflicting.Renew()
		if err := answers("ReplaceRecord of another version", s.ReplaceRecord(ctx, old+1, conflicting), auth.ErrConflict); err != nil {
			return err
		}
		if err := belongs(); err != nil {
			return err
		}
	}
	// A key that was deleted belongs to the owner that it is written with next.
	if err := answers("DeleteRecord", s.DeleteRecord(ctx, r.Key, r.Version), nil); err != nil {
		return err
	}
	if err := listsRecords(ctx, s, "ada", other); err != nil {
		return err
	}
	r.Owner = "bob"
	if err := writeRecords(ctx, s, r); err != nil {
		return err
	}
	if err := belongs(); err != nil {
		return err
	}
	if err := deleteOwned(ctx, s, "ada"); err != nil {
		return err
	}
	if err := noRecords(ctx, s, other.Key); err != nil {
		return err
	}
	return hasRecords(ctx, s, r)
}

func checkOwnerDelete(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	replaced, permanent, expired := ownedNote(1, "ada"), ownedNote(2, "ada"), ownedNote(3, "ada")
	permanent.ExpiresAt = time.Time{}
	expired.ExpiresAt = time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)
	other, ownerless := ownedNote(4, "bob"), note(5)
	if err := writeRecords(ctx, s, replaced, permanent, expired, other, ownerless); err != nil {
		return err
	}
	old := replaced.Renew()
	if err := answers("ReplaceRecord", s.ReplaceRecord(ctx, old, replaced), nil); err != nil {
		return err
	}
	for range 2 { // the second time there are none
		if err := deleteOwned(ctx, s, "ada"); err != nil {
			return err
		}
		if err := listsRecords(ctx, s, "ada"); err != nil {
			return err
		}
		if err := noRecords(ctx, s, replaced.Key, permanent.Key, expired.Key); err != nil {
			return err
		}
	}
	if err := answers("ReplaceRecord of a deleted record", s.ReplaceRecord(ctx, replaced.Version, replaced), auth.ErrConflict); err != nil {
		return err
	}
	if err := answers("DeleteRecord of a deleted record", s.DeleteRecord(ctx, permanent.Key, permanent.Version), auth.ErrConflict); err != nil {
		return err
	}
	if err := hasRecords(ctx, s, other, ownerless); err != nil {
		return err
	}
	if err := listsRecords(ctx, s, "bob", other); err != nil {
		return err
	}
	// The keys are free, and what was deleted does not come back with them.
	next := ownedNote(1, "ada")
	if err := writeRecords(ctx, s, next); err != nil {
		return err
	}
	return listsRecords(ctx, s, "ada", next)
}

func checkOwnerExpiry(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	expired, err := writeAndExpire(ctx, s, "ada")
	if err != nil {
		return err
	}
	living, past := ownedNote(101, "ada"), ownedNote(102, "ada")
	past.ExpiresAt = time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)
	if err := writeRecords(ctx, s, living, past); err != nil {
		return err
	}
	if err := listsRecords(ctx, s, "ada", living); err != nil {
		return err
	}
	// The keys of records that have expired are free for other owners, and for none.
	bobs, ownerless := ownedNote(103, "bob"), note(104)
	bobs.Key, ownerless.Key = expired.Key, past.Key
	if err := writeRecords(ctx, s, bobs, ownerless); err != nil {
		return err
	}
	if err := hasRecords(ctx, s, bobs, ownerless); err != nil {
		return err
	}
	if err := listsRecords(ctx, s, "ada", living); err != nil {
		return err
	}
	if err := listsRecords(ctx, s, "bob", bobs); err != nil {
		return err
	}
	if err := deleteOwned(ctx, s, "ada"); err != nil {
		return err
	}
	if err := noRecords(ctx, s, living.Key); err != nil {
		return err
	}
	return hasRecords(ctx, s, bobs, ownerless)
}

func checkOwnerNone(s auth.RecordStore) error {
	ctx, cancel := background()
	defer cancel()
	ownerless, permanent := note(1), note(2)
	permanent.ExpiresAt = time.Time{}
	if err := writeRecords(ctx, s, ownerless, permanent); err != nil {
		return err
	}
	if err := listsRecords(ctx, s, "ada"); err != nil {
		return err
	}
	// The contract has no answer for the empty owner. A caller that passes it by mistake must not
	// get or delete the records of everybody else.
	if list, err := s.Records(ctx, ""); err == nil && len(list) > 0 {
		return fmt.Errorf("Records of the empty owner returned %d records, want none or an error", len(list))
	}
	_ = s.DeleteRecords(ctx, "")
	if err := hasRecords(ctx, s, ownerless, permanent); err != nil {
		return fmt.Errorf("after DeleteRecords of the empty owner: %w", err)
	}
	if err := deleteOwned(ctx, s, "ada"); err != nil {
		return err
	}
	return hasRecords(ctx, s, ownerless, permanent)
}
