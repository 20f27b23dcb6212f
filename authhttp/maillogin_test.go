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

// throttled is a change for newServerWith: it adds a throttle.
func throttled(s *server, cfg *auth.Config) {
	cfg.Throttle = must(throttle.New(s.store, throttle.Config{}))
}

// wantAlike checks that two answers differ in nothing but the content of a random value.
func wantAlike(t *testing.T, what string, first, second answer) {
	t.Helper()
	first.header.Del("Date")
	second.header.Del("Date")
	if first.status != second.status || len(first.text) != len(second.text) || len(first.header) != len(second.header) {
		t.Errorf("%s: got %d %v %s and %d %v %s, want answers that are alike", what,
			first.status, first.header, first.text, second.status, second.header, second.text)
	}
}

// requestMail posts ada's address, and an address that belongs to nobody, to an endpoint that sends
// mails. The answers must be alike.
func (s *server) requestMail(path string) (known, unknown answer) {
	s.t.Helper()
	known = s.call(s.Client(), "POST", path, object("address", "ADA@example.com"), nil).want(s.t, path, 202, "")
	unknown = s.call(s.Client(), "POST", path, object("address", noMail), nil)
	wantAlike(s.t, path, known, unknown)
	s.call(s.Client(), "POST", path, object("address", "nonsense"), nil).want(s.t, path+" with an invalid address", 422, "invalid_address")
	s.call(s.Client(), "POST", path, object("address", adaMail, "x", "y"), nil).want(s.t, path+" with another member", 400, "invalid_request")
	s.call(s.Client(), "POST", path, form("address", adaMail), nil).want(s.t, path+" with a form", 415, "unsupported_media_type")
	return known, unknown
}

// A login link logs in once, and is good for nothing else.
func TestLoginByLink(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	known, _ := s.requestMail("/auth/login/link/request")
	m, link := s.mail(recovery.KindLogin)
	if m.To != adaMail || link == "" || len(m.Code) != 6 {
		t.Errorf("got a mail to %s with token %q and code %q, want one to %s", m.To, link, m.Code, adaMail)
	}
	s.requestMail("/auth/password/forgot")
	_, reset := s.mail(recovery.KindReset)
	loginByLink := func(token string) answer {
		return s.call(c, "POST", "/auth/login/link", object("token", token, "challenge", known.Challenge), nil)
	}
	loginByLink("x").want(t, "an invalid link", 400, "invalid_link")
	loginByLink(reset).want(t, "a link of another kind", 400, "invalid_link")
	s.call(c, "POST", "/auth/password/reset", object("token", link, "new_password", "battery staple"), nil).want(t, "a reset with it", 400, "invalid_link")
	s.call(c, "POST", "/auth/verify", object("token", link), nil).want(t, "a verification with it", 400, "invalid_link")
	s.call(c, "POST", "/auth/address/confirm", object("token", link, "current_password", password), nil).want(t, "an address change with it", 400, "invalid_link")
	s.call(c, "POST", "/auth/login/link?token="+link, "", nil).want(t, "the link in a URL", 400, "invalid_request")
	s.call(c, "GET", "/auth/login/link?token="+link, "", nil).want(t, "GET", 405, "")
	s.call(c, "POST", "/auth/login/link", `{"token":"x","token":"`+link+`"}`, nil).want(t, "a member twice", 400, "invalid_request")

	var requests sync.WaitGroup
	answers := make(chan answer, 8)
	for range 8 {
		requests.Go(func() { answers <- loginByLink(link) })
	}
	requests.Wait()
	close(answers)
	var logins []answer
	for a := range answers {
		if a.status == 200 {
			logins = append(logins, a)
			continue
		}
		a.want(t, "a link that another request has used", 400, "invalid_link")
	}
	if len(logins) != 1 || logins[0].Refresh == "" || logins[0].header.Get("Pragma") != "no-cache" {
		t.Fatalf("8 requests with the same link: got %d logins, want 1", len(logins))
	}
	me := s.call(c, "GET", "/auth/me", "", bearer(logins[0].Access)).want(t, "me", 200, "")
	if me.Username != "ada" {
		t.Errorf("the link logged %s in, want ada", me.Username)
	}
}

