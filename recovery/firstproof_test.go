package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/throttle"
)

// enrolled is an auth.SecondFactor of the users in it. The code "right" is always good.
type enrolled struct {
	mu    sync.Mutex
	users map[string]bool
	err   error // result of Disable, unless nil
}

func (e *enrolled) Required(_ context.Context, userID string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.users[userID], nil
}

func (e *enrolled) Prove(_ context.Context, _, code string) ([]string, error) {
	if code != "right" {
		return nil, auth.ErrInvalidCredentials
	}
	return []string{"otp"}, nil
}

func (e *enrolled) Disable(_ context.Context, userID string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		delete(e.users, userID)
	}
	return e.err
}

// withFactor makes a new service whose users may have a second factor.
func (f *fixture) withFactor() *enrolled {
	f.t.Helper()
	limits, err := throttle.New(f.records, throttle.Config{})
	if err != nil {
		f.t.Fatal(err)
	}
	e := &enrolled{users: map[string]bool{}}
	f.open(auth.Config{Throttle: limits, SecondFactor: e, Records: f.records}, recovery.Config{
		BaseURL: "https://app.example.com/account/", Events: f.record, OnFirstProof: e.Disable,
	})
	return e
}

// prehijacked is an account that an attacker set up with the address of somebody else.
type prehijacked struct {
	user    string
	session auth.Tokens
	pending string // login that waits for the second factor
	change  string // link to the attacker's own address
	reset   string // link that was sent before the proof
}

// prehijack registers with the address of ada, begins a session, enrolls a second factor, begins another
// login and requests a change of address.
func (f *fixture) prehijack(factor *enrolled) (p prehijacked) {
	f.t.Helper()
	p.user = f.user(ada, false)
	var err error
	if p.session, err = f.accounts.Login(f.t.Context(), "user-of-"+ada, password); err != nil {
		f.t.Fatal(err)
	}
	factor.users[p.user] = true
	_, err = f.accounts.Login(f.t.Context(), "user-of-"+ada, password)
	pending, ok := errors.AsType[*auth.MFARequiredError](err)
	if !ok {
		f.t.Fatal(err)
	}
	p.pending = pending.Token
	p.change = f.change(ada, eve)
	p.reset = token(f.t, f.asks(recovery.KindReset, ada))
	time.Sleep(2 * time.Minute)
	return p
}

// survivors returns what of the attacker's still works.
func (f *fixture) survivors(p prehijacked, factor *enrolled) (works []string) {
	f.t.Helper()
	if _, err := f.accounts.Refresh(f.t.Context(), p.session.RefreshToken); err == nil {
		works = append(works, "session")
	}
	if _, err := f.accounts.LoginMFA(f.t.Context(), p.pending, "right"); err == nil {
		works = append(works, "pending login")
	}
	if factor.users[p.user] {
		works = append(works, "factor")
	}
	if f.reset(f.t.Context(), p.reset, "yet another password") == nil {
		works = append(works, "reset link")
	}
	if f.recovery.ChangeAddress(f.t.Context(), p.change, password) == nil {
		works = append(works, "change link")
	}
	if _, err := f.accounts.Login(f.t.Context(), "user-of-"+ada, password); !errors.Is(err, auth.ErrInvalidCredentials) {
		works = append(works, "password")
	}
	return works
}

// TestFirstProofEndsEverything: when the owner of an address proves it for the first time, by whichever
// link, nothing survives that was set before.
func TestFirstProofEndsEverything(t *testing.T) {
	for name, prove := range map[string]func(f *fixture) error{
		"Reset": func(f *fixture) error {
			return f.reset(f.t.Context(), token(f.t, f.asks(recovery.KindReset, ada)), another)
		},
		"ClaimAddress": func(f *fixture) error {
			return f.recovery.ClaimAddress(f.t.Context(), token(f.t, f.asks(recovery.KindVerify, ada)), another)
		},
		"ClaimAddress without password": func(f *fixture) error {
			return f.recovery.ClaimAddress(f.t.Context(), token(f.t, f.asks(recovery.KindVerify, ada)), "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
				factor := f.withFactor()
				p := f.prehijack(factor)
				is(t, prove(f), nil, "the owner's link")
				if address, verified, _ := f.addresses.Address(t.Context(), p.user); address != ada || !verified {
					t.Errorf("the address is %s, verified: %t", address, verified)
				}
				if works := f.survivors(p, factor); len(works) > 0 {
					t.Errorf("these still work: %q", works)
				}
				if name != "ClaimAddress without password" && !f.logsIn(ada, another) {
					t.Error("the owner cannot log in without a code of the attacker's factor")
				}
				f.outbox.take()
			})
		})
	}
}

