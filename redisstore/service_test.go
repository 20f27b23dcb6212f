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
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
)

// service is a program like a host's: endpoints, a protected route and a list of revocations, over
// HTTP.
type service struct {
	url  string
	auth *auth.Authenticator
	list *revocation.List
}

// secretsOf are the keys that the replicas of a service share.
type secretsOf struct {
	signing *jwt.KeyRing
	refresh *secrets.Ring
}

func newSecrets(t testing.TB) secretsOf {
	t.Helper()
	return secretsOf{testkit.RingOf(t, testkit.Generated(t, "HS256")), newRefreshKeys(t)}
}

// newService serves users, with sessions in s. A request has the context that limit derives from its
// own, unless limit is nil. answered is called with the status of each answer, unless it is nil.
func newService(t testing.TB, users *memstore.Store, s *redisstore.Store, keys secretsOf, cfg revocation.Config,
	limit func(context.Context) (context.Context, context.CancelFunc), answered func(path string, status int)) service {
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
	tokens := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: keys.signing, Check: list.Check})
	a, err := auth.New(users, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys.refresh, Revoked: list.Sync, Accounts: users,
	})
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
		if answered != nil {
			answered(r.URL.Path, answer.status)
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

// send returns the status and the body of the answer, or the status 0 if ctx ended first.
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

// TestBusyPool has all connections of the pool in use. Refresh and Login answer 503 when the time limit
// of a call of the store is over, whether or not the client has disconnected. Afterwards no connection
// is lost, and the token that was presented still works.
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
	answers := make(map[string]int) // number of answers by path and status
	limit := func(ctx context.Context) (context.Context, context.CancelFunc) {
		arrived.Add(1)
		return context.WithCancel(ctx)
	}
	srv := newService(t, memstore.New(), s, newSecrets(t), revocation.Config{Bound: 5 * time.Minute}, limit, func(path string, status int) {
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
		defer conn.Close() // in case the test ends early
		taken = append(taken, conn)
	}
	const body = `{"username":"ada","password":"` + password + `"}`
	before := begun.Load()
	connected, disconnect := context.WithCancel(bounded(t))
	defer disconnect()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			ctx := bounded(t)
			if i%4 < 2 {
				ctx = connected
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
	disconnect()
	wg.Wait()
	eventually(t, func() error { return answered(clients / 2) })
	if code := srv.profile(t, tokens.AccessToken); code != http.StatusOK {
		t.Errorf("the protected route answers %d, want 200", code)
	}
	for _, conn := range taken {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if status, text := srv.refresh(t, bounded(t), tokens.RefreshToken); status != http.StatusOK {
		t.Errorf("refresh with the same token afterwards: %d %s", status, text)
	}
	if status, text := srv.send(t, bounded(t), "/login", "", body); status != http.StatusOK {
		t.Errorf("login afterwards: %d %s", status, text)
	}
	if list, err := s.Sessions(bounded(t), user.ID); err != nil || len(list) != 2 {
		t.Errorf("%d sessions, %v, want 2", len(list), err)
	}
	if pool := client.PoolStats(); pool.TotalConns != pool.IdleConns || pool.TotalConns > connections {
		t.Errorf("%d connections, %d of them idle: want all, and at most %d", pool.TotalConns, pool.IdleConns, connections)
	}
}

// TestSessionsOfUser ends sessions of a user in every possible way at one replica. The other replica
// then refuses the access tokens of exactly these sessions.
func TestSessionsOfUser(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p, users, keys := prefix(t, client), memstore.New(), newSecrets(t)
	here := newService(t, users, newStore(t, client, p), keys, revocation.Config{Bound: 5 * time.Minute}, nil, nil)
	there := newService(t, users, newStore(t, connect(t, options(t)), p), keys, revocation.Config{Bound: 5 * time.Minute}, nil, nil)
	ada, err := here.auth.Register(bounded(t), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	ctx, currentPassword := bounded(t), password
	newLogin := func() (tokens auth.Tokens) {
		t.Helper()
		if tokens, err = here.auth.Login(ctx, "ada", currentPassword); err != nil {
			t.Fatal(err)
		}
		return tokens
	}
	live := []auth.Tokens{newLogin(), newLogin(), newLogin()}
	id := func(i int) string { return live[i].Principal.SessionID() }
	for _, row := range []struct {
		name string
		end  func() error
		keep int // sessions in live that continue, the first ones
		make func() []auth.Tokens
	}{
		{"EndSession", func() error { return here.auth.EndSession(ctx, ada.ID, id(2)) }, 2, nil},
		{"EndSessions of the others", func() error { return here.auth.EndSessions(ctx, ada.ID, id(0)) }, 1, nil},
		{"ChangePassword", func() error {
			tokens, err := here.auth.ChangePassword(ctx, ada.ID, currentPassword, "battery staple")
			currentPassword = "battery staple"
			live = append(live, tokens)
			slices.Reverse(live) // the new session first
			return err
		}, 1, nil},
		{"EndSessions", func() error { return here.auth.EndSessions(ctx, ada.ID, "") }, 0, func() []auth.Tokens { return []auth.Tokens{newLogin()} }},
		{"Disable", func() error { return here.auth.Disable(ctx, ada.ID) }, 0, func() []auth.Tokens {
			if err := here.auth.Enable(ctx, ada.ID); err != nil {
				t.Fatal(err)
			}
			return []auth.Tokens{newLogin(), newLogin()}
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
				t.Errorf("%s: a request with session %d is answered %d, want %d", row.name, i, code, want)
			}
		}
		if list, err := there.auth.Sessions(ctx, ada.ID); err != nil || len(list) != row.keep {
			t.Errorf("%s: %d sessions, %v, want %d", row.name, len(list), err, row.keep)
		}
		for _, tokens := range live[row.keep:] { // last, because a refresh could end the session, too
			if _, err := there.auth.Refresh(ctx, tokens.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
				t.Errorf("%s: Refresh of an ended session: %v, want ErrInvalidGrant", row.name, err)
			}
		}
		live = live[:row.keep]
		if row.make != nil {
			live = row.make()
		}
	}
}
