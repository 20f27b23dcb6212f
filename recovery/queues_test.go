package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// slowly is a Notifier that takes its time, and fails as often as is set for a kind of message.
type slowly struct {
	*outbox
	takes time.Duration

	mu    sync.Mutex
	fails map[recovery.Kind]int
}

func (s *slowly) Notify(ctx context.Context, m recovery.Message) error {
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails[m.Kind] > 0 {
		s.fails[m.Kind]--
		return errors.New("the mail server is down")
	}
	return s.outbox.Notify(ctx, m)
}

// left returns how often messages of a kind will still fail.
func (s *slowly) left(kind recovery.Kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fails[kind]
}

// sendingSlowly returns a Recovery whose messages take half a second each.
func (f *fixture) sendingSlowly(cfg recovery.Config) (*recovery.Recovery, *slowly) {
	f.t.Helper()
	s := &slowly{outbox: f.outbox, takes: time.Second / 2, fails: map[recovery.Kind]int{}}
	cfg.BaseURL, cfg.Events = "https://app.example.com/account", f.record
	r, err := recovery.New(f.accounts, f.addresses, f.records, s, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	return r, s
}

// from returns a context of a call from the i-th network.
func (f *fixture) from(i int) context.Context { return auth.WithDevice(f.t.Context(), network(i)) }

// counting is an Addresses that counts its calls.
type counting struct {
	recovery.Addresses
	calls *counted
}

func (c counting) UserByAddress(ctx context.Context, address string) (string, error) {
	c.calls.count("UserByAddress")
	return c.Addresses.UserByAddress(ctx, address)
}

func (c counting) Address(ctx context.Context, userID string) (string, bool, error) {
	c.calls.count("Address")
	return c.Addresses.Address(ctx, userID)
}

// TestPlacesRevealNothing: requests for known and unknown addresses hold the same places for the same
// time, make the same jobs in both queues, and make the same calls to the stores.
func TestPlacesRevealNothing(t *testing.T) {
	var calls *counted
	wrap := func(s auth.RecordStore) auth.RecordStore { calls = &counted{RecordStore: slow(s)}; return calls }
	runOver(t, recovery.Config{}, wrap, func(t *testing.T, f *fixture) {
		addresses := map[string]string{"verified": ada, "unverified": eve, "unknown": nobody, "disabled": "off@example.com"}
		f.user(ada, true)
		f.user(eve, false)
		if err := f.accounts.Disable(t.Context(), f.user("off@example.com", true)); err != nil {
			t.Fatal(err)
		}
		s := &slowly{outbox: f.outbox, takes: time.Second / 2}
		r, err := recovery.New(f.accounts, counting{f.addresses, calls}, f.records, s, recovery.Config{BaseURL: "https://app.example.com", Events: f.record})
		if err != nil {
			t.Fatal(err)
		}
		f.user("first@example.com", true) // the first message shows how long messages take
		is(t, r.RequestReset(f.from(1), "first@example.com"), nil, "the first request")
		time.Sleep(time.Second)

		requests := map[recovery.Kind]func(context.Context, string) error{
			recovery.KindReset: r.RequestReset, recovery.KindVerify: r.RequestVerification, recovery.KindLogin: r.RequestLoginLink,
			recovery.KindCode: func(ctx context.Context, address string) error {
				_, err := r.RequestLoginCode(ctx, address)
				return err
			},
			"link and code": func(ctx context.Context, address string) error {
				_, err := r.RequestLogin(ctx, browser, address)
				return err
			},
		}
		for kind, request := range requests {
			time.Sleep(time.Hour) // links count alike, with and without a code
			for n := range 2 {    // the second request comes within a minute, and nothing is sent
				course := map[string][]string{}
				for name, address := range addresses {
					calls.take()
					is(t, request(f.from(2), address), nil, name)
					for range 15 {
						synctest.Wait()
						course[name] = append(course[name], fmt.Sprint(r.Occupied()))
						time.Sleep(50 * time.Millisecond)
					}
					if last := course[name][len(course[name])-1]; last != "0 0 0" {
						t.Errorf("after the time of a message, %s occupies places and jobs %s, want none", name, last)
					}
					course[name] = append(course[name], calls.take()...)
				}
				for name, got := range course {
					if want := course["unknown"]; !slices.Equal(got, want) {
						t.Errorf("request %d for %s, %s: occupied and called\n%q, for an unknown address\n%q", n+1, kind, name, got, want)
					}
				}
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestBusyRevealsNothing: an attacker whose own accounts keep the workers busy learns nothing of another
// address from the requests that are refused.
func TestBusyRevealsNothing(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		answers := map[string]string{}
		for round, address := range []string{ada, nobody} {
			r, _ := f.sendingSlowly(recovery.Config{Workers: 4, Queue: 1})
			first := fmt.Sprintf("first.%d@example.net", round)
			f.user(first, true)
			is(t, r.RequestReset(f.from(1), first), nil, "the first request")
			time.Sleep(time.Second)
			for i := range 3 {
				own := fmt.Sprintf("%d.%d@example.net", i, round)
				f.user(own, true)
				is(t, r.RequestReset(f.from(1+i), own), nil, own)
			}
			time.Sleep(100 * time.Millisecond)
			is(t, r.RequestReset(f.from(9), address), nil, address)
			for i := range 40 {
				time.Sleep(27 * time.Millisecond) // no divisor of the time that a message takes
				err := r.RequestReset(f.from(20+i), fmt.Sprintf("probe%d@example.net", i))
				answers[address] += map[bool]string{true: "1", false: "0"}[err == nil]
			}
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if answers[ada] != answers[nobody] {
			t.Errorf("beside a request for a known address the answers are %s, beside one for an unknown address %s", answers[ada], answers[nobody])
		}
	})
}

// TestFloodOfRequests: a network that asks for 1,200 made-up addresses is stopped by its count. Owners
// elsewhere get their messages, and are told what happened to their accounts.
func TestFloodOfRequests(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		r, _ := f.sendingSlowly(recovery.Config{})
		f.user("first@example.com", true)
		is(t, r.RequestReset(f.from(1), "first@example.com"), nil, "the first request")
		time.Sleep(time.Second)
		accepted := 0
		for i := range 1200 {
			err := r.RequestReset(f.from(2), fmt.Sprintf("made-up-%d@example.com", i))
			_, refused := errors.AsType[*auth.RetryError](err)
			switch {
			case err == nil:
				accepted++
			case !refused || !errors.Is(err, auth.ErrTooManyAttempts) && !errors.Is(err, auth.ErrBusy):
				t.Fatal(err)
			}
		}
		if accepted == 0 || accepted > 100 {
			t.Errorf("%d of 1,200 requests of one network were accepted, want some and at most 100", accepted)
		}
		f.outbox.take()
		for i := range 40 {
			address := fmt.Sprintf("owner-%d@example.com", i)
			f.user(address, true)
			is(t, r.RequestReset(f.from(100+i), address), nil, address)
		}
		time.Sleep(time.Minute)
		if sent := f.outbox.take(); len(sent) != 40 {
			t.Errorf("%d of 40 owners got their message", len(sent))
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestRequestsOfNetwork: a network may make a number of requests at once and then one each time that
// its time has passed. A /64 is one network, and a /48 has four times as many. An unknown network is
// not counted.
func TestRequestsOfNetwork(t *testing.T) {
	at := func(ip string) func(int) string { return func(int) string { return ip } }
	for name, row := range map[string]struct {
		ip   func(i int) string
		want int // requests that are accepted at once
	}{
		"IPv4":        {at("192.0.2.1"), 5},
		"mapped IPv4": {at("::ffff:192.0.2.1"), 5},
		"/64":         {func(i int) string { return fmt.Sprintf("2001:db8::%x", i+1) }, 5},
		"/48":         {func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i+1) }, 20},
		"many":        {func(i int) string { return fmt.Sprintf("2001:db8:%x::1", i+1) }, 50},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
				r, _ := f.sendingSlowly(recovery.Config{NetworkBurst: 5, NetworkEvery: time.Minute})
				ask := func(i int) error {
					ctx := auth.WithDevice(t.Context(), auth.Device{IP: netip.MustParseAddr(row.ip(i))})
					err := r.RequestReset(ctx, fmt.Sprintf("%d@example.com", i))
					synctest.Wait()
					return err
				}
				accepted := 0
				for i := range 50 {
					err := ask(i)
					if err == nil {
						accepted++
						continue
					}
					retry, _ := errors.AsType[*auth.RetryError](err)
					if !errors.Is(err, auth.ErrTooManyAttempts) || retry.After < time.Second || retry.After > time.Minute || auth.HTTPStatus(err) != 429 {
						t.Fatalf("request %d: %v, want a RetryError of ErrTooManyAttempts", i, err)
					}
				}
				if accepted != row.want {
					t.Errorf("%d requests were accepted at once, want %d", accepted, row.want)
				}
				time.Sleep(time.Minute)
				is(t, ask(100), nil, "a request after a minute")
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestStrangersCannotUseMailsUp: however many networks ask for messages to an address, the owner's
// network gets one an hour.
func TestStrangersCannotUseMailsUp(t *testing.T) {
	for _, strangers := range []int{1, 8, 100} {
		for _, kind := range []recovery.Kind{recovery.KindReset, recovery.KindLogin, recovery.KindCode} {
			t.Run(fmt.Sprint(strangers, " ", kind), func(t *testing.T) {
				run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
					f.user(ada, true)
					ask := func(i int) int { // returns how many messages were sent
						var err error
						switch kind {
						case recovery.KindReset:
							err = f.recovery.RequestReset(f.from(i), ada)
						case recovery.KindLogin:
							err = f.recovery.RequestLoginLink(f.from(i), ada)
						case recovery.KindCode:
							_, err = f.recovery.RequestLoginCode(f.from(i), ada)
						}
						if err != nil {
							t.Fatal(err)
						}
						return len(f.outbox.take())
					}
					byStrangers := 0
					for hour := range 30 {
						for range 6 {
							for i := range strangers {
								byStrangers += ask(1000 + i)
							}
							time.Sleep(10 * time.Minute)
						}
						if ask(1) != 1 {
							t.Fatalf("hour %d: the owner's request sent nothing", hour)
						}
					}
					if most := 31*strangers + 2*10; byStrangers > most {
						t.Errorf("strangers had %d messages sent, want at most %d", byStrangers, most)
					}
				})
			})
		}
	}
}

// TestStrangersReplaceNothing: a request of a stranger does not make the code or the link invalid that
// the owner got, and the owner's next request is served at once.
func TestStrangersReplaceNothing(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		f.user(eve, false)
		code := func(i int) (challenge, code string) {
			challenge, err := f.recovery.RequestLoginCode(f.from(i), ada)
			if err != nil {
				t.Fatal(err)
			}
			return challenge, f.onlyMessage(recovery.KindCode, ada).Code
		}
		challenge, typed := code(1)
		time.Sleep(10 * time.Second)
		code(2)
		_, err := f.recovery.LoginByCode(f.from(1), challenge, typed)
		is(t, err, nil, "the owner's code after a stranger's request")

		time.Sleep(time.Hour)
		code(2)
		challenge, typed = code(1)
		_, err = f.recovery.LoginByCode(f.from(1), challenge, typed)
		is(t, err, nil, "the owner's code, requested just after a stranger's")

		// On the owner's own network nothing is sent within a minute, but the code stays valid.
		time.Sleep(time.Hour)
		challenge, typed = code(1)
		time.Sleep(time.Minute)
		code(1)
		_, err = f.recovery.LoginByCode(f.from(1), challenge, typed)
		is(t, err, nil, "the code after another request from the owner's network")

		for kind, row := range map[recovery.Kind]struct {
			address string
			request func(context.Context, string) error
			use     func(string) error
		}{
			recovery.KindReset:  {ada, f.recovery.RequestReset, func(s string) error { return f.reset(t.Context(), s, another) }},
			recovery.KindLogin:  {ada, f.recovery.RequestLoginLink, func(s string) error { _, err := f.recovery.LoginByLink(t.Context(), s); return err }},
			recovery.KindVerify: {eve, f.recovery.RequestVerification, func(s string) error { return f.recovery.VerifyAddress(t.Context(), s, password) }},
		} {
			is(t, row.request(f.from(1), row.address), nil, "the owner's request")
			link := token(t, f.onlyMessage(kind, row.address))
			is(t, row.request(f.from(2), row.address), nil, "a stranger's request")
			f.onlyMessage(kind, row.address)
			is(t, row.use(link), nil, "the owner's link for "+string(kind))
			f.outbox.take()
		}
	})
}

// TestNoticesAreNotDropped: an owner is told what happened to the account although the queue of
// requests is full and the mail server is down for a while.
func TestNoticesAreNotDropped(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		r, s := f.sendingSlowly(recovery.Config{Workers: 1, Queue: 10})
		s.takes = 20 * time.Second
		f.user(ada, true)
		link := token(t, f.asks(recovery.KindReset, ada))
		for i := range 30 {
			err := r.RequestReset(t.Context(), ada)
			if err != nil && !errors.Is(err, auth.ErrBusy) {
				t.Fatal(err)
			}
			if i == 29 && err == nil {
				t.Error("the queue is not full, so this test shows nothing")
			}
		}
		s.fails[recovery.KindPasswordReset] = 5
		is(t, resetWith(t, r, link, another), nil, "the reset")
		told := false
		for minute := 0; minute < 20 && !told; minute++ {
			time.Sleep(time.Minute)
			told = slices.ContainsFunc(f.outbox.take(), func(m recovery.Message) bool { return m.Kind == recovery.KindPasswordReset })
		}
		if !told {
			t.Error("the owner was not told of the reset")
		}
		if left := s.left(recovery.KindPasswordReset); left != 0 {
			t.Errorf("the notice was not tried again: %d failures left", left)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestNoticesEnd: a notice that cannot be sent is given up after a day, and Close tries it once more
// at once.
func TestNoticesEnd(t *testing.T) {
	for _, closing := range []bool{false, true} {
		t.Run(fmt.Sprintf("closing %t", closing), func(t *testing.T) {
			run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
				r, s := f.sendingSlowly(recovery.Config{})
				f.user(ada, true)
				link := token(t, f.asks(recovery.KindReset, ada))
				s.fails[recovery.KindPasswordReset] = 1000
				is(t, resetWith(t, r, link, another), nil, "the reset")
				tries, want := func() int { return 1000 - s.left(recovery.KindPasswordReset) }, 2
				if closing {
					time.Sleep(time.Second)
				} else {
					time.Sleep(48 * time.Hour)
					want = tries()
					if want < 12 || want > 48 {
						t.Errorf("the notice was tried %d times in a day, want at least 12 and at most 48", want)
					}
					time.Sleep(48 * time.Hour)
				}
				start := time.Now()
				if err := r.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("Close took %v", took)
				}
				if got := tries(); got != want {
					t.Errorf("the notice was tried %d times, want %d", got, want)
				}
			})
		})
	}
}

// TestShareOfNetwork: one network holds at most a sixteenth of all places, and gets them again when its
// requests are done.
func TestShareOfNetwork(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		r, s := newStuck(f, recovery.Config{Workers: 4, Queue: 156})
		for i := range 11 {
			err := r.RequestReset(f.from(1), nobody)
			if wanted := i < 10; (err == nil) != wanted || err != nil && !errors.Is(err, auth.ErrBusy) {
				t.Errorf("request %d of one network: %v, want accepted: %t", i+1, err, wanted)
			}
		}
		is(t, r.RequestReset(f.from(2), nobody), nil, "a request of another network")
		close(s.free)
		synctest.Wait()
		is(t, r.RequestReset(f.from(1), nobody), nil, "a request after the others were done")
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
