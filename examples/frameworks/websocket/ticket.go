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
	bearer       = "bearer"  // sub-protocol before the token
	ticketPrefix = "ticket." // prefix that no access token has
	ticketLife   = 30 * time.Second
	maxTickets   = 10 // unused tickets of one user
)

// subprotocol extracts the token from Sec-WebSocket-Protocol: bearer, <token>.
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

// ticketInURL extracts the ticket from ?ticket=<ticket>. It refuses everything else, because an
// access token does not belong in a URL.
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

// tickets verifies tickets and access tokens. A ticket stands for the access token that it was
// exchanged for. That token is verified again when the ticket is used, because it may have expired
// or been revoked since. Tickets are kept in memory, so a WebSocket must open on the replica that
// issued its ticket.
type tickets struct {
	verifier auth.TokenVerifier
	mu       sync.Mutex
	issued   map[string]ticket
	users    map[string]int // number of tickets by user ID
}

type ticket struct{ token, user string }

func newTickets(v auth.TokenVerifier) *tickets {
	return &tickets{verifier: v, issued: make(map[string]ticket), users: make(map[string]int)}
}

// issue answers with a ticket for the access token of the request.
func (t *tickets) issue(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.FromContext(r.Context())
	token, _ := auth.BearerToken().Extract(r) // a ticket for an empty token opens nothing
	w.Header().Set("Cache-Control", "no-store")
	name, ok := t.add(ticket{token, caller.Subject()})
	if !ok {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many unused tickets", http.StatusTooManyRequests)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"ticket": name, "expires_in": ticketLife / time.Second})
}

// add keeps a ticket and returns its name. It reports false if the user has too many.
func (t *tickets) add(granted ticket) (name string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users[granted.user] >= maxTickets {
		return "", false
	}
	name = ticketPrefix + rand.Text()
	t.issued[name] = granted
	t.users[granted.user]++
	time.AfterFunc(ticketLife, func() { t.take(name) })
	return name, true
}

// take removes a ticket and returns its access token.
func (t *tickets) take(name string) (token string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	granted, ok := t.issued[name]
	if !ok {
		return "", false
	}
	delete(t.issued, name)
	if t.users[granted.user]--; t.users[granted.user] == 0 {
		delete(t.users, granted.user)
	}
	return granted.token, true
}

// Verify returns the principal of an access token, or of the token behind a ticket, which it uses
// up.
func (t *tickets) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	if strings.HasPrefix(token, ticketPrefix) {
		var ok bool
		if token, ok = t.take(token); !ok {
			return nil, auth.ErrInvalidToken
		}
	}
	return t.verifier.Verify(ctx, token)
}
