package session_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/session"
)

// login is a session whose refresh tokens a test uses.
type login struct {
	keeper *session.Keeper
	store  *memstore.Store
	id     string
	first  string // refresh token
}

func newLogin(t *testing.T, cfg session.Config) *login {
	t.Helper()
	l := &login{store: memstore.New()}
	cfg.Store, cfg.Keys, cfg.TokenLife = l.store, testkit.Secrets(t), time.Hour
	var err error
	if l.keeper, err = session.New(cfg); err != nil {
		t.Fatal(err)
	}
	draft := l.keeper.Draft("ada", session.Device{})
	token, err := l.keeper.Create(t.Context(), &draft, []string{"pwd", "otp"}, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	l.id, l.first = draft.ID, token.Text
	return l
}

// use presents a refresh token and stores what follows, as package auth does.
func (l *login) use(t *testing.T, token string) (session.Verdict, string) {
	t.Helper()
	use, err := l.keeper.Open(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if use.Verdict == session.Theft || use.Verdict == session.Expired {
		return use.Verdict, ""
	}
	next, err := use.Renew(t.Context(), session.Device{}, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return use.Verdict, next.Text
}

// TestRotation walks through the table of the rule. Tokens are named by generation and attempt.
func TestRotation(t *testing.T) {
	t.Parallel()
	const window = 30 * time.Second
	type step struct {
		wait    time.Duration
		present string
		verdict session.Verdict
		answer  string
	}
	for name, steps := range map[string][]step{
		"the newest token begins a generation": {
			{0, "0.0", session.Rotate, "1.0"}, {time.Hour, "1.0", session.Rotate, "2.0"},
		},
		"a used token repeats its answer within the window": {
			{0, "0.0", session.Rotate, "1.0"}, {window, "0.0", session.Repeat, "1.0"},
		},
		"so does an older one": {
			{0, "0.0", session.Rotate, "1.0"}, {time.Second, "1.0", session.Rotate, "2.0"}, {time.Second, "0.0", session.Repeat, "2.0"},
		},
		"the parent gets another answer later, for the reply was lost": {
			{0, "0.0", session.Rotate, "1.0"}, {window + time.Microsecond, "0.0", session.Retry, "1.1"}, {0, "1.1", session.Rotate, "2.0"},
		},
		"a retired attempt is theft": {
			{0, "0.0", session.Rotate, "1.0"}, {time.Minute, "0.0", session.Retry, "1.1"}, {0, "1.0", session.Theft, ""},
		},
		"an older token is theft later": {
			{0, "0.0", session.Rotate, "1.0"}, {0, "1.0", session.Rotate, "2.0"}, {window + time.Microsecond, "0.0", session.Theft, ""},
		},
		"the parent's second retry": {
			{0, "0.0", session.Rotate, "1.0"}, {time.Minute, "0.0", session.Retry, "1.1"}, {time.Minute, "0.0", session.Retry, "1.2"}, {0, "1.1", session.Theft, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLogin(t, session.Config{Window: window})
				tokens := map[string]string{"0.0": l.first}
				for i, s := range steps {
					time.Sleep(s.wait)
					verdict, answer := l.use(t, tokens[s.present])
					if verdict != s.verdict {
						t.Fatalf("step %d: verdict %d, want %d", i, verdict, s.verdict)
					}
					if known, there := tokens[s.answer]; there && known != answer {
						t.Errorf("step %d: the answer is not the token %s that was given before", i, s.answer)
					}
					for name, token := range tokens {
						if token == answer && name != s.answer {
							t.Errorf("step %d: the answer is the token %s, want %s", i, name, s.answer)
						}
					}
					tokens[s.answer] = answer
				}
			})
		})
	}
}

// expiries is a store that keeps until when each revocation is recorded.
type expiries struct {
	*memstore.Store
	until []time.Time
}

func (e *expiries) DeleteSession(ctx context.Context, id string, until time.Time) error {
	e.until = append(e.until, until)
	return e.Store.DeleteSession(ctx, id, until)
}

func (e *expiries) DeleteUserSessions(ctx context.Context, userID, except string, issued, until time.Time) error {
	e.until = append(e.until, until)
	return e.Store.DeleteUserSessions(ctx, userID, except, issued, until)
}

// A revocation is kept until no verifier accepts the token any more: with the longest leeway, which is
// 5 minutes, and for a minute of clocks that step back.
func TestRevocationOutlivesLeeway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const tokenLife, leeway, step = time.Hour, 5 * time.Minute, time.Minute
		store := &expiries{Store: memstore.New()}
		k, err := session.New(session.Config{Store: store, Keys: testkit.Secrets(t), TokenLife: tokenLife})
		if err != nil {
			t.Fatal(err)
		}
		end := time.Now().Add(20 * time.Minute) // of the access token
		draft := k.Draft("ada", session.Device{})
		if _, err := k.Create(t.Context(), &draft, nil, end); err != nil {
			t.Fatal(err)
		}
		if _, err := k.DeleteOf(t.Context(), "ada", draft.ID); err != nil {
			t.Fatal(err)
		}
		if err := k.DeleteAll(t.Context(), "ada", ""); err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Time{end, time.Now().Add(tokenLife)} {
			if want = want.Add(leeway + step); store.until[i].Before(want) {
				t.Errorf("revocation %d is kept until %v, want %v", i, store.until[i], want)
			}
		}
	})
}

