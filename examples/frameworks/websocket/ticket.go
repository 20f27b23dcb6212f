package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
)

const (
	bearer       = "bearer"  // the sub-protocol that a token follows
	ticketPrefix = "ticket." // how no access token begins
	ticketLife   = 30 * time.Second
	mostTickets  = 10 // that a user has at one time
)

// subprotocol extracts the token of Sec-WebSocket-Protocol: bearer, <token>.
type subprotocol struct{}

func (subprotocol) Ambient() bool { return false }

func (subprotocol) Extract(r *http.Request) (string, error) {
	fields := r.Header.Values("Sec-WebSocket-Protocol")
	name, token, _ := strings.Cut(strings.Join(fields, ","), ",")
	token = strings.TrimSpace(token)
	switch {
	case strings.TrimSpace(name) != bearer:
		return "", auth.ErrNoCredentials
	case token == "" || strings.ContainsAny(token, ", \t"):
		return "", auth.ErrInvalidRequest
	}
	return token, nil
}

// ticketInURL extracts the ticket of ?ticket=<ticket>, and nothing that is none:
// access tokens do not belong in a URL.
type ticketInURL struct{}

func (ticketInURL) Ambient() bool { return false }

func (ticketInURL) Extract(r *http.Request) (string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	given := query["ticket"]
	switch {
	case err == nil && len(given) == 0:
		return "", auth.ErrNoCredentials
	case err != nil || len(given) > 1 || !strings.HasPrefix(given[0], ticketPrefix):
		return "", auth.ErrInvalidRequest
	}
	return given[0], nil
}

// tickets verifies tickets and, as its verifier does, access tokens. Each ticket
// stands for the access token that it was given for, which is verified once more
// when the ticket is used: it may have expired or been revoked. They are kept in
// memory: with replicas, a socket must open where its ticket came from.
type tickets struct {
	verifier auth.TokenVerifier
	mu       sync.Mutex
	issued   map[string]ticket
	users    map[string]int // how many each has
}

type ticket struct{ token, user string }

func newTickets(v auth.TokenVerifier) *tickets {
	return &tickets{verifier: v, issued: make(map[string]ticket), users: make(map[string]int)}
}

// issue gives a ticket for the access token that the middleware let pass.
func (t *tickets) issue(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.FromContext(r.Context())
	token, _ := auth.BearerToken().Extract(r) // none: a ticket that opens nothing
	w.Header().Set("Cache-Control", "no-store")
	name, ok := t.add(ticket{token, caller.Subject()})
	if !ok {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "use the tickets that you have", http.StatusTooManyRequests)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"ticket": name, "expires_in": ticketLife / time.Second})
}

func (t *tickets) add(one ticket) (name string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users[one.user] >= mostTickets {
		return "", false
	}
	name = ticketPrefix + rand.Text()
	t.issued[name] = one
	t.users[one.user]++
	time.AfterFunc(ticketLife, func() { t.take(name) })
	return name, true
}

// take returns the access token of a ticket, once.
func (t *tickets) take(name string) (token string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.issued[name]
	if !ok {
		return "", false
	}
	delete(t.issued, name)
	if t.users[one.user]--; t.users[one.user] == 0 {
		delete(t.users, one.user)
	}
	return one.token, true
}

func (t *tickets) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	if strings.HasPrefix(token, ticketPrefix) {
		var ok bool
		if token, ok = t.take(token); !ok {
			return nil, auth.ErrInvalidToken
		}
	}
	return t.verifier.Verify(ctx, token)
}
