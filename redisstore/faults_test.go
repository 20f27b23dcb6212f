package redisstore_test

import (
	"context"
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
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
)

const password = "correct horse battery"

// newRefreshKeys returns a ring with one new key.
func newRefreshKeys(t testing.TB) *secrets.Ring {
	t.Helper()
	keys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// replicas returns a replica of one application for each store, with the user ada.
func replicas(t testing.TB, cfg auth.Config, stores ...auth.SessionStore) []*auth.Authenticator {
	t.Helper()
	tokens, users := testkit.NewIssuer(t, jwt.IssuerConfig{}), memstore.New()
	cfg.RefreshKeys = newRefreshKeys(t)
	var all []*auth.Authenticator
	for _, s := range stores {
		cfg.Hasher, cfg.Sessions = authtest.FastHasher(t), s
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

// retry calls f until it succeeds or refuses the caller. It counts infrastructure failures.
func retry[T any](t testing.TB, failed *atomic.Int64, f func(context.Context) (T, error)) (T, error) {
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

// TestRestart kills and restarts a server that syncs every write to its file, while clients of two
// replicas refresh and log out. No honest client is logged out, no session that was ended works, and
// every theft is detected.
func TestRestart(t *testing.T) {
	t.Parallel()
	own := start(t, "--appendonly", "yes", "--appendfsync", "always")
	var reuse atomic.Int64
	cfg := auth.Config{Events: func(_ context.Context, e auth.Event) {
		if e.Kind == auth.EventReuse {
			reuse.Add(1)
		}
	}}
	// One of the two clients does not retry by itself.
	noRetries := newStore(t, connect(t, patient(&redis.Options{Addr: own.addr(), ContextTimeoutEnabled: true, MaxRetries: -1})), "auth")
	withRetries := newStore(t, own.client(), "auth")
	servers := replicas(t, cfg, noRetries, withRetries)

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
					next, err := retry(t, &failed, func(ctx context.Context) (auth.Tokens, error) { return a.Refresh(ctx, history[len(history)-1]) })
					if err != nil {
						t.Errorf("an honest client was refused: %v", err)
						return
					}
					refreshed.Add(1)
					history = append(history, next.RefreshToken)
					if i%50 != 49 {
						continue
					}
					if _, err := retry(t, &failed, func(ctx context.Context) (int, error) { return 0, a.Logout(ctx, next.RefreshToken) }); err != nil {
						t.Errorf("Logout: %v", err)
					}
					ended.Add(1)
					if _, err := retry(t, &failed, func(ctx context.Context) (auth.Tokens, error) { return a.Refresh(ctx, next.RefreshToken) }); err == nil {
						t.Error("a session was refreshed after its logout")
					}
					next, err = retry(t, &failed, func(ctx context.Context) (auth.Tokens, error) { return a.Login(ctx, "ada", password) })
					if err != nil {
						t.Errorf("Login: %v", err)
						return
					}
					history = []string{next.RefreshToken}
					continue
				}
				// The newest token works. A token from more than 64 generations ago is a thief's, also
				// within the window.
				newest := history[len(history)-1]
				for range 65 {
					next, err := retry(t, &failed, func(ctx context.Context) (auth.Tokens, error) { return servers[n%2].Refresh(ctx, newest) })
					if err != nil {
						t.Errorf("an honest client was refused at the end: %v", err)
						return
					}
					newest = next.RefreshToken
				}
				before := reuse.Load()
				for _, text := range []string{history[0], newest} {
					if _, err := servers[n%2].Refresh(bounded(t), text); !errors.Is(err, auth.ErrInvalidGrant) {
						t.Errorf("a thief got %v, want ErrInvalidGrant", err)
					}
				}
				if reuse.Load() == before {
					t.Error("a theft caused no event")
				}
				return
			}
		})
	}
	awaitRefreshes := func() { // as many as there are clients
		for before := refreshed.Load(); refreshed.Load() < before+clients && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	n := 0
	for ; (n < restarts || failed.Load() == 0 || ended.Load() == 0) && !t.Failed(); n++ {
		awaitRefreshes()
		time.Sleep(mathrand.N(150 * time.Millisecond))
		own.kill()
		own.run()
	}
	awaitRefreshes()
	close(stop)
	wg.Wait()
	t.Logf("%d restarts: %d calls failed, %d refreshed, %d logged out", n, failed.Load(), refreshed.Load(), ended.Load())
	if got := reuse.Load(); got != clients {
		t.Errorf("%d events of reuse, want %d", got, clients)
	}
	// A login that failed may have created a session whose tokens no client has.
	list, err := noRetries.Sessions(bounded(t), "ada")
	if err != nil || int64(len(list)) > failed.Load() {
		t.Errorf("%d sessions are left, %v, want at most %d", len(list), err, failed.Load())
	}
}

