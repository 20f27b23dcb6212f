package recovery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// code requests a code for an address and returns it with its challenge.
func (f *fixture) code(address string) (challenge, code string) {
	f.t.Helper()
	challenge, err := f.recovery.RequestLoginCode(f.t.Context(), address)
	if err != nil {
		f.t.Fatal(err)
	}
	m := f.onlyMessage(recovery.KindCode, address)
	if len(m.Code) != 6 || m.Link != "" || len(challenge) != 64 {
		f.t.Fatalf("sent the code %q and the link %q for the challenge %q", m.Code, m.Link, challenge)
	}
	return challenge, m.Code
}

// wrong returns another code.
func wrong(code string) string { return fmt.Sprintf("%c%s", '0'+(code[0]-'0'+1)%10, code[1:]) }

// TestLoginByLink: a link logs its user in, and the tokens name the method.
func TestLoginByLink(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		tokens, err := f.recovery.LoginByLink(t.Context(), token(t, f.asks(recovery.KindLogin, ada)))
		if err != nil {
			t.Fatal(err)
		}
		if tokens.Principal.Subject() != id || !slices.Equal(tokens.Principal.AMR(), []string{"otp"}) || tokens.RefreshToken == "" {
			t.Errorf("the tokens are for %v", tokens.Principal)
		}
	})
}

// browser is the secret of a browser.
const browser = "0123456789abcdefghijkl"

// requestLogin requests a login for ada, and returns the challenge, and link and code of the message.
func (f *fixture) requestLogin(browser string) (challenge, link, code string) {
	f.t.Helper()
	challenge, err := f.recovery.RequestLogin(f.t.Context(), browser, ada)
	if err != nil {
		f.t.Fatal(err)
	}
	m := f.onlyMessage(recovery.KindLogin, ada)
	if len(m.Code) != 6 || len(challenge) != 64 || m.Life != 10*time.Minute {
		f.t.Fatalf("sent the code %q for the challenge %q and %v", m.Code, challenge, m.Life)
	}
	return challenge, token(f.t, m), m.Code
}

// TestOtherBrowser: a link logs in where it was requested, and nowhere else, whoever sent it there. The
// code of the same message logs in there, too, and each ends the other.
func TestOtherBrowser(t *testing.T) {
	otherBrowser := strings.Repeat("x", 22)
	byLink := func(f *fixture, browser, link string) error {
		f.t.Helper()
		_, err := f.recovery.LoginByRequestedLink(f.t.Context(), browser, link)
		return err
	}
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		challenge, link, code := f.requestLogin(browser)
		for _, other := range []string{"", otherBrowser, browser + "x", challenge} {
			is(t, byLink(f, other, link), recovery.ErrOtherBrowser, "in another browser")
		}
		_, err := f.recovery.LoginByLink(t.Context(), link)
		is(t, err, recovery.ErrInvalidToken, "without a browser")
		is(t, byLink(f, browser, "x"), recovery.ErrInvalidToken, "a malformed link")
		is(t, byLink(f, browser, flip(link)), recovery.ErrInvalidToken, "an unknown link")
		is(t, byLink(f, browser, link[:22]+flip(link[22:])), recovery.ErrInvalidToken, "a forged link")
		is(t, byLink(f, browser, challenge), recovery.ErrInvalidToken, "the challenge as a link")
		is(t, byLink(f, browser, link), nil, "in the browser that requested it")
		is(t, byLink(f, browser, link), recovery.ErrInvalidToken, "a second time")
		_, err = f.recovery.LoginByCode(t.Context(), challenge, code)
		is(t, err, recovery.ErrInvalidToken, "the code after the link")

		time.Sleep(time.Hour)
		challenge, link, code = f.requestLogin(browser)
		_, err = f.recovery.LoginByCode(t.Context(), challenge, code)
		is(t, err, nil, "the code")
		is(t, byLink(f, browser, link), recovery.ErrInvalidToken, "the link after the code")

		// A client without cookies keeps the challenge.
		time.Sleep(time.Hour)
		challenge, link, _ = f.requestLogin("")
		is(t, byLink(f, "", link), recovery.ErrOtherBrowser, "without the challenge")
		is(t, byLink(f, challenge, link), nil, "with the challenge")

		// Links that were requested in one browser stay good beside each other, and used-up codes
		// leave the link as it is.
		time.Sleep(time.Hour)
		challenge, first, _ := f.requestLogin(browser)
		time.Sleep(time.Minute)
		_, second, _ := f.requestLogin(browser)
		for range 6 {
			_, err := f.recovery.LoginByCode(t.Context(), challenge, "wrong")
			is(t, err, recovery.ErrInvalidToken, "a wrong code")
		}
		is(t, byLink(f, browser, first), nil, "the first link")
		is(t, byLink(f, browser, second), nil, "the second link")

		for _, weak := range []string{"x", browser[1:]} {
			if _, err := f.recovery.RequestLogin(t.Context(), weak, ada); err == nil || auth.HTTPStatus(err) != 500 {
				t.Errorf("a browser known by %d characters: %v, want an error of the host", len(weak), err)
			}
		}
		f.sentNothing("for a weak secret")
	})
}