// A login link logs in the client that requested it, and no other: a browser by its cookie, another
// client by its challenge. The code of the same mail logs in there, too. The tests with two browsers
// stand for a thief of the link, and for a victim whom an attacker sends the link to the attacker's own
// account.
func TestOtherBrowser(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]authhttp.Config{"cookies": cookies(t, authhttp.CookieConfig{}), "no cookies": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, cfg)
			asking, other := s.browser(), s.browser()
			s.register("bob")
			requested := func(address string) (challenge, link, code string) {
				t.Helper()
				a := s.call(asking, "POST", "/auth/login/link/request", object("address", address), nil).want(t, "request", 202, "")
				m, link := s.mail(recovery.KindLogin)
				return a.Challenge, link, m.Code
			}
			// Clients without cookies send the challenge.
			byLink := func(c *http.Client, link, challenge string) answer {
				t.Helper()
				if cfg.Cookies != nil {
					return s.call(c, "POST", "/auth/login/link", object("token", link), nil)
				}
				return s.call(c, "POST", "/auth/login/link", object("token", link, "challenge", challenge), nil)
			}
			challenge, link, code := requested(adaMail)
			s.call(other, "POST", "/auth/login/link/request", object("address", noMail), nil).want(t, "another request", 202, "")
			for _, wrong := range []string{"", "x", strings.Repeat("A", 64)} {
				refused := byLink(other, link, wrong).want(t, "another browser", 403, "other_browser")
				if refused.header["Set-Cookie"] != nil || !strings.Contains(refused.Detail, "another browser") {
					t.Errorf("another browser: got %v %s", refused.header, refused.text)
				}
			}
			if cfg.Cookies != nil { // a stolen challenge is no cookie
				s.call(other, "POST", "/auth/login/link", object("token", link, "challenge", challenge), nil).want(t, "the challenge without the cookie", 403, "other_browser")
			}
			s.call(other, "GET", "/auth/me", "", nil).want(t, "the other browser", 401, "no_credentials")
			byLink(asking, link, challenge).want(t, "the browser that asked", 200, "")
			byLink(asking, link, challenge).want(t, "the link again", 400, "invalid_link")
			s.call(asking, "POST", "/auth/login/code", object("challenge", challenge, "code", code), nil).want(t, "the code of a used mail", 401, "invalid_credentials")

			// The code of the mail logs in instead, where the challenge is.
			challenge, link, code = requested("bob@example.com")
			byLink(other, link, "").want(t, "another browser", 403, "other_browser")
			s.call(asking, "POST", "/auth/login/code", object("challenge", challenge, "code", code), nil).want(t, "the code", 200, "")
			byLink(asking, link, challenge).want(t, "the link of a used mail", 400, "invalid_link")
		})
	}
}

// A browser keeps its secret for login links in a cookie that no sibling subdomain can plant, and the
// same one as long as it requests links, so that every link works that it requested.
func TestLoginCookie(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"__Host-login": "; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Strict", "login": "; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict",
	} {
		s := newServer(t, cookies(t, authhttp.CookieConfig{DangerouslyInsecureLocalhost: name == "login"}))
		ask := func(cookie string) (value string) {
			t.Helper()
			r := httptest.NewRequest("POST", "/auth/login/link/request", strings.NewReader(object("address", noMail)))
			r.Host = "localhost"
			r.Header.Set("Content-Type", asJSON)
			r.Header.Set("Cookie", cookie)
			w := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(w, r)
			set := w.Header()["Set-Cookie"]
			if w.Code != 202 || len(set) != 1 || !strings.HasPrefix(set[0], name+"=") || !strings.HasSuffix(set[0], want) {
				t.Fatalf("with the cookie %q: got %d %v, want 202 and %s=…%s", cookie, w.Code, set, name, want)
			}
			if value = must(http.ParseSetCookie(set[0])).Value; len(value) != 43 || strings.Contains(w.Body.String(), value) {
				t.Errorf("with the cookie %q: got the secret %q and the body %s", cookie, value, w.Body)
			}
			return value
		}
		first := ask("")
		if again := ask(name + "=" + first); again != first {
			t.Errorf("the browser's second request: got the secret %s, want %s", again, first)
		}
		for _, unusable := range []string{"", name + "=x", name + "=" + first[1:] + "!", name + "=" + first + "; " + name + "=" + first[1:] + "A"} {
			if ask(unusable) == first {
				t.Errorf("the cookie %q was taken for %s", unusable, first)
			}
		}
		evil := header{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
		if name != "login" {
			s.call(s.Client(), "POST", "/auth/login/link/request", object("address", adaMail), evil).want(t, "another origin", 403, "cross_origin")
		}
	}
}

