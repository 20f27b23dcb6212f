package authhttp_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
)

// change is the setting of one row of TestChanges: a server, and two sessions of ada.
type change struct {
	*server
	mine, other answer
	got         []recovery.Message
}

// post sends a request of ada from her own session, which must succeed.
func (c *change) post(path string, members ...string) answer {
	c.t.Helper()
	return c.succeed(c.call(c.Client(), "POST", "/auth"+path, object(members...), bearer(c.mine.Access)))
}

// anonymous sends a request without an access token, which must succeed.
func (c *change) anonymous(path, body string) answer {
	c.t.Helper()
	return c.succeed(c.call(c.Client(), "POST", "/auth"+path, body, nil))
}

// send sends a request without a body of ada from her own session, which must succeed.
func (c *change) send(method, path string) {
	c.t.Helper()
	c.succeed(c.call(c.Client(), method, path, "", bearer(c.mine.Access)))
}

func (c *change) succeed(a answer) answer {
	c.t.Helper()
	if a.status >= 300 {
		c.t.Fatalf("got %d %s", a.status, a.text)
	}
	return a
}

// next returns the next mail of a kind, and the token of its link. Other mails are kept.
func (c *change) next(kind recovery.Kind) (recovery.Message, string) {
	c.t.Helper()
	for m := range c.sent {
		if m.Kind == kind {
			_, token, _ := strings.Cut(m.Link, "?token=")
			return m, token
		}
		c.got = append(c.got, m)
	}
	return recovery.Message{}, ""
}

// notices returns the kinds of the notices that were sent to ada, in any order.
func (c *change) notices() (kinds []string) {
	c.t.Helper()
	if err := c.flows.Close(c.t.Context()); err != nil { // waits until all are sent
		c.t.Fatal(err)
	}
	for len(c.sent) > 0 {
		c.got = append(c.got, <-c.sent)
	}
	for _, m := range c.got {
		if m.Link+m.Code != "" {
			continue // requested, no notice
		}
		if m.To != adaMail {
			c.t.Errorf("a notice %s went to %s", m.Kind, m.To)
		}
		kinds = append(kinds, string(m.Kind))
	}
	slices.Sort(kinds)
	return kinds
}

// lives reports whether a session can be refreshed.
func (c *change) lives(in answer) bool {
	c.t.Helper()
	_, err := c.accounts.Refresh(c.t.Context(), in.Refresh)
	if err != nil && !errors.Is(err, auth.ErrInvalidGrant) {
		c.t.Fatal(err)
	}
	return err == nil
}

// What becomes of two sessions of a user: the one that makes a change, and another.
const (
	none   = "none ends"
	others = "the other ends"
	own    = "the own ends"
	all    = "both end"
)

