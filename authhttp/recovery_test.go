package authhttp_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/recovery"
)

// Links that are sent verify an address and reset a password.
func TestMountRecovery(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	sent, addresses := make(outbox, 8), recovery.NewMemoryAddresses()
	flows, err := recovery.New(s.accounts, addresses, s.store, sent, recovery.Config{
		BaseURL: "https://app.test/account", OnFirstProof: s.codes.Disable,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flows.Close(context.Background()) })
	mux := http.NewServeMux()
	if err := authhttp.Mount(mux, "/r", s.accounts, s.guard, authhttp.MountConfig{Recovery: flows}, authhttp.EndpointRecovery); err != nil {
		t.Fatal(err)
	}
	send := func(path, body string, want int) {
		t.Helper()
		w := post(mux, "https://evil.test"+path, asJSON, body)
		if w.Code != want {
			t.Errorf("%s: got %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
	token := func(kind recovery.Kind) string {
		t.Helper()
		for m := range sent {
			if m.Kind == kind {
				link := must(url.Parse(m.Link))
				if link.Host != "app.test" {
					t.Errorf("the link leads to %s, want app.test", link.Host)
				}
				return link.Query().Get("token")
			}
		}
		return ""
	}
	in := s.login()
	me := s.call(s.Client(), "GET", "/auth/me", "", bearer(in.Access))
	if err := flows.AddAddress(t.Context(), me.ID, "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	link := token(recovery.KindVerify)
	send("/r/verify", object("token", "x", "current_password", password), 400)
	send("/r/verify", object("token", link), 403)
	send("/r/verify", object("token", link, "current_password", "wrong horse"), 403)
	send("/r/verify", object("token", link, "current_password", password), 204)
	send("/r/verify", object("token", link, "current_password", password), 400)
	if _, verified, err := addresses.Address(t.Context(), me.ID); err != nil || !verified {
		t.Errorf("the address is verified: %t, %v, want true", verified, err)
	}
	for address, want := range map[string]int{"ada@example.com": 202, "eve@example.com": 202, "nonsense": 422} {
		send("/r/verify/request", object("address", address), want)
		send("/r/password/forgot", object("address", address), want)
	}
	link = token(recovery.KindReset)
	send("/r/password/reset", object("token", link, "new_password", "short"), 422)
	send("/r/password/reset", object("token", link, "new_password", "battery staple"), 200)
	send("/r/password/reset", object("token", link, "new_password", "battery stable"), 400)
	s.call(s.Client(), "GET", "/auth/me", "", bearer(in.Access)).want(t, "me after a reset", 401, "invalid_token")
	s.call(s.Client(), "POST", "/auth/login", object("username", "ada", "password", "battery staple"), nil).want(t, "login", 200, "")
}
