//go:build unix

package drivertest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	osexec "os/exec"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/stream"
)

// keyReplica is a replica whose programs call it with API keys.
type keyReplica struct {
	store   *sqlstore.Store
	auth    *auth.Authenticator
	keys    *apikey.Keys
	streams *stream.Streams
	guarded http.Handler
	close   func() // ends everything that the replica has begun
}

// newKeyReplica starts a replica on tables with the prefix auth_, which knows nothing from before.
func newKeyReplica(t testing.TB, source string, signing serverKeys, bound, cacheTime time.Duration) *keyReplica {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, feed := open(t, "pgx", source), open(t, "pgx", source)
	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{TablePrefix: "auth_", FeedDB: feed})
	must(err)
	revoked, err := revocation.Follow(store, revocation.Config{Bound: bound})
	must(err)
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: signing.access, Check: revoked.Check})
	must(err)
	_ = revoked.Sync(bounded(t)) // fails in an outage
	r := &keyReplica{store: store}
	r.auth, err = auth.New(store, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Accounts: store, Records: store, Sessions: store, RefreshKeys: signing.refresh, Revoked: revoked.Sync,
	})
	must(err)
	r.keys, err = apikey.New("myapp_live", store, store, apikey.Config{PerUser: 20, Check: revoked.Check, CacheTime: cacheTime})
	must(err)
	r.streams, err = stream.New(revoked.Check, stream.Config{Keys: r.keys.Check, Changed: revoked.Changed, Every: 100 * time.Millisecond})
	must(err)
	both, err := auth.ByForm(r.auth, r.keys)
	must(err)
	guard, err := auth.NewMiddleware(both, auth.MiddlewareConfig{})
	must(err)
	r.guarded = guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r.close = sync.OnceFunc(func() {
		r.streams.Close()
		revoked.Close()
		feed.Close()
		db.Close()
	})
	t.Cleanup(r.close)
	return r
}

