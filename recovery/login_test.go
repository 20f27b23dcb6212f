package recovery_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// code asks for a code and returns it with its challenge.
func (w *world) code(address string) (challenge, code string) {
	w.t.Helper()
	challenge, err := w.recovery.RequestLoginCode(w.t.Context(), address)
	if err != nil {
		w.t.Fatal(err)
	}
	m := w.one(recovery.KindCode, address)
	if len(m.Code) != 6 || m.Link != "" || len(challenge) != 64 {
		w.t.Fatalf("sent the code %q and the link %q, challenge %q", m.Code, m.Link, challenge)
	}
	return challenge, m.Code
}

// wrong returns a code that is another.
func wrong(code string) string { return fmt.Sprintf("%c%s", '0'+(code[0]-'0'+1)%10, code[1:]) }

func TestLoginByLink(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		id := w.user(ada, true)
		tokens, err := w.recovery.LoginByLink(t.Context(), token(t, w.asks(recovery.KindLogin, ada)))
		if err != nil {
			t.Fatal(err)
		}
		if tokens.Principal.Subject() != id || !slices.Equal(tokens.Principal.AMR(), []string{"otp"}) || tokens.RefreshToken == "" {
			t.Errorf("the tokens are for %v", tokens.Principal)
		}
	})
}

// TestUnprovenAddress holds that nobody is led into an account that somebody else
// may have made with their address.
func TestUnprovenAddress(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, false)
		is(t, w.recovery.RequestLoginLink(t.Context(), ada), nil, "a link")
		_, err := w.recovery.RequestLoginCode(t.Context(), ada)
		is(t, err, nil, "a code")
		w.nothing("to an address that is not verified")
	})
}

func TestLoginByCode(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		id := w.user(ada, true)
		challenge, code := w.code(ada)
		for i := range 4 {
			_, err := w.recovery.LoginByCode(t.Context(), challenge, wrong(code))
			is(t, err, recovery.ErrInvalidToken, fmt.Sprintf("wrong code %d", i+1))
		}
		tokens, err := w.recovery.LoginByCode(t.Context(), challenge, code)
		if err != nil || tokens.Principal.Subject() != id {
			t.Fatalf("the fifth try: %v, %v", tokens.Principal, err)
		}
		_, err = w.recovery.LoginByCode(t.Context(), challenge, code)
		is(t, err, recovery.ErrInvalidToken, "a used code")
	})
}

// TestFiveTries holds that a sixth try fails even with the code: also where the tries
// come at once.
func TestFiveTries(t *testing.T) {
	run(t, recovery.Config{}, func(t *testing.T, w *world) {
		w.user(ada, true)
		challenge, code := w.code(ada)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := w.recovery.LoginByCode(t.Context(), challenge, wrong(code)); err == nil {
					t.Error("a wrong code logs in")
				}
			})
		}
		all.Wait()
		_, err := w.recovery.LoginByCode(t.Context(), challenge, code)
		is(t, err, recovery.ErrInvalidToken, "the code after five tries")

		// Another's challenge counts nothing: who does not have it cannot use tries up.
		time.Sleep(time.Minute)
		challenge, code = w.code(ada)
		foreign := challenge[:22] + flip(challenge[22:])
		for range 10 {
			_, err := w.recovery.LoginByCode(t.Context(), foreign, code)
			is(t, err, recovery.ErrInvalidToken, "the code with another challenge")
		}
		_, err = w.recovery.LoginByCode(t.Context(), challenge, code)
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

// counted is a RecordStore that counts its calls.
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

// TestTriesTellNothing holds that a wrong code costs the store the same whether it
// was sent or not, or its tries are over.
func TestTriesTellNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var store *counted
		w := newWorld(t, recovery.Config{}, func(s auth.RecordStore) auth.RecordStore {
			store = &counted{RecordStore: s}
			return store
		})
		w.user(ada, true)
		known, code := w.code(ada)
		unknown, err := w.recovery.RequestLoginCode(t.Context(), nobody)
		if err != nil {
			t.Fatal(err)
		}
		w.nothing("to nobody")
		store.take()
		var want []string
		for i := range 8 {
			for _, challenge := range []string{known, unknown} {
				_, err := w.recovery.LoginByCode(t.Context(), challenge, wrong(code))
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
		if err := w.recovery.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
