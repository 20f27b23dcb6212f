package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/secrets"
)

// hookedSessions is a SessionStore whose calls can be watched, failed or altered.
type hookedSessions struct {
	auth.SessionStore
	before func(method string) error // unless nil: its error is returned in place of the call
}

func (s *hookedSessions) hook(method string) error {
	if s.before == nil {
		return nil
	}
	return s.before(method)
}

func (s *hookedSessions) CreateSession(ctx context.Context, one auth.Session) error {
	if err := s.hook("CreateSession"); err != nil {
		return err
	}
	return s.SessionStore.CreateSession(ctx, one)
}

func (s *hookedSessions) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	if err := s.hook("Session"); err != nil {
		return auth.Session{}, time.Time{}, err
	}
	return s.SessionStore.Session(ctx, id)
}

func (s *hookedSessions) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	if err := s.hook("Sessions"); err != nil {
		return nil, err
	}
	return s.SessionStore.Sessions(ctx, userID)
}

func (s *hookedSessions) ReplaceSession(ctx context.Context, old, replacement auth.Session) error {
	if err := s.hook("ReplaceSession"); err != nil {
		return err
	}
	return s.SessionStore.ReplaceSession(ctx, old, replacement)
}

func (s *hookedSessions) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	if err := s.hook("DeleteSession"); err != nil {
		return err
	}
	return s.SessionStore.DeleteSession(ctx, id, expiry)
}

func (s *hookedSessions) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	if err := s.hook("DeleteUserSessions"); err != nil {
		return err
	}
	return s.SessionStore.DeleteUserSessions(ctx, userID, except, issuedAt, expiry)
}

func (s *hookedSessions) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	if err := s.hook("RevokedSince"); err != nil {
		return cursor, err
	}
	return s.SessionStore.RevokedSince(ctx, cursor, each)
}

// house is an Authenticator with sessions, one user, and what stands around it.
type house struct {
	*auth.Authenticator
	users    *hookedStore
	sessions *hookedSessions
	keys     *secrets.Ring // of refresh tokens
	config   auth.Config
	user     auth.User

	mu   sync.Mutex
	told []auth.Event
}

const password = "correct horse"

func newHouse(t testing.TB, cfg auth.Config) *house {
	t.Helper()
	h := &house{users: newHookedStore(), keys: testkit.Secrets(t)}
	h.sessions = &hookedSessions{SessionStore: h.users.Store}
	cfg.Sessions, cfg.RefreshKeys = h.sessions, h.keys
	cfg.Events = func(_ context.Context, e auth.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told = append(h.told, e)
	}
	h.config = cfg
	h.Authenticator = newAuthenticator(t, h.users, cfg)
	var err error
	if h.user, err = h.Register(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	h.events()
	return h
}

// events returns the kinds of what was told since it was last asked.
func (h *house) events() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var kinds []string
	for _, e := range h.told {
		kinds = append(kinds, string(e.Kind))
	}
	h.told = nil
	return strings.Join(kinds, " ")
}

