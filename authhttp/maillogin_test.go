package authhttp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/throttle"
)

const (
	adaMail = "ada@example.com"
	noMail  = "nobody@example.com"
)

// throttled gives a server package throttle.
func throttled(s *server, cfg *auth.Config) {
	cfg.Throttle = must(throttle.New(s.store, throttle.Config{}))
}

// alike holds that two answers are the same but for what is in them.
func alike(t *testing.T, what string, a, b answer) {
	t.Helper()
	for _, one := range []answer{a, b} {
		one.header.Del("Date")
	}
	if a.status != b.status || len(a.text) != len(b.text) || len(a.header) != len(b.header) {
		t.Errorf("%s: one is answered %d %v %s, the other %d %v %s", what, a.status, a.header, a.text, b.status, b.header, b.text)
	}
}

// asked has the server send to an address that is ada's, and to one that is nobody's,
// which it must not tell apart.
func (s *server) asked(path string) (answer, answer) {
	s.t.Helper()
	known := s.call(s.Client(), "POST", path, object("address", "ADA@example.com"), nil).want(s.t, path, 202, "")
	unknown := s.call(s.Client(), "POST", path, object("address", noMail), nil)
	alike(s.t, path, known, unknown)
	s.call(s.Client(), "POST", path, object("address", "nonsense"), nil).want(s.t, path+" for no address", 422, "invalid_address")
	s.call(s.Client(), "POST", path, object("address", adaMail, "x", "y"), nil).want(s.t, path+" with more", 400, "invalid_request")
	s.call(s.Client(), "POST", path, form("address", adaMail), nil).want(s.t, path+" with a form", 415, "unsupported_media_type")
	return known, unknown
}

// A link logs in once, and is for nothing else.
func TestLoginByLink(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	s.asked("/auth/login/link/request")
	m, link := s.mail(recovery.KindLogin)
	if m.To != adaMail || link == "" {
		t.Errorf("sent %q to %s", link, m.To)
	}
	s.asked("/auth/password/forgot")
	_, reset := s.mail(recovery.KindReset)
	in := func(token string) answer { return s.call(c, "POST", "/auth/login/link", object("token", token), nil) }
	in("x").want(t, "no link", 400, "invalid_link")
	in(reset).want(t, "a link of another kind", 400, "invalid_link")
	s.call(c, "POST", "/auth/password/reset", object("token", link, "new_password", "battery staple"), nil).want(t, "a reset by it", 400, "invalid_link")
	s.call(c, "POST", "/auth/verify", object("token", link), nil).want(t, "a verification by it", 400, "invalid_link")
	s.call(c, "POST", "/auth/address/confirm", object("token", link), nil).want(t, "a change by it", 400, "invalid_link")
	s.call(c, "GET", "/auth/login/link?token="+link, "", nil).want(t, "the link in a URL", 400, "invalid_request")
	s.call(c, "GET", "/auth/login/link", "", nil).want(t, "GET", 405, "method_not_allowed")
	s.call(c, "POST", "/auth/login/link", `{"token":"x","token":"`+link+`"}`, nil).want(t, "a member twice", 400, "invalid_request")

	var all sync.WaitGroup
	answers := make(chan answer, 8)
	for range 8 {
		all.Go(func() { answers <- in(link) })
	}
	all.Wait()
	close(answers)
	var tokens []answer
	for one := range answers {
		if one.status == 200 {
			tokens = append(tokens, one)
			continue
		}
		one.want(t, "a link that another request has used", 400, "invalid_link")
	}
	if len(tokens) != 1 || tokens[0].Refresh == "" || tokens[0].header.Get("Pragma") != "no-cache" {
		t.Fatalf("of 8 requests with one link %d logged in", len(tokens))
	}
	me := s.call(c, "GET", "/auth/me", "", bearer(tokens[0].Access)).want(t, "me", 200, "")
	if me.Username != "ada" {
		t.Errorf("the link logs %s in", me.Username)
	}
}

