package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// withSessions returns an Authenticator that has all there is, its store, and a
// user of it.
func withSessions(t *testing.T, cfg auth.Config) (*auth.Authenticator, *memstore.Store, auth.User) {
	t.Helper()
	store := memstore.New()
	cfg.Sessions, cfg.Accounts, cfg.RefreshKeys = store, store, testkit.Secrets(t)
	a := newAuthenticator(t, store, cfg)
	u, err := a.Register(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	return a, store, u
}

func TestConfirmPassword(t *testing.T) {
	t.Parallel()
	a, store, u := withSessions(t, auth.Config{})
	ctx := t.Context()
	for name, row := range map[string]struct {
		id, password string
		want         error
	}{
		"right":      {u.ID, password, nil},
		"wrong":      {u.ID, password + "x", auth.ErrInvalidCredentials},
		"none":       {u.ID, "", auth.ErrInvalidCredentials},
		"NUL":        {u.ID, password + "\x00", auth.ErrInvalidCredentials},
		"nobody":     {"nobody", password, auth.ErrInvalidCredentials},
		"a megabyte": {u.ID, strings.Repeat("x", 1<<20), auth.ErrInvalidCredentials},
	} {
		if err := a.ConfirmPassword(ctx, row.id, row.password); err != row.want {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
	if err := store.SetDisabled(ctx, u.ID, true); err != nil {
		t.Fatal(err)
	}
	if err := a.ConfirmPassword(ctx, u.ID, password); err != auth.ErrInvalidCredentials {
		t.Errorf("disabled: %v", err)
	}
}

func TestSetPassword(t *testing.T) {
	t.Parallel()
	a, _, u := withSessions(t, auth.Config{})
	ctx := t.Context()
	tokens, err := a.Login(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*passwords.Error](a.SetPassword(ctx, u.ID, "short")); !ok {
		t.Error("a short password was set")
	}
	if err := a.SetPassword(ctx, "nobody", "battery staple"); err != auth.ErrUserNotFound {
		t.Errorf("nobody's password: %v", err)
	}
	if err := a.SetPassword(ctx, u.ID, "battery staple"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Refresh(ctx, tokens.RefreshToken); err != auth.ErrInvalidGrant {
		t.Errorf("a session has survived: %v", err)
	}
	if _, err := a.Login(ctx, "ada", password); err != auth.ErrInvalidCredentials {
		t.Errorf("the old password: %v", err)
	}
	if _, err := a.Login(ctx, "ada", "battery staple"); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

// A reset is for the password that it was asked for, and for an account that may log
// in.
func TestResetPassword(t *testing.T) {
	t.Parallel()
	a, store, u := withSessions(t, auth.Config{})
	ctx := t.Context()
	mark, err := a.Fingerprint(ctx, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.SetDisabled(ctx, u.ID, true); err != nil {
		t.Fatal(err)
	}
	if err := a.ResetPassword(ctx, u.ID, mark, "battery staple"); err != auth.ErrConflict {
		t.Errorf("disabled: %v", err)
	}
	if err := store.SetDisabled(ctx, u.ID, false); err != nil {
		t.Fatal(err)
	}
	if err := a.ResetPassword(ctx, u.ID, mark, "battery staple"); err != nil {
		t.Fatal(err)
	}
	if err := a.ResetPassword(ctx, u.ID, mark, "another staple"); err != auth.ErrConflict {
		t.Errorf("for the password before: %v", err)
	}
	if _, err := a.Login(ctx, "ada", "battery staple"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if err := a.ResetPassword(ctx, "nobody", mark, "battery staple"); err != auth.ErrUserNotFound {
		t.Errorf("nobody's: %v", err)
	}
}

// A login that the host vouches for has what it says in amr, also after a refresh.
func TestLoginUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, store, u := withSessions(t, auth.Config{})
		ctx := t.Context()
		tokens, err := a.LoginUser(ctx, u.ID, "hwk", "user")
		if err != nil {
			t.Fatal(err)
		}
		began := tokens.Principal.AuthTime()
		for range 3 {
			if amr := tokens.Principal.AMR(); !slices.Equal(amr, []string{"hwk", "user"}) {
				t.Errorf("amr %q", amr)
			}
			if at := tokens.Principal.AuthTime(); !at.Equal(began) {
				t.Errorf("auth_time %v, want %v", at, began)
			}
			time.Sleep(time.Minute)
			if tokens, err = a.Refresh(ctx, tokens.RefreshToken); err != nil {
				t.Fatal(err)
			}
		}
		for name, amr := range map[string][]string{
			"none": nil, "an empty word": {""}, "a space": {"pwd otp"}, "a quote": {`"`}, "too long": {strings.Repeat("x", 129)}, "too many": strings.Split(strings.Repeat("xxxx ", 27)+"x", " "),
		} {
			if _, err := a.LoginUser(ctx, u.ID, amr...); err == nil || auth.HTTPStatus(err) != 500 {
				t.Errorf("amr with %s: %v", name, err)
			}
		}
		if _, err := a.LoginUser(ctx, u.ID, strings.Repeat("x", 128)); err != nil {
			t.Errorf("the longest amr: %v", err)
		}
		if _, err := a.LoginUser(ctx, "nobody", "pwd"); err != auth.ErrInvalidCredentials {
			t.Errorf("nobody: %v", err)
		}
		if err := store.SetDisabled(ctx, u.ID, true); err != nil {
			t.Fatal(err)
		}
		if _, err := a.LoginUser(ctx, u.ID, "pwd"); err != auth.ErrInvalidCredentials {
			t.Errorf("disabled: %v", err)
		}
		if _, err := newAuthenticator(t, store, auth.Config{}).LoginUser(ctx, u.ID, "pwd"); err != auth.ErrInvalidCredentials {
			t.Errorf("disabled, without sessions: %v", err)
		}
	})
}

// undying is a store that neither lists nor ends sessions while it has an err.
type undying struct {
	*memstore.Store
	err error
}

func (u *undying) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	if u.err != nil {
		return u.err
	}
	return u.Store.DeleteUserSessions(ctx, userID, except, issuedAt, expiry)
}

func (u *undying) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	if u.err != nil {
		return nil, u.err
	}
	return u.Store.Sessions(ctx, userID)
}

// An account is not deleted while the store of its sessions is down: the user can ask again.
func TestDeleteThatFails(t *testing.T) {
	t.Parallel()
	store := &undying{Store: memstore.New(), err: errors.New("down")}
	a := newAuthenticator(t, store.Store, auth.Config{Sessions: store, Accounts: store, RefreshKeys: testkit.Secrets(t)})
	u, err := a.Register(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Delete(t.Context(), u.ID); !errors.Is(err, store.err) || auth.HTTPStatus(err) != 500 {
		t.Errorf("Delete: %v", err)
	}
	if err := a.ConfirmPassword(t.Context(), u.ID, password); err != nil {
		t.Errorf("the account after it: %v", err)
	}
	store.err = nil
	if err := a.Delete(t.Context(), u.ID); err != nil {
		t.Error(err)
	}
}

func TestDisableAndDelete(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var kinds []auth.EventKind
	a, _, u := withSessions(t, auth.Config{Events: func(_ context.Context, e auth.Event) {
		mu.Lock()
		defer mu.Unlock()
		kinds = append(kinds, e.Kind)
	}})
	ctx := t.Context()
	for name, do := range map[string]func(context.Context, string) error{"Disable": a.Disable, "Enable": a.Enable, "Delete": a.Delete} {
		if err := do(ctx, "nobody"); err != auth.ErrUserNotFound {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
	login := func(want error) auth.Tokens {
		t.Helper()
		tokens, err := a.Login(ctx, "ada", password)
		if err != want {
			t.Fatalf("Login: %v, want %v", err, want)
		}
		return tokens
	}
	ended := func(tokens auth.Tokens) {
		t.Helper()
		if _, err := a.Refresh(ctx, tokens.RefreshToken); err != auth.ErrInvalidGrant {
			t.Errorf("a session has survived: %v", err)
		}
		if list, err := a.Sessions(ctx, u.ID); err != nil || len(list) > 0 {
			t.Errorf("sessions %v, %v", list, err)
		}
	}
	tokens := login(nil)
	for range 2 {
		if err := a.Disable(ctx, u.ID); err != nil {
			t.Fatal(err)
		}
		ended(tokens)
		login(auth.ErrInvalidCredentials)
		if _, err := a.Fingerprint(ctx, u.ID); err != auth.ErrInvalidCredentials {
			t.Errorf("Fingerprint of a disabled account: %v", err)
		}
	}
	if err := a.Enable(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	tokens = login(nil)
	if err := a.Delete(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	ended(tokens)
	login(auth.ErrInvalidCredentials)
	for _, want := range []auth.EventKind{auth.EventDisabled, auth.EventEnabled, auth.EventDeleted} {
		if !slices.Contains(kinds, want) {
			t.Errorf("no event %s in %v", want, kinds)
		}
	}

	without := newAuthenticator(t, nil, auth.Config{})
	if err := without.Disable(ctx, u.ID); err == nil || auth.HTTPStatus(err) != 500 {
		t.Errorf("Disable without Config.Accounts: %v", err)
	}
}

// noted is a Throttle that notes what it is told.
type noted struct {
	mu    sync.Mutex
	calls []string
	begin error
	after error

	during func() // unless nil: called by Begin
}

func (n *noted) note(call string, a auth.Attempt) {
	n.mu.Lock()
	defer n.mu.Unlock()
	line := fmt.Sprintf("%s %s %s %s", call, a.Username, a.Device.IP, string(a.Device.Known))
	if a.Target != "" {
		line += " at " + a.Target
	}
	if a.Proven {
		line += " proven"
	}
	n.calls = append(n.calls, line)
}

func (n *noted) Begin(_ context.Context, a auth.Attempt) error {
	n.note("begin", a)
	if n.during != nil {
		n.during()
	}
	return n.begin
}
func (n *noted) Succeed(_ context.Context, a auth.Attempt) (auth.DeviceToken, error) {
	n.note("succeed", a)
	return "device", n.after
}
func (n *noted) Undo(ctx context.Context, a auth.Attempt) error {
	n.note("undo", a)
	return errors.Join(ctx.Err(), n.after)
}
func (n *noted) Forget(ctx context.Context, username string, targets ...string) error {
	n.note("forget", auth.Attempt{Username: username, Target: strings.Join(targets, ", ")})
	return errors.Join(ctx.Err(), n.after)
}

// The throttle is asked before any hashing, with the canonical name whoever has it,
// and is told how it went.
func TestThrottleIsAsked(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	throttle, w := new(noted), new(workHasher)
	a := newAuthenticator(t, nil, auth.Config{Throttle: throttle, Hasher: w})
	u, err := a.Register(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	from := auth.WithDevice(ctx, auth.Device{IP: netip.MustParseAddr("192.0.2.7"), Known: "k"})
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(throttle.calls, want) {
			t.Errorf("told %q, want %q", throttle.calls, want)
		}
		throttle.calls = nil
	}
	tokens, err := a.Login(from, "ADA", password)
	if err != nil || tokens.DeviceToken != "device" {
		t.Errorf("%v, device token %q", err, string(tokens.DeviceToken))
	}
	expect("begin ada 192.0.2.7 k", "succeed ada 192.0.2.7 k")
	_, err = a.Login(from, "ada", "wrong password")
	if err != auth.ErrInvalidCredentials {
		t.Error(err)
	}
	expect("begin ada 192.0.2.7 k")
	if _, err = a.Login(ctx, "no body", password); err != auth.ErrInvalidCredentials {
		t.Error(err)
	}
	expect("begin no body invalid IP ")
	if err := a.ConfirmPassword(ctx, u.ID, password); err != nil {
		t.Error(err)
	}
	expect("begin ada invalid IP ", "succeed ada invalid IP ")
	if _, err := a.ChangePassword(ctx, u.ID, "wrong password", "battery staple"); err != auth.ErrInvalidCredentials {
		t.Error(err)
	}
	expect("begin ada invalid IP ")

	// What was never decided is not held against anybody, nor does the throttle's
	// own fault after the fact stop a login.
	over, cancel := context.WithCancel(ctx)
	throttle.after = errors.New("down")
	w.since()
	throttle.during = cancel
	if _, err := a.Login(over, "ada", password); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	expect("begin ada invalid IP ", "undo ada invalid IP ")
	throttle.during = nil
	if _, err := a.Login(over, "ada", password); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	expect() // an ended context ends a call before it begins
	if _, err := a.Login(ctx, "ada", password); err != nil {
		t.Error(err)
	}
	expect("begin ada invalid IP ", "succeed ada invalid IP ")

	w.since()
	throttle.begin = &auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Minute}
	for _, name := range []string{"ada", "nobody"} {
		_, err := a.Login(ctx, name, password)
		if retry, ok := errors.AsType[*auth.RetryError](err); !ok || retry.After != time.Minute || auth.HTTPStatus(err) != 429 {
			t.Errorf("%s: %v", name, err)
		}
	}
	throttle.begin = errors.New("down")
	if _, err := a.Login(ctx, "ada", password); err == nil || auth.HTTPStatus(err) != 500 {
		t.Errorf("with a throttle that is down: %v", err)
	}
	if work := w.since(); len(work) > 0 {
		t.Errorf("the password was looked at: %v", work)
	}
}

// What can be guessed is asked of the throttle first, whoever it is for, and what
// cannot be is refused by none.
func TestLoginUserIf(t *testing.T) {
	t.Parallel()
	throttle, ctx := new(noted), t.Context()
	var events []auth.Event
	a, store, u := withSessions(t, auth.Config{Throttle: throttle, Events: func(_ context.Context, e auth.Event) { events = append(events, e) }})
	from := auth.WithDevice(ctx, auth.Device{IP: netip.MustParseAddr("192.0.2.7"), Known: "k"})
	wrong, down := fmt.Errorf("code: %w", auth.ErrInvalidCredentials), errors.New("down")
	refused := &auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Minute}
	const ada, target, nobody = " ada 192.0.2.7 k at code", "code", " code 192.0.2.7 k at code"
	for _, row := range []struct {
		name, id            string
		begin, proven, want error
		told                string
	}{
		{"right", u.ID, nil, nil, nil, "begin" + ada + ", succeed" + ada},
		{"wrong", u.ID, nil, wrong, wrong, "begin" + ada},
		{"undecided", u.ID, nil, down, down, "begin" + ada + ", undo" + ada},
		{"throttled", u.ID, refused, nil, refused, "begin" + ada},
		{"nobody, wrong", "nobody", nil, wrong, wrong, "begin" + nobody},
		{"nobody, right", "nobody", nil, nil, auth.ErrInvalidCredentials, "begin" + nobody},
		{"nobody, throttled", "nobody", refused, nil, refused, "begin" + nobody},
		{"no ID, wrong", "", nil, wrong, wrong, "begin" + nobody},
		{"no ID, right", "", nil, nil, auth.ErrInvalidCredentials, "begin" + nobody},
		{"no ID, throttled", "", refused, nil, refused, "begin" + nobody},
	} {
		throttle.calls, throttle.begin, events = nil, row.begin, nil
		called := false
		tokens, err := a.LoginUserIf(from, row.id, target, func(context.Context) error { called = true; return row.proven }, "otp")
		if !errors.Is(err, row.want) || (err == nil) != (row.want == nil) || called != (row.begin == nil) {
			t.Errorf("%s: %v, called: %t", row.name, err, called)
		}
		if in := row.want == nil; in != (tokens.RefreshToken != "") || in != (tokens.DeviceToken == "device") {
			t.Errorf("%s: %v", row.name, tokens.Principal)
		}
		if got := strings.Join(throttle.calls, ", "); got != row.told {
			t.Errorf("%s: the throttle was told %q, want %q", row.name, got, row.told)
		}
		if row.proven == down && len(events) > 0 {
			t.Errorf("%s: the events are %v", row.name, events)
		}
		if row.proven == wrong && (len(events) != 1 || events[0].Kind != auth.EventLoginFailed || events[0].Err != wrong || (events[0].UserID == u.ID) != (row.id == u.ID)) {
			t.Errorf("%s: the events are %v", row.name, events)
		}
	}
	right := func(context.Context) error { return nil }
	throttle.begin = nil
	if _, err := a.LoginUserIf(ctx, u.ID, target, right); err == nil || auth.HTTPStatus(err) != 500 {
		t.Errorf("without amr: %v", err)
	}
	// Nothing is left to guess: the device is known all the same, where it can be.
	const at = " ada 192.0.2.7 k proven"
	for _, row := range []struct {
		begin error
		told  string
		known auth.DeviceToken
	}{
		{nil, "begin" + at + ", succeed" + at, "device"}, {refused, "begin" + at, ""}, {down, "begin" + at, ""},
	} {
		throttle.calls, throttle.begin = nil, row.begin
		tokens, err := a.LoginUser(from, u.ID, "otp")
		if got := strings.Join(throttle.calls, ", "); err != nil || tokens.RefreshToken == "" || tokens.DeviceToken != row.known || got != row.told {
			t.Errorf("LoginUser where the throttle says %v: %v, device %q, told %q", row.begin, err, string(tokens.DeviceToken), got)
		}
		// So is that of an owner who has proven it without logging in.
		throttle.calls = nil
		known, err := a.MarkDeviceKnown(from, u.ID)
		if got := strings.Join(throttle.calls, ", "); err != nil || known != row.known || got != row.told {
			t.Errorf("MarkDeviceKnown where the throttle says %v: %v, device %q, told %q", row.begin, err, string(known), got)
		}
	}
	if known, err := a.MarkDeviceKnown(from, "nobody"); known != "" || err != auth.ErrInvalidCredentials {
		t.Errorf("MarkDeviceKnown of nobody: %v, device %q", err, string(known))
	}
	if err := store.SetDisabled(ctx, u.ID, true); err != nil {
		t.Fatal(err)
	}
	throttle.calls, throttle.begin = nil, nil
	if known, err := a.MarkDeviceKnown(from, u.ID); known != "" || err != auth.ErrInvalidCredentials || len(throttle.calls) > 0 {
		t.Errorf("MarkDeviceKnown, disabled: %v, device %q, told %q", err, string(known), throttle.calls)
	}
	if _, err := a.LoginUserIf(ctx, u.ID, target, right, "otp"); err != auth.ErrInvalidCredentials {
		t.Errorf("disabled: %v", err)
	}
	if _, err := a.LoginUser(from, u.ID, "otp"); err != auth.ErrInvalidCredentials || len(throttle.calls) != 1 {
		t.Errorf("disabled: %v, the throttle was told %q", err, throttle.calls)
	}
}

// integers is a store whose table has IDs of another type than text.
type integers struct {
	*memstore.Store
	asked []string
}

func (s *integers) UserByID(ctx context.Context, id string) (auth.User, error) {
	s.asked = append(s.asked, "ID "+id)
	if _, err := strconv.Atoi(id); err != nil {
		return auth.User{}, err
	}
	return s.Store.UserByID(ctx, id)
}

func (s *integers) UserByUsername(ctx context.Context, name string) (auth.User, error) {
	s.asked = append(s.asked, "name "+name)
	return s.Store.UserByUsername(ctx, name)
}

// Nobody is looked up once, as others are, and not by an ID that no table can hold;
// nor is nobody who has the target's name.
func TestLoginUserIfOfNobody(t *testing.T) {
	t.Parallel()
	store := &integers{Store: memstore.New()}
	a := newAuthenticator(t, store, auth.Config{NewUserID: func(context.Context) (string, error) { return "1", nil }})
	if _, err := a.Register(t.Context(), "code", password); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"": "name code", "2": "ID 2"} {
		store.asked = nil
		_, err := a.LoginUserIf(t.Context(), id, "code", func(context.Context) error { return nil }, "otp")
		if err != auth.ErrInvalidCredentials || len(store.asked) != 1 || store.asked[0] != want {
			t.Errorf("%q: %v after %q", id, err, store.asked)
		}
	}
}

// No verb shows a device token.
func TestDeviceTokenIsHidden(t *testing.T) {
	t.Parallel()
	d := auth.Device{Known: "s3cr3t"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{d, &d, auth.Attempt{Device: d}, auth.Event{Device: d}, d.Known} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "s3cr3t") || strings.Contains(s, "733363") {
				t.Errorf("%s prints %s", verb, s)
			}
		}
	}
	var logged bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(h).Info("x", "device", d, "pointer", &d, "session", auth.Session{Device: d}, "event", auth.Event{Device: d}, "token", d.Known)
	}
	asJSON, err := json.Marshal([]any{d, auth.Session{Device: d}})
	if err != nil {
		t.Fatal(err)
	}
	if s := logged.String() + string(asJSON); strings.Contains(s, "s3cr3t") {
		t.Errorf("logged or marshalled as %s", s)
	}
}

// silentSessions is a store that stops to answer after some calls.
type silentSessions struct {
	*memstore.Store
	answers int
}

func (s *silentSessions) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	if s.answers--; s.answers < 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Store.DeleteUserSessions(ctx, userID, except, issuedAt, expiry)
}

