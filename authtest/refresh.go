package authtest

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
)

// refreshRules are the rules for refresh tokens over a store that keeps its contract. They do not
// belong to the contract: a store that breaks one of them breaks another rule as well.
func refreshRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Refresh/Table", holds: "Each refresh token gets the result of the rotation table, whenever it is presented, to either server.", check: checkRefreshTable},
		{name: "Refresh/OneUse", holds: "Without a window, a used token ends the session when it is presented again.", check: checkRefreshOneUse},
		{name: "Refresh/Together", holds: "Concurrent calls of Refresh with one token, to two servers, all get the same next token.", check: checkRefreshTogether},
		{name: "Refresh/Crash", holds: crashHolds, check: func(s auth.SessionStore) error { return checkCrashes(memstore.New(), s, UUIDs) }},
		{name: "Refresh/LogoutTogether", holds: "A session that is logged out while other calls refresh it has ended.", check: checkRefreshLogout},
	}
}

const (
	refreshUser     = "ada"
	refreshPassword = "correct horse"
)

// settableClock is a store whose clock a check sets.
type settableClock struct {
	auth.SessionStore
	now func() time.Time
}

func (s settableClock) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	session, _, err := s.SessionStore.Session(ctx, id)
	return session, s.now(), err
}

// newReplicas returns n servers that share one store and have one user.
func newReplicas(ctx context.Context, s auth.SessionStore, n int, cfg auth.Config) ([]*auth.Authenticator, error) {
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		return nil, err
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		return nil, err
	}
	refreshKeys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		return nil, err
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys})
	if err != nil {
		return nil, err
	}
	cfg.Hasher, cfg.Sessions, cfg.RefreshKeys = fastHasher{}, s, refreshKeys
	users := memstore.New()
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

// table is a second implementation of the rotation table. It decides by the history of a session,
// while package session decides by its state.
type table struct {
	window        time.Duration // negative: no window
	created, used time.Time
	newest        *issued
	byText        map[string]*issued
	tokens        []*issued // all issued tokens, the oldest first
	ended         bool
	thefts        int
}

// issued is a refresh token of the session.
type issued struct {
	text       string
	generation int
	retired    bool      // whether another token has replaced it before it was used
	usedAt     time.Time // time of its last use that issued a new token; zero if it was not used
}

// expected is the result of a refresh that the table expects.
type expected struct {
	refused bool
	same    *issued       // token that is returned again; nil: a new one is returned
	next    func(*issued) // records the new token
}

func newTable(window time.Duration, created time.Time, text string) *table {
	t := &table{window: window, created: created, used: created, byText: make(map[string]*issued)}
	t.add(&issued{text: text})
	return t
}

func (t *table) add(token *issued) {
	t.byText[token.text], t.newest = token, token
	t.tokens = append(t.tokens, token)
}

// present returns the expected result for a token that is presented now.
func (t *table) present(token *issued, now time.Time) expected {
	expired := now.Sub(t.used) >= 14*24*time.Hour || now.Sub(t.created) >= 90*24*time.Hour
	age := t.newest.generation - token.generation
	used := !token.usedAt.IsZero()
	switch {
	case t.ended || expired:
		return expected{refused: true}
	case token == t.newest:
		return expected{next: func(next *issued) {
			token.usedAt, t.used = now, now
			next.generation = token.generation + 1
			t.add(next)
		}}
	case t.window >= 0 && used && age <= 64 && now.Sub(token.usedAt) <= t.window:
		return expected{same: t.newest}
	case t.window >= 0 && used && age == 1:
		return expected{next: func(next *issued) {
			token.usedAt, t.used = now, now
			t.newest.retired = true
			next.generation = token.generation + 1
			t.add(next)
		}}
	}
	t.ended = true
	t.thefts++
	return expected{refused: true}
}

func checkRefreshTable(s auth.SessionStore) error { return checkTraces(s, 18, 36, 30*time.Second) }

func checkRefreshOneUse(s auth.SessionStore) error { return checkTraces(s, 12, 16, -1) }

