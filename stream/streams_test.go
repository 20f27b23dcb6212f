package stream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/stream"
)

// discard is a guard's configuration that logs nothing.
var discard = auth.MiddlewareConfig{Logger: slog.New(slog.DiscardHandler)}

func newStreams(t testing.TB, check func(context.Context, *auth.Principal) error, cfg stream.Config) *stream.Streams {
	t.Helper()
	if cfg.Guard.Logger == nil {
		cfg.Guard.Logger = discard.Logger
	}
	s, err := stream.New(check, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func accept(context.Context, *auth.Principal) error { return nil }

// caller returns a caller of the session "s", whose token expires in 15 minutes unless c says
// otherwise.
func caller(t testing.TB, c auth.Claims) *auth.Principal {
	t.Helper()
	if c.Subject == "" {
		c.Subject = "ada"
	}
	if c.SessionID == "" {
		c.SessionID = "s"
	}
	if c.Expiry.IsZero() {
		c.Expiry = time.Now().Add(15 * time.Minute)
	}
	return authtest.Principal(t, c)
}

// begin begins a stream that the test ends.
func begin(t testing.TB, s *stream.Streams, p *auth.Principal, policy stream.Policy) context.Context {
	t.Helper()
	ctx, finish, err := s.Begin(t.Context(), p, policy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(finish)
	return ctx
}

// goesOn fails the test if a stream has ended.
func goesOn(t *testing.T, when string, ctx context.Context) {
	t.Helper()
	synctest.Wait()
	if ctx.Err() != nil {
		t.Errorf("%s: the stream has ended: %v", when, context.Cause(ctx))
	}
}

// endsBy fails the test unless a stream has ended for this cause.
func endsBy(t *testing.T, when string, ctx context.Context, want error) {
	t.Helper()
	synctest.Wait()
	if cause := context.Cause(ctx); ctx.Err() == nil || !errors.Is(cause, want) {
		t.Errorf("%s: the cause of the end is %v, want %v", when, cause, want)
	}
}

// isClosed reports whether a channel is closed.
func isClosed(c <-chan struct{}) bool {
	synctest.Wait()
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Under each policy a stream ends at a known time after its token has expired, and the handler is told
// before that.
func TestExpiry(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		policy        stream.Policy
		leeway        time.Duration
		expired, ends time.Duration // after exp
	}{
		"cut":                          {stream.Cut(), 0, 30 * time.Second, 30 * time.Second},
		"zero":                         {stream.Policy{}, jwt.NoLeeway, 0, 0},
		"cut, leeway":                  {stream.Cut(), 5 * time.Minute, 5 * time.Minute, 5 * time.Minute},
		"grace":                        {stream.Grace(10 * time.Second), jwt.NoLeeway, 0, 10 * time.Second},
		"grace, leeway":                {stream.Grace(10 * time.Second), 0, 30 * time.Second, 40 * time.Second},
		"finish":                       {stream.FinishAnswer(), jwt.NoLeeway, 0, 5 * time.Minute},
		"finish, leeway":               {stream.FinishAnswer(), time.Minute, time.Minute, 5 * time.Minute},
		"grace, at most 5 m after exp": {stream.Grace(5 * time.Minute), 4 * time.Minute, 4 * time.Minute, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStreams(t, accept, stream.Config{Leeway: row.leeway})
				exp := time.Now().Add(10 * time.Second)
				ctx := begin(t, s, caller(t, auth.Claims{Expiry: exp}), row.policy)
				expired := stream.Expired(ctx)
				time.Sleep(10*time.Second + row.expired - time.Nanosecond)
				goesOn(t, "before the token has expired", ctx)
				if isClosed(expired) {
					t.Error("the handler is told too soon")
				}
				time.Sleep(time.Nanosecond)
				if !isClosed(expired) || !isClosed(stream.Expired(ctx)) {
					t.Error("the handler is not told")
				}
				if row.ends > row.expired {
					time.Sleep(row.ends - row.expired - time.Nanosecond)
					goesOn(t, "before the end", ctx)
					time.Sleep(time.Nanosecond)
				}
				endsBy(t, "at the end", ctx, auth.ErrExpiredToken)
			})
		})
	}
}

