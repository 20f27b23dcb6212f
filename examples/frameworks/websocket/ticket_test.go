package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// tokens is a verifier of the tokens that it holds.
type tokens map[string]*auth.Principal

func (t tokens) Verify(_ context.Context, token string) (*auth.Principal, error) {
	if t[token] == nil {
		return nil, auth.ErrInvalidToken
	}
	return t[token], nil
}

func newUsers() tokens {
	return tokens{"a": must(jwt.NewPrincipal(auth.Claims{Subject: "ada"})), "b": must(jwt.NewPrincipal(auth.Claims{Subject: "bob"}))}
}

// TestTicketLife checks that a ticket can be used once, within 30 seconds.
func TestTicketLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issued := newTickets(newUsers())
		names := make(map[string]bool)
		for range maxTickets {
			name, ok := issued.add(ticket{"a", "ada"})
			if !ok || names[name] || len(name) != len(ticketPrefix)+26 {
				t.Errorf("%q, %v", name, ok)
			}
			names[name] = true
		}
		if name, ok := issued.add(ticket{"a", "ada"}); ok {
			t.Errorf("ada gets ticket %d: %q", maxTickets+1, name)
		}
		bobs, ok := issued.add(ticket{"b", "bob"})
		if !ok {
			t.Error("bob gets no ticket because ada has too many")
		}
		time.Sleep(ticketLife - 1)
		if p, err := issued.Verify(t.Context(), bobs); err != nil || p.Subject() != "bob" {
			t.Errorf("bob's ticket is for %v, %v", p, err)
		}
		if p, err := issued.Verify(t.Context(), bobs); !errors.Is(err, auth.ErrInvalidToken) || p != nil {
			t.Errorf("bob's ticket, used again, is for %v, %v", p, err)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		for name := range names {
			if p, err := issued.Verify(t.Context(), name); !errors.Is(err, auth.ErrInvalidToken) || p != nil {
				t.Errorf("after 30 s a ticket is for %v, %v", p, err)
			}
		}
		if _, ok := issued.add(ticket{"a", "ada"}); !ok || len(issued.issued) != 1 || len(issued.users) != 1 {
			t.Errorf("after 30 s there are %d tickets of %d users", len(issued.issued), len(issued.users))
		}
	})
}

// TestTicketOfRevokedToken checks that a ticket is refused if its token has been revoked since.
func TestTicketOfRevokedToken(t *testing.T) {
	t.Parallel()
	users := newUsers()
	issued := newTickets(users)
	name, _ := issued.add(ticket{"a", "ada"})
	delete(users, "a")
	if p, err := issued.Verify(t.Context(), name); !errors.Is(err, auth.ErrInvalidToken) || p != nil {
		t.Errorf("the ticket is for %v, %v, want ErrInvalidToken", p, err)
	}
}

// TestTooManyTickets checks the answers of POST /ticket up to the limit of a user and beyond it.
func TestTooManyTickets(t *testing.T) {
	t.Parallel()
	users := newUsers()
	issued := newTickets(users)
	handler := must(auth.NewMiddleware(users, auth.MiddlewareConfig{})).Require(http.HandlerFunc(issued.issue))
	for n := range maxTickets + 1 {
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/ticket", nil)
		r.Header.Set("Authorization", "Bearer a")
		handler.ServeHTTP(w, r)
		want := 200
		if n == maxTickets {
			want = 429
		}
		if w.Code != want || w.Header().Get("Cache-Control") != "no-store" || w.Code == 429 && w.Header().Get("Retry-After") != "30" {
			t.Errorf("ticket %d: %d %v", n, w.Code, w.Header())
		}
		if want == 200 && !strings.Contains(w.Body.String(), `"expires_in":30,"ticket":"ticket.`) {
			t.Errorf("ticket %d: %s", n, w.Body)
		}
	}
}
