package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/throttle"
)

// slowed calls test with a world whose guesses are throttled.
func slowed(t *testing.T, cfg throttle.Config, test func(t *testing.T, w *world)) {
	t.Helper()
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.throttle(cfg)
		test(t, w)
	})
}

func (w *world) throttle(cfg throttle.Config) {
	w.t.Helper()
	slow, err := throttle.New(w.records, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.open(auth.Config{Throttle: slow}, recovery.Config{BaseURL: "https://app.example.com/account/", Events: w.record})
}

// at returns the i-th network's address.
func at(i int) auth.Device {
	return auth.Device{IP: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})}
}

// challenge asks for a code, which nobody reads.
func (w *world) challenge(address string) string {
	w.t.Helper()
	challenge, err := w.recovery.RequestLoginCode(w.t.Context(), address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.outbox.take()
	return challenge
}

// tries says what comes of a try from a device: "wrong", "in", or how long to wait.
func (w *world) tries(from auth.Device, challenge, code string) string {
	w.t.Helper()
	tokens, err := w.recovery.LoginByCode(auth.WithDevice(w.t.Context(), from), challenge, code)
	retry, throttled := errors.AsType[*auth.RetryError](err)
	switch {
	case err == nil && tokens.RefreshToken != "":
		return "in"
	case throttled && errors.Is(err, auth.ErrTooManyAttempts):
		return retry.After.String()
	case !errors.Is(err, recovery.ErrInvalidToken):
		w.t.Fatal(err)
	}
	return "wrong"
}

// Wrong codes count as failed logins, from one network and from all, and just the same
// for an address that is nobody's, not verified, or of an account that is disabled.
func TestCodesAreThrottled(t *testing.T) {
	slowed(t, throttle.Config{FreePerNetwork: 3, FreePerAccount: 12}, func(t *testing.T, w *world) {
		w.user(ada, true)
		w.user(eve, false)
		off := w.user("off@example.com", true)
		if err := w.accounts.Disable(t.Context(), off); err != nil {
			t.Fatal(err)
		}
		said := map[string][]string{}
		all := []string{ada, nobody, eve, "off@example.com"}
		both := func(address, challenge string, i, n int) {
			for range n {
				said[address] = append(said[address], w.tries(at(i), challenge, "no code"))
			}
		}
		first, second := map[string]string{}, map[string]string{}
		for _, address := range all {
			first[address] = w.challenge(address)
			second[address] = w.challenge(address) // too soon: nothing was sent, and the first stands
			both(address, second[address], 1, 1)
			both(address, first[address], 1, 4)
			both(address, second[address], 1, 1)
			both(address, first[address], 2, 1)
		}
		time.Sleep(time.Minute)
		for _, address := range all {
			both(address, first[address], 2, 1)
			second[address] = w.challenge(address)
			both(address, first[address], 1, 2) // void
			both(address, second[address], 1, 2)
		}
		for n := range 12 { // codes, more than a day has
			time.Sleep(time.Minute)
			for _, address := range all {
				first[address] = w.challenge(address)
				both(address, first[address], 10+n, 2)
			}
		}
		want := fmt.Sprint(said[nobody])
		for _, address := range all {
			if got := fmt.Sprint(said[address]); got != want {
				t.Errorf("tries at %s were answered\n%s, those at nobody's\n%s", address, got, want)
			}
		}
		begin := []string{"wrong", "wrong", "wrong", "wrong", "1m0s", "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "2m0s"}
		if got := said[ada]; !slices.Equal(got[:len(begin)], begin) || !slices.Contains(got[len(begin):], "1m0s") {
			t.Errorf("the tries were answered %q, want %q and then a wait from anywhere", got, begin)
		}
	})
}

// What a throttled try costs, and who pays: the code is as good as before, elsewhere
// its owner is in at once, and made-up challenges are no tries at all.
func TestThrottledCodeIsStillGood(t *testing.T) {
	slowed(t, throttle.Config{FreePerNetwork: 2, FreePerAccount: 4}, func(t *testing.T, w *world) {
		w.user(ada, true)
		challenge, code := w.code(ada)
		for i := range 100 {
			if got := w.tries(at(i), challenge[:22]+flip(challenge[22:]), code); got != "wrong" {
				t.Fatalf("made-up challenge %d: %s", i, got)
			}
		}
		for i, want := range []string{"wrong", "wrong", "1m0s", "1m0s", "1m0s", "1m0s"} {
			if got := w.tries(at(1), challenge, wrong(code)); got != want {
				t.Errorf("try %d: %s, want %s", i, got, want)
			}
		}
		if got := w.tries(at(1), challenge, code); got != "1m0s" {
			t.Errorf("the code, too soon: %s", got)
		}
		if got := w.tries(at(2), challenge, code); got != "in" {
			t.Errorf("the code, from elsewhere: %s", got)
		}
		// It has also forgiven the guesses from anywhere.
		time.Sleep(time.Minute)
		challenge, code = w.code(ada)
		for i := range 4 {
			if got := w.tries(at(3+i), challenge, wrong(code)); got != "wrong" {
				t.Errorf("guess %d: %s", i, got)
			}
		}
		if got := w.tries(at(9), challenge, code); got != "1m0s" {
			t.Errorf("the code, after as many guesses as are free: %s", got)
		}
		time.Sleep(time.Minute)
		if got := w.tries(at(9), challenge, code); got != "in" {
			t.Errorf("the code, when the wait is over: %s", got)
		}
	})
}

// A device that has logged in before, in whatever way, is not kept out by strangers.
func TestKnownDeviceTriesCodes(t *testing.T) {
	logins := map[string]func(w *world, from auth.Device) (auth.Tokens, error){
		"password": func(w *world, from auth.Device) (auth.Tokens, error) {
			return w.accounts.Login(auth.WithDevice(w.t.Context(), from), "user-of-"+ada, password)
		},
		"link": func(w *world, from auth.Device) (auth.Tokens, error) {
			return w.recovery.LoginByLink(auth.WithDevice(w.t.Context(), from), token(w.t, w.asks(recovery.KindLogin, ada)))
		},
		"code": func(w *world, from auth.Device) (auth.Tokens, error) {
			challenge, code := w.code(ada)
			return w.recovery.LoginByCode(auth.WithDevice(w.t.Context(), from), challenge, code)
		},
	}
	for name, login := range logins {
		t.Run(name, func(t *testing.T) {
			slowed(t, throttle.Config{FreePerAccount: 5}, func(t *testing.T, w *world) {
				w.user(ada, true)
				home := at(1)
				tokens, err := login(w, home)
				if err != nil || tokens.DeviceToken == "" {
					t.Fatalf("%v, device token %q", err, string(tokens.DeviceToken))
				}
				time.Sleep(time.Minute)
				challenge := w.challenge(ada)
				for i := range 5 {
					w.tries(at(2+i), challenge, "no code")
					_, _ = w.accounts.Login(auth.WithDevice(t.Context(), at(2+i)), "user-of-"+ada, "not the password")
				}
				time.Sleep(time.Minute)
				challenge, code := w.code(ada)
				w.tries(at(20), challenge, "no code") // and the next wait begins
				if got := w.tries(home, challenge, wrong(code)); got == "wrong" {
					t.Error("no stranger keeps the owner out: this test tests nothing")
				}
				home.Known = tokens.DeviceToken
				if got := w.tries(home, challenge, code); got != "in" {
					t.Errorf("the owner's code: %s", got)
				}
				if _, err := w.accounts.Login(auth.WithDevice(t.Context(), home), "user-of-"+ada, password); err != nil {
					t.Errorf("the owner's password: %v", err)
				}
			})
		})
	}
}

// Whoever guesses at a password neither learns whose the account is, by its address,
// nor keeps its owner from using a code.
func TestPasswordsAndCodesCountApart(t *testing.T) {
	slowed(t, throttle.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		challenge, code := w.code(ada)
		for i := range 40 {
			_, _ = w.accounts.Login(auth.WithDevice(t.Context(), at(i%8)), "user-of-"+ada, "not the password")
		}
		if _, err := w.accounts.Login(auth.WithDevice(t.Context(), at(50)), "user-of-"+ada, password); !errors.Is(err, auth.ErrTooManyAttempts) {
			t.Fatalf("the password: %v", err)
		}
		if got := w.tries(at(1), challenge, wrong(code)); got != "wrong" {
			t.Errorf("a first code, after guesses at the password: %s", got)
		}
		if got := w.tries(at(1), challenge, code); got != "in" {
			t.Errorf("the owner's code: %s", got)
		}
		if _, err := w.accounts.Login(auth.WithDevice(t.Context(), at(50)), "user-of-"+ada, password); !errors.Is(err, auth.ErrTooManyAttempts) {
			t.Errorf("a code forgave guesses at the password: %v", err)
		}
	})
}

// Codes of many addresses are guesses of one network's.
func TestCodesCountByNetwork(t *testing.T) {
	slowed(t, throttle.Config{NetworkBurst: 6}, func(t *testing.T, w *world) {
		w.user(ada, true)
		for i := range 6 {
			challenge := w.challenge(fmt.Sprintf("%d@example.com", i))
			if got := w.tries(at(1), challenge, "no code"); got != "wrong" {
				t.Errorf("address %d: %s", i, got)
			}
		}
		challenge, code := w.code(ada)
		if got := w.tries(at(1), challenge, code); got != "10s" {
			t.Errorf("a seventh address: %s", got)
		}
		if _, err := w.accounts.Login(auth.WithDevice(t.Context(), at(1)), "user-of-"+ada, password); !errors.Is(err, auth.ErrTooManyAttempts) {
			t.Errorf("a password from there: %v", err)
		}
		// A link is no guess: it logs in, from a device that stays unknown.
		tokens, err := w.recovery.LoginByLink(auth.WithDevice(t.Context(), at(1)), token(t, w.asks(recovery.KindLogin, ada)))
		if err != nil || tokens.DeviceToken != "" {
			t.Errorf("a link from there: %v, device token %q", err, string(tokens.DeviceToken))
		}
	})
}

// TestThrottledTriesTellNothing holds that a try costs the store the same whether a
// code was sent or not, when it is throttled as well.
func TestThrottledTriesTellNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var store *counted
		w := newWorld(t, recovery.Config{}, func(s auth.RecordStore) auth.RecordStore {
			store = &counted{RecordStore: s}
			return store
		})
		w.throttle(throttle.Config{})
		w.user(ada, true)
		challenges := []string{w.challenge(ada), w.challenge(nobody)}
		made := "A device token of this length ..."[:32]
		for i := range 8 {
			var want []string
			for _, challenge := range challenges {
				store.take()
				from := at(i / 6)
				from.Known = auth.DeviceToken(made)
				w.tries(from, challenge, "no code")
				calls := store.take()
				if want == nil {
					want = calls
				}
				if !slices.Equal(calls, want) {
					t.Errorf("try %d made the calls %q, and %q where nothing was sent", i+1, want, calls)
				}
			}
		}
		if err := w.recovery.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// brokenSessions is an auth.SessionStore in which no session begins.
type brokenSessions struct {
	*memstore.Store
	err error // unless nil
}

func (b *brokenSessions) CreateSession(ctx context.Context, s auth.Session) error {
	if b.err != nil {
		return b.err
	}
	return b.Store.CreateSession(ctx, s)
}

// A link or code is good again if the login that it was used for could not be decided.
func TestLoginThatBroke(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		broken := &brokenSessions{Store: w.store}
		slow, err := throttle.New(w.records, throttle.Config{FreePerNetwork: 1})
		if err != nil {
			t.Fatal(err)
		}
		w.open(auth.Config{Throttle: slow, Sessions: broken}, recovery.Config{BaseURL: "https://app.example.com/account/"})
		w.user(ada, true)
		link := token(t, w.asks(recovery.KindLogin, ada))
		challenge, code := w.code(ada)
		from := auth.WithDevice(t.Context(), at(1))
		for name, login := range map[string]func(context.Context) (auth.Tokens, error){
			"link": func(ctx context.Context) (auth.Tokens, error) { return w.recovery.LoginByLink(ctx, link) },
			"code": func(ctx context.Context) (auth.Tokens, error) { return w.recovery.LoginByCode(ctx, challenge, code) },
		} {
			for _, broken.err = range []error{errors.New("the disk is full"), context.Canceled} {
				if _, err := login(from); !errors.Is(err, broken.err) || auth.HTTPStatus(err) < 500 {
					t.Errorf("%s: %v", name, err)
				}
			}
			broken.err = nil
			if tokens, err := login(from); err != nil || tokens.RefreshToken == "" {
				t.Errorf("%s afterwards: %v", name, err)
			}
			if _, err := login(from); !errors.Is(err, recovery.ErrInvalidToken) {
				t.Errorf("%s again: %v", name, err)
			}
		}
	})
}