func (h *house) login(t testing.TB) auth.Tokens {
	t.Helper()
	tokens, err := h.Login(context.Background(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func (h *house) refresh(t testing.TB, token string) auth.Tokens {
	t.Helper()
	tokens, err := h.Refresh(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// refused expects that the token gets none.
func (h *house) refused(t testing.TB, token string) {
	t.Helper()
	tokens, err := h.Refresh(context.Background(), token)
	if !errors.Is(err, auth.ErrInvalidGrant) || tokens != (auth.Tokens{}) {
		t.Errorf("Refresh returned %v, %v, want ErrInvalidGrant", tokens, err)
	}
}

// open returns how many sessions there are.
func (h *house) open(t testing.TB) int {
	t.Helper()
	list, err := h.Sessions(context.Background(), h.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		role := "reader"
		h := newHouse(t, auth.Config{Claims: func(_ context.Context, u auth.User, c *auth.Claims) error {
			c.Roles = []string{role}
			return nil
		}})
		start := time.Now()
		first := h.login(t)
		p := first.Principal
		if p.SessionID() == "" || first.RefreshToken == "" || first.RefreshExpiresIn != 14*24*time.Hour || len(first.RefreshToken) != 86 {
			t.Fatalf("login: session %q, %d characters for %v", p.SessionID(), len(first.RefreshToken), first.RefreshExpiresIn)
		}
		body, err := json.Marshal(first)
		if want := `{"access_token":"` + first.AccessToken + `","token_type":"bearer","expires_in":900,"refresh_token":"` + first.RefreshToken + `"}`; err != nil || string(body) != want {
			t.Errorf("as JSON: %s, %v", body, err)
		}

		time.Sleep(time.Hour)
		role = "writer"
		second := h.refresh(t, first.RefreshToken)
		q := second.Principal
		if q.Subject() != h.user.ID || q.SessionID() != p.SessionID() || !q.HasRole("writer") || q.HasRole("reader") {
			t.Errorf("refreshed: %+v", q.Claims())
		}
		if !q.AuthTime().Equal(start) || !q.IssuedAt().Equal(start.Add(time.Hour)) || q.AMR()[0] != "pwd" || q.TokenID() == p.TokenID() {
			t.Errorf("refreshed: %+v", q.Claims())
		}
		if _, err := h.Verify(t.Context(), second.AccessToken); err != nil {
			t.Error(err)
		}
		if h.events() != "login refresh" {
			t.Error("events")
		}
	})
}

// What is not a token of a known key is refused without a look at the store, and
// what is not genuine changes nothing, whoever knows the ID of the session.
func TestRefreshOfWhatIsNone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, auth.Config{})
	tokens := h.login(t)
	genuine := tokens.RefreshToken
	other := newHouse(t, auth.Config{})
	b, _ := base64.RawURLEncoding.DecodeString(genuine)
	altered := func(at int) string {
		c := append([]byte(nil), b...)
		c[at] ^= 0x40
		return base64.RawURLEncoding.EncodeToString(c)
	}
	looks := 0
	h.sessions.before = func(string) error { looks++; return nil }
	for name, text := range map[string]string{
		"nothing": "", "one character": "A", "zeros": strings.Repeat("A", 86), "64 KiB": strings.Repeat("A", 1<<16),
		"cut": genuine[:85], "longer": genuine + "A", "padded": genuine + "==", "a line more": genuine + "\n", "a line within": genuine[:40] + "\n" + genuine[41:],
		"space before": " " + genuine, "standard base64": "+" + genuine[1:], "NUL": "\x00" + genuine[1:], "not ASCII": genuine[:84] + "é",
		"stray bits":        genuine[:85] + string(genuine[85]+1),
		"access token":      tokens.AccessToken,
		"another server":    other.login(t).RefreshToken,
		"another key":       altered(0),
		"another key's end": altered(7),
	} {
		h.refused(t, text)
		if err := h.Logout(t.Context(), text); err != nil {
			t.Errorf("%s: Logout returned %v", name, err)
		}
		if looks > 0 {
			t.Errorf("%s: the store was asked", name)
		}
	}
	for at := 8; at < len(b); at++ {
		h.refused(t, altered(at))
		if err := h.Logout(t.Context(), altered(at)); err != nil {
			t.Errorf("Logout returned %v", err)
		}
	}
	// Also once the token has a past, and a future would be a guess away.
	h.sessions.before = nil
	next := h.refresh(t, genuine).RefreshToken
	b, _ = base64.RawURLEncoding.DecodeString(next)
	for at := 8; at < len(b); at++ {
		h.refused(t, altered(at))
	}
	if h.open(t) != 1 {
		t.Fatal("the session has ended")
	}
	h.refresh(t, next)
}

func TestRefreshKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{})
		again, err := auth.New(h.users, testkit.NewIssuer(t, jwt.IssuerConfig{}), h.config)
		if err != nil {
			t.Fatal(err)
		}
		old, next := secrets.Generate(), secrets.Generate()
		replace := func(first secrets.Key, others ...secrets.Key) {
			t.Helper()
			if err := h.keys.Replace(first, others...); err != nil {
				t.Fatal(err)
			}
		}
		replace(old, next)
		first := h.login(t).RefreshToken
		second := h.refresh(t, first).RefreshToken

		replace(next, old) // in the middle of the window
		repeated := h.refresh(t, first).RefreshToken
		if repeated == second {
			t.Error("the answer is still under the old key")
		}
		if other, err := again.Refresh(t.Context(), first); err != nil || other.RefreshToken != repeated {
			t.Errorf("another replica: %v", err)
		}
		third := h.refresh(t, second).RefreshToken // the same token in another spelling
		if h.refresh(t, repeated).RefreshToken != third {
			t.Error("one token under two keys is two tokens")
		}
		fourth := h.refresh(t, third).RefreshToken

		replace(next)
		h.refused(t, second)
		fifth := h.refresh(t, fourth).RefreshToken

		time.Sleep(time.Minute)
		h.refresh(t, fifth)
	})
}

