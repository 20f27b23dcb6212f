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

// throttled calls test with a fixture whose logins are throttled.
func throttled(t *testing.T, cfg throttle.Config, test func(t *testing.T, f *fixture)) {
	t.Helper()
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.throttle(cfg)
		test(t, f)
	})
}

// throttle makes a new service with a throttle.
func (f *fixture) throttle(cfg throttle.Config) {
	f.t.Helper()
	limits, err := throttle.New(f.records, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.open(auth.Config{Throttle: limits}, recovery.Config{BaseURL: "https://app.example.com/account/", Events: f.record})
}

// network returns a device in the i-th network.
func network(i int) auth.Device {
	return auth.Device{IP: netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})}
}

// challenge requests a code for an address and returns the challenge alone.
func (f *fixture) challenge(address string) string {
	f.t.Helper()
	challenge, err := f.recovery.RequestLoginCode(f.t.Context(), address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.outbox.take()
	return challenge
}

// tries tries a code from a device. It returns "wrong", "in", or how long the caller must wait.
func (f *fixture) tries(from auth.Device, challenge, code string) string {
	f.t.Helper()
	tokens, err := f.recovery.LoginByCode(auth.WithDevice(f.t.Context(), from), challenge, code)
	retry, refused := errors.AsType[*auth.RetryError](err)
	switch {
	case err == nil && tokens.RefreshToken != "":
		return "in"
	case refused && errors.Is(err, auth.ErrTooManyAttempts):
		return retry.After.String()
	case !errors.Is(err, recovery.ErrInvalidToken):
		f.t.Fatal(err)
	}
	return "wrong"
}

// Wrong codes count as failed logins, from one network and from all networks together. They count the
// same for an address that is unknown, not verified, or of a disabled account.
func TestCodesAreThrottled(t *testing.T) {
	throttled(t, throttle.Config{FreePerNetwork: 3, MaxPerAccount: 12, MaxPerNetwork: 12}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		f.user(eve, false)
		off := f.user("off@example.com", true)
		if err := f.accounts.Disable(t.Context(), off); err != nil {
			t.Fatal(err)
		}
		answers := map[string][]string{}
		addresses := []string{ada, nobody, eve, "off@example.com"}
		try := func(address, challenge string, i, n int) { // n times from the i-th network
			for range n {
				answers[address] = append(answers[address], f.tries(network(i), challenge, "no code"))
			}
		}
		first, second := map[string]string{}, map[string]string{}
		for _, address := range addresses {
			first[address] = f.challenge(address)
			second[address] = f.challenge(address) // too soon: nothing is sent, and the first challenge stays valid
			try(address, second[address], 1, 1)
			try(address, first[address], 1, 4)
			try(address, second[address], 1, 1)
			try(address, first[address], 2, 1)
		}
		time.Sleep(time.Minute)
		for _, address := range addresses {
			try(address, first[address], 2, 1)
			second[address] = f.challenge(address)
			try(address, first[address], 1, 2) // replaced by the second challenge
			try(address, second[address], 1, 2)
		}
		for n := range 12 { // more codes than are sent in a day
			time.Sleep(time.Minute)
			for _, address := range addresses {
				first[address] = f.challenge(address)
				try(address, first[address], 10+n, 2)
			}
		}
		want := fmt.Sprint(answers[nobody])
		for _, address := range addresses {
			if got := fmt.Sprint(answers[address]); got != want {
				t.Errorf("the answers for %s are\n%s, for an unknown address\n%s", address, got, want)
			}
		}
		begin := []string{"wrong", "wrong", "wrong", "wrong", "1m0s", "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "2m0s"}
		if got := answers[ada]; !slices.Equal(got[:len(begin)], begin) || !slices.Contains(got[len(begin):], "720h55m0s") {
			t.Errorf("the answers are %q, want %q and later a wait from every network", got, begin)
		}
	})
}

// A throttled try does not use the code up: its owner logs in with it from another network at once.
// Tries with a made-up challenge do not count.
func TestThrottledCodeIsStillGood(t *testing.T) {
	throttled(t, throttle.Config{FreePerNetwork: 2, MaxPerAccount: 6, MaxPerNetwork: 6}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		challenge, code := f.code(ada)
		for i := range 100 {
			if got := f.tries(network(i), challenge[:22]+flip(challenge[22:]), code); got != "wrong" {
				t.Fatalf("made-up challenge %d: %s", i, got)
			}
		}
		for i, want := range []string{"wrong", "wrong", "1m0s", "1m0s", "1m0s", "1m0s"} {
			if got := f.tries(network(1), challenge, wrong(code)); got != want {
				t.Errorf("try %d: %s, want %s", i, got, want)
			}
		}
		if got := f.tries(network(1), challenge, code); got != "1m0s" {
			t.Errorf("the code during the delay: %s, want 1m0s", got)
		}
		if got := f.tries(network(2), challenge, code); got != "in" {
			t.Errorf("the code from another network: %s, want in", got)
		}
		// The login forgives no guesses. Once strangers have made all that the codes of an address allow,
		// its owner has a way in that they cannot use up: a link, which makes the device known.
		time.Sleep(time.Minute)
		challenge, code = f.code(ada)
		for i := range 4 {
			if got := f.tries(network(3+i), challenge, wrong(code)); got != "wrong" {
				t.Errorf("guess %d: %s, want wrong", i, got)
			}
		}
		owner := network(9)
		if got := f.tries(owner, challenge, code); got != "720h59m0s" {
			t.Errorf("the code after all guesses: %s, want 720h59m0s", got)
		}
		tokens, err := f.recovery.LoginByLink(auth.WithDevice(t.Context(), owner), token(t, f.asks(recovery.KindLogin, ada)))
		if err != nil {
			t.Fatal(err)
		}
		owner.Known = tokens.DeviceToken
		if got := f.tries(owner, challenge, code); got != "in" {
			t.Errorf("the code on the device that the link was used on: %s, want in", got)
		}
	})
}