// ofEndpoints says for each endpoint which sessions end and which notices are sent. A new endpoint needs
// a row: does it change how an account is proven or reached?
var ofEndpoints = map[string]struct {
	ends    string
	notices string
	do      func(c *change)
}{
	"POST /register": {none, "", func(c *change) { c.anonymous("/register", object("username", "new", "password", password)) }},
	"POST /login":    {none, "", func(c *change) { c.login() }},
	"POST /login/mfa": {none, "", func(c *change) {
		c.codes.set("1")
		first := c.call(c.Client(), "POST", "/auth/login", object("username", "ada", "password", password), nil)
		c.anonymous("/login/mfa", object("mfa_token", first.MFA, "code", "1"))
	}},
	"POST /step-up": {none, "", func(c *change) { c.post("/step-up", "password", password) }},

	"POST /mfa/begin": {none, "", func(c *change) { c.post("/mfa/begin", "current_password", password) }}, // nothing has changed yet
	"POST /mfa/confirm": {others, "factor_added", func(c *change) {
		c.post("/mfa/begin", "current_password", password)
		c.post("/mfa/confirm", "current_password", password, "code", "000000")
	}},
	"POST /mfa/recovery-codes": {others, "recovery_codes", func(c *change) {
		c.codes.set("1")
		c.post("/mfa/recovery-codes", "current_password", password, "code", "1")
	}},
	"POST /mfa/remove": {others, "factor_removed", func(c *change) {
		c.codes.set("1")
		c.post("/mfa/remove", "current_password", password, "code", "1")
	}},

	"POST /token": {none, "", func(c *change) {
		c.anonymous("/token", form("grant_type", "password", "username", "ada", "password", password))
	}},
	"POST /refresh":    {none, "", func(c *change) { c.mine = c.anonymous("/refresh", object("refresh_token", c.mine.Refresh)) }},
	"POST /logout":     {own, "", func(c *change) { c.anonymous("/logout", object("refresh_token", c.mine.Refresh)) }},
	"POST /revoke":     {own, "", func(c *change) { c.anonymous("/revoke", form("token", c.mine.Refresh)) }},
	"GET /me":          {none, "", func(c *change) { c.send("GET", "/auth/me") }},
	"GET /sessions":    {none, "", func(c *change) { c.send("GET", "/auth/sessions") }},
	"DELETE /sessions": {others, "", func(c *change) { c.send("DELETE", "/auth/sessions") }},
	"DELETE /sessions/{id}": {own, "", func(c *change) {
		c.send("DELETE", "/auth/sessions/"+must(c.accounts.Verify(c.t.Context(), c.mine.Access)).SessionID())
	}},
	"GET /keys":            {none, "", func(c *change) { c.send("GET", "/auth/keys") }},
	"POST /keys":           {none, "api_key_created", func(c *change) { c.post("/keys", "name", "laptop") }},
	"POST /keys/{id}/roll": {none, "api_key_created api_key_rolled", func(c *change) { c.post("/keys/" + c.post("/keys", "name", "laptop").ID + "/roll") }},
	"DELETE /keys/{id}":    {none, "api_key_created", func(c *change) { c.send("DELETE", "/auth/keys/"+c.post("/keys", "name", "laptop").ID) }},
	"POST /password": {all, "password_changed", func(c *change) {
		c.post("/password", "current_password", password, "new_password", "battery staple")
	}},

	"POST /password/forgot": {none, "", func(c *change) { c.anonymous("/password/forgot", object("address", adaMail)) }},
	"POST /password/reset": {all, "password_reset", func(c *change) {
		c.anonymous("/password/forgot", object("address", adaMail))
		_, token := c.next(recovery.KindReset)
		c.anonymous("/password/reset", object("token", token, "new_password", "battery staple"))
	}},
	"POST /verify/request": {none, "", func(c *change) { c.anonymous("/verify/request", object("address", adaMail)) }},
	"POST /verify": {all, "password_reset", func(c *change) { // by a prover who does not know the password; see TestVerifiedByPassword
		c.unverify()
		c.anonymous("/verify/request", object("address", adaMail))
		_, token := c.next(recovery.KindVerify)
		c.anonymous("/verify", object("token", token, "new_password", "battery staple"))
	}},
	"POST /login/link/request": {none, "", func(c *change) { c.anonymous("/login/link/request", object("address", adaMail)) }},
	"POST /login/link": {none, "", func(c *change) {
		asked := c.anonymous("/login/link/request", object("address", adaMail))
		_, token := c.next(recovery.KindLogin)
		c.anonymous("/login/link", object("token", token, "challenge", asked.Challenge))
	}},
	"POST /login/code/request": {none, "", func(c *change) { c.anonymous("/login/code/request", object("address", adaMail)) }},
	"POST /login/code": {none, "", func(c *change) {
		asked := c.anonymous("/login/code/request", object("address", adaMail))
		m, _ := c.next(recovery.KindCode)
		c.anonymous("/login/code", object("challenge", asked.Challenge, "code", m.Code))
	}},
	"POST /address": {none, "change_asked", func(c *change) { c.post("/address", "current_password", password, "address", "new@example.com") }},
	"POST /address/confirm": {others, "address_changed change_asked", func(c *change) {
		c.post("/address", "current_password", password, "address", "new@example.com")
		_, token := c.next(recovery.KindChange)
		c.anonymous("/address/confirm", object("token", token, "current_password", password))
	}},
	"POST /account/delete": {all, "deleted", func(c *change) { c.post("/account/delete", "current_password", password) }},

	"POST /introspect": {none, "", func(c *change) {
		r := httptest.NewRequest("POST", "/", nil)
		r.SetBasicAuth(url.QueryEscape(rsName), url.QueryEscape(rsSecret))
		c.succeed(c.call(c.Client(), "POST", "/auth/introspect", form("token", c.mine.Access), header{"Authorization": r.Header.Get("Authorization")}))
	}},
	"GET /.well-known/jwks.json":                  {none, "", func(c *change) { c.send("GET", "/.well-known/jwks.json") }},
	"GET /.well-known/oauth-authorization-server": {none, "", func(c *change) { c.send("GET", "/.well-known/oauth-authorization-server/tenant") }},
	"GET /.well-known/change-password": {none, "", func(c *change) {
		if w := serveOnce(c.Config.Handler, httptest.NewRequest("GET", "/.well-known/change-password", nil)); w.Code != http.StatusSeeOther {
			c.t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}},
	"GET /openapi.json": {none, "", func(c *change) { c.send("GET", "/auth/openapi.json") }},
}

// ofCalls says the same, for a host that keeps sessions, of calls by which a host changes an account
// without the endpoints, and of further ways through these. A host that changes an account by
// [auth.Authenticator] sends the notice itself, with [recovery.Recovery.Inform].
var ofCalls = map[string]struct {
	ends    string
	notices string
	do      func(c *change, id string) error
}{
	"SetPassword": {all, "", func(c *change, id string) error { return c.accounts.SetPassword(c.t.Context(), id, "battery staple") }},
	"Disable":     {all, "", func(c *change, id string) error { return c.accounts.Disable(c.t.Context(), id) }},
	"Enable":      {none, "", func(c *change, id string) error { return c.accounts.Enable(c.t.Context(), id) }},
	"Delete":      {all, "", func(c *change, id string) error { return c.accounts.Delete(c.t.Context(), id) }},
	"POST /password with a second factor": {none, "password_changed", func(c *change, _ string) error {
		c.codes.set("1")
		up := c.post("/step-up", "password", password, "code", "1")
		body := object("current_password", password, "new_password", "battery staple")
		c.call(c.Client(), "POST", "/auth/password", body, bearer(up.Access)).want(c.t, "the new session", 403, "mfa_required")
		return nil
	}},
	"EndSessions": {all, "", func(c *change, id string) error { return c.accounts.EndSessions(c.t.Context(), id, "") }},
	"AddAddress": {none, "", func(c *change, id string) error {
		if err := c.addresses.ReplaceAddress(c.t.Context(), id, adaMail, "", false); err != nil {
			return err
		}
		return c.flows.AddAddress(c.t.Context(), id, adaMail)
	}},
	"ClaimAddress without a password": {all, "password_reset", func(c *change, _ string) error { // for logins by mail alone
		c.unverify()
		c.anonymous("/verify/request", object("address", adaMail))
		_, token := c.next(recovery.KindVerify)
		return c.flows.ClaimAddress(c.t.Context(), token, "")
	}},
	"Inform": {none, "factor_added", func(c *change, id string) error { return c.flows.Inform(c.t.Context(), id, recovery.KindFactorAdded) }},
}

// unverify marks ada's address as not verified.
func (c *change) unverify() {
	c.t.Helper()
	id := must(c.addresses.UserByAddress(c.t.Context(), adaMail))
	if err := c.addresses.ReplaceAddress(c.t.Context(), id, adaMail, adaMail, false); err != nil {
		c.t.Fatal(err)
	}
}

// Every change of how an account is proven or reached ends the other sessions of its user, and is told
// to the owner. With DangerouslyKeepSessions, what the user changes by the password ends none.
func TestChanges(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, keep bool, ends, notices string, do func(c *change)) {
		s := newServerWith(t, authhttp.Config{PasswordGrant: true}, func(_ *server, cfg *auth.Config) { cfg.DangerouslyKeepSessions = keep })
		c := &change{server: s, mine: s.login(), other: s.login()}
		do(c)
		if got := strings.Join(c.notices(), " "); got != notices {
			t.Errorf("got the notices %q, want %q", got, notices)
		}
		mine, other := c.lives(c.mine), c.lives(c.other)
		got := map[[2]bool]string{{true, true}: none, {true, false}: others, {false, true}: own, {false, false}: all}[[2]bool{mine, other}]
		if got != ends {
			t.Errorf("got that %s, want that %s", got, ends)
		}
	}
	table := map[string]bool{}
	for _, e := range authhttp.Table() {
		name := e.Method + " " + e.Path
		if table[name] = true; ofEndpoints[name].do == nil {
			t.Errorf("%s has no row: does it change how an account is proven or reached?", name)
		}
	}
	for name, row := range ofEndpoints {
		if !table[name] {
			t.Errorf("there is no endpoint %s", name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, false, row.ends, row.notices, row.do)
		})
		kept := row.ends
		switch {
		case name == "DELETE /sessions": // that is what it is for
		case kept == others, name == "POST /password":
			kept = none
		}
		t.Run(name+" with DangerouslyKeepSessions", func(t *testing.T) {
			t.Parallel()
			check(t, true, kept, row.notices, row.do)
		})
	}
	for name, row := range ofCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, true, row.ends, row.notices, func(c *change) {
				if err := row.do(c, must(c.addresses.UserByAddress(t.Context(), adaMail))); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// A prover of an address who gives the current password keeps every session, and is told nothing.
func TestVerifiedByPassword(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := &change{server: s, mine: s.login(), other: s.login()}
	c.unverify()
	c.anonymous("/verify/request", object("address", adaMail))
	_, token := c.next(recovery.KindVerify)
	c.anonymous("/verify", object("token", token, "current_password", password))
	if got := c.notices(); len(got) > 0 || !c.lives(c.mine) || !c.lives(c.other) {
		t.Errorf("got the notices %q, sessions alive: %t and %t, want no notice and both", got, c.lives(c.mine), c.lives(c.other))
	}
}

// A login from a device that the throttle does not know is told to the owner where the host wants that,
// whatever the way in. A known device is not told.
func TestNoticeNewDevices(t *testing.T) {
	t.Parallel()
	byMail := func(kind recovery.Kind, path string, body func(m recovery.Message, token, challenge, device string) string) func(*change, string) answer {
		return func(c *change, device string) answer {
			asked := c.anonymous(path+"/request", object("address", adaMail))
			m, token := c.next(kind)
			return c.anonymous(path, body(m, token, asked.Challenge, device))
		}
	}
	for name, login := range map[string]func(c *change, device string) answer{
		"login": func(c *change, device string) answer {
			return c.anonymous("/login", object("username", "ada", "password", password, "device_token", device))
		},
		"token": func(c *change, device string) answer {
			return c.anonymous("/token", form("grant_type", "password", "username", "ada", "password", password, "device_token", device))
		},
		"second factor": func(c *change, device string) answer {
			c.codes.set("1")
			first := c.call(c.Client(), "POST", "/auth/login", object("username", "ada", "password", password, "device_token", device), nil)
			return c.anonymous("/login/mfa", object("mfa_token", first.MFA, "code", "1", "device_token", device))
		},
		"link": byMail(recovery.KindLogin, "/login/link", func(_ recovery.Message, token, challenge, device string) string {
			return object("token", token, "challenge", challenge, "device_token", device)
		}),
		"code": byMail(recovery.KindCode, "/login/code", func(m recovery.Message, _, challenge, device string) string {
			return object("challenge", challenge, "code", m.Code, "device_token", device)
		}),
	} {
		for _, row := range []struct {
			notice, known bool
			want          string
		}{{false, false, ""}, {true, false, "new_device"}, {true, true, ""}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newMountedServer(t, authhttp.MountConfig{Config: authhttp.Config{PasswordGrant: true}, NoticeNewDevices: row.notice}, throttled)
				c, device := &change{server: s}, ""
				if row.known {
					device = string(must(s.accounts.LoginUser(t.Context(), must(s.addresses.UserByAddress(t.Context(), adaMail)), "otp")).DeviceToken)
				}
				login(c, device)
				if got := strings.Join(c.notices(), " "); got != row.want {
					t.Errorf("%+v: got the notices %q", row, got)
				}
			})
		}
	}

	// It needs what knows devices, and what sends notices.
	s := newServer(t, authhttp.Config{})
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test/tenant", Audience: "api", Keys: s.keys}))
	unthrottled := must(auth.New(s.store, tokens, auth.Config{Hasher: authtest.FastHasher(t)}))
	for name, row := range map[string]struct {
		accounts *auth.Authenticator
		flows    *recovery.Recovery
		ok       bool
	}{"both": {s.accounts, s.flows, true}, "no Recovery": {s.accounts, nil, false}, "no Throttle": {unthrottled, s.flows, false}} {
		cfg := authhttp.MountConfig{NoticeNewDevices: true, DangerouslyWithoutThrottle: true, Recovery: row.flows}
		err := authhttp.Mount(http.NewServeMux(), "/auth", row.accounts, s.guard, cfg, authhttp.EndpointLogin)
		if fault, faulty := errors.AsType[*auth.ConfigError](err); faulty == row.ok || faulty && fault.Field != "authhttp.MountConfig.NoticeNewDevices" {
			t.Errorf("%s: got %v, want it accepted: %t", name, err, row.ok)
		}
	}
}