// With a negative window a token is good for one use (RFC 9700 section 4.14.2).
func TestStrictRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t, session.Config{Window: -1})
		if verdict, _ := l.use(t, l.first); verdict != session.Rotate {
			t.Errorf("the newest token: verdict %d", verdict)
		}
		if verdict, _ := l.use(t, l.first); verdict != session.Theft {
			t.Errorf("the same token at once: verdict %d", verdict)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	l, other := newLogin(t, session.Config{}), newLogin(t, session.Config{})
	altered := []byte(l.first)
	altered[len(altered)-4] ^= 1
	for name, token := range map[string]string{
		"nothing":                    "",
		"a space":                    l.first + " ",
		"an altered MAC":             string(altered),
		"another server's token":     other.first,
		"the session's ID alone":     l.id,
		"another spelling of base64": strings.NewReplacer("-", "+", "_", "/").Replace(l.first[:85]) + "=",
	} {
		if use, err := l.keeper.Open(t.Context(), token); err != session.ErrInvalidGrant || use != nil {
			t.Errorf("%s: %v, %v", name, use, err)
		}
	}
	if verdict, _ := l.use(t, l.first); verdict != session.Rotate {
		t.Errorf("after all that: verdict %d, want the session untouched", verdict)
	}
}

// The end of a session follows its last use, and never passes its whole life.
func TestEndOfASession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t, session.Config{Idle: time.Hour, Life: 90 * time.Minute})
		token := l.first
		for _, wait := range []time.Duration{59 * time.Minute, 30 * time.Minute} {
			time.Sleep(wait)
			verdict := session.Verdict(0)
			if verdict, token = l.use(t, token); verdict != session.Rotate {
				t.Fatalf("after %v: verdict %d", wait, verdict)
			}
		}
		time.Sleep(time.Minute)
		if verdict, _ := l.use(t, token); verdict != session.Expired {
			t.Errorf("after the whole life: verdict %d, want Expired", verdict)
		}
		if list, err := l.keeper.List(t.Context(), "ada"); len(list) != 0 || err != nil {
			t.Errorf("lists %v, %v", list, err)
		}
	})
}

// A revocation of a user outlives the longest token, and that of a session its last token.
func TestRevocationsOutliveTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t, session.Config{})
		use, err := l.keeper.Find(t.Context(), "ada", l.id)
		if err != nil {
			t.Fatal(err)
		}
		if err := use.Extend(t.Context(), time.Now().Add(30*time.Minute)); err != nil {
			t.Fatal(err)
		}
		s, _, err := l.store.Session(t.Context(), l.id)
		if err != nil {
			t.Fatal(err)
		}
		if ended, err := l.keeper.Delete(t.Context(), &s); !ended || err != nil {
			t.Fatalf("Delete: %t, %v", ended, err)
		}
		if ended, err := l.keeper.Delete(t.Context(), &s); ended || err != nil {
			t.Errorf("a second Delete: %t, %v", ended, err)
		}
		if err := l.keeper.DeleteAll(t.Context(), "ada", ""); err != nil {
			t.Fatal(err)
		}
		life := map[string]time.Duration{}
		if _, err := l.store.RevokedSince(t.Context(), "", func(r session.Revocation) {
			life[r.SessionID+r.UserID] = time.Until(r.Expiry)
		}); err != nil {
			t.Fatal(err)
		}
		if len(life) != 2 || life[l.id] < 30*time.Minute || life["ada"] < time.Hour || life["ada"] > 2*time.Hour {
			t.Errorf("revocations live %v, want the session's at least 30 minutes and the user's an hour and a margin", life)
		}
	})
}

func TestFindAndDeleteOf(t *testing.T) {
	t.Parallel()
	l := newLogin(t, session.Config{})
	for name, row := range map[string]struct{ user, id string }{"another user": {"eve", l.id}, "no session": {"ada", "x"}} {
		if _, err := l.keeper.Find(t.Context(), row.user, row.id); err != session.ErrNotFound {
			t.Errorf("Find, %s: %v", name, err)
		}
		if ended, err := l.keeper.DeleteOf(t.Context(), row.user, row.id); ended || err != session.ErrNotFound {
			t.Errorf("DeleteOf, %s: %t, %v", name, ended, err)
		}
	}
	if ended, err := l.keeper.DeleteOf(t.Context(), "ada", l.id); !ended || err != nil {
		t.Errorf("DeleteOf: %t, %v", ended, err)
	}
}