// checkTraces creates sessions and presents random tokens of them at random times to one of two
// servers. It compares the results with the table.
func checkTraces(s auth.SessionStore, traces, steps int, window time.Duration) error {
	ctx, cancel := background()
	defer cancel()
	var now time.Time
	var thefts atomic.Int64
	replicas, err := newReplicas(ctx, settableClock{s, func() time.Time { return now }}, 2, auth.Config{
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
	wantThefts := 0
	for trace := range traces {
		random := mathrand.New(mathrand.NewPCG(uint64(trace), 7))
		tokens, err := replicas[0].Login(ctx, refreshUser, refreshPassword)
		if err != nil {
			return err
		}
		session, _, err := s.Session(ctx, tokens.Principal.SessionID())
		if err != nil {
			return err
		}
		now = session.CreatedAt
		t, pace := newTable(window, now, tokens.RefreshToken), paces[trace%len(paces)]
		for step := range steps {
			now = now.Add(pace.pause(random))
			back := min(pace.back(random), len(t.tokens)-1)
			if err := t.step(ctx, replicas[random.IntN(2)], random, t.tokens[len(t.tokens)-1-back], now); err != nil {
				return fmt.Errorf("trace %d, step %d: %w", trace, step, err)
			}
		}
		wantThefts += t.thefts
		if int(thefts.Load()) != wantThefts {
			return fmt.Errorf("trace %d: %d events of reuse, want %d", trace, thefts.Load(), wantThefts)
		}
	}
	return nil
}

// pace is the behaviour of the clients in a trace.
type pace struct {
	pause func(*mathrand.Rand) time.Duration // time between two steps
	back  func(*mathrand.Rand) int           // number of tokens issued after the presented token
}

var paces = []pace{
	{ // mixed pauses, many of them near the end of the window
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
	{ // many tabs
		pause: func(random *mathrand.Rand) time.Duration { return time.Duration(random.IntN(7)) * time.Second },
		back:  func(random *mathrand.Rand) int { return max(0, random.IntN(12)-6) },
	},
	{ // a client that is rarely online and loses replies
		pause: func(random *mathrand.Rand) time.Duration {
			return 14*24*time.Hour - time.Duration(max(0, random.IntN(12)-1))*24*time.Hour - time.Microsecond
		},
		back: func(random *mathrand.Rand) int { return random.IntN(8) / 7 },
	},
}

// step presents a token, sometimes after a forged one.
func (t *table) step(ctx context.Context, a *auth.Authenticator, random *mathrand.Rand, token *issued, now time.Time) error {
	if random.IntN(20) == 0 {
		forged := []byte(token.text)
		forged[random.IntN(len(forged))] ^= 1
		if _, err := a.Refresh(ctx, string(forged)); !errors.Is(err, auth.ErrInvalidGrant) {
			return fmt.Errorf("Refresh of a forged token returned %s", describe(err))
		}
	}
	want := t.present(token, now)
	got, err := a.Refresh(ctx, token.text)
	call := fmt.Sprintf("Refresh at %v of a token of generation %d (used at %v, retired: %v), while the newest has generation %d",
		now, token.generation, token.usedAt, token.retired, t.newest.generation)
	switch {
	case want.refused:
		return wants(call, err, auth.ErrInvalidGrant)
	case err != nil:
		return fmt.Errorf("%s returned %s", call, describe(err))
	case want.same != nil:
		if got.RefreshToken != want.same.text {
			return fmt.Errorf("%s did not return the newest token", call)
		}
		return nil
	case t.byText[got.RefreshToken] != nil:
		return fmt.Errorf("%s returned a token that was issued before", call)
	}
	want.next(&issued{text: got.RefreshToken})
	return nil
}

func checkRefreshTogether(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	replicas, err := newReplicas(ctx, s, 2, auth.Config{RefreshWindow: 5 * time.Minute}) // the bound on the duration of a check
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
				return fmt.Errorf("round %d: %d concurrent calls of Refresh returned different tokens, or the old one", round, crowd)
			}
		}
		tokens.RefreshToken = next[0]
	}
	list, err := replicas[1].Sessions(ctx, tokens.Principal.Subject())
	if err != nil || len(list) != 1 {
		return fmt.Errorf("Sessions returned %d sessions and %s, want one session", len(list), describe(err))
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