// migrate makes the tables of replicas.
func migrate(t testing.TB, source string) {
	t.Helper()
	s, err := sqlstore.New(open(t, "pgx", source), sqlstore.PostgreSQL, sqlstore.Config{TablePrefix: "auth_"})
	if err == nil {
		err = s.Migrate(bounded(t))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// status returns the status of a protected route for a key.
func (r *keyReplica) status(ctx context.Context, key apikey.Secret) int {
	request := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	request.Header.Set("Authorization", "Bearer "+string(key))
	w := httptest.NewRecorder()
	r.guarded.ServeHTTP(w, request)
	return w.Code
}

// answers waits until the replica answers a key with this status. Until then it may be busy, or not know yet.
func (r *keyReplica) answers(t testing.TB, key apikey.Secret, want int, what string) {
	t.Helper()
	eventually(t, func() error {
		if got := r.status(bounded(t), key); got != want {
			return fmt.Errorf("%s is answered %d, want %d", what, got, want)
		}
		return nil
	})
}

// leavesNothing runs f, and waits until no goroutine is left that it has begun, itself or by others.
func leavesNothing(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	pprof.Do(t.Context(), pprof.Labels("test", t.Name()), f)
	eventually(t, func() error {
		var stacks bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 1); err != nil {
			t.Fatal(err)
		}
		for _, group := range strings.Split(stacks.String(), "\n\n") {
			if strings.Contains(group, fmt.Sprintf(`"test":%q`, t.Name())) {
				return fmt.Errorf("goroutines are left:\n%s", group)
			}
		}
		return nil
	})
}

// TestKeysInOutage crashes the PostgreSQL of two replicas while programs call them with API keys: one replica
// reads each key, and one remembers keys for a while. During the outage the answer is 200 from memory, and then
// 503, never 401; streams end, those of logins, too. What was ended before the crash is not let in: not in the outage, not afterwards,
// and not by a replica that was started in it and remembers nothing. No goroutine is left.
func TestKeysInOutage(t *testing.T) {
	t.Parallel()
	own := newOwnPostgres(t)
	migrate(t, own.source())
	signing := newKeys(t)
	leavesNothing(t, func(ctx context.Context) {
		const bound = 2 * time.Second
		one := newKeyReplica(t, own.source(), signing, bound, apikey.NoCache)
		defer one.close()
		two := newKeyReplica(t, own.source(), signing, bound, 100*time.Millisecond)
		defer two.close()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		user := func(name string) *auth.Principal {
			t.Helper()
			_, err := one.auth.Register(ctx, name, password)
			must(err)
			login, err := one.auth.Login(ctx, name, password)
			must(err)
			return login.Principal
		}
		ada, bob, eve, carol := user("ada"), user("bob"), user("eve"), user("carol")
		create := func(p *auth.Principal) (string, apikey.Secret) {
			t.Helper()
			key, secret, err := two.keys.Create(ctx, p, apikey.Spec{Name: "a program"})
			must(err)
			one.answers(t, secret, http.StatusOK, "a new key")
			two.answers(t, secret, http.StatusOK, "a new key")
			return key.ID, secret
		}
		_, kept := create(ada)
		deletedID, deleted := create(ada)
		rolledID, rolled := create(ada)
		_, ofDisabled := create(bob)
		_, ofDeleted := create(eve)
		ended := map[string]apikey.Secret{"deleted": deleted, "rolled": rolled, "of a disabled user": ofDisabled, "of a deleted user": ofDeleted}
		endedAt := func(r *keyReplica, when string) {
			t.Helper()
			for what, key := range ended {
				if got := r.status(ctx, key); got != http.StatusUnauthorized && got != http.StatusServiceUnavailable {
					t.Errorf("%s, a key that was %s is answered %d", when, what, got)
				}
			}
			if _, _, err := r.streams.Begin(ctx, carol, stream.Cut()); !errors.Is(err, auth.ErrRevokedToken) && !errors.Is(err, auth.ErrRevocationUnknown) {
				t.Errorf("%s, a stream begins for a user who has logged out: %v", when, err)
			}
		}

		begin := func(r *keyReplica, p *auth.Principal) (answer context.Context) {
			t.Helper()
			eventually(t, func() error { // a busy machine reads the revocations late
				var err error
				answer, _, err = r.streams.Begin(ctx, p, stream.Cut())
				return err
			})
			return answer
		}
		ends := func(answer context.Context, want error, what string) {
			t.Helper()
			<-answer.Done()
			if err := context.Cause(answer); !errors.Is(err, want) && !errors.Is(err, auth.ErrRevocationUnknown) {
				t.Errorf("the stream of %s ends with %v", what, err)
			}
		}
		p, err := two.keys.Verify(ctx, string(deleted))
		must(err)
		ofKey, ofLogin := begin(two, p), begin(two, carol)
		must(one.auth.EndSession(ctx, carol.Subject(), carol.SessionID()))
		must(one.keys.Delete(ctx, ada.Subject(), deletedID))
		_, _, err = one.keys.Roll(ctx, ada, rolledID, 0)
		must(err)
		must(one.auth.Disable(ctx, bob.Subject()))
		must(one.auth.Delete(ctx, eve.Subject()))
		ends(ofKey, stream.ErrKeyRevoked, "a deleted key")
		ends(ofLogin, auth.ErrRevokedToken, "a login that has ended")
		endedAt(one, "at once")
		for what, key := range ended {
			two.answers(t, key, http.StatusUnauthorized, "at the other replica, a key that was "+what)
		}

		p, err = two.keys.Verify(ctx, string(kept))
		must(err)
		ofKey, ofLogin = begin(two, p), begin(two, ada)

		// Programs call without a pause, through the crash.
		var served, refused atomic.Int64
		stop := make(chan struct{})
		var programs sync.WaitGroup
		for i := range 8 {
			programs.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					switch got := []*keyReplica{one, two}[i%2].status(ctx, kept); got {
					case http.StatusOK:
						served.Add(1)
					case http.StatusServiceUnavailable:
						refused.Add(1)
					default:
						t.Errorf("a valid key is answered %d", got)
						return
					}
				}
			})
		}
		more := func(n *atomic.Int64, what string) { // whatever happens meanwhile
			t.Helper()
			before := n.Load()
			eventually(t, func() error {
				if n.Load() < before+8 {
					return fmt.Errorf("no more programs are %s", what)
				}
				return nil
			})
		}
		more(&served, "served")
		own.stop(syscall.SIGQUIT)
		one.answers(t, kept, http.StatusServiceUnavailable, "in the outage, a key")
		two.answers(t, kept, http.StatusServiceUnavailable, "in the outage, a key that is remembered")
		three := newKeyReplica(t, own.source(), signing, bound, apikey.NoCache) // after kill -9, say
		defer three.close()
		for _, r := range []*keyReplica{one, two, three} {
			endedAt(r, "in the outage")
		}
		ends(ofKey, auth.ErrRevocationUnknown, "a key, in the outage,")
		ends(ofLogin, auth.ErrRevocationUnknown, "a login, in the outage,")
		if _, _, err := three.streams.Begin(ctx, p, stream.Cut()); auth.HTTPStatus(err) != http.StatusServiceUnavailable {
			t.Errorf("in the outage a stream begins with %v", err)
		}
		if err := one.keys.Delete(ctx, ada.Subject(), rolledID); auth.HTTPStatus(err) != http.StatusServiceUnavailable {
			t.Errorf("in the outage a key is deleted with %v", err)
		}

		more(&refused, "refused")
		own.start(t)
		for _, r := range []*keyReplica{one, two, three} {
			endedAt(r, "when the database is back")
			r.answers(t, kept, http.StatusOK, "after the outage, a key")
			endedAt(r, "after the outage")
		}
		more(&served, "served")
		close(stop)
		programs.Wait()
	})
}