// A session that changed since it was loaded is not overwritten.
func TestConflict(t *testing.T) {
	t.Parallel()
	l := newLogin(t, session.Config{})
	use, err := l.keeper.Open(t.Context(), l.first)
	if err != nil {
		t.Fatal(err)
	}
	l.use(t, l.first)
	if _, err := use.Renew(t.Context(), session.Device{}, time.Now()); err != session.ErrConflict {
		t.Errorf("Renew: %v", err)
	}
}

func TestNewFaults(t *testing.T) {
	t.Parallel()
	good := session.Config{Store: memstore.New(), Keys: testkit.Secrets(t)}
	for want, change := range map[string]func(*session.Config){
		"[]":                       func(*session.Config) {},
		"[Config.Sessions]":        func(c *session.Config) { c.Store = nil },
		"[Config.RefreshKeys]":     func(c *session.Config) { c.Keys = new(secrets.Ring) },
		"[Config.RefreshWindow]":   func(c *session.Config) { c.Window = time.Hour },
		"[Config.SessionIdle]":     func(c *session.Config) { c.Idle = -1 },
		"[Config.SessionLifetime]": func(c *session.Config) { c.Life = time.Second },
		"[Config.SessionsPerUser]": func(c *session.Config) { c.PerUser = 1001 },
	} {
		cfg := good
		change(&cfg)
		k, err := session.New(cfg)
		if got := fmt.Sprint(testkit.FaultFields(err)); got != want || (k == nil) != (err != nil) {
			t.Errorf("faults in %s, want %s", got, want)
		}
	}
}

func TestDeviceClean(t *testing.T) {
	t.Parallel()
	d := session.Device{
		UserAgent: "Mozilla/5.0\r\n\x00 \u202e" + strings.Repeat("ä", 500), IP: netip.MustParseAddr("::ffff:192.0.2.1"), Known: "token",
	}.Clean()
	if len(d.UserAgent) > 256 || strings.ContainsAny(d.UserAgent, "\r\n\x00\u202e") || !strings.HasPrefix(d.UserAgent, "Mozilla/5.0 ä") {
		t.Errorf("the user agent is %q", d.UserAgent)
	}
	if d.IP != netip.MustParseAddr("192.0.2.1") || d.Known != "" {
		t.Errorf("IP %v, Known %q", d.IP, string(d.Known))
	}
}

