package recovery_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// kindsOf returns the sorted kinds of the records of an owner: "reset" for the key "recovery.reset.…".
func (f *fixture) kindsOf(owner string) []string {
	f.t.Helper()
	records, err := f.store.Records(f.t.Context(), owner)
	if err != nil {
		f.t.Fatal(err)
	}
	var kinds []string
	for _, r := range records {
		kinds = append(kinds, kindOf(r.Key))
	}
	slices.Sort(kinds)
	return kinds
}

func kindOf(key string) string {
	key = strings.TrimPrefix(key, "recovery.")
	return key[:strings.LastIndex(key, ".")]
}

// TestRecordsOfUser: DeleteRecords of a user removes the user's links, codes and counts, and nothing of
// another user. The count of messages to an address that is not the user's stays.
func TestRecordsOfUser(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id, other := f.user(ada, true), f.user(eve, false)
		reset := token(t, f.asks(recovery.KindReset, ada))
		login := token(t, f.asks(recovery.KindLogin, ada))
		challenge, code := f.code(ada)
		change := f.change(ada, "new@example.com")
		for range 2 {
			is(t, f.recovery.Inform(t.Context(), id, recovery.KindNewDevice), nil, "a notice")
		}
		f.outbox.take()
		verify := token(t, f.asks(recovery.KindVerify, eve))

		want := []string{"change", "code", "from.code", "from.login", "from.reset", "login", "reset", "sent.code", "sent.login", "sent.reset", "told.change_asked", "told.new_device"}
		if got := f.kindsOf(id); !slices.Equal(got, want) {
			t.Errorf("the records of a user with a verified address are %q, want %q", got, want)
		}
		if got, want := f.kindsOf(other), []string{"verify"}; !slices.Equal(got, want) {
			t.Errorf("the records of a user whose address is not verified are %q, want %q", got, want)
		}

		if err := f.store.DeleteRecords(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		_, byLink := f.recovery.LoginByLink(t.Context(), login)
		_, byCode := f.recovery.LoginByCode(t.Context(), challenge, code)
		is(t, f.reset(t.Context(), reset, another), recovery.ErrInvalidToken, "a reset link that was deleted")
		is(t, f.recovery.ChangeAddress(t.Context(), change, password), recovery.ErrInvalidToken, "a change link that was deleted")
		is(t, byLink, recovery.ErrInvalidToken, "a login link that was deleted")
		is(t, byCode, recovery.ErrInvalidToken, "a code that was deleted")
		if got := f.kindsOf(id); len(got) > 0 {
			t.Errorf("the records %q of the user are still there", got)
		}
		is(t, f.recovery.VerifyAddress(t.Context(), verify, password), nil, "the link of another user")
	})
}

// TestDeletedAccountLeavesNoLink: a link that was in use when its account was deleted is not written
// back.
func TestDeletedAccountLeavesNoLink(t *testing.T) {
	var store *hooked
	wrap := func(s auth.RecordStore) auth.RecordStore { store = &hooked{RecordStore: s}; return store }
	runOver(t, recovery.Config{}, wrap, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		link := token(t, f.asks(recovery.KindReset, ada))
		store.then = func() {
			if err := f.accounts.Delete(t.Context(), id); err != nil {
				t.Error(err)
			}
			if err := f.store.DeleteRecords(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		is(t, f.reset(t.Context(), link, another), recovery.ErrInvalidToken, "the link of a deleted account")
		if got := f.kindsOf(id); len(got) > 0 {
			t.Errorf("the records %q of the deleted user were written back", got)
		}
	})
}

// TestDeletionResetsNoCount: a stranger who registers with somebody else's address, has a message sent
// and deletes the account does not get another message sent to that address within the minute.
func TestDeletionResetsNoCount(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		deleteAll := func(id string) {
			t.Helper()
			if err := f.recovery.DeleteAccount(t.Context(), id, password); err != nil {
				t.Fatal(err)
			}
			if err := f.store.DeleteRecords(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			f.outbox.take() // the message about the deletion
		}
		for kind, request := range map[recovery.Kind]func(context.Context, string) error{
			recovery.KindVerify: f.recovery.RequestVerification, recovery.KindReset: f.recovery.RequestReset,
		} {
			id := f.user(ada, false)
			f.asks(kind, ada)
			deleteAll(id)
			id = f.user(ada, false)
			is(t, request(t.Context(), ada), nil, "a request after the account was deleted")
			f.sentNothing("to the address of a deleted account within a minute")
			deleteAll(id)
			time.Sleep(time.Hour)
		}

		// The same holds for the new address of a change, which belongs to nobody.
		id := f.user(ada, true)
		f.change(ada, eve)
		deleteAll(id)
		id = f.user(ada, true)
		is(t, f.recovery.RequestAddressChange(t.Context(), id, password, eve), nil, "a request after the account was deleted")
		f.onlyMessage(recovery.KindChangeAsked, ada)
	})
}

// lastWritten is a RecordStore that keeps the record that was written last.
type lastWritten struct {
	auth.RecordStore
	record auth.Record
}

func (l *lastWritten) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	l.record = r
	return l.RecordStore.ReplaceRecord(ctx, old, r)
}

// TestOwnersRevealNothing: the record of a challenge without a code has an owner as long as a user's ID,
// so that a try at it is the same write as a try at a code. Spare records, which serve all addresses,
// have no owner.
func TestOwnersRevealNothing(t *testing.T) {
	var store *lastWritten
	wrap := func(s auth.RecordStore) auth.RecordStore { store = &lastWritten{RecordStore: s}; return store }
	runOver(t, recovery.Config{}, wrap, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		unverified := f.user(eve, false)
		for address, owner := range map[string]string{ada: id, eve: "", nobody: ""} {
			challenge := f.challenge(address)
			for try := range 6 {
				_, err := f.recovery.LoginByCode(t.Context(), challenge, "no code")
				is(t, err, recovery.ErrInvalidToken, "a wrong code")
				r := store.record
				switch {
				case try == 5:
					if kindOf(r.Key) != "spare" || r.Owner != "" {
						t.Errorf("a sixth try for %s writes %s with the owner %q, want a spare record without one", address, r.Key, r.Owner)
					}
				case kindOf(r.Key) != "code":
					t.Errorf("try %d for %s writes %s, want the record of the challenge", try+1, address, r.Key)
				case owner != "" && r.Owner != owner:
					t.Errorf("the code of %s belongs to %q, want %q", address, r.Owner, owner)
				case len(r.Owner) != len(id) || owner == "" && (r.Owner == id || r.Owner == unverified):
					t.Errorf("the challenge for %s belongs to %q, want an ID of nobody", address, r.Owner)
				}
			}
		}
	})
}
