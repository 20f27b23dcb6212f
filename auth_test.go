package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// newAuthenticator returns one over users (nil: an empty MemoryStore), with
// authtest's fast Hasher where cfg names none.
func newAuthenticator(t testing.TB, users auth.UserStore, cfg auth.Config) *auth.Authenticator {
	t.Helper()
	if users == nil {
		users = memstore.New()
	}
	if cfg.Hasher == nil {
		cfg.Hasher = authtest.FastHasher(t)
	}
	a, err := auth.New(users, testkit.NewIssuer(t, jwt.IssuerConfig{}), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// hookedStore is a MemoryStore whose calls can be watched, failed or altered.
type hookedStore struct {
	*memstore.Store
	before func(method string) error // unless nil: its error is returned in place of the call
	loaded func(*auth.User)          // unless nil: may alter what is returned
}

func newHookedStore() *hookedStore { return &hookedStore{Store: memstore.New()} }

func (s *hookedStore) hook(method string) error {
	if s.before == nil {
		return nil
	}
	return s.before(method)
}

func (s *hookedStore) load(u auth.User, err error) (auth.User, error) {
	if err == nil && s.loaded != nil {
		s.loaded(&u)
	}
	return u, err
}

func (s *hookedStore) CreateUser(ctx context.Context, u auth.User) (string, error) {
	if err := s.hook("CreateUser"); err != nil {
		return "", err
	}
	return s.Store.CreateUser(ctx, u)
}

func (s *hookedStore) UserByID(ctx context.Context, id string) (auth.User, error) {
	if err := s.hook("UserByID"); err != nil {
		return auth.User{}, err
	}
	return s.load(s.Store.UserByID(ctx, id))
}

func (s *hookedStore) UserByUsername(ctx context.Context, username string) (auth.User, error) {
	if err := s.hook("UserByUsername"); err != nil {
		return auth.User{}, err
	}
	return s.load(s.Store.UserByUsername(ctx, username))
}

func (s *hookedStore) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	if err := s.hook("ReplacePasswordHash"); err != nil {
		return err
	}
	return s.Store.ReplacePasswordHash(ctx, id, old, replacement)
}

// workHasher is a Hasher whose hashes are $work$COST$PASSWORD and which records
// the work that each call does.
type workHasher struct {
	cost   int
	during func() // unless nil: called while a password is checked

	mu         sync.Mutex
	work       []string
	lastHashed string
}

func (w *workHasher) did(what string, cost int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.work = append(w.work, fmt.Sprint(what, " ", cost))
}

// since returns what was done since it was last asked.
func (w *workHasher) since() (work []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	work, w.work = w.work, nil
	return work
}

func (w *workHasher) encode(password string) string {
	return fmt.Sprintf("$work$%d$%s", w.cost, password)
}

func (w *workHasher) Hash(ctx context.Context, password string) (string, error) {
	w.did("hash", w.cost)
	w.mu.Lock()
	w.lastHashed = password
	w.mu.Unlock()
	return w.encode(password), ctx.Err()
}

func (w *workHasher) Verify(ctx context.Context, encoded, password string) error {
	rest, own := strings.CutPrefix(encoded, "$work$")
	if !own {
		return auth.ErrUnknownHash
	}
	cost, stored, whole := strings.Cut(rest, "$")
	var n int
	if _, err := fmt.Sscan(cost, &n); err != nil || !whole {
		return auth.ErrMalformedHash
	}
	w.did("verify", n)
	if w.during != nil {
		w.during()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if stored != password {
		return auth.ErrMismatch
	}
	return nil
}

func (w *workHasher) NeedsRehash(encoded string) bool {
	var cost int
	_, err := fmt.Sscanf(encoded, "$work$%d$", &cost)
	return err != nil || cost < w.cost
}

func TestRegisterLoginVerify(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		a := newAuthenticator(t, store, auth.Config{})
		ctx := t.Context()
		u, err := a.Register(ctx, "Ada@Example.com", "correct horse")
		if err != nil {
			t.Fatal(err)
		}
		if u.Username != "ada@example.com" || u.PasswordHash != "" || u.Disabled || len(u.ID) < 22 || u.CreatedAt != time.Now().UTC() {
			t.Errorf("Register returns %+v", u)
		}
		stored, err := store.UserByUsername(ctx, "ada@example.com")
		if err != nil || stored.ID != u.ID || stored.PasswordHash == "" || strings.Contains(stored.PasswordHash, "correct horse") {
			t.Errorf("is stored as %+v, %v", stored, err)
		}

		time.Sleep(time.Hour + 300*time.Millisecond)
		for _, name := range []string{"ada@example.com", "ADA@example.COM", "ａda@example.com"} {
			tokens, err := a.Login(ctx, name, "correct horse")
			if err != nil {
				t.Fatalf("as %q: %v", name, err)
			}
			p, err := a.Verify(ctx, tokens.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			if p.Subject() != u.ID || p.Kind() != auth.KindUser || p.AuthTime().Unix() != time.Now().Unix() || !slices.Equal(p.AMR(), []string{"pwd"}) {
				t.Errorf("the token says %+v", p.Claims())
			}
			if tokens.Principal.Subject() != u.ID || tokens.ExpiresIn != 15*time.Minute {
				t.Errorf("Tokens of %q for %v", tokens.Principal.Subject(), tokens.ExpiresIn)
			}
		}
		if _, err := a.Verify(ctx, "none"); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("Verify of no token: %v", err)
		}
	})
}

func TestTokensAreWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthenticator(t, nil, auth.Config{})
		if _, err := a.Register(t.Context(), "ada", "correct horse"); err != nil {
			t.Fatal(err)
		}
		tokens, err := a.Login(t.Context(), "ada", "correct horse")
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(tokens)
		if want := `{"access_token":"` + tokens.AccessToken + `","token_type":"bearer","expires_in":900}`; err != nil || string(body) != want {
			t.Errorf("as JSON: %s, %v, want %s", body, err, want)
		}

		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "tokens", tokens, "pointer", &tokens)
		printed := []string{log.String(), fmt.Sprint(tokens), fmt.Sprintln(&tokens), fmt.Sprint([]auth.Tokens{tokens}), fmt.Sprintf("%+v %#v %d %x", tokens, tokens, tokens, tokens)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			printed = append(printed, fmt.Sprintf(verb, tokens), fmt.Sprintf(verb, struct{ T auth.Tokens }{tokens}))
		}
		signature := tokens.AccessToken[strings.LastIndexByte(tokens.AccessToken, '.')+1:]
		for _, text := range printed {
			if !strings.Contains(text, "REDACTED") || strings.Contains(text, signature) || strings.Contains(text, fmt.Sprintf("%x", signature)) {
				t.Errorf("is printed as %s", text)
			}
		}
	})
}

func TestUserHidesItsHash(t *testing.T) {
	t.Parallel()
	const secret = "$2b$05$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy"
	u := auth.User{ID: "id-1", Username: "ada", PasswordHash: secret}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("x", "user", u, "pointer", &u)
	}
	body, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{log.String(), string(body), fmt.Sprintln(u), fmt.Sprint([]*auth.User{&u})}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, u), fmt.Sprintf(verb, &u), fmt.Sprintf(verb, map[string]auth.User{"u": u}))
	}
	for _, text := range printed {
		if strings.Contains(text, secret[7:]) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("is printed as %s", text)
		}
	}
	if got := fmt.Sprintf("%+v", u); !strings.Contains(got, "ID:id-1 Username:ada PasswordHash:[REDACTED]") {
		t.Errorf("is printed as %s", got)
	}
	if got := fmt.Sprintf("%+v", auth.User{}); strings.Contains(got, "REDACTED") {
		t.Errorf("without a hash it is printed as %s", got)
	}
}
