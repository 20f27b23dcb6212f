package main

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/seed-e36e2130/auth/recovery"
)

// logout selects the button that logs out.
const logout = `form[action="/auth/logout/page"] button`

// TestMailPages confirms an address and logs in by mail. The link of a mail logs in the browser that
// asked, and tells another where to go. The code of the mail logs in as well.
func TestMailPages(t *testing.T) {
	t.Parallel()
	for name, https := range map[string]bool{"https": true, "localhost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveTest(t, https)
			b := s.open(t)
			register := func(address string) {
				t.Helper()
				b.visit("/register")
				b.enter("#username", address, "#password", password)
				b.at("/account", address)
				_, link := s.mails.next(t, recovery.KindVerify)
				b.visit(link)
				b.enter("#current", otherPassword)
				b.wantError("#problem", "The current password is wrong", "current")
				b.enter("#current", password)
				b.at("/account", "Your address is confirmed")
				b.click(logout)
				b.at("/login", "You are logged out")
			}
			ask := func(address string) (m recovery.Message, link string) {
				t.Helper()
				b.visit("/login/mail")
				b.enter("#address", address)
				b.at("/login/mail", "Open its link in this browser, or enter the code here")
				b.wantFocus("code")
				return s.mails.next(t, recovery.KindLogin)
			}
			register("ada@example.com")
			_, link := ask("ada@example.com")

			other := s.window(t, b.ctx, chromedp.WithNewBrowserContext())
			other.visit(link)
			other.click("main button")
			other.at("/login", "You asked for this login in another browser")
			other.at("/login", "enter the code of the e-mail there")
			if left := evaluate[string](other, "location.search"); left != "" {
				t.Errorf("the address bar keeps %q", left)
			}
			other.visit("/")
			other.at("/login", "Password")

			b.visit(link)
			b.click("main button")
			b.at("/account", "ada@example.com")
			b.hasNoTokens()
			b.click(logout)
			b.at("/login", "You are logged out")
			b.visit(link)
			b.click("main button")
			b.at("/login", "This link is not valid any more")

			register("bob@example.com")
			m, _ := ask("bob@example.com")
			b.enter("#code", strings.Map(func(c rune) rune { return '0' + ('9' - c) }, m.Code))
			b.wantError("#problem", "The code is wrong", "code")
			b.enter("#code", m.Code)
			b.at("/account", "bob@example.com")
		})
	}
}

// TestOtherBrowser does the same without Chromium, by the requests that the pages make.
func TestOtherBrowser(t *testing.T) {
	t.Parallel()
	for name, https := range map[string]bool{"https": true, "localhost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveTest(t, https)
			newBrowser := func() *http.Client {
				jar, err := cookiejar.New(nil)
				if err != nil {
					t.Fatal(err)
				}
				return &http.Client{Jar: jar, Transport: s.transport}
			}
			post := func(c *http.Client, path string, body map[string]string) (status int, reply map[string]any) {
				t.Helper()
				text, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/auth"+path, strings.NewReader(string(text)))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				res, err := c.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				_ = json.NewDecoder(res.Body).Decode(&reply) // some replies are empty
				return res.StatusCode, reply
			}
			token := func(kind recovery.Kind) (string, recovery.Message) {
				t.Helper()
				m, link := s.mails.next(t, kind)
				u, err := url.Parse(link)
				if err != nil {
					t.Fatal(err)
				}
				res, err := newBrowser().Get(s.url + link)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != http.StatusOK || res.Header.Get("Referrer-Policy") != "no-referrer" {
					t.Errorf("the page of the link %s: %s, Referrer-Policy %s", u.Path, res.Status, res.Header.Get("Referrer-Policy"))
				}
				return u.Query().Get("token"), m
			}
			want := func(what string, got, want int, reply map[string]any, code string) {
				t.Helper()
				if found, _ := reply["code"].(string); got != want || found != code {
					t.Errorf("%s: got %d %v, want %d %s", what, got, reply, want, code)
				}
			}
			mine, other := newBrowser(), newBrowser()
			request := func(address string) (challenge, link, code string) {
				t.Helper()
				status, reply := post(mine, "/register", map[string]string{"username": address, "password": password})
				want("register", status, http.StatusCreated, reply, "")
				verify, _ := token(recovery.KindVerify)
				status, reply = post(other, "/verify", map[string]string{"token": verify, "current_password": password})
				want("verify", status, http.StatusNoContent, reply, "")
				status, reply = post(mine, "/login/link/request", map[string]string{"address": address})
				want("request", status, http.StatusAccepted, reply, "")
				challenge, _ = reply["challenge"].(string)
				link, m := token(recovery.KindLogin)
				return challenge, link, m.Code
			}
			_, link, _ := request("Bob@Example.com")
			status, reply := post(other, "/login/link", map[string]string{"token": link})
			want("the link in another browser", status, http.StatusForbidden, reply, "other_browser")
			status, reply = post(mine, "/login/link", map[string]string{"token": link})
			want("the link in the browser that asked", status, http.StatusOK, reply, "")

			challenge, link, code := request("ada@example.com")
			status, reply = post(other, "/login/link", map[string]string{"token": link})
			want("the link in another browser", status, http.StatusForbidden, reply, "other_browser")
			status, reply = post(mine, "/login/code", map[string]string{"challenge": challenge, "code": code})
			want("the code in the browser that asked", status, http.StatusOK, reply, "")
			status, reply = post(mine, "/login/link", map[string]string{"token": link})
			want("the link after the code", status, http.StatusBadRequest, reply, "invalid_link")
			if m, _ := s.mails.next(t, recovery.KindNewDevice); m.To != "ada@example.com" {
				t.Errorf("the login from a new device was told to %s", m.To)
			}
			status, reply = post(mine, "/account/delete", map[string]string{"current_password": password})
			want("delete", status, http.StatusNoContent, reply, "")
			s.mails.next(t, recovery.KindDeleted)
			status, reply = post(mine, "/register", map[string]string{"username": "ada@example.com", "password": password})
			want("register after the deletion", status, http.StatusCreated, reply, "")
		})
	}
}
