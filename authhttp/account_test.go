package authhttp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
)

func (a *accounts) EndSession(ctx context.Context, userID, sessionID string) error {
	a.device = deviceOf(ctx)
	a.token = userID + " " + sessionID
	a.calls++
	return a.err
}

func (a *accounts) EndSessions(ctx context.Context, userID, except string) error {
	return a.EndSession(ctx, userID, except)
}

func (a *accounts) Sessions(context.Context, string) ([]auth.Session, error) { return nil, a.err }

// caller is a guard that lets every request pass as p.
type caller struct{ p *auth.Principal }

func (c caller) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(auth.NewContext(r.Context(), c.p)))
	})
}

// Session asks for a session only if the ID has the form of a session's ID.
func TestSessionID(t *testing.T) {
	t.Parallel()
	a := new(accounts)
	h := authhttp.Session(a, caller{authtest.Principal(t, auth.Claims{Subject: "u-1"})}, authhttp.Config{})
	valid := strings.Repeat("aZ0-_9", 4)[:22]
	for _, id := range []string{
		"", "x", valid[1:], valid + "A", valid[1:] + "\x00", valid[1:] + "\n", valid[1:] + "=", valid[2:] + "é",
	} {
		r := httptest.NewRequest("DELETE", "/", nil)
		r.SetPathValue("id", id)
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 404 || a.calls != 0 {
			t.Errorf("DELETE %q: got %d after %d calls, want 404 and none", id, w.Code, a.calls)
		}
	}
	r := httptest.NewRequest("DELETE", "/", nil)
	r.SetPathValue("id", valid)
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 204 || a.token != "u-1 "+valid {
		t.Errorf("DELETE of a valid ID: got %d after a call with %q, want 204 and u-1 %s", w.Code, a.token, valid)
	}
}

func TestMe(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	in := s.login()
	me := s.call(s.Client(), "GET", "/auth/me", "", bearer(in.Access)).want(t, "me", 200, "")
	if me.Username != "ada" || me.ID == "" || strings.Contains(me.text, "$") {
		t.Errorf("me: got %s, want id and username of ada, and no hash", me.text)
	}
	s.call(s.Client(), "GET", "/auth/me", "", nil).want(t, "me without a token", 401, "no_credentials")
	s.call(s.Client(), "GET", "/auth/me", "", bearer("x")).want(t, "me of a bad token", 401, "invalid_token")
	if err := s.store.SetDisabled(t.Context(), me.ID, true); err != nil {
		t.Fatal(err)
	}
	s.call(s.Client(), "GET", "/auth/me", "", bearer(in.Access)).want(t, "me, disabled", 401, "invalid_token")
	if err := s.store.DeleteUser(t.Context(), me.ID); err != nil {
		t.Fatal(err)
	}
	s.call(s.Client(), "GET", "/auth/me", "", bearer(in.Access)).want(t, "me, gone", 401, "invalid_token")
}

