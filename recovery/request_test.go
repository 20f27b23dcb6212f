package recovery_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// stuck is an Addresses whose lookups wait until free is closed.
type stuck struct {
	recovery.Addresses
	free chan struct{}
}

func (s *stuck) UserByAddress(ctx context.Context, address string) (string, error) {
	select {
	case <-s.free:
		return s.Addresses.UserByAddress(ctx, address)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// newStuck returns a Recovery on addresses that are stuck.
func newStuck(f *fixture, cfg recovery.Config) (*recovery.Recovery, *stuck) {
	f.t.Helper()
	s := &stuck{f.addresses, make(chan struct{})}
	cfg.BaseURL, cfg.Events = "https://app.example.com/account", f.record
	r, err := recovery.New(f.accounts, s, f.records, f.outbox, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return r, s
}

// TestRequestsWaitForNothing: a request returns before the address is looked up, so it takes the same
// time for every address.
func TestRequestsWaitForNothing(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		r, s := newStuck(f, recovery.Config{})
		start := time.Now()
		for _, address := range []string{ada, nobody} {
			_, err := r.RequestLoginCode(t.Context(), address)
			for i, err := range []error{err, r.RequestReset(t.Context(), address), r.RequestVerification(t.Context(), address), r.RequestLoginLink(t.Context(), address)} {
				if err != nil {
					t.Errorf("request %d for %s: %v", i, address, err)
				}
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the requests waited %v, want no time", took)
		}
		close(s.free)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if sent := f.outbox.take(); len(sent) != 3 {
			t.Errorf("sent %v, want a code, a reset link and a login link to %s", sent, ada)
		}
	})
}

// TestFullQueue: a full queue refuses every address, and accepts requests again once it has drained.
func TestFullQueue(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		r, s := newStuck(f, recovery.Config{Workers: 2, Queue: 3})
		for i := range 5 {
			if err := r.RequestReset(t.Context(), nobody); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
			synctest.Wait()
		}
		for _, address := range []string{ada, nobody} {
			_, code := r.RequestLoginCode(t.Context(), address)
			for _, err := range []error{r.RequestReset(t.Context(), address), code} {
				retry, ok := errors.AsType[*auth.RetryError](err)
				if !ok || !errors.Is(err, auth.ErrBusy) || retry.After < time.Second || auth.HTTPStatus(err) != 503 {
					t.Errorf("a request for %s with a full queue: %v, want a RetryError of ErrBusy", address, err)
				}
			}
		}
		close(s.free)
		synctest.Wait()
		if err := r.RequestReset(t.Context(), ada); err != nil {
			t.Errorf("a request after the queue has drained: %v", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		f.onlyMessage(recovery.KindReset, ada)
		if err := r.RequestReset(t.Context(), ada); err == nil {
			t.Error("a request after Close was accepted")
		}
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

// TestCloseTimeout: Close returns when its context ends, and cancels the remaining jobs.
func TestCloseTimeout(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		r, _ := newStuck(f, recovery.Config{Workers: 1})
		for range 10 {
			if err := r.RequestReset(t.Context(), ada); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := r.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close returned %v, want context.DeadlineExceeded", err)
		}
		synctest.Wait()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if events := f.emitted(auth.EventResetAsked); len(events) != 10 || !errors.Is(events[9].Err, context.Canceled) {
			t.Errorf("%d requests were reported, want 10 with context.Canceled", len(events))
		}
	})
}

// TestSendTimeout: a message that cannot be sent occupies a worker for SendTimeout at most.
func TestSendTimeout(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		r, _ := newStuck(f, recovery.Config{})
		if err := r.RequestReset(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestRequestOutlivesItsContext: a message is sent although the HTTP request that caused it has ended.
func TestRequestOutlivesItsContext(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		ctx, cancel := context.WithCancel(t.Context())
		err := f.recovery.RequestReset(ctx, ada)
		cancel()
		is(t, err, nil, "the request")
		f.onlyMessage(recovery.KindReset, ada)
	})
}

// TestNoGoroutineIsLeft: Close leaves no goroutine behind. It runs outside of a bubble to count them.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	f := newFixture(t, recovery.Config{}, nil)
	f.user(ada, true)
	for range 100 {
		if err := f.recovery.RequestReset(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.recovery.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The last worker signals that it is done just before its goroutine ends.
	for end := time.Now().Add(2 * time.Minute); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines after Close, %d before New", after, before)
	}
}

// TestRate: requests from one network, or an unknown one, get at most one message of a kind to an
// address in a minute. After ten in a day they get one an hour.
func TestRate(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		f.user(eve, true)
		request := func() int { // returns how many messages were sent
			if err := f.recovery.RequestReset(t.Context(), "ADA@example.com"); err != nil {
				t.Fatal(err)
			}
			return len(f.outbox.take())
		}
		if request() != 1 || request() != 0 {
			t.Error("two requests at once must send one message")
		}
		f.asks(recovery.KindReset, eve) // another address is not affected
		f.asks(recovery.KindLogin, ada) // another kind of message is not affected
		time.Sleep(time.Minute - time.Millisecond)
		if request() != 0 {
			t.Error("a second message was sent within a minute")
		}
		sent := 1
		for range 60 {
			time.Sleep(time.Minute)
			sent += request()
		}
		if sent != 10 {
			t.Errorf("%d messages in an hour, want 10", sent)
		}
		sent = 0
		for range 5 * 60 {
			time.Sleep(time.Minute)
			sent += request()
		}
		if sent != 5 {
			t.Errorf("%d messages in the next five hours, want one an hour", sent)
		}
		time.Sleep(24 * time.Hour)
		sent = 0
		for range 30 {
			time.Sleep(time.Minute)
			sent += request()
		}
		if sent != 10 {
			t.Errorf("%d messages in half an hour of the next day, want 10", sent)
		}
		limited := 0
		for _, e := range f.emitted(auth.EventResetAsked) {
			if e.Err != nil {
				limited++
			}
		}
		if want := 2 + 51 + 295 + 20; limited != want {
			t.Errorf("%d requests were reported as limited, want %d", limited, want)
		}
	})
}

// shifted is a RecordStore whose clock can be set.
type shifted struct {
	auth.RecordStore
	by time.Duration
}

func (s *shifted) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	r, now, err := s.RecordStore.Record(ctx, key)
	return r, now.Add(s.by), err
}