// A code logs in with the challenge that it was asked for with.
func TestLoginByCode(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	known, unknown := s.asked("/auth/login/code/request")
	m, _ := s.mail(recovery.KindCode)
	in := func(of answer, code string) answer {
		return s.call(c, "POST", "/auth/login/code", object("challenge", of.Challenge, "code", code), nil)
	}
	for _, of := range []answer{known, unknown, {}} {
		in(of, "x").want(t, "a wrong code", 401, "invalid_credentials")
	}
	in(unknown, m.Code).want(t, "another's challenge", 401, "invalid_credentials")
	s.call(c, "POST", "/auth/login/code", object("code", m.Code), nil).want(t, "no challenge", 400, "invalid_request")
	s.call(c, "POST", "/auth/login/code?challenge="+known.Challenge, object("challenge", known.Challenge, "code", m.Code), nil).want(t, "a challenge in the URL", 400, "invalid_request")
	if got := in(known, m.Code).want(t, "the code", 200, ""); got.Access == "" || got.Refresh == "" {
		t.Errorf("the code is answered %s", got.text)
	}
	in(known, m.Code).want(t, "the code again", 401, "invalid_credentials")
}

// What a login by mail gives goes the way of Login's: with a second factor, and in
// cookies that no other origin can have set.
func TestMailLoginsAreLogins(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		kind recovery.Kind
		path string
		body func(s *server, asked answer) string
	}{
		"link": {recovery.KindLogin, "/auth/login/link", func(s *server, _ answer) string {
			_, token := s.mail(recovery.KindLogin)
			return object("token", token)
		}},
		"code": {recovery.KindCode, "/auth/login/code", func(s *server, asked answer) string {
			m, _ := s.mail(recovery.KindCode)
			return object("challenge", asked.Challenge, "code", m.Code)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ask := func(s *server) string {
				asked := s.call(s.Client(), "POST", row.path+"/request", object("address", adaMail), nil).want(t, "request", 202, "")
				return row.body(s, asked)
			}
			s := newServer(t, authhttp.Config{})
			s.codes.set("1")
			waits := s.call(s.Client(), "POST", row.path, ask(s), nil).want(t, "one factor", 403, "mfa_required")
			s.call(s.Client(), "POST", "/auth/login/mfa", object("mfa_token", waits.MFA, "code", "1"), nil).want(t, "both", 200, "")

			s = newServerOf(t, cookies(t, authhttp.CookieConfig{}), throttled)
			body, c := ask(s), s.browser()
			evil := header{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
			s.call(c, "POST", row.path, body, evil).want(t, "another origin", 403, "cross_origin")
			in := s.call(c, "POST", row.path, body, header{"Sec-Fetch-Site": "same-origin", "Origin": s.URL}).want(t, "login", 200, "")
			if in.Access+in.Refresh != "" || len(in.header["Set-Cookie"]) != 3 || !strings.Contains(in.header["Set-Cookie"][2], "__Host-device=") {
				t.Errorf("answers %s with %v", in.text, in.header["Set-Cookie"])
			}
			s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 200, "")

			s = newServerOf(t, authhttp.Config{}, throttled)
			if in := s.call(s.Client(), "POST", row.path, ask(s), nil).want(t, "login", 200, ""); len(in.Device) != 32 {
				t.Errorf("answers the device token %q", in.Device)
			}
		})
	}
}

