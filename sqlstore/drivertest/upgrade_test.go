package drivertest

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// recordsOf0004 writes records as servers do whose last migration is 0004: their statements do not
// name the column owner.
type recordsOf0004 struct {
	tt target
	db *sql.DB
	p  string // prefix
}

// exec runs a statement with ? for its parameters and {now} for the time, and fails the test unless
// it affects one row.
func (old recordsOf0004) exec(t testing.TB, text string, args ...any) {
	t.Helper()
	text = strings.NewReplacer("{records}", old.p+"records", "{now}", fmt.Sprint(time.Now().UnixMicro())).Replace(text)
	for i := 1; old.tt.dialect == sqlstore.PostgreSQL && strings.Contains(text, "?"); i++ {
		text = strings.Replace(text, "?", fmt.Sprintf("$%d", i), 1)
	}
	result, err := old.db.ExecContext(bounded(t), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if rows, err := result.RowsAffected(); err != nil || rows != 1 {
		t.Fatalf("%s: %d rows, %v, want 1", text, rows, err)
	}
}

func (old recordsOf0004) args(r auth.Record) []any {
	expires := sql.NullInt64{Int64: r.ExpiresAt.UnixMicro(), Valid: !r.ExpiresAt.IsZero()}
	return []any{r.Value, r.Version, expires, r.Key}
}

func (old recordsOf0004) insert(t testing.TB, r auth.Record) {
	t.Helper()
	old.exec(t, "INSERT INTO {records} (value, version, expires_at, id) VALUES (?, ?, ?, ?)", old.args(r)...)
}

func (old recordsOf0004) takeOver(t testing.TB, r auth.Record) {
	t.Helper()
	old.exec(t, "UPDATE {records} SET value = ?, version = ?, expires_at = ? WHERE id = ? AND expires_at <= {now}", old.args(r)...)
}

func (old recordsOf0004) replace(t testing.TB, version int64, r auth.Record) {
	t.Helper()
	old.exec(t, "UPDATE {records} SET value = ?, version = ?, expires_at = ? WHERE id = ? AND version = ? AND (expires_at IS NULL OR expires_at > {now})",
		append(old.args(r), version)...)
}

func (old recordsOf0004) remove(t testing.TB, r auth.Record) {
	t.Helper()
	old.exec(t, "DELETE FROM {records} WHERE id = ? AND version = ? AND (expires_at IS NULL OR expires_at > {now})", r.Key, r.Version)
}

// TestUpgradeOwners migrates a database of version 4 with rows in every table: they are kept, no
// record has an owner, and servers of the earlier release still work beside the new ones.
func TestUpgradeOwners(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		const before = 4
		s, db, p := tt.unmigrated(t)
		tt.migrateTo(t, db, p, before)
		old := recordsOf0004{tt, db, p}

		alice, bob := user("1", "alice"), user("2", "bob")
		create(t, s, alice, bob)
		phone, ended := login("phone", "1"), login("ended", "1")
		createLogins(t, s, phone, ended)
		if err := s.DeleteSession(bounded(t), ended.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := s.ReplaceAddress(bounded(t), "1", "", "alice@example.com", true); err != nil {
			t.Fatal(err)
		}
		living, permanent, expired := record("living", ""), record("permanent", ""), record("expired", "")
		living.Value = []byte("\x00\xff")
		living.ExpiresAt = time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		expired.ExpiresAt = time.Now().Add(-time.Hour)
		for _, r := range []auth.Record{living, permanent, expired} {
			old.insert(t, r)
		}

		if err := s.Migrate(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if got, want := versions(t, db, p), latest(t, tt.dialect); !slices.Equal(got, want) {
			t.Errorf("versions %v, want %v", got, want)
		}
		hasUser(t, s, alice)
		hasUser(t, s, bob)
		if list, err := s.Sessions(bounded(t), "1"); err != nil || len(list) != 1 || list[0].ID != phone.ID {
			t.Errorf("sessions %v, %v, want the phone's", list, err)
		}
		if ids, _ := revoked(t, s, ""); len(ids) != 1 || ids[ended.ID] != 1 {
			t.Errorf("the feed holds %v, want the session that ended", ids)
		}
		if id, err := s.UserByAddress(bounded(t), "alice@example.com"); err != nil || id != "1" {
			t.Errorf("UserByAddress: %q, %v", id, err)
		}
		hasRecords(t, s, living, permanent)
		ownedKeys(t, s, "1")

		// Records of the earlier release get owners when they are written.
		replace := func(old int64, r auth.Record) {
			t.Helper()
			if err := s.ReplaceRecord(bounded(t), old, r); err != nil {
				t.Fatal(err)
			}
		}
		living.Owner, living.Version = "1", 2
		replace(1, living)
		expired.Owner, expired.ExpiresAt = "2", time.Time{}
		replace(0, expired)
		hasRecords(t, s, living, permanent, expired)
		ownedKeys(t, s, "1", living.Key)
		ownedKeys(t, s, "2", expired.Key)

		// A server of the earlier release keeps the owners of records, and writes none.
		living.Value, living.Version = []byte("by the earlier release"), 3
		old.replace(t, 2, living)
		later := record("later", "")
		old.insert(t, later)
		hasRecords(t, s, living, permanent, expired, later)
		ownedKeys(t, s, "1", living.Key)
		past := record("past", "")
		past.ExpiresAt = time.Now().Add(-time.Minute)
		write(t, s, past)
		past.Version, past.ExpiresAt = 2, time.Time{}
		old.takeOver(t, past)
		hasRecords(t, s, past)
		old.remove(t, expired)
		ownedKeys(t, s, "2")

		if err := s.DeleteUser(bounded(t), "1"); err != nil {
			t.Fatal(err)
		}
		ownedKeys(t, s, "1")
		hasRecords(t, s, permanent, later, past)
	})
}
