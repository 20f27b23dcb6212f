package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// codes is a SecondFactor whose users have codes, each good for one use.
type codes struct {
	mu    sync.Mutex
	users map[string][]string
	tried int
	fails error
}

func (c *codes) Required(_ context.Context, userID string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, has := c.users[userID]
	return has, c.fails
}

func (c *codes) Prove(_ context.Context, userID, code string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried++
	i := slices.Index(c.users[userID], code)
	if i < 0 || c.fails != nil {
		return nil, errors.Join(c.fails, auth.ErrInvalidCredentials)
	}
	c.users[userID] = slices.Delete(c.users[userID], i, i+1)
	return []string{"otp"}, nil
}

// withCodes returns an Authenticator whose user ada has codes, and bob none.
func withCodes(t *testing.T, cfg auth.Config, list ...string) (*auth.Authenticator, *codes, auth.User) {
	t.Helper()
	second := &codes{users: make(map[string][]string)}
	cfg.SecondFactor, cfg.Records = second, memstore.New()
	if cfg.Throttle == nil {
		cfg.Throttle = new(noted)
	}
	a, _, u := withSessions(t, cfg)
	second.users[u.ID] = list
	if _, err := a.Register(t.Context(), "bob", password); err != nil {
		t.Fatal(err)
	}
	return a, second, u
}

// mfaToken returns the token of a login that waits.
func mfaToken(t *testing.T, tokens auth.Tokens, err error) string {
	t.Helper()
	waits, ok := errors.AsType[*auth.MFARequiredError](err)
	if !ok || tokens.AccessToken != "" || tokens.RefreshToken != "" {
		t.Fatalf("no login that waits for a second factor: %v", err)
	}
	if waits.ExpiresIn != 5*time.Minute || len(waits.Token) < 26 {
		t.Errorf("token of %d characters for %v", len(waits.Token), waits.ExpiresIn)
	}
	return waits.Token
}

func login(t *testing.T, a *auth.Authenticator) string {
	t.Helper()
	tokens, err := a.Login(t.Context(), "ada", password)
	return mfaToken(t, tokens, err)
}

// A login by the password alone that began before a second factor was enrolled leaves no session when
// the others were ended while it ran: it waits for the factor.
func TestLoginOvertakenByEnrolment(t *testing.T) {
	t.Parallel()
	second := &codes{users: map[string][]string{}}
	h := newHouse(t, auth.Config{SecondFactor: second, Records: memstore.New(), Throttle: new(noted)})
	h.sessions.before = func(method string) error {
		if method == "CreateSession" {
			h.sessions.before = nil
			second.mu.Lock()
			second.users[h.user.ID] = []string{"1"}
			second.mu.Unlock()
			return h.EndOtherSessions(t.Context(), h.user.ID, "")
		}
		return nil
	}
	tokens, err := h.Login(t.Context(), "ada", password)
	if token := mfaToken(t, tokens, err); h.open(t) != 0 {
		t.Errorf("%d sessions before the second factor", h.open(t))
	} else if _, err := h.LoginMFA(t.Context(), token, "1"); err != nil {
		t.Error(err)
	}
}

