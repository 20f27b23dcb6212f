package authtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
)

// refreshRules say what refresh tokens do over a store that keeps its contract.
// They are no part of the contract: a store that breaks one breaks a rule above.
func refreshRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Refresh/Table", holds: "Each refresh token gets the answer that the table of rotation says, whoever presents it, and when.", check: checkRefreshTable},
		{name: "Refresh/OneUse", holds: "Without a window, whoever presents a used token ends the session.", check: checkRefreshOneUse},
		{name: "Refresh/Together", holds: "Of many who present one token at once, to two servers, all get the same next token.", check: checkRefreshTogether},
		{name: "Refresh/LogoutTogether", holds: "A session that is logged out while others refresh it is ended.", check: checkRefreshLogout},
	}
}

const (
	refreshUser     = "ada"
	refreshPassword = "correct horse"
)

// stoppedClock is a store whose clock stands where it is put.
type stoppedClock struct {
	auth.SessionStore
	now func() time.Time
}

func (s stoppedClock) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	one, _, err := s.SessionStore.Session(ctx, id)
	return one, s.now(), err
}

// newReplicas returns n servers over one store, with one user.
func newReplicas(ctx context.Context, s auth.SessionStore, n int, cfg auth.Config) ([]*auth.Authenticator, error) {
	var secret [32]byte
	rand.Read(secret[:])
	key, err := auth.NewSecretKey(secret[:])
	if err != nil {
		return nil, err
	}
	keys, err := auth.NewKeyRing(key)
	if err != nil {
		return nil, err
	}
	tokens, err := auth.NewJWTIssuer(auth.JWTConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys})
	if err != nil {
		return nil, err
	}
	cfg.Hasher, cfg.Sessions, cfg.RefreshKeys = fastHasher{}, s, keys
	users := auth.NewMemoryStore()
	var replicas []*auth.Authenticator
	for range n {
		a, err := auth.New(users, tokens, cfg)
		if err != nil {
			return nil, err
		}
		replicas = append(replicas, a)
	}
	_, err = replicas[0].Register(ctx, refreshUser, refreshPassword)
	return replicas, err
}

// table is the table of rotation once more, told by the history of a session
// rather than by its state.
type table struct {
	window        time.Duration // negative: none
	created, used time.Time
	newest        *issued
	texts         map[string]*issued
	order         []*issued
	ended         bool
	thefts        int
}

// issued is a token of the session.
type issued struct {
	text       string
	generation int
	retired    bool      // in favour of another, without having been used
	usedAt     time.Time // when it was last followed by a new token; zero: it is the newest, or retired
}

// answer is what the table wants of a refresh.
type answer struct {
	refused bool
	same    *issued       // that token again; nil: a new one
	next    func(*issued) // what to do with the new one
}

func newTable(window time.Duration, created time.Time, text string) *table {
	t := &table{window: window, created: created, used: created, texts: make(map[string]*issued)}
	t.add(&issued{text: text})
	return t
}

func (t *table) add(i *issued) {
	t.texts[i.text], t.newest = i, i
	t.order = append(t.order, i)
}

func (t *table) present(i *issued, now time.Time) answer {
	expired := now.Sub(t.used) >= 14*24*time.Hour || now.Sub(t.created) >= 90*24*time.Hour
	past := t.newest.generation - i.generation
	used := !i.usedAt.IsZero()
	switch {
	case t.ended || expired:
		return answer{refused: true}
	case i == t.newest:
		return answer{next: func(next *issued) {
			i.usedAt, t.used = now, now
			next.generation = i.generation + 1
			t.add(next)
		}}
	case t.window >= 0 && used && past <= 4 && now.Sub(i.usedAt) <= t.window:
		return answer{same: t.newest}
	case t.window >= 0 && used && past == 1:
		return answer{next: func(next *issued) {
			i.usedAt, t.used = now, now
			t.newest.retired = true
			next.generation = i.generation + 1
			t.add(next)
		}}
	}
	t.ended = true
	t.thefts++
	return answer{refused: true}
}

func checkRefreshTable(s auth.SessionStore) error { return checkTraces(s, 18, 36, 30*time.Second) }

func checkRefreshOneUse(s auth.SessionStore) error { return checkTraces(s, 12, 16, -1) }

// checkTraces presents random tokens of random sessions at random times to one of
// two servers, and holds the answers against the table.
func checkTraces(s auth.SessionStore, traces, steps int, window time.Duration) error {
	ctx, cancel := background()
	defer cancel()
	var now time.Time
	var thefts atomic.Int64
	replicas, err := newReplicas(ctx, stoppedClock{s, func() time.Time { return now }}, 2, auth.Config{
		RefreshWindow: window,
		Events: func(_ context.Context, e auth.Event) {
			if e.Kind == auth.EventReuse {
				thefts.Add(1)
			}
		},
	})
	if err != nil {
		return err
	}
	want := 0
	for trace := range traces {
		random := mathrand.New(mathrand.NewPCG(uint64(trace), 7))
		tokens, err := replicas[0].Login(ctx, refreshUser, refreshPassword)
		if err != nil {
			return err
		}
		one, _, err := s.Session(ctx, tokens.Principal.SessionID())
		if err != nil {
			return err
		}
		now = one.CreatedAt
		t, pace := newTable(window, now, tokens.RefreshToken), paces[trace%len(paces)]
		for step := range steps {
			now = now.Add(pace.pause(random))
			back := min(pace.back(random), len(t.order)-1)
			if err := t.step(ctx, replicas[random.IntN(2)], random, t.order[len(t.order)-1-back], now); err != nil {
				return fmt.Errorf("trace %d, step %d: %w", trace, step, err)
			}
		}
		want += t.thefts
		if int(thefts.Load()) != want {
			return fmt.Errorf("trace %d: %d events of reuse, want %d", trace, thefts.Load(), want)
		}
	}
	return nil
}