// everybody is an auth.SecondFactor that all have.
type everybody struct{}

func (everybody) Required(context.Context, string) (bool, error) { return true, nil }

func (everybody) Prove(_ context.Context, _, code string) ([]string, error) {
	if code != "right" {
		return nil, auth.ErrInvalidCredentials
	}
	return []string{"hwk"}, nil
}

// A link or code is one factor of two, and used by that.
func TestLoginGoesOn(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		slow, err := throttle.New(w.records, throttle.Config{})
		if err != nil {
			t.Fatal(err)
		}
		w.open(auth.Config{Throttle: slow, SecondFactor: everybody{}, Records: w.records}, recovery.Config{BaseURL: "https://app.example.com/account/"})
		w.user(ada, true)
		link := token(t, w.asks(recovery.KindLogin, ada))
		challenge, code := w.code(ada)
		for name, login := range map[string]func() (auth.Tokens, error){
			"link": func() (auth.Tokens, error) { return w.recovery.LoginByLink(t.Context(), link) },
			"code": func() (auth.Tokens, error) { return w.recovery.LoginByCode(t.Context(), challenge, code) },
		} {
			_, err := login()
			waits, ok := errors.AsType[*auth.MFARequiredError](err)
			if !ok {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := login(); !errors.Is(err, recovery.ErrInvalidToken) {
				t.Errorf("%s again: %v", name, err)
			}
			tokens, err := w.accounts.LoginMFA(t.Context(), waits.Token, "right")
			if err != nil || !slices.Equal(tokens.Principal.AMR(), []string{"otp", "hwk", "mfa"}) || tokens.DeviceToken == "" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
