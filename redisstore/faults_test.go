package redisstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

const password = "correct horse battery"

// replicas returns one server of the application for each store, and a user.
func replicas(t testing.TB, cfg auth.Config, stores ...auth.SessionStore) []*auth.Authenticator {
	t.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	key, err := jwt.NewSecretKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	users := memstore.New()
	var all []*auth.Authenticator
	for _, s := range stores {
		cfg.Hasher, cfg.Sessions, cfg.RefreshKeys = authtest.FastHasher(t), s, keys
		a, err := auth.New(users, tokens, cfg)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	if _, err := all[0].Register(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	return all
}

func login(t testing.TB, a *auth.Authenticator) auth.Tokens {
	t.Helper()
	tokens, err := a.Login(bounded(t), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// again calls f until it returns an answer, not an error of the world, which is
// counted.
func again[T any](t testing.TB, failed *atomic.Int64, f func(context.Context) (T, error)) (T, error) {
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		value, err := f(ctx)
		cancel()
		if err == nil || errors.Is(err, auth.ErrInvalidGrant) {
			return value, err
		}
		failed.Add(1)
		time.Sleep(5 * time.Millisecond)
	}
	var none T
	return none, errors.New("the server does not come back")
}

// TestRestart kills a server that writes each change to its file, and starts it
// again, while clients of two replicas refresh and log out. None that is honest is
// logged out, none that has logged out is in, and every thief is caught.
func TestRestart(t *testing.T) {
	t.Parallel()
	own := start(t, "--appendonly", "yes", "--appendfsync", "always")
	var reuse atomic.Int64
	cfg := auth.Config{Events: func(_ context.Context, e auth.Event) {
		if e.Kind == auth.EventReuse {
			reuse.Add(1)
		}
	}}
	// One of the clients does not try again by itself.
	one := newStore(t, connect(t, patient(&redis.Options{Addr: own.addr(), ContextTimeoutEnabled: true, MaxRetries: -1})), "auth")
	two := newStore(t, own.client(), "auth")
	servers := replicas(t, cfg, one, two)

	const clients, restarts = 12, 40
	stop := make(chan struct{})
	var failed, refreshed, ended atomic.Int64
	var wg sync.WaitGroup
	for n := range clients {
		tokens := login(t, servers[0])
		wg.Go(func() {
			history := []string{tokens.RefreshToken}
			for i := 0; ; i++ {
				select {
				case <-stop:
				default:
					a := servers[(n+i)%2]
					next, err := again(t, &failed, func(ctx context.Context) (auth.Tokens, error) { return a.Refresh(ctx, history[len(history)-1]) })
					if err != nil {
						t.Errorf("an honest client was refused: %v", err)
						return
					}
					refreshed.Add(1)
					history = append(history, next.RefreshToken)
					if i%50 != 49 {
						continue
					}
					if _, err := again(t, &failed, func(ctx context.Context) (int, error) { return 0, a.Logout(ctx, next.RefreshToken) }); err != nil {
						t.Errorf("Logout: %v", err)
					}
					ended.Add(1)
					if _, err := again(t, &failed, func(ctx context.Context) (auth.Tokens, error) { return a.Refresh(ctx, next.RefreshToken) }); err == nil {
						t.Error("who has logged out is in")
					}
					next, err = again(t, &failed, func(ctx context.Context) (auth.Tokens, error) { return a.Login(ctx, "ada", password) })
					if err != nil {
						t.Errorf("Login: %v", err)
						return
					}
					history = []string{next.RefreshToken}
					continue
				}
				// The last token is good; one from long ago is a thief's.
				last := history[len(history)-1]
				for range 6 {
					next, err := again(t, &failed, func(ctx context.Context) (auth.Tokens, error) { return servers[n%2].Refresh(ctx, last) })
					if err != nil {
						t.Errorf("an honest client was refused in the end: %v", err)
						return
					}
					last = next.RefreshToken
				}
				before := reuse.Load()
				for _, text := range []string{history[0], last} {
					if _, err := servers[n%2].Refresh(bounded(t), text); !errors.Is(err, auth.ErrInvalidGrant) {
						t.Errorf("a thief got %v", err)
					}
				}
				if reuse.Load() == before {
					t.Error("a theft was not told")
				}
				return
			}
		})
	}
	more := func() { // refreshes, by all of them together
		for before := refreshed.Load(); refreshed.Load() < before+clients && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	n := 0
	for ; (n < restarts || failed.Load() == 0 || ended.Load() == 0) && !t.Failed(); n++ {
		more()
		time.Sleep(mathrand.N(150 * time.Millisecond))
		own.kill()
		own.run()
	}
	more()
	close(stop)
	wg.Wait()
	t.Logf("%d restarts: %d calls failed, %d refreshed, %d logged out", n, failed.Load(), refreshed.Load(), ended.Load())
	if got := reuse.Load(); got != clients {
		t.Errorf("%d events of reuse, want %d", got, clients)
	}
	// A call that failed may have made a session: nobody has its tokens.
	list, err := one.Sessions(bounded(t), "ada")
	if err != nil || int64(len(list)) > failed.Load() {
		t.Errorf("%d sessions are left, %v", len(list), err)
	}
}

// TestRestartEmpty loses all there is. Who had a session logs in again, and a replica
// that knows what was revoked goes on to know it.
func TestRestartEmpty(t *testing.T) {
	t.Parallel()
	own := start(t)
	s := newStore(t, own.client(), "auth")
	l, err := revocation.Follow(s, revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := replicas(t, auth.Config{Revoked: l.Sync}, s)[0]
	one, two := login(t, a), login(t, a)
	if err := a.Logout(bounded(t), one.RefreshToken); err != nil {
		t.Fatal(err)
	}
	own.kill()
	ofTheWorld(t, "Sync", l.Sync(bounded(t)))
	own.run()
	if _, err := a.Refresh(bounded(t), two.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
		t.Errorf("Refresh in a server that is empty: %v", err)
	}
	three := login(t, a)
	if err := a.Logout(bounded(t), three.RefreshToken); err != nil {
		t.Fatal(err)
	}
	for _, tokens := range []auth.Tokens{one, three} {
		if err := l.Check(t.Context(), tokens.Principal); !errors.Is(err, auth.ErrRevokedToken) {
			t.Errorf("a revoked token: %v", err)
		}
	}
	if err := l.Check(t.Context(), login(t, a).Principal); err != nil {
		t.Error(err)
	}
}

// TestFailover promotes a replica that lacks the last writes of its primary, which
// goes on alone for a while and is killed.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := start(t, "--repl-diskless-sync-delay", "0")
	replica := start(t, "--replicaof", "127.0.0.1", primary.port)
	var at atomic.Value // where the client finds the primary, as Sentinel would tell it
	at.Store(primary.addr())
	client := connect(t, patient(&redis.Options{
		Addr: "primary", ContextTimeoutEnabled: true, PoolSize: 4,
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at.Load().(string))
		},
	}))
	s := newStore(t, client, "auth")
	l, err := revocation.Follow(s, revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := replicas(t, auth.Config{Revoked: l.Sync}, s)[0]
	kept, out := login(t, a), login(t, a)
	revoke(t, s, time.Now().Add(time.Hour), "first")
	eventually(t, func() error {
		if n := client.Wait(bounded(t), 1, time.Second).Val(); n != 1 {
			return errors.New("the replica does not follow")
		}
		return nil
	})
	reader := newStore(t, replica.client(), "auth")
	ofTheWorld(t, "CreateSession on a replica", reader.CreateSession(bounded(t), session(1, "bob")))

	if err := replica.client().Do(bounded(t), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	lost := login(t, a)
	for range 3 {
		if kept, err = a.Refresh(bounded(t), kept.RefreshToken); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Logout(bounded(t), out.RefreshToken); err != nil {
		t.Fatal(err)
	}
	revoke(t, s, time.Now().Add(time.Hour), "lost 1", "lost 2")
	cursor, err := s.RevokedSince(bounded(t), "", func(auth.Revocation) {})
	if err != nil {
		t.Fatal(err)
	}
	at.Store(replica.addr())
	primary.kill()

	if kept, err = a.Refresh(bounded(t), kept.RefreshToken); err != nil {
		t.Errorf("Refresh by a token that is newer than the session: %v", err)
	}
	if _, err := a.Refresh(bounded(t), kept.RefreshToken); err != nil {
		t.Errorf("Refresh after that: %v", err)
	}
	if _, err := a.Refresh(bounded(t), lost.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
		t.Errorf("Refresh of a session that was lost: %v", err)
	}
	if err := l.Check(t.Context(), out.Principal); !errors.Is(err, auth.ErrRevokedToken) {
		t.Errorf("a token whose revocation was lost, where it was known: %v", err)
	}
	if _, err := a.Refresh(bounded(t), out.RefreshToken); err != nil {
		t.Errorf("package documentation says that a session whose end was lost is back: %v", err)
	}
	users := []string{"first"}
	for i := range 6 { // beyond the number that the cursor has
		users = append(users, fmt.Sprint("new ", i))
		revoke(t, s, time.Now().Add(time.Hour), users[i+1])
		reads(t, s, cursor, users...)
	}
}

// TestLonelyPrimary takes no write that no replica will have.
func TestLonelyPrimary(t *testing.T) {
	t.Parallel()
	primary := start(t, "--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")
	s := newStore(t, primary.client(), "auth")
	for name, call := range calls(s) {
		err := call(bounded(t))
		switch name {
		case "Session", "DeleteSession":
			if !errors.Is(err, auth.ErrSessionNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		case "ReplaceSession", "DeleteRecord":
			if !errors.Is(err, auth.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		case "Sessions", "RevokedSince", "Record":
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		default:
			if ofTheWorld(t, name, err); !strings.Contains(fmt.Sprint(err), "NOREPLICAS") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
