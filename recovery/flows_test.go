package recovery_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/recovery"
)

func TestReset(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, false)
		before, err := f.accounts.Login(t.Context(), "user-of-"+ada, password)
		if err != nil {
			t.Fatal(err)
		}
		m := f.asks(recovery.KindReset, ada)
		if m.Life != 30*time.Minute || m.UserID != id || m.Code != "" {
			t.Errorf("sent %+v of life %v", m, m.Life)
		}
		link := token(t, m)

		// After a password that breaks a rule, the link can still be used.
		_, weak := errors.AsType[*passwords.Error](f.reset(t.Context(), link, "short"))
		if !weak {
			t.Error("a short password was not refused with a passwords.Error")
		}
		if !f.logsIn(ada, password) {
			t.Error("the password was changed although it breaks a rule")
		}
		logins := len(f.emitted(auth.EventLogin))
		if err := f.reset(t.Context(), link, another); err != nil {
			t.Fatal(err)
		}
		f.onlyMessage(recovery.KindPasswordReset, ada)
		if f.logsIn(ada, password) || !f.logsIn(ada, another) {
			t.Error("the password has not changed")
		}
		if got := len(f.emitted(auth.EventLogin)); got != logins+1 {
			t.Errorf("%d logins, want 1, which the test made: Reset must log nobody in", got-logins)
		}
		if _, err := f.accounts.Refresh(t.Context(), before.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
			t.Errorf("a session outlived the reset: %v", err)
		}
		if _, verified, _ := f.addresses.Address(t.Context(), id); !verified {
			t.Error("the address is not verified, although a link to it was used")
		}
		is(t, f.reset(t.Context(), link, password), recovery.ErrInvalidToken, "a used link")
		for _, kind := range []auth.EventKind{auth.EventResetAsked, auth.EventResetUsed, auth.EventAddressVerified} {
			if events := f.emitted(kind); len(events) != 1 || events[0].UserID != id || events[0].Err != nil {
				t.Errorf("%s: emitted %v, want one event of the user", kind, events)
			}
		}
	})
}

// hooked is a RecordStore that calls then after the next deletion of a record.
type hooked struct {
	auth.RecordStore
	then func()
}

func (h *hooked) DeleteRecord(ctx context.Context, key string, version int64) error {
	err := h.RecordStore.DeleteRecord(ctx, key, version)
	if then := h.then; then != nil {
		h.then = nil
		then()
	}
	return err
}

// If the account changes while its link is being used, the link does not override that change.
func TestResetLate(t *testing.T) {
	for name, row := range map[string]struct {
		change func(f *fixture, id string) error
		then   string // password that logs in afterwards; empty: none
	}{
		"changed":  {func(f *fixture, id string) error { return f.accounts.SetPassword(f.t.Context(), id, "battery staple") }, "battery staple"},
		"disabled": {func(f *fixture, id string) error { return f.accounts.Disable(f.t.Context(), id) }, ""},
		"deleted":  {func(f *fixture, id string) error { return f.accounts.Delete(f.t.Context(), id) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var h *hooked
			wrap := func(s auth.RecordStore) auth.RecordStore { h = &hooked{RecordStore: s}; return h }
			runOver(t, recovery.Config{}, wrap, func(t *testing.T, f *fixture) {
				id := f.user(ada, true)
				link := token(t, f.asks(recovery.KindReset, ada))
				h.then = func() {
					if err := row.change(f, id); err != nil {
						t.Error(err)
					}
				}
				is(t, f.reset(t.Context(), link, another), recovery.ErrInvalidToken, "a reset")
				if f.logsIn(ada, another) || row.then != "" && !f.logsIn(ada, row.then) {
					t.Error("the link has set the password, or the change before it was lost")
				}
				is(t, f.reset(t.Context(), link, another), recovery.ErrInvalidToken, "the link again")
			})
		})
	}
}

