package session_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/session"
)

// bound is a session that belongs to an account with a fingerprint.
type bound struct {
	*session.Keeper
	id    string
	token string
}

func fingerprint(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

func newBound(t *testing.T, store session.Store) *bound {
	t.Helper()
	k, err := session.New(session.Config{Store: store, Keys: testkit.Secrets(t), TokenLife: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	draft := k.Draft("ada", session.Device{})
	token, err := k.CreateBound(t.Context(), &draft, fingerprint("old"), []string{strings.Repeat("m", session.MaxMethods)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &bound{k, draft.ID, token.Text}
}

// refresh presents the token to an account with this fingerprint, and reports whether the session
// belongs to it.
func (b *bound) refresh(t *testing.T, account string) bool {
	t.Helper()
	use, err := b.Open(t.Context(), b.token)
	if err != nil {
		t.Fatal(err)
	}
	if !use.BelongsTo(fingerprint(account)) {
		return false
	}
	token, err := use.Renew(t.Context(), session.Device{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b.token = token.Text
	return true
}

func (b *bound) bind(t *testing.T, from, to string) {
	t.Helper()
	if err := b.Bind(t.Context(), "ada", fingerprint(from), fingerprint(to)); err != nil {
		t.Fatal(err)
	}
}

// A session belongs to the fingerprint that its account had, and to those that it was bound to.
func TestBinding(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		do   string // from>to binds; a word refreshes
		want string // words that the session belongs to afterwards
	}{
		"as it began":                         {"", "old"},
		"after a refresh":                     {"old old", "old"},
		"bound":                               {"old>a", "old a"},
		"bound to several":                    {"old>a old>b old>c", "old a b c"},
		"bound to too many":                   {"old>a old>b old>c old>d", "old b c d"},
		"bound, then refreshed":               {"old>a old", "old a"},
		"bound, then refreshed with the next": {"old>a a", "a"},
		"bound twice to the same":             {"old>a old>a old>b old>c", "old a b c"},
		"bound by another account's change":   {"x>a", "old"},
		"bound step by step":                  {"old>a a a>b b b>c", "b c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := memstore.New()
			b := newBound(t, store)
			for _, step := range strings.Fields(row.do) {
				if from, to, binds := strings.Cut(step, ">"); binds {
					b.bind(t, from, to)
				} else if !b.refresh(t, step) {
					t.Fatalf("the session does not belong to %q", step)
				}
			}
			s, _, err := store.Session(t.Context(), b.id)
			if err != nil || len(s.State) > 512 {
				t.Errorf("the state has %d bytes, %v, want at most 512", len(s.State), err)
			}
			for _, account := range strings.Fields("old a b c d x") {
				use, err := b.Open(t.Context(), b.token)
				if err != nil {
					t.Fatal(err)
				}
				want := strings.Contains(" "+row.want+" ", " "+account+" ")
				if got := use.BelongsTo(fingerprint(account)); got != want {
					t.Errorf("the session belongs to %q: %t, want %t", account, got, want)
				}
			}
		})
	}
}

// A session that is bound to nothing belongs to the first account that it is refreshed for. So does one
// whose state was written before there were bindings.
func TestUnbound(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(state []byte) []byte{
		"by Create": func(state []byte) []byte { return state },
		"version 2": func(state []byte) []byte {
			methods := 50 + int(state[49])
			return append(append([]byte{2}, state[1:methods]...), state[methods+1:]...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLogin(t, session.Config{})
			s, _, err := l.store.Session(t.Context(), l.id)
			if err != nil {
				t.Fatal(err)
			}
			changed := s
			changed.State, changed.Version = change(s.State), s.Version+1
			if err := l.store.ReplaceSession(t.Context(), s, changed); err != nil {
				t.Fatal(err)
			}
			b := &bound{l.keeper, l.id, l.first}
			b.bind(t, "x", "y")
			if !b.refresh(t, "old") || b.refresh(t, "another") || !b.refresh(t, "old") {
				t.Error("the session does not belong to the account that it was refreshed for, or to another too")
			}
		})
	}
}

// Without a Keeper there are no sessions, and nothing to do for them.
func TestNoKeeper(t *testing.T) {
	t.Parallel()
	var none *session.Keeper
	if err := errors.Join(none.Reach(t.Context(), "ada"), none.Bind(t.Context(), "ada", fingerprint("old"), fingerprint("a"))); err != nil {
		t.Error(err)
	}
}

// disturbed is a Store in which a session changes before each of some replacements.
type disturbed struct {
	*memstore.Store
	times int
}

func (d *disturbed) ReplaceSession(ctx context.Context, old, replacement session.Session) error {
	if d.times--; d.times >= 0 {
		between := old
		between.Version++
		if err := d.Store.ReplaceSession(ctx, old, between); err != nil {
			return err
		}
	}
	return d.Store.ReplaceSession(ctx, old, replacement)
}

// Bind goes on after a conflict, though not for ever, and passes on the error of a store that fails.
func TestBindConflicts(t *testing.T) {
	t.Parallel()
	for times, want := range map[int]error{0: nil, 1: nil, 7: nil, 8: session.ErrConflict} {
		store := &disturbed{Store: memstore.New()}
		b := newBound(t, store)
		store.times = times
		if err := b.Bind(t.Context(), "ada", fingerprint("old"), fingerprint("a")); !errors.Is(err, want) {
			t.Errorf("Bind with %d conflicts: %v, want %v", times, err, want)
		}
		if got := b.refresh(t, "a"); got != (want == nil) {
			t.Errorf("after %d conflicts the session belongs to the next fingerprint: %t", times, got)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	store := memstore.New()
	if err := newBound(t, store).Bind(ended, "ada", fingerprint("old"), fingerprint("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("Bind on a store that fails: %v", err)
	}
}