// A code logs in only with the challenge that it was requested with.
func TestLoginByCode(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	known, unknown := s.requestMail("/auth/login/code/request")
	m, _ := s.mail(recovery.KindCode)
	loginByCode := func(challenge, code string) answer {
		return s.call(c, "POST", "/auth/login/code", object("challenge", challenge, "code", code), nil)
	}
	for _, challenge := range []string{known.Challenge, unknown.Challenge, ""} {
		loginByCode(challenge, "x").want(t, "a wrong code", 401, "invalid_credentials")
	}
	loginByCode(unknown.Challenge, m.Code).want(t, "another's challenge", 401, "invalid_credentials")
	s.call(c, "POST", "/auth/login/code", object("code", m.Code), nil).want(t, "no challenge", 400, "invalid_request")
	s.call(c, "POST", "/auth/login/code?challenge="+known.Challenge, object("challenge", known.Challenge, "code", m.Code), nil).want(t, "a challenge in the URL", 400, "invalid_request")
	if got := loginByCode(known.Challenge, m.Code).want(t, "the code", 200, ""); got.Access == "" || got.Refresh == "" {
		t.Errorf("the code: got %s, want both tokens", got.text)
	}
	loginByCode(known.Challenge, m.Code).want(t, "the code again", 401, "invalid_credentials")
}

// A login by mail is answered like Login: it asks for a second factor, sets cookies, and refuses
// requests of another origin.
func TestMailLoginsAreLogins(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		kind recovery.Kind
		path string
		body func(s *server, requested answer) string // body with the secret of the mail
	}{
		"link": {recovery.KindLogin, "/auth/login/link", func(s *server, requested answer) string {
			_, token := s.mail(recovery.KindLogin)
			return object("token", token, "challenge", requested.Challenge)
		}},
		"code": {recovery.KindCode, "/auth/login/code", func(s *server, requested answer) string {
			m, _ := s.mail(recovery.KindCode)
			return object("challenge", requested.Challenge, "code", m.Code)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requestMail := func(s *server, c *http.Client) (body string) {
				requested := s.call(c, "POST", row.path+"/request", object("address", adaMail), nil).want(t, "request", 202, "")
				return row.body(s, requested)
			}
			s := newServer(t, authhttp.Config{})
			s.codes.set("1")
			first := s.call(s.Client(), "POST", row.path, requestMail(s, s.Client()), nil).want(t, "one factor", 403, "mfa_required")
			s.call(s.Client(), "POST", "/auth/login/mfa", object("mfa_token", first.MFA, "code", "1"), nil).want(t, "both", 200, "")

			s = newServerWith(t, cookies(t, authhttp.CookieConfig{}), throttled)
			c := s.browser()
			body := requestMail(s, c)
			evil := header{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}
			s.call(c, "POST", row.path, body, evil).want(t, "another origin", 403, "cross_origin")
			in := s.call(c, "POST", row.path, body, header{"Sec-Fetch-Site": "same-origin", "Origin": s.URL}).want(t, "login", 200, "")
			if in.Access+in.Refresh != "" || len(in.header["Set-Cookie"]) != 5 || !strings.Contains(in.header["Set-Cookie"][4], "__Host-device=") {
				t.Errorf("with cookies: got %s with %v, want five cookies and no tokens in the body", in.text, in.header["Set-Cookie"])
			}
			s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 200, "")

			s = newServerWith(t, authhttp.Config{}, throttled)
			if in := s.call(s.Client(), "POST", row.path, requestMail(s, s.Client()), nil).want(t, "login", 200, ""); len(in.Device) != 32 {
				t.Errorf("with a throttle: got device token %q, want one of 32 characters", in.Device)
			}
		})
	}
}

