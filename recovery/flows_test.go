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
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		id := w.user(ada, false)
		before, err := w.accounts.Login(t.Context(), "user-of-"+ada, password)
		if err != nil {
			t.Fatal(err)
		}
		m := w.asks(recovery.KindReset, ada)
		if m.Life != 30*time.Minute || m.UserID != id || m.Code != "" {
			t.Errorf("sent %+v of life %v", m, m.Life)
		}
		link := token(t, m)

		// A password that breaks a rule leaves the link good.
		_, weak := errors.AsType[*passwords.Error](w.recovery.Reset(t.Context(), link, "short"))
		if !weak {
			t.Error("a short password was not refused for what it is")
		}
		if !w.logsIn(ada, password) {
			t.Error("the password has changed already")
		}
		logins := len(w.told(auth.EventLogin))
		if err := w.recovery.Reset(t.Context(), link, another); err != nil {
			t.Fatal(err)
		}
		w.one(recovery.KindPasswordReset, ada)
		if w.logsIn(ada, password) || !w.logsIn(ada, another) {
			t.Error("the password has not changed")
		}
		if got := len(w.told(auth.EventLogin)); got != logins+1 {
			t.Errorf("%d logins, where the test made one", got-logins)
		}
		if _, err := w.accounts.Refresh(t.Context(), before.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
			t.Errorf("a session outlived the reset: %v", err)
		}
		if _, verified, _ := w.addresses.Address(t.Context(), id); !verified {
			t.Error("who used the link has the mailbox: the address is not verified")
		}
		is(t, w.recovery.Reset(t.Context(), link, password), recovery.ErrInvalidToken, "a used link")
		for _, kind := range []auth.EventKind{auth.EventResetAsked, auth.EventResetUsed, auth.EventAddressVerified} {
			if told := w.told(kind); len(told) != 1 || told[0].UserID != id || told[0].Err != nil {
				t.Errorf("%s: %v", kind, told)
			}
		}
	})
}

// hooked is a RecordStore after whose next deletion something happens.
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

// A link that was good a moment ago does not undo what its owner has done since.
func TestResetLate(t *testing.T) {
	for name, row := range map[string]struct {
		change func(w *world, id string) error
		then   string // the password that logs in; empty: none
	}{
		"changed":  {func(w *world, id string) error { return w.accounts.SetPassword(w.t.Context(), id, "battery staple") }, "battery staple"},
		"disabled": {func(w *world, id string) error { return w.accounts.Disable(w.t.Context(), id) }, ""},
		"deleted":  {func(w *world, id string) error { return w.accounts.Delete(w.t.Context(), id) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var h *hooked
			wrap := func(s auth.RecordStore) auth.RecordStore { h = &hooked{RecordStore: s}; return h }
			runOver(t, recovery.Config{}, wrap, func(t *testing.T, w *world) {
				id := w.user(ada, true)
				link := token(t, w.asks(recovery.KindReset, ada))
				h.then = func() {
					if err := row.change(w, id); err != nil {
						t.Error(err)
					}
				}
				is(t, w.recovery.Reset(t.Context(), link, another), recovery.ErrInvalidToken, "a reset")
				if w.logsIn(ada, another) || row.then != "" && !w.logsIn(ada, row.then) {
					t.Error("the link has given the account its password")
				}
				is(t, w.recovery.Reset(t.Context(), link, another), recovery.ErrInvalidToken, "the link again")
			})
		})
	}
}

// TestOneUse has fifty use one token at once.
func TestOneUse(t *testing.T) {
	t.Parallel()
	type use func(w *world) func(i int) error
	for name, prepare := range map[string]use{
		"Reset": func(w *world) func(int) error {
			link := token(w.t, w.asks(recovery.KindReset, ada))
			return func(i int) error {
				return w.recovery.Reset(w.t.Context(), link, another+strings.Repeat("!", i))
			}
		},
		"LoginByLink": func(w *world) func(int) error {
			link := token(w.t, w.asks(recovery.KindLogin, ada))
			return func(int) error { _, err := w.recovery.LoginByLink(w.t.Context(), link); return err }
		},
		"ChangeAddress": func(w *world) func(int) error {
			link := w.change(ada, "new@example.com")
			return func(int) error { return w.recovery.ChangeAddress(w.t.Context(), link) }
		},
		"VerifyAddress": func(w *world) func(int) error {
			w.user(eve, false)
			link := token(w.t, w.asks(recovery.KindVerify, eve))
			return func(int) error { return w.recovery.VerifyAddress(w.t.Context(), link) }
		},
		"LoginByCode": func(w *world) func(int) error {
			challenge, code := w.code(ada)
			return func(int) error { _, err := w.recovery.LoginByCode(w.t.Context(), challenge, code); return err }
		},
	} {
		t.Run(name, func(t *testing.T) {
			runOver(t, recovery.Config{}, slow, func(t *testing.T, w *world) {
				w.user(ada, true)
				one := prepare(w)
				var good atomic.Int32
				var all sync.WaitGroup
				for i := range 50 {
					all.Go(func() {
						switch err := one(i); {
						case err == nil:
							good.Add(1)
						case !errors.Is(err, recovery.ErrInvalidToken) && !errors.Is(err, auth.ErrBusy):
							t.Error(err)
						}
					})
				}
				all.Wait()
				if n := good.Load(); n != 1 {
					t.Errorf("of 50 uses %d succeeded", n)
				}
			})
		})
	}
}

