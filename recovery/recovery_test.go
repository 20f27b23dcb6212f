package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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

// outbox is a Notifier that keeps what it is given.
type outbox struct {
	mu    sync.Mutex
	sent  []recovery.Message
	fails error         // unless nil: what it returns, sending nothing
	wait  time.Duration // for records that are slow
}

func (o *outbox) Notify(_ context.Context, m recovery.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fails == nil {
		o.sent = append(o.sent, m)
	}
	return o.fails
}

// take returns what was sent since the last call, once the queue is idle.
func (o *outbox) take() []recovery.Message {
	time.Sleep(o.wait)
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	sent := o.sent
	o.sent = nil
	return sent
}

// one returns the one message that was sent, or ends the test.
func (w *world) one(kind recovery.Kind, to string) recovery.Message {
	w.t.Helper()
	sent := w.outbox.take()
	if len(sent) != 1 || sent[0].Kind != kind || sent[0].To != to {
		w.t.Fatalf("sent %v, want one %s to %s", sent, kind, to)
	}
	return sent[0]
}

// nothing fails the test if a message was sent.
func (w *world) nothing(why string) {
	w.t.Helper()
	if sent := w.outbox.take(); len(sent) > 0 {
		w.t.Errorf("sent %v %s", sent, why)
	}
}

const (
	password = "correct horse battery"
	another  = "a quite different one"
	ada      = "ada@example.com"
	eve      = "eve@example.com"
	nobody   = "nobody@example.com"
)