// TestOneUse: of fifty concurrent uses of one token, one succeeds.
func TestOneUse(t *testing.T) {
	t.Parallel()
	type use func(f *fixture) func(i int) error
	for name, prepare := range map[string]use{
		"Reset": func(f *fixture) func(int) error {
			link := token(f.t, f.asks(recovery.KindReset, ada))
			return func(i int) error {
				return f.reset(f.t.Context(), link, another+strings.Repeat("!", i))
			}
		},
		"LoginByLink": func(f *fixture) func(int) error {
			link := token(f.t, f.asks(recovery.KindLogin, ada))
			return func(int) error { _, err := f.recovery.LoginByLink(f.t.Context(), link); return err }
		},
		"LoginByRequestedLink": func(f *fixture) func(int) error {
			_, link, _ := f.requestLogin(browser)
			return func(int) error {
				_, err := f.recovery.LoginByRequestedLink(f.t.Context(), browser, link)
				return err
			}
		},
		"LoginByRequestedLink and LoginByCode": func(f *fixture) func(int) error {
			challenge, link, code := f.requestLogin(browser)
			return func(i int) (err error) {
				if i%2 == 0 {
					_, err = f.recovery.LoginByRequestedLink(f.t.Context(), browser, link)
				} else {
					_, err = f.recovery.LoginByCode(f.t.Context(), challenge, code)
				}
				return err
			}
		},
		"ChangeAddress": func(f *fixture) func(int) error {
			link := f.change(ada, "new@example.com")
			return func(int) error { return f.recovery.ChangeAddress(f.t.Context(), link, password) }
		},
		"VerifyAddress": func(f *fixture) func(int) error {
			f.user(eve, false)
			link := token(f.t, f.asks(recovery.KindVerify, eve))
			return func(int) error { return f.recovery.VerifyAddress(f.t.Context(), link, password) }
		},
		"LoginByCode": func(f *fixture) func(int) error {
			challenge, code := f.code(ada)
			return func(int) error { _, err := f.recovery.LoginByCode(f.t.Context(), challenge, code); return err }
		},
	} {
		t.Run(name, func(t *testing.T) {
			runOver(t, recovery.Config{}, slow, func(t *testing.T, f *fixture) {
				f.user(ada, true)
				use := prepare(f)
				var succeeded atomic.Int32
				var uses sync.WaitGroup
				for i := range 50 {
					uses.Go(func() {
						switch err := use(i); {
						case err == nil:
							succeeded.Add(1)
						case !errors.Is(err, recovery.ErrInvalidToken) && !errors.Is(err, auth.ErrBusy):
							t.Error(err)
						}
					})
				}
				uses.Wait()
				if n := succeeded.Load(); n != 1 {
					t.Errorf("%d of 50 uses succeeded, want 1", n)
				}
			})
		})
	}
}

// change requests a change of address and returns the token of its link. The present address is
// informed if it is verified.
func (f *fixture) change(from, to string) string {
	f.t.Helper()
	id, err := f.addresses.UserByAddress(f.t.Context(), from)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.recovery.RequestAddressChange(f.t.Context(), id, password, to); err != nil {
		f.t.Fatal(err)
	}
	sent := f.outbox.take()
	if _, verified, _ := f.addresses.Address(f.t.Context(), id); !verified {
		if len(sent) != 1 || sent[0].Kind != recovery.KindChange || sent[0].To != to {
			f.t.Fatalf("sent %v, want a link to %s alone", sent, to)
		}
		return token(f.t, sent[0])
	}
	if len(sent) != 2 || sent[0].Kind != recovery.KindChangeAsked || sent[0].To != from ||
		sent[1].Kind != recovery.KindChange || sent[1].To != to {
		f.t.Fatalf("sent %v, want a message to %s and a link to %s", sent, from, to)
	}
	if sent[0].Link+sent[0].Code != "" {
		f.t.Error("the link was also sent to the old address")
	}
	return token(f.t, sent[1])
}