// change asks for a new address and returns the link's token.
func (w *world) change(from, to string) string {
	w.t.Helper()
	id, err := w.addresses.UserByAddress(w.t.Context(), from)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.recovery.RequestAddressChange(w.t.Context(), id, password, to); err != nil {
		w.t.Fatal(err)
	}
	sent := w.outbox.take()
	if len(sent) != 2 || sent[0].Kind != recovery.KindChangeAsked || sent[0].To != from || sent[1].Kind != recovery.KindChange || sent[1].To != to {
		w.t.Fatalf("sent %v", sent)
	}
	if sent[0].Link+sent[0].Code != "" {
		w.t.Error("the old address got the link")
	}
	return token(w.t, sent[1])
}

// TestLinksDie holds that every kind of link and code is void after each change, and
// when its time is over.
func TestLinksDie(t *testing.T) {
	t.Parallel()
	kinds := map[string]struct {
		life     time.Duration
		unproven bool
		ask      func(w *world) (use func() error)
	}{
		"reset": {30 * time.Minute, false, func(w *world) func() error {
			link := token(w.t, w.asks(recovery.KindReset, ada))
			return func() error { return w.recovery.Reset(w.t.Context(), link, another) }
		}},
		"verify": {24 * time.Hour, true, func(w *world) func() error {
			link := token(w.t, w.asks(recovery.KindVerify, ada))
			return func() error { return w.recovery.VerifyAddress(w.t.Context(), link) }
		}},
		"change": {24 * time.Hour, false, func(w *world) func() error {
			link := w.change(ada, "new@example.com")
			return func() error { return w.recovery.ChangeAddress(w.t.Context(), link) }
		}},
		"login": {15 * time.Minute, false, func(w *world) func() error {
			link := token(w.t, w.asks(recovery.KindLogin, ada))
			return func() error { _, err := w.recovery.LoginByLink(w.t.Context(), link); return err }
		}},
		"code": {10 * time.Minute, false, func(w *world) func() error {
			challenge, code := w.code(ada)
			return func() error { _, err := w.recovery.LoginByCode(w.t.Context(), challenge, code); return err }
		}},
	}
	deaths := map[string]struct {
		lives  bool
		happen func(w *world, id string, life time.Duration) error
	}{
		"nothing":     {true, func(*world, string, time.Duration) error { return nil }},
		"just before": {true, func(_ *world, _ string, life time.Duration) error { time.Sleep(life - time.Millisecond); return nil }},
		"expired":     {false, func(_ *world, _ string, life time.Duration) error { time.Sleep(life); return nil }},
		"password": {false, func(w *world, id string, _ time.Duration) error {
			_, err := w.accounts.ChangePassword(w.t.Context(), id, password, another)
			return err
		}},
		"address": {false, func(w *world, id string, _ time.Duration) error {
			return w.addresses.ReplaceAddress(w.t.Context(), id, ada, "moved@example.com", true)
		}},
		"disabled": {false, func(w *world, id string, _ time.Duration) error { return w.accounts.Disable(w.t.Context(), id) }},
		"deleted":  {false, func(w *world, id string, _ time.Duration) error { return w.accounts.Delete(w.t.Context(), id) }},
	}
	for kind, k := range kinds {
		for death, d := range deaths {
			t.Run(kind+"/"+death, func(t *testing.T) {
				run(t, recovery.Config{}, func(t *testing.T, w *world) {
					id := w.user(ada, !k.unproven)
					use := k.ask(w)
					if err := d.happen(w, id, k.life); err != nil {
						t.Fatal(err)
					}
					want := recovery.ErrInvalidToken
					if d.lives {
						want = nil
					}
					is(t, use(), want, kind+" after "+death)
				})
			})
		}
	}
}