// Attempts at a code are throttled whether or not the address belongs to an account, and do not
// lock out a known device.
func TestMailedCodesAreThrottled(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, authhttp.Config{}, func(s *server, cfg *auth.Config) {
		cfg.Throttle = must(throttle.New(s.store, throttle.Config{FreePerNetwork: 3}))
	})
	c := s.Client()
	device := s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "").Device
	known, unknown := s.requestMail("/auth/login/code/request")
	if err := s.flows.Close(t.Context()); err != nil { // waits for the mails
		t.Fatal(err)
	}
	m, _ := s.mail(recovery.KindCode)
	for i := range 5 {
		var got [2]answer
		for j, requested := range []answer{known, unknown} {
			got[j] = s.call(c, "POST", "/auth/login/code", object("challenge", requested.Challenge, "code", "x"), nil)
		}
		wantAlike(t, "a wrong code", got[0], got[1])
		if i < 3 {
			got[0].want(t, "a wrong code", 401, "invalid_credentials")
		} else if got[0].want(t, "one attempt too many", 429, "too_many_attempts"); got[0].header.Get("Retry-After") != "60" {
			t.Errorf("one attempt too many: got headers %v, want Retry-After 60", got[0].header)
		}
	}
	s.call(c, "POST", "/auth/login/code", object("challenge", known.Challenge, "code", m.Code, "device_token", device), nil).want(t, "from a known device", 200, "")
}

// A caller changes their address with the password and a link.
func TestAddressEndpoints(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c, in := s.Client(), s.login()
	s.register("eve")
	change := func(current, address string) answer {
		return s.call(c, "POST", "/auth/address", object("current_password", current, "address", address), bearer(in.Access))
	}
	s.call(c, "POST", "/auth/address", object("current_password", password, "address", "new@example.com"), nil).want(t, "without an access token", 401, "no_credentials")
	change("wrong horse", "new@example.com").want(t, "a wrong password", 403, "invalid_credentials")
	change(password, "nonsense").want(t, "an invalid address", 422, "invalid_address")
	s.call(c, "POST", "/auth/address", object("current_password", password), bearer(in.Access)).want(t, "without an address", 400, "invalid_request")
	taken := change(password, "eve@example.com").want(t, "another's address", 202, "")
	wantAlike(t, "a free address", taken, change(password, "new@example.com"))
	m, link := s.mail(recovery.KindChange)
	if m.To != "new@example.com" {
		t.Errorf("got a link to %s, want new@example.com", m.To)
	}
	confirm := func(token string) answer {
		return s.call(c, "POST", "/auth/address/confirm", object("token", token, "current_password", password), nil)
	}
	s.call(c, "POST", "/auth/address/confirm", object("token", link), nil).want(t, "no password", 400, "invalid_request")
	s.call(c, "POST", "/auth/address/confirm", object("token", link, "current_password", "wrong horse"), nil).want(t, "a wrong password", 403, "invalid_credentials")
	s.call(c, "POST", "/auth/login/link", object("token", link), nil).want(t, "a login with it", 400, "invalid_link")
	confirm("x").want(t, "an invalid link", 400, "invalid_link")
	confirm(link).want(t, "the link", 204, "")
	confirm(link).want(t, "the link again", 400, "invalid_link")
	ada := s.call(c, "GET", "/auth/me", "", bearer(in.Access)).ID
	if id := must(s.addresses.UserByAddress(t.Context(), "new@example.com")); id != ada {
		t.Errorf("the address belongs to %s, want %s", id, ada)
	}

	change(password, "late@example.com").want(t, "a third address", 202, "")
	_, link = s.mail(recovery.KindChange)
	late := must(s.accounts.Register(t.Context(), "late", password)).ID
	if err := s.addresses.ReplaceAddress(t.Context(), late, "", "late@example.com", false); err != nil {
		t.Fatal(err)
	}
	confirm(link).want(t, "an address that was taken since", 409, "address_taken")
}

