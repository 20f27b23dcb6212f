// Package secondfactor_test runs codes of authenticator apps on two replicas that share a Redis and
// a table of users. The modules totp and redisstore do not import each other.
package secondfactor_test

import (
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
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

const password = "correct horse battery"

// replica stands for a process of its own.
type replica struct {
	*auth.Authenticator
	factor *totp.Factor
}

// twoReplicas returns replicas that share a Redis and a table of users.
func twoReplicas(t *testing.T) (replicas [2]replica) {
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
	key, err := jwt.GenerateKey(jwt.HS256)
	must(err)
	keys, err := jwt.NewKeyRing(key)
	must(err)
	refreshKeys, err := secrets.NewRing(secrets.Generate())
	must(err)
	sealingKeys, err := secrets.NewRing(secrets.Generate())
	must(err)
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys})
	must(err)
	users, prefix := memstore.New(), "t"+rand.Text()
	for i := range replicas {
		client := redis.NewClient(options)
		t.Cleanup(func() {
			ctx := context.Background()
			for keys := client.Scan(ctx, 0, "*"+prefix+"*", 1000).Iterator(); keys.Next(ctx); {
				if err := client.Del(ctx, keys.Val()).Err(); err != nil {
					t.Error(err)
				}
			}
			client.Close()
		})
		store, err := redisstore.New(client, redisstore.Config{Prefix: prefix})
		must(err)
		attempts, err := throttle.New(store, throttle.Config{})
		must(err)
		replicas[i].factor, err = totp.New(store, sealingKeys, totp.Config{Issuer: "Example"})
		must(err)
		replicas[i].Authenticator, err = auth.New(users, tokens, auth.Config{
			Hasher: authtest.FastHasher(t), Sessions: store, RefreshKeys: refreshKeys, Records: store, SecondFactor: replicas[i].factor, Throttle: attempts,
		})
		must(err)
	}
	return replicas
}

// TestRedis logs in with a second factor whose records are in Redis: each code is accepted once,
// also if both replicas get it at the same time.
func TestRedis(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	replicas := twoReplicas(t)
	u, err := replicas[0].Register(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replicas[1].Login(ctx, "ada", password); err != nil {
		t.Fatalf("without a second factor: %v", err)
	}
	e, err := replicas[0].factor.Enroll(ctx, u.ID, "ada")
	if err != nil {
		t.Fatal(err)
	}
	codeAt := func(at time.Time) string {
		t.Helper()
		code, err := apps.GenerateCode(e.Secret, at)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	confirmed := time.Now()
	recovery, err := replicas[1].factor.Confirm(ctx, u.ID, codeAt(confirmed))
	if err != nil {
		t.Fatal(err)
	}

	// begin returns the token of a login that waits for its second factor.
	begin := func(on int) string {
		t.Helper()
		_, err := replicas[on].Login(ctx, "ada", password)
		required, ok := errors.AsType[*auth.MFARequiredError](err)
		if !ok {
			t.Fatalf("Login returns %v, want an MFARequiredError", err)
		}
		return required.Token
	}
	refused := func(what, code string) {
		t.Helper()
		if _, err := replicas[1].LoginMFA(ctx, begin(0), code); err != auth.ErrInvalidCredentials {
			t.Errorf("%s: LoginMFA returns %v, want ErrInvalidCredentials", what, err)
		}
	}
	// acceptedOnce uses a code for many logins on both replicas at the same time.
	acceptedOnce := func(what string, newCode func() string) {
		t.Helper()
		var logins []string
		for i := range 16 {
			logins = append(logins, begin(i%2))
		}
		code := newCode()
		var accepted atomic.Int32
		var attempts sync.WaitGroup
		for i, token := range logins {
			attempts.Go(func() {
				got, err := replicas[(i+1)%2].LoginMFA(ctx, token, code)
				switch _, retry := errors.AsType[*auth.RetryError](err); {
				case err == nil:
					accepted.Add(1)
					if amr := got.Principal.AMR(); got.Principal.Subject() != u.ID || !slices.Contains(amr, "mfa") {
						t.Errorf("%s: the token has the subject %s and amr %v", what, got.Principal.Subject(), amr)
					}
					if _, err := replicas[i%2].Refresh(ctx, got.RefreshToken); err != nil {
						t.Errorf("%s: Refresh: %v", what, err)
					}
				case err != auth.ErrInvalidCredentials && !retry:
					t.Errorf("%s: LoginMFA returns %v", what, err)
				}
			})
		}
		attempts.Wait()
		if n := accepted.Load(); n != 1 {
			t.Errorf("%s is accepted %d times, want 1", what, n)
		}
		refused(what+" again", code)
	}
	fixed := func(code string) func() string { return func() string { return code } }
	refused("the code that confirmed", codeAt(confirmed))
	refused("a code that no app shows", "000000000")
	acceptedOnce("a recovery code", fixed(recovery[0]))
	acceptedOnce("the next code", func() string { return codeAt(time.Now().Add(30 * time.Second)) })
	refused("an older code", codeAt(confirmed))
	acceptedOnce("another recovery code", fixed(recovery[1]))
	if on, left, err := replicas[0].factor.Status(ctx, u.ID); err != nil || !on || left != len(recovery)-2 {
		t.Errorf("Status = %t, %d, %v, want %d left", on, left, err, len(recovery)-2)
	}
	if err := replicas[0].factor.Disable(ctx, u.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := replicas[1].Login(ctx, "ada", password); err != nil {
		t.Errorf("after Disable: %v", err)
	}
}