// TestLinksBecomeInvalid: every kind of link and code is invalid after each change of the account, and
// when its time is over.
func TestLinksBecomeInvalid(t *testing.T) {
	t.Parallel()
	kinds := map[string]struct {
		life       time.Duration
		unverified bool
		request    func(f *fixture) (use func() error)
	}{
		"reset": {30 * time.Minute, false, func(f *fixture) func() error {
			link := token(f.t, f.asks(recovery.KindReset, ada))
			return func() error { return f.reset(f.t.Context(), link, another) }
		}},
		"verify": {24 * time.Hour, true, func(f *fixture) func() error {
			link := token(f.t, f.asks(recovery.KindVerify, ada))
			return func() error { return f.recovery.VerifyAddress(f.t.Context(), link, password) }
		}},
		"change": {24 * time.Hour, false, func(f *fixture) func() error {
			link := f.change(ada, "new@example.com")
			return func() error { return f.recovery.ChangeAddress(f.t.Context(), link, password) }
		}},
		"login": {15 * time.Minute, false, func(f *fixture) func() error {
			link := token(f.t, f.asks(recovery.KindLogin, ada))
			return func() error { _, err := f.recovery.LoginByLink(f.t.Context(), link); return err }
		}},
		"requested link": {10 * time.Minute, false, func(f *fixture) func() error {
			_, link, _ := f.requestLogin(browser)
			return func() error { _, err := f.recovery.LoginByRequestedLink(f.t.Context(), browser, link); return err }
		}},
		"requested code": {10 * time.Minute, false, func(f *fixture) func() error {
			challenge, _, code := f.requestLogin(browser)
			return func() error { _, err := f.recovery.LoginByCode(f.t.Context(), challenge, code); return err }
		}},
		"code": {10 * time.Minute, false, func(f *fixture) func() error {
			challenge, code := f.code(ada)
			return func() error { _, err := f.recovery.LoginByCode(f.t.Context(), challenge, code); return err }
		}},
	}
	causes := map[string]struct {
		valid  bool
		happen func(f *fixture, id string, life time.Duration) error
	}{
		"nothing":     {true, func(*fixture, string, time.Duration) error { return nil }},
		"just before": {true, func(_ *fixture, _ string, life time.Duration) error { time.Sleep(life - time.Millisecond); return nil }},
		"expired":     {false, func(_ *fixture, _ string, life time.Duration) error { time.Sleep(life); return nil }},
		"password": {false, func(f *fixture, id string, _ time.Duration) error {
			_, err := f.accounts.ChangePassword(f.t.Context(), id, password, another)
			return err
		}},
		"address": {false, func(f *fixture, id string, _ time.Duration) error {
			return f.addresses.ReplaceAddress(f.t.Context(), id, ada, "moved@example.com", true)
		}},
		"disabled": {false, func(f *fixture, id string, _ time.Duration) error { return f.accounts.Disable(f.t.Context(), id) }},
		"deleted":  {false, func(f *fixture, id string, _ time.Duration) error { return f.accounts.Delete(f.t.Context(), id) }},
	}
	for kind, k := range kinds {
		for cause, c := range causes {
			t.Run(kind+"/"+cause, func(t *testing.T) {
				run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
					id := f.user(ada, !k.unverified)
					use := k.request(f)
					if err := c.happen(f, id, k.life); err != nil {
						t.Fatal(err)
					}
					want := recovery.ErrInvalidToken
					if c.valid {
						want = nil
					}
					is(t, use(), want, kind+" after "+cause)
				})
			})
		}
	}
}

// TestNewerLinkReplacesOlder: a link becomes invalid when a newer one is sent.
func TestNewerLinkReplacesOlder(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		older := token(t, f.asks(recovery.KindReset, ada))
		time.Sleep(time.Minute)
		newer := token(t, f.asks(recovery.KindReset, ada))
		is(t, f.reset(t.Context(), older, another), recovery.ErrInvalidToken, "the older link")
		is(t, f.reset(t.Context(), newer, another), nil, "the newer link")
	})
}