// TestRateAfterClockSetBack: after the store's clock was ahead and has been set back, messages are sent
// again at once.
func TestRateAfterClockSetBack(t *testing.T) {
	var clock *shifted
	wrap := func(s auth.RecordStore) auth.RecordStore { clock = &shifted{RecordStore: s}; return clock }
	runOver(t, recovery.Config{}, wrap, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		clock.by = 365 * 24 * time.Hour
		f.asks(recovery.KindReset, ada)
		clock.by = 0
		f.asks(recovery.KindReset, ada)
		clock.by = -30 * time.Second // the clock of another server after a failover
		is(t, f.recovery.RequestReset(t.Context(), ada), nil, "another request")
		f.sentNothing("within a minute")
	})
}

// TestRateOfConcurrentRequests: concurrent requests send one message.
func TestRateOfConcurrentRequests(t *testing.T) {
	runOver(t, recovery.Config{Workers: 16}, slow, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		var requests sync.WaitGroup
		for range 50 {
			requests.Go(func() {
				if err := f.recovery.RequestReset(t.Context(), ada); err != nil {
					t.Error(err)
				}
			})
		}
		requests.Wait()
		f.onlyMessage(recovery.KindReset, ada)
	})
}

// TestUnknownAddress: nothing is sent to an unknown address or to a disabled account, and an event says
// why.
func TestUnknownAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		if err := f.accounts.Disable(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{nobody, ada} {
			is(t, f.recovery.RequestReset(t.Context(), address), nil, address)
		}
		f.sentNothing("to an unknown address or a disabled account")
		if events := f.emitted(auth.EventResetAsked); len(events) != 2 || events[0].Err == nil || events[1].Err == nil {
			t.Errorf("emitted %v, want two events with an error", events)
		}
	})
}

