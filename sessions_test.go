package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
)

func TestSessionConfig(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	keys := testkit.Secrets(t)
	with := func(change func(*auth.Config)) auth.Config {
		cfg := auth.Config{Sessions: store, RefreshKeys: keys, Hasher: authtest.FastHasher(t)}
		change(&cfg)
		return cfg
	}
	for _, tt := range []struct {
		field string // at fault; empty: none
		cfg   auth.Config
	}{
		{"", with(func(*auth.Config) {})},
		{"Config.RefreshKeys", with(func(c *auth.Config) { c.RefreshKeys = nil })},
		{"Config.RefreshKeys", with(func(c *auth.Config) { c.RefreshKeys = new(secrets.Ring) })},
		{"Config.RefreshKeys", with(func(c *auth.Config) { c.Sessions = nil })},
		{"Config.Revoked", with(func(c *auth.Config) {
			c.Sessions, c.RefreshKeys, c.Revoked = nil, nil, func(context.Context) error { return nil }
		})},
		{"", with(func(c *auth.Config) { c.DangerouslyKeepSessions = true })},
		{"Config.DangerouslyKeepSessions", with(func(c *auth.Config) {
			c.Sessions, c.RefreshKeys, c.DangerouslyKeepSessions = nil, nil, true
		})},
		{"", with(func(c *auth.Config) { c.RefreshWindow = -1 })},
		{"", with(func(c *auth.Config) { c.RefreshWindow = 10 * time.Minute })},
		{"Config.RefreshWindow", with(func(c *auth.Config) { c.RefreshWindow = 10*time.Minute + 1 })},
		{"Config.SessionIdle", with(func(c *auth.Config) { c.SessionIdle = time.Second })},
		{"Config.SessionIdle", with(func(c *auth.Config) { c.SessionIdle = -1 })},
		{"Config.SessionLifetime", with(func(c *auth.Config) { c.SessionLifetime = 3651 * 24 * time.Hour })},
		{"", with(func(c *auth.Config) { c.SessionIdle, c.SessionLifetime = time.Minute, time.Minute })},
		{"Config.SessionsPerUser", with(func(c *auth.Config) { c.SessionsPerUser = -1 })},
		{"Config.SessionsPerUser", with(func(c *auth.Config) { c.SessionsPerUser = 1001 })},
	} {
		_, err := auth.New(memstore.New(), testkit.NewIssuer(t, jwt.IssuerConfig{}), tt.cfg)
		fault, found := errors.AsType[*auth.ConfigError](err)
		if found != (tt.field != "") || found && fault.Field != tt.field {
			t.Errorf("want fault in %q, got %v", tt.field, err)
		}
	}
}

// Without a store there are no refresh tokens, and all else works.
func TestNoSessions(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, nil, auth.Config{})
	ctx := t.Context()
	u, err := a.Register(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := a.Login(ctx, "ada", password)
	if err != nil || tokens.RefreshToken != "" || tokens.Principal.SessionID() != "" {
		t.Errorf("Login returned a refresh token, or %v", err)
	}
	if tokens, err = a.ChangePassword(ctx, u.ID, password, "battery staple"); err != nil || tokens.AccessToken == "" {
		t.Errorf("ChangePassword returned %v", err)
	}
	_, refresh := a.Refresh(ctx, "")
	_, list := a.Sessions(ctx, u.ID)
	for name, err := range map[string]error{
		"Refresh": refresh, "Sessions": list, "Logout": a.Logout(ctx, ""),
		"EndSession": a.EndSession(ctx, u.ID, "x"), "EndSessions": a.EndSessions(ctx, u.ID, ""),
	} {
		if err == nil || auth.HTTPStatus(err) != 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.EndOtherSessions(ctx, u.ID, ""); err != nil {
		t.Errorf("EndOtherSessions: %v, want nil: there are none", err)
	}
}

func TestSessionLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{SessionIdle: time.Hour, SessionLifetime: 150 * time.Minute})
		token := h.login(t).RefreshToken
		for range 2 {
			time.Sleep(time.Hour - time.Microsecond)
			token = h.refresh(t, token).RefreshToken
		}
		// Its tokens end with the session, however it is used.
		time.Sleep(25 * time.Minute)
		got := h.refresh(t, token)
		if want := 5 * time.Minute; got.ExpiresIn > want+time.Second || got.ExpiresIn < want-time.Second || got.RefreshExpiresIn != want {
			t.Errorf("the last tokens live %v and %v, want %v", got.ExpiresIn, got.RefreshExpiresIn, want)
		}
		time.Sleep(5*time.Minute + time.Microsecond)
		got = h.refresh(t, got.RefreshToken)
		time.Sleep(time.Microsecond)
		h.refused(t, got.RefreshToken)
		if h.open(t) != 0 {
			t.Error("the session is still listed")
		}

		token = h.login(t).RefreshToken
		time.Sleep(time.Hour)
		h.refused(t, token)

		// Lower limits hold for the sessions that there are, higher ones do not.
		token = h.login(t).RefreshToken
		for _, limits := range []struct{ idle, lifetime time.Duration }{
			{30 * time.Minute, 0}, {0, 30 * time.Minute},
		} {
			cfg := h.config
			cfg.SessionIdle, cfg.SessionLifetime = limits.idle, limits.lifetime
			lower := newAuthenticator(t, h.users, cfg)
			time.Sleep(16 * time.Minute)
			_, err := lower.Refresh(t.Context(), token)
			if first := limits.idle > 0; first && err != nil || !first && !errors.Is(err, auth.ErrInvalidGrant) {
				t.Errorf("under %v: %v", limits, err)
			}
		}
		token = h.login(t).RefreshToken
		time.Sleep(time.Hour)
		cfg := h.config
		cfg.SessionIdle = 24 * time.Hour
		if _, err := newAuthenticator(t, h.users, cfg).Refresh(t.Context(), token); !errors.Is(err, auth.ErrInvalidGrant) {
			t.Errorf("under a higher limit: %v", err)
		}
	})
}