// A caller deletes their account with the password, and nothing is left of it.
func TestDeleteAccount(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c, in, other := s.Client(), s.login(), s.login()
	id := s.call(c, "GET", "/auth/me", "", bearer(in.Access)).ID
	deleteAccount := func(body string) answer {
		return s.call(c, "POST", "/auth/account/delete", body, bearer(in.Access))
	}
	validBody := object("current_password", password)
	s.call(c, "POST", "/auth/account/delete", validBody, nil).want(t, "without an access token", 401, "no_credentials")
	deleteAccount(object("current_password", "wrong horse")).want(t, "a wrong password", 403, "invalid_credentials")
	deleteAccount("{}").want(t, "no password", 400, "invalid_request")
	deleteAccount("").want(t, "no body", 415, "unsupported_media_type")
	deleteAccount(form("current_password", password)).want(t, "a form", 415, "unsupported_media_type")
	s.call(c, "DELETE", "/auth/account/delete", "", bearer(in.Access)).want(t, "another method", 405, "")
	s.call(c, "GET", "/auth/me", "", bearer(in.Access)).want(t, "me before the deletion", 200, "")
	deleteAccount(validBody).want(t, "the password", 204, "")
	for _, login := range []answer{in, other} {
		s.call(c, "GET", "/auth/me", "", bearer(login.Access)).want(t, "me, deleted", 401, "invalid_token")
		s.call(c, "POST", "/auth/refresh", object("refresh_token", login.Refresh), nil).want(t, "refresh", 400, "invalid_grant")
	}
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 401, "invalid_credentials")
	if _, err := s.store.UserByID(t.Context(), id); err != auth.ErrUserNotFound {
		t.Errorf("the deleted account: got %v, want ErrUserNotFound", err)
	}
	if m, _ := s.mail(recovery.KindDeleted); m.To != adaMail {
		t.Errorf("the notice went to %s, want %s", m.To, adaMail)
	}
	s.register("ada") // succeeds: username and address are free

	// With cookies, the browser loses them, and a page of another origin cannot delete the account.
	s = newServer(t, cookies(t, authhttp.CookieConfig{}))
	c = s.browser()
	s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "")
	s.call(c, "POST", "/auth/account/delete", validBody, header{"Sec-Fetch-Site": "cross-site"}).want(t, "another origin", 403, "cross_origin")
	s.call(c, "POST", "/auth/account/delete", object("current_password", "wrong horse"), nil).want(t, "a wrong password", 403, "invalid_credentials")
	deleted := s.call(c, "POST", "/auth/account/delete", validBody, nil).want(t, "the password", 204, "")
	if set := strings.Join(deleted.header["Set-Cookie"], "\n"); strings.Count(set, "Max-Age=0") != 4 || !strings.Contains(set, "__Host-refresh-id=;") || !strings.Contains(set, "__Host-access=;") || !strings.Contains(set, "__Secure-refresh=;") {
		t.Errorf("a deletion with cookies: got cookies %s, want both tokens removed", set)
	}
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me, deleted", 401, "no_credentials")

	// Insecure cookies are for localhost only.
	s = newServer(t, cookies(t, authhttp.CookieConfig{DangerouslyInsecureLocalhost: true}))
	r := httptest.NewRequest("POST", "/auth/account/delete", strings.NewReader(validBody))
	r.Host = "evil.test"
	r.Header.Set("Content-Type", asJSON)
	r.Header.Set("Authorization", "Bearer "+must(s.accounts.Login(t.Context(), "ada", password)).AccessToken)
	w := httptest.NewRecorder()
	s.Config.Handler.ServeHTTP(w, r)
	refused(t, "another host", w, 421)
}

// A client with a stolen access token has no more attempts at the password than at a login, neither
// at a change of the address nor at the deletion. The attempts do not lock out the owner's device.
func TestConfirmationsAreThrottled(t *testing.T) {
	t.Parallel()
	for path, more := range map[string][]string{"/auth/address": {"address", "new@example.com"}, "/auth/account/delete": nil} {
		s := newServerWith(t, authhttp.Config{}, throttled)
		c := s.Client()
		in := s.call(c, "POST", "/auth/login", object("username", "ada", "password", password), nil)
		try := func(members ...string) answer {
			return s.call(c, "POST", path, object(members...), bearer(in.Access))
		}
		for range 5 {
			try(append(more, "current_password", "wrong horse")...).want(t, path, 403, "invalid_credentials")
		}
		if got := try(append(more, "current_password", password)...).want(t, path, 429, "too_many_attempts"); got.header.Get("Retry-After") != "60" {
			t.Errorf("%s: got headers %v, want Retry-After 60", path, got.header)
		}
		want := map[bool]int{true: 202, false: 204}[more != nil]
		try(append(more, "current_password", password, "device_token", in.Device)...).want(t, path+" from a known device", want, "")
	}
}

