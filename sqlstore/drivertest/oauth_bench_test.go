package drivertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
)

// codesPerUser is how many grants each user of BenchmarkToken gets: every new grant lists the others.
const codesPerUser = 4

// BenchmarkToken compares the rate of requests to the token endpoint, by code and by refresh, with the rate
// at which the same calls of the same store are done bare: one request is made through a store that notes
// its calls, and the bare loop repeats these calls with records and sessions of the same size. It reports
// the requests a second of both, and the first as a fraction of the second (×bare). Run it with a fixed
// number of requests, such as -benchtime 3000x.
func BenchmarkToken(b *testing.B) {
	stores := map[string]func(testing.TB) everyStore{
		"PostgreSQL": func(t testing.TB) everyStore { s, _, _ := targets[1].store(t); return s },
		"Redis":      func(t testing.TB) everyStore { return redisStore(t) },
	}
	for _, store := range []string{"PostgreSQL", "Redis"} {
		b.Run("store="+store, func(b *testing.B) {
			tb := newTokenBench(b, stores[store](b))
			b.Run("grant=code", func(b *testing.B) {
				calls := tb.trace(b, tb.grants(b, 1, 1)[0].codeForm())
				tb.compare(b, calls, func() func(int) *benchGrant { // one grant for each request: a code is good once
					list, n := tb.grants(b, b.N, codesPerUser), new(atomic.Int64)
					return func(int) *benchGrant { return list[n.Add(1)-1] }
				}, (*benchGrant).codeForm)
			})
			b.Run("grant=refresh", func(b *testing.B) {
				calls := tb.trace(b, tb.began(b, 1)[0].refreshForm())
				tb.compare(b, calls, func() func(int) *benchGrant { // one grant for each client, refreshed again and again
					list := tb.began(b, benchClients())
					return func(client int) *benchGrant { return list[client] }
				}, (*benchGrant).refreshForm)
			})
		})
	}
}

// benchClients returns how many clients there are.
func benchClients() int { return 8 * runtime.GOMAXPROCS(0) }

// benchNames are the names in the calls of one request, by what they stand for. Another grant has others,
// of the same length.
type benchNames struct{ user, login, codeKey, grant string }

// benchGrant is a grant of a user, or what is needed to begin one.
type benchGrant struct {
	benchNames
	code, refresh string
}

func (g *benchGrant) codeForm() url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {g.code}, "code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}}
}

func (g *benchGrant) refreshForm() url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.refresh}}
}

// tokenBench is an authorization server on a store, and one on the same store that notes its calls.
type tokenBench struct {
	store       everyStore
	calls       *storeCalls
	app, traced *connectedApps
	endpoint    *url.URL

	// The first user has allowed the app and not used the code: other users get copies.
	first benchNames
	user  auth.User
	login auth.Session
	code  auth.Record
	users atomic.Int64
}

func newTokenBench(b *testing.B, store everyStore) *tokenBench {
	b.Helper()
	tb := &tokenBench{store: store, calls: &storeCalls{everyStore: store}, endpoint: &url.URL{Scheme: "https", Host: "id.test", Path: "/token"}}
	keys := newKeys(b)
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Resources: []string{"https://id.test/mcp"}, Keys: keys.access})
	if err != nil {
		b.Fatal(err)
	}
	server := func(s everyStore) (*auth.Authenticator, *connectedApps) {
		a, err := auth.New(s, tokens, auth.Config{Hasher: authtest.FastHasher(b), Sessions: s, RefreshKeys: keys.refresh, Records: s, Accounts: s})
		if err != nil {
			b.Fatal(err)
		}
		return a, newApps(b, a, tokens, keys, s, s)
	}
	a, app := server(store)
	tb.app = app
	_, tb.traced = server(tb.calls)

	tb.user = user(tb.newUser(), "the first user")
	create(b, store, tb.user)
	login, err := a.LoginUser(bounded(b), tb.user.ID, "pwd")
	if err != nil {
		b.Fatal(err)
	}
	text := app.code(login.Principal)
	tb.first = benchNames{user: tb.user.ID, login: login.Principal.SessionID(), codeKey: benchCodeKey(text)}
	if tb.login, _, err = store.Session(bounded(b), tb.first.login); err != nil {
		b.Fatal(err)
	}
	if tb.code, _, err = store.Record(bounded(b), tb.first.codeKey); err != nil || tb.code.Version == 0 {
		b.Fatalf("the record of the code: version %d, %v", tb.code.Version, err)
	}
	return tb
}

// newUser returns the ID of another user. All have the same length.
func (tb *tokenBench) newUser() string { return fmt.Sprintf("user-%09d", tb.users.Add(1)) }

func benchCodeKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "oauth:code:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// benchID returns 128 random bits as the ID of a session has them.
func benchID() string {
	var random [16]byte
	rand.Read(random[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// grants returns n grants that have not begun, each perUser of one user who is logged in.
func (tb *tokenBench) grants(b *testing.B, n, perUser int) []*benchGrant {
	b.Helper()
	list := make([]*benchGrant, n)
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(benchClients(), n) {
		wg.Go(func() {
			for !b.Failed() {
				from := int(next.Add(int64(perUser))) - perUser
				if from >= n {
					return
				}
				if err := tb.newGrants(list[from:min(from+perUser, n)]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	if wg.Wait(); b.Failed() {
		b.FailNow()
	}
	return list
}

// newGrants creates a user with a login and a code for each element of list.
func (tb *tokenBench) newGrants(list []*benchGrant) error {
	ctx := context.Background()
	u, login := tb.user, tb.login
	u.ID = tb.newUser()
	u.Username = u.ID
	login.ID, login.UserID = benchID(), u.ID
	if _, err := tb.store.CreateUser(ctx, u); err != nil {
		return err
	}
	if err := tb.store.CreateSession(ctx, login); err != nil {
		return err
	}
	for i := range list {
		g := &benchGrant{code: benchID() + benchID()}
		g.benchNames = benchNames{u.ID, login.ID, benchCodeKey(g.code), benchID()}
		record := tb.code
		record.Key, record.Owner, record.ExpiresAt = g.codeKey, u.ID, time.Now().UTC().Truncate(time.Microsecond).Add(time.Hour)
		record.Value = bytes.ReplaceAll(bytes.ReplaceAll(record.Value, []byte(tb.first.user), []byte(u.ID)), []byte(tb.first.login), []byte(login.ID))
		record.Renew()
		if err := tb.store.ReplaceRecord(ctx, 0, record); err != nil {
			return err
		}
		list[i] = g
	}
	return nil
}

// began returns n grants that have begun.
func (tb *tokenBench) began(b *testing.B, n int) []*benchGrant {
	b.Helper()
	list := tb.grants(b, n, 1)
	for _, g := range list {
		g.refresh = tb.app.token(g.codeForm())
		grants, err := tb.app.Grants(bounded(b), g.user)
		if err != nil || len(grants) != 1 || g.refresh == "" {
			b.Fatalf("%d grants, refresh token %q, %v, want one of each", len(grants), g.refresh, err)
		}
		g.grant = grants[0].ID
	}
	return list
}

// trace returns the calls that one request makes.
func (tb *tokenBench) trace(b *testing.B, form url.Values) []storeCall {
	b.Helper()
	before := len(tb.calls.calls())
	if tb.traced.token(form) == "" {
		b.Fatal("the request was refused")
	}
	return tb.calls.calls()[before:]
}

// request returns a request to the token endpoint. Like benchAnswer it costs little, because the time of a
// client is not the endpoint's.
func (tb *tokenBench) request(form url.Values) *http.Request {
	form.Set("client_id", "app")
	form.Set("client_secret", strings.ReplaceAll(appSecret, " ", "-"))
	body := form.Encode()
	return &http.Request{
		Method: "POST", URL: tb.endpoint, Host: tb.endpoint.Host, RemoteAddr: "192.0.2.1:1234", ContentLength: int64(len(body)),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: io.NopCloser(strings.NewReader(body)),
	}
}

// benchAnswer is an [http.ResponseWriter] that keeps the answer.
type benchAnswer struct {
	header http.Header
	status int
	body   []byte
}

func (a *benchAnswer) Header() http.Header    { return a.header }
func (a *benchAnswer) WriteHeader(status int) { a.status = status }
func (a *benchAnswer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}

// compare runs b.N requests and the bare loop as often, by the same number of clients. They take turns, so
// that whatever else the machine does slows both.
func (tb *tokenBench) compare(b *testing.B, calls []storeCall, grants func() (next func(client int) *benchGrant), form func(*benchGrant) url.Values) {
	b.Helper()
	const turn = 10 // requests of each client
	ways := [2]func(g *benchGrant) error{
		func(g *benchGrant) error {
			answer := benchAnswer{header: http.Header{}}
			tb.app.mux.ServeHTTP(&answer, tb.request(form(g)))
			_, rest, _ := bytes.Cut(answer.body, []byte(`"refresh_token":"`))
			token, _, ok := bytes.Cut(rest, []byte(`"`))
			if !ok {
				return fmt.Errorf("the request was refused: %d %s", answer.status, answer.body)
			}
			g.refresh = string(token)
			return nil
		},
		func(g *benchGrant) error { return repeat(tb.store, calls, g.benchNames) },
	}
	next := [2]func(client int) *benchGrant{grants(), grants()}
	var took [2]time.Duration
	b.ResetTimer()
	for n, odd := 0, 0; n < b.N && !b.Failed(); n, odd = n+turn*benchClients(), 1-odd {
		each := min(turn*benchClients(), b.N-n)
		for i := range ways {
			i ^= odd
			begin := time.Now()
			var wg sync.WaitGroup
			for client := range benchClients() {
				wg.Go(func() {
					for k := client; k < each; k += benchClients() {
						if err := ways[i](next[i](client)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			took[i] += time.Since(begin)
		}
	}
	token, bare := float64(b.N)/took[0].Seconds(), float64(b.N)/took[1].Seconds()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(token, "token/s")
	b.ReportMetric(bare, "bare/s")
	b.ReportMetric(token/bare, "×bare")
	b.ReportMetric(float64(len(calls)), "calls")
}

// storeCall is a call that a request has made, with what it was given.
type storeCall struct {
	name    string       // method
	key     string       // of a record, or the ID of a session or user
	record  auth.Record  // of ReplaceRecord
	creates bool         // ReplaceRecord expects that there is no record
	session auth.Session // of CreateSession
}

// storeCalls notes the calls that a login, a consent and a request to the token endpoint make. Other calls
// about one user fail, because the function repeat does not repeat them.
type storeCalls struct {
	everyStore
	mu   sync.Mutex
	list []storeCall
}

// calls returns what was noted so far.
func (s *storeCalls) calls() []storeCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

func (s *storeCalls) note(c storeCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, c)
}

func (s *storeCalls) UserByID(ctx context.Context, id string) (auth.User, error) {
	s.note(storeCall{name: "UserByID", key: id})
	return s.everyStore.UserByID(ctx, id)
}

func (s *storeCalls) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	s.note(storeCall{name: "Session", key: id})
	return s.everyStore.Session(ctx, id)
}

func (s *storeCalls) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	s.note(storeCall{name: "Sessions", key: userID})
	return s.everyStore.Sessions(ctx, userID)
}

func (s *storeCalls) CreateSession(ctx context.Context, session auth.Session) error {
	s.note(storeCall{name: "CreateSession", session: session})
	return s.everyStore.CreateSession(ctx, session)
}

func (s *storeCalls) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	s.note(storeCall{name: "Record", key: key})
	return s.everyStore.Record(ctx, key)
}

func (s *storeCalls) Records(ctx context.Context, owner string) ([]auth.Record, error) {
	s.note(storeCall{name: "Records", key: owner})
	return s.everyStore.Records(ctx, owner)
}

func (s *storeCalls) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	s.note(storeCall{name: "ReplaceRecord", key: r.Key, record: r, creates: old == 0})
	return s.everyStore.ReplaceRecord(ctx, old, r)
}

func (s *storeCalls) ReplaceSession(context.Context, auth.Session, auth.Session) error {
	return errNotRepeated
}
func (s *storeCalls) DeleteSession(context.Context, string, time.Time) error { return errNotRepeated }
func (s *storeCalls) DeleteRecord(context.Context, string, int64) error      { return errNotRepeated }
func (s *storeCalls) UserByUsername(context.Context, string) (auth.User, error) {
	return auth.User{}, errNotRepeated
}

var errNotRepeated = errors.New("the bare loop does not repeat this call of the store: extend it")

// repeat does the calls of one request again, with the names of another grant. A refresh reads the session
// of its grant, and a request with a code that of the login.
func repeat(s everyStore, calls []storeCall, names benchNames) error {
	ctx := context.Background()
	session := names.grant
	if slices.ContainsFunc(calls, func(c storeCall) bool { return c.name == "CreateSession" }) {
		session = names.login
	}
	versions := make(map[string]int64, 2)
	for _, c := range calls {
		var err error
		key := "oauth:grant:" + names.grant
		if strings.HasPrefix(c.key, "oauth:code:") {
			key = names.codeKey
		}
		switch c.name {
		case "UserByID":
			_, err = s.UserByID(ctx, names.user)
		case "Sessions":
			_, err = s.Sessions(ctx, names.user)
		case "Records":
			_, err = s.Records(ctx, names.user)
		case "Session":
			_, _, err = s.Session(ctx, session)
		case "CreateSession":
			c.session.ID, c.session.UserID = names.grant, names.user
			err = s.CreateSession(ctx, c.session)
		case "Record":
			var r auth.Record
			if r, _, err = s.Record(ctx, key); err == nil && r.Version == 0 {
				err = fmt.Errorf("there is no record %s", key)
			}
			versions[key] = r.Version
		case "ReplaceRecord":
			r := c.record
			r.Key, r.Owner, r.Version = key, names.user, versions[key]
			if c.creates == (r.Version != 0) {
				return fmt.Errorf("record %s: version %d", key, r.Version)
			}
			err = s.ReplaceRecord(ctx, r.Renew(), r)
		default:
			err = errNotRepeated
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}
