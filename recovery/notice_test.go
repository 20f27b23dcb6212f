package recovery_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// toldOf are the kinds of notice that hosts may send.
var toldOf = []recovery.Kind{
	recovery.KindPasswordReset, recovery.KindPasswordChanged, recovery.KindFactorAdded, recovery.KindFactorRemoved,
	recovery.KindRecoveryCodes, recovery.KindChangeAsked, recovery.KindChanged, recovery.KindDeleted, recovery.KindNewDevice,
	recovery.KindKeyCreated, recovery.KindKeyRolled,
}

// TestInform: a notice goes to the verified address of its user, and says when it happened and from
// where. A client that has hung up does not hide what it did.
func TestInform(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		gone, cancel := context.WithCancel(auth.WithDevice(t.Context(), network(7)))
		cancel()
		for _, kind := range toldOf {
			is(t, f.recovery.Inform(gone, id, kind), nil, string(kind))
			m := f.onlyMessage(kind, ada)
			if m.UserID != id || m.Link+m.Code != "" || !m.Time.Equal(time.Now()) || m.IP != network(7).IP {
				t.Errorf("%s: sent %v of %v from %v", kind, m, m.Time, m.IP)
			}
		}
		// It goes to the address of that time, also if a thief changes that at once.
		is(t, f.recovery.Inform(gone, id, recovery.KindPasswordChanged), nil, "a notice")
		is(t, f.addresses.ReplaceAddress(t.Context(), id, ada, "thief@example.com", true), nil, "another address")
		f.onlyMessage(recovery.KindPasswordChanged, ada)
		for _, kind := range []recovery.Kind{recovery.KindReset, recovery.KindVerify, recovery.KindChange, recovery.KindLogin, recovery.KindCode, "", "x"} {
			if err := f.recovery.Inform(t.Context(), id, kind); err == nil {
				t.Errorf("%q was sent as a notice", kind)
			}
		}
		unverified := f.user(eve, false)
		without, err := f.accounts.Register(t.Context(), "without", password)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{unverified, without.ID, "nobody", ""} {
			is(t, f.recovery.Inform(t.Context(), id, recovery.KindFactorAdded), nil, "a user without a verified address")
		}
		f.sentNothing("without a verified address")
	})
}

// TestNoticesNeedAProvenAddress: whoever registers with the address of somebody else fills no mailbox
// there by what happens to the account.
func TestNoticesNeedAProvenAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		for range 3 {
			id := f.user(ada, false)
			is(t, f.recovery.ChangeAddress(t.Context(), f.change(ada, eve), password), nil, "a change")
			f.sentNothing("to the address before, which nobody has proven")
			is(t, f.recovery.DeleteAccount(t.Context(), id, password), nil, "the deletion")
			f.onlyMessage(recovery.KindDeleted, eve) // proven by the change
			id = f.user(ada, false)
			is(t, f.recovery.DeleteAccount(t.Context(), id, password), nil, "the deletion")
			f.sentNothing("about the deletion of an account whose address nobody has proven")
			time.Sleep(time.Hour)
		}
	})
}

// TestNoticesAreBounded: of one kind an address gets 20 notices in a day, and then one an hour. Other
// kinds and other addresses have counts of their own.
func TestNoticesAreBounded(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id, other := f.user(ada, true), f.user(eve, true)
		inform := func(n int, id string, kind recovery.Kind) (sent int) {
			for range n {
				is(t, f.recovery.Inform(t.Context(), id, kind), nil, "a notice")
			}
			return len(f.outbox.take())
		}
		if sent := inform(100, id, recovery.KindNewDevice); sent != 20 {
			t.Errorf("of 100 notices at once %d were sent, want 20", sent)
		}
		for hour := range 23 {
			time.Sleep(time.Hour)
			if sent := inform(10, id, recovery.KindNewDevice); sent != 1 {
				t.Errorf("in hour %d, %d of 10 notices were sent, want 1", hour+1, sent)
			}
		}
		if sent := inform(30, id, recovery.KindFactorRemoved) + inform(30, other, recovery.KindNewDevice); sent != 40 {
			t.Errorf("of 30 notices of another kind, and 30 to another address, %d were sent, want 40", sent)
		}
		time.Sleep(24 * time.Hour)
		if sent := inform(30, id, recovery.KindNewDevice); sent != 20 {
			t.Errorf("a day later %d of 30 notices were sent, want 20", sent)
		}
	})
}

// outage is an Addresses, or a RecordStore, that can be down.
type outage struct {
	auth.RecordStore
	*recovery.MemoryAddresses
	down atomic.Bool
}

var errDown = errors.New("the store is down")

func (o *outage) Address(ctx context.Context, userID string) (string, bool, error) {
	if o.down.Load() {
		return "", false, errDown
	}
	return o.MemoryAddresses.Address(ctx, userID)
}

func (o *outage) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	if o.down.Load() {
		return auth.Record{}, time.Time{}, errDown
	}
	return o.RecordStore.Record(ctx, key)
}