// What is done to the end though its client is gone ends though the store is, too.
func TestSilentStoreHoldsNobody(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		answers int
		call    func(context.Context, *auth.Authenticator, string) error
	}{
		"Disable": {0, func(ctx context.Context, a *auth.Authenticator, id string) error { return a.Disable(ctx, id) }},
		"Delete":  {0, func(ctx context.Context, a *auth.Authenticator, id string) error { return a.Delete(ctx, id) }},
		"SetPassword": {0, func(ctx context.Context, a *auth.Authenticator, id string) error {
			return a.SetPassword(ctx, id, "battery staple")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &silentSessions{memstore.New(), row.answers}
				a := newAuthenticator(t, store, auth.Config{Sessions: store, Accounts: store, RefreshKeys: testkit.Secrets(t)})
				u, err := a.Register(t.Context(), "ada", password)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := row.call(ctx, a, u.ID); auth.HTTPStatus(err) != 503 || time.Since(began) > 10*time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// forgetful is a RecordStore that fails to delete the records of an owner as long as err is not nil.
type forgetful struct {
	auth.RecordStore
	err error
}

func (f *forgetful) DeleteRecords(ctx context.Context, owner string) error {
	if f.err != nil {
		return f.err
	}
	return f.RecordStore.DeleteRecords(ctx, owner)
}

// TestDeleteForgets: Delete deletes the records that the user owns, also without a second factor and
// also when it is repeated because that failed, and has the throttle forget the account.
func TestDeleteForgets(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store, limits := memstore.New(), new(noted)
	records := &forgetful{RecordStore: store, err: errors.New("down")}
	var deleted int
	a := newAuthenticator(t, store, auth.Config{Accounts: store, Records: records, Throttle: limits, Events: func(_ context.Context, e auth.Event) {
		if e.Kind == auth.EventDeleted {
			deleted++
		}
	}})
	u, err := a.Register(ctx, "Ada", password)
	if err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{u.ID, "bob", ""} {
		if err := store.ReplaceRecord(ctx, 0, auth.Record{Key: "of:" + owner, Owner: owner, Version: 1}); err != nil {
			t.Fatal(err)
		}
	}
	limits.after = errors.New("down")
	if err := a.Delete(ctx, u.ID); !errors.Is(err, limits.after) {
		t.Errorf("Delete while the throttle is down: %v", err)
	}
	if _, err := store.UserByID(ctx, u.ID); err != nil {
		t.Errorf("the account that the throttle did not forget: %v", err)
	}
	limits.calls, limits.after = nil, nil
	if err := a.Delete(ctx, u.ID); !errors.Is(err, records.err) || deleted != 0 {
		t.Errorf("Delete while records are down: %v, with %d events", err, deleted)
	}
	forget := "forget ada invalid IP  at mfa " + u.ID // before the account is deleted, and after
	if want := []string{forget, forget}; !slices.Equal(limits.calls, want) {
		t.Errorf("the throttle was told %q, want %q", limits.calls, want)
	}
	records.err = nil
	if err := a.Delete(ctx, u.ID); err != auth.ErrUserNotFound {
		t.Errorf("Delete again: %v, want %v", err, auth.ErrUserNotFound)
	}
	for owner, want := range map[string]int{u.ID: 0, "bob": 1} {
		if list, err := store.Records(ctx, owner); err != nil || len(list) != want {
			t.Errorf("%q owns %d records, %v, want %d", owner, len(list), err, want)
		}
	}
	if r, _, err := store.Record(ctx, "of:"); err != nil || r.Version == 0 {
		t.Errorf("the record of nobody: %+v, %v", r, err)
	}
	if err := a.Delete(ctx, ""); err != auth.ErrUserNotFound {
		t.Errorf("Delete of an empty ID: %v", err)
	}
}