// TestProverKnowsPassword: a prover who also gives the current password keeps sessions, factors and
// password. Without it nothing is proven, and the link stays valid.
func TestProverKnowsPassword(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		factor := f.withFactor()
		p := f.prehijack(factor)
		link := token(t, f.asks(recovery.KindVerify, ada))
		for _, wrong := range []string{"", "not the password"} {
			err := f.recovery.VerifyAddress(t.Context(), link, wrong)
			if !errors.Is(err, recovery.ErrPasswordNeeded) || errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("with the password %q: %v, want ErrPasswordNeeded alone", wrong, err)
			}
		}
		if _, verified, _ := f.addresses.Address(t.Context(), p.user); verified {
			t.Error("the address is verified without the password")
		}
		is(t, f.recovery.VerifyAddress(t.Context(), link, password), nil, "the link with the password")
		if got, want := fmt.Sprint(f.survivors(p, factor)), "[session pending login factor password]"; got != want {
			t.Errorf("these still work: %s, want %s", got, want)
		}
	})
}

// TestChangeTakesPassword: a link to a new address does not change the address for somebody else than
// the user who requested it.
func TestChangeTakesPassword(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		link := f.change(ada, eve)
		for _, wrong := range []string{"", "not the password"} {
			is(t, f.recovery.ChangeAddress(t.Context(), link, wrong), recovery.ErrPasswordNeeded, "a password "+wrong)
		}
		if address, _, _ := f.addresses.Address(t.Context(), id); address != ada {
			t.Errorf("the address was changed to %s without the password", address)
		}
		is(t, f.recovery.ChangeAddress(t.Context(), link, password), nil, "the password")
	})
}

// TestFactorOfProvenAddress: a reset of an account whose address was proven before keeps its second
// factor.
func TestFactorOfProvenAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		factor := f.withFactor()
		id := f.user(ada, true)
		factor.users[id] = true
		is(t, f.reset(t.Context(), token(t, f.asks(recovery.KindReset, ada)), another), nil, "the reset")
		if !factor.users[id] {
			t.Error("a reset removed the second factor of a proven account")
		}
	})
}

// TestFailedFirstProof: if the factors cannot be removed, the address stays unproven, and the next link
// removes them. A password that breaks a rule removes nothing and leaves the link valid.
func TestFailedFirstProof(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		factor := f.withFactor()
		p := f.prehijack(factor)
		link := token(t, f.asks(recovery.KindReset, ada))
		if _, weak := errors.AsType[*passwords.Error](f.reset(t.Context(), link, "short")); !weak || !factor.users[p.user] {
			t.Error("a short password was not refused, or removed the factor")
		}
		factor.err = errors.New("the disk is full")
		is(t, f.reset(t.Context(), link, another), factor.err, "a reset that cannot remove the factor")
		if _, verified, _ := f.addresses.Address(t.Context(), p.user); verified {
			t.Error("the address is verified although the factor is still there")
		}
		f.outbox.take()
		factor.err = nil
		time.Sleep(time.Hour)
		is(t, f.reset(t.Context(), token(t, f.asks(recovery.KindReset, ada)), another+"!"), nil, "the next link")
		if _, verified, _ := f.addresses.Address(t.Context(), p.user); !verified || factor.users[p.user] {
			t.Errorf("after the next link: verified %t, factor %t", verified, factor.users[p.user])
		}
		f.outbox.take()
	})
}

// TestFactorNeedsOnFirstProof: a service whose users may have a second factor must say how it is removed.
func TestFactorNeedsOnFirstProof(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.withFactor()
		_, err := recovery.New(f.accounts, f.addresses, f.records, f.outbox, recovery.Config{BaseURL: "https://app.example.com"})
		if fault, ok := errors.AsType[*auth.ConfigError](err); !ok || fault.Field != "recovery.Config.OnFirstProof" {
			t.Errorf("New returned %v, want a fault of OnFirstProof", err)
		}
	})
}