// TestRestartEmpty restarts a server that loses everything. Users must log in again, and a replica
// still refuses the tokens that it has seen revoked.
func TestRestartEmpty(t *testing.T) {
	t.Parallel()
	own := start(t)
	s := newStore(t, own.client(), "auth")
	list, err := revocation.Follow(s, revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	a := replicas(t, auth.Config{Revoked: list.Sync}, s)[0]
	loggedOut, lost := login(t, a), login(t, a)
	if err := a.Logout(bounded(t), loggedOut.RefreshToken); err != nil {
		t.Fatal(err)
	}
	own.kill()
	wantFailure(t, "Sync", list.Sync(bounded(t)))
	own.run()
	if _, err := a.Refresh(bounded(t), lost.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
		t.Errorf("Refresh on an empty server: %v, want ErrInvalidGrant", err)
	}
	afterwards := login(t, a)
	if err := a.Logout(bounded(t), afterwards.RefreshToken); err != nil {
		t.Fatal(err)
	}
	for _, tokens := range []auth.Tokens{loggedOut, afterwards} {
		if err := list.Check(t.Context(), tokens.Principal); !errors.Is(err, auth.ErrRevokedToken) {
			t.Errorf("Check of a revoked token: %v, want ErrRevokedToken", err)
		}
	}
	if err := list.Check(t.Context(), login(t, a).Principal); err != nil {
		t.Error(err)
	}
}

// TestFailover promotes a replica that lacks the last writes of its primary. The primary continues
// alone for a while and is then killed.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := start(t, "--repl-diskless-sync-delay", "0")
	replica := start(t, "--replicaof", "127.0.0.1", primary.port)
	var address atomic.Value // address of the primary, which Sentinel would give the client
	address.Store(primary.addr())
	client := connect(t, patient(&redis.Options{
		Addr: "primary", ContextTimeoutEnabled: true, PoolSize: 4,
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address.Load().(string))
		},
	}))
	s := newStore(t, client, "auth")
	list, err := revocation.Follow(s, revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	a := replicas(t, auth.Config{Revoked: list.Sync}, s)[0]
	kept, loggedOut := login(t, a), login(t, a)
	revoke(t, s, time.Now().Add(time.Hour), "first")
	eventually(t, func() error {
		if n := client.Wait(bounded(t), 1, time.Second).Val(); n != 1 {
			return errors.New("the replica does not follow")
		}
		return nil
	})
	reader := newStore(t, replica.client(), "auth")
	wantFailure(t, "CreateSession on a replica", reader.CreateSession(bounded(t), session(1, "bob")))

	if err := replica.client().Do(bounded(t), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	lost := login(t, a)
	for range 3 {
		if kept, err = a.Refresh(bounded(t), kept.RefreshToken); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Logout(bounded(t), loggedOut.RefreshToken); err != nil {
		t.Fatal(err)
	}
	revoke(t, s, time.Now().Add(time.Hour), "lost 1", "lost 2")
	cursor, err := s.RevokedSince(bounded(t), "", func(auth.Revocation) {})
	if err != nil {
		t.Fatal(err)
	}
	address.Store(replica.addr())
	primary.kill()

	if kept, err = a.Refresh(bounded(t), kept.RefreshToken); err != nil {
		t.Errorf("Refresh with a token that is newer than the session: %v", err)
	}
	if _, err := a.Refresh(bounded(t), kept.RefreshToken); err != nil {
		t.Errorf("Refresh after that: %v", err)
	}
	if _, err := a.Refresh(bounded(t), lost.RefreshToken); !errors.Is(err, auth.ErrInvalidGrant) {
		t.Errorf("Refresh of a lost session: %v, want ErrInvalidGrant", err)
	}
	if err := list.Check(t.Context(), loggedOut.Principal); !errors.Is(err, auth.ErrRevokedToken) {
		t.Errorf("Check by a replica that has seen the lost revocation: %v, want ErrRevokedToken", err)
	}
	if _, err := a.Refresh(bounded(t), loggedOut.RefreshToken); err != nil {
		t.Errorf("Refresh of a session whose end was lost: %v; the package documentation says that it is valid again", err)
	}
	users := []string{"first"}
	for i := range 6 { // past the number in the cursor
		users = append(users, fmt.Sprint("new ", i))
		revoke(t, s, time.Now().Add(time.Hour), users[i+1])
		reads(t, s, cursor, users...)
	}
}

// TestLonelyPrimary has a primary without the replica that it requires: it accepts no write.
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
		case "UserByID", "UserByUsername", "ReplacePasswordHash", "SetDisabled", "DeleteUser":
			if !errors.Is(err, auth.ErrUserNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		case "ReplaceSession", "DeleteRecord":
			if !errors.Is(err, auth.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		case "Sessions", "RevokedSince", "Record", "Records", "DeleteRecords": // there is nothing to delete
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		default:
			if wantFailure(t, name, err); !strings.Contains(fmt.Sprint(err), "NOREPLICAS") {
				t.Errorf("%s: %v, want NOREPLICAS", name, err)
			}
		}
	}
}
