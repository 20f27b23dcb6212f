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

// options returns the options of the shared server.
func options(t testing.TB) *redis.Options {
	t.Helper()
	opt, err := redis.ParseURL(testenv.Require(t, "Redis", "AUTH_TEST_REDIS"))
	if err != nil {
		t.Fatal("AUTH_TEST_REDIS must be a URL, as in redis://127.0.0.1:6379/0")
	}
	opt.ContextTimeoutEnabled = true
	opt.PoolSize = 16
	return opt
}

// connect returns a client, which is closed after the test.
func connect(t testing.TB, opt *redis.Options) *redis.Client {
	t.Helper()
	client := redis.NewClient(opt)
	t.Cleanup(func() { client.Close() })
	return client
}

// prefix returns a prefix that is used nowhere else, and deletes its keys after the test.
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

// keys returns all keys that contain a prefix.
func keys(t testing.TB, client redis.UniversalClient, prefix string) []string {
	t.Helper()
	var all []string
	for scan := client.Scan(context.Background(), 0, "*"+prefix+"*", 1000).Iterator(); scan.Next(context.Background()); {
		all = append(all, scan.Val())
	}
	return all
}

func newStore(t testing.TB, client redis.UniversalClient, prefix string) *redisstore.Store {
	t.Helper()
	s, err := redisstore.New(client, redisstore.Config{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bounded returns a context that ends a test that hangs.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// eventually calls f until it returns nil, for at least 10 seconds.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	var err error
	for range 400 {
		if err = f(); err == nil {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal(err)
}

// server is a Redis server of one test, which may kill it.
type server struct {
	t    testing.TB
	dir  string
	port string
	args []string
	cmd  *exec.Cmd
}

// start starts a server with these settings. Its folder is removed after the test.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	testenv.Command(t, "redis-server")
	s := &server{t: t, dir: t.TempDir(), port: freePort(t), args: args}
	s.run()
	t.Cleanup(s.kill)
	return s
}

// freePort returns a port that was free a moment ago, as was the port that a node of a cluster takes
// for its bus.
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

// run starts the process, or starts it again on the same files, and waits until it answers.
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
			return nil // the server requires a password
		}
		return err
	})
}

// kill ends the process by SIGKILL.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // reports that it was killed
}

// client returns a client of the server.
func (s *server) client() *redis.Client {
	return connect(s.t, &redis.Options{Addr: s.addr(), ContextTimeoutEnabled: true, PoolSize: 16})
}
