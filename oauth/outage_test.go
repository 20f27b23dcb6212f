package oauth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth"
)

// failing is a store whose calls fail from the n-th on, while it is on.
type failing struct {
	auth.RecordStore
	on   atomic.Bool
	left atomic.Int64 // calls that still succeed
}

var errDown = errors.New("the store is down")

func (f *failing) fails() error {
	if f.on.Load() && f.left.Add(-1) < 0 {
		return errDown
	}
	return nil
}

func (f *failing) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	if err := f.fails(); err != nil {
		return auth.Record{}, time.Time{}, err
	}
	return f.RecordStore.Record(ctx, key)
}

func (f *failing) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.RecordStore.ReplaceRecord(ctx, old, r)
}

func (f *failing) DeleteRecord(ctx context.Context, key string, version int64) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.RecordStore.DeleteRecord(ctx, key, version)
}

func (f *failing) Records(ctx context.Context, owner string) ([]auth.Record, error) {
	if err := f.fails(); err != nil {
		return nil, err
	}
	return f.RecordStore.Records(ctx, owner)
}

// failingSessions fails with a failing store, as one database does.
type failingSessions struct {
	auth.SessionStore
	with *failing
}

func (f failingSessions) CreateSession(ctx context.Context, s auth.Session) error {
	if err := f.with.fails(); err != nil {
		return err
	}
	return f.SessionStore.CreateSession(ctx, s)
}

func (f failingSessions) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	if err := f.with.fails(); err != nil {
		return auth.Session{}, time.Time{}, err
	}
	return f.SessionStore.Session(ctx, id)
}

func (f failingSessions) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	if err := f.with.fails(); err != nil {
		return nil, err
	}
	return f.SessionStore.Sessions(ctx, userID)
}

func (f failingSessions) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	if err := f.with.fails(); err != nil {
		return err
	}
	return f.SessionStore.DeleteSession(ctx, id, expiry)
}

// With the store down, at whichever call, clients get 503 with Retry-After and never invalid_grant; users get
// a page, and nobody a code or a token. Afterwards a code is good once at most, and no grant is half there.
func TestOutage(t *testing.T) {
	t.Parallel()
	for n := range int64(16) {
		store := &failing{}
		r := newServer(t, func(cfg *oauth.Config) {
			store.RecordStore = cfg.Records
			cfg.Sessions = failingSessions{cfg.Sessions, store}
			cfg.Records, cfg.Register.PerHour, cfg.Logger = store, 100, slog.New(slog.DiscardHandler)
		})
		id := r.user("ada@example.com")
		cookie := r.login("ada@example.com")
		a := r.flow(cookie)
		page, code := r.ask(cookie), r.authorize(cookie)
		registered := r.register(`{"redirect_uris":["https://app.example/cb"]}`)
		down := func(what string, do func() *http.Response) {
			t.Helper()
			store.left.Store(n)
			store.on.Store(true)
			defer store.on.Store(false)
			resp := do()
			if resp.StatusCode < 400 { // the store failed too late to matter
				return
			}
			body := text(t, resp)
			if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || strings.Contains(body, "the store is down") {
				t.Errorf("%s, %d calls: %s", what, n, body)
			}
		}
		post := func(path string, v url.Values) func() *http.Response {
			return func() *http.Response { return r.do("POST", path, v.Encode()) }
		}
		down("apps", func() *http.Response { return r.do("GET", "/apps", "", "Cookie", cookie) })
		down("authorize", func() *http.Response {
			return r.do("GET", "/authorize?"+query("client_id", registered.ID), "", "Cookie", cookie)
		})
		down("register", func() *http.Response {
			return r.do("POST", "/register", `{"redirect_uris":["https://app.example/cb"]}`)
		})
		down("decision", func() *http.Response { return r.decide(cookie, page, "allow") })
		down("refresh", post("/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {"web"}, "refresh_token": {a.Refresh}}))
		redeem := url.Values{"grant_type": {"authorization_code"}, "client_id": {"web"}, "code": {code}, "code_verifier": {verifier}}
		down("code", post("/token", redeem))
		used, _, err := r.store.Record(t.Context(), digestKey(code))
		if err != nil {
			t.Fatal(err)
		}
		isUsed := bytes.Contains(used.Value, []byte(`"g":"`))
		if again := r.redeem(code); (again.Status == http.StatusOK) == isUsed {
			t.Errorf("%d calls: the code was used: %t, and then answered %d", n, isUsed, again.Status)
		}
		down("revoke", post("/revoke", url.Values{"client_id": {"web"}, "token": {a.Refresh}}))
		list, err := r.server.Grants(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range list { // each is whole: it can be ended
			if err := r.server.EndGrant(t.Context(), id, g.ID); err != nil {
				t.Errorf("%d calls: grant %v: %v", n, g, err)
			}
		}
	}
}

// digestKey returns the key of the record of a code, which has no more than its digest.
func digestKey(code string) string {
	sum := sha256.Sum256([]byte(code))
	return "oauth:code:" + base64.RawURLEncoding.EncodeToString(sum[:])
}
