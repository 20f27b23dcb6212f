package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/stream"
)

// newStreamSite serves an empty page, and behind tickets a stream of events and a WebSocket, both of which
// send the caller. access returns the URLs that an access log has written.
func newStreamSite(t *testing.T) (s *site, access func() string) {
	t.Helper()
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New()
	app, err := authkit.Open(t.Context(), authkit.All(store), authkit.Config{
		Issuer: "https://site.example", Keys: keys, Secrets: ring, Accounts: auth.Config{Hasher: authtest.FastHasher(t)},
		Logger: slog.New(slog.DiscardHandler), Revocation: revocation.Config{Bound: time.Minute}, // leaves time to slow machines
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	tickets, err := stream.NewTickets(app.Accounts, store, stream.TicketConfig{})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewMiddleware(tickets, auth.MiddlewareConfig{
		Extractors: []auth.Extractor{auth.BearerToken(), tickets.Extractor()}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	wrap := func(f http.HandlerFunc) http.Handler { return guard.Require(app.Streams.Wrap(stream.Cut())(f)) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>streams</title><link rel=icon href=data:,>")
	})
	mux.Handle("/auth/", app.Handler())
	mux.Handle("POST /tickets", tickets.Handler(app.Middleware))
	mux.Handle("GET /events", wrap(events))
	mux.Handle("GET /socket", wrap(socket))
	urls := make(chan string, 1000)
	srv := httptest.NewServer(tickets.Strip(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case urls <- r.RequestURI:
		default:
		}
		mux.ServeHTTP(w, r)
	})))
	t.Cleanup(srv.Close)
	return &site{url: srv.URL}, func() string {
		var all []string
		for {
			select {
			case u := <-urls:
				all = append(all, u)
			default:
				return strings.Join(all, "\n")
			}
		}
	}
}

func events(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.FromContext(r.Context())
	w.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(w)
	for {
		if _, err := fmt.Fprintf(w, "data: %s\n\n", caller.Subject()); err != nil || c.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			fmt.Fprintf(w, "event: end\ndata: %v\n\n", context.Cause(r.Context()))
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func socket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	defer context.AfterFunc(r.Context(), func() { _ = conn.Close(websocket.StatusPolicyViolation, context.Cause(r.Context()).Error()) })()
	caller, _ := auth.FromContext(r.Context())
	if err := conn.Write(r.Context(), websocket.MessageText, []byte(caller.Subject())); err != nil {
		return
	}
	_, _, _ = conn.Read(context.Background()) // until the socket is closed
}

// TestTicketsInChromium opens an EventSource and a WebSocket by ticket in a real browser. A logout ends
// both, and the EventSource, which reconnects with its used ticket, is refused.
func TestTicketsInChromium(t *testing.T) {
	t.Parallel()
	s, access := newStreamSite(t)
	b := s.open(t)
	b.visit("/")
	id := evaluate[string](b, `(async () => {
		const user = {username: "ada", password: "correct horse battery"}
		const made = await fetch("/auth/register", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(user)})
		const login = await fetch("/auth/login", {method: "POST", body: new URLSearchParams(user)})
		window.token = (await login.json()).access_token
		window.ticket = async path => {
			const answer = await fetch("/tickets", {method: "POST", headers: {Authorization: "Bearer " + token}, body: new URLSearchParams({path})})
			return (await answer.json()).ticket
		}
		const events = await ticket("/events"), socket = await ticket("/socket")
		window.tickets = events + " " + socket
		window.seen = {events: [], errors: 0}
		const source = new EventSource("/events?topic=a&ticket=" + events)
		source.onmessage = e => seen.event = e.data
		source.addEventListener("end", e => seen.end = e.data)
		source.onerror = () => seen.closed = source.readyState === EventSource.CLOSED
		const ws = new WebSocket("/socket?ticket=" + socket)
		ws.onmessage = e => seen.message = e.data
		ws.onclose = e => seen.close = e.code + " " + e.reason
		return (await made.json()).id
	})()`)
	b.until("both streams are open", `seen.event && seen.message`)
	for _, field := range []string{"event", "message"} {
		if got := evaluate[string](b, "seen."+field); got != id {
			t.Errorf("the %s names the caller %q, want %q", field, got, id)
		}
	}
	if got := evaluate[int](b, `fetch("/events?ticket=" + tickets.split(" ")[0]).then(answer => answer.status)`); got != 401 {
		t.Errorf("the used ticket: %d", got)
	}
	if got := evaluate[int](b, `fetch("/auth/logout", {method: "POST", headers: {Authorization: "Bearer " + token}}).then(answer => answer.status)`); got != 204 {
		t.Errorf("the logout: %d", got)
	}
	b.until("both streams have ended", `seen.end && seen.close`)
	if got := evaluate[string](b, "seen.end"); got != auth.ErrRevokedToken.Error() {
		t.Errorf("the events end with %q", got)
	}
	if got := evaluate[string](b, "seen.close"); got != "1008 "+auth.ErrRevokedToken.Error() {
		t.Errorf("the WebSocket ends with %q", got)
	}
	b.until("the EventSource gives up", `seen.closed`) // it reconnects after a few seconds, and gets 401
	logged := access()
	for _, ticket := range strings.Fields(evaluate[string](b, "tickets")) {
		if ticket == "" || strings.Contains(logged, url.QueryEscape(ticket)) {
			t.Errorf("an access log behind Strip sees the ticket %q:\n%s", ticket, logged)
		}
	}
	if !strings.Contains(logged, "/events?topic=a\n") {
		t.Errorf("the access log holds\n%s", logged)
	}
}
