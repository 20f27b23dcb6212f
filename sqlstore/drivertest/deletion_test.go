package drivertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apps "github.com/pquerna/otp/totp"
	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/roles"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

// ledger is a RecordStore that notes the key of every record that is written.
type ledger struct {
	auth.RecordStore
	mu   sync.Mutex
	keys map[string]bool
}

func (l *ledger) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[r.Key] = true
	return l.RecordStore.ReplaceRecord(ctx, old, r)
}

// stored returns all records that there are.
func (l *ledger) stored(t *testing.T) (list []auth.Record) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.keys {
		switch r, _, err := l.Record(bounded(t), key); {
		case err != nil:
			t.Fatal(err)
		case r.Version != 0:
			list = append(list, r)
		}
	}
	return list
}

// kinds counts records by what their keys begin with.
func kinds(list []auth.Record) map[string]int {
	count := make(map[string]int)
	for _, r := range list {
		count[r.Key[:strings.LastIndexAny(r.Key, ":.")]]++
	}
	return count
}

// everyStore is what a program keeps accounts in.
type everyStore interface {
	auth.UserStore
	auth.AccountStore
	auth.SessionStore
	auth.RecordStore
}

// TestDeletedUserLeavesNothing has users use everything that the library keeps something for, and
// deletes one of them. Then no store holds anything that names the user or belongs to the user, and a
// user with the same ID, name and address inherits nothing. The other user keeps everything.
func TestDeletedUserLeavesNothing(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, _, _ := tt.store(t)
		deleteUser(t, s, s, s)
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		s := memstore.New()
		deleteUser(t, s, recovery.NewMemoryAddresses(), s)
	})
	t.Run("Redis", func(t *testing.T) { // with the users elsewhere, and nothing but Config.Records to find the records by
		t.Parallel()
		users, inRedis := memstore.New(), redisStore(t)
		deleteUser(t, struct {
			auth.UserStore
			auth.AccountStore
			auth.SessionStore
			auth.RecordStore
		}{users, users, inRedis, inRedis}, recovery.NewMemoryAddresses(), users)
	})
}

