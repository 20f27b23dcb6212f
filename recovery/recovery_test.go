package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/secrets"
)

// outbox is a Notifier that keeps the messages it is given.
type outbox struct {
	mu    sync.Mutex
	sent  []recovery.Message
	fails error         // result of each Notify, unless nil; nothing is kept then
	wait  time.Duration // how long take waits for slow records
}

func (o *outbox) Notify(_ context.Context, m recovery.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fails == nil {
		o.sent = append(o.sent, m)
	}
	return o.fails
}

// take waits until the queues are idle and returns what was sent since the last call. A link to change
// an address comes after the notice of it, which another queue sends.
func (o *outbox) take() []recovery.Message {
	time.Sleep(o.wait)
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	sent := o.sent
	o.sent = nil
	slices.SortStableFunc(sent, func(a, b recovery.Message) int {
		if a.Kind == recovery.KindChangeAsked && b.Kind == recovery.KindChange {
			return -1
		}
		return 0
	})
	return sent
}

// onlyMessage returns the message that was sent. It ends the test if there is none, or more than one.
func (f *fixture) onlyMessage(kind recovery.Kind, to string) recovery.Message {
	f.t.Helper()
	sent := f.outbox.take()
	if len(sent) != 1 || sent[0].Kind != kind || sent[0].To != to {
		f.t.Fatalf("sent %v, want one %s to %s", sent, kind, to)
	}
	return sent[0]
}

// sentNothing fails the test if a message was sent. why says in which case none may be sent.
func (f *fixture) sentNothing(why string) {
	f.t.Helper()
	if sent := f.outbox.take(); len(sent) > 0 {
		f.t.Errorf("sent %v %s, want nothing", sent, why)
	}
}

const (
	password = "correct horse battery"
	another  = "a quite different one"
	ada      = "ada@example.com"
	eve      = "eve@example.com"
	nobody   = "nobody@example.com"
)

// fixture is a service with accounts, as a rule in a synctest bubble.
type fixture struct {
	t         testing.TB
	store     *memstore.Store
	records   auth.RecordStore
	keys      *jwt.KeyRing
	refresh   *secrets.Ring
	accounts  *auth.Authenticator
	addresses *recovery.MemoryAddresses
	outbox    *outbox
	recovery  *recovery.Recovery

	mu     sync.Mutex
	events []auth.Event
}

// run calls test in a bubble, with a fixture that is closed afterwards.
func run(t *testing.T, cfg recovery.Config, test func(t *testing.T, f *fixture)) {
	t.Helper()
	runOver(t, cfg, nil, test)
}

// slow returns a RecordStore whose calls take time, so that concurrent calls interleave.
func slow(s auth.RecordStore) auth.RecordStore { return slowRecords{s} }

type slowRecords struct{ auth.RecordStore }

func (s slowRecords) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	defer time.Sleep(time.Millisecond)
	return s.RecordStore.Record(ctx, key)
}

func (s slowRecords) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	defer time.Sleep(time.Millisecond)
	return s.RecordStore.ReplaceRecord(ctx, old, r)
}

func (s slowRecords) DeleteRecord(ctx context.Context, key string, version int64) error {
	time.Sleep(10 * time.Millisecond)
	return s.RecordStore.DeleteRecord(ctx, key, version)
}

// runOver is run with a RecordStore that is wrapped by wrap, unless that is nil.
func runOver(t *testing.T, cfg recovery.Config, wrap func(auth.RecordStore) auth.RecordStore, test func(t *testing.T, f *fixture)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, cfg, wrap)
		test(t, f)
		if err := f.recovery.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// newFixture returns a fixture whose RecordStore is wrapped by wrap, unless that is nil.
func newFixture(t testing.TB, cfg recovery.Config, wrap func(auth.RecordStore) auth.RecordStore) *fixture {
	t.Helper()
	f := &fixture{t: t, store: memstore.New(), addresses: recovery.NewMemoryAddresses(), outbox: new(outbox)}
	f.records = f.store
	if wrap != nil {
		f.records, f.outbox.wait = wrap(f.store), time.Second/2
	}
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	f.keys = ring
	if f.refresh, err = secrets.NewRing(secrets.Generate()); err != nil {
		t.Fatal(err)
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://app.example.com/account/"
	}
	cfg.Events = f.record
	f.open(auth.Config{}, cfg)
	return f
}

