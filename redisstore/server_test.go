package redisstore_test

import (
	"context"
	"crypto/rand"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/redisstore"
)

// options returns those of the shared server.
func options(t testing.TB) *redis.Options {
	t.Helper()
	opt, err := redis.ParseURL(testenv.Require(t, "Redis", "AUTH_TEST_REDIS"))
	if err != nil {
		t.Fatalf("AUTH_TEST_REDIS must be a URL, as in redis://127.0.0.1:6379/0")
	}
	opt.ContextTimeoutEnabled = true
	opt.PoolSize = 16
	return patient(opt)
}

// patient sets what the client waits for, by itself, to longer than a busy machine
// needs.
func patient(opt *redis.Options) *redis.Options {
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = time.Minute, time.Minute, time.Minute, time.Minute
	return opt
}

// connect returns a client that the test closes.
func connect(t testing.TB, opt *redis.Options) *redis.Client {
	t.Helper()
	client := redis.NewClient(opt)
	t.Cleanup(func() { client.Close() })
	return client
}

// prefix returns one that nobody else has, and deletes its keys after the test.
func prefix(t testing.TB, client redis.UniversalClient) string {
	t.Helper()
	p := "t" + rand.Text()
	t.Cleanup(func() {
		for _, key := range keys(t, client, p) {
			if err := client.Del(context.Background(), key).Err(); err != nil {
				t.Errorf("cannot delete a key of a test: %v", err)
			}
		}
	})
	return p
}

// keys returns the keys of a prefix.
func keys(t testing.TB, client redis.UniversalClient, prefix string) []string {
	t.Helper()
	var found []string
	for scan := client.Scan(context.Background(), 0, "*"+prefix+"*", 1000).Iterator(); scan.Next(context.Background()); {
		found = append(found, scan.Val())
	}
	return found
}

func newStore(t testing.TB, client redis.UniversalClient, prefix string) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(client, redisstore.Config{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bounded returns a context that ends a test which hangs.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// eventually calls f until it returns nil, for two minutes at most.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	end := time.Now().Add(2 * time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// server is a Redis of the test's own, which it may kill.
type server struct {
	t    testing.TB
	dir  string
	port string
	args []string
	cmd  *exec.Cmd
}

// start returns a server with these settings, in a folder that goes with the test.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	testenv.Command(t, "redis-server")
	s := &server{t: t, dir: t.TempDir(), port: freePort(t), args: args}
	s.run()
	t.Cleanup(s.kill)
	return s
}

// freePort returns one that nobody listened on a moment ago, nor on the one that a
// cluster's node takes for its bus.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		bus, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+10000)))
		if err == nil {
			bus.Close()
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", s.port) }

// run starts the process, again on the same files, and waits until it answers.
func (s *server) run() {
	s.t.Helper()
	s.cmd = exec.Command(testenv.Command(s.t, "redis-server"), append([]string{
		"--bind", "127.0.0.1", "--port", s.port, "--dir", s.dir, "--save", "", "--daemonize", "no",
	}, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: s.addr(), MaxRetries: -1})
	defer client.Close()
	eventually(s.t, func() error {
		err := client.Ping(context.Background()).Err()
		if redis.HasErrorPrefix(err, "NOAUTH") {
			return nil // it wants a password
		}
		return err
	})
}

// kill ends the process without a warning.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // killed
}

// client returns one of the server's own.
func (s *server) client() *redis.Client {
	return connect(s.t, patient(&redis.Options{Addr: s.addr(), ContextTimeoutEnabled: true, PoolSize: 16}))
}