func TestLogout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{})
		for name, pick := range map[string]func(tokens []string) string{
			"the newest":     func(tokens []string) string { return tokens[6] },
			"its parent":     func(tokens []string) string { return tokens[5] },
			"the first":      func(tokens []string) string { return tokens[0] },
			"after its time": func(tokens []string) string { time.Sleep(365 * 24 * time.Hour); return tokens[6] },
		} {
			tokens := []string{h.login(t).RefreshToken}
			for range 6 {
				tokens = append(tokens, h.refresh(t, tokens[len(tokens)-1]).RefreshToken)
			}
			other := h.login(t).RefreshToken
			h.events()
			for range 2 {
				if err := h.Logout(t.Context(), pick(tokens)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if got := h.events(); got != "logout" {
				t.Errorf("%s: events: %s", name, got)
			}
			h.refused(t, tokens[6])
			if name != "after its time" {
				h.refresh(t, other)
			}
		}
		down := errors.New("down")
		token := h.login(t).RefreshToken
		for _, failing := range []string{"Session", "DeleteSession"} {
			h.sessions.before = func(method string) error {
				if method == failing {
					return down
				}
				return nil
			}
			if err := h.Logout(t.Context(), token); !errors.Is(err, down) || auth.HTTPStatus(err) != 500 {
				t.Errorf("%s fails: %v", failing, err)
			}
		}
		h.sessions.before = nil
		h.refresh(t, token)
	})
}

func TestSessionsOfAUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{})
		ctx := t.Context()
		phone := auth.Device{UserAgent: "phone", IP: netip.MustParseAddr("192.0.2.1")}
		desk := auth.Device{UserAgent: "desk", IP: netip.MustParseAddr("2001:db8::1")}
		start := time.Now().UTC()
		one, err := h.Login(auth.WithDevice(ctx, phone), "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		two := h.login(t)
		time.Sleep(time.Minute)
		if _, err := h.Refresh(auth.WithDevice(ctx, desk), one.RefreshToken); err != nil {
			t.Fatal(err)
		}
		h.refresh(t, two.RefreshToken)
		if _, err := h.Refresh(auth.WithDevice(ctx, phone), one.RefreshToken); err != nil { // a repeat changes nothing
			t.Fatal(err)
		}
		list, err := h.Sessions(ctx, h.user.ID)
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		byID := map[string]auth.Session{list[0].ID: list[0], list[1].ID: list[1]}
		got := byID[one.Principal.SessionID()]
		if got.Device != desk || got.CreatedAt != start || got.LastUsedAt != start.Add(2*time.Minute) || got.ExpiresAt != start.Add(14*24*time.Hour+2*time.Minute) ||
			got.UserID != h.user.ID || got.State != nil || got.Version != 0 {
			t.Errorf("%#v %+v", got, got.Device)
		}
		if got := byID[two.Principal.SessionID()]; got.Device != (auth.Device{}) {
			t.Errorf("%+v", got.Device)
		}
		time.Sleep(time.Minute)
		three := h.login(t)
		if list, _ = h.Sessions(ctx, h.user.ID); list[0].ID != three.Principal.SessionID() {
			t.Error("the last used is not the first")
		}

		other, err := h.Register(ctx, "bob", password)
		if err != nil {
			t.Fatal(err)
		}
		id := one.Principal.SessionID()
		for _, try := range []struct{ user, id string }{{other.ID, id}, {h.user.ID, "unknown"}, {h.user.ID, ""}, {"", id}} {
			if err := h.EndSession(ctx, try.user, try.id); !errors.Is(err, auth.ErrSessionNotFound) {
				t.Errorf("EndSession of another's: %v", err)
			}
		}
		if h.open(t) != 3 {
			t.Error("a session was ended")
		}
		h.events()
		if err := h.EndSession(ctx, h.user.ID, id); err != nil || h.open(t) != 2 {
			t.Errorf("EndSession: %v, leaves %d", err, h.open(t))
		}
		h.refused(t, one.RefreshToken)
		if err := h.EndSessions(ctx, h.user.ID, three.Principal.SessionID()); err != nil || h.open(t) != 1 {
			t.Errorf("EndSessions: %v", err)
		}
		three = h.refresh(t, three.RefreshToken)
		if err := h.EndSessions(ctx, h.user.ID, ""); err != nil || h.open(t) != 0 {
			t.Errorf("EndSessions: %v", err)
		}
		h.refused(t, three.RefreshToken)
		if got := h.events(); got != "session_ended sessions_ended refresh sessions_ended" {
			t.Errorf("events: %s", got)
		}
	})
}