func TestMFA(t *testing.T) {
	t.Parallel()
	a, _, u := withCodes(t, auth.Config{}, "1", "2")
	ctx := t.Context()
	if _, err := a.Login(ctx, "ada", "wrong password"); err != auth.ErrInvalidCredentials {
		t.Errorf("a wrong password: %v", err)
	}
	if tokens, err := a.Login(ctx, "bob", password); err != nil || tokens.AccessToken == "" {
		t.Errorf("who has no second factor: %v", err)
	}
	token := login(t, a)
	if list, err := a.Sessions(ctx, u.ID); err != nil || len(list) != 0 {
		t.Errorf("a session before the second factor: %v, %v", list, err)
	}
	tokens, err := a.LoginMFA(ctx, token, "1")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if p := tokens.Principal; !slices.Equal(p.AMR(), []string{"pwd", "otp", "mfa"}) || p.ACR() != "mfa" {
			t.Errorf("amr %q, acr %q", p.AMR(), p.ACR())
		}
		if tokens, err = a.Refresh(ctx, tokens.RefreshToken); err != nil {
			t.Fatal(err)
		}
	}
	for name, row := range map[string]struct{ token, code string }{
		"used":      {token, "2"},
		"no token":  {"", "2"},
		"made up":   {strings.Repeat("A", 26), "2"},
		"a code":    {login(t, a), "1"},
		"no code":   {login(t, a), ""},
		"much":      {login(t, a), strings.Repeat("1", 1<<20)},
		"of a bear": {tokens.AccessToken, "2"},
	} {
		if _, err := a.LoginMFA(ctx, row.token, row.code); err != auth.ErrInvalidCredentials {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The host says how; without "mfa" that is one factor.
	tokens, err = a.LoginUser(ctx, u.ID, "email")
	if tokens, err = a.LoginMFA(ctx, mfaToken(t, tokens, err), "2"); err != nil || !slices.Equal(tokens.Principal.AMR(), []string{"email", "otp", "mfa"}) {
		t.Errorf("a link and a code: %v", err)
	}
	if _, err := a.LoginUser(ctx, u.ID, "hwk", "mfa"); err != nil {
		t.Errorf("two factors by the host's word: %v", err)
	}
	// A changed password gives no session that the second factor did not see.
	tokens, err = a.ChangePassword(ctx, u.ID, password, "battery staple")
	mfaToken(t, tokens, err)
	if _, err := a.Login(ctx, "ada", password); err != auth.ErrInvalidCredentials {
		t.Errorf("the old password: %v", err)
	}
	tokens, err = a.Login(ctx, "ada", "battery staple")
	mfaToken(t, tokens, err)
}

// A login waits for five codes and five minutes, for one account and one password.
func TestMFAEnds(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		before func(*testing.T, *auth.Authenticator, *codes, auth.User, string)
		want   error
	}{
		"4 wrong": {func(t *testing.T, a *auth.Authenticator, _ *codes, _ auth.User, token string) {
			for range 4 {
				if _, err := a.LoginMFA(t.Context(), token, "x"); err != auth.ErrInvalidCredentials {
					t.Error(err)
				}
			}
		}, nil},
		"5 wrong": {func(t *testing.T, a *auth.Authenticator, second *codes, _ auth.User, token string) {
			for range 50 {
				if _, err := a.LoginMFA(t.Context(), token, "x"); err != auth.ErrInvalidCredentials {
					t.Error(err)
				}
			}
			if second.tried != 5 {
				t.Errorf("%d codes were looked at", second.tried)
			}
		}, auth.ErrInvalidCredentials},
		"5 minutes less": {func(*testing.T, *auth.Authenticator, *codes, auth.User, string) {
			time.Sleep(5*time.Minute - time.Second)
		}, nil},
		"5 minutes": {func(*testing.T, *auth.Authenticator, *codes, auth.User, string) {
			time.Sleep(5 * time.Minute)
		}, auth.ErrInvalidCredentials},
		"another password": {func(t *testing.T, a *auth.Authenticator, _ *codes, u auth.User, _ string) {
			if err := a.SetPassword(t.Context(), u.ID, "battery staple"); err != nil {
				t.Error(err)
			}
		}, auth.ErrInvalidCredentials},
		"disabled": {func(t *testing.T, a *auth.Authenticator, _ *codes, u auth.User, _ string) {
			if err := a.Disable(t.Context(), u.ID); err != nil {
				t.Error(err)
			}
		}, auth.ErrInvalidCredentials},
		"deleted": {func(t *testing.T, a *auth.Authenticator, _ *codes, u auth.User, _ string) {
			if err := a.Delete(t.Context(), u.ID); err != nil {
				t.Error(err)
			}
		}, auth.ErrInvalidCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, second, u := withCodes(t, auth.Config{}, "1")
				token := login(t, a)
				row.before(t, a, second, u, token)
				if _, err := a.LoginMFA(t.Context(), token, "1"); err != row.want {
					t.Errorf("%v, want %v", err, row.want)
				}
			})
		})
	}
}