// Guesses at a code are throttled whosever the address is, and a known device is not
// kept out by them.
func TestMailedCodesAreThrottled(t *testing.T) {
	t.Parallel()
	s := newServerOf(t, authhttp.Config{}, func(s *server, cfg *auth.Config) {
		cfg.Throttle = must(throttle.New(s.store, throttle.Config{FreePerNetwork: 3}))
	})
	c := s.Client()
	device := s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "").Device
	known, unknown := s.asked("/auth/login/code/request")
	if err := s.flows.Close(t.Context()); err != nil { // what was asked for is done
		t.Fatal(err)
	}
	m, _ := s.mail(recovery.KindCode)
	for i := range 5 {
		var got [2]answer
		for j, of := range []answer{known, unknown} {
			got[j] = s.call(c, "POST", "/auth/login/code", object("challenge", of.Challenge, "code", "x"), nil)
		}
		alike(t, "a wrong code", got[0], got[1])
		if i < 3 {
			got[0].want(t, "a wrong code", 401, "invalid_credentials")
		} else if got[0].want(t, "one too many", 429, "too_many_attempts"); got[0].header.Get("Retry-After") != "60" {
			t.Errorf("answers with %v", got[0].header)
		}
	}
	s.call(c, "POST", "/auth/login/code", object("challenge", known.Challenge, "code", m.Code, "device_token", device), nil).want(t, "from a known device", 200, "")
}

// Who is logged in changes their address by password and link.
func TestAddressEndpoints(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c, in := s.Client(), s.login()
	s.register("eve")
	ask := func(current, address string) answer {
		return s.call(c, "POST", "/auth/address", object("current_password", current, "address", address), bearer(in.Access))
	}
	s.call(c, "POST", "/auth/address", object("current_password", password, "address", "new@example.com"), nil).want(t, "by nobody", 401, "no_credentials")
	ask("wrong horse", "new@example.com").want(t, "a wrong password", 403, "invalid_credentials")
	ask(password, "nonsense").want(t, "no address", 422, "invalid_address")
	s.call(c, "POST", "/auth/address", object("current_password", password), bearer(in.Access)).want(t, "without one", 400, "invalid_request")
	taken := ask(password, "eve@example.com").want(t, "another's address", 202, "")
	alike(t, "a free address", taken, ask(password, "new@example.com"))
	m, link := s.mail(recovery.KindChange)
	if m.To != "new@example.com" {
		t.Errorf("a link went to %s", m.To)
	}
	confirm := func(token string) answer {
		return s.call(c, "POST", "/auth/address/confirm", object("token", token), nil)
	}
	s.call(c, "POST", "/auth/login/link", object("token", link), nil).want(t, "a login by it", 400, "invalid_link")
	confirm("x").want(t, "no link", 400, "invalid_link")
	confirm(link).want(t, "the link", 204, "")
	confirm(link).want(t, "the link again", 400, "invalid_link")
	if id := must(s.addresses.UserByAddress(t.Context(), "new@example.com")); id != s.call(c, "GET", "/auth/me", "", bearer(in.Access)).ID {
		t.Errorf("the address is that of %s", id)
	}

	ask(password, "late@example.com").want(t, "a third address", 202, "")
	_, link = s.mail(recovery.KindChange)
	late := must(s.accounts.Register(t.Context(), "late", password)).ID
	if err := s.addresses.ReplaceAddress(t.Context(), late, "", "late@example.com", false); err != nil {
		t.Fatal(err)
	}
	confirm(link).want(t, "an address taken meanwhile", 409, "address_taken")
}

