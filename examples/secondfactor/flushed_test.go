package secondfactor_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	apps "github.com/pquerna/otp/totp"
	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

// redisServer is a server of a test's own, which keeps everything in memory and listens on a socket.
type redisServer struct {
	program, folder string
	process         *exec.Cmd
	client          *redis.Client
}

func newRedisServer(t *testing.T) *redisServer {
	t.Helper()
	s := &redisServer{program: testenv.Command(t, "redis-server"), folder: t.TempDir()}
	s.client = redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(s.folder, "redis.sock"), ContextTimeoutEnabled: true})
	t.Cleanup(func() {
		s.client.Close()
		s.kill()
	})
	s.start(t)
	return s
}

// start starts the server and waits until it answers.
func (s *redisServer) start(t *testing.T) {
	t.Helper()
	s.process = exec.Command(s.program, "--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "no", "--dir", s.folder)
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for s.client.Ping(ctx).Err() != nil {
		if ctx.Err() != nil {
			t.Fatal("the Redis of the test does not answer")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// kill ends the process without warning.
func (s *redisServer) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// TestRedisLosesEverything has a Redis lose all records, where the users are in a database. A user with a
// second factor is not logged in by the password alone: the database has marks of those who have one, or
// the records themselves.
func TestRedisLosesEverything(t *testing.T) {
	server := newRedisServer(t)
	for lost, lose := range map[string]func(){
		"by FLUSHALL": func() {
			if err := server.client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		},
		"by a crash": func() {
			server.kill()
			server.start(t)
		},
	} {
		for kept, inDatabase := range map[string]bool{"marks": false, "records": true} {
			t.Run(lost+", "+kept+" in the database", func(t *testing.T) { loginAfterLoss(t, server.client, lose, inDatabase) })
		}
	}
}

func loginAfterLoss(t *testing.T, client *redis.Client, lose func(), inDatabase bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	users, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "users.db"), sqlstore.Config{})
	must(err)
	defer users.Close()
	store, err := redisstore.New(client, redisstore.Config{})
	must(err)
	limits, err := throttle.New(store, throttle.Config{})
	must(err)
	sealingKeys, err := secrets.NewRing(secrets.Generate())
	must(err)
	factor, err := totp.New(store, sealingKeys, totp.Config{Issuer: "Example", Marks: totp.MarksIn(users)})
	if inDatabase {
		factor, err = totp.New(users, sealingKeys, totp.Config{Issuer: "Example"})
	}
	must(err)
	key, err := jwt.GenerateKey(jwt.HS256)
	must(err)
	keys, err := jwt.NewKeyRing(key)
	must(err)
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys})
	must(err)
	refreshKeys, err := secrets.NewRing(secrets.Generate())
	must(err)
	a, err := auth.New(users, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Throttle: limits, SecondFactor: factor, Records: store,
		Accounts: users, Sessions: store, RefreshKeys: refreshKeys,
	})
	must(err)

	ada, err := a.Register(ctx, "ada", password)
	must(err)
	_, err = a.Register(ctx, "bob", password)
	must(err)
	e, err := factor.Enroll(ctx, ada.ID, "ada")
	must(err)
	code, err := apps.GenerateCode(e.Secret, time.Now())
	must(err)
	recovery, err := factor.Confirm(ctx, ada.ID, code)
	must(err)

	lose()

	_, err = a.Login(ctx, "ada", password)
	due, ok := errors.AsType[*auth.MFARequiredError](err)
	if !ok {
		t.Fatalf("Login after the loss: %v, want an MFARequiredError", err)
	}
	switch _, err := a.LoginMFA(ctx, due.Token, recovery[0]); {
	case inDatabase && err != nil:
		t.Errorf("LoginMFA with the records in the database: %v", err)
	case !inDatabase && (err == nil || auth.HTTPStatus(err) != 500):
		t.Errorf("LoginMFA without the record: %v, want an infrastructure failure", err)
	}
	if _, err := a.Login(ctx, "bob", password); err != nil {
		t.Errorf("Login of a user without a second factor: %v", err)
	}
	must(factor.Disable(ctx, ada.ID)) // the operator, once ada is identified
	if _, err := a.Login(ctx, "ada", password); err != nil {
		t.Errorf("Login after Disable: %v", err)
	}

	// Deleting the account deletes the mark as well, and the next user with its ID inherits none.
	e, err = factor.Enroll(ctx, ada.ID, "ada")
	must(err)
	code, err = apps.GenerateCode(e.Secret, time.Now())
	must(err)
	_, err = factor.Confirm(ctx, ada.ID, code)
	must(err)
	must(a.Delete(ctx, ada.ID))
	if required, err := factor.Required(ctx, ada.ID); required || err != nil {
		t.Errorf("Required after the account was deleted: %t, %v", required, err)
	}
}