// A device that has logged in before, in whatever way, is not affected by the guesses of strangers.
func TestKnownDeviceTriesCodes(t *testing.T) {
	logins := map[string]func(f *fixture, from auth.Device) (auth.Tokens, error){
		"password": func(f *fixture, from auth.Device) (auth.Tokens, error) {
			return f.accounts.Login(auth.WithDevice(f.t.Context(), from), "user-of-"+ada, password)
		},
		"link": func(f *fixture, from auth.Device) (auth.Tokens, error) {
			return f.recovery.LoginByLink(auth.WithDevice(f.t.Context(), from), token(f.t, f.asks(recovery.KindLogin, ada)))
		},
		"code": func(f *fixture, from auth.Device) (auth.Tokens, error) {
			challenge, code := f.code(ada)
			return f.recovery.LoginByCode(auth.WithDevice(f.t.Context(), from), challenge, code)
		},
	}
	for name, login := range logins {
		t.Run(name, func(t *testing.T) {
			throttled(t, throttle.Config{MaxPerAccount: 5, MaxPerNetwork: 5}, func(t *testing.T, f *fixture) {
				f.user(ada, true)
				home := network(1)
				tokens, err := login(f, home)
				if err != nil || tokens.DeviceToken == "" {
					t.Fatalf("%v, device token %q", err, string(tokens.DeviceToken))
				}
				time.Sleep(time.Minute)
				challenge := f.challenge(ada)
				for i := range 5 {
					f.tries(network(2+i), challenge, "no code")
					_, _ = f.accounts.Login(auth.WithDevice(t.Context(), network(2+i)), "user-of-"+ada, "not the password")
				}
				time.Sleep(time.Minute)
				challenge, code := f.code(ada)
				f.tries(network(20), challenge, "no code") // begins the next delay
				if got := f.tries(home, challenge, wrong(code)); got == "wrong" {
					t.Error("the guesses do not delay the owner, so this test shows nothing")
				}
				home.Known = tokens.DeviceToken
				if got := f.tries(home, challenge, code); got != "in" {
					t.Errorf("the owner's code: %s, want in", got)
				}
				if _, err := f.accounts.Login(auth.WithDevice(t.Context(), home), "user-of-"+ada, password); err != nil {
					t.Errorf("the owner's password: %v", err)
				}
			})
		})
	}
}