// TestNoticesOutliveOutages: a notice is sent when the address can be loaded again, with the time of what
// it is about, and without a count if counts cannot be kept.
func TestNoticesOutliveOutages(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		addresses, records := &outage{MemoryAddresses: f.addresses}, &outage{RecordStore: f.records}
		r, err := recovery.New(f.accounts, addresses, records, f.outbox, recovery.Config{BaseURL: "https://app.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		for name, row := range map[string]struct {
			down  *outage
			waits bool
		}{"addresses": {addresses, true}, "records": {records, false}} {
			row.down.down.Store(true)
			at := time.Now()
			is(t, r.Inform(t.Context(), id, recovery.KindPasswordChanged), nil, name)
			if row.waits {
				f.sentNothing("while the address is unknown")
				time.Sleep(10 * time.Minute)
				row.down.down.Store(false)
				time.Sleep(20 * time.Minute)
			}
			if m := f.onlyMessage(recovery.KindPasswordChanged, ada); !m.Time.Equal(at) {
				t.Errorf("%s: the notice is about %v, want %v", name, m.Time, at)
			}
			row.down.down.Store(false)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAddressChangeEndsSessions: a change of address ends the other sessions, unless the host keeps
// them. The session that requested it lives on.
func TestAddressChangeEndsSessions(t *testing.T) {
	for name, keep := range map[string]bool{"by default": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
				cfg := recovery.Config{BaseURL: "https://app.example.com/account/"}
				f.open(auth.Config{DangerouslyKeepSessions: keep}, cfg)
				id := f.user(ada, true)
				login := func() auth.Tokens {
					t.Helper()
					in, err := f.accounts.Login(t.Context(), "user-of-"+ada, password)
					if err != nil {
						t.Fatal(err)
					}
					return in
				}
				other, asking, eves := login(), login(), f.user(eve, true)
				request := func(ctx context.Context, to string) string {
					t.Helper()
					is(t, f.recovery.RequestAddressChange(ctx, id, password, to), nil, "the request")
					sent := f.outbox.take()
					return token(t, sent[len(sent)-1])
				}
				alive := func(want ...string) {
					t.Helper()
					list, err := f.accounts.Sessions(t.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					var got []string
					for _, s := range list {
						got = append(got, s.ID)
					}
					slices.Sort(want)
					if slices.Sort(got); !slices.Equal(got, want) {
						t.Errorf("the sessions %q are alive, want %q", got, want)
					}
				}
				mine, others := asking.Principal.SessionID(), other.Principal.SessionID()

				link := request(auth.NewContext(t.Context(), asking.Principal), "new@example.com")
				alive(mine, others) // nothing has changed yet
				is(t, f.recovery.ChangeAddress(t.Context(), link, "wrong"), recovery.ErrPasswordNeeded, "a wrong password")
				alive(mine, others)
				is(t, f.recovery.ChangeAddress(t.Context(), link, password), nil, "the change")
				if keep {
					alive(mine, others)
					return
				}
				alive(mine)

				// The session of another user keeps none of this one, and neither does a call without one.
				time.Sleep(time.Hour)
				in, err := f.accounts.LoginUser(t.Context(), eves, "otp")
				if err != nil {
					t.Fatal(err)
				}
				for _, ctx := range []context.Context{auth.NewContext(t.Context(), in.Principal), t.Context()} {
					login()
					is(t, f.recovery.ChangeAddress(t.Context(), request(ctx, rename()), password), nil, "another change")
					alive()
					time.Sleep(time.Hour)
				}
			})
		})
	}
}

// rename returns another address each time.
func rename() string { return time.Now().Format("150405") + "@example.com" }

// endless is a SessionStore that ends no sessions while err is not nil.
type endless struct {
	auth.SessionStore
	err error
}

func (b *endless) DeleteUserSessions(ctx context.Context, userID, except string, at, until time.Time) error {
	if b.err != nil {
		return b.err
	}
	return b.SessionStore.DeleteUserSessions(ctx, userID, except, at, until)
}

// TestAddressStaysWithTheSessions: if the sessions cannot be ended, the address does not change, and the
// link can be used again.
func TestAddressStaysWithTheSessions(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		sessions := &endless{SessionStore: f.store}
		f.open(auth.Config{Sessions: sessions}, recovery.Config{BaseURL: "https://app.example.com/account/"})
		id := f.user(ada, true)
		link := f.change(ada, eve)
		sessions.err = errors.New("the store is down")
		if err := f.recovery.ChangeAddress(t.Context(), link, password); !errors.Is(err, sessions.err) || auth.HTTPStatus(err) != 500 {
			t.Errorf("while no session can be ended: %v", err)
		}
		if address, _, _ := f.addresses.Address(t.Context(), id); address != ada {
			t.Errorf("the address is %s", address)
		}
		f.sentNothing("about a change that failed")
		sessions.err = nil
		is(t, f.recovery.ChangeAddress(t.Context(), link, password), nil, "the link after the outage")
	})
}