// world is a service with accounts, in a synctest bubble.
type world struct {
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

// run calls test in a bubble, with a world that is closed after it.
func run(t *testing.T, cfg recovery.Config, test func(t *testing.T, w *world)) {
	t.Helper()
	runOver(t, cfg, nil, test)
}

// slow is a RecordStore that takes a millisecond for each call, so that calls at
// one time come between each other.
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

// runOver is run with records that are wrapped.
func runOver(t *testing.T, cfg recovery.Config, wrap func(auth.RecordStore) auth.RecordStore, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cfg, wrap)
		test(t, w)
		if err := w.recovery.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// newWorld returns one whose records are wrapped by wrap, unless that is nil.
func newWorld(t testing.TB, cfg recovery.Config, wrap func(auth.RecordStore) auth.RecordStore) *world {
	t.Helper()
	w := &world{t: t, store: memstore.New(), addresses: recovery.NewMemoryAddresses(), outbox: new(outbox)}
	w.records = w.store
	if wrap != nil {
		w.records, w.outbox.wait = wrap(w.store), time.Second/2
	}
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	w.keys = ring
	if w.refresh, err = secrets.NewRing(secrets.Generate()); err != nil {
		t.Fatal(err)
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://app.example.com/account/"
	}
	cfg.Events = w.record
	w.open(auth.Config{}, cfg)
	return w
}

// open makes the service anew over what is stored.
func (w *world) open(accounts auth.Config, cfg recovery.Config) {
	w.t.Helper()
	issuer, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://api.example.com", Audience: "https://api.example.com", Keys: w.keys})
	if err != nil {
		w.t.Fatal(err)
	}
	accounts.Hasher, accounts.RefreshKeys, accounts.Accounts, accounts.Events = authtest.FastHasher(w.t), w.refresh, w.store, w.record
	if accounts.Sessions == nil {
		accounts.Sessions = w.store
	}
	if w.accounts, err = auth.New(w.store, issuer, accounts); err != nil {
		w.t.Fatal(err)
	}
	if w.recovery, err = recovery.New(w.accounts, w.addresses, w.records, w.outbox, cfg); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) record(_ context.Context, e auth.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// told returns the events of a kind so far, once the queue is idle.
func (w *world) told(kind auth.EventKind) []auth.Event {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	var told []auth.Event
	for _, e := range w.events {
		if e.Kind == kind {
			told = append(told, e)
		}
	}
	return told
}

// user registers one, with a verified address unless unverified.
func (w *world) user(address string, verified bool) (id string) {
	w.t.Helper()
	u, err := w.accounts.Register(w.t.Context(), "user-of-"+address, password)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.addresses.ReplaceAddress(w.t.Context(), u.ID, "", address, verified); err != nil {
		w.t.Fatal(err)
	}
	return u.ID
}

func (w *world) logsIn(address, password string) bool {
	w.t.Helper()
	_, err := w.accounts.Login(w.t.Context(), "user-of-"+address, password)
	if err != nil && !errors.Is(err, auth.ErrInvalidCredentials) {
		w.t.Fatal(err)
	}
	return err == nil
}

// token returns what the link of a message holds, which must begin with the base.
func token(t testing.TB, m recovery.Message) string {
	t.Helper()
	text, ok := strings.CutPrefix(m.Link, "https://app.example.com/account/"+string(m.Kind)+"?token=")
	if !ok || len(text) != 64 {
		t.Fatalf("the link is %q", m.Link)
	}
	return text
}

// asks makes a request and returns the one message it caused.
func (w *world) asks(kind recovery.Kind, address string) recovery.Message {
	w.t.Helper()
	ask := map[recovery.Kind]func(context.Context, string) error{
		recovery.KindReset: w.recovery.RequestReset, recovery.KindVerify: w.recovery.RequestVerification,
		recovery.KindLogin: w.recovery.RequestLoginLink,
	}
	if err := ask[kind](w.t.Context(), address); err != nil {
		w.t.Fatal(err)
	}
	return w.one(kind, address)
}

func is(t testing.TB, got, want error, what string) {
	t.Helper()
	if got != want && !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestNewFindsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := recovery.New(nil, nil, nil, nil, recovery.Config{
		ResetLife: 61 * time.Minute, VerifyLife: 25 * time.Hour, LinkLife: time.Second, CodeLife: 11 * time.Minute,
		Workers: 65, Queue: -1, SendTimeout: time.Hour,
	})
	for _, field := range []string{"accounts", "addresses", "records", "notifier"} {
		if !strings.Contains(fmt.Sprint(err), "auth: recovery.New."+field+": is required") {
			t.Errorf("no word of %s in %v", field, err)
		}
	}
	for _, field := range []string{"BaseURL", "ResetLife", "VerifyLife", "LinkLife", "CodeLife", "Workers", "Queue", "SendTimeout"} {
		if !strings.Contains(fmt.Sprint(err), "recovery.Config."+field) {
			t.Errorf("no word of %s in %v", field, err)
		}
	}
	if _, ok := errors.AsType[*auth.ConfigError](err); !ok {
		t.Errorf("%T is no *auth.ConfigError", err)
	}
	// The bounds themselves are good, and what lies beyond them is not.
	for _, row := range []struct {
		field string
		cfg   recovery.Config
		good  bool
	}{
		{"ResetLife", recovery.Config{ResetLife: time.Hour}, true}, {"ResetLife", recovery.Config{ResetLife: time.Minute - 1}, false},
		{"VerifyLife", recovery.Config{VerifyLife: 24 * time.Hour}, true}, {"VerifyLife", recovery.Config{VerifyLife: time.Minute - 1}, false},
		{"LinkLife", recovery.Config{LinkLife: time.Hour}, true}, {"LinkLife", recovery.Config{LinkLife: time.Hour + 1}, false},
		{"CodeLife", recovery.Config{CodeLife: 10 * time.Minute}, true}, {"CodeLife", recovery.Config{CodeLife: time.Minute - 1}, false},
	} {
		_, err := recovery.New(nil, nil, nil, nil, row.cfg)
		if got := !strings.Contains(fmt.Sprint(err), "recovery.Config."+row.field); got != row.good {
			t.Errorf("%s of %+v accepted: %t", row.field, row.cfg, got)
		}
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for base, good := range map[string]bool{
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
		if got := !strings.Contains(fmt.Sprint(err), "BaseURL"); got != good {
			t.Errorf("%q accepted: %t, want %t", base, got, good)
		}
	}
}

func TestFromNamesTheDevice(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		id := w.user(ada, true)
		device := auth.Device{UserAgent: "curl/8\x00", IP: netip.MustParseAddr("192.0.2.1"), Known: "secret"}
		ctx := auth.WithDevice(t.Context(), device)
		if err := w.recovery.RequestLoginLink(ctx, ada); err != nil {
			t.Fatal(err)
		}
		if _, err := w.recovery.LoginByLink(ctx, token(t, w.one(recovery.KindLogin, ada))); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []auth.EventKind{auth.EventLoginAsked, auth.EventLogin} {
			if told := w.told(kind); len(told) != 1 || told[0].UserID != id || told[0].IP != device.IP || told[0].UserAgent != "curl/8" || told[0].Known != "" {
				t.Errorf("%s: %v", kind, told)
			}
		}
	})
}

// TestNothingSecretIsPrinted holds every way to print a message, and the records.
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
			t.Errorf("%q is in %s", secret, text)
		}
	}
}
