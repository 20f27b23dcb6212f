package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

const (
	parameter = "ticket" // name in the query of a URL
	maxPath   = 1024     // bytes
	maxBody   = 4096     // bytes of a request for a ticket
)

// given is the ticket that stood in the URL of a request.
type given struct {
	ticket    string
	path      string // escaped path of that URL
	malformed bool   // whether the ticket is none, or not allowed here
}

type givenKey struct{}

// Strip takes a ticket out of the URL of each request before next sees it, and keeps it for
// [Tickets.Extractor]. Put it before everything that may log a URL, such as an access log. What logs URLs
// before this program does, such as a proxy, sees tickets: each can be used once, and is used by then.
//
// A ticket is a credential of a request with the method GET, or CONNECT, which opens a WebSocket over
// HTTP/2. With another method, twice in a URL, or of another form it makes the request malformed.
func (t *Tickets) Strip(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, parameter) || strings.Contains(r.URL.RawQuery, "%") {
			r = stripped(r)
		}
		next.ServeHTTP(w, r)
	})
}

// stripped returns r without tickets in its URL, and with the ticket in its context.
func stripped(r *http.Request) *http.Request {
	var kept, tickets []string
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil && name == parameter {
			tickets = append(tickets, value)
		} else {
			kept = append(kept, pair)
		}
	}
	if len(tickets) == 0 {
		return r
	}
	_, ok := parseTicket(tickets[0])
	ctx := context.WithValue(r.Context(), givenKey{}, &given{
		ticket: tickets[0], path: r.URL.EscapedPath(),
		malformed: !ok || len(tickets) > 1 || r.Method != http.MethodGet && r.Method != http.MethodConnect,
	})
	r = r.WithContext(ctx) // a copy: a handler does not change its request
	at := *r.URL
	at.RawQuery = strings.Join(kept, "&")
	at.ForceQuery = false
	r.URL = &at
	if r.RequestURI != "" {
		r.RequestURI, _, _ = strings.Cut(r.RequestURI, "?")
		if at.RawQuery != "" {
			r.RequestURI += "?" + at.RawQuery
		}
	}
	r.Form = nil // may hold the ticket, and is parsed again when it is asked for
	return r
}

// Extractor returns an extractor for the tickets that [Tickets.Strip] has taken out of URLs. Without
// Strip it finds none.
func (t *Tickets) Extractor() auth.Extractor { return extractor{} }

type extractor struct{}

func (extractor) Ambient() bool { return false }

func (extractor) Extract(r *http.Request) (string, error) {
	switch given, _ := r.Context().Value(givenKey{}).(*given); {
	case given == nil:
		return "", auth.ErrNoCredentials
	case given.malformed:
		return "", auth.ErrInvalidRequest
	default:
		return given.ticket, nil
	}
}

// isPath reports whether path is the escaped path of a URL.
func isPath(path string) bool {
	if len(path) > maxPath || !strings.HasPrefix(path, "/") {
		return false
	}
	u, err := url.ParseRequestURI(path)
	return err == nil && u.RawQuery == "" && !u.ForceQuery && u.Host == "" && !strings.Contains(path, "#") && u.EscapedPath() == path
}

// Handler issues a ticket for the token of a request: a POST with the form "path=/events". It answers
// with the JSON object {"ticket": "…", "expires_in": 60}. guard verifies the token; it is one that takes
// no tickets, because a ticket gives no other.
func (t *Tickets) Handler(guard *auth.Middleware) http.Handler {
	return guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		path, err := requestedPath(w, r)
		var text string
		if err == nil {
			text, err = t.Issue(r.Context(), caller, tokenOf(guard, r), path)
		}
		if err != nil {
			refuse(t.refusals, w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "application/json")
		// An error means that the client has gone.
		_ = json.NewEncoder(w).Encode(map[string]any{"ticket": text, "expires_in": int(TicketLife / time.Second)})
	}))
}

// tokenOf returns the token that guard has verified: it is the only one in the request.
func tokenOf(guard *auth.Middleware, r *http.Request) string {
	for _, e := range guard.Extractors() {
		if token, err := e.Extract(r); err == nil {
			return token
		}
	}
	return ""
}

// requestedPath returns the path in the form of a request for a ticket.
func requestedPath(w http.ResponseWriter, r *http.Request) (string, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || err != nil || media != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		return "", fmt.Errorf("%w: a ticket is asked for by a POST of a form, without query", auth.ErrInvalidRequest)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return "", fmt.Errorf("%w: the form cannot be read", auth.ErrInvalidRequest)
	}
	if paths := r.PostForm["path"]; len(r.PostForm) == 1 && len(paths) == 1 {
		return paths[0], nil
	}
	return "", fmt.Errorf("%w: the form holds one path, and nothing else", auth.ErrInvalidRequest)
}
