package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
)

const password = "correct horse battery"

// service is an HTTP server as a host writes it: endpoints, a protected route, and a list of
// revocations.
type service struct {
	url  string
	auth *auth.Authenticator
	list *revocation.List
}

// newService starts a service on a store. Unless they are nil, limit derives the context of each
// request, and answered is called after each response.
func newService(t testing.TB, s *sqlstore.Store, keys serverKeys, cfg revocation.Config,
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
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys.access, Check: list.Check})
	must(err)
	a, err := auth.New(s, tokens, auth.Config{Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys.refresh, Revoked: list.Sync, Accounts: s})
	must(err)
	guard, err := auth.NewMiddleware(a, auth.MiddlewareConfig{})
	must(err)
	mux := http.NewServeMux()
	mux.Handle("/login", authhttp.Login(a, authhttp.Config{}))
	mux.Handle("/refresh", authhttp.Refresh(a, authhttp.Config{}))
	mux.Handle("/logout", authhttp.Logout(a, guard, authhttp.Config{}))
	mux.Handle("/profile", guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	mux.Handle("/me", authhttp.Me(s, guard, authhttp.Config{}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if limit != nil {
			ctx, cancel := limit(r.Context())
			defer cancel()
			r = r.WithContext(ctx)
		}
		response := &statusWriter{w, http.StatusOK}
		mux.ServeHTTP(response, r)
		if answered != nil {
			answered(r.URL.Path, response.status)
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

// profile returns the status of the protected route.
func (s service) profile(t testing.TB, token string) int {
	t.Helper()
	status, _ := s.send(t, t.Context(), "GET", "/profile", token, "")
	return status
}

// send sends a request and returns the status and the body, or the status 0 if ctx ended first.
func (s service) send(t testing.TB, ctx context.Context, method, path, token, body string) (int, string) {
	t.Helper()
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

// refresh sends a refresh token to the endpoint.
func (s service) refresh(t testing.TB, ctx context.Context, token string) (int, string) {
	t.Helper()
	return s.send(t, ctx, "POST", "/refresh", "", `{"refresh_token":"`+token+`"}`)
}

// gated returns tt behind a proxy that holds back the replies of the database while the gate is
// locked.
func gated(t testing.TB, tt target) (_ target, gate *sync.RWMutex) {
	t.Helper()
	gate = new(sync.RWMutex)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	database, source := tt.redirected(t, l.Addr().String())
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // the test closed the listener
			}
			server, err := net.Dial("tcp", database)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				defer server.Close()
				io.Copy(server, client)
			}()
			go func() {
				defer client.Close()
				copyGated(client, server, gate)
			}()
		}
	}()
	tt.source = func(testing.TB) string { return source }
	return tt, gate
}

// redirected returns the address of the database, and the source that leads to a proxy instead.
func (tt target) redirected(t testing.TB, proxy string) (database, source string) {
	t.Helper()
	if tt.dialect == sqlstore.PostgreSQL {
		u, err := url.Parse(tt.source(t))
		if err != nil {
			t.Fatal(err)
		}
		database, u.Host = u.Host, proxy
		return database, u.String()
	}
	cfg, err := mysql.ParseDSN(tt.source(t))
	if err != nil {
		t.Fatal(err)
	}
	database, cfg.Addr = cfg.Addr, proxy
	return database, cfg.FormatDSN()
}

// copyGated copies from one connection to the other until one of them ends. It waits while the gate is
// locked.
func copyGated(to io.Writer, from io.Reader, gate *sync.RWMutex) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		gate.RLock()
		_, err = to.Write(buffer[:n])
		gate.RUnlock()
		if err != nil {
			return
		}
	}
}

