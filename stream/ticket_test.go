package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/stream"
)

func newTickets(t testing.TB, v auth.TokenVerifier, store auth.RecordStore) *stream.Tickets {
	t.Helper()
	tickets, err := stream.NewTickets(v, store, stream.TicketConfig{Guard: discard})
	if err != nil {
		t.Fatal(err)
	}
	return tickets
}

// site is a replica with a ticketed route, /events and below, which answers with the subject of its
// caller. Its log is that of the middleware and of an access log behind Strip.
type site struct {
	tickets *stream.Tickets
	handler http.Handler
	log     *bytes.Buffer
}

func newSite(t testing.TB, v auth.TokenVerifier, store auth.RecordStore) *site {
	t.Helper()
	s := &site{tickets: newTickets(t, v, store), log: new(bytes.Buffer)}
	logger := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	guard, err := auth.NewMiddleware(s.tickets, auth.MiddlewareConfig{
		Extractors: []auth.Extractor{auth.BearerToken(), s.tickets.Extractor()}, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := auth.NewMiddleware(v, auth.MiddlewareConfig{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/tickets", s.tickets.Handler(plain))
	mux.Handle("/events/", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.FromContext(r.Context())
		r.ParseForm()
		fmt.Fprint(w, p.Subject(), " ", r.RequestURI, " ", r.URL, " ", r.Form)
	})))
	s.handler = s.tickets.Strip(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r)
		logger.Info("access", "uri", r.RequestURI, "url", r.URL, "form", r.Form)
	}))
	return s
}

// get asks for a URL, with an access token unless that is empty.
func (s *site) get(method, target, token string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(method, target, nil), httptest.NewRecorder()
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	s.handler.ServeHTTP(w, r)
	return w
}

// ask asks for a ticket.
func (s *site) ask(token, path string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest("POST", "/tickets", strings.NewReader(url.Values{"path": {path}}.Encode())), httptest.NewRecorder()
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+token)
	s.handler.ServeHTTP(w, r)
	return w
}

