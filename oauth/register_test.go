package oauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/oauth"
)

// registration is the answer of the registration endpoint.
type registration struct {
	Status int
	Header http.Header
	ID     string   `json:"client_id"`
	Secret string   `json:"client_secret"`
	URIs   []string `json:"redirect_uris"`
	Method string   `json:"token_endpoint_auth_method"`
	Error  string
}

func (r *replica) register(metadata string, headers ...string) registration {
	r.t.Helper()
	resp := r.do("POST", "/register", metadata, append([]string{"Content-Type", "application/json"}, headers...)...)
	got := registration{Status: resp.StatusCode, Header: resp.Header}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		r.t.Fatal(err)
	}
	return got
}

// A client registers itself, logs in on another replica, and refreshes, by the method of the answer.
func TestRegister(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *oauth.Config) { cfg.Register.PerHour = 100 })
	r, second := w.replica(), w.replica()
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for _, method := range []string{"none", "client_secret_post", "client_secret_basic"} {
		c := r.register(fmt.Sprintf(`{"redirect_uris":["https://app.example/cb","http://127.0.0.1/cb"],"token_endpoint_auth_method":%q,"client_name":"App","grant_types":["authorization_code","refresh_token","implicit"],"x":1}`, method))
		if c.Status != http.StatusCreated || c.ID == "" || (c.Secret != "") != (method != "none") || len(c.URIs) != 2 || c.Method != method || c.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: %+v", method, c)
		}
		form := []string{"client_id", c.ID}
		var headers []string
		switch method {
		case "client_secret_post":
			form = append(form, "client_secret", c.Secret)
		case "client_secret_basic":
			form, headers = nil, basic(c.ID, c.Secret)
		}
		code := second.authorize(cookie, "client_id", c.ID, "redirect_uri", "http://127.0.0.1:4711/cb")
		a := r.tokenWith(headers, append(form, "grant_type", "authorization_code", "code", code, "code_verifier", verifier)...)
		if a.Status != http.StatusOK {
			t.Fatalf("%s: %+v", method, a)
		}
		if a = second.tokenWith(headers, append(form, "grant_type", "refresh_token", "refresh_token", a.Refresh)...); a.Status != http.StatusOK {
			t.Errorf("%s: refresh: %+v", method, a)
		}
		if method != "none" {
			if a := r.token("client_id", c.ID, "grant_type", "refresh_token", "refresh_token", a.Refresh); a.Error != "invalid_client" {
				t.Errorf("%s: without its secret: %+v", method, a)
			}
		}
		if !r.shows(cookie, "client_id", c.ID) {
			t.Errorf("%s: a client that registered itself was not asked about again", method)
		}
	}
	for name, bad := range map[string]string{
		"no JSON": "x", "an array": "[]", "no redirect URI": "{}", "plain http": `{"redirect_uris":["http://app.example/"]}`,
		"a script": `{"redirect_uris":["https://app.example/","javascript:alert(1)"]}`, "wrong types": `{"redirect_uris":"https://app.example/"}`,
		"no keys": `{"redirect_uris":["https://app.example/"],"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]}}`,
	} {
		if c := r.register(bad); c.Status != http.StatusBadRequest || !strings.HasPrefix(c.Error, "invalid_") {
			t.Errorf("%s: %d %s", name, c.Status, c.Error)
		}
	}
	if c := r.register(`{"client_name":"` + strings.Repeat("x", 1<<20) + `"}`); c.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a megabyte: %d", c.Status)
	}
}

// A name cannot be markup on the page, or turn its text around.
func TestRegisteredNames(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) { cfg.Register.PerHour = 100 })
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	c := r.register(`{"redirect_uris":["https://app.example/cb"],"client_name":"<img src=x onerror=alert(1)>\u202eevil\u0007","logo_uri":"javascript:alert(2)","token_endpoint_auth_method":"none"}`)
	page := text(t, r.do("GET", "/authorize?"+query("client_id", c.ID), "", "Cookie", cookie))
	if c.ID == "" || strings.Contains(page, "<img") || strings.ContainsAny(page, "\u202e\u0007") || strings.Contains(page, "javascript:") || !strings.Contains(page, "&lt;img src=x") {
		t.Errorf("the page: %s", page)
	}
}

