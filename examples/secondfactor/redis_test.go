// Package secondfactor_test runs codes of authenticator apps on two replicas that
// share nothing but a Redis and a table of users: modules that know nothing of each
// other.
package secondfactor_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apps "github.com/pquerna/otp/totp"
	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

const password = "correct horse battery"

// replica is one of two programs.
type replica struct {
	*auth.Authenticator
	factor *totp.Factor
}

func replicas(t *testing.T) (both [2]replica) {
	t.Helper()
	options, err := redis.ParseURL(testenv.Require(t, "Redis", "AUTH_TEST_REDIS"))
	if err != nil {
		t.Fatal("AUTH_TEST_REDIS must be a URL, as in redis://127.0.0.1:6379/0")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	secret, err := auth.GenerateKey(auth.HS256)
	must(err)
	keys, err := auth.NewKeyRing(secret)
	must(err)
	tokens, err := auth.NewJWTIssuer(auth.JWTConfig{Issuer: "https://id.test", Audience: "api", Keys: keys})
	must(err)
	users, prefix := auth.NewMemoryStore(), "t"+rand.Text()
	for i := range both {
		client := redis.NewClient(options)
		t.Cleanup(func() {
			ctx := context.Background()
			for found := client.Scan(ctx, 0, "*"+prefix+"*", 1000).Iterator(); found.Next(ctx); {
				if err := client.Del(ctx, found.Val()).Err(); err != nil {
					t.Error(err)
				}
			}
			client.Close()
		})
		s, err := redisstore.New(client, redisstore.Config{Prefix: prefix})
		must(err)
		slow, err := throttle.New(s, throttle.Config{FreePerAccount: 100})
		must(err)
		both[i].factor, err = totp.New(s, bytes.Repeat([]byte("0123456789abcdef"), 2), totp.Config{Issuer: "Example"})
		must(err)
		both[i].Authenticator, err = auth.New(users, tokens, auth.Config{
			Hasher: authtest.FastHasher(t), Sessions: s, RefreshKeys: keys, Records: s, SecondFactor: both[i].factor, Throttle: slow,
		})
		must(err)
	}
	return both
}

// TestRedis logs in with a second factor whose records are in Redis: each code is
// good once, whoever uses it at the same time and wherever.
func TestRedis(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	both := replicas(t)
	u, err := both[0].Register(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := both[1].Login(ctx, "ada", password); err != nil {
		t.Fatalf("without a second factor: %v", err)
	}
	e, err := both[0].factor.Enroll(ctx, u.ID, "ada")
	if err != nil {
		t.Fatal(err)
	}
	code := func(at time.Time) string {
		t.Helper()
		shown, err := apps.GenerateCode(e.Secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return shown
	}
	first := code(time.Now())
	recovery, err := both[1].factor.Confirm(ctx, u.ID, first)
	if err != nil {
		t.Fatal(err)
	}

	// waits returns the token of a login that waits for its second factor.
	waits := func(on int) string {
		t.Helper()
		_, err := both[on].Login(ctx, "ada", password)
		waiting, ok := errors.AsType[*auth.MFARequiredError](err)
		if !ok {
			t.Fatalf("Login: %v", err)
		}
		return waiting.Token
	}
	refused := func(what, code string) {
		t.Helper()
		if _, err := both[1].LoginMFA(ctx, waits(0), code); err != auth.ErrInvalidCredentials {
			t.Errorf("%s: %v", what, err)
		}
	}
	// once has logins on both replicas go on with one code at a time.
	once := func(what, code string) {
		t.Helper()
		var logins []string
		for i := range 16 {
			logins = append(logins, waits(i%2))
		}
		var good atomic.Int32
		var all sync.WaitGroup
		for i, token := range logins {
			all.Go(func() {
				got, err := both[(i+1)%2].LoginMFA(ctx, token, code)
				switch _, later := errors.AsType[*auth.RetryError](err); {
				case err == nil:
					good.Add(1)
					if amr := got.Principal.AMR(); got.Principal.Subject() != u.ID || !slices.Contains(amr, "mfa") {
						t.Errorf("%s: of %s, by %v", what, got.Principal.Subject(), amr)
					}
					if _, err := both[i%2].Refresh(ctx, got.RefreshToken); err != nil {
						t.Errorf("%s: Refresh: %v", what, err)
					}
				case err != auth.ErrInvalidCredentials && !later:
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		all.Wait()
		if n := good.Load(); n != 1 {
			t.Errorf("%s was good %d times", what, n)
		}
		refused(what+" again", code)
	}
	refused("the code that confirmed", first)
	refused("a code of no step", "000000000")
	once("a recovery code", recovery[0])
	once("the next code", code(time.Now().Add(30*time.Second)))
	refused("an older code", first)
	once("another recovery code", recovery[1])
	if on, left, err := both[0].factor.Status(ctx, u.ID); err != nil || !on || left != len(recovery)-2 {
		t.Errorf("Status = %t, %d, %v, want %d left", on, left, err, len(recovery)-2)
	}
	if err := both[0].factor.Disable(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := both[1].Login(ctx, "ada", password); err != nil {
		t.Errorf("after Disable: %v", err)
	}
}
