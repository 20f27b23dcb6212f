package authkit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/roles"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/stream"
)

const (
	issuer   = "https://example.com"
	password = "correct horse battery"
)

// config returns a Config with cheap hashes and keys in folder, which writes its log to log.
func config(t *testing.T, folder string, log io.Writer) authkit.Config {
	t.Helper()
	return authkit.Config{
		Issuer: issuer, KeyFolder: folder, Accounts: auth.Config{Hasher: authtest.FastHasher(t)},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// open opens an App, which is closed when the test ends.
func open(t *testing.T, stores authkit.Stores, cfg authkit.Config) *authkit.App {
	t.Helper()
	app, err := authkit.Open(t.Context(), stores, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return app
}

// routes returns the endpoints of app, and a route that it protects.
func routes(app *authkit.App) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", app.Handler())
	mux.Handle("GET /protected", app.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	return mux
}

// reply is the answer of a handler.
type reply struct {
	status  int
	header  http.Header
	cookies []*http.Cookie
	body    map[string]any
}

// send sends the values as JSON, or a GET request if they are nil.
func send(t *testing.T, h http.Handler, path, token string, form map[string]string) reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
	if form != nil {
		r = httptest.NewRequestWithContext(t.Context(), "POST", path, bytes.NewReader(must(json.Marshal(form))))
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	got := reply{status: res.StatusCode, header: res.Header, cookies: res.Cookies()}
	json.Unmarshal(w.Body.Bytes(), &got.body)
	return got
}

func credentials(name, password string) map[string]string {
	return map[string]string{"username": name, "password": password}
}

// login registers a user, logs them in and returns the tokens.
func login(t *testing.T, h http.Handler, name string) (access, refresh string) {
	t.Helper()
	if got := send(t, h, "/auth/register", "", credentials(name, password)); got.status != 201 {
		t.Fatalf("register answers %d %v", got.status, got.body)
	}
	got := send(t, h, "/auth/login", "", credentials(name, password))
	access, _ = got.body["access_token"].(string)
	refresh, _ = got.body["refresh_token"].(string)
	if got.status != 200 || access == "" {
		t.Fatalf("login answers %d %v", got.status, got.body)
	}
	return access, refresh
}

// logout ends a session.
func logout(t *testing.T, h http.Handler, refresh string) {
	t.Helper()
	if got := send(t, h, "/auth/logout", "", map[string]string{"refresh_token": refresh}); got.status != 204 {
		t.Fatalf("logout answers %d %v", got.status, got.body)
	}
}

// TestSwitchedOn checks that what the stores allow is on: sessions, revocation, throttle, events, keys.
func TestSwitchedOn(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	app := open(t, authkit.All(memstore.New()), config(t, t.TempDir(), &log))
	h := routes(app)
	access, refresh := login(t, h, "ada")
	if got := send(t, h, "/protected", access, nil); got.status != 200 {
		t.Fatalf("the route answers %d", got.status)
	}
	if got := send(t, h, "/protected", "", nil); got.status != 401 {
		t.Errorf("without a token the route answers %d, want 401", got.status)
	}
	if got := send(t, h, "/auth/me", access, nil); got.body["username"] != "ada" {
		t.Errorf("me is %d %v", got.status, got.body)
	}
	if got := send(t, h, "/.well-known/jwks.json", "", nil); got.status != 200 || len(got.body["keys"].([]any)) != 1 {
		t.Errorf("the key set is %d %v, want one key", got.status, got.body)
	}
	if got := send(t, h, "/.well-known/oauth-authorization-server", "", nil); got.body["issuer"] != issuer {
		t.Errorf("the metadata is %d %v", got.status, got.body)
	}
	got := send(t, h, "/auth/refresh", "", map[string]string{"refresh_token": refresh})
	if got.status != 200 || got.body["refresh_token"] == refresh {
		t.Fatalf("refresh answers %d %v", got.status, got.body)
	}
	refresh, _ = got.body["refresh_token"].(string)
	logout(t, h, refresh)
	if got := send(t, h, "/protected", access, nil); got.status != 401 {
		t.Errorf("after the logout the route answers %d, want 401 at once", got.status)
	}
	var refused int
	for range 6 {
		refused = send(t, h, "/auth/login", "", credentials("ada", "wrong horse battery")).status
	}
	if refused != 429 {
		t.Errorf("the sixth guess is answered %d, want 429", refused)
	}
	if err := app.Accounts.Delete(t.Context(), "nobody"); !errors.Is(err, auth.ErrUserNotFound) {
		t.Errorf("Delete returns %v: accounts cannot be deleted", err)
	}
	for _, kind := range []auth.EventKind{auth.EventRegistered, auth.EventLogin, auth.EventLogout, auth.EventThrottled} {
		if !strings.Contains(log.String(), string(kind)) {
			t.Errorf("the log does not show %q", kind)
		}
	}
}

// TestAPIKeys checks that a prefix switches API keys on: the endpoints, the route, the events, and their end.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	cfg := config(t, t.TempDir(), &log)
	cfg.APIKeyPrefix = "myapp_live"
	store := memstore.New()
	app := open(t, authkit.All(store), cfg)
	h := routes(app)
	access, _ := login(t, h, "ada")
	got := send(t, h, "/auth/keys", access, map[string]string{"name": "laptop"})
	key, _ := got.body["key"].(string)
	if got.status != 201 || !strings.HasPrefix(key, "myapp_live_") {
		t.Fatalf("keys answers %d %v", got.status, got.body)
	}
	for path, want := range map[string]int{"/protected": 200, "/auth/me": 403, "/auth/keys": 403} {
		if got := send(t, h, path, key, nil); got.status != want {
			t.Errorf("%s with the key answers %d %v, want %d", path, got.status, got.body, want)
		}
	}
	p, err := app.APIKeys.Verify(t.Context(), key)
	if err != nil || p.Issuer() != issuer {
		t.Fatalf("the key: %v", err)
	}
	if !strings.Contains(log.String(), string(auth.EventAPIKeyCreated)) || strings.Contains(log.String(), key[40:]) {
		t.Errorf("the log is %s", log.String())
	}
	if err := app.Accounts.EndSessions(t.Context(), p.Subject(), ""); err != nil {
		t.Fatal(err)
	}
	if got := send(t, h, "/protected", key, nil); got.status != 200 {
		t.Errorf("after the end of sessions the key answers %d, want 200", got.status)
	}
	if err := app.Accounts.Disable(t.Context(), p.Subject()); err != nil {
		t.Fatal(err)
	}
	if got := send(t, h, "/protected", key, nil); got.status != 401 {
		t.Errorf("after Disable the key answers %d, want 401 at once", got.status)
	}
	if got := send(t, routes(open(t, authkit.All(memstore.New()), config(t, t.TempDir(), io.Discard))), "/auth/keys", access, nil); got.status != 404 {
		t.Errorf("without a prefix, keys answers %d, want 404", got.status)
	}
}

// TestLostKey checks that neither a lost key file nor a replica with keys of its own gets new keys
// unnoticed, and that keys can be rotated and replaced.
func TestLostKey(t *testing.T) {
	t.Parallel()
	stores, folder := authkit.All(memstore.New()), filepath.Join(t.TempDir(), "new", "keys")
	cfg := config(t, folder, io.Discard)
	access, refresh := login(t, routes(open(t, stores, cfg)), "ada")

	if got := send(t, routes(open(t, stores, cfg)), "/protected", access, nil); got.status != 200 {
		t.Errorf("after a restart the token gets %d", got.status)
	}
	fails := func(name string, cfg authkit.Config, mentions ...string) {
		t.Helper()
		app, err := authkit.Open(t.Context(), stores, cfg)
		if err == nil {
			app.Close(t.Context())
			t.Fatalf("%s: Open succeeds", name)
		}
		if fault := new(cfgerr.Error); !errors.As(err, &fault) {
			t.Errorf("%s: Open returns %v, want a *cfgerr.Error", name, err)
		}
		for _, text := range mentions {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: the error does not mention %q: %v", name, text, err)
			}
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	fails("a replica with a folder of its own", config(t, other, io.Discard), "auth.key", "refresh.key", "NewKeys")
	if _, err := os.Stat(other); !errors.Is(err, os.ErrNotExist) {
		t.Error("Open created the folder of the keys all the same")
	}
	key, secret := must(jwt.GenerateKey(jwt.EdDSA)), secrets.Generate()
	given := config(t, "", io.Discard)
	given.Keys, given.Secrets = must(jwt.NewKeyRing(key)), must(secrets.NewRing(secret))
	fails("other keys", given, "Config.Keys", "Config.Secrets", "NewKeys")

	// A rotation: the file holds a set, in which the new key comes first.
	signing := filepath.Join(folder, "auth.key")
	old := must(os.ReadFile(signing))
	next := filepath.Join(t.TempDir(), "next.key")
	must(jwt.OpenKeyFile(next, jwt.ES256))
	set := `{"keys":[` + string(must(os.ReadFile(next))) + "," + string(old) + "]}"
	if err := os.WriteFile(signing, []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	app := open(t, stores, cfg)
	h := routes(app)
	rotated := config(t, "", io.Discard) // a replica that does not read the file again
	rotated.Keys = must(jwt.NewKeyRing(must(jwt.LoadKeyFile(next)), must(jwt.ParseKey(old))))
	rotated.Secrets = must(secrets.NewRing(must(secrets.OpenFile(filepath.Join(folder, "refresh.key")))))
	replica := open(t, stores, rotated)
	if got := send(t, h, "/protected", access, nil); got.status != 200 {
		t.Errorf("after the rotation the old token gets %d", got.status)
	}
	if got := send(t, h, "/auth/refresh", "", map[string]string{"refresh_token": refresh}); got.status != 200 {
		t.Errorf("after the rotation a refresh gets %d", got.status)
	}
	if err := app.Ready(t.Context()); err != nil {
		t.Error(err)
	}

	// The loss of both, accepted.
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	fails("a lost folder", cfg, "auth.key", "refresh.key")
	cfg.NewKeys = true
	h = routes(open(t, stores, cfg))
	if got := send(t, h, "/protected", access, nil); got.status != 401 {
		t.Errorf("with new keys the old token gets %d", got.status)
	}
	cfg.NewKeys = false
	open(t, stores, cfg)
	if err := replica.Ready(t.Context()); err == nil {
		t.Error("a replica with the old keys is ready")
	}
}

// TestKeysReadAgain checks that a process takes over the keys of the file within a minute, that its
// replica does as well, and that neither takes over keys that are broken or foreign.
func TestKeysReadAgain(t *testing.T) {
	t.Parallel()
	folder, stores := t.TempDir(), authkit.All(memstore.New())
	synctest.Test(t, func(t *testing.T) {
		var log syncBuffer
		replicas := []*authkit.App{open(t, stores, config(t, folder, &log)), open(t, stores, config(t, folder, &log))}
		first := replicas[0].Keys.IDs()[0]
		old := must(os.ReadFile(filepath.Join(folder, "auth.key")))
		next := filepath.Join(t.TempDir(), "next.key")
		second := must(jwt.OpenKeyFile(next, jwt.ES256)).ID()
		added := string(must(os.ReadFile(next)))
		become := func(text string, want ...string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(folder, "auth.key"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(61 * time.Second)
			synctest.Wait()
			for _, app := range replicas {
				if got := app.Keys.IDs(); !slices.Equal(got, want) {
					t.Errorf("the keys are %q, want %q", got, want)
				}
			}
		}
		if err := os.Remove(filepath.Join(folder, "auth.key")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if _, err := os.Stat(filepath.Join(folder, "auth.key")); err == nil {
			t.Error("a running process has created a key in the place of the lost one")
		}
		become("{", first)
		if !strings.Contains(log.String(), "read the keys again") {
			t.Errorf("the log is %s", log.String())
		}
		become(added, first) // without the key that is used
		become(`{"keys":[`+string(old)+","+added+"]}", first, second)
		become(`{"keys":[`+added+","+string(old)+"]}", second, first)
		become(added, second)
		for _, app := range replicas {
			if err := app.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestConcurrentStarts checks that of processes that start at once on empty stores, each with keys of
// its own, one wins, and the others say so.
func TestConcurrentStarts(t *testing.T) {
	t.Parallel()
	stores := authkit.All(memstore.New())
	var began sync.WaitGroup
	began.Add(8)
	wait := stores
	wait.Records = barrier{stores.Records, &began}
	errs := make(chan error)
	for range 8 {
		cfg := config(t, t.TempDir(), io.Discard)
		go func() {
			app, err := authkit.Open(t.Context(), wait, cfg)
			if err == nil {
				err = app.Close(context.WithoutCancel(t.Context()))
			}
			errs <- err
		}()
	}
	started := 0
	for range 8 {
		switch err := <-errs; {
		case err == nil:
			started++
		case !strings.Contains(err.Error(), "does not hold"):
			t.Error(err)
		}
	}
	if started != 1 {
		t.Errorf("%d of 8 processes with different keys started, want 1", started)
	}
}

// barrier lets all callers read before any of them writes.
type barrier struct {
	auth.RecordStore
	began *sync.WaitGroup
}

func (b barrier) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	if old == 0 {
		b.began.Done()
		b.began.Wait()
	}
	return b.RecordStore.ReplaceRecord(ctx, old, r)
}

// TestFaults checks that every fault is reported.
func TestFaults(t *testing.T) {
	t.Parallel()
	stores := authkit.All(memstore.New())
	few := authkit.Stores{Users: stores.Users}
	keys, ring := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256)))), must(secrets.NewRing(secrets.Generate()))
	for name, c := range map[string]struct {
		stores authkit.Stores
		change func(*authkit.Config)
		fields string
	}{
		"nothing": {authkit.Stores{}, func(c *authkit.Config) { *c = authkit.Config{} },
			"Stores.Users Config.Issuer Config.KeyFolder"},
		"keys twice":          {stores, func(c *authkit.Config) { c.Keys = keys }, "Config.KeyFolder"},
		"secrets missing":     {stores, func(c *authkit.Config) { c.KeyFolder, c.Keys = "", keys }, "Config.Secrets"},
		"no records":          {few, func(c *authkit.Config) { c.Notifier, c.SecondFactor = noMail{}, noFactor{} }, "Config.Notifier Config.SecondFactor"},
		"no records for keys": {few, func(c *authkit.Config) { c.APIKeyPrefix = "myapp_live" }, "Config.APIKeyPrefix"},
		"no store of roles":   {few, func(c *authkit.Config) { c.Policy = roles.Policy{"admin": {"*"}} }, "Config.Policy"},
		"set by Open": {stores, func(c *authkit.Config) {
			c.Accounts = auth.Config{
				Throttle: noThrottle{}, SecondFactor: noFactor{}, Records: stores.Records, Accounts: stores.Accounts, Sessions: stores.Sessions,
				RefreshKeys: ring, Revoked: func(context.Context) error { return nil }, Events: func(context.Context, auth.Event) {}, Logger: c.Logger,
			}
			c.Tokens = jwt.IssuerConfig{Issuer: "i", Audience: "a", Keys: keys, Check: func(context.Context, *jwt.Principal) error { return nil }}
			c.Mount = authhttp.MountConfig{
				Config: authhttp.Config{Cookies: new(authhttp.Cookies), ClientIP: func(*http.Request) netip.Addr { return netip.Addr{} }, Logger: c.Logger},
				Users:  stores.Users, Factor: noFactor{}, Recovery: new(recovery.Recovery), Keys: keys, Issuer: "i", BaseURL: "b", APIKeys: new(apikey.Keys),
			}
			c.APIKeys = apikey.Config{Check: c.Tokens.Check, Issuer: "i", Events: c.Accounts.Events, Logger: c.Logger}
			c.Roles = roles.Config{Store: stores.Roles, Revoked: new(revocation.List), Events: c.Accounts.Events, Logger: c.Logger}
			c.Revocation.Events, c.Recovery.Events, c.Recovery.Logger = c.Accounts.Events, c.Accounts.Events, c.Logger
		}, "Config.Roles.Store Config.Roles.Revoked Config.Roles.Events Config.Roles.Logger " +
			"Config.Accounts.Throttle Config.Accounts.SecondFactor Config.Accounts.Records Config.Accounts.Accounts Config.Accounts.Sessions " +
			"Config.Accounts.RefreshKeys Config.Accounts.Revoked Config.Accounts.Events Config.Accounts.Logger " +
			"Config.Tokens.Issuer Config.Tokens.Audience Config.Tokens.Keys Config.Tokens.Check " +
			"Config.Revocation.Events Config.Recovery.Events Config.Recovery.Logger " +
			"Config.APIKeys.Check Config.APIKeys.Issuer Config.APIKeys.Events Config.APIKeys.Logger Config.Mount.APIKeys Config.Mount.Cookies Config.Mount.ClientIP Config.Mount.Logger " +
			"Config.Mount.Users Config.Mount.Factor Config.Mount.Recovery Config.Mount.Keys Config.Mount.Issuer Config.Mount.BaseURL"},
	} {
		cfg := config(t, t.TempDir(), io.Discard)
		c.change(&cfg)
		_, err := authkit.Open(t.Context(), c.stores, cfg)
		var fields []string
		for _, fault := range faultsOf(err) {
			fields = append(fields, strings.TrimPrefix(fault.Field, "authkit."))
		}
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("%s: faults at %q, want %q", name, got, c.fields)
		}
	}
	for name, change := range map[string]func(*authkit.Config){
		"an unknown endpoint": func(c *authkit.Config) { c.Endpoints = []authhttp.Endpoint{"none"} },
		"a prefix of keys":    func(c *authkit.Config) { c.APIKeyPrefix = "My-App" },
		"a part's own":        func(c *authkit.Config) { c.Throttle.NetworkBurst = -1 },
		"cookies elsewhere":   func(c *authkit.Config) { c.Cookies = &authhttp.CookieConfig{RefreshPath: "/elsewhere"} },
		"links without a URL": func(c *authkit.Config) { c.Issuer, c.Notifier = "example", noMail{} },
	} {
		cfg := config(t, t.TempDir(), io.Discard)
		change(&cfg)
		if _, err := authkit.Open(t.Context(), stores, cfg); len(faultsOf(err)) == 0 {
			t.Errorf("%s: Open returns %v, want a *cfgerr.Error", name, err)
		}
		stores = authkit.All(memstore.New())
	}
}

// faultsOf returns the faults that are joined in err.
func faultsOf(err error) (faults []*cfgerr.Error) {
	switch err := err.(type) {
	case *cfgerr.Error:
		return []*cfgerr.Error{err}
	case interface{ Unwrap() []error }:
		for _, one := range err.Unwrap() {
			faults = append(faults, faultsOf(one)...)
		}
	}
	return faults
}

// TestFewStores checks that what the stores do not allow is left out.
func TestFewStores(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	app := open(t, authkit.Stores{Users: store}, config(t, t.TempDir(), io.Discard))
	h := routes(app)
	access, refresh := login(t, h, "ada")
	if refresh != "" {
		t.Error("there is a refresh token without a store of sessions")
	}
	if got := send(t, h, "/protected", access, nil); got.status != 200 {
		t.Errorf("the route answers %d", got.status)
	}
	var refused int
	for range 6 {
		refused = send(t, h, "/auth/login", "", credentials("ada", "wrong horse battery")).status
	}
	if refused != 429 {
		t.Errorf("the sixth guess is answered %d, want 429", refused)
	}
	for _, path := range []string{"/auth/refresh", "/auth/logout", "/auth/password/forgot", "/auth/account/delete"} {
		if got := send(t, h, path, access, map[string]string{}); got.status != 404 {
			t.Errorf("%s answers %d, want 404", path, got.status)
		}
	}
	if err := app.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCookies checks that browsers get cookies, which the middleware reads.
func TestCookies(t *testing.T) {
	t.Parallel()
	cfg := config(t, t.TempDir(), io.Discard)
	cfg.Cookies, cfg.Prefix = &authhttp.CookieConfig{}, "/account"
	app := open(t, authkit.All(memstore.New()), cfg)
	if _, err := app.Accounts.Register(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	h := routes(app)
	got := send(t, h, issuer+"/account/login", "", credentials("ada", password))
	r := httptest.NewRequestWithContext(t.Context(), "GET", issuer+"/protected", nil)
	for _, c := range got.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if len(got.cookies) < 2 || w.Code != 200 {
		t.Errorf("with the cookies %v the route answers %d", got.cookies, w.Code)
	}
}

// TestForgottenPassword checks that who registers with an address can reset the password by it.
func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	mails := make(mailbox, 8)
	cfg := config(t, t.TempDir(), io.Discard)
	cfg.Notifier = mails
	h := routes(open(t, authkit.All(memstore.New()), cfg))
	login(t, h, "ada@example.com")
	if m := <-mails; m.Kind != recovery.KindVerify || m.To != "ada@example.com" {
		t.Errorf("after the registration %v is sent", m)
	}
	if got := send(t, h, "/auth/password/forgot", "", map[string]string{"address": "Ada@Example.com"}); got.status != 202 {
		t.Fatalf("forgot answers %d %v", got.status, got.body)
	}
	link := must(url.Parse((<-mails).Link))
	reset := map[string]string{"token": link.Query().Get("token"), "new_password": "another horse battery"}
	if got := send(t, h, "/auth/password/reset", "", reset); got.status != 200 {
		t.Fatalf("reset answers %d %v", got.status, got.body)
	}
	if got := send(t, h, "/auth/login", "", credentials("ada@example.com", "another horse battery")); got.status != 200 {
		t.Errorf("login answers %d %v", got.status, got.body)
	}
}

// TestFirstProof checks that the first proof of an address removes the second factor and the known
// devices that were there before, whoever set them up.
func TestFirstProof(t *testing.T) {
	t.Parallel()
	store, mails, factor := memstore.New(), make(mailbox, 8), &oneFactor{of: map[string]bool{}}
	cfg := config(t, t.TempDir(), io.Discard)
	cfg.Notifier, cfg.SecondFactor, cfg.APIKeyPrefix = mails, factor, "myapp_live"
	var more []string
	cfg.Recovery.OnFirstProof = func(_ context.Context, userID string) error { more = append(more, userID); return nil }
	app := open(t, authkit.All(store), cfg)
	user, err := app.Accounts.Register(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	ip := netip.MustParseAddr("203.0.113.9")
	mallory := auth.WithDevice(t.Context(), auth.Device{IP: ip})
	tokens, err := app.Accounts.Login(mallory, "ada", password)
	if err != nil || tokens.DeviceToken == "" {
		t.Fatalf("login: %v, known device %v", err, tokens.DeviceToken != "")
	}
	_, key, err := app.APIKeys.Create(t.Context(), tokens.Principal, apikey.Spec{Name: "mallory's"})
	if err != nil {
		t.Fatal(err)
	}
	factor.of[user.ID] = true
	if err := app.Recovery.AddAddress(t.Context(), user.ID, "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	<-mails
	if err := app.Recovery.RequestReset(t.Context(), "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	m := <-mails
	link, err := url.Parse(m.Link)
	if err != nil || !strings.HasPrefix(m.Link, issuer+"/reset?token=") {
		t.Fatalf("the link is %v", err)
	}
	if _, err := app.Recovery.Reset(t.Context(), link.Query().Get("token"), "another horse battery"); err != nil {
		t.Fatal(err)
	}
	if factor.of[user.ID] || len(more) != 1 || more[0] != user.ID {
		t.Errorf("after the first proof: second factor %v, the host's function was called for %q", factor.of[user.ID], more)
	}
	if _, err := app.APIKeys.Verify(t.Context(), string(key)); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("an API key from before the first proof is still valid: %v", err)
	}
	// Five failures are too many for a network, but not for a known device.
	for range 5 {
		app.Accounts.Login(mallory, "ada", "wrong horse battery")
	}
	ctx := auth.WithDevice(t.Context(), auth.Device{IP: ip, Known: tokens.DeviceToken})
	if _, err := app.Accounts.Login(ctx, "ada", "wrong horse battery"); !errors.Is(err, auth.ErrTooManyAttempts) {
		t.Errorf("a device from before the first proof is still known: %v", err)
	}
}

// TestNotices checks that owners are told of changes, and of new devices where the host wants that.
func TestNotices(t *testing.T) {
	t.Parallel()
	for _, notice := range []bool{false, true} {
		store, mails := memstore.New(), make(mailbox, 8)
		cfg := config(t, t.TempDir(), io.Discard)
		cfg.Notifier, cfg.Mount.NoticeNewDevices = mails, notice
		app := open(t, authkit.All(store), cfg)
		h := routes(app)
		if got := send(t, h, "/auth/register", "", credentials("ada", password)); got.status != 201 {
			t.Fatalf("register answers %d %v", got.status, got.body)
		}
		user, err := store.UserByUsername(t.Context(), "ada")
		if err != nil {
			t.Fatal(err)
		}
		if err := app.Recovery.AddAddress(t.Context(), user.ID, "ada@example.com"); err != nil {
			t.Fatal(err)
		}
		link, err := url.Parse((<-mails).Link)
		if err != nil {
			t.Fatal(err)
		}
		if err := app.Recovery.VerifyAddress(t.Context(), link.Query().Get("token"), password); err != nil {
			t.Fatal(err)
		}
		got := send(t, h, "/auth/login", "", credentials("ada", password))
		access, _ := got.body["access_token"].(string)
		body := map[string]string{"current_password": password, "new_password": "another horse battery"}
		if got := send(t, h, "/auth/password", access, body); got.status != 200 {
			t.Fatalf("password answers %d %v", got.status, got.body)
		}
		if err := app.Recovery.Close(t.Context()); err != nil { // sends what waits
			t.Fatal(err)
		}
		told := map[recovery.Kind]bool{}
		for len(mails) > 0 {
			told[(<-mails).Kind] = true
		}
		if !told[recovery.KindPasswordChanged] || told[recovery.KindNewDevice] != notice {
			t.Errorf("with NoticeNewDevices %t the owner is told of %v", notice, told)
		}
	}
}

// TestReady checks that a store that is down is reported.
func TestReady(t *testing.T) {
	t.Parallel()
	down := errors.New("the store is down")
	for name, broken := range map[string]func(*authkit.Stores, func() error){
		"users":    func(s *authkit.Stores, f func() error) { s.Users = brokenUsers{s.Users, f} },
		"records":  func(s *authkit.Stores, f func() error) { s.Records = brokenRecords{s.Records, f} },
		"sessions": func(s *authkit.Stores, f func() error) { s.Sessions = brokenSessions{s.Sessions, f} },
		"tables":   func(s *authkit.Stores, f func() error) { s.Check = func(context.Context) error { return f() } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var fault error
			set := func(err error) { mu.Lock(); defer mu.Unlock(); fault = err }
			stores := authkit.All(memstore.New())
			broken(&stores, func() error { mu.Lock(); defer mu.Unlock(); return fault })
			app := open(t, stores, config(t, t.TempDir(), io.Discard))
			if err := app.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			set(down)
			if err := app.Ready(t.Context()); err == nil {
				t.Error("Ready returns nil")
			}
			if name != "users" { // Open does not look for a user
				if _, err := authkit.Open(t.Context(), stores, config(t, t.TempDir(), io.Discard)); err == nil {
					t.Error("Open succeeds")
				}
			}
			set(nil)
			if err := app.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNamesOfTable checks that a start warns of names that nobody can log in with, and that any other
// fault of the tables beside them ends it.
func TestNamesOfTable(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	stores := authkit.All(memstore.New())
	names := fmt.Errorf("three names are not canonical: %w", auth.ErrInvalidUsername)
	stores.Check = func(context.Context) error { return errors.Join(nil, names) }
	app := open(t, stores, config(t, t.TempDir(), &log))
	if !strings.Contains(log.String(), "three names") {
		t.Errorf("the log is %s", log.String())
	}
	if err := app.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	column := errors.New("there is no column")
	stores.Check = func(context.Context) error { return errors.Join(names, column) }
	if _, err := authkit.Open(t.Context(), stores, config(t, t.TempDir(), io.Discard)); !errors.Is(err, column) {
		t.Errorf("Open returns %v", err)
	}
}

// TestPrune checks that the store is pruned, that its error is logged, and that Close waits for it.
func TestPrune(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	stores, pruned := authkit.All(memstore.New()), make(chan struct{})
	stores.Prune = func(context.Context) error { defer close(pruned); return errors.New("prune is broken") }
	app, err := authkit.Open(t.Context(), stores, config(t, t.TempDir(), &log))
	if err != nil {
		t.Fatal(err)
	}
	<-pruned
	if err := app.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "prune is broken") {
		t.Errorf("the log is %s", log.String())
	}
}

// TestWithoutRevocation checks the setting.
func TestWithoutRevocation(t *testing.T) {
	t.Parallel()
	cfg := config(t, t.TempDir(), io.Discard)
	cfg.DangerouslyWithoutRevocation = true
	h := routes(open(t, authkit.All(memstore.New()), cfg))
	access, refresh := login(t, h, "ada")
	logout(t, h, refresh)
	if got := send(t, h, "/protected", access, nil); got.status != 200 {
		t.Errorf("after the logout the token gets %d, want 200", got.status)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

// mailbox receives messages.
type mailbox chan recovery.Message

func (b mailbox) Notify(ctx context.Context, m recovery.Message) error {
	select {
	case b <- m:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// oneFactor is a second factor without codes.
type oneFactor struct {
	noFactor
	of map[string]bool
}

func (f *oneFactor) Disable(_ context.Context, userID string) error {
	f.of[userID] = false
	return nil
}

// The parts that are given and never called.
type (
	noMail     struct{ recovery.Notifier }
	noFactor   struct{ authkit.SecondFactor }
	noThrottle struct{ auth.Throttle }
)

// Required reports that no login needs the factor.
func (noFactor) Required(context.Context, string) (bool, error) { return false, nil }

// The broken stores fail as their function says.
type (
	brokenUsers struct {
		auth.UserStore
		fault func() error
	}
	brokenRecords struct {
		auth.RecordStore
		fault func() error
	}
	brokenSessions struct {
		auth.SessionStore
		fault func() error
	}
)

func (b brokenUsers) UserByID(ctx context.Context, id string) (auth.User, error) {
	if err := b.fault(); err != nil {
		return auth.User{}, err
	}
	return b.UserStore.UserByID(ctx, id)
}

func (b brokenRecords) Record(ctx context.Context, key string) (r auth.Record, now time.Time, err error) {
	if err := b.fault(); err != nil {
		return r, now, err
	}
	return b.RecordStore.Record(ctx, key)
}

func (b brokenSessions) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	if err := b.fault(); err != nil {
		return "", err
	}
	return b.SessionStore.RevokedSince(ctx, cursor, each)
}

// With a policy, tokens have the roles of their user, a change makes them stale, and a refresh answers that. Claims of
// the host and revocation of sessions work as before.
func TestRoles(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := config(t, t.TempDir(), &log)
	cfg.Policy, cfg.Tokens.ClientID = roles.Policy{"admin": {"*"}, "editor": {"posts:write"}}, "web"
	cfg.Accounts.Claims = func(_ context.Context, _ auth.User, c *auth.Claims) error {
		c.Scopes = []string{"profile"}
		return nil
	}
	app := open(t, authkit.All(memstore.New()), cfg)
	mux := http.NewServeMux()
	mux.Handle("/", app.Handler())
	mux.Handle("GET /posts", app.Roles.Require(app.Middleware, "posts:write")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	status := func(step, token string, want int) {
		t.Helper()
		if got := send(t, mux, "/posts", token, nil); got.status != want {
			t.Errorf("%s: %d %v, want %d", step, got.status, got.body, want)
		}
	}
	access, refresh := login(t, mux, "ada")
	status("no role", access, 403)
	p, err := app.Accounts.Verify(t.Context(), access)
	if err != nil || !p.HasScope("profile") {
		t.Fatalf("claims of the host: %v", err)
	}
	if err := app.Roles.GrantByOperator(t.Context(), roles.Assignment{UserID: p.Subject(), Role: "editor"}); err != nil {
		t.Fatal(err)
	}
	status("a token from before", access, 401)
	tokens, err := app.Accounts.Refresh(t.Context(), refresh)
	if err != nil {
		t.Fatal(err)
	}
	status("after a refresh", tokens.AccessToken, 200)
	if err := app.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	answer, finish, err := app.Streams.Begin(t.Context(), tokens.Principal, stream.Cut())
	if err != nil {
		t.Fatal(err)
	}
	defer finish()
	if err := app.Roles.TakeByOperator(t.Context(), p.Subject(), "editor", ""); err != nil {
		t.Fatal(err)
	}
	<-answer.Done() // a demotion ends what the role has begun
	if cause := context.Cause(answer); !errors.Is(cause, auth.ErrInvalidToken) {
		t.Errorf("the stream of a user who lost a role ended with %v", cause)
	}
	if tokens, err = app.Accounts.Refresh(t.Context(), tokens.RefreshToken); err != nil {
		t.Fatal(err)
	}
	logout(t, mux, tokens.RefreshToken)
	status("after the logout", tokens.AccessToken, 401)
	if !strings.Contains(log.String(), "role_granted") || !strings.Contains(log.String(), "role=editor") {
		t.Errorf("the log has no event: %s", log.String())
	}
	cfg.Policy = roles.Policy{"editor": {roles.Includes("nobody")}}
	if _, err := authkit.Open(t.Context(), authkit.All(memstore.New()), cfg); len(faultsOf(err)) != 1 {
		t.Errorf("a policy with a fault: %v", err)
	}
}