// Each handler has its own answer to each error of package recovery.
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
		"ask link":    {authhttp.RequestLoginLink(m, authhttp.Config{}), object("address", secret), "link  " + secret},
		"link":        {authhttp.LoginByLink(m, authhttp.Config{}), object("token", secret, "challenge", "c"), "by link c " + secret},
		"ask code":    {authhttp.RequestLoginCode(m, authhttp.Config{}), object("address", secret), "code " + secret},
		"code":        {authhttp.LoginByCode(m, authhttp.Config{}), object("challenge", "c", "code", secret), "by code c " + secret},
		"ask address": {authhttp.RequestAddressChange(m, s.guard, authhttp.Config{}), object("current_password", "p", "address", secret), "change p " + secret},
		"address":     {authhttp.ChangeAddress(m, authhttp.Config{}), object("token", secret, "current_password", "p"), "changed " + secret + " p"},
		"delete":      {authhttp.DeleteAccount(m, s.guard, authhttp.Config{}), object("current_password", secret), "delete " + secret},
	}
	for _, row := range []struct {
		err  error
		want map[string]string // status and code, by handler; "": of all handlers
	}{
		{auth.ErrInvalidCredentials, map[string]string{
			"ask link": "401 invalid_credentials", "link": "400 invalid_link", "address": "400 invalid_link", "ask code": "401 invalid_credentials",
			"code": "401 invalid_credentials", "ask address": "403 invalid_credentials", "delete": "403 invalid_credentials",
		}},
		{recovery.ErrOtherBrowser, map[string]string{"link": "403 other_browser"}},
		{recovery.ErrInvalidAddress, map[string]string{"ask link": "422 invalid_address", "ask code": "422 invalid_address", "ask address": "422 invalid_address"}},
		{auth.ErrUserExists, map[string]string{"address": "409 address_taken"}},
		{auth.ErrUserNotFound, map[string]string{"delete": "204 "}},
		{&auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Minute}, map[string]string{"": "429 too_many_attempts"}},
		{&auth.RetryError{Err: auth.ErrBusy, After: time.Minute}, map[string]string{"": "503 unavailable"}},
		{errors.New("the disk is full"), map[string]string{"": "500 internal"}},
	} {
		for name, handler := range handlers {
			want := row.want[name] + row.want[""]
			if want == "" {
				continue
			}
			m.err, m.said = row.err, ""
			r := httptest.NewRequest("POST", "/", strings.NewReader(handler.body))
			r.Header.Set("Content-Type", asJSON)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			handler.h.ServeHTTP(w, r)
			if m.said != handler.said {
				t.Errorf("%s: recovery was called with %q, want %q", name, m.said, handler.said)
			}
			if w.Code < 300 {
				if want != "204 " || w.Code != 204 {
					t.Errorf("%s: %v: got %d, want %s", name, row.err, w.Code, want)
				}
				continue
			}
			refused(t, name, w, w.Code)
			_, retry := errors.AsType[*auth.RetryError](row.err)
			if got := http.StatusText(w.Code); !strings.HasPrefix(want, strconv.Itoa(w.Code)+" ") || !strings.Contains(w.Body.String(), `"code":"`+want[4:]) || retry != (w.Header().Get("Retry-After") == "60") {
				t.Errorf("%s: %v: got %s %s with %v, want %s", name, row.err, got, w.Body, w.Header(), want)
			}
		}
	}
}

// A host can ask for a second factor, in addition to the password, before an account is deleted.
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
			t.Errorf("delete behind RequireMFA: got %d %s after %q, want %d", w.Code, w.Body, m.said, want)
		}
		m.said = ""
	}
}