// A stream whose token never expires goes on, and one whose token has expired does not begin.
func TestNoExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreams(t, accept, stream.Config{Keys: accept})
		for name, expiry := range map[string]time.Time{"a far expiry": time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "an expiry": time.Now().Add(48 * time.Hour)} {
			ctx := begin(t, s, caller(t, auth.Claims{Expiry: expiry}), stream.Cut())
			time.Sleep(24 * time.Hour)
			goesOn(t, name, ctx)
		}
		key := begin(t, s, authtest.Principal(t, auth.Claims{Subject: "ada", Kind: auth.KindAPIKey}), stream.Cut())
		time.Sleep(24 * time.Hour)
		goesOn(t, "a key without expiry", key)
		for _, ago := range []time.Duration{30 * time.Second, time.Hour, 200 * 365 * 24 * time.Hour} {
			if _, _, err := s.Begin(t.Context(), caller(t, auth.Claims{Expiry: time.Now().Add(-ago)}), stream.FinishAnswer()); !errors.Is(err, auth.ErrExpiredToken) {
				t.Errorf("a token that expired %v ago: Begin returns %v", ago, err)
			}
		}
	})
}

// Whatever the policy, a stream ends when its session is revoked, also after its token has expired; a
// stream of another session goes on.
func TestRevocation(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]stream.Policy{"cut": stream.Cut(), "grace": stream.Grace(time.Minute), "finish": stream.FinishAnswer()} {
		for _, watched := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					store := memstore.New()
					list, err := revocation.Follow(store, revocation.Config{})
					if err != nil {
						t.Fatal(err)
					}
					defer list.Close()
					if err := list.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
					cfg := stream.Config{}
					if watched {
						cfg.Changed = list.Changed
					}
					s := newStreams(t, list.Check, cfg)
					login := func(id, user string) *auth.Principal {
						now := time.Now().UTC().Truncate(time.Second)
						if err := store.CreateSession(t.Context(), auth.Session{ID: id, UserID: user, CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
							t.Fatal(err)
						}
						return caller(t, auth.Claims{Subject: user, SessionID: id, IssuedAt: now, Expiry: now.Add(time.Minute)})
					}
					end := func(id string) {
						if err := store.DeleteSession(t.Context(), id, time.Now().Add(10*time.Minute)); err != nil {
							t.Fatal(err)
						}
					}
					first, second, other := login("first", "ada"), login("second", "ada"), login("other", "bob")
					a, b, c := begin(t, s, first, policy), begin(t, s, second, policy), begin(t, s, other, policy)
					again := begin(t, s, first, policy)
					time.Sleep(10 * time.Second)
					end("first")
					if watched { // the list reads four times in its Bound of 5 s
						time.Sleep(5 * time.Second / 4)
					} else {
						time.Sleep(5*time.Second/4 + time.Second)
					}
					endsBy(t, "the session", a, auth.ErrRevokedToken)
					endsBy(t, "another stream of the session", again, auth.ErrRevokedToken)
					goesOn(t, "another session of the user", b)
					goesOn(t, "another user", c)
					if name == "cut" {
						return
					}
					time.Sleep(time.Until(second.Expiry().Add(31 * time.Second)))
					goesOn(t, "after the token has expired", b)
					end("second")
					if err := list.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					endsBy(t, "after the token has expired", b, auth.ErrRevokedToken)
					goesOn(t, "another user, after the token has expired", c)
				})
			})
		}
	}
}

// Callers with API keys are asked about apart, and no stream begins where nobody can be asked.
func TestKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var deleted atomic.Bool
		asked := func(_ context.Context, p *auth.Principal) error {
			if p.Kind() != auth.KindAPIKey {
				t.Errorf("the key store is asked about %v", p)
			}
			if deleted.Load() {
				return auth.ErrInvalidToken
			}
			return nil
		}
		never := func(_ context.Context, p *auth.Principal) error {
			if p.Kind() == auth.KindAPIKey {
				t.Errorf("the list of revocations is asked about a key")
			}
			return nil
		}
		s := newStreams(t, never, stream.Config{Keys: asked})
		ctx := begin(t, s, caller(t, auth.Claims{Kind: auth.KindAPIKey}), stream.FinishAnswer())
		other := begin(t, s, caller(t, auth.Claims{}), stream.Cut())
		time.Sleep(time.Minute)
		goesOn(t, "the key is there", ctx)
		deleted.Store(true)
		time.Sleep(time.Second)
		endsBy(t, "the key is deleted", ctx, stream.ErrKeyRevoked)
		endsBy(t, "the key is deleted", ctx, auth.ErrRevokedToken)
		goesOn(t, "a token", other)

		without := newStreams(t, never, stream.Config{})
		if _, _, err := without.Begin(t.Context(), caller(t, auth.Claims{Kind: auth.KindAPIKey}), stream.Cut()); !testkit.IsConfigError(err) {
			t.Errorf("without Keys, Begin returns %v", err)
		}
	})
}