func TestNewerLinkVoidsOlder(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		older := token(t, w.asks(recovery.KindReset, ada))
		time.Sleep(time.Minute)
		newer := token(t, w.asks(recovery.KindReset, ada))
		is(t, w.recovery.Reset(t.Context(), older, another), recovery.ErrInvalidToken, "the older link")
		is(t, w.recovery.Reset(t.Context(), newer, another), nil, "the newer link")
	})
}

// TestPurpose holds that a link is good for nothing else than what it was sent for.
func TestPurpose(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		w.user(eve, false)
		uses := map[recovery.Kind]func(string) error{
			recovery.KindReset:  func(s string) error { return w.recovery.Reset(t.Context(), s, another) },
			recovery.KindVerify: func(s string) error { return w.recovery.VerifyAddress(t.Context(), s) },
			recovery.KindChange: func(s string) error { return w.recovery.ChangeAddress(t.Context(), s) },
			recovery.KindLogin:  func(s string) error { _, err := w.recovery.LoginByLink(t.Context(), s); return err },
			recovery.KindCode:   func(s string) error { _, err := w.recovery.LoginByCode(t.Context(), s, "000000"); return err },
		}
		// All kinds are there at once, so that each finds a record of its own.
		links := map[recovery.Kind]string{
			recovery.KindReset:  token(t, w.asks(recovery.KindReset, ada)),
			recovery.KindLogin:  token(t, w.asks(recovery.KindLogin, ada)),
			recovery.KindChange: w.change(ada, "new@example.com"),
			recovery.KindVerify: token(t, w.asks(recovery.KindVerify, eve)),
		}
		for of, link := range links {
			for as, use := range uses {
				if of != as {
					is(t, use(link), recovery.ErrInvalidToken, string(of)+" used as "+string(as))
				}
			}
		}
		for _, kind := range []recovery.Kind{recovery.KindVerify, recovery.KindLogin, recovery.KindReset} {
			is(t, uses[kind](links[kind]), nil, string(kind))
		}
	})
}

func TestVerifyAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		u, err := w.accounts.Register(t.Context(), "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.recovery.AddAddress(t.Context(), u.ID, "Ada@Example.COM"); err != nil {
			t.Fatal(err)
		}
		link := token(t, w.one(recovery.KindVerify, ada))
		if _, verified, _ := w.addresses.Address(t.Context(), u.ID); verified {
			t.Error("verified without the link")
		}
		is(t, w.recovery.VerifyAddress(t.Context(), link), nil, "the link")
		if address, verified, _ := w.addresses.Address(t.Context(), u.ID); address != ada || !verified {
			t.Errorf("the address is %s, verified: %t", address, verified)
		}
		time.Sleep(time.Hour)
		is(t, w.recovery.RequestVerification(t.Context(), ada), nil, "asking again")
		w.nothing("to who is verified")
		if n := len(w.told(auth.EventLogin)); n != 0 {
			t.Errorf("%d logins", n)
		}
		is(t, w.recovery.AddAddress(t.Context(), u.ID, eve), auth.ErrConflict, "a second address")
		is(t, w.recovery.AddAddress(t.Context(), "another", ada), auth.ErrUserExists, "another's address")
		is(t, w.recovery.AddAddress(t.Context(), "another", "no address"), recovery.ErrInvalidAddress, "no address")
	})
}

func TestChangeAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		id := w.user(ada, true)
		is(t, w.recovery.RequestAddressChange(t.Context(), id, "not the password", eve), auth.ErrInvalidCredentials, "a wrong password")
		is(t, w.recovery.RequestAddressChange(t.Context(), id, password, "no address"), recovery.ErrInvalidAddress, "no address")
		w.nothing("for a wrong password or address")

		link := w.change(ada, eve)
		if address, _, _ := w.addresses.Address(t.Context(), id); address != ada {
			t.Errorf("the address was changed to %s before it was confirmed", address)
		}
		is(t, w.recovery.ChangeAddress(t.Context(), link), nil, "the link")
		w.one(recovery.KindChanged, ada)
		if address, verified, _ := w.addresses.Address(t.Context(), id); address != eve || !verified {
			t.Errorf("the address is %s, verified: %t", address, verified)
		}
		if len(w.told(auth.EventAddressChangeAsked)) != 1 || len(w.told(auth.EventAddressChanged)) != 1 {
			t.Error("the events are missing")
		}
	})
}

