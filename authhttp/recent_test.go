package authhttp_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
)

// old returns an access token of the session of in, as a thief finds it: its owner proved their
// identity that long ago, by these methods beside the password.
func (s *server) old(in answer, since time.Duration, methods ...string) string {
	s.t.Helper()
	p := must(s.accounts.Verify(s.t.Context(), in.Access))
	issuer := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test/tenant", Audience: "api", Keys: s.keys}))
	return must(issuer.Issue(s.t.Context(), auth.Claims{
		Subject: p.Subject(), SessionID: p.SessionID(), AuthTime: time.Now().Add(-since), AMR: append([]string{"pwd"}, methods...),
	}))
}

// An access token alone ends no other session of its user: that needs a recent proof of identity. It
// ends its own session, lists all of them, and does so again after a step-up.
func TestStolenTokenEndsNoOtherSession(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	owner, stolen := s.login(), s.login()
	idOf := func(in answer) string { return must(s.accounts.Verify(t.Context(), in.Access)).SessionID() }
	sessions := func() int {
		return len(must(s.accounts.Sessions(t.Context(), must(s.accounts.Verify(t.Context(), owner.Access)).Subject())))
	}
	token := s.old(stolen, 6*time.Minute)

	s.call(c, "GET", "/auth/sessions", "", bearer(token)).want(t, "the list", 200, "")
	for what, path := range map[string]string{"all others": "", "the owner's": "/" + idOf(owner), "nobody's": "/" + strings.Repeat("A", 22)} {
		a := s.call(c, "DELETE", "/auth/sessions"+path, "", bearer(token)).want(t, what, 401, "insufficient_user_authentication")
		if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `max_age="300"`) {
			t.Errorf("%s: got the challenge %s, want max_age", what, challenge)
		}
	}
	if n := sessions(); n != 2 {
		t.Fatalf("got %d sessions, want 2", n)
	}
	s.call(c, "DELETE", "/auth/sessions", "", nil).want(t, "without a token", 401, "no_credentials")

	again := s.call(c, "POST", "/auth/step-up", object("password", password), bearer(token)).want(t, "step-up", 200, "")
	s.call(c, "DELETE", "/auth/sessions/"+idOf(owner), "", bearer(again.Access)).want(t, "the owner's, after a step-up", 204, "")
	s.login()
	s.call(c, "DELETE", "/auth/sessions", "", bearer(again.Access)).want(t, "all others, after a step-up", 204, "")
	s.call(c, "DELETE", "/auth/sessions/"+idOf(stolen), "", bearer(token)).want(t, "its own", 204, "")
}

// Where an account has a second factor, a token from before it was enrolled, and the password, change
// and delete nothing. After a step-up with a code they do.
func TestPasswordAndOldTokenChangeNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c := s.Client()
	before := s.login()
	s.codes.set("1", "2")
	requests := []struct {
		path   string
		body   []string
		status int // after the step-up
	}{
		{"/auth/address", []string{"current_password", password, "address", "other@example.com"}, 202},
		{"/auth/password", []string{"current_password", password, "new_password", password}, 403}, // mfa_required: a new login
		{"/auth/account/delete", []string{"current_password", password}, 204},
	}
	for _, r := range requests {
		a := s.call(c, "POST", r.path, object(r.body...), bearer(before.Access)).want(t, r.path, 401, "insufficient_user_authentication")
		if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `acr_values="mfa"`) {
			t.Errorf("%s: got the challenge %s, want acr_values", r.path, challenge)
		}
		stale := bearer(s.old(before, 6*time.Minute, "otp", "mfa"))
		a = s.call(c, "POST", r.path, object(r.body...), stale).want(t, r.path, 401, "insufficient_user_authentication")
		if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, `max_age="300"`) {
			t.Errorf("%s with both factors long ago: got the challenge %s, want max_age", r.path, challenge)
		}
	}
	for _, r := range requests {
		again := s.call(c, "POST", "/auth/step-up", object("password", password, "code", "1"), bearer(before.Access)).want(t, "step-up", 200, "")
		if a := s.call(c, "POST", r.path, object(r.body...), bearer(again.Access)); a.status != r.status {
			t.Errorf("%s after a step-up: got %d %s, want %d", r.path, a.status, a.text, r.status)
		}
		s.codes.set("1", "2")
		if r.status == 403 { // the password has changed, and all sessions have ended
			s.codes.none()
			before = s.login()
			s.codes.set("1", "2")
		}
	}
}

// MountConfig.RecentProof says how recent a proof must be.
func TestRecentProof(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	for d, accepted := range map[time.Duration]bool{0: true, time.Minute: true, 24 * time.Hour: true, time.Second: false, 25 * time.Hour: false, -1: false} {
		mux := http.NewServeMux()
		err := authhttp.Mount(mux, "/auth", s.accounts, s.guard, authhttp.MountConfig{RecentProof: d}, authhttp.EndpointSessions)
		if fault, refused := errors.AsType[*auth.ConfigError](err); refused == accepted || refused && fault.Field != "authhttp.MountConfig.RecentProof" {
			t.Errorf("RecentProof %v: got %v, want it accepted: %t", d, err, accepted)
		}
		if d != 24*time.Hour {
			continue
		}
		for since, want := range map[time.Duration]int{23 * time.Hour: 204, 25 * time.Hour: 401} {
			r := must(http.NewRequest("DELETE", "/auth/sessions", nil))
			r.Header.Set("Authorization", "Bearer "+s.old(s.login(), since))
			if got := serveOnce(mux, r).Code; got != want {
				t.Errorf("within %v, a proof %v ago: got %d, want %d", d, since, got, want)
			}
		}
	}
}