func TestSessionsPerUser(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{SessionsPerUser: 3})
		var tokens []string
		for range 3 {
			time.Sleep(time.Minute)
			tokens = append(tokens, h.login(t).RefreshToken)
		}
		time.Sleep(time.Minute)
		tokens[0] = h.refresh(t, tokens[0]).RefreshToken // now the second is the one not used for longest
		time.Sleep(time.Minute)
		last := h.login(t).RefreshToken
		if h.open(t) != 3 {
			t.Errorf("%d sessions", h.open(t))
		}
		h.refused(t, tokens[1])
		for _, token := range []string{tokens[0], tokens[2], last} {
			h.refresh(t, token)
		}
		// That the surplus cannot be ended costs no login.
		h.sessions.before = func(method string) error {
			if method == "Sessions" {
				return errors.New("down")
			}
			return nil
		}
		h.login(t)
	})
}

// Whoever knew the old password is out, whatever they do meanwhile.
func TestChangePasswordEndsSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{})
		ctx := t.Context()
		mine, thiefs := h.login(t), h.login(t)
		var during auth.Tokens
		h.users.before = func(method string) error {
			if method == "ReplacePasswordHash" { // between the two ends
				h.users.before = nil
				during = h.login(t)
			}
			return nil
		}
		again, err := h.ChangePassword(ctx, h.user.ID, password, "battery staple")
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{mine.RefreshToken, thiefs.RefreshToken, during.RefreshToken} {
			h.refused(t, token)
		}
		if again.Principal.SessionID() == mine.Principal.SessionID() || h.open(t) != 1 {
			t.Errorf("%d sessions", h.open(t))
		}
		again = h.refresh(t, again.RefreshToken)

		// A password does not change while the store of the sessions is down. If that fails later, the
		// new password is in force, and sessions from before are refused all the same.
		before := again
		for _, row := range []struct{ down, works, refused string }{
			{"Sessions", "battery staple", "third password"},
			{"DeleteUserSessions", "third password", "battery staple"},
		} {
			h.sessions.before = func(method string) error {
				if method == row.down {
					return errors.New("down")
				}
				return nil
			}
			if _, err := h.ChangePassword(ctx, h.user.ID, "battery staple", "third password"); err == nil || auth.HTTPStatus(err) != 500 {
				t.Errorf("ChangePassword without %s: %v", row.down, err)
			}
			h.sessions.before = nil
			if _, err := h.Login(ctx, "ada", row.works); err != nil {
				t.Errorf("without %s, with the password %q: %v", row.down, row.works, err)
			}
			if _, err := h.Login(ctx, "ada", row.refused); err != auth.ErrInvalidCredentials {
				t.Errorf("without %s, with the password %q: %v", row.down, row.refused, err)
			}
			if row.down == "Sessions" {
				before = h.refresh(t, before.RefreshToken)
			} else {
				h.refused(t, before.RefreshToken)
			}
		}
	})
}