// endless is a store that may end no sessions, or begin none, or break when sessions are to end.
type endless struct {
	*memstore.Store
	ends, begins error
	before       func()
}

func (e *endless) DeleteUserSessions(ctx context.Context, userID, except string, at, until time.Time) error {
	if e.before != nil {
		e.before()
	}
	if err := cmp.Or(e.ends, ctx.Err()); err != nil {
		return err
	}
	return e.Store.DeleteUserSessions(ctx, userID, except, at, until)
}

func (e *endless) CreateSession(ctx context.Context, s auth.Session) error {
	if e.begins != nil {
		return e.begins
	}
	return e.Store.CreateSession(ctx, s)
}

// A change that cannot end the other sessions is answered 5xx. If it was made all the same the owner is
// told; if it can be prevented, it is not made.
func TestChangesThatFail(t *testing.T) {
	t.Parallel()
	down := errors.New("the store is down")
	for name, row := range map[string]struct {
		fail    func(e *endless)
		path    string
		body    []string
		factor  bool // before
		notices string
		after   func(c *change) bool // what must hold
	}{
		"confirm": {func(e *endless) { e.ends = down }, "/auth/mfa/confirm", []string{"current_password", password, "code", "000000"}, false,
			"factor_added", func(c *change) bool { on, _ := c.codes.Required(c.t.Context(), ""); return on }},
		"remove": {func(e *endless) { e.ends = down }, "/auth/mfa/remove", []string{"current_password", password, "code", "1"}, true,
			"", func(c *change) bool { on, _ := c.codes.Required(c.t.Context(), ""); return on }},
		"recovery codes": {func(e *endless) { e.ends = down }, "/auth/mfa/recovery-codes", []string{"current_password", password, "code", "1"}, true,
			"", func(c *change) bool { _, err := c.codes.Prove(c.t.Context(), "", "2"); return err == nil }},
		// The new password ends the sessions by itself: those from before belong to the old one.
		"password, while": {func(e *endless) { e.ends = down }, "/auth/password", []string{"current_password", password, "new_password", "battery staple"}, false,
			"password_changed", func(c *change) bool {
				_, err := c.accounts.Login(c.t.Context(), "ada", "battery staple")
				return err == nil && !c.lives(c.mine)
			}},
		"password, after": {func(e *endless) { e.begins = down }, "/auth/password", []string{"current_password", password, "new_password", "battery staple"}, false,
			"password_changed", func(c *change) bool {
				_, err := c.accounts.Login(c.t.Context(), "ada", password)
				return errors.Is(err, auth.ErrInvalidCredentials)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := new(endless)
			s := newServerWith(t, authhttp.Config{}, func(s *server, cfg *auth.Config) { e.Store, cfg.Sessions = s.store, e })
			c := &change{server: s, mine: s.login()}
			if row.factor {
				s.codes.set("1", "2")
			} else if row.path == "/auth/mfa/confirm" {
				c.post("/mfa/begin", "current_password", password)
			}
			row.fail(e)
			if a := s.call(s.Client(), "POST", row.path, object(row.body...), bearer(c.mine.Access)); a.status != 500 {
				t.Errorf("got %d %s, want 500", a.status, a.text)
			}
			e.ends, e.begins = nil, nil
			if !row.after(c) {
				t.Error("the account is not as it should be")
			}
			if got := strings.Join(c.notices(), " "); got != row.notices {
				t.Errorf("got the notices %q, want %q", got, row.notices)
			}
		})
	}
}