// TestPurpose: a link is valid only for the purpose that it was sent for.
func TestPurpose(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		f.user(eve, false)
		uses := map[recovery.Kind]func(string) error{
			recovery.KindReset:  func(s string) error { return f.reset(t.Context(), s, another) },
			recovery.KindVerify: func(s string) error { return f.recovery.VerifyAddress(t.Context(), s, password) },
			recovery.KindChange: func(s string) error { return f.recovery.ChangeAddress(t.Context(), s, password) },
			recovery.KindLogin:  func(s string) error { _, err := f.recovery.LoginByLink(t.Context(), s); return err },
			recovery.KindCode:   func(s string) error { _, err := f.recovery.LoginByCode(t.Context(), s, "000000"); return err },
		}
		// Every kind of link is issued first, so that each use finds a record of its kind.
		links := map[recovery.Kind]string{
			recovery.KindReset:  token(t, f.asks(recovery.KindReset, ada)),
			recovery.KindLogin:  token(t, f.asks(recovery.KindLogin, ada)),
			recovery.KindChange: f.change(ada, "new@example.com"),
			recovery.KindVerify: token(t, f.asks(recovery.KindVerify, eve)),
		}
		for issued, link := range links {
			for kind, use := range uses {
				if issued != kind {
					is(t, use(link), recovery.ErrInvalidToken, string(issued)+" used as "+string(kind))
				}
			}
		}
		for _, kind := range []recovery.Kind{recovery.KindVerify, recovery.KindLogin, recovery.KindReset} {
			is(t, uses[kind](links[kind]), nil, string(kind))
		}
	})
}

func TestVerifyAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		u, err := f.accounts.Register(t.Context(), "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.recovery.AddAddress(t.Context(), u.ID, "Ada@Example.COM"); err != nil {
			t.Fatal(err)
		}
		link := token(t, f.onlyMessage(recovery.KindVerify, ada))
		if _, verified, _ := f.addresses.Address(t.Context(), u.ID); verified {
			t.Error("the address is verified before the link was used")
		}
		is(t, f.recovery.VerifyAddress(t.Context(), link, password), nil, "the link")
		if address, verified, _ := f.addresses.Address(t.Context(), u.ID); address != ada || !verified {
			t.Errorf("the address is %s, verified: %t", address, verified)
		}
		time.Sleep(time.Hour)
		is(t, f.recovery.RequestVerification(t.Context(), ada), nil, "asking again")
		f.sentNothing("to an address that is verified")
		if n := len(f.emitted(auth.EventLogin)); n != 0 {
			t.Errorf("%d logins, want none", n)
		}
		is(t, f.recovery.AddAddress(t.Context(), u.ID, eve), auth.ErrConflict, "a second address")
		is(t, f.recovery.AddAddress(t.Context(), "another", ada), auth.ErrUserExists, "the address of another user")
		is(t, f.recovery.AddAddress(t.Context(), "another", "no address"), recovery.ErrInvalidAddress, "no address")
	})
}

func TestChangeAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		is(t, f.recovery.RequestAddressChange(t.Context(), id, "not the password", eve), auth.ErrInvalidCredentials, "a wrong password")
		is(t, f.recovery.RequestAddressChange(t.Context(), id, password, "no address"), recovery.ErrInvalidAddress, "no address")
		f.sentNothing("for a wrong password or address")

		link := f.change(ada, eve)
		if address, _, _ := f.addresses.Address(t.Context(), id); address != ada {
			t.Errorf("the address was changed to %s before it was confirmed", address)
		}
		is(t, f.recovery.ChangeAddress(t.Context(), link, password), nil, "the link")
		f.onlyMessage(recovery.KindChanged, ada)
		if address, verified, _ := f.addresses.Address(t.Context(), id); address != eve || !verified {
			t.Errorf("the address is %s, verified: %t", address, verified)
		}
		if len(f.emitted(auth.EventAddressChangeAsked)) != 1 || len(f.emitted(auth.EventAddressChanged)) != 1 {
			t.Error("the request and the change must each emit one event")
		}
	})
}

// TestChangeToTakenAddress: a request does not reveal that the new address belongs to an account.
func TestChangeToTakenAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		f.user(eve, true)
		is(t, f.recovery.RequestAddressChange(t.Context(), id, password, eve), nil, "the address of another user")
		f.onlyMessage(recovery.KindChangeAsked, ada)

		// Another user takes the address between the request and the use of the link.
		link := f.changeLater(id, "free@example.com")
		f.user("free@example.com", false)
		is(t, f.recovery.ChangeAddress(t.Context(), link, password), auth.ErrUserExists, "an address that was taken meanwhile")
		if address, _, _ := f.addresses.Address(t.Context(), id); address != ada {
			t.Errorf("the address is %s", address)
		}
	})
}

