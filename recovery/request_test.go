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

// stuck is an Addresses and a Notifier that wait until it is let go.
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

// newStuck returns a Recovery whose look-ups wait.
func newStuck(w *world, cfg recovery.Config) (*recovery.Recovery, *stuck) {
	w.t.Helper()
	s := &stuck{w.addresses, make(chan struct{})}
	cfg.BaseURL, cfg.Events = "https://app.example.com/account", w.record
	r, err := recovery.New(w.accounts, s, w.records, w.outbox, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return r, s
}

// TestRequestsWaitForNothing holds that no request takes longer for an address that
// is somebody's: it does not even look.
func TestRequestsWaitForNothing(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		r, s := newStuck(w, recovery.Config{})
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
			t.Errorf("the requests waited %v", took)
		}
		close(s.free)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if sent := w.outbox.take(); len(sent) != 3 {
			t.Errorf("sent %v, want code, reset and login to %s", sent, ada)
		}
	})
}

// TestFullQueue holds that a queue that is full refuses everybody, and one that has
// drained nobody.
func TestFullQueue(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		r, s := newStuck(w, recovery.Config{Workers: 2, Queue: 3})
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
					t.Errorf("a full queue answers %v for %s", err, address)
				}
			}
		}
		close(s.free)
		synctest.Wait()
		if err := r.RequestReset(t.Context(), ada); err != nil {
			t.Errorf("a queue that has drained: %v", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		w.one(recovery.KindReset, ada)
		if err := r.RequestReset(t.Context(), ada); err == nil {
			t.Error("a request after Close was accepted")
		}
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	})
}

// TestCloseThatIsCutShort holds that Close waits no longer than it may.
func TestCloseThatIsCutShort(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		r, _ := newStuck(w, recovery.Config{Workers: 1})
		for range 10 {
			if err := r.RequestReset(t.Context(), ada); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := r.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if told := w.told(auth.EventResetAsked); len(told) != 10 || !errors.Is(told[9].Err, context.Canceled) {
			t.Errorf("%d requests were told of", len(told))
		}
	})
}

// TestSendTimeout holds that one message cannot hold a worker for ever.
func TestSendTimeout(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		r, _ := newStuck(w, recovery.Config{})
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

// TestRequestOutlivesItsContext holds that the end of the HTTP request ends nothing.
func TestRequestOutlivesItsContext(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		ctx, cancel := context.WithCancel(t.Context())
		err := w.recovery.RequestReset(ctx, ada)
		cancel()
		is(t, err, nil, "the request")
		w.one(recovery.KindReset, ada)
	})
}

// TestNoGoroutineIsLeft counts them, outside of a bubble.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	w := newWorld(t, recovery.Config{}, nil)
	w.user(ada, true)
	for range 100 {
		if err := w.recovery.RequestReset(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.recovery.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The last worker has said that it is done, and is about to return.
	for end := time.Now().Add(2 * time.Minute); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

// TestRate holds how many messages of a kind an address gets.
func TestRate(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		w.user(eve, true)
		ask := func() int {
			if err := w.recovery.RequestReset(t.Context(), "ADA@example.com"); err != nil {
				t.Fatal(err)
			}
			return len(w.outbox.take())
		}
		if ask() != 1 || ask() != 0 {
			t.Error("a second message within a minute")
		}
		w.asks(recovery.KindReset, eve) // another's does not count
		w.asks(recovery.KindLogin, ada) // nor another kind
		time.Sleep(time.Minute - time.Millisecond)
		if ask() != 0 {
			t.Error("a second message within a minute")
		}
		sent := 1
		for range 60 {
			time.Sleep(time.Minute)
			sent += ask()
		}
		if sent != 10 {
			t.Errorf("%d messages in an hour, want 10", sent)
		}
		time.Sleep(24*time.Hour - 62*time.Minute)
		if ask() != 0 {
			t.Error("an eleventh message within 24 hours")
		}
		time.Sleep(2 * time.Minute)
		if ask() != 1 {
			t.Error("no message on the next day")
		}
		limited := 0
		for _, e := range w.told(auth.EventResetAsked) {
			if e.Err != nil {
				limited++
			}
		}
		if limited != 54 {
			t.Errorf("%d requests told as limited", limited)
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

// TestRateAfterClockSetBack holds that a clock that went wrong and was set right keeps
// messages from nobody for as long as it was wrong.
func TestRateAfterClockSetBack(t *testing.T) {
	var clock *shifted
	wrap := func(s auth.RecordStore) auth.RecordStore { clock = &shifted{RecordStore: s}; return clock }
	runOver(t, recovery.Config{}, wrap, func(t *testing.T, w *world) {
		w.user(ada, true)
		clock.by = 365 * 24 * time.Hour
		w.asks(recovery.KindReset, ada)
		clock.by = 0
		w.asks(recovery.KindReset, ada)
		clock.by = -30 * time.Second // as of another server that takes over
		is(t, w.recovery.RequestReset(t.Context(), ada), nil, "asking again")
		w.nothing("within a minute")
	})
}

// TestRateAtOnce holds that requests at one time send one message.
func TestRateAtOnce(t *testing.T) {
	runOver(t, recovery.Config{Workers: 16}, slow, func(t *testing.T, w *world) {
		w.user(ada, true)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := w.recovery.RequestReset(t.Context(), ada); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.one(recovery.KindReset, ada)
	})
}

// TestNobodyIsTold holds who gets no message, and that the host learns of it.
func TestNobodyIsTold(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		id := w.user(ada, true)
		if err := w.accounts.Disable(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		for _, address := range []string{nobody, ada} {
			is(t, w.recovery.RequestReset(t.Context(), address), nil, address)
		}
		w.nothing("to who is unknown or disabled")
		if told := w.told(auth.EventResetAsked); len(told) != 2 || told[0].Err == nil || told[1].Err == nil {
			t.Errorf("the events are %v", told)
		}
	})
}

// TestFailedSending holds that an operator learns of it, and of no secret.
func TestFailedSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		w := newWorld(t, recovery.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, nil)
		w.user(ada, true)
		w.outbox.fails = errors.New("the mail server is down")
		is(t, w.recovery.RequestReset(t.Context(), ada), nil, "the request")
		if err := w.recovery.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "the mail server is down") || strings.Contains(log.String(), "token=") {
			t.Errorf("logged %q", log.String())
		}
		if told := w.told(auth.EventResetAsked); len(told) != 1 || !errors.Is(told[0].Err, w.outbox.fails) {
			t.Errorf("told %v", told)
		}
	})
}