// Who is logged in deletes their account by password, and nothing is left of it.
func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c, in, other := s.Client(), s.login(), s.login()
	id := s.call(c, "GET", "/auth/me", "", bearer(in.Access)).ID
	deletes := func(body string) answer { return s.call(c, "POST", "/auth/account/delete", body, bearer(in.Access)) }
	good := object("current_password", password)
	s.call(c, "POST", "/auth/account/delete", good, nil).want(t, "by nobody", 401, "no_credentials")
	deletes(object("current_password", "wrong horse")).want(t, "a wrong password", 403, "invalid_credentials")
	deletes("{}").want(t, "no password", 400, "invalid_request")
	deletes("").want(t, "no body", 415, "unsupported_media_type")
	deletes(form("current_password", password)).want(t, "a form", 415, "unsupported_media_type")
	s.call(c, "DELETE", "/auth/account/delete", "", bearer(in.Access)).want(t, "another method", 405, "method_not_allowed")
	s.call(c, "GET", "/auth/me", "", bearer(in.Access)).want(t, "me, still", 200, "")
	deletes(good).want(t, "the password", 204, "")
	for _, one := range []answer{in, other} {
		s.call(c, "GET", "/auth/me", "", bearer(one.Access)).want(t, "me, deleted", 401, "invalid_token")
		s.call(c, "POST", "/auth/refresh", object("refresh_token", one.Refresh), nil).want(t, "refresh", 400, "invalid_grant")
	}
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 401, "invalid_credentials")
	if _, err := s.store.UserByID(t.Context(), id); err != auth.ErrUserNotFound {
		t.Errorf("the account: %v", err)
	}
	if m, _ := s.mail(recovery.KindDeleted); m.To != adaMail {
		t.Errorf("%s was told", m.To)
	}
	s.register("ada") // name and address are free

	// In a browser, whose cookies go; another origin's page cannot.
	s = newServer(t, cookies(t, authhttp.CookieConfig{}))
	c = s.browser()
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "")
	s.call(c, "POST", "/auth/account/delete", good, header{"Sec-Fetch-Site": "cross-site"}).want(t, "another origin", 403, "cross_origin")
	s.call(c, "POST", "/auth/account/delete", object("current_password", "wrong horse"), nil).want(t, "a wrong password", 403, "invalid_credentials")
	gone := s.call(c, "POST", "/auth/account/delete", good, nil).want(t, "the password", 204, "")
	if set := strings.Join(gone.header["Set-Cookie"], "\n"); strings.Count(set, "Max-Age=0") != 2 || !strings.Contains(set, "__Host-access=;") || !strings.Contains(set, "__Secure-refresh=;") {
		t.Errorf("it sets %s", set)
	}
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me, deleted", 401, "no_credentials")

	// Cookies that are not secure are for localhost alone.
	s = newServer(t, cookies(t, authhttp.CookieConfig{DangerouslyInsecureLocalhost: true}))
	r := httptest.NewRequest("POST", "/auth/account/delete", strings.NewReader(good))
	r.Host = "evil.test"
	r.Header.Set("Content-Type", asJSON)
	r.Header.Set("Authorization", "Bearer "+must(s.accounts.Login(t.Context(), "ada", password)).AccessToken)
	w := httptest.NewRecorder()
	s.Config.Handler.ServeHTTP(w, r)
	refused(t, "another host", w, 421)
}

// Whoever has a stolen access token guesses the password where a change of the
// address or the deletion asks for it no more often than at a login, and the device
// of the owner counts apart.
func TestConfirmationsAreThrottled(t *testing.T) {
	t.Parallel()
	for path, more := range map[string][]string{"/auth/address": {"address", "new@example.com"}, "/auth/account/delete": nil} {
		s := newServerOf(t, authhttp.Config{}, throttled)
		c := s.Client()
		in := s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil)
		try := func(more ...string) answer { return s.call(c, "POST", path, object(more...), bearer(in.Access)) }
		for range 5 {
			try(append(more, "current_password", "wrong horse")...).want(t, path, 403, "invalid_credentials")
		}
		if got := try(append(more, "current_password", password)...).want(t, path, 429, "too_many_attempts"); got.header.Get("Retry-After") != "60" {
			t.Errorf("%s: %v", path, got.header)
		}
		want := map[bool]int{true: 202, false: 204}[more != nil]
		try(append(more, "current_password", password, "device_token", in.Device)...).want(t, path+" from a known device", want, "")
	}
}