// killedReplica is where the process that TestKilledKeyReplica kills finds its database.
const killedReplica = "AUTH_KILLED_KEY_REPLICA"

// TestKilledKeyReplica kills a replica, with SIGKILL, that creates, rolls and deletes API keys without a pause.
// At the replica that goes on, each secret that the killed one had ended is refused, and each that it had given
// out is valid. What it left half done takes no place: the user can have as many keys as before.
func TestKilledKeyReplica(t *testing.T) {
	if source := os.Getenv(killedReplica); source != "" {
		churn(t, source)
		return
	}
	t.Parallel()
	own := newOwnPostgres(t)
	migrate(t, own.source())
	leavesNothing(t, func(ctx context.Context) {
		const perUser = 20
		r := newKeyReplica(t, own.source(), newKeys(t), time.Minute, apikey.NoCache)
		defer r.close()
		if _, err := r.auth.Register(ctx, "ada", password); err != nil {
			t.Fatal(err)
		}
		valid, ended := map[apikey.Secret]bool{}, map[apikey.Secret]bool{}
		for kills := range 3 {
			cmd := osexec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledKeyReplica$")
			cmd.Env = append(os.Environ(), killedReplica+"="+own.source())
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := 0
			for sc := bufio.NewScanner(out); sc.Scan(); { // to the end: what was acknowledged counts
				word, secret, _ := strings.Cut(sc.Text(), " ")
				key := apikey.Secret(secret)
				switch word {
				case "valid":
					valid[key] = true
				case "ending": // it may be valid or not, until the word "ended"
					delete(valid, key)
				case "ended":
					ended[key] = true
				default:
					t.Errorf("the replica prints %q", sc.Text())
				}
				if lines++; lines == 40+7*kills {
					_ = cmd.Process.Kill()
				}
			}
			_ = cmd.Wait()
			if lines < 40 || len(ended) == 0 || len(valid) == 0 {
				t.Fatalf("%d lines, %d keys that were ended, %d that were not: the test proves nothing", lines, len(ended), len(valid))
			}
			for key := range ended {
				if got := r.status(ctx, key); got != http.StatusUnauthorized {
					t.Errorf("a key that the killed replica had ended is answered %d", got)
				}
			}
			for key := range valid {
				if got := r.status(ctx, key); got != http.StatusOK {
					t.Errorf("a key that the killed replica had given out is answered %d", got)
				}
			}
		}
		login, err := r.auth.Login(ctx, "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.keys.DeleteAll(ctx, login.Principal.Subject()); err != nil {
			t.Fatal(err)
		}
		for range perUser {
			if _, _, err := r.keys.Create(ctx, login.Principal, apikey.Spec{Name: "a"}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// churn creates, rolls and deletes keys of Ada, and says which secrets are valid, until it is killed.
func churn(t *testing.T, source string) {
	ctx := t.Context()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	r := newKeyReplica(t, source, newKeys(t), time.Minute, apikey.NoCache)
	login, err := r.auth.Login(ctx, "ada", password)
	must(err)
	ada := login.Principal
	for {
		key, first, err := r.keys.Create(ctx, ada, apikey.Spec{Name: "a"})
		must(err)
		fmt.Printf("valid %s\nending %[1]s\n", string(first))
		_, second, err := r.keys.Roll(ctx, ada, key.ID, 0)
		must(err)
		fmt.Printf("ended %s\nvalid %s\n", string(first), string(second))
		if list, err := r.keys.List(ctx, ada.Subject()); len(list) > 5 || err != nil {
			must(err)
			fmt.Printf("ending %s\n", string(second))
			must(r.keys.Delete(ctx, ada.Subject(), key.ID))
			fmt.Printf("ended %s\n", string(second))
		}
	}
}