// spelled is an Addresses that finds a user by any look-alike of their address.
type spelled struct{ *recovery.MemoryAddresses }

func (s spelled) UserByAddress(ctx context.Context, _ string) (string, error) {
	return s.MemoryAddresses.UserByAddress(ctx, ada)
}

// TestSentToWhatIsStored is CVE-2019-19844: however a look-up is fooled, the mail
// goes to the owner.
func TestSentToWhatIsStored(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		r, err := recovery.New(w.accounts, spelled{w.addresses}, w.records, w.outbox, recovery.Config{
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
		w.one(recovery.KindReset, ada)
	})
}

// TestNothingUnfitIsSentTo holds that an address of the host's with a line break in
// it gets nothing.
func TestNothingUnfitIsSentTo(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		id := w.user(ada, true)
		if err := w.addresses.ReplaceAddress(t.Context(), id, ada, unfit, true); err != nil {
			t.Fatal(err)
		}
		r, err := recovery.New(w.accounts, lone{w.addresses}, w.records, w.outbox, recovery.Config{BaseURL: "https://app.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		is(t, r.RequestReset(t.Context(), ada), nil, "the request")
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.nothing("to two addresses")
	})
}

const unfit = "ada@example.com\r\nBcc: eve@example.com"

// lone is an Addresses that finds its one user by every address.
type lone struct{ *recovery.MemoryAddresses }

func (a lone) UserByAddress(ctx context.Context, _ string) (string, error) {
	return a.MemoryAddresses.UserByAddress(ctx, unfit)
}

// TestRecordsHoldNoSecret looks at what a reader of the store sees.
func TestRecordsHoldNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var store *dumped
		w := newWorld(t, recovery.Config{}, func(s auth.RecordStore) auth.RecordStore {
			store = &dumped{RecordStore: s}
			return store
		})
		id := w.user(ada, true)
		challenge, code := w.code(ada)
		link := token(t, w.asks(recovery.KindReset, ada))
		u, err := w.store.UserByID(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{code, challenge[22:], link[22:], ada, id, u.PasswordHash} {
			for _, key := range store.keys {
				if strings.Contains(key, secret) {
					t.Errorf("the key %s holds %q", key, secret)
				}
			}
		}
		for _, secret := range []string{`"` + code + `"`, challenge[22:], link[22:], u.PasswordHash} {
			if strings.Contains(store.values.String(), secret) {
				t.Errorf("the records hold %q: %s", secret, &store.values)
			}
		}
		// Nor the bytes that a token stands for.
		values := store.values.String()
		for _, field := range regexp.MustCompile(`"[^"]*"`).FindAllString(values, -1) {
			var stored []byte
			if json.Unmarshal([]byte(field), &stored) != nil {
				continue
			}
			for _, text := range []string{challenge, link} {
				secret, err := base64.RawURLEncoding.DecodeString(text)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(stored, secret[16:]) {
					t.Errorf("the records hold the secret of a token: %s", values)
				}
			}
		}
		if err := w.recovery.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// dumped is a RecordStore that keeps all that was ever written.
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