// An account that is disabled or gone gets nothing any more, and its sessions end.
func TestRefreshReadsTheUser(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*house){
		"disabled": func(h *house) { h.users.loaded = func(u *auth.User) { u.Disabled = true } },
		"deleted": func(h *house) {
			h.users.before = func(method string) error {
				if method == "UserByID" {
					return auth.ErrUserNotFound
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, auth.Config{})
			one, two := h.login(t), h.login(t)
			h.events()
			change(h)
			h.refused(t, one.RefreshToken)
			if got := h.events(); got != "sessions_ended" {
				t.Errorf("events: %s", got)
			}
			h.users.loaded, h.users.before = nil, nil
			h.refused(t, two.RefreshToken)
			if h.open(t) != 0 {
				t.Error("a session goes on")
			}
		})
	}
}

// What fails for the world's reasons is passed on, and uses up no token.
func TestRefreshFaults(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	failing := func(want string) func(string) error {
		return func(method string) error {
			if method == want {
				return down
			}
			return nil
		}
	}
	for name, break_ := range map[string]func(*house, *error){
		"loading the session":   func(h *house, _ *error) { h.sessions.before = failing("Session") },
		"loading the user":      func(h *house, _ *error) { h.users.before = failing("UserByID") },
		"the host's claims":     func(_ *house, hook *error) { *hook = down },
		"replacing the session": func(h *house, _ *error) { h.sessions.before = failing("ReplaceSession") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var hook error
			h := newHouse(t, auth.Config{
				RefreshWindow: -1,
				Claims:        func(context.Context, auth.User, *auth.Claims) error { return hook },
			})
			tokens := h.login(t)
			break_(h, &hook)
			got, err := h.Refresh(t.Context(), tokens.RefreshToken)
			if !errors.Is(err, down) || errors.Is(err, auth.ErrInvalidGrant) || auth.HTTPStatus(err) != 500 || got != (auth.Tokens{}) {
				t.Errorf("returned %v, %v", got, err)
			}
			h.sessions.before, h.users.before, hook = nil, nil, nil
			h.refresh(t, tokens.RefreshToken)
		})
	}
	t.Run("the context", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, auth.Config{RefreshWindow: -1})
		tokens := h.login(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Refresh(ctx, tokens.RefreshToken); !errors.Is(err, context.Canceled) {
			t.Errorf("returned %v", err)
		}
		h.refresh(t, tokens.RefreshToken)
	})
	t.Run("the state", func(t *testing.T) {
		t.Parallel()
		h := newHouse(t, auth.Config{})
		tokens := h.login(t)
		s, _, _ := h.sessions.Session(t.Context(), tokens.Principal.SessionID())
		cut := s
		cut.Version, cut.State = 1, s.State[:50]
		if err := h.sessions.ReplaceSession(t.Context(), s, cut); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Refresh(t.Context(), tokens.RefreshToken); err == nil || auth.HTTPStatus(err) != 500 {
			t.Errorf("returned %v", err)
		}
		if err := h.EndSession(t.Context(), h.user.ID, s.ID); err != nil || h.open(t) != 0 {
			t.Errorf("EndSession returned %v", err)
		}
	})
}