// Codes that come at once are counted, too, and one session begins.
func TestMFARace(t *testing.T) {
	t.Parallel()
	a, second, u := withCodes(t, auth.Config{}, "1", "1", "1", "1", "1", "1", "1", "1")
	token := login(t, a)
	var begun atomic.Int64
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			switch _, err := a.LoginMFA(t.Context(), token, "1"); err {
			case nil:
				begun.Add(1)
			case auth.ErrInvalidCredentials:
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if list, err := a.Sessions(t.Context(), u.ID); begun.Load() > 1 || second.tried > 5 || len(list) > 1 || err != nil {
		t.Errorf("%d logins, %d codes looked at, %d sessions, %v", begun.Load(), second.tried, len(list), err)
	}
}

// What the world does wrong is no wrong code, and wrong codes are failed logins.
func TestMFAFaults(t *testing.T) {
	t.Parallel()
	throttle := new(noted)
	a, second, _ := withCodes(t, auth.Config{Throttle: throttle}, "1")
	token := login(t, a)
	if _, err := a.LoginMFA(t.Context(), token, "x"); err != auth.ErrInvalidCredentials {
		t.Error(err)
	}
	second.fails = errors.New("down")
	if _, err := a.Login(t.Context(), "ada", password); err == nil || auth.HTTPStatus(err) != 500 {
		t.Errorf("Required fails: %v", err)
	}
	second.fails = nil
	if _, err := a.LoginMFA(t.Context(), token, "1"); err != nil {
		t.Error(err)
	}
	want := []string{"begin ada", "undo ada", "begin ada", "begin ada", "undo ada", "begin ada", "succeed ada"}
	for i, call := range throttle.calls {
		if i >= len(want) || !strings.HasPrefix(call, want[i]) {
			t.Fatalf("told %q, want %q", throttle.calls, want)
		}
	}
	for _, row := range []struct {
		field string
		cfg   auth.Config
	}{
		{"Config.Records", auth.Config{SecondFactor: second, Throttle: throttle}},
		{"Config.Throttle", auth.Config{SecondFactor: second, Records: memstore.New()}}, // RFC 4226 section 7.3
	} {
		_, err := auth.New(memstore.New(), testkit.NewIssuer(t, jwt.IssuerConfig{}), row.cfg)
		if fault, ok := errors.AsType[*auth.ConfigError](err); !ok || fault.Field != row.field {
			t.Errorf("want a fault of %s: %v", row.field, err)
		}
	}
	without := newAuthenticator(t, nil, auth.Config{})
	if _, err := without.LoginMFA(t.Context(), token, "1"); err == nil || auth.HTTPStatus(err) != 500 {
		t.Errorf("without a second factor: %v", err)
	}
}

func TestStepUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, _, u := withCodes(t, auth.Config{}, "1", "2", "3", "4")
		ctx := t.Context()
		first, err := a.LoginMFA(ctx, login(t, a), "1")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.Sleep(10 * time.Minute)
		for name, row := range map[string]struct {
			password, code string
			amr            string
			want           error
		}{
			"password":       {password, "", "pwd", nil},
			"code":           {"", "2", "otp", nil},
			"both":           {password, "3", "pwd otp mfa", nil},
			"nothing":        {"", "", "", auth.ErrInvalidCredentials},
			"wrong password": {"wrong password", "4", "", auth.ErrInvalidCredentials},
			"wrong code":     {password, "x", "", auth.ErrInvalidCredentials},
		} {
			tokens, err := a.StepUp(ctx, first.Principal, row.password, row.code)
			if err != row.want {
				t.Errorf("%s: %v, want %v", name, err, row.want)
			}
			if err != nil {
				continue
			}
			p := tokens.Principal
			if amr := strings.Join(p.AMR(), " "); amr != row.amr || p.SessionID() != first.Principal.SessionID() || tokens.RefreshToken != "" {
				t.Errorf("%s: amr %q, sid %q", name, amr, p.SessionID())
			}
			if time.Since(p.AuthTime()) > time.Second || tokens.ExpiresIn != 15*time.Minute {
				t.Errorf("%s: auth_time %v, for %v", name, p.AuthTime(), tokens.ExpiresIn)
			}
		}
		if tokens, err := a.Refresh(ctx, first.RefreshToken); err != nil || tokens.Principal.AuthTime().Sub(began).Abs() > time.Second {
			t.Errorf("a refresh after it: auth_time %v, %v", tokens.Principal.AuthTime(), err)
		}

		stranger, err := jwt.NewPrincipal(auth.Claims{Subject: "nobody", SessionID: first.Principal.SessionID()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.StepUp(ctx, stranger, password, ""); err != auth.ErrInvalidCredentials {
			t.Errorf("nobody: %v", err)
		}
		bob, err := a.Login(ctx, "bob", password)
		if err != nil {
			t.Fatal(err)
		}
		other, err := jwt.NewPrincipal(auth.Claims{Subject: bob.Principal.Subject(), SessionID: first.Principal.SessionID()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.StepUp(ctx, other, password, ""); err != auth.ErrInvalidGrant {
			t.Errorf("in another's session: %v", err)
		}
		if err := a.EndSessions(ctx, u.ID, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := a.StepUp(ctx, first.Principal, password, ""); err != auth.ErrInvalidGrant {
			t.Errorf("in a session that has ended: %v", err)
		}
	})
}

// Wrong codes are told to the host, as wrong passwords are: who guesses codes has
// the password.
func TestWrongCodesAreTold(t *testing.T) {
	t.Parallel()
	var told []auth.Event
	a, _, u := withCodes(t, auth.Config{Events: func(_ context.Context, e auth.Event) { told = append(told, e) }}, "1")
	ctx := t.Context()
	token := login(t, a)
	told = nil
	from := auth.WithDevice(ctx, auth.Device{UserAgent: "browser"})
	_, _ = a.LoginMFA(from, token, "s3cr3t")
	_, _ = a.LoginMFA(from, token, "")
	in, err := a.LoginMFA(ctx, token, "1")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = a.StepUp(from, in.Principal, password, "s3cr3t")
	var kinds []string
	for _, e := range told {
		if e.UserID != u.ID || strings.Contains(fmt.Sprintf("%+v", e), "s3cr3t") || e.Kind == auth.EventMFAFailed && e.UserAgent != "browser" {
			t.Errorf("told %+v", e)
		}
		kinds = append(kinds, string(e.Kind))
	}
	if got := strings.Join(kinds, " "); got != "mfa_failed mfa_failed login mfa_failed" {
		t.Errorf("told %q", got)
	}
}

// A second factor has a budget of its own: its wrong codes do not count as wrong passwords, and a right
// password is no failure where a wrong code follows it.
func TestSecondFactorCountsApart(t *testing.T) {
	t.Parallel()
	ctx, store := t.Context(), memstore.New()
	second, told := &codes{users: make(map[string][]string)}, new(noted)
	a := newAuthenticator(t, store, auth.Config{SecondFactor: second, Records: store, Throttle: told})
	u, err := a.Register(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	second.users[u.ID] = []string{"1", "2", "3"}
	pending := login(t, a)
	told.calls = nil
	_, _ = a.LoginMFA(ctx, pending, "wrong")
	in, err := a.LoginMFA(ctx, pending, "1")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = a.StepUp(ctx, in.Principal, "", "wrong")
	if _, err := a.StepUp(ctx, in.Principal, password, "wrong"); err != auth.ErrInvalidCredentials {
		t.Errorf("a step-up with a wrong code: %v", err)
	}
	_, _ = a.StepUp(ctx, in.Principal, "wrong password", "2")
	if up, err := a.StepUp(ctx, in.Principal, password, "2"); err != nil || up.DeviceToken == "" {
		t.Errorf("a step-up with both factors: %v, device token %q", err, string(up.DeviceToken))
	}
	const pwd = " ada invalid IP "
	mfa := pwd + " at mfa " + u.ID
	want := []string{
		"begin" + mfa, "begin" + mfa, "succeed" + mfa,
		"begin" + mfa,
		"begin" + pwd, "begin" + mfa, "undo" + pwd,
		"begin" + pwd,
		"begin" + pwd, "begin" + mfa, "succeed" + mfa, "undo" + pwd,
	}
	if !slices.Equal(told.calls, want) {
		t.Errorf("the throttle was told\n%q, want\n%q", told.calls, want)
	}
}

// Where there are no sessions, one factor prolongs no login that took two.
func TestStepUpWithoutSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		second := &codes{users: make(map[string][]string)}
		a := newAuthenticator(t, nil, auth.Config{SecondFactor: second, Records: memstore.New(), Throttle: new(noted)})
		ctx := t.Context()
		u, err := a.Register(ctx, "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		second.users[u.ID] = []string{"1"}
		in, err := a.LoginMFA(ctx, login(t, a), "1")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(14 * time.Minute)
		up, err := a.StepUp(ctx, in.Principal, password, "")
		if err != nil || !up.Principal.Expiry().Equal(in.Principal.Expiry()) {
			t.Errorf("%v; it ends %v, the caller's %v", err, up.Principal.Expiry(), in.Principal.Expiry())
		}
		if _, err := a.StepUp(ctx, nil, password, ""); err != auth.ErrInvalidCredentials {
			t.Errorf("of nobody: %v", err)
		}
	})
}

// Where there are no sessions, a disabled account gets no token for a code either.
func TestMFAOfTheDisabled(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := memstore.New()
	second := &codes{users: make(map[string][]string)}
	a := newAuthenticator(t, store, auth.Config{SecondFactor: second, Records: store, Accounts: store, Throttle: new(noted)})
	u, err := a.Register(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	second.users[u.ID] = []string{"1", "2", "3"}
	in, err := a.LoginMFA(ctx, login(t, a), "1")
	if err != nil {
		t.Fatal(err)
	}
	waits := login(t, a)
	if err := a.Disable(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := a.LoginMFA(ctx, waits, "2"); err != auth.ErrInvalidCredentials {
		t.Errorf("a login that waited: %v", err)
	}
	for _, given := range []string{"", password} {
		if _, err := a.StepUp(ctx, in.Principal, given, "3"); err != auth.ErrInvalidCredentials {
			t.Errorf("a step-up with password %q: %v", given, err)
		}
	}
}

// writtenRecords is a RecordStore that notes what was written.
type writtenRecords struct {
	auth.RecordStore
	text strings.Builder
}

func (w *writtenRecords) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	fmt.Fprintf(&w.text, "%s %s\n", r.Key, r.Value)
	return w.RecordStore.ReplaceRecord(ctx, old, r)
}

// Who reads the database cannot go on with anybody's login.
func TestMFARecordsHoldNoToken(t *testing.T) {
	t.Parallel()
	records := &writtenRecords{RecordStore: memstore.New()}
	second := &codes{users: make(map[string][]string)}
	a := newAuthenticator(t, nil, auth.Config{SecondFactor: second, Records: records, Throttle: new(noted)})
	u, err := a.Register(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	second.users[u.ID] = []string{"1"}
	token := login(t, a)
	if written := records.text.String(); !strings.Contains(written, u.ID) || strings.Contains(written, token) {
		t.Errorf("of a login with the token %s is written %s", token, written)
	}
}

// The revocation of a session outlives the last token of a step-up.
func TestStepUpIsRevoked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, store, u := withSessions(t, auth.Config{})
		ctx := t.Context()
		first, err := a.Login(ctx, "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(14 * time.Minute)
		stepped, err := a.StepUp(ctx, first.Principal, password, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.EndSession(ctx, u.ID, first.Principal.SessionID()); err != nil {
			t.Fatal(err)
		}
		var expiry time.Time
		if _, err := store.RevokedSince(ctx, "", func(r auth.Revocation) { expiry = r.Expiry }); err != nil {
			t.Fatal(err)
		}
		if !expiry.After(stepped.Principal.Expiry()) {
			t.Errorf("revoked until %v, and the token lives until %v", expiry, stepped.Principal.Expiry())
		}
	})
}

func TestMFARequiredErrorHidesItsToken(t *testing.T) {
	t.Parallel()
	err := &auth.MFARequiredError{Token: "s3cr3t", ExpiresIn: time.Minute}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{err, *err, fmt.Errorf("x: %w", err)} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "s3cr3t") || strings.Contains(s, "733363") {
				t.Errorf("%s prints %s", verb, s)
			}
		}
	}
	for _, v := range []any{err, *err} {
		var b strings.Builder
		if slog.New(slog.NewJSONHandler(&b, nil)).Info("login", "error", v); strings.Contains(b.String(), "s3cr3t") {
			t.Errorf("logged as %s", &b)
		}
	}
	if b, _ := json.Marshal(err); string(b) != `{"error":"mfa_required","expires_in":60}` {
		t.Errorf("as JSON %s", b)
	}
}