// hangingUp is a second factor whose client hangs up as soon as a change has been made.
type hangingUp struct {
	*codes
	hangUp func()
	err    error // result of a change that was made
}

func (h hangingUp) Confirm(ctx context.Context, userID, code string) ([]string, error) {
	list, err := h.codes.Confirm(ctx, userID, code)
	h.hangUp()
	return list, cmp.Or(err, h.err)
}

func (h hangingUp) Disable(ctx context.Context, userID string) error {
	err := h.codes.Disable(ctx, userID)
	h.hangUp()
	return cmp.Or(err, h.err)
}

// A client that hangs up, and a store whose reply is lost, neither keep the other sessions alive nor the
// owner from being told.
func TestChangesOfClientsThatHangUp(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]error{"hangs up": nil, "lost reply": errors.New("the connection broke")} {
		for path, notice := range map[string]string{"confirm": "factor_added", "remove": "factor_removed"} {
			t.Run(path+" "+name, func(t *testing.T) {
				t.Parallel()
				s := newServer(t, authhttp.Config{})
				c := &change{server: s, mine: s.login(), other: s.login()}
				if path == "remove" {
					s.codes.set("1")
				} else {
					c.post("/mfa/begin", "current_password", password)
				}
				ctx, hangUp := context.WithCancel(t.Context())
				mux := http.NewServeMux()
				err := authhttp.Mount(mux, "/auth", s.accounts, s.guard, authhttp.MountConfig{
					Users: s.store, Factor: hangingUp{s.codes, hangUp, lost}, Recovery: s.flows,
				}, authhttp.EndpointEnrol)
				if err != nil {
					t.Fatal(err)
				}
				code := map[string]string{"confirm": "000000", "remove": "1"}[path]
				r := httptest.NewRequest("POST", "/auth/mfa/"+path, strings.NewReader(object("current_password", password, "code", code))).WithContext(ctx)
				r.Header.Set("Content-Type", asJSON)
				r.Header.Set("Authorization", "Bearer "+c.mine.Access)
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, r)
				if refused := w.Code >= 500; refused != (lost != nil) {
					t.Errorf("got %d %s", w.Code, w.Body)
				}
				if got := strings.Join(c.notices(), " "); got != notice || c.lives(c.other) || !c.lives(c.mine) {
					t.Errorf("got the notices %q, sessions alive: own %t, other %t, want %s and the own alone", got, c.lives(c.mine), c.lives(c.other), notice)
				}
			})
		}
	}
}