// A handler has its own answer to each error, and to two deletions at once.
func TestMailErrors(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	token := s.login().Access
	m := new(mails)
	handlers := map[string]struct {
		h    http.Handler
		body string
		said string
	}{
		"ask link":    {authhttp.RequestLoginLink(m, authhttp.Config{}), object("address", secret), "link " + secret},
		"link":        {authhttp.LoginByLink(m, authhttp.Config{}), object("token", secret), "by link " + secret},
		"ask code":    {authhttp.RequestLoginCode(m, authhttp.Config{}), object("address", secret), "code " + secret},
		"code":        {authhttp.LoginByCode(m, authhttp.Config{}), object("challenge", "c", "code", secret), "by code c " + secret},
		"ask address": {authhttp.RequestAddressChange(m, s.guard, authhttp.Config{}), object("current_password", "p", "address", secret), "change p " + secret},
		"address":     {authhttp.ChangeAddress(m, authhttp.Config{}), object("token", secret), "changed " + secret},
		"delete":      {authhttp.DeleteAccount(m, s.guard, authhttp.Config{}), object("current_password", secret), "delete " + secret},
	}
	for _, row := range []struct {
		err  error
		want map[string]string // "" where all are answered alike
	}{
		{auth.ErrInvalidCredentials, map[string]string{
			"ask link": "400 invalid_link", "link": "400 invalid_link", "address": "400 invalid_link", "ask code": "401 invalid_credentials",
			"code": "401 invalid_credentials", "ask address": "403 invalid_credentials", "delete": "403 invalid_credentials",
		}},
		{recovery.ErrInvalidAddress, map[string]string{"ask link": "422 invalid_address", "ask code": "422 invalid_address", "ask address": "422 invalid_address"}},
		{auth.ErrUserExists, map[string]string{"address": "409 address_taken"}},
		{auth.ErrUserNotFound, map[string]string{"delete": "204 "}},
		{&auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Minute}, map[string]string{"": "429 too_many_attempts"}},
		{&auth.RetryError{Err: auth.ErrBusy, After: time.Minute}, map[string]string{"": "503 unavailable"}},
		{errors.New("the disk is full"), map[string]string{"": "500 internal"}},
	} {
		for name, one := range handlers {
			want := row.want[name] + row.want[""]
			if want == "" {
				continue
			}
			m.err, m.said = row.err, ""
			r := httptest.NewRequest("POST", "/", strings.NewReader(one.body))
			r.Header.Set("Content-Type", asJSON)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			one.h.ServeHTTP(w, r)
			if m.said != one.said {
				t.Errorf("%s: it was asked %q", name, m.said)
			}
			if w.Code < 300 {
				if want != "204 " || w.Code != 204 {
					t.Errorf("%s: %v is answered %d, want %s", name, row.err, w.Code, want)
				}
				continue
			}
			refused(t, name, w, w.Code)
			_, retry := errors.AsType[*auth.RetryError](row.err)
			if got := http.StatusText(w.Code); !strings.HasPrefix(want, strconv.Itoa(w.Code)+" ") || !strings.Contains(w.Body.String(), `"code":"`+want[4:]) || retry != (w.Header().Get("Retry-After") == "60") {
				t.Errorf("%s: %v is answered %s %s with %v, want %s", name, row.err, got, w.Body, w.Header(), want)
			}
		}
	}
}

// A host asks for a second factor before an account is deleted, besides the password.
func TestGuardFunc(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	m, in := new(mails), s.login()
	s.codes.set("1")
	up := s.call(s.Client(), "POST", "/auth/step-up", object("password", password, "code", "1"), bearer(in.Access)).want(t, "step up", 200, "")
	h := authhttp.DeleteAccount(m, authhttp.GuardFunc(s.guard.RequireMFA), authhttp.Config{})
	for token, want := range map[string]int{in.Access: 401, up.Access: 204} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(object("current_password", password)))
		r.Header.Set("Content-Type", asJSON)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want || (m.said != "") != (want == 204) {
			t.Errorf("answers %d %s, want %d", w.Code, w.Body, want)
		}
		m.said = ""
	}
}