// The page that asks says that a client has named itself, and when the access ends.
func TestPageOfRegistered(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) { cfg.Register.PerHour, cfg.GrantLife = 10, 48*time.Hour })
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	c := r.register(`{"client_name":"Web App","redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"none"}`)
	const warning = "Nobody has checked who it is from."
	ends := time.Now().Add(48 * time.Hour).UTC().Format("2 January 2006")
	for id, warns := range map[string]bool{c.ID: true, "web": false} {
		page := text(t, r.do("GET", "/authorize?"+query("client_id", id), "", "Cookie", cookie))
		if strings.Contains(page, warning) != warns || !strings.Contains(page, "The access ends on "+ends) {
			t.Errorf("the page of %s warns wrongly, or does not say %s: %s", id, ends, page)
		}
	}
}

// Registrations are counted by network, and together.
func TestRegistrationsAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, func(cfg *oauth.Config) { cfg.Register.PerHour = 5 })
		register := func(ip string) registration {
			return r.register(`{"redirect_uris":["https://app.example/cb"]}`, "Test-Ip", ip)
		}
		for i := range 5 {
			if c := register("2001:db8::" + fmt.Sprint(i)); c.Status != http.StatusCreated {
				t.Fatalf("registration %d: %d", i, c.Status)
			}
		}
		if c := register("2001:db8::ffff"); c.Status != http.StatusTooManyRequests || c.Header.Get("Retry-After") == "" || c.Error == "" {
			t.Errorf("the sixth of a /64: %+v", c)
		}
		if c := register("2001:db8:0:1::1"); c.Status != http.StatusCreated {
			t.Errorf("another /64: %d", c.Status)
		}
		refused := 0
		for i := range 200 { // a /48 has 65,536 networks
			if register(fmt.Sprintf("2001:db8:0:%x::1", 100+i)).Status == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused < 100 {
			t.Errorf("a /48 registered %d of 200 clients", 200-refused)
		}
		time.Sleep(12 * time.Minute)
		if c := register("2001:db8:ffff::1"); c.Status != http.StatusCreated {
			t.Errorf("later: %d", c.Status)
		}
	})
}

// All networks together register 10,000 clients in an hour at most, and the store holds no more.
func TestRegistrationsTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // no time passes
		r := newServer(t, func(cfg *oauth.Config) { cfg.Register.PerHour = 1 })
		refused := 0
		for i := range 10_050 {
			resp := r.do("POST", "/register", `{"redirect_uris":["https://app.example/cb"]}`, "Test-Ip", fmt.Sprintf("1.%d.%d.1", i/250, i%250))
			if resp.StatusCode == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused != 50 {
			t.Errorf("%d of 10,050 were refused, want 50", refused)
		}
	})
}

// A client that nobody has used is forgotten after a day, and one that was used is kept.
func TestUnusedRegistrations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, func(cfg *oauth.Config) { cfg.Register.PerHour = 5 })
		r.user("ada@example.com")
		const metadata = `{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`
		used, unused := r.register(metadata), r.register(metadata)
		r.authorize(r.login("ada@example.com"), "client_id", used.ID)
		if !r.shows(r.login("ada@example.com"), "client_id", unused.ID) {
			t.Fatal("the client is not there")
		}
		for day := range 401 {
			time.Sleep(24 * time.Hour)
			if day > 3 && day < 398 {
				continue
			}
			cookie := r.login("ada@example.com")
			if want := day < 399; r.shows(cookie, "client_id", used.ID) != want || r.shows(cookie, "client_id", unused.ID) {
				t.Fatalf("after %d days: used %t, unused %t", day+1, r.shows(cookie, "client_id", used.ID), r.shows(cookie, "client_id", unused.ID))
			}
		}
		if a := r.token("client_id", unused.ID, "grant_type", "refresh_token", "refresh_token", "x"); a.Status != http.StatusUnauthorized || a.Error != "invalid_client" {
			t.Errorf("a client that is gone: %+v", a)
		}
	})
}