// TestChangeToTakenAddress holds that who asks for another's address learns nothing.
func TestChangeToTakenAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		id := w.user(ada, true)
		w.user(eve, true)
		is(t, w.recovery.RequestAddressChange(t.Context(), id, password, eve), nil, "another's address")
		w.one(recovery.KindChangeAsked, ada)

		// One that is taken while the link is on its way.
		link := w.changeLater(id, "free@example.com")
		w.user("free@example.com", false)
		is(t, w.recovery.ChangeAddress(t.Context(), link), auth.ErrUserExists, "an address taken meanwhile")
		if address, _, _ := w.addresses.Address(t.Context(), id); address != ada {
			t.Errorf("the address is %s", address)
		}
	})
}

func (w *world) changeLater(id, to string) string {
	w.t.Helper()
	time.Sleep(time.Hour)
	if err := w.recovery.RequestAddressChange(w.t.Context(), id, password, to); err != nil {
		w.t.Fatal(err)
	}
	sent := w.outbox.take()
	return token(w.t, sent[len(sent)-1])
}

// TestChangeWithoutOldMailbox holds that an address that takes no mail can be left.
func TestChangeWithoutOldMailbox(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		u, err := w.accounts.Register(t.Context(), "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		is(t, w.recovery.RequestAddressChange(t.Context(), u.ID, password, ada), nil, "a first address")
		is(t, w.recovery.ChangeAddress(t.Context(), token(t, w.one(recovery.KindChange, ada))), nil, "the link")
		w.nothing("to an old address where there was none")
	})
}

func TestDeleteAccount(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		id := w.user(ada, true)
		tokens, err := w.accounts.Login(t.Context(), "user-of-"+ada, password)
		if err != nil {
			t.Fatal(err)
		}
		is(t, w.recovery.DeleteAccount(t.Context(), id, "not the password"), auth.ErrInvalidCredentials, "a wrong password")
		if !w.logsIn(ada, password) {
			t.Fatal("the account is gone")
		}
		is(t, w.recovery.DeleteAccount(t.Context(), id, password), nil, "the password")
		w.one(recovery.KindDeleted, ada)
		if w.logsIn(ada, password) {
			t.Error("the account is still there")
		}
		_, err = w.accounts.Refresh(t.Context(), tokens.RefreshToken)
		is(t, err, auth.ErrInvalidGrant, "its session")
		_, err = w.addresses.UserByAddress(t.Context(), ada)
		is(t, err, auth.ErrUserNotFound, "its address")
	})
}

// TestStoreOutage holds that what cannot be decided is no wrong link, and uses none up.
func TestStoreOutage(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		link := token(t, w.asks(recovery.KindReset, ada))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		err := w.recovery.Reset(ended, link, another)
		if !errors.Is(err, context.Canceled) || errors.Is(err, recovery.ErrInvalidToken) {
			t.Errorf("a store that does not answer: %v", err)
		}
		is(t, w.recovery.Reset(t.Context(), link, another), nil, "the link afterwards")
	})
}

// frailAddresses changes no address while it has an err.
type frailAddresses struct {
	*recovery.MemoryAddresses
	err error
}

func (f *frailAddresses) ReplaceAddress(ctx context.Context, userID, old, replacement string, verified bool) error {
	if f.err != nil {
		return f.err
	}
	return f.MemoryAddresses.ReplaceAddress(ctx, userID, old, replacement, verified)
}

// A link is good again if what it is for could not be written.
func TestAddressesThatBreak(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		w.user(eve, false)
		verify, change := token(t, w.asks(recovery.KindVerify, eve)), w.change(ada, "new@example.com")
		frail := &frailAddresses{MemoryAddresses: w.addresses}
		r, err := recovery.New(w.accounts, frail, w.records, w.outbox, recovery.Config{BaseURL: "https://app.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		for what, use := range map[string]func() error{
			"verify": func() error { return r.VerifyAddress(t.Context(), verify) },
			"change": func() error { return r.ChangeAddress(t.Context(), change) },
		} {
			frail.err = errors.New("the disk is full")
			if err := use(); !errors.Is(err, frail.err) || auth.HTTPStatus(err) != 500 {
				t.Errorf("%s: %v", what, err)
			}
			frail.err = nil
			is(t, use(), nil, what+" afterwards")
			is(t, use(), recovery.ErrInvalidToken, what+" again")
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