// A host replaces a password hash in its own table. The user's session is over: it is neither refreshed
// nor gets another access token, and one that begins afterwards is good.
func TestHostReplacesHash(t *testing.T) {
	t.Parallel()
	h := newHouse(t, auth.Config{})
	ctx := t.Context()
	first, second := h.login(t), h.login(t)
	replace := func(password string) {
		t.Helper()
		u, err := h.users.UserByID(ctx, h.user.ID)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := authtest.FastHasher(t).Hash(ctx, password)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.users.ReplacePasswordHash(ctx, u.ID, u.PasswordHash, encoded); err != nil {
			t.Fatal(err)
		}
	}
	replace(password)
	h.events()
	if _, err := h.StepUp(ctx, first.Principal, password, ""); err != auth.ErrInvalidGrant {
		t.Errorf("StepUp in a session from before: %v, want ErrInvalidGrant", err)
	}
	h.refused(t, first.RefreshToken)
	if kinds := h.events(); kinds != "session_ended" || h.open(t) != 1 {
		t.Errorf("the events %q, and %d sessions, want one ended", kinds, h.open(t))
	}
	h.refresh(t, h.login(t).RefreshToken)
	h.refused(t, second.RefreshToken)
}

// A login that replaces a weak hash ends no session. If the store of the sessions fails, the hash stays as
// it is, and the login goes on.
func TestUpgradeKeepsSessions(t *testing.T) {
	t.Parallel()
	hasher := &workHasher{cost: 4}
	h := newHouse(t, auth.Config{Hasher: hasher, Logger: slog.New(slog.DiscardHandler)})
	ctx := t.Context()
	before := []auth.Tokens{h.login(t), h.login(t)}
	hasher.cost = 5
	for _, down := range []string{"Sessions", "Session", "ReplaceSession", ""} {
		h.sessions.before = func(method string) error {
			if method == down {
				return errors.New("down")
			}
			return nil
		}
		h.events()
		before = append(before, h.login(t))
		h.sessions.before = nil
		u, err := h.users.UserByID(ctx, h.user.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "rehash login", false: "login"}[down == ""]
		if upgraded := u.PasswordHash == hasher.encode(password); upgraded != (down == "") || h.events() != want {
			t.Errorf("without %q the hash is upgraded: %t", down, upgraded)
		}
		for i := range before {
			before[i] = h.refresh(t, before[i].RefreshToken)
		}
	}
}

// The sessions of a user end with a change, except the one that it was made in, unless the host keeps
// them. A new password that nobody gave the old one for ends them in any case.
func TestKeepSessions(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		keep   bool
		change func(h *house, mine string) error
		left   int // of three sessions
	}{
		"other sessions": {false, func(h *house, mine string) error { return h.EndOtherSessions(t.Context(), h.user.ID, mine) }, 1},
		"kept":           {true, func(h *house, mine string) error { return h.EndOtherSessions(t.Context(), h.user.ID, mine) }, 3},
		"password, kept": {true, func(h *house, _ string) error {
			_, err := h.ChangePassword(t.Context(), h.user.ID, password, "battery staple")
			return err
		}, 4},
		"SetPassword": {true, func(h *house, _ string) error { return h.SetPassword(t.Context(), h.user.ID, "battery staple") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, auth.Config{DangerouslyKeepSessions: row.keep})
				mine := h.login(t)
				h.login(t)
				h.login(t)
				if err := row.change(h, mine.Principal.SessionID()); err != nil {
					t.Fatal(err)
				}
				if left := h.open(t); left != row.left {
					t.Errorf("%d sessions, want %d", left, row.left)
				}
				if row.left > 0 {
					h.refresh(t, mine.RefreshToken)
				}
			})
		})
	}
}

// A login that began before a password changed, or an account was disabled, must
// not leave a session when all were ended while it ran.
func TestLoginOvertaken(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(t *testing.T, h *house){
		"password changed": func(t *testing.T, h *house) {
			if _, err := h.ChangePassword(t.Context(), h.user.ID, password, "battery staple"); err != nil {
				t.Error(err)
			}
		},
		"disabled": func(t *testing.T, h *house) {
			h.users.loaded = func(u *auth.User) { u.Disabled = true }
			if err := h.EndSessions(t.Context(), h.user.ID, ""); err != nil {
				t.Error(err)
			}
		},
		"store down": func(t *testing.T, h *house) {
			h.users.before = func(string) error { return errors.New("down") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, auth.Config{})
			h.sessions.before = func(method string) error {
				if method == "CreateSession" {
					h.sessions.before = nil
					meanwhile(t, h)
				}
				return nil
			}
			tokens, err := h.Login(t.Context(), "ada", password)
			if err == nil || tokens != (auth.Tokens{}) || errors.Is(err, auth.ErrInvalidCredentials) != (name != "store down") {
				t.Errorf("Login returned %v, %v", tokens, err)
			}
			list, err := h.Sessions(t.Context(), h.user.ID)
			if want := map[string]int{"password changed": 1}[name]; err != nil || len(list) != want {
				t.Errorf("%d sessions, want %d, %v", len(list), want, err)
			}
		})
	}
}

func TestLoginWithoutSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t, auth.Config{})
	h.sessions.before = func(method string) error {
		if method == "CreateSession" {
			return errors.New("down")
		}
		return nil
	}
	if tokens, err := h.Login(t.Context(), "ada", password); err == nil || tokens != (auth.Tokens{}) || errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("Login returned %v, %v", tokens, err)
	}
	for _, change := range []func(*auth.Claims){
		func(c *auth.Claims) { c.SessionID = "" },
		func(c *auth.Claims) { c.Subject = "bob" },
	} {
		h := newHouse(t, auth.Config{Claims: func(_ context.Context, _ auth.User, c *auth.Claims) error { change(c); return nil }})
		if _, err := h.Login(t.Context(), "ada", password); err == nil || h.open(t) != 0 {
			t.Errorf("Login returned %v", err)
		}
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	h := newHouse(t, auth.Config{SessionsPerUser: 1})
	for _, tt := range []struct{ from, want auth.Device }{
		{auth.Device{UserAgent: "curl/8.14.1"}, auth.Device{UserAgent: "curl/8.14.1"}},
		{auth.Device{UserAgent: "a\r\nb\x00\x1b[31mc\u202e\u00e9\xff"}, auth.Device{UserAgent: "ab[31mc\u00e9"}},
		{auth.Device{UserAgent: "known", Known: "k"}, auth.Device{UserAgent: "known"}},
		{auth.Device{UserAgent: strings.Repeat("a", 300)}, auth.Device{UserAgent: strings.Repeat("a", 256)}},
		{auth.Device{UserAgent: "a" + strings.Repeat("\U0001f600", 1<<16)}, auth.Device{UserAgent: "a" + strings.Repeat("\U0001f600", 63)}},
		{auth.Device{IP: netip.MustParseAddr("::ffff:192.0.2.1")}, auth.Device{IP: netip.MustParseAddr("192.0.2.1")}},
		{auth.Device{IP: netip.MustParseAddr("fe80::1%" + strings.Repeat("z", 1000))}, auth.Device{IP: netip.MustParseAddr("fe80::1")}},
	} {
		if _, err := h.Login(auth.WithDevice(t.Context(), tt.from), "ada", password); err != nil {
			t.Fatal(err)
		}
		list, err := h.Sessions(t.Context(), h.user.ID)
		if err != nil || len(list) != 1 || list[0].Device != tt.want {
			t.Errorf("%.60q: %d sessions, %+v", tt.from.UserAgent, len(list), list[0].Device)
		}
	}
}

// The seed in a session's row is half of what makes a token.
func TestSessionShowsNoState(t *testing.T) {
	t.Parallel()
	h := newHouse(t, auth.Config{})
	tokens := h.login(t)
	s, _, err := h.sessions.Session(t.Context(), tokens.Principal.SessionID())
	if err != nil || len(s.State) < 32 {
		t.Fatal(err)
	}
	seed := slices.Clone(s.State[1:33])
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("x", "session", s, "pointer", &s, "event", auth.Event{Kind: auth.EventLogin, SessionID: s.ID})
	}
	asJSON, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	printed := log.String() + string(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		printed += fmt.Sprintf(verb+verb, s, &s) + fmt.Sprintf(verb, h.users.Store) + fmt.Sprintf(verb, struct{ S auth.Session }{s})
	}
	printed += fmt.Sprintf("%v %+v %#v %d", tokens, tokens, tokens, tokens)
	for _, form := range []string{"%x", "%X", "%d", "%s"} {
		if secret := strings.Trim(fmt.Sprintf(form, []byte(seed[:8])), "[]"); strings.Contains(printed, secret) {
			t.Errorf("the seed is printed as %s: %s", form, printed)
		}
	}
	if strings.Contains(printed, base64.StdEncoding.EncodeToString(s.State[:12])) { // as encoding/json has bytes
		t.Errorf("the state is printed: %s", printed)
	}
	if strings.Contains(printed, tokens.RefreshToken) {
		t.Error("the refresh token is printed")
	}
	if !strings.Contains(log.String(), s.ID) || !strings.Contains(log.String(), h.user.ID) {
		t.Errorf("logged as %s", log.String())
	}
}