// pace is how the clients of a trace behave: how long they wait between two
// steps, and how many tokens before the last is the one that they present.
type pace struct {
	pause func(*mathrand.Rand) time.Duration
	back  func(*mathrand.Rand) int
}

var paces = []pace{
	{ // all sorts, often around the window
		pause: func(random *mathrand.Rand) time.Duration {
			switch n := random.IntN(100); {
			case n < 25:
				return 0
			case n < 45:
				return time.Duration(random.IntN(20_000_000)) * time.Microsecond
			case n < 55:
				return 30 * time.Second
			case n < 65:
				return 30*time.Second + time.Microsecond
			case n < 90:
				return time.Duration(random.IntN(60)) * time.Minute
			}
			return time.Duration(random.IntN(48)) * time.Hour
		},
		back: func(random *mathrand.Rand) int { return int(random.ExpFloat64() * 1.2) },
	},
	{ // many tabs at once
		pause: func(random *mathrand.Rand) time.Duration { return time.Duration(random.IntN(7)) * time.Second },
		back:  func(random *mathrand.Rand) int { return max(0, random.IntN(12)-6) },
	},
	{ // one that is seldom there, and loses answers
		pause: func(random *mathrand.Rand) time.Duration {
			return 14*24*time.Hour - time.Duration(max(0, random.IntN(12)-1))*24*time.Hour - time.Microsecond
		},
		back: func(random *mathrand.Rand) int { return random.IntN(8) / 7 },
	},
}

// step presents token i.
func (t *table) step(ctx context.Context, a *auth.Authenticator, random *mathrand.Rand, i *issued, now time.Time) error {
	if random.IntN(20) == 0 {
		forged := []byte(i.text)
		at := random.IntN(len(forged))
		forged[at] ^= 1
		if _, err := a.Refresh(ctx, string(forged)); !errors.Is(err, auth.ErrInvalidGrant) {
			return fmt.Errorf("Refresh of a forged token returned %s", describe(err))
		}
	}
	want := t.present(i, now)
	got, err := a.Refresh(ctx, i.text)
	call := fmt.Sprintf("Refresh of a token of generation %d (used %v, retired %v), where the newest has %d, at %v",
		i.generation, i.usedAt, i.retired, t.newest.generation, now)
	switch {
	case want.refused:
		return wants(call, err, auth.ErrInvalidGrant)
	case err != nil:
		return fmt.Errorf("%s returned %s", call, describe(err))
	case want.same != nil:
		if got.RefreshToken != want.same.text {
			return fmt.Errorf("%s returned another token than the newest", call)
		}
		return nil
	case t.texts[got.RefreshToken] != nil:
		return fmt.Errorf("%s returned a token that was there before", call)
	}
	want.next(&issued{text: got.RefreshToken})
	return nil
}

func checkRefreshTogether(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	replicas, err := newReplicas(ctx, s, 2, auth.Config{RefreshWindow: 5 * time.Minute}) // as long as a check may take
	if err != nil {
		return err
	}
	tokens, err := replicas[0].Login(ctx, refreshUser, refreshPassword)
	if err != nil {
		return err
	}
	for round := range 4 {
		var next [crowd]string
		if err := errors.Join(together(func(i int) error {
			got, err := replicas[i%2].Refresh(ctx, tokens.RefreshToken)
			next[i] = got.RefreshToken
			return err
		})...); err != nil {
			return err
		}
		for _, text := range next {
			if text != next[0] || text == tokens.RefreshToken {
				return fmt.Errorf("round %d: %d calls of Refresh at once got different tokens, or the old one", round, crowd)
			}
		}
		tokens.RefreshToken = next[0]
	}
	list, err := replicas[1].Sessions(ctx, tokens.Principal.Subject())
	if err != nil || len(list) != 1 {
		return fmt.Errorf("then there are %d sessions, %s", len(list), describe(err))
	}
	return nil
}

func checkRefreshLogout(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	replicas, err := newReplicas(ctx, s, 2, auth.Config{})
	if err != nil {
		return err
	}
	for range 4 {
		tokens, err := replicas[0].Login(ctx, refreshUser, refreshPassword)
		if err != nil {
			return err
		}
		var next [crowd]string
		if err := errors.Join(together(func(i int) error {
			if i%8 == 5 {
				return replicas[i%2].Logout(ctx, tokens.RefreshToken)
			}
			got, err := replicas[i%2].Refresh(ctx, tokens.RefreshToken)
			next[i] = got.RefreshToken
			if errors.Is(err, auth.ErrInvalidGrant) {
				return nil
			}
			return err
		})...); err != nil {
			return err
		}
		for _, text := range append(next[:], tokens.RefreshToken) {
			if _, err := replicas[0].Refresh(ctx, text); !errors.Is(err, auth.ErrInvalidGrant) {
				return fmt.Errorf("Refresh after Logout returned %s", describe(err))
			}
		}
	}
	return nil
}