// TestFailedSending: a message that cannot be sent is logged and reported in an event, without secrets.
func TestFailedSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		f := newFixture(t, recovery.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil)
		f.user(ada, true)
		f.outbox.fails = errors.New("the mail server is down")
		is(t, f.recovery.RequestReset(t.Context(), ada), nil, "the request")
		if err := f.recovery.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "the mail server is down") || strings.Contains(log.String(), "token=") {
			t.Errorf("logged %q", log.String())
		}
		if events := f.emitted(auth.EventResetAsked); len(events) != 1 || !errors.Is(events[0].Err, f.outbox.fails) {
			t.Errorf("emitted %v, want one event with the error of the notifier", events)
		}
	})
}

// lookAlike is an Addresses that finds ada by every address.
type lookAlike struct{ *recovery.MemoryAddresses }

func (l lookAlike) UserByAddress(ctx context.Context, _ string) (string, error) {
	return l.MemoryAddresses.UserByAddress(ctx, ada)
}

// TestSentToWhatIsStored: if a look-alike of an address finds an account, the message goes to the stored
// address and not to the look-alike (CVE-2019-19844).
func TestSentToWhatIsStored(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		r, err := recovery.New(f.accounts, lookAlike{f.addresses}, f.records, f.outbox, recovery.Config{
			BaseURL:   "https://app.example.com",
			Canonical: func(address string) (string, error) { return address, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		is(t, r.RequestReset(t.Context(), "ada@example.cοm"), nil, "the request")
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.onlyMessage(recovery.KindReset, ada)
	})
}

// TestUnsendableAddress: nothing is sent to a stored address that holds a line break.
func TestUnsendableAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		if err := f.addresses.ReplaceAddress(t.Context(), id, ada, unsendable, true); err != nil {
			t.Fatal(err)
		}
		r, err := recovery.New(f.accounts, unsendableOnly{f.addresses}, f.records, f.outbox, recovery.Config{BaseURL: "https://app.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		is(t, r.RequestReset(t.Context(), ada), nil, "the request")
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.sentNothing("to two addresses")
	})
}

const unsendable = "ada@example.com\r\nBcc: eve@example.com"

// unsendableOnly is an Addresses that finds the user of the unsendable address by every address.
type unsendableOnly struct{ *recovery.MemoryAddresses }

func (u unsendableOnly) UserByAddress(ctx context.Context, _ string) (string, error) {
	return u.MemoryAddresses.UserByAddress(ctx, unsendable)
}

// TestRecordsHoldNoSecret: a reader of the store sees no code, link or password hash, and no address or
// ID in a key.
func TestRecordsHoldNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var store *dumped
		f := newFixture(t, recovery.Config{}, func(s auth.RecordStore) auth.RecordStore {
			store = &dumped{RecordStore: s}
			return store
		})
		id := f.user(ada, true)
		challenge, code := f.code(ada)
		link := token(t, f.asks(recovery.KindReset, ada))
		other, login, _ := f.requestLogin(browser)
		u, err := f.store.UserByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{code, challenge[22:], link[22:], other[22:], login[22:], browser, ada, id, u.PasswordHash} {
			for _, key := range store.keys {
				if strings.Contains(key, secret) {
					t.Errorf("the key %s holds %q", key, secret)
				}
			}
		}
		for _, secret := range []string{`"` + code + `"`, challenge[22:], link[22:], other[22:], login[22:], browser, u.PasswordHash} {
			if strings.Contains(store.values.String(), secret) {
				t.Errorf("the records hold %q: %s", secret, &store.values)
			}
		}
		// The secret of a token must not be there as bytes either.
		values := store.values.String()
		for _, field := range regexp.MustCompile(`"[^"]*"`).FindAllString(values, -1) {
			var stored []byte
			if json.Unmarshal([]byte(field), &stored) != nil {
				continue
			}
			if bytes.Contains(stored, []byte(browser)) {
				t.Errorf("the records hold the secret of a browser: %s", values)
			}
			for _, text := range []string{challenge, link, other, login} {
				secret, err := base64.RawURLEncoding.DecodeString(text)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(stored, secret[16:]) {
					t.Errorf("the records hold the secret of a token: %s", values)
				}
			}
		}
		if err := f.recovery.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// dumped is a RecordStore that keeps the keys and values of all writes.
type dumped struct {
	auth.RecordStore
	keys   []string
	values strings.Builder
}

func (d *dumped) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	d.keys = append(d.keys, r.Key)
	fmt.Fprintf(&d.values, "%s\n", r.Value)
	return d.RecordStore.ReplaceRecord(ctx, old, r)
}