// open makes a new service on the same stores.
func (f *fixture) open(accounts auth.Config, cfg recovery.Config) {
	f.t.Helper()
	issuer, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://api.example.com", Audience: "https://api.example.com", Keys: f.keys})
	if err != nil {
		f.t.Fatal(err)
	}
	accounts.Hasher, accounts.RefreshKeys, accounts.Accounts, accounts.Events = authtest.FastHasher(f.t), f.refresh, f.store, f.record
	if accounts.Sessions == nil {
		accounts.Sessions = f.store
	}
	if f.accounts, err = auth.New(f.store, issuer, accounts); err != nil {
		f.t.Fatal(err)
	}
	if f.recovery, err = recovery.New(f.accounts, f.addresses, f.records, f.outbox, cfg); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) record(_ context.Context, e auth.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

// emitted waits until the queue is idle and returns the events of a kind so far.
func (f *fixture) emitted(kind auth.EventKind) []auth.Event {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	var events []auth.Event
	for _, e := range f.events {
		if e.Kind == kind {
			events = append(events, e)
		}
	}
	return events
}

// user registers a user with an address, verified or not, and returns the ID.
func (f *fixture) user(address string, verified bool) (id string) {
	f.t.Helper()
	u, err := f.accounts.Register(f.t.Context(), "user-of-"+address, password)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.addresses.ReplaceAddress(f.t.Context(), u.ID, "", address, verified); err != nil {
		f.t.Fatal(err)
	}
	return u.ID
}

// logsIn reports whether the user of an address can log in with password.
func (f *fixture) logsIn(address, password string) bool {
	f.t.Helper()
	_, err := f.accounts.Login(f.t.Context(), "user-of-"+address, password)
	if err != nil && !errors.Is(err, auth.ErrInvalidCredentials) {
		f.t.Fatal(err)
	}
	return err == nil
}

// token returns the token in the link of a message. It ends the test if the link is malformed.
func token(t testing.TB, m recovery.Message) string {
	t.Helper()
	text, ok := strings.CutPrefix(m.Link, "https://app.example.com/account/"+string(m.Kind)+"?token=")
	if !ok || len(text) != 64 {
		t.Fatalf("the link is %q", m.Link)
	}
	return text
}

// asks requests a link for an address and returns the message with it.
func (f *fixture) asks(kind recovery.Kind, address string) recovery.Message {
	f.t.Helper()
	request := map[recovery.Kind]func(context.Context, string) error{
		recovery.KindReset: f.recovery.RequestReset, recovery.KindVerify: f.recovery.RequestVerification,
		recovery.KindLogin: f.recovery.RequestLoginLink,
	}
	if err := request[kind](f.t.Context(), address); err != nil {
		f.t.Fatal(err)
	}
	return f.onlyMessage(kind, address)
}

// is fails the test unless got is want.
func is(t testing.TB, got, want error, what string) {
	t.Helper()
	if got != want && !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestNewFindsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := recovery.New(nil, nil, nil, nil, recovery.Config{
		ResetLife: 61 * time.Minute, VerifyLife: 25 * time.Hour, LinkLife: time.Second, CodeLife: 11 * time.Minute,
		Workers: 65, Queue: -1, SendTimeout: time.Hour, NetworkBurst: -1, NetworkEvery: 2 * time.Hour,
	})
	for _, field := range []string{"accounts", "addresses", "records", "notifier"} {
		if !strings.Contains(fmt.Sprint(err), "auth: recovery.New."+field+": is required") {
			t.Errorf("the fault of %s is missing in %v", field, err)
		}
	}
	for _, field := range []string{"BaseURL", "ResetLife", "VerifyLife", "LinkLife", "CodeLife", "Workers", "Queue", "SendTimeout", "NetworkBurst", "NetworkEvery"} {
		if !strings.Contains(fmt.Sprint(err), "recovery.Config."+field) {
			t.Errorf("the fault of %s is missing in %v", field, err)
		}
	}
	if _, ok := errors.AsType[*auth.ConfigError](err); !ok {
		t.Errorf("New returned a %T without an *auth.ConfigError", err)
	}
	// Values at the bounds are accepted, values beyond them are not.
	for _, row := range []struct {
		field string
		cfg   recovery.Config
		valid bool
	}{
		{"ResetLife", recovery.Config{ResetLife: time.Hour}, true}, {"ResetLife", recovery.Config{ResetLife: time.Minute - 1}, false},
		{"VerifyLife", recovery.Config{VerifyLife: 24 * time.Hour}, true}, {"VerifyLife", recovery.Config{VerifyLife: time.Minute - 1}, false},
		{"LinkLife", recovery.Config{LinkLife: time.Hour}, true}, {"LinkLife", recovery.Config{LinkLife: time.Hour + 1}, false},
		{"CodeLife", recovery.Config{CodeLife: 10 * time.Minute}, true}, {"CodeLife", recovery.Config{CodeLife: time.Minute - 1}, false},
	} {
		_, err := recovery.New(nil, nil, nil, nil, row.cfg)
		if got := !strings.Contains(fmt.Sprint(err), "recovery.Config."+row.field); got != row.valid {
			t.Errorf("%s of %+v accepted: %t, want %t", row.field, row.cfg, got, row.valid)
		}
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for base, valid := range map[string]bool{
		"https://app.example.com":            true,
		"https://app.example.com/a/b/":       true,
		"http://localhost:8080":              true,
		"http://127.0.0.1:8080/x":            true,
		"http://[::1]:8080":                  true,
		"":                                   false,
		"/reset":                             false,
		"http://app.example.com":             false,
		"https://":                           false,
		"https://user@app.example.com":       false,
		"https://app.example.com?next=1":     false,
		"https://app.example.com#":           false,
		"javascript://app.example.com/%0aa":  false,
		"https://app.example.com/\r\nBcc: x": false,
		"https://app.example.com/ x":         false,
	} {
		_, err := recovery.New(nil, nil, nil, nil, recovery.Config{BaseURL: base})
		if got := !strings.Contains(fmt.Sprint(err), "BaseURL"); got != valid {
			t.Errorf("BaseURL %q accepted: %t, want %t", base, got, valid)
		}
	}
}

// TestDeviceInEvents: sessions and events name the device of the call.
func TestDeviceInEvents(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		device := auth.Device{UserAgent: "curl/8\x00", IP: netip.MustParseAddr("192.0.2.1"), Known: "secret"}
		ctx := auth.WithDevice(t.Context(), device)
		if err := f.recovery.RequestLoginLink(ctx, ada); err != nil {
			t.Fatal(err)
		}
		if _, err := f.recovery.LoginByLink(ctx, token(t, f.onlyMessage(recovery.KindLogin, ada))); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []auth.EventKind{auth.EventLoginAsked, auth.EventLogin} {
			events := f.emitted(kind)
			if len(events) != 1 {
				t.Errorf("%d events of kind %s, want 1", len(events), kind)
				continue
			}
			if e := events[0]; e.UserID != id || e.IP != device.IP || e.UserAgent != "curl/8" || e.Known != "" {
				t.Errorf("%s: emitted %v", kind, e)
			}
		}
	})
}

// TestNothingSecretIsPrinted: however a message is printed, its secrets and its address are not shown.
func TestNothingSecretIsPrinted(t *testing.T) {
	t.Parallel()
	m := recovery.Message{Kind: recovery.KindCode, UserID: "u1", To: ada, Link: "https://a.example/SECRET", Code: "123456"}
	text := fmt.Sprintf("%v %+v %#v %s %q %d %x %v", m, m, m, m, m, m, m, &m)
	json, err := m.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	text += string(json) + m.LogValue().String()
	for _, secret := range []string{"SECRET", "123456", ada} {
		if strings.Contains(text, secret) {
			t.Errorf("a printed message shows %q: %s", secret, text)
		}
	}
}