// changeLater requests another change of address after an hour and returns the token of its link.
func (f *fixture) changeLater(id, to string) string {
	f.t.Helper()
	time.Sleep(time.Hour)
	if err := f.recovery.RequestAddressChange(f.t.Context(), id, password, to); err != nil {
		f.t.Fatal(err)
	}
	sent := f.outbox.take()
	return token(f.t, sent[len(sent)-1])
}

// TestChangeWithoutOldAddress: a user without an address can request one.
func TestChangeWithoutOldAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		u, err := f.accounts.Register(t.Context(), "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		is(t, f.recovery.RequestAddressChange(t.Context(), u.ID, password, ada), nil, "a first address")
		is(t, f.recovery.ChangeAddress(t.Context(), token(t, f.onlyMessage(recovery.KindChange, ada)), password), nil, "the link")
		f.sentNothing("to an old address, which the user does not have")
	})
}

func TestDeleteAccount(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		tokens, err := f.accounts.Login(t.Context(), "user-of-"+ada, password)
		if err != nil {
			t.Fatal(err)
		}
		is(t, f.recovery.DeleteAccount(t.Context(), id, "not the password"), auth.ErrInvalidCredentials, "a wrong password")
		if !f.logsIn(ada, password) {
			t.Fatal("the account cannot log in after a wrong password for DeleteAccount")
		}
		is(t, f.recovery.DeleteAccount(t.Context(), id, password), nil, "the password")
		f.onlyMessage(recovery.KindDeleted, ada)
		if f.logsIn(ada, password) {
			t.Error("the deleted account can log in")
		}
		_, err = f.accounts.Refresh(t.Context(), tokens.RefreshToken)
		is(t, err, auth.ErrInvalidGrant, "the session of the deleted account")
		_, err = f.addresses.UserByAddress(t.Context(), ada)
		is(t, err, auth.ErrUserNotFound, "the address of the deleted account")
	})
}

// TestStoreOutage: an infrastructure failure does not use a link up, and is not ErrInvalidToken.
func TestStoreOutage(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		link := token(t, f.asks(recovery.KindReset, ada))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		err := f.reset(ended, link, another)
		if !errors.Is(err, context.Canceled) || errors.Is(err, recovery.ErrInvalidToken) {
			t.Errorf("Reset with a context that has ended: %v, want context.Canceled", err)
		}
		is(t, f.reset(t.Context(), link, another), nil, "the link after the outage")
	})
}

// brokenAddresses is an Addresses that changes no address while err is not nil.
type brokenAddresses struct {
	*recovery.MemoryAddresses
	err error
}

func (b *brokenAddresses) ReplaceAddress(ctx context.Context, userID, old, replacement string, verified bool) error {
	if b.err != nil {
		return b.err
	}
	return b.MemoryAddresses.ReplaceAddress(ctx, userID, old, replacement, verified)
}

// A link can be used again if the address could not be written.
func TestBrokenAddresses(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		f.user(eve, false)
		verify, change := token(t, f.asks(recovery.KindVerify, eve)), f.change(ada, "new@example.com")
		broken := &brokenAddresses{MemoryAddresses: f.addresses}
		r, err := recovery.New(f.accounts, broken, f.records, f.outbox, recovery.Config{BaseURL: "https://app.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		for what, use := range map[string]func() error{
			"verify": func() error { return r.VerifyAddress(t.Context(), verify, password) },
			"change": func() error { return r.ChangeAddress(t.Context(), change, password) },
		} {
			broken.err = errors.New("the disk is full")
			if err := use(); !errors.Is(err, broken.err) || auth.HTTPStatus(err) != 500 {
				t.Errorf("%s with addresses that fail: %v, want %v and a 500", what, err, broken.err)
			}
			broken.err = nil
			is(t, use(), nil, what+" after the failure")
			is(t, use(), recovery.ErrInvalidToken, what+" a second time")
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
