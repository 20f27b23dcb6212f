package session_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/session"
)

// A session ends by its own terms or by the Config, whichever is shorter, and keeps its terms through
// refreshes by Keepers of other Configs.
func TestTerms(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	short := session.Config{Idle: 12 * time.Hour, Life: 2 * day}
	long := session.Config{Idle: 90 * day, Life: 365 * day}
	for name, row := range map[string]struct {
		terms          session.Terms
		begins, serves session.Config // of the Keeper of the login, and of that of the refresh
		first, later   time.Duration  // life of the first refresh token, and of the next one after an hour
	}{
		"none":              {session.Terms{}, long, long, 90 * day, 90 * day},
		"idle":              {session.Terms{Idle: 12 * time.Hour}, long, long, 12 * time.Hour, 12 * time.Hour},
		"idle, elsewhere":   {session.Terms{Idle: 12 * time.Hour}, long, short, 12 * time.Hour, 12 * time.Hour},
		"lifetime":          {session.Terms{Lifetime: day}, long, long, day, 23 * time.Hour},
		"both":              {session.Terms{Idle: 2 * time.Hour, Lifetime: 2*time.Hour + 30*time.Minute}, long, long, 2 * time.Hour, 90 * time.Minute},
		"more than allowed": {session.Terms{Idle: 90 * day, Lifetime: 365 * day}, short, short, 12 * time.Hour, 12 * time.Hour},
		"less than a minute": {
			session.Terms{Idle: -1, Lifetime: 61 * time.Minute}, long, long, time.Minute, -1,
		},
		"part of a second": {session.Terms{Idle: 2*time.Hour + 900*time.Millisecond}, long, long, 2 * time.Hour, 2 * time.Hour},
		"not persistent":   {session.Terms{NonPersistent: true}, short, short, 12 * time.Hour, 12 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store, keys := memstore.New(), testkit.Secrets(t)
				keeper := func(cfg session.Config) *session.Keeper {
					cfg.Store, cfg.Keys, cfg.TokenLife = store, keys, time.Hour
					k, err := session.New(cfg)
					if err != nil {
						t.Fatal(err)
					}
					return k
				}
				begins := keeper(row.begins).With(row.terms)
				draft := begins.Draft("ada", session.Device{})
				token, err := begins.Create(t.Context(), &draft, []string{"pwd"}, time.Now())
				if err != nil || token.ExpiresIn != row.first {
					t.Fatalf("got %v, %v, want a token for %v", token.ExpiresIn, err, row.first)
				}
				time.Sleep(time.Hour)
				serves := keeper(row.serves)
				for range 2 { // the second use is that of the next token
					use, err := serves.Open(t.Context(), token.Text)
					if err != nil {
						t.Fatal(err)
					}
					if row.later < 0 {
						if list, err := serves.List(t.Context(), "ada"); use.Verdict != session.Expired || len(list) > 0 || err != nil {
							t.Errorf("got verdict %d and the sessions %v, %v, want Expired and none", use.Verdict, list, err)
						}
						return
					}
					if use.Terms().NonPersistent != row.terms.NonPersistent {
						t.Errorf("got the terms %+v, want those of the login", use.Terms())
					}
					if token, err = use.Renew(t.Context(), session.Device{}, time.Now()); err != nil || token.ExpiresIn != row.later {
						t.Errorf("refreshed: got %v, %v, want a token for %v", token.ExpiresIn, err, row.later)
					}
				}
				if terms, err := serves.TermsOf(t.Context(), "ada", draft.ID); err != nil || terms.NonPersistent != row.terms.NonPersistent {
					t.Errorf("TermsOf: got %+v, %v", terms, err)
				}
				for _, of := range [][2]string{{"bob", draft.ID}, {"ada", ""}, {"ada", "x"}} {
					if terms, err := serves.TermsOf(t.Context(), of[0], of[1]); terms != (session.Terms{}) || err != nil {
						t.Errorf("TermsOf %v: got %+v, %v, want none", of, terms, err)
					}
				}
			})
		})
	}
}

// A state with terms stays within its bound, and one that is cut off is an error.
func TestTermsInTheState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		k, err := session.New(session.Config{Store: store, Keys: testkit.Secrets(t), Window: 10 * time.Minute, TokenLife: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		draft := k.Draft("ada", session.Device{})
		plain := draft
		if _, err := k.Create(t.Context(), &plain, nil, time.Now()); err != nil || plain.State[0] != 3 {
			t.Errorf("without terms: got %v and a state that begins with %d, want 3: the others are for terms", err, plain.State[0])
		}
		with := k.With(session.Terms{Idle: time.Hour, NonPersistent: true})
		draft = with.Draft("ada", session.Device{})
		token, err := with.Create(t.Context(), &draft, []string{strings.Repeat("m", session.MaxMethods)}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			time.Sleep(9*time.Second + 123*time.Microsecond)
			use, err := k.Open(t.Context(), token.Text)
			if err != nil || use.Verdict != session.Rotate || !use.Terms().NonPersistent {
				t.Fatalf("%v, %v", use, err)
			}
			if token, err = use.Renew(t.Context(), session.Device{}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		s, _, err := store.Session(t.Context(), draft.ID)
		if err != nil || len(s.State) > 512 {
			t.Fatalf("got a state of %d bytes, %v, want 512 at most", len(s.State), err)
		}
		for _, length := range []int{50 + 128, 50 + 128 + 8} {
			damaged := s
			damaged.State, damaged.Version = s.State[:length], s.Version+1
			if err := store.ReplaceSession(t.Context(), s, damaged); err != nil {
				t.Fatal(err)
			}
			if use, err := k.Open(t.Context(), token.Text); err == nil {
				t.Errorf("a state of %d bytes: got %v, want an error", length, use)
			}
			s = damaged
		}
	})
}