// TestUnverifiedAddress: no link or code logs a user in to an account that somebody else may have
// registered with the user's address.
func TestUnverifiedAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, false)
		is(t, f.recovery.RequestLoginLink(t.Context(), ada), nil, "a link")
		_, err := f.recovery.RequestLoginCode(t.Context(), ada)
		is(t, err, nil, "a code")
		_, err = f.recovery.RequestLogin(t.Context(), browser, ada)
		is(t, err, nil, "a link and a code")
		f.sentNothing("to an address that is not verified")
	})
}

func TestLoginByCode(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		id := f.user(ada, true)
		challenge, code := f.code(ada)
		for i := range 4 {
			_, err := f.recovery.LoginByCode(t.Context(), challenge, wrong(code))
			is(t, err, recovery.ErrInvalidToken, fmt.Sprintf("wrong code %d", i+1))
		}
		tokens, err := f.recovery.LoginByCode(t.Context(), challenge, code)
		if err != nil || tokens.Principal.Subject() != id {
			t.Fatalf("the fifth try: %v, %v", tokens.Principal, err)
		}
		_, err = f.recovery.LoginByCode(t.Context(), challenge, code)
		is(t, err, recovery.ErrInvalidToken, "a used code")
	})
}

// TestFiveTries: a sixth try fails even with the right code, also if the tries are concurrent.
func TestFiveTries(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, f *fixture) {
		f.user(ada, true)
		challenge, code := f.code(ada)
		var tries sync.WaitGroup
		for range 20 {
			tries.Go(func() {
				if _, err := f.recovery.LoginByCode(t.Context(), challenge, wrong(code)); err == nil {
					t.Error("a wrong code logs in")
				}
			})
		}
		tries.Wait()
		_, err := f.recovery.LoginByCode(t.Context(), challenge, code)
		is(t, err, recovery.ErrInvalidToken, "the code after five tries")

		// Tries with a made-up challenge do not count, so that strangers cannot use the tries up.
		time.Sleep(time.Minute)
		challenge, code = f.code(ada)
		foreign := challenge[:22] + flip(challenge[22:])
		for range 10 {
			_, err := f.recovery.LoginByCode(t.Context(), foreign, code)
			is(t, err, recovery.ErrInvalidToken, "the code with another challenge")
		}
		_, err = f.recovery.LoginByCode(t.Context(), challenge, code)
		is(t, err, nil, "the code")
	})
}

// flip changes each character.
func flip(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
	}
	return string(b)
}

// counted is a RecordStore that records its calls.
type counted struct {
	auth.RecordStore
	mu    sync.Mutex
	calls []string
}

func (c *counted) count(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
}

func (c *counted) take() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

func (c *counted) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	c.count("Record")
	return c.RecordStore.Record(ctx, key)
}

func (c *counted) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	c.count(fmt.Sprintf("ReplaceRecord, %d bytes", len(r.Value)/100*100))
	return c.RecordStore.ReplaceRecord(ctx, old, r)
}

func (c *counted) DeleteRecord(ctx context.Context, key string, version int64) error {
	c.count("DeleteRecord")
	return c.RecordStore.DeleteRecord(ctx, key, version)
}

// TestTriesRevealNothing: a wrong code makes the same calls to the store whether a code was sent or not,
// and when the tries of the challenge are used up.
func TestTriesRevealNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var store *counted
		f := newFixture(t, recovery.Config{}, func(s auth.RecordStore) auth.RecordStore {
			store = &counted{RecordStore: s}
			return store
		})
		f.user(ada, true)
		known, code := f.code(ada)
		unknown, err := f.recovery.RequestLoginCode(t.Context(), nobody)
		if err != nil {
			t.Fatal(err)
		}
		f.sentNothing("to an unknown address")
		store.take()
		var want []string
		for i := range 8 {
			for _, challenge := range []string{known, unknown} {
				_, err := f.recovery.LoginByCode(t.Context(), challenge, wrong(code))
				is(t, err, recovery.ErrInvalidToken, "a wrong code")
				calls := store.take()
				if want == nil {
					want = calls
				}
				if !slices.Equal(calls, want) || len(calls) != 4 {
					t.Errorf("try %d made the calls %q, the first one %q", i+1, calls, want)
				}
			}
		}
		if err := f.recovery.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