// A check that cannot decide ends streams: at once if package revocation does not know, which has waited
// already, and otherwise after five times Every.
func TestUndecided(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for name, row := range map[string]struct {
		err    error
		honour bool // whether the check hangs until its context ends, or returns err
		after  time.Duration
	}{
		"unknown": {auth.ErrRevocationUnknown, false, time.Second},
		"down":    {down, false, 6 * time.Second},
		"hanging": {context.DeadlineExceeded, true, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var fails atomic.Bool
				s := newStreams(t, func(ctx context.Context, _ *auth.Principal) error {
					switch {
					case !fails.Load():
						return nil
					case row.honour:
						<-ctx.Done()
						return ctx.Err()
					}
					return row.err
				}, stream.Config{})
				ctx := begin(t, s, caller(t, auth.Claims{}), stream.Cut())
				time.Sleep(time.Minute)
				goesOn(t, "before the outage", ctx)
				if name != "unknown" { // a short outage ends nothing
					fails.Store(true)
					time.Sleep(3 * time.Second)
					fails.Store(false)
					time.Sleep(3 * time.Second)
					goesOn(t, "after a short outage", ctx)
					time.Sleep(time.Minute)
				}
				fails.Store(true)
				time.Sleep(row.after + time.Second)
				endsBy(t, "in the outage", ctx, auth.ErrRevocationUnknown)
				endsBy(t, "in the outage", ctx, row.err)
				if errors.Is(context.Cause(ctx), auth.ErrInvalidToken) {
					t.Errorf("the cause %v says that the token is invalid", context.Cause(ctx))
				}
			})
		})
	}
}

// A check that never returns keeps neither the deadlines nor the end of undecided streams from working.
func TestStuckCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stuck atomic.Bool
		release := make(chan struct{})
		s := newStreams(t, func(context.Context, *auth.Principal) error {
			if stuck.Load() {
				<-release
			}
			return nil
		}, stream.Config{Leeway: jwt.NoLeeway})
		short := begin(t, s, caller(t, auth.Claims{Expiry: time.Now().Add(3 * time.Second)}), stream.Cut())
		long := begin(t, s, caller(t, auth.Claims{}), stream.Cut())
		stuck.Store(true)
		time.Sleep(3 * time.Second)
		endsBy(t, "the token has expired", short, auth.ErrExpiredToken)
		time.Sleep(5 * time.Second)
		endsBy(t, "the check is stuck", long, auth.ErrRevocationUnknown)
		close(release)
	})
}

// Faults of the configuration are found together.
func TestFaults(t *testing.T) {
	t.Parallel()
	_, err := stream.New(nil, stream.Config{Every: time.Hour, Leeway: time.Hour, Guard: auth.MiddlewareConfig{Realm: `"`}})
	want := "stream.New.check stream.Config.Every stream.Config.Leeway MiddlewareConfig.Realm"
	if got := strings.Join(testkit.FaultFields(err), " "); got != want {
		t.Errorf("the faults are %s, want %s", got, want)
	}
	s := newStreams(t, accept, stream.Config{})
	for _, d := range []time.Duration{-1, 0, time.Millisecond, 6 * time.Minute} {
		if _, _, err := s.Begin(t.Context(), caller(t, auth.Claims{}), stream.Grace(d)); !testkit.IsConfigError(err) {
			t.Errorf("Grace(%v): Begin returns %v", d, err)
		}
	}
	for _, p := range []*auth.Principal{nil, {}} {
		if _, _, err := s.Begin(t.Context(), p, stream.Cut()); !errors.Is(err, auth.ErrNoCredentials) {
			t.Errorf("without a caller Begin returns %v", err)
		}
	}
}

// Close ends every stream, and from then on none begins.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreams(t, accept, stream.Config{})
		ctx := begin(t, s, caller(t, auth.Claims{}), stream.Cut())
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		endsBy(t, "after Close", ctx, context.Canceled)
		_, _, err := s.Begin(t.Context(), caller(t, auth.Claims{}), stream.Cut())
		if auth.HTTPStatus(err) != http.StatusServiceUnavailable {
			t.Errorf("after Close, Begin returns %v", err)
		}
		if c := stream.Expired(t.Context()); c != nil {
			t.Error("a context that is no stream has a channel")
		}
	})
}