// A caller sees and ends their own sessions, and no others.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	if _, err := s.accounts.Register(t.Context(), "eve", password); err != nil {
		t.Fatal(err)
	}
	eve := s.call(c, "POST", "/auth/login", form("username", "eve", "password", password), header{"User-Agent": "Eve/1"})
	current, second, third := s.login(), s.login(), s.login()
	list := func(login answer) answer {
		return s.call(c, "GET", "/auth/sessions", "", bearer(login.Access)).want(t, "sessions", 200, "")
	}
	own := list(eve).Sessions
	if len(own) != 1 || !own[0].Current || own[0].UserAgent != "Eve/1" || own[0].IP != "127.0.0.1" {
		t.Errorf("eve's sessions: got %+v, want the current one, with its device", own)
	}
	ids := map[bool][]string{} // IDs of ada's sessions, by Current
	for _, session := range list(current).Sessions {
		ids[session.Current] = append(ids[session.Current], session.ID)
	}
	if len(ids[true]) != 1 || len(ids[false]) != 2 {
		t.Fatalf("ada's sessions: got %v, want one current and two others", ids)
	}

	s.call(c, "DELETE", "/auth/sessions/"+ids[true][0], "", bearer(eve.Access)).want(t, "ending another's session", 404, "session_not_found")
	for _, id := range []string{"x", "%00", strings.Repeat("A", 22), strings.Repeat("A", 4000), "..%2f", "%ff"} {
		s.call(c, "DELETE", "/auth/sessions/"+id, "", bearer(eve.Access)).want(t, "ending "+id, 404, "session_not_found")
	}
	s.call(c, "DELETE", "/auth/sessions/"+ids[true][0], "", nil).want(t, "ending without a token", 401, "no_credentials")
	s.call(c, "DELETE", "/auth/sessions/"+ids[false][0], "", bearer(current.Access)).want(t, "ending another session", 204, "")
	s.call(c, "DELETE", "/auth/sessions/"+ids[false][0], "", bearer(current.Access)).want(t, "ending it again", 404, "session_not_found")
	if n := len(list(current).Sessions); n != 2 {
		t.Errorf("after one was ended: got %d sessions, want 2", n)
	}
	s.call(c, "DELETE", "/auth/sessions", "", bearer(current.Access)).want(t, "ending the others", 204, "")
	if left := list(current).Sessions; len(left) != 1 || !left[0].Current {
		t.Errorf("after the others were ended: got %+v, want the current session", left)
	}
	for _, ended := range []answer{second, third} {
		s.call(c, "POST", "/auth/refresh", object("refresh_token", ended.Refresh), nil).want(t, "refresh", 400, "invalid_grant")
	}
	list(eve)
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	in, other := s.login(), s.login()
	change := func(current, replacement string, h header) answer {
		return s.call(c, "POST", "/auth/password", object("current_password", current, "new_password", replacement), h)
	}
	change(password, "battery staple", nil).want(t, "change without a token", 401, "no_credentials")
	change("wrong horse", "battery staple", bearer(in.Access)).want(t, "wrong password", 403, "invalid_credentials")
	change(password, "short", bearer(in.Access)).want(t, "short password", 422, "password_too_short")
	change(password, strings.Repeat("x", 1025), bearer(in.Access)).want(t, "long password", 422, "password_too_long")
	now := change(password, "battery staple", bearer(in.Access)).want(t, "change", 200, "")
	for _, old := range []answer{in, other} {
		s.call(c, "GET", "/auth/me", "", bearer(old.Access)).want(t, "me by an old token", 401, "invalid_token")
		s.call(c, "POST", "/auth/refresh", object("refresh_token", old.Refresh), nil).want(t, "refresh by an old token", 400, "invalid_grant")
	}
	s.call(c, "GET", "/auth/me", "", bearer(now.Access)).want(t, "me by the new token", 200, "")
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login by the old password", 401, "invalid_credentials")
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", "battery staple"), nil).want(t, "login by the new password", 200, "")
}

// Every handler answers a method that it does not have with 405 and Allow, before it asks for a token. A
// mux that knows the path answers so before the handler is reached.
func TestAllow(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	cfg, a, guard := authhttp.Config{}, s.accounts, s.guard
	servers := must(authhttp.NewResourceServers(map[string]string{rsName: rsSecret}))
	for path, row := range map[string]struct {
		allow   string
		handler http.Handler
	}{
		"register": {"POST", authhttp.Register(a, cfg)}, "login": {"POST", authhttp.Login(a, cfg)}, "token": {"POST", authhttp.Token(a, cfg)},
		"refresh": {"POST", authhttp.Refresh(a, cfg)}, "logout": {"POST", authhttp.Logout(a, guard, cfg)}, "password": {"POST", authhttp.ChangePassword(a, guard, cfg)},
		"login/mfa": {"POST", authhttp.LoginMFA(a, cfg)}, "step-up": {"POST", authhttp.StepUp(a, guard, cfg)}, "revoke": {"POST", authhttp.Revoke(a, cfg)},
		"introspect": {"POST", authhttp.Introspect(a, servers, cfg)}, "me": {"GET, HEAD", authhttp.Me(s.store, guard, cfg)},
		"sessions": {"GET, HEAD, DELETE", authhttp.Sessions(a, guard, cfg)}, "sessions/x": {"DELETE", authhttp.Session(a, guard, cfg)},
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			if strings.Contains(row.allow, method) {
				continue
			}
			w := serveOnce(row.handler, httptest.NewRequest(method, "/auth/"+path, nil))
			member := `"code":"method_not_allowed"`
			if path == "token" || path == "revoke" || path == "introspect" {
				member = `"error":"invalid_request"`
			}
			if w.Code != 405 || w.Header().Get("Allow") != row.allow || !strings.Contains(w.Body.String(), member) || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: got %d %s with %v, want 405 %s and Allow %s", method, path, w.Code, w.Body, w.Header(), member, row.allow)
			}
			mounted := s.call(s.Client(), method, "/auth/"+path, "", nil).want(t, method+" "+path, 405, "")
			if got := mounted.header.Get("Allow"); !slices.Equal(slices.Sorted(strings.SplitSeq(got, ", ")), slices.Sorted(strings.SplitSeq(row.allow, ", "))) {
				t.Errorf("%s %s on the mux: Allow is %q, want %q", method, path, got, row.allow)
			}
		}
	}
}