// A theft ends the session though the thief hangs up, or the store fails once.
func TestTheftEndsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{})
		stolen := h.login(t).RefreshToken
		next := h.refresh(t, h.refresh(t, stolen).RefreshToken).RefreshToken
		time.Sleep(time.Minute)
		h.events()

		down := errors.New("down")
		h.sessions.before = func(method string) error {
			if method == "DeleteSession" {
				return down
			}
			return nil
		}
		if _, err := h.Refresh(t.Context(), stolen); !errors.Is(err, down) || errors.Is(err, auth.ErrInvalidGrant) {
			t.Errorf("returned %v", err)
		}
		h.sessions.before = nil
		next = h.refresh(t, next).RefreshToken

		ctx, cancel := context.WithCancel(t.Context())
		h.sessions.before = func(method string) error {
			if method == "DeleteSession" {
				cancel()
			}
			return nil
		}
		if _, err := h.Refresh(ctx, stolen); !errors.Is(err, auth.ErrInvalidGrant) {
			t.Errorf("returned %v", err)
		}
		h.sessions.before = nil
		if got := h.events(); got != "refresh refresh_reuse" {
			t.Errorf("events: %s", got)
		}
		h.refused(t, next)
		h.refused(t, stolen)
		if got := h.events(); got != "" {
			t.Errorf("events: %s", got)
		}
	})
}

// A call that was overtaken decides again: what it decided before must not be
// written over what happened since.
func TestRefreshOvertaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{})
		first := h.login(t).RefreshToken
		var newest string
		calls := 0
		h.sessions.before = func(method string) error {
			if method != "ReplaceSession" {
				return nil
			}
			calls++
			if calls == 1 { // while the one below stands before its write
				newest = h.refresh(t, h.refresh(t, first).RefreshToken).RefreshToken
			}
			return nil
		}
		if got := h.refresh(t, first).RefreshToken; got != newest || calls != 3 {
			t.Errorf("the answer is not the newest token, after %d writes", calls)
		}
		h.refresh(t, newest)

		h.sessions.before = func(method string) error {
			if method == "ReplaceSession" {
				return auth.ErrConflict
			}
			return nil
		}
		_, err := h.Refresh(t.Context(), h.login(t).RefreshToken)
		if busy, ok := errors.AsType[*auth.RetryError](err); !ok || !errors.Is(err, auth.ErrBusy) || busy.After < time.Second {
			t.Errorf("a session that always changes: %v", err)
		}
	})
}

// A replica that takes over may know less than was acknowledged. Whoever has the
// newest token goes on all the same, and whoever comes with an older one is found.
func TestRefreshAfterFailover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{})
		first := h.login(t)
		tokens := []string{first.RefreshToken}
		var rows []auth.Session
		row := func() auth.Session {
			s, _, err := h.sessions.Session(t.Context(), first.Principal.SessionID())
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		for range 6 {
			rows = append(rows, row())
			time.Sleep(time.Minute)
			tokens = append(tokens, h.refresh(t, tokens[len(tokens)-1]).RefreshToken)
		}
		lost := rows[2]
		if err := h.sessions.ReplaceSession(t.Context(), row(), lost); err != nil {
			t.Fatal(err)
		}
		newest := h.refresh(t, tokens[6]).RefreshToken
		if h.refresh(t, tokens[6]).RefreshToken != newest {
			t.Error("the window is not open after a failover")
		}
		newest = h.refresh(t, newest).RefreshToken
		h.refused(t, tokens[4])
		h.refused(t, newest)
	})
}