// Guesses at a password do not delay codes. An attacker can neither keep the owner from using a code,
// nor learn from a delay which account an address belongs to.
func TestPasswordsAndCodesCountApart(t *testing.T) {
	throttled(t, throttle.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		challenge, code := f.code(ada)
		for i := range 100 {
			_, _ = f.accounts.Login(auth.WithDevice(t.Context(), network(i)), "user-of-"+ada, "not the password")
		}
		if _, err := f.accounts.Login(auth.WithDevice(t.Context(), network(50)), "user-of-"+ada, password); !errors.Is(err, auth.ErrTooManyAttempts) {
			t.Fatalf("the password after 100 guesses: %v, want ErrTooManyAttempts", err)
		}
		if got := f.tries(network(1), challenge, wrong(code)); got != "wrong" {
			t.Errorf("the first code after guesses at the password: %s, want wrong", got)
		}
		if got := f.tries(network(1), challenge, code); got != "in" {
			t.Errorf("the owner's code: %s, want in", got)
		}
		if _, err := f.accounts.Login(auth.WithDevice(t.Context(), network(50)), "user-of-"+ada, password); !errors.Is(err, auth.ErrTooManyAttempts) {
			t.Errorf("the password after a login by code: %v, want ErrTooManyAttempts", err)
		}
	})
}

// Guesses at the codes of many addresses count together for their network.
func TestCodesCountByNetwork(t *testing.T) {
	throttled(t, throttle.Config{NetworkBurst: 6}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		for i := range 6 {
			challenge := f.challenge(fmt.Sprintf("%d@example.com", i))
			if got := f.tries(network(1), challenge, "no code"); got != "wrong" {
				t.Errorf("guess at address %d: %s, want wrong", i, got)
			}
		}
		challenge, code := f.code(ada)
		if got := f.tries(network(1), challenge, code); got != "1m0s" {
			t.Errorf("a code of a seventh address: %s, want 1m0s", got)
		}
		if _, err := f.accounts.Login(auth.WithDevice(t.Context(), network(1)), "user-of-"+ada, password); !errors.Is(err, auth.ErrTooManyAttempts) {
			t.Errorf("a password from that network: %v, want ErrTooManyAttempts", err)
		}
		// A link cannot be guessed: it logs in and makes the device known, whatever the network does.
		tokens, err := f.recovery.LoginByLink(auth.WithDevice(t.Context(), network(1)), token(t, f.asks(recovery.KindLogin, ada)))
		if err != nil || tokens.DeviceToken == "" {
			t.Errorf("a link from that network: %v, device token %q", err, string(tokens.DeviceToken))
		}
	})
}

// TestThrottledTriesRevealNothing: a try, throttled or not, makes the same calls to the store whether a
// code was sent or not.
func TestThrottledTriesRevealNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var store *counted
		f := newFixture(t, recovery.Config{}, func(s auth.RecordStore) auth.RecordStore {
			store = &counted{RecordStore: s}
			return store
		})
		f.throttle(throttle.Config{})
		f.user(ada, true)
		challenges := []string{f.challenge(ada), f.challenge(nobody)}
		madeUp := auth.DeviceToken("A device token of this length ..."[:32])
		for i := range 8 {
			var want []string
			for _, challenge := range challenges {
				store.take()
				from := network(i / 6)
				from.Known = madeUp
				f.tries(from, challenge, "no code")
				calls := store.take()
				if want == nil {
					want = calls
				}
				if !slices.Equal(calls, want) {
					t.Errorf("try %d made the calls %q where a code was sent, and %q where none was", i+1, want, calls)
				}
			}
		}
		if err := f.recovery.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// brokenSessions is an auth.SessionStore in which no session begins while err is not nil.
