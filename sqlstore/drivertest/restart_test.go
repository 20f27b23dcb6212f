//go:build unix

package drivertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	osexec "os/exec"
	osuser "os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// ownPostgres is a PostgreSQL that the test starts, and may crash.
type ownPostgres struct {
	bin, dir, port string
	owner          *syscall.Credential // user of the server, which refuses to run as root
	server         *osexec.Cmd
}

func newOwnPostgres(t *testing.T) *ownPostgres {
	t.Helper()
	// Debian does not put the server's programs in PATH.
	initdb, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	slices.Sort(initdb)
	var p ownPostgres
	if len(initdb) > 0 {
		p.bin = filepath.Dir(initdb[len(initdb)-1])
	} else {
		p.bin = filepath.Dir(testenv.Command(t, "initdb"))
	}
	var err error
	if p.dir, err = os.MkdirTemp("", "auth-postgres-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(p.dir) })
	if os.Getuid() == 0 {
		account, err := osuser.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(account.Uid)
		gid, _ := strconv.Atoi(account.Gid)
		if err := os.Chown(p.dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		p.owner = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, p.port, _ = net.SplitHostPort(l.Addr().String())
	l.Close()
	if out, err := p.command("initdb", "-D", p.dir, "-U", "auth", "-E", "UTF8", "--auth=trust", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	p.start(t)
	t.Cleanup(func() { p.stop(syscall.SIGQUIT) })
	return &p
}

func (p *ownPostgres) command(name string, args ...string) *osexec.Cmd {
	cmd := osexec.Command(filepath.Join(p.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = p.dir, &syscall.SysProcAttr{Credential: p.owner}
	return cmd
}

func (p *ownPostgres) source() string {
	return "postgres://auth@127.0.0.1:" + p.port + "/postgres?sslmode=disable&connect_timeout=60"
}

// start starts the server and waits until it answers. Nothing needs to reach the disk, because the
// machine survives a crash of the server.
func (p *ownPostgres) start(t testing.TB) {
	t.Helper()
	p.server = p.command("postgres", "-D", p.dir, "-p", p.port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=60")
	if err := p.server.Start(); err != nil {
		t.Fatal(err)
	}
	db := open(t, "pgx", p.source())
	defer db.Close()
	eventually(t, func() error { return db.PingContext(bounded(t)) })
}

// stop ends the server: on SIGINT it closes its connections first, on SIGQUIT it crashes.
func (p *ownPostgres) stop(s os.Signal) {
	_ = p.server.Process.Signal(s)
	_ = p.server.Wait()
}

// newReplicas returns n Authenticators that share only their keys and the database, each with a pool of
// its own with this many connections.
func newReplicas(t testing.TB, tt target, p string, n, connections int, window time.Duration) (replicas []*auth.Authenticator, stores []*sqlstore.Store) {
	t.Helper()
	keys := newKeys(t)
	for range n {
		db := open(t, tt.driver, tt.source(t))
		db.SetMaxOpenConns(connections)
		s, err := sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: p})
		if err != nil {
			t.Fatal(err)
		}
		replicas, stores = append(replicas, newReplica(t, s, keys, window)), append(stores, s)
	}
	return replicas, stores
}

// TestRestarts stops or crashes a PostgreSQL under load, again and again, while clients refresh their
// tokens at two replicas. A client whose reply is lost repeats the request with the token that it has.
// No client is logged out, no acknowledged session is lost, and every stolen token that is used late
// ends its session.
func TestRestarts(t *testing.T) {
	t.Parallel()
	own := newOwnPostgres(t)
	tt := target{"PostgreSQL", sqlstore.PostgreSQL, "pgx", func(testing.TB) string { return own.source() }}
	replicas, stores := newReplicas(t, tt, "auth_", 2, 8, shortWindow)
	if err := stores[0].Migrate(bounded(t)); err != nil {
		t.Fatal(err)
	}
	create(t, stores[0], user("1", "alice"))
	const restarts, clients = 12, 8

	// retry repeats a call until it gets an answer, and returns how many times it failed.
	retry := func(call func(context.Context, *auth.Authenticator) (auth.Tokens, error)) (token string, failed int, refused bool) {
		for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); failed++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			got, err := call(ctx, replicas[rand.IntN(len(replicas))])
			cancel()
			if err == nil || errors.Is(err, auth.ErrInvalidGrant) {
				return got.RefreshToken, failed, err != nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("a call got no answer for three minutes")
		return "", failed, true
	}
	refresh := func(token string) (string, int, bool) {
		return retry(func(ctx context.Context, a *auth.Authenticator) (auth.Tokens, error) { return a.Refresh(ctx, token) })
	}
	login := func() (string, int) {
		token, failed, _ := retry(func(ctx context.Context, a *auth.Authenticator) (auth.Tokens, error) {
			return a.LoginUser(ctx, "1", "pwd")
		})
		return token, failed
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var refreshes, thefts, lost, orphans atomic.Int64
	for range clients {
		wg.Go(func() {
			token, failed := login()
			past := []string{token}
			orphans.Add(int64(failed))
			for !t.Failed() {
				next, failed, refused := refresh(past[len(past)-1])
				if refused {
					t.Error("an honest client was logged out")
					return
				}
				past = append(past, next)
				refreshes.Add(1)
				lost.Add(int64(failed))
				if len(past) == 40 {
					time.Sleep(2 * shortWindow)
					if _, _, refused := refresh(past[rand.IntN(30)]); !refused {
						t.Error("a stolen token was accepted")
					}
					if _, _, refused := refresh(next); !refused {
						t.Error("a session continued after one of its tokens was stolen")
					}
					token, failed := login()
					past = []string{token}
					thefts.Add(1)
					orphans.Add(int64(failed))
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	awaitRefreshes := func() { // a few by all clients together
		for before := refreshes.Load(); refreshes.Load() < before+clients && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	for i := 0; (i < restarts || thefts.Load() == 0 || lost.Load() == 0) && !t.Failed(); i++ {
		awaitRefreshes()
		time.Sleep(rand.N(400 * time.Millisecond))
		own.stop([]os.Signal{syscall.SIGQUIT, syscall.SIGINT}[i%2])
		own.start(t)
	}
	awaitRefreshes()
	close(stop)
	wg.Wait()
	// Each client has one session. A login whose reply was lost may have left another.
	list, err := stores[0].Sessions(bounded(t), "1")
	if err != nil || len(list) < clients || len(list) > clients+int(orphans.Load()) {
		t.Errorf("the user has %d sessions, %v, want %d and up to %d more", len(list), err, clients, orphans.Load())
	}
	t.Logf("%d refreshes, %d thefts and %d lost replies", refreshes.Load(), thefts.Load(), lost.Load())
}

// TestReplicas presents one token to three replicas in 64 calls at once: all return the same next
// token, which is valid.
func TestReplicas(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		tt = tt.shared(t)
		s, _, p := tt.store(t)
		replicas, _ := newReplicas(t, tt, p, 3, 4, longWindow)
		create(t, s, user("1", "alice"))
		tokens, err := replicas[0].LoginUser(bounded(t), "1", "pwd")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			const clients = 64
			var next [clients]string
			var wg sync.WaitGroup
			for i := range clients {
				wg.Go(func() {
					got, err := replicas[i%3].Refresh(bounded(t), tokens.RefreshToken)
					if err != nil {
						t.Error(err)
					}
					next[i] = got.RefreshToken
				})
			}
			wg.Wait()
			for _, token := range next {
				if token != next[0] || token == tokens.RefreshToken {
					t.Fatal("the clients got different tokens, or the old token")
				}
			}
			tokens.RefreshToken = next[0]
		}
		if list, err := replicas[1].Sessions(bounded(t), "1"); err != nil || len(list) != 1 {
			t.Errorf("the user has %d sessions, %v, want 1", len(list), err)
		}
	})
}