// TestSlowDatabase uses a database that does not reply for a while. A refresh waits for it, and so does
// the list. Meanwhile the protected route answers again and again.
func TestSlowDatabase(t *testing.T) {
	each(t, targets[1:], func(t *testing.T, tt target) {
		s, _, p := tt.store(t)
		create(t, s, user("1", "alice"))
		slow, gate := gated(t, tt)
		srv := newService(t, slow.reopen(t, p), newKeys(t), revocation.Config{Bound: 5 * time.Minute}, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute) // ends the test if the protected route waits for the database
		}, nil)
		tokens, err := srv.auth.LoginUser(bounded(t), "1", "pwd")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			refreshed, read := make(chan int, 1), make(chan error, 1)
			func() {
				gate.Lock()
				defer gate.Unlock()
				go func() {
					status, _ := srv.refresh(t, bounded(t), tokens.RefreshToken)
					refreshed <- status
				}()
				go func() { read <- srv.list.Sync(bounded(t)) }()
				for range 40 {
					if code := srv.profile(t, tokens.AccessToken); code != http.StatusOK {
						t.Fatalf("the protected route answers %d, want 200", code)
					}
				}
				if len(refreshed) > 0 || len(read) > 0 {
					t.Fatal("refresh or the list did not wait for the database")
				}
			}()
			if status := <-refreshed; status != http.StatusOK {
				t.Errorf("refresh answers %d, want 200", status)
			}
			if err := <-read; err != nil {
				t.Errorf("Sync returned %v", err)
			}
		}
	})
}

// TestBusyPool uses a pool whose connections are all in use. Refresh and Login answer 503 when the
// time limit of a call of the store is over, whether or not the client has gone. Afterwards no
// connection is lost, and the token that was presented is still valid.
func TestBusyPool(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		const clients, connections = 32, 2
		tt = tt.shared(t)
		_, _, p := tt.store(t)
		db := open(t, tt.driver, tt.source(t))
		db.SetMaxOpenConns(connections)
		store, err := sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: p})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		answers := make(map[string]int) // how many, by path and status
		var arrived atomic.Int64
		srv := newService(t, store, newKeys(t), revocation.Config{Bound: 5 * time.Minute}, func(ctx context.Context) (context.Context, context.CancelFunc) {
			arrived.Add(1)
			return context.WithCancel(ctx)
		}, func(path string, status int) {
			mu.Lock()
			defer mu.Unlock()
			answers[fmt.Sprint(path, " ", status)]++
		})
		if _, err := srv.auth.Register(bounded(t), "alice", password); err != nil {
			t.Fatal(err)
		}
		tokens, err := srv.auth.Login(bounded(t), "alice", password)
		if err != nil {
			t.Fatal(err)
		}
		var taken []*sql.Conn
		for range connections {
			conn, err := db.Conn(bounded(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() // for a test that ends early
			taken = append(taken, conn)
		}
		const login = `{"username":"alice","password":"` + password + `"}`
		before := db.Stats().WaitCount
		leaving, leave := context.WithCancel(bounded(t))
		defer leave()
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				ctx := bounded(t)
				if i%4 < 2 {
					ctx = leaving
				}
				status, body := 0, ""
				if i%2 == 0 {
					status, body = srv.refresh(t, ctx, tokens.RefreshToken)
				} else {
					status, body = srv.send(t, ctx, "POST", "/login", "", login)
				}
				if status != 0 && (status != http.StatusServiceUnavailable || !strings.Contains(body, `"code":"unavailable"`)) {
					t.Errorf("the answer is %d %s, want 503", status, body)
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
			if waiting := db.Stats().WaitCount - before; waiting < clients || arrived.Load() < clients {
				return fmt.Errorf("%d requests of %d have arrived, and %d wait for a connection", arrived.Load(), clients, waiting)
			}
			return nil
		})
		leave()
		wg.Wait()
		eventually(t, func() error { return answered(clients / 2) })
		if code := srv.profile(t, tokens.AccessToken); code != http.StatusOK {
			t.Errorf("the protected route answers %d, want 200", code)
		}
		for _, conn := range taken {
			conn.Close()
		}
		if status, body := srv.refresh(t, bounded(t), tokens.RefreshToken); status != http.StatusOK {
			t.Errorf("refresh with the same token afterwards: %d %s", status, body)
		}
		if status, body := srv.send(t, bounded(t), "POST", "/login", "", login); status != http.StatusOK {
			t.Errorf("login afterwards: %d %s", status, body)
		}
		srv.list.Close()
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%d connections are still in use", n)
		}
		if list, err := store.Sessions(bounded(t), tokens.Principal.Subject()); err != nil || len(list) != 2 {
			t.Errorf("%d sessions, %v, want 2", len(list), err)
		}
	})
}