// serve serves a handler behind a guard and streams, and returns a function that opens a stream with a
// token.
func serve(t *testing.T, v auth.TokenVerifier, s *stream.Streams, h http.HandlerFunc) (open func(token string) *http.Response) {
	t.Helper()
	guard, err := auth.NewMiddleware(v, discard)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(guard.Require(s.Wrap(stream.Cut())(h)))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return func(token string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
}

// revocable is a check that refuses the sessions that were revoked.
type revocable struct {
	mu      sync.Mutex
	revoked map[string]bool
	changed chan struct{}
}

func newRevocable() *revocable {
	return &revocable{revoked: map[string]bool{}, changed: make(chan struct{})}
}

func (r *revocable) revoke(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[session] = true
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *revocable) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

func (r *revocable) Check(_ context.Context, p *auth.Principal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.revoked[p.SessionID()] {
		return auth.ErrRevokedToken
	}
	return nil
}

// Two users stream over one HTTP/2 connection. A logout of one ends the stream of that one alone, with
// the cause as the last event; the identity is that of each request.
func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRevocable()
	issuer := testkit.NewIssuer(t, jwt.IssuerConfig{Check: r.Check})
	s := newStreams(t, r.Check, stream.Config{Changed: r.Changed})
	more := make(chan struct{})
	var connections sync.Map
	open := serve(t, issuer, s, func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.FromContext(r.Context())
		connections.Store(r.RemoteAddr, true)
		w.Header().Set("Content-Type", "text/event-stream")
		c := http.NewResponseController(w)
		for {
			if _, err := io.WriteString(w, "data: "+p.Subject()+"\n"); err != nil || c.Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
				io.WriteString(w, "data: "+context.Cause(r.Context()).Error()+"\n")
				return
			case <-more:
			}
		}
	})
	read := func(lines *bufio.Scanner, want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != "data: "+want {
			t.Errorf("read %q, %v, want %s", lines.Text(), lines.Err(), want)
		}
	}
	ada := bufio.NewScanner(open(testkit.Issue(t, issuer, auth.Claims{Subject: "ada", SessionID: "a"})).Body)
	read(ada, "ada")
	bob := bufio.NewScanner(open(testkit.Issue(t, issuer, auth.Claims{Subject: "bob", SessionID: "b"})).Body)
	read(bob, "bob")
	r.revoke("a")
	read(ada, auth.ErrRevokedToken.Error())
	if ada.Scan() {
		t.Errorf("after the end came %q", ada.Text())
	}
	more <- struct{}{} // bob's handler alone waits
	read(bob, "bob")
	n := 0
	connections.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("the streams used %d connections, want one", n)
	}
	if res := open(testkit.Issue(t, issuer, auth.Claims{Subject: "ada", SessionID: "a"})); res.StatusCode != 401 {
		t.Errorf("after the logout: %s", res.Status)
	}
}

// A handler that does not watch its context cannot write any more after the end.
func TestHandlerThatGoesOn(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRevocable()
			issuer := testkit.NewIssuer(t, jwt.IssuerConfig{})
			s := newStreams(t, r.Check, stream.Config{Changed: r.Changed})
			guard, err := auth.NewMiddleware(issuer, discard)
			if err != nil {
				t.Fatal(err)
			}
			failed := make(chan error, 1)
			srv := httptest.NewUnstartedServer(guard.Require(s.Wrap(stream.Cut())(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c := http.NewResponseController(w)
				for {
					_, err := io.WriteString(w, "more\n")
					if err == nil {
						err = c.Flush()
					}
					if err != nil {
						failed <- err
						return
					}
				}
			}))))
			srv.EnableHTTP2 = http2
			srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
			srv.StartTLS()
			defer srv.Close()
			req, _ := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
			req.Header.Set("Authorization", "Bearer "+testkit.Issue(t, issuer, auth.Claims{Subject: "ada", SessionID: "a"}))
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if _, err := io.ReadFull(res.Body, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			r.revoke("a")
			go io.Copy(io.Discard, res.Body)
			<-failed // the handler waits for nothing else
		})
	}
}

// A request for which no stream begins is refused as the middleware refuses.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		err       error
		policy    stream.Policy
		anonymous bool
		status    int
		challenge string
		retry     string
	}{
		"revoked":   {auth.ErrRevokedToken, stream.Cut(), false, 401, `Bearer realm="r", error="invalid_token"`, ""},
		"unknown":   {&auth.RetryError{Err: auth.ErrRevocationUnknown, After: 2 * time.Second}, stream.Cut(), false, 503, "", "2"},
		"down":      {errors.New("down"), stream.Cut(), false, 500, "", ""},
		"anonymous": {nil, stream.Cut(), true, 401, `Bearer realm="r"`, ""},
		"fault":     {nil, stream.Grace(0), false, 500, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStreams(t, func(context.Context, *auth.Principal) error { return row.err },
				stream.Config{Guard: auth.MiddlewareConfig{Realm: "r", Logger: discard.Logger}})
			r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
			if !row.anonymous {
				r = r.WithContext(auth.NewContext(r.Context(), caller(t, auth.Claims{})))
			}
			s.Wrap(row.policy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler is called") })).ServeHTTP(w, r)
			if w.Code != row.status || w.Header().Get("WWW-Authenticate") != row.challenge || w.Header().Get("Retry-After") != row.retry {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			if strings.Contains(w.Body.String(), "down") {
				t.Errorf("the answer shows the cause: %s", w.Body)
			}
		})
	}
}