// A store that fails is neither a session that is gone nor an invalid grant.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	l := newLogin(t, session.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, open := l.keeper.Open(ctx, l.first)
	_, find := l.keeper.Find(ctx, "ada", l.id)
	_, list := l.keeper.List(ctx, "ada")
	_, ended := l.keeper.DeleteOf(ctx, "ada", l.id)
	for name, err := range map[string]error{"Open": open, "Find": find, "List": list, "DeleteOf": ended, "DeleteAll": l.keeper.DeleteAll(ctx, "ada", "")} {
		if !errors.Is(err, context.Canceled) || errors.Is(err, session.ErrInvalidGrant) || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client that refreshes fast does not shorten what the window promises to another tab: up to 64
// generations are remembered.
func TestFastRefreshesInTheWindow(t *testing.T) {
	t.Parallel()
	for refreshes, want := range map[int]session.Verdict{5: session.Repeat, 64: session.Repeat, 65: session.Theft} {
		synctest.Test(t, func(t *testing.T) {
			l := newLogin(t, session.Config{Window: 30 * time.Second})
			token := l.first
			for i := range refreshes {
				time.Sleep(100 * time.Millisecond)
				var verdict session.Verdict
				if verdict, token = l.use(t, token); verdict != session.Rotate {
					t.Fatalf("refresh %d: verdict %d", i, verdict)
				}
			}
			if verdict, _ := l.use(t, l.first); verdict != want {
				t.Errorf("the first token after %d refreshes: verdict %d, want %d", refreshes, verdict, want)
			}
		})
	}
}

// A state fits what stores keep, also with the longest window and the most methods and bindings. Generations that
// are older than the window are not remembered.
func TestStateIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		k, err := session.New(session.Config{Store: store, Keys: testkit.Secrets(t), Window: 10 * time.Minute, TokenLife: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		draft := k.Draft("ada", session.Device{})
		token, err := k.CreateBound(t.Context(), &draft, fingerprint("old"), []string{strings.Repeat("m", session.MaxMethods)}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, next := range []string{"a", "b", "c"} {
			if err := k.Bind(t.Context(), "ada", fingerprint("old"), fingerprint(next)); err != nil {
				t.Fatal(err)
			}
		}
		size := func() int {
			s, _, err := store.Session(t.Context(), draft.ID)
			if err != nil {
				t.Fatal(err)
			}
			return len(s.State)
		}
		refresh := func() {
			use, err := k.Open(t.Context(), token.Text)
			if err != nil || use.Verdict != session.Rotate {
				t.Fatalf("%v, %v", use, err)
			}
			if token, err = use.Renew(t.Context(), session.Device{}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		for range 200 {
			time.Sleep(9*time.Second + 123*time.Microsecond)
			refresh()
			if n := size(); n > 512 {
				t.Fatalf("the state has %d bytes", n)
			}
		}
		most := size()
		time.Sleep(11 * time.Minute)
		refresh()
		if n := size(); n > most-200 {
			t.Errorf("after a pause the state has %d bytes, before it %d: old generations are still remembered", n, most)
		}
	})
}

// A state that a store returns damaged is an error, and no panic.
func FuzzState(f *testing.F) {
	store := memstore.New()
	keys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		f.Fatal(err)
	}
	k, err := session.New(session.Config{Store: store, Keys: keys, TokenLife: time.Hour})
	if err != nil {
		f.Fatal(err)
	}
	draft := k.Draft("ada", session.Device{})
	token, err := k.Create(f.Context(), &draft, []string{"pwd"}, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(draft.State)
	f.Add(draft.State[:49])
	f.Add([]byte{2})
	of := k.Draft("ada", session.Device{})
	if _, err := k.CreateBound(f.Context(), &of, sha256.Sum256(nil), []string{"pwd"}, time.Now()); err != nil {
		f.Fatal(err)
	}
	f.Add(of.State)
	terms := k.With(session.Terms{Idle: time.Hour, NonPersistent: true})
	other := terms.Draft("ada", session.Device{})
	if _, err := terms.Create(f.Context(), &other, []string{"pwd"}, time.Now()); err != nil {
		f.Fatal(err)
	}
	f.Add(other.State)
	f.Fuzz(func(t *testing.T, state []byte) {
		s, _, err := store.Session(t.Context(), draft.ID)
		if err != nil {
			t.Fatal(err)
		}
		damaged := s
		damaged.State = state
		damaged.Version++
		if err := store.ReplaceSession(t.Context(), s, damaged); err != nil {
			t.Fatal(err)
		}
		use, err := k.Open(t.Context(), token.Text)
		if (use == nil) == (err == nil) {
			t.Errorf("%v, %v", use, err)
		}
	})
}

// TestRepeatOnOtherClock has a replica whose clock is three hours ahead repeat the answer to a refresh
// token. The access token that it issues ends by its clock, and the revocation outlives it.
func TestRepeatOnOtherClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLogin(t, session.Config{})
		_, next := l.use(t, l.first)
		use, err := l.keeper.Open(t.Context(), l.first)
		if err != nil || use.Verdict != session.Repeat {
			t.Fatalf("verdict %v, %v, want Repeat", use.Verdict, err)
		}
		until := time.Now().Add(3 * time.Hour)
		if token, err := use.Renew(t.Context(), session.Device{}, until); err != nil || token.Text != next {
			t.Fatalf("the answer is not repeated: %v", err)
		}
		if _, err := l.keeper.DeleteOf(t.Context(), "ada", l.id); err != nil {
			t.Fatal(err)
		}
		if _, err := l.store.RevokedSince(t.Context(), "", func(r session.Revocation) {
			if !r.Expiry.After(until) {
				t.Errorf("the revocation expires %v before the access token", until.Sub(r.Expiry))
			}
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// lostReply is a store that deletes sessions and fails nevertheless, or fails alone.
type lostReply struct {
	*memstore.Store
	deletes bool
}

func (s lostReply) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	if s.deletes {
		if err := s.Store.DeleteSession(ctx, id, expiry); err != nil {
			return err
		}
	}
	return errors.New("the connection was lost")
}

// TestDeleteWithLostReply has a store delete a session and lose the reply. The caller must learn that
// the session has ended: at its next attempt nothing would be left to report.
func TestDeleteWithLostReply(t *testing.T) {
	t.Parallel()
	for _, deletes := range []bool{true, false} {
		l := newLogin(t, session.Config{})
		keeper, err := session.New(session.Config{Store: lostReply{l.store, deletes}, Keys: testkit.Secrets(t), TokenLife: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		s, _, err := l.store.Session(t.Context(), l.id)
		if err != nil {
			t.Fatal(err)
		}
		if ended, err := keeper.Delete(t.Context(), &s); ended != deletes || (err == nil) != deletes {
			t.Errorf("the store deletes: %t; Delete returned %t, %v", deletes, ended, err)
		}
	}
}