// Whoever has the server's keys alone makes no token: half of it is in the session's
// row, and each session has its own.
func TestRefreshTokenNeedsTheSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t, auth.Config{})
	ctx := t.Context()
	row := func(tokens auth.Tokens) auth.Session {
		t.Helper()
		s, _, err := h.sessions.Session(ctx, tokens.Principal.SessionID())
		if err != nil || len(s.State) < 33 {
			t.Fatalf("a state of %d bytes: %v", len(s.State), err)
		}
		return s
	}
	mine, other := h.login(t), h.login(t)
	one, two := row(mine), row(other)
	changed := one
	changed.State = slices.Clone(one.State)
	copy(changed.State[1:33], two.State[1:33]) // the seed
	if bytes.Equal(changed.State, one.State) {
		t.Fatal("two sessions have one seed")
	}
	if err := h.sessions.ReplaceSession(ctx, one, changed); err != nil {
		t.Fatal(err)
	}
	h.refused(t, mine.RefreshToken)
	if err := h.sessions.ReplaceSession(ctx, changed, one); err != nil {
		t.Fatal(err)
	}
	h.refresh(t, mine.RefreshToken)
}

// The revocation of a session outlives the last token of its refreshes, the leeway
// of verifiers included.
func TestRefreshedTokensAreRevoked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, auth.Config{RefreshWindow: 10 * time.Minute})
		ctx := t.Context()
		tokens := h.login(t)
		for range 4 {
			time.Sleep(time.Hour)
			tokens = h.refresh(t, tokens.RefreshToken)
		}
		parent := tokens.RefreshToken
		last := h.refresh(t, parent)
		time.Sleep(10*time.Minute - time.Second)
		repeated := h.refresh(t, parent) // which writes nothing
		if repeated.RefreshToken != last.RefreshToken {
			t.Fatal("it was no repeat")
		}
		if err := h.Logout(ctx, last.RefreshToken); err != nil {
			t.Fatal(err)
		}
		var expiry time.Time
		if _, err := h.sessions.RevokedSince(ctx, "", func(r auth.Revocation) { expiry = r.Expiry }); err != nil {
			t.Fatal(err)
		}
		if until := repeated.Principal.Expiry().Add(time.Minute); expiry.Before(until) {
			t.Errorf("revoked until %v, and the token is good until %v", expiry, until)
		}
	})
}

// A clock that steps back makes no used token good again, but for what a server that
// takes over may differ by.
func TestRefreshAfterClockSetBack(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		back   time.Duration
		repeat bool
	}{
		"by half the window": {15 * time.Second, true},
		"by an hour":         {time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, auth.Config{})
				clock := &setSessions{SessionStore: h.sessions.SessionStore}
				h.sessions.SessionStore = clock
				used := h.login(t).RefreshToken
				parent := h.refresh(t, used).RefreshToken
				newest := h.refresh(t, parent).RefreshToken
				clock.back = row.back
				if row.repeat {
					if h.refresh(t, used).RefreshToken != newest || h.refresh(t, parent).RefreshToken != newest {
						t.Error("two tabs are told apart")
					}
					return
				}
				// Its successor was never used, as far as anybody knows: it is made anew.
				again := h.refresh(t, parent).RefreshToken
				if again == newest {
					t.Error("a used token is answered as if it had been used just now")
				}
				h.events()
				h.refused(t, used)
				if got := h.events(); got != "refresh_reuse" {
					t.Errorf("events: %s", got)
				}
				h.refused(t, again)
			})
		})
	}
}

// setSessions is a SessionStore whose clock can be set back.
type setSessions struct {
	auth.SessionStore
	back time.Duration
}

func (s *setSessions) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	one, now, err := s.SessionStore.Session(ctx, id)
	return one, now.Add(-s.back), err
}