type brokenSessions struct {
	*memstore.Store
	err error
}

func (b *brokenSessions) CreateSession(ctx context.Context, s auth.Session) error {
	if b.err != nil {
		return b.err
	}
	return b.Store.CreateSession(ctx, s)
}

// A link or code can be used again if its login failed for another reason than a refusal.
func TestLoginThatBroke(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		broken := &brokenSessions{Store: f.store}
		limits, err := throttle.New(f.records, throttle.Config{FreePerNetwork: 1})
		if err != nil {
			t.Fatal(err)
		}
		f.open(auth.Config{Throttle: limits, Sessions: broken}, recovery.Config{BaseURL: "https://app.example.com/account/"})
		f.user(ada, true)
		link := token(t, f.asks(recovery.KindLogin, ada))
		challenge, code := f.code(ada)
		from := auth.WithDevice(t.Context(), network(1))
		for name, login := range map[string]func(context.Context) (auth.Tokens, error){
			"link": func(ctx context.Context) (auth.Tokens, error) { return f.recovery.LoginByLink(ctx, link) },
			"code": func(ctx context.Context) (auth.Tokens, error) { return f.recovery.LoginByCode(ctx, challenge, code) },
		} {
			for _, broken.err = range []error{errors.New("the disk is full"), context.Canceled} {
				if _, err := login(from); !errors.Is(err, broken.err) || auth.HTTPStatus(err) < 500 {
					t.Errorf("the %s with a store that is down: %v, want %v and a 5xx", name, err, broken.err)
				}
			}
			broken.err = nil
			if tokens, err := login(from); err != nil || tokens.RefreshToken == "" {
				t.Errorf("the %s after the store has recovered: %v", name, err)
			}
			if _, err := login(from); !errors.Is(err, recovery.ErrInvalidToken) {
				t.Errorf("the %s a second time: %v, want ErrInvalidToken", name, err)
			}
		}
	})
}

// everybody is an auth.SecondFactor that every account has. The code "right" is always good.
type everybody struct{}

func (everybody) Required(context.Context, string) (bool, error) { return true, nil }

func (everybody) Prove(_ context.Context, _, code string) ([]string, error) {
	if code != "right" {
		return nil, auth.ErrInvalidCredentials
	}
	return []string{"hwk"}, nil
}

// With a second factor, a link or code is used up when it has proven the first.
func TestLoginGoesOn(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		limits, err := throttle.New(f.records, throttle.Config{})
		if err != nil {
			t.Fatal(err)
		}
		f.open(auth.Config{Throttle: limits, SecondFactor: everybody{}, Records: f.records}, recovery.Config{BaseURL: "https://app.example.com/account/"})
		f.user(ada, true)
		link := token(t, f.asks(recovery.KindLogin, ada))
		challenge, code := f.code(ada)
		for name, login := range map[string]func() (auth.Tokens, error){
			"link": func() (auth.Tokens, error) { return f.recovery.LoginByLink(t.Context(), link) },
			"code": func() (auth.Tokens, error) { return f.recovery.LoginByCode(t.Context(), challenge, code) },
		} {
			_, err := login()
			pending, ok := errors.AsType[*auth.MFARequiredError](err)
			if !ok {
				t.Fatalf("the %s: %v, want an MFARequiredError", name, err)
			}
			if _, err := login(); !errors.Is(err, recovery.ErrInvalidToken) {
				t.Errorf("the %s a second time: %v, want ErrInvalidToken", name, err)
			}
			tokens, err := f.accounts.LoginMFA(t.Context(), pending.Token, "right")
			if err != nil || !slices.Equal(tokens.Principal.AMR(), []string{"otp", "hwk", "mfa"}) || tokens.DeviceToken == "" {
				t.Errorf("LoginMFA after the %s: %v, device token %q", name, err, string(tokens.DeviceToken))
			}
		}
	})
}
