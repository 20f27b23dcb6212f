package drivertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/sqlstore"
)

func TestRecordStore(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		authtest.TestRecordStore(t, func(t *testing.T) auth.RecordStore {
			exec(t, db, "DELETE FROM "+p+"records")
			return s
		})
	})
}

// record returns a record of a test that never expires.
func record(key, owner string) auth.Record {
	return auth.Record{Key: key, Owner: owner, Value: []byte("value of " + key), Version: 1}
}

// write adds records.
func write(t testing.TB, s auth.RecordStore, records ...auth.Record) {
	t.Helper()
	for _, r := range records {
		if err := s.ReplaceRecord(bounded(t), 0, r); err != nil {
			t.Fatalf("ReplaceRecord of %s: %v", r.Key, err)
		}
	}
}

// hasRecords fails the test unless the records are stored as they are given.
func hasRecords(t testing.TB, s auth.RecordStore, records ...auth.Record) {
	t.Helper()
	for _, want := range records {
		got, _, err := s.Record(bounded(t), want.Key)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Record of %s returned %v, %v, want %v", want.Key, got, err, want)
		}
	}
}

// ownedKeys fails the test unless the owner has the records with these keys.
func ownedKeys(t testing.TB, s auth.RecordStore, owner string, want ...string) {
	t.Helper()
	list, err := s.Records(bounded(t), owner)
	var got []string
	for _, r := range list {
		got = append(got, r.Key)
	}
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Records of %q returned %q, %v, want %q", owner, got, err, want)
	}
}

// TestRecordLimits checks that a record that the columns cannot hold is an error of the store's own,
// on every dialect and before the database sees it.
func TestRecordLimits(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, _, _ := tt.store(t)
		longest := record(strings.Repeat("k", 200), strings.Repeat("o", 251)+"\U0001f600")
		longest.Value = make([]byte, 4096)
		write(t, s, longest)
		for name, change := range map[string]func(*auth.Record){
			"no key":                     func(r *auth.Record) { r.Key = "" },
			"a long key":                 func(r *auth.Record) { r.Key = strings.Repeat("k", 201) },
			"a space in the key":         func(r *auth.Record) { r.Key = "a b" },
			"a key that is not ASCII":    func(r *auth.Record) { r.Key = "\u00e4" },
			"a long owner":               func(r *auth.Record) { r.Owner = strings.Repeat("o", 256) },
			"an owner of too many bytes": func(r *auth.Record) { r.Owner = strings.Repeat("\u00e9", 128) },
			"NUL in the owner":           func(r *auth.Record) { r.Owner = "a\x00" },
			"an owner that is not UTF-8": func(r *auth.Record) { r.Owner = "a\xff" },
			"a long value":               func(r *auth.Record) { r.Value = make([]byte, 4097) },
			"version 0":                  func(r *auth.Record) { r.Version = 0 },
		} {
			r := record("key", "1")
			change(&r)
			storeFailure(t, "ReplaceRecord with "+name, s.ReplaceRecord(bounded(t), 0, r))
			replacement := longest
			change(&replacement)
			storeFailure(t, "ReplaceRecord of another with "+name, s.ReplaceRecord(bounded(t), longest.Version, replacement))
		}
		for name, owner := range map[string]string{
			"too long": strings.Repeat("o", 256), "NUL": "a\x00", "not UTF-8": "a\xff", "empty": "",
		} {
			ownedKeys(t, s, owner)
			if err := s.DeleteRecords(bounded(t), owner); err != nil {
				t.Errorf("DeleteRecords of an owner that is %s: %v", name, err)
			}
		}
		hasRecords(t, s, longest)
		ownedKeys(t, s, longest.Owner, longest.Key)
	})
}

// TestDeleteUserRecords deletes users in the store's table and in one of the host's: the records
// that they own go with them, and no others.
func TestDeleteUserRecords(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		own, ownDB, ownPrefix := tt.store(t)
		hosts, hostsDB, table := tt.hostTable(t, tt.exact(), tt.exact(), "", sqlstore.UserTable{})
		hostsPrefix := strings.TrimSuffix(strings.Trim(table, "`\""), "Order")
		for _, users := range []struct {
			s       *sqlstore.Store
			db      *sql.DB
			records string // name of the table of records
		}{
			{own, ownDB, ownPrefix + "records"},
			{hosts, hostsDB, hostsPrefix + "records"},
		} {
			s := users.s
			create(t, s, user("1", "alice"), user("2", "bob"))
			expired := record("expired", "1")
			expired.ExpiresAt = time.Now().Add(-time.Minute)
			bobs, ownerless := record("bobs", "2"), record("ownerless", "")
			write(t, s, record("first", "1"), record("other", "1"), expired, bobs, ownerless)

			if err := s.DeleteUser(bounded(t), "1"); err != nil {
				t.Fatalf("DeleteUser: %v", err)
			}
			ownedKeys(t, s, "1")
			hasRecords(t, s, bobs, ownerless)
			var rows int
			if err := users.db.QueryRowContext(bounded(t), "SELECT COUNT(*) FROM "+users.records).Scan(&rows); err != nil || rows != 2 {
				t.Errorf("%d records are left, %v, want 2", rows, err)
			}

			// A user whose row the host deleted itself leaves records, which DeleteUser deletes.
			write(t, s, record("late", "1"))
			if err := s.DeleteUser(bounded(t), "1"); !errors.Is(err, auth.ErrUserNotFound) {
				t.Errorf("DeleteUser of a deleted user: %v", err)
			}
			ownedKeys(t, s, "1")
			hasRecords(t, s, bobs, ownerless)
		}
	})
}

// TestDeleteUserIsAtomic has the last statement of DeleteUser fail: the user, the address and the
// records are kept.
func TestDeleteUserIsAtomic(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		alice := user("1", "alice")
		create(t, s, alice)
		write(t, s, record("key", "1"))
		if err := s.ReplaceAddress(bounded(t), "1", "", "alice@example.com", true); err != nil {
			t.Fatal(err)
		}
		exec(t, db, "ALTER TABLE "+p+"records RENAME TO "+p+"away")
		storeFailure(t, "DeleteUser", s.DeleteUser(bounded(t), "1"))
		exec(t, db, "ALTER TABLE "+p+"away RENAME TO "+p+"records")
		hasUser(t, s, alice)
		hasRecords(t, s, record("key", "1"))
		if id, err := s.UserByAddress(bounded(t), "alice@example.com"); err != nil || id != "1" {
			t.Errorf("UserByAddress: %q, %v", id, err)
		}
		if err := s.DeleteUser(bounded(t), "1"); err != nil {
			t.Error(err)
		}
		ownedKeys(t, s, "1")
	})
}

// TestDeleteRecordsLocked waits for another transaction no longer than the context.
func TestDeleteRecordsLocked(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		r := record("key", "1")
		write(t, s, r)
		begin := map[bool]string{true: "BEGIN IMMEDIATE", false: "BEGIN"}[tt.dialect == sqlstore.SQLite]
		run := session(t, db, begin, "UPDATE "+p+"records SET version = 2")
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := s.DeleteRecords(ctx, "1")
		storeFailure(t, "DeleteRecords", err)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("DeleteRecords returned %v, want %v", err, context.DeadlineExceeded)
		}
		hasRecords(t, s, r) // a reader does not wait
		run("ROLLBACK")
		if err := s.DeleteRecords(bounded(t), "1"); err != nil {
			t.Error(err)
		}
		ownedKeys(t, s, "1")
	})
}
