package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// service is a program as a host writes it: endpoints, a protected route, and a list
// of what is revoked, over HTTP.
type service struct {
	url  string
	auth *auth.Authenticator
	list *revocation.List
}

// newService serves users and the sessions that s keeps. A request ends with the context
// that limit makes of its own, unless limit is nil, and told hears how each was answered.
func newService(t testing.TB, users *memstore.Store, s *redisstore.Store, key jwt.Key, cfg revocation.Config,
	limit func(context.Context) (context.Context, context.CancelFunc), told func(path string, status int)) service {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	list, err := revocation.Follow(s, cfg)
	must(err)
	t.Cleanup(func() { list.Close() })
	must(list.Sync(bounded(t)))
	keys, err := jwt.NewKeyRing(key)
	must(err)
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys, Check: list.Check})
	must(err)
	a, err := auth.New(users, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys, Revoked: list.Sync, Accounts: users})
	must(err)
	guard, err := auth.NewMiddleware(a, auth.MiddlewareConfig{})
	must(err)
	mux := http.NewServeMux()
	mux.Handle("/login", authhttp.Login(a, authhttp.Config{}))
	mux.Handle("/refresh", authhttp.Refresh(a, authhttp.Config{}))
	mux.Handle("/profile", guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limit != nil {
			ctx, cancel := limit(r.Context())
			defer cancel()
			r = r.WithContext(ctx)
		}
		answer := &statusWriter{w, http.StatusOK}
		mux.ServeHTTP(answer, r)
		if told != nil {
			told(r.URL.Path, answer.status)
		}
	}))
	t.Cleanup(server.Close)
	return service{server.URL, a, list}
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// send returns the status and the body, and the status 0 if ctx ended first.
func (s service) send(t testing.TB, ctx context.Context, path, token, body string) (int, string) {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		if ctx.Err() == nil {
			t.Error(err)
		}
		return 0, ""
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

func (s service) profile(t testing.TB, token string) int {
	t.Helper()
	status, _ := s.send(t, t.Context(), "/profile", token, "")
	return status
}

func (s service) refresh(t testing.TB, ctx context.Context, token string) (int, string) {
	t.Helper()
	return s.send(t, ctx, "/refresh", "", `{"refresh_token":"`+token+`"}`)
}

func newKey(t testing.TB) jwt.Key {
	t.Helper()
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// expiring is a context whose time is over when over is closed.
type expiring struct {
	context.Context
	over <-chan struct{}
}

func newExpiring(parent context.Context, over <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() {
		select {
		case <-over:
		case <-ctx.Done():
		}
		cancel()
	}()
	return expiring{ctx, over}, cancel
}

func (e expiring) Err() error {
	err := e.Context.Err()
	select {
	case <-e.over:
		if err != nil {
			return context.DeadlineExceeded
		}
	default:
	}
	return err
}

// counting is a hook that counts the commands that begin.
type counting struct{ n *atomic.Int64 }

func (c counting) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c counting) ProcessPipelineHook(n redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return n
}
func (c counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

// TestBusyPool has no connection of the pool left. Refresh and Login answer 503 when
// the time that the host gives a request is over, or the client has gone. Then all
// is as it was: no connection is lost, and the token that was presented is good.
func TestBusyPool(t *testing.T) {
	t.Parallel()
	const clients, connections = 32, 2
	opt := options(t)
	opt.PoolSize, opt.PoolTimeout = connections, 5*time.Minute
	client := connect(t, opt)
	var begun, arrived atomic.Int64
	client.AddHook(counting{&begun})
	s := newStore(t, client, prefix(t, connect(t, options(t))))
	var mu sync.Mutex
	answers := make(map[string]int) // by path and status
	over := make(chan struct{})     // the time that the host gives to what has arrived
	srv := newService(t, memstore.New(), s, newKey(t), revocation.Config{Bound: 5 * time.Minute}, func(ctx context.Context) (context.Context, context.CancelFunc) {
		arrived.Add(1)
		select {
		case <-over:
			return context.WithCancel(ctx)
		default:
			return newExpiring(ctx, over)
		}
	}, func(path string, status int) {
		mu.Lock()
		defer mu.Unlock()
		answers[fmt.Sprint(path, " ", status)]++
	})
	user, err := srv.auth.Register(bounded(t), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	tokens := login(t, srv.auth)
	var taken []*redis.Conn
	for range connections {
		conn := client.Conn()
		if err := conn.Ping(bounded(t)).Err(); err != nil {
			t.Fatal(err)
		}
		defer conn.Close() // also if the test ends early
		taken = append(taken, conn)
	}
	const body = `{"username":"ada","password":"` + password + `"}`
	before := begun.Load()
	leaving, leave := context.WithCancel(bounded(t))
	defer leave()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			ctx := bounded(t)
			if i%4 < 2 {
				ctx = leaving
			}
			status, text := 0, ""
			if i%2 == 0 {
				status, text = srv.refresh(t, ctx, tokens.RefreshToken)
			} else {
				status, text = srv.send(t, ctx, "/login", "", body)
			}
			if status != 0 && (status != http.StatusServiceUnavailable || !strings.Contains(text, `"code":"unavailable"`)) {
				t.Errorf("answer %d %s", status, text)
			}
		})
	}
	answered := func(each int) error {
		mu.Lock()
		defer mu.Unlock()
		if want := map[string]int{"/refresh 503": each, "/login 503": each}; !maps.Equal(answers, want) {
			return fmt.Errorf("answers %v, want %v", answers, want)
		}
		return nil
	}
	eventually(t, func() error {
		if waiting := begun.Load() - before; waiting < clients || arrived.Load() < clients {
			return fmt.Errorf("%d requests of %d have arrived, and %d wait for a connection", arrived.Load(), clients, waiting)
		}
		return nil
	})
	leave()
	eventually(t, func() error { return answered(clients / 4) })
	close(over)
	wg.Wait()
	eventually(t, func() error { return answered(clients / 2) })
	if code := srv.profile(t, tokens.AccessToken); code != http.StatusOK {
		t.Errorf("the protected route answers %d", code)
	}
	for _, conn := range taken {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if status, text := srv.refresh(t, bounded(t), tokens.RefreshToken); status != http.StatusOK {
		t.Errorf("the same token then: %d %s", status, text)
	}
	if status, text := srv.send(t, bounded(t), "/login", "", body); status != http.StatusOK {
		t.Errorf("login then: %d %s", status, text)
	}
	if list, err := s.Sessions(bounded(t), user.ID); err != nil || len(list) != 2 {
		t.Errorf("%d sessions, %v, want 2", len(list), err)
	}
	if pool := client.PoolStats(); pool.TotalConns != pool.IdleConns || pool.TotalConns > connections {
		t.Errorf("connections are lost: %d, %d of them idle", pool.TotalConns, pool.IdleConns)
	}
}

// TestSessionsOfUser ends the sessions of a user in every way there is, at one
// replica. At the other the access tokens of those, and no others, end.
func TestSessionsOfUser(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p, users, key := prefix(t, client), memstore.New(), newKey(t)
	here := newService(t, users, newStore(t, client, p), key, revocation.Config{Bound: 5 * time.Minute}, nil, nil)
	there := newService(t, users, newStore(t, connect(t, options(t)), p), key, revocation.Config{Bound: 5 * time.Minute}, nil, nil)
	ada, err := here.auth.Register(bounded(t), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	ctx, now := bounded(t), password
	again := func() (tokens auth.Tokens) {
		t.Helper()
		if tokens, err = here.auth.Login(ctx, "ada", now); err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	live := []auth.Tokens{again(), again(), again()}
	id := func(i int) string { return live[i].Principal.SessionID() }
	for _, row := range []struct {
		name string
		end  func() error
		keep int // how many of live go on
		make func() []auth.Tokens
	}{
		{"EndSession", func() error { return here.auth.EndSession(ctx, ada.ID, id(2)) }, 2, nil},
		{"EndSessions of the others", func() error { return here.auth.EndSessions(ctx, ada.ID, id(0)) }, 1, nil},
		{"ChangePassword", func() error {
			tokens, err := here.auth.ChangePassword(ctx, ada.ID, now, "battery staple")
			now = "battery staple"
			live = append(live, tokens)
			slices.Reverse(live) // the new one first
			return err
		}, 1, nil},
		{"EndSessions", func() error { return here.auth.EndSessions(ctx, ada.ID, "") }, 0, func() []auth.Tokens { return []auth.Tokens{again()} }},
		{"Disable", func() error { return here.auth.Disable(ctx, ada.ID) }, 0, func() []auth.Tokens {
			if err := here.auth.Enable(ctx, ada.ID); err != nil {
				t.Fatal(err)
			}
			return []auth.Tokens{again(), again()}
		}},
		{"Delete", func() error { return here.auth.Delete(ctx, ada.ID) }, 0, nil},
	} {
		if err := errors.Join(row.end(), there.list.Sync(ctx)); err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		for i, tokens := range live {
			want := http.StatusOK
			if i >= row.keep {
				want = http.StatusUnauthorized
			}
			if code := there.profile(t, tokens.AccessToken); code != want {
				t.Errorf("%s: session %d is answered %d, want %d", row.name, i, code, want)
			}
		}
		if list, err := there.auth.Sessions(ctx, ada.ID); err != nil || len(list) != row.keep {
			t.Errorf("%s: %d sessions, %v, want %d", row.name, len(list), err, row.keep)
		}
		for _, tokens := range live[row.keep:] { // last, for this could end it, too
			if _, err := there.auth.Refresh(ctx, tokens.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
				t.Errorf("%s: Refresh of a session that ended: %v", row.name, err)
			}
		}
		live = live[:row.keep]
		if row.make != nil {
			live = row.make()
		}
	}
}
