package auth_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// An agent acts for a person with no more than the person has, and no longer than their session.
func TestDelegate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{Claims: func(_ context.Context, _ auth.User, c *auth.Claims) error {
			c.Scopes, c.Roles, c.Custom = []string{"notes:read", "notes:write"}, []string{"admin"}, map[string]any{"tenant": "t-1"}
			c.Expiry = time.Now().Add(15 * time.Minute)
			return nil
		}})
		in := h.login(t)
		h.events()
		agent, err := h.Delegate(t.Context(), in.Principal, jwt.Delegation{
			Actor: "agent-1", ClientID: "client-1", Scopes: []string{"notes:read"}, Lifetime: time.Minute,
		})
		if err != nil {
			t.Fatal(err)
		}
		p := agent.Principal
		if p.Subject() != h.user.ID || p.Kind() != auth.KindAgent || p.Actor() != "agent-1" || p.ClientID() != "client-1" ||
			p.SessionID() != in.Principal.SessionID() || !slices.Equal(p.Scopes(), []string{"notes:read"}) || p.Roles() != nil ||
			!p.AuthTime().IsZero() || p.AMR() != nil || p.Claims().Custom["tenant"] != "t-1" ||
			agent.ExpiresIn != time.Minute || agent.RefreshToken != "" {
			t.Errorf("agent's token %+v, %+v", p.Claims(), agent.ExpiresIn)
		}
		if e := h.told; len(e) != 1 || e[0].Kind != auth.EventDelegated || e[0].Actor != "agent-1" || e[0].ClientID != "client-1" ||
			e[0].UserID != h.user.ID || e[0].SessionID != p.SessionID() {
			t.Errorf("events %+v", e)
		}
		second, err := h.Delegate(t.Context(), p, jwt.Delegation{Actor: "agent-2"})
		if err != nil || !slices.Equal(second.Principal.Actors(), []string{"agent-2", "agent-1"}) || second.Principal.Expiry().After(p.Expiry()) {
			t.Errorf("agent of an agent: %v", err)
		}
		if _, err := h.Delegate(t.Context(), p, jwt.Delegation{Actor: "agent-2", Scopes: []string{"notes:write"}}); !errors.Is(err, jwt.ErrDelegation) || auth.HTTPStatus(err) != 403 {
			t.Errorf("a scope that the agent does not have: %v", err)
		}

		if err := h.EndSession(t.Context(), h.user.ID, p.SessionID()); err != nil {
			t.Fatal(err)
		}
		for _, caller := range []*auth.Principal{in.Principal, p} {
			if _, err := h.Delegate(t.Context(), caller, jwt.Delegation{Actor: "agent-3"}); !errors.Is(err, auth.ErrInvalidGrant) {
				t.Errorf("for a session that has ended: %v", err)
			}
		}
	})
}

// A delegation needs an account that may log in, and a store that says so.
func TestDelegateAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{})
		in := h.login(t)
		d := jwt.Delegation{Actor: "agent-1"}
		h.sessions.before = func(call string) error { return errors.New("down: " + call) }
		if _, err := h.Delegate(t.Context(), in.Principal, d); auth.HTTPStatus(err) != 500 {
			t.Errorf("with the store down: %v", err)
		}
		h.sessions.before = nil
		if err := h.users.SetDisabled(t.Context(), h.user.ID, true); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Delegate(t.Context(), in.Principal, d); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("of a disabled account: %v", err)
		}
		if err := h.users.DeleteUser(t.Context(), h.user.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Delegate(t.Context(), in.Principal, d); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("of a deleted account: %v", err)
		}
		if _, err := newAuthenticator(t, memstore.New(), auth.Config{}).Delegate(t.Context(), in.Principal, d); err == nil {
			t.Error("a token without sessions")
		}
	})
}

// The caller of another issuer, or of another API, has no session here, whatever their token says.
func TestDelegateForeign(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{})
		in := h.login(t)
		for name, change := range map[string]func(*auth.Claims){
			"issuer":   func(c *auth.Claims) { c.Issuer = "https://other.example" },
			"audience": func(c *auth.Claims) { c.Audience = []string{"https://other.example/api"} },
			"two":      func(c *auth.Claims) { c.Audience = []string{testkit.Audience, "https://other.example/api"} },
		} {
			c := in.Principal.Claims()
			change(&c)
			p, err := jwt.NewPrincipal(c)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := h.Delegate(t.Context(), p, jwt.Delegation{Actor: "agent-1"}); !errors.Is(err, jwt.ErrDelegation) || got.AccessToken != "" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