// frail is a store that fails in the middle, or whose client hangs up there.
type frail struct {
	*memstore.Store
	breaks func() error // unless nil
}

func (f *frail) fails() error {
	if f.breaks == nil {
		return nil
	}
	return f.breaks()
}

func (f *frail) CreateSession(ctx context.Context, s auth.Session) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Store.CreateSession(ctx, s)
}

func (f *frail) DeleteUser(ctx context.Context, id string) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.Store.DeleteUser(ctx, id)
}

// What breaks in the middle is 5xx, whatever it is, and can be asked for again: links,
// codes and accounts are as they were.
func TestMailsAndStoresThatBreak(t *testing.T) {
	t.Parallel()
	f := new(frail)
	s := newServerOf(t, cookies(t, authhttp.CookieConfig{}), func(s *server, cfg *auth.Config) {
		f.Store, cfg.Sessions, cfg.Accounts = s.store, f, f
		cfg.Throttle = must(throttle.New(s.store, throttle.Config{FreePerNetwork: 1})) // nothing that broke is held against anybody
	})
	s.call(s.Client(), "POST", "/auth/login/link/request", object("address", adaMail), nil)
	_, link := s.mail(recovery.KindLogin)
	asked := s.call(s.Client(), "POST", "/auth/login/code/request", object("address", adaMail), nil)
	m, _ := s.mail(recovery.KindCode)
	for _, row := range []struct {
		path, body string
		want       int
	}{
		{"/auth/login/link", object("token", link), 200},
		{"/auth/login/code", object("challenge", asked.Challenge, "code", m.Code), 200},
		{"/auth/account/delete", object("current_password", password), 204},
	} {
		try := func(ctx context.Context) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", row.path, strings.NewReader(row.body)).WithContext(ctx)
			r.Header.Set("Content-Type", asJSON)
			if row.want == 204 { // all sessions have ended when it broke
				breaks := f.breaks
				f.breaks = nil
				r.Header.Set("Authorization", "Bearer "+must(s.accounts.Login(t.Context(), "ada", password)).AccessToken)
				f.breaks = breaks
			}
			w := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(w, r)
			return w
		}
		ctx, hangUp := context.WithCancel(t.Context())
		for _, breaks := range []func() error{
			func() error { return errors.New("the disk is full") },
			func() error { hangUp(); return ctx.Err() },
		} {
			f.breaks = breaks
			if w := try(ctx); w.Code < 500 || w.Header()["Set-Cookie"] != nil || strings.Contains(w.Body.String(), "disk") {
				t.Errorf("%s: broken, it answers %d %v %s", row.path, w.Code, w.Header(), w.Body)
			}
		}
		f.breaks = nil
		if w := try(ctx); w.Code < 500 { // already gone
			t.Errorf("%s: to nobody, it answers %d %s", row.path, w.Code, w.Body)
		}
		if w := try(t.Context()); w.Code != row.want {
			t.Errorf("%s: whole again, it answers %d %s", row.path, w.Code, w.Body)
		}
	}
}

// Of requests that delete one account at once, one does, and none is a fault.
func TestDeletionsAtOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	in := s.login()
	var all sync.WaitGroup
	answers := make(chan answer, 8)
	for range 8 {
		all.Go(func() {
			answers <- s.call(s.Client(), "POST", "/auth/account/delete", object("current_password", password), bearer(in.Access))
		})
	}
	all.Wait()
	close(answers)
	deleted := 0
	for one := range answers {
		switch one.status {
		case 204:
			deleted++
		case 401, 403: // the session has ended, and the account is gone
		default:
			t.Errorf("one is answered %d %s", one.status, one.text)
		}
	}
	s.call(s.Client(), "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 401, "invalid_credentials")
	if deleted == 0 {
		t.Error("none deleted it")
	}
}