// redisStore returns an empty store in the shared Redis. After the test its keys are deleted.
func redisStore(t testing.TB) *redisstore.Store {
	t.Helper()
	options, err := redis.ParseURL(testenv.Require(t, "Redis", "AUTH_TEST_REDIS"))
	if err != nil {
		t.Fatal("AUTH_TEST_REDIS must be a URL, as in redis://127.0.0.1:6379/0")
	}
	options.ContextTimeoutEnabled = true
	client, prefix := redis.NewClient(options), "t"+rand.Text()
	t.Cleanup(func() {
		ctx := context.Background()
		for keys := client.Scan(ctx, 0, "*"+prefix+"*", 1000).Iterator(); keys.Next(ctx); {
			if err := client.Del(ctx, keys.Val()).Err(); err != nil {
				t.Error(err)
			}
		}
		client.Close()
	})
	s, err := redisstore.New(client, redisstore.Config{Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kept are the kinds of records that stay, because they belong to nobody: a stranger who registers with
// somebody else's address and deletes the account must not reset the counts of messages to it, or of
// the guesses at the codes that were sent there.
var kept = []string{
	// Messages to an address that was not the user's then, of all and of one network.
	"recovery.sent.change", "recovery.sent.verify", "recovery.from.change", "recovery.from.verify",
	"recovery.network", // requests of a network for messages to whatever address
	"throttle:network", // failures of a network at whatever account
	"throttle:target.account",
}

func deleteUser(t *testing.T, store everyStore, addresses recovery.Addresses, has roles.Store) {
	ctx, sent := bounded(t), make(outbox, 64)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	records := &ledger{RecordStore: store, keys: make(map[string]bool)}
	keys, id := newKeys(t), ""
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Resources: []string{"https://id.test/mcp"}, Keys: keys.access})
	must(err)
	limits, err := throttle.New(records, throttle.Config{})
	must(err)
	factor, err := totp.New(records, keys.refresh, totp.Config{Issuer: "Example", Marks: totp.MarksIn(records)})
	must(err)
	a, err := auth.New(store, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Throttle: limits, SecondFactor: factor, Records: records, Accounts: store,
		Sessions: store, RefreshKeys: keys.refresh, NewUserID: func(context.Context) (string, error) { return id, nil },
	})
	must(err)
	apiKeys, err := apikey.New("myapp_live", store, records, apikey.Config{})
	must(err)
	flows, err := recovery.New(a, addresses, records, sent, recovery.Config{BaseURL: "https://app.test", OnFirstProof: factor.Disable})
	must(err)
	t.Cleanup(func() { must(flows.Close(context.Background())) })
	connected := newApps(t, a, tokens, keys, store, records)

	revoked, err := revocation.Follow(has, revocation.Config{})
	must(err)
	t.Cleanup(func() { revoked.Close() })
	policy, err := roles.New("https://id.test", roles.Policy{"admin": {"*"}, "editor": {"posts:write"}}, roles.Config{Store: has, Revoked: revoked})
	must(err)

	from := func(ip string, known auth.DeviceToken) context.Context {
		return auth.WithDevice(ctx, auth.Device{IP: netip.MustParseAddr(ip), UserAgent: "curl/8", Known: known})
	}
	// token returns the token of the message of a kind, and passes over others.
	token := func(kind recovery.Kind) (token, code string) {
		t.Helper()
		for {
			select {
			case m := <-sent:
				if m.Kind != kind {
					continue
				}
				link, err := url.Parse(m.Link)
				must(err)
				return link.Query().Get("token"), m.Code
			case <-ctx.Done():
				t.Fatalf("no message of kind %s", kind)
			}
		}
	}
	mfaToken := func(ctx context.Context, name string) string {
		t.Helper()
		_, err := a.Login(ctx, name, password)
		required, ok := errors.AsType[*auth.MFARequiredError](err)
		if !ok {
			t.Fatalf("Login of %s: %v", name, err)
		}
		return required.Token
	}
	type remains struct {
		refresh, reset, login, change string
		challenge, requested          string // a login by mail, and its link
		known                         auth.DeviceToken
		apiKey                        apikey.Secret
		app, code                     string // refresh token of an app, and a code for one
	}
	// use has a new user use everything.
	use := func(newID, name, address, ip string) (r remains) {
		t.Helper()
		id = newID
		_, err := a.Register(ctx, name, password)
		must(err)
		must(flows.AddAddress(ctx, id, address))
		verify, _ := token(recovery.KindVerify)
		must(flows.VerifyAddress(ctx, verify, password))
		session, err := a.Login(from(ip, ""), name, password)
		must(err)
		r.refresh = session.RefreshToken
		_, r.apiKey, err = apiKeys.Create(ctx, session.Principal, apikey.Spec{Name: "laptop"})
		must(err)
		_, err = apiKeys.Verify(ctx, string(r.apiKey))
		must(err)
		must(flows.RequestAddressChange(ctx, id, password, "new-"+address))
		r.change, _ = token(recovery.KindChange)

		e, err := factor.Enroll(ctx, id, name)
		must(err)
		shown, err := apps.GenerateCode(e.Secret, time.Now())
		must(err)
		codes, err := factor.Confirm(ctx, id, shown)
		must(err)
		pending := mfaToken(from(ip, ""), name)
		if _, err := a.LoginMFA(from(ip, ""), pending, "wrong"); err != auth.ErrInvalidCredentials {
			t.Errorf("LoginMFA with a wrong code: %v", err)
		}
		complete, err := a.LoginMFA(from(ip, ""), pending, codes[0])
		must(err)
		r.known = complete.DeviceToken
		mfaToken(from(ip, r.known), name) // a login that waits
		for _, known := range []auth.DeviceToken{"", r.known} {
			if _, err := a.LoginMFA(from(ip, known), mfaToken(from(ip, known), name), "wrong"); err != auth.ErrInvalidCredentials {
				t.Errorf("LoginMFA with a wrong code: %v", err)
			}
			if _, err := a.Login(from(ip, known), name, "wrong password"); err != auth.ErrInvalidCredentials {
				t.Errorf("Login with a wrong password: %v", err)
			}
		}
		must(flows.RequestReset(ctx, address))
		r.reset, _ = token(recovery.KindReset)
		must(flows.RequestLoginLink(ctx, address))
		r.login, _ = token(recovery.KindLogin)
		r.challenge, err = flows.RequestLogin(from(ip, ""), "", address)
		must(err)
		r.requested, _ = token(recovery.KindLogin)
		must(flows.Inform(ctx, id, recovery.KindFactorAdded))
		token(recovery.KindFactorAdded)
		challenge, err := flows.RequestLoginCode(ctx, address)
		must(err)
		_, code := token(recovery.KindCode)
		if _, err := flows.LoginByCode(from(ip, ""), challenge, code[1:]+"x"); err == nil {
			t.Error("LoginByCode with a wrong code succeeded")
		}
		r.app, r.code = connected.connect(complete.Principal)
		return r
	}
	ada := use("7", "lovelace", "lovelace@example.com", "192.0.2.1")
	bob := use("8", "bob", "bob@example.com", "198.51.100.1")
	byAda, err := jwt.NewPrincipal(auth.Claims{Subject: "7", Issuer: "https://id.test"})
	must(err)
	must(policy.GrantByOperator(ctx, roles.Assignment{UserID: "7", Role: "admin"}))
	must(policy.Grant(ctx, byAda, roles.Assignment{UserID: "7", Role: "editor", Org: "org-1"}))
	must(policy.Grant(ctx, byAda, roles.Assignment{UserID: "8", Role: "editor"}))
	before := records.stored(t)
	t.Logf("the users have records of the kinds %v", kinds(before))

	must(flows.DeleteAccount(from("192.0.2.1", ada.known), "7", password))
	token(recovery.KindDeleted)
	after := records.stored(t)
	var fromBob []auth.Record
	for _, r := range after {
		text := fmt.Sprintf("%q %q %q", r.Key, r.Owner, r.Value)
		switch {
		case r.Owner == "8":
			fromBob = append(fromBob, r)
		case r.Owner == "7" || strings.Contains(text, "lovelace") || strings.Contains(text, `UserID\":\"7`):
			t.Errorf("the record %s names the user or belongs to the user", text)
		}
	}
	left := kinds(after)
	for kind, n := range kinds(before) {
		want := n / 2 // those of the other user
		switch {
		case kind == "throttle:target.account":
			want = n - 1 // the failures at the second factor are gone, those at the codes stay
		case slices.Contains(kept, kind):
			want = n
		}
		if left[kind] != want {
			t.Errorf("%d of %d records of the kind %s are left, want %d", left[kind], n, kind, want)
		}
		delete(left, kind)
	}
	if len(left) > 0 {
		t.Errorf("the deletion has left records of the kinds %v", left)
	}
	if len(fromBob) == 0 {
		t.Error("the records of another user were deleted")
	}
	if enabled, codes, err := factor.Status(ctx, "8"); err != nil || !enabled || codes == 0 {
		t.Errorf("the second factor of another user: %v, %d recovery codes, %v", enabled, codes, err)
	}
	if _, err := apiKeys.Verify(ctx, string(bob.apiKey)); err != nil {
		t.Errorf("the API key of another user: %v", err)
	}
	if connected.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {bob.app}}) == "" {
		t.Error("the app of another user is disconnected")
	}
	if list, err := store.Sessions(ctx, "8"); err != nil || len(list) == 0 {
		t.Errorf("another user has %d sessions, %v", len(list), err)
	}
	if list, err := policy.ByUser(ctx, "7"); err != nil || len(list) > 0 {
		t.Errorf("the user has the roles %+v, %v", list, err)
	}
	if list, err := policy.ByUser(ctx, "8"); err != nil || len(list) != 1 || list[0].GrantedBy != "" {
		t.Errorf("another user has the roles %+v, %v, want one that nobody there granted", list, err)
	}
	for call, err := range map[string]error{
		"UserByID":       second(store.UserByID(ctx, "7")),
		"UserByUsername": second(store.UserByUsername(ctx, "lovelace")),
		"UserByAddress":  second(addresses.UserByAddress(ctx, "lovelace@example.com")),
		"Delete":         a.Delete(ctx, "7"),
	} {
		if !errors.Is(err, auth.ErrUserNotFound) {
			t.Errorf("%s: %v, want %v", call, err, auth.ErrUserNotFound)
		}
	}
	if list, err := store.Sessions(ctx, "7"); err != nil || len(list) != 0 {
		t.Errorf("the user has %d sessions, %v", len(list), err)
	}

	// The next user gets the same ID, name and address.
	id = "7"
	_, err = a.Register(ctx, "lovelace", "another password")
	must(err)
	must(addresses.ReplaceAddress(ctx, "7", "", "lovelace@example.com", true))
	if _, err := a.Login(from("203.0.113.1", ""), "lovelace", "another password"); err != nil {
		t.Errorf("Login of the next user: %v", err)
	}
	if list, err := policy.ByUser(ctx, "7"); err != nil || len(list) > 0 {
		t.Errorf("the next user has the roles %+v, %v", list, err)
	}
	if _, codes, err := factor.Status(ctx, "7"); err != nil || codes != 0 {
		t.Errorf("the next user has %d recovery codes, %v", codes, err)
	}
	uncached, err := apikey.New("myapp_live", store, records, apikey.Config{CacheTime: apikey.NoCache})
	must(err)
	if _, err := uncached.Verify(ctx, string(ada.apiKey)); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("the next user inherits an API key: %v", err)
	}
	if list, err := apiKeys.List(ctx, "7"); err != nil || len(list) != 0 {
		t.Errorf("the next user has %d API keys, %v", len(list), err)
	}
	for what, form := range map[string]url.Values{
		"refresh token": {"grant_type": {"refresh_token"}, "refresh_token": {ada.app}},
		"code":          {"grant_type": {"authorization_code"}, "code": {ada.code}, "code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}},
	} {
		if connected.token(form) != "" {
			t.Errorf("the next user inherits the %s of an app", what)
		}
	}
	if list, err := connected.Grants(ctx, "7"); err != nil || len(list) != 0 {
		t.Errorf("the next user has %d connected apps, %v", len(list), err)
	}
	for what, err := range map[string]error{
		"refresh token": second(a.Refresh(ctx, ada.refresh)),
		"reset link":    second(flows.Reset(ctx, ada.reset, "another password")),
		"login link":    second(flows.LoginByLink(ctx, ada.login)),
		"requested one": second(flows.LoginByRequestedLink(ctx, ada.challenge, ada.requested)),
		"change link":   flows.ChangeAddress(ctx, ada.change, "another password"),
	} {
		if !errors.Is(err, auth.ErrInvalidGrant) && !errors.Is(err, recovery.ErrInvalidToken) {
			t.Errorf("the next user inherits a %s: %v", what, err)
		}
	}
}

// second returns the error of a call.
func second[T any](_ T, err error) error { return err }