func (s *site) ticket(t testing.TB, token, path string) string {
	t.Helper()
	w := s.ask(token, path)
	var answer struct {
		Ticket    string
		ExpiresIn int `json:"expires_in"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.Ticket == "" ||
		answer.ExpiresIn != 60 || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s %v", w.Code, w.Body, w.Header())
	}
	return answer.Ticket
}

// A ticket opens one stream, once, in time, at its path, on any replica; and neither the handler nor a log
// sees it.
func TestTicket(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			r, store := newRevocable(), &records{Store: memstore.New(), skew: skew}
			issuer := testkit.NewIssuer(t, jwt.IssuerConfig{Check: r.Check})
			here, there := newSite(t, issuer, store), newSite(t, issuer, store)
			ada := testkit.Issue(t, issuer, auth.Claims{Subject: "ada", SessionID: "a"})
			eve := testkit.Issue(t, issuer, auth.Claims{Subject: "eve", SessionID: "e"})
			var all []string
			ticket := func() string {
				text := here.ticket(t, ada, "/events/1")
				all = append(all, text)
				return text
			}
			answers := func(what string, w *httptest.ResponseRecorder, status int, body string) {
				t.Helper()
				if w.Code != status || body != "" && w.Body.String() != body {
					t.Errorf("%s: %d %s, want %d %s", what, w.Code, w.Body, status, body)
				}
			}
			const seen = "ada /events/1?a=%20b;c&d /events/1?a=%20b;c&d map[d:[]]"
			used := ticket()
			answers("a ticket", there.get("GET", "/events/1?a=%20b;c&ticket="+used+"&d", ""), 200, seen)
			answers("a used ticket", there.get("GET", "/events/1?ticket="+used, ""), 401, "")
			answers("a used ticket elsewhere", here.get("GET", "/events/1?ticket="+used, ""), 401, "")
			answers("an escaped name", there.get("GET", "/events/1?%74icket="+ticket(), ""), 200, "ada /events/1 /events/1 map[]")

			wrong := ticket()
			answers("another path", there.get("GET", "/events/2?ticket="+wrong, ""), 401, "")
			answers("used at another path", there.get("GET", "/events/1?ticket="+wrong, ""), 401, "")
			answers("an escaped path", there.get("GET", "/events/%31?ticket="+ticket(), ""), 401, "")

			late := ticket()
			time.Sleep(stream.TicketLife - time.Microsecond)
			answers("at the last moment", there.get("GET", "/events/1?ticket="+late, ""), 200, "")
			late = ticket()
			time.Sleep(stream.TicketLife)
			answers("late", there.get("GET", "/events/1?ticket="+late, ""), 401, "")

			answers("another user's token beside it", there.get("GET", "/events/1?ticket="+ticket(), eve), 400, "")
			answers("the user's token beside it", there.get("GET", "/events/1?ticket="+ticket(), ada), 400, "")
			answers("another method", there.get("POST", "/events/1?ticket="+ticket(), ""), 400, "")
			answers("two", there.get("GET", "/events/1?ticket="+ticket()+"&ticket="+ticket(), ""), 400, "")
			answers("in the header", there.get("GET", "/events/1", ticket()), 401, "")
			answers("a token in the URL", there.get("GET", "/events/1?ticket="+ada, ""), 400, "")
			answers("an empty one", there.get("GET", "/events/1?ticket=", ""), 400, "")
			genuine := ticket()
			changed := []byte(genuine)
			if last := len(changed) - 1; changed[last] == 'A' {
				changed[last] = 'B'
			} else {
				changed[last] = 'A'
			}
			all = append(all, string(changed))
			answers("changed", there.get("GET", "/events/1?ticket="+string(changed), ""), 401, "")
			answers("after the changed one", there.get("GET", "/events/1?ticket="+genuine, ""), 200, "")
			answers("cut", there.get("GET", "/events/1?ticket="+ticket()[:60], ""), 400, "")
			answers("none", there.get("GET", "/events/1", ""), 401, "")
			answers("a token", there.get("GET", "/events/1", ada), 200, "")
			answers("a ticket for a ticket", here.ask(ticket(), "/events/1"), 401, "")

			revoked := ticket()
			r.revoke("a")
			answers("of a revoked session", there.get("GET", "/events/1?ticket="+revoked, ""), 401, "")
			for _, s := range []*site{here, there} {
				for _, ticket := range append(all, ada) {
					if log := s.log.String(); strings.Contains(log, ticket[len("ticket_"):60]) || log == "" {
						t.Errorf("the log holds the ticket %s:\n%s", ticket, log)
					}
				}
			}
		})
	}
}

// Of concurrent uses of one ticket exactly one succeeds.
func TestTicketOnce(t *testing.T) {
	t.Parallel()
	issuer := testkit.NewIssuer(t, jwt.IssuerConfig{})
	s := newSite(t, issuer, memstore.New())
	s.log = nil
	token := testkit.Issue(t, issuer, auth.Claims{Subject: "ada"})
	for range 20 {
		target := "/events/1?ticket=" + s.ticket(t, token, "/events/1")
		var opened atomic.Int32
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if s.get("GET", target, "").Code == 200 {
					opened.Add(1)
				}
			})
		}
		all.Wait()
		if n := opened.Load(); n != 1 {
			t.Errorf("a ticket was used %d times", n)
		}
	}
}

// A user has a bounded number of unused tickets, and does not use up those of others.
func TestTooManyTickets(t *testing.T) {
	t.Parallel()
	issuer := testkit.NewIssuer(t, jwt.IssuerConfig{})
	store := memstore.New()
	s := newSite(t, issuer, store)
	ada, bob := testkit.Issue(t, issuer, auth.Claims{Subject: "ada"}), testkit.Issue(t, issuer, auth.Claims{Subject: "bob"})
	refused := 0
	for range 8 * stream.MaxTickets {
		if w := s.ask(ada, "/events/1"); w.Code == 429 && w.Header().Get("Retry-After") == "15" {
			refused++
		} else if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	stored, err := store.Records(t.Context(), "ada")
	if err != nil || len(stored) > stream.MaxTickets || len(stored)+refused != 8*stream.MaxTickets {
		t.Errorf("%d tickets are stored, %d were refused, %v", len(stored), refused, err)
	}
	s.ticket(t, bob, "/events/1")
}

// What is stored shows neither a ticket nor a token, and nothing is left of a user who was deleted.
func TestStoredTicket(t *testing.T) {
	t.Parallel()
	issuer, store := testkit.NewIssuer(t, jwt.IssuerConfig{}), memstore.New()
	s := newSite(t, issuer, store)
	token := testkit.Issue(t, issuer, auth.Claims{Subject: "ada", SessionID: "a"})
	ticket := s.ticket(t, token, "/events/1")
	streams := newStreams(t, accept, stream.Config{Records: store})
	if err := streams.Renew(t.Context(), testkit.Verify(t, issuer, token)); err != nil {
		t.Fatal(err)
	}
	stored, err := store.Records(t.Context(), "ada")
	if err != nil || len(stored) != 2 {
		t.Fatalf("%d records, %v", len(stored), err)
	}
	for _, r := range stored {
		text := r.Key + string(r.Value)
		for _, secret := range []string{token, token[strings.LastIndex(token, ".")+1:], ticket[len("ticket_")+22:], "/events/1"} {
			if strings.Contains(text, secret) {
				t.Errorf("the record %q shows %s", text, secret)
			}
		}
	}
	if err := store.DeleteRecords(t.Context(), "ada"); err != nil { // as the deletion of the user does
		t.Fatal(err)
	}
	if w := s.get("GET", "/events/1?ticket="+ticket, ""); w.Code != 401 {
		t.Errorf("after the deletion: %d", w.Code)
	}
}

// Requests for tickets are refused for what they ask, and store failures are no refusals.
func TestTicketRequests(t *testing.T) {
	t.Parallel()
	issuer, store := testkit.NewIssuer(t, jwt.IssuerConfig{}), &records{Store: memstore.New()}
	s := newSite(t, issuer, store)
	token := testkit.Issue(t, issuer, auth.Claims{Subject: "ada"})
	for _, path := range []string{
		"", "events", "https://evil.example/events", "/events?a", "/events?", "/events#a", "/a b", "/\u00e9", "/%zz", "/" + strings.Repeat("a", 1024), "/\n",
	} {
		if w := s.ask(token, path); w.Code != 400 {
			t.Errorf("the path %q: %d %s", path, w.Code, w.Body)
		}
	}
	for name, row := range map[string]struct{ method, target, media, body string }{
		"JSON":          {"POST", "/tickets", "application/json", `{"path":"/"}`},
		"no media type": {"POST", "/tickets", "", "path=/"},
		"another field": {"POST", "/tickets", "application/x-www-form-urlencoded", "path=/&a=b"},
		"two paths":     {"POST", "/tickets", "application/x-www-form-urlencoded", "path=/&path=/"},
		"large":         {"POST", "/tickets", "application/x-www-form-urlencoded", "path=/" + strings.Repeat("a", 1<<20)},
		"in the query":  {"POST", "/tickets?path=/", "application/x-www-form-urlencoded", ""},
		"GET":           {"GET", "/tickets", "application/x-www-form-urlencoded", "path=/"},
	} {
		r, w := httptest.NewRequest(row.method, row.target, strings.NewReader(row.body)), httptest.NewRecorder()
		r.Header.Set("Content-Type", row.media)
		r.Header.Set("Authorization", "Bearer "+token)
		s.handler.ServeHTTP(w, r)
		if w.Code != 400 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	large := testkit.Issue(t, issuer, auth.Claims{Subject: "ada", Custom: map[string]any{"a": strings.Repeat("a", 4000)}})
	if w := s.ask(large, "/events/1"); w.Code != 400 {
		t.Errorf("a token of %d bytes: %d", len(large), w.Code)
	}
	ticket := s.ticket(t, token, "/events/1")
	store.down.Store(true)
	if w := s.ask(token, "/events/1"); w.Code != 500 || strings.Contains(w.Body.String(), "down") {
		t.Errorf("the store is down: %d %s", w.Code, w.Body)
	}
	if w := s.get("GET", "/events/1?ticket="+ticket, ""); w.Code != 500 {
		t.Errorf("the store is down: %d %s", w.Code, w.Body)
	}
	store.down.Store(false)
	if w := s.get("GET", "/events/1?ticket="+ticket, ""); w.Code != 200 {
		t.Errorf("the store is up again: %d %s", w.Code, w.Body)
	}
}

// The faults of NewTickets are found together. Without Strip no ticket is taken.
func TestTicketFaults(t *testing.T) {
	t.Parallel()
	_, err := stream.NewTickets(nil, nil, stream.TicketConfig{Guard: auth.MiddlewareConfig{Realm: `"`}})
	if got := strings.Join(testkit.FaultFields(err), " "); got != "stream.NewTickets.v stream.NewTickets.records MiddlewareConfig.Realm" {
		t.Errorf("the faults are %s", got)
	}
	issuer := testkit.NewIssuer(t, jwt.IssuerConfig{})
	s := newSite(t, issuer, memstore.New())
	ticket := s.ticket(t, testkit.Issue(t, issuer, auth.Claims{Subject: "ada"}), "/")
	if _, err := s.tickets.Extractor().Extract(httptest.NewRequest("GET", "/?ticket="+ticket, nil)); !errors.Is(err, auth.ErrNoCredentials) {
		t.Errorf("without Strip: %v", err)
	}
	if _, err := s.tickets.Verify(context.Background(), ticket); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("without Strip: %v", err)
	}
	other := s.ticket(t, testkit.Issue(t, issuer, auth.Claims{Subject: "ada"}), "/")
	s.tickets.Strip(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := s.tickets.Verify(r.Context(), ticket); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("a ticket from elsewhere, beside another in the URL: %v", err)
		}
		if p, err := s.tickets.Verify(r.Context(), other); err != nil || p.Subject() != "ada" {
			t.Errorf("the ticket in the URL: %v, %v", p, err)
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/?ticket="+other, nil))
	parsed := httptest.NewRequest("GET", "/?a=b&ticket="+other, nil)
	if err := parsed.ParseForm(); err != nil { // as a middleware before Strip may do
		t.Fatal(err)
	}
	s.tickets.Strip(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.FormValue("ticket") != "" || r.FormValue("a") != "b" {
			t.Errorf("behind Strip the form holds %v", r.Form)
		}
	})).ServeHTTP(httptest.NewRecorder(), parsed)
	if _, err := s.tickets.Issue(context.Background(), nil, "x", "/"); !errors.Is(err, auth.ErrNoCredentials) {
		t.Errorf("without a caller: %v", err)
	}
}

// A ticket opens a real stream, which ends with its session.
func TestTicketOfEndedStream(t *testing.T) {
	t.Parallel()
	r := newRevocable()
	issuer := testkit.NewIssuer(t, jwt.IssuerConfig{Check: r.Check})
	tickets := newTickets(t, issuer, memstore.New())
	s := newStreams(t, r.Check, stream.Config{Changed: r.Changed})
	guard, err := auth.NewMiddleware(tickets, auth.MiddlewareConfig{Extractors: []auth.Extractor{tickets.Extractor()}, Logger: discard.Logger})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tickets.Strip(guard.Require(s.Wrap(stream.Cut())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		io.WriteString(w, context.Cause(r.Context()).Error())
	})))))
	defer srv.Close()
	p := caller(t, auth.Claims{SessionID: "a"})
	ticket, err := tickets.Issue(t.Context(), p, testkit.Issue(t, issuer, auth.Claims{Subject: "ada", SessionID: "a"}), "/a")
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Get(srv.URL + "/a?ticket=" + ticket)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r.revoke("a")
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != auth.ErrRevokedToken.Error() {
		t.Errorf("the stream ends with %q, %v", body, err)
	}
}