// frailStore is a store that can fail when a session is created or a user is deleted.
type frailStore struct {
	*memstore.Store
	fail func() error // nil: nothing fails
}

func (f *frailStore) failure() error {
	if f.fail == nil {
		return nil
	}
	return f.fail()
}

func (f *frailStore) CreateSession(ctx context.Context, s auth.Session) error {
	if err := f.failure(); err != nil {
		return err
	}
	return f.Store.CreateSession(ctx, s)
}

func (f *frailStore) DeleteUser(ctx context.Context, id string) error {
	if err := f.failure(); err != nil {
		return err
	}
	return f.Store.DeleteUser(ctx, id)
}

// A store that fails half-way is answered 5xx, and the request can be repeated: links, codes and
// accounts remain as they were.
func TestMailsAndFailingStores(t *testing.T) {
	t.Parallel()
	f := new(frailStore)
	s := newServerWith(t, cookies(t, authhttp.CookieConfig{}), func(s *server, cfg *auth.Config) {
		f.Store, cfg.Sessions, cfg.Accounts = s.store, f, f
		cfg.Throttle = must(throttle.New(s.store, throttle.Config{FreePerNetwork: 1})) // so that a counted failure would be noticed
	})
	asked := s.call(s.Client(), "POST", "/auth/login/link/request", object("address", adaMail), nil)
	browser, _, _ := strings.Cut(asked.header.Get("Set-Cookie"), ";")
	_, link := s.mail(recovery.KindLogin)
	requested := s.call(s.Client(), "POST", "/auth/login/code/request", object("address", adaMail), nil)
	m, _ := s.mail(recovery.KindCode)
	for _, row := range []struct {
		path, body string
		want       int
	}{
		{"/auth/login/link", object("token", link), 200},
		{"/auth/login/code", object("challenge", requested.Challenge, "code", m.Code), 200},
		{"/auth/account/delete", object("current_password", password), 204},
	} {
		try := func(ctx context.Context) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", row.path, strings.NewReader(row.body)).WithContext(ctx)
			r.Header.Set("Content-Type", asJSON)
			r.Header.Set("Cookie", browser)
			if row.want == 204 { // the failed deletion has ended all sessions
				fail := f.fail
				f.fail = nil
				r.Header.Set("Authorization", "Bearer "+must(s.accounts.Login(t.Context(), "ada", password)).AccessToken)
				f.fail = fail
			}
			w := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(w, r)
			return w
		}
		ctx, hangUp := context.WithCancel(t.Context())
		for _, fail := range []func() error{
			func() error { return errors.New("the disk is full") },
			func() error { hangUp(); return ctx.Err() },
		} {
			f.fail = fail
			if w := try(ctx); w.Code < 500 || w.Header()["Set-Cookie"] != nil || strings.Contains(w.Body.String(), "disk") {
				t.Errorf("%s: store fails: got %d %v %s, want 5xx without cookies and the error's text", row.path, w.Code, w.Header(), w.Body)
			}
		}
		f.fail = nil
		if w := try(ctx); w.Code < 500 { // the client has hung up before
			t.Errorf("%s: client has gone: got %d %s, want 5xx", row.path, w.Code, w.Body)
		}
		if w := try(t.Context()); w.Code != row.want {
			t.Errorf("%s: store works again: got %d %s, want %d", row.path, w.Code, w.Body, row.want)
		}
	}
}

// If several requests delete an account at the same time, at least one succeeds and none fails.
func TestConcurrentDeletions(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	in := s.login()
	var requests sync.WaitGroup
	answers := make(chan answer, 8)
	for range 8 {
		requests.Go(func() {
			answers <- s.call(s.Client(), "POST", "/auth/account/delete", object("current_password", password), bearer(in.Access))
		})
	}
	requests.Wait()
	close(answers)
	deleted := 0
	for a := range answers {
		switch a.status {
		case 204:
			deleted++
		case 401, 403: // the session has ended, or the account has been deleted
		default:
			t.Errorf("got %d %s, want 204, 401 or 403", a.status, a.text)
		}
	}
	s.call(s.Client(), "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 401, "invalid_credentials")
	if deleted == 0 {
		t.Error("no request deleted the account")
	}
}
