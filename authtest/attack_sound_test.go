package authtest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
)

const attackPassword = "correct horse battery"

// attackNames are the usernames of the victim and the attacker.
var attackNames = [2]string{"ada-of-the-test", "eve-of-the-test"}

// post sends JSON to a handler and returns the answer.
func post(t testing.TB, handler http.Handler, path string, body any) *http.Response {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "https://app.test"+path, bytes.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", "https://app.test")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result()
}

// request returns a function for AttackRoute.Request.
func request(method, path, body string) func(authtest.AttackLogin) *http.Request {
	return func(authtest.AttackLogin) *http.Request {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		return r
	}
}

// kit is an App of package authkit on a memstore, with routes of a host.
func kit(t *testing.T, cookies *authhttp.CookieConfig) (http.Handler, authtest.AttackConfig) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwt.NewSigningKey(private)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	refresh, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	app, err := authkit.Open(t.Context(), authkit.All(store), authkit.Config{
		Issuer: "https://app.test", Keys: ring, Secrets: refresh, Cookies: cookies, Logger: logger, Accounts: auth.Config{Hasher: authtest.FastHasher(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close(context.Background()) })
	mux := http.NewServeMux()
	mux.Handle("/", app.Handler())
	profile := app.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		user, err := store.UserByID(r.Context(), caller.Subject())
		if err != nil {
			http.Error(w, "the profile cannot be read", auth.HTTPStatus(err))
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"id": user.ID, "username": user.Username})
	}))
	mux.Handle("GET /profile", profile)
	mux.Handle("POST /profile", http.MaxBytesHandler(profile, 4096))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "welcome") })
	cfg := authtest.AttackConfig{
		Login: func(t testing.TB, user int) authtest.AttackLogin {
			post(t, mux, "/auth/register", map[string]string{"username": attackNames[user], "password": attackPassword})
			res := post(t, mux, "/auth/login", map[string]string{"username": attackNames[user], "password": attackPassword})
			var tokens struct {
				Access string `json:"access_token"`
			}
			if err := json.NewDecoder(res.Body).Decode(&tokens); err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("login: %s %v", res.Status, err)
			}
			return authtest.AttackLogin{Token: tokens.Access, Cookies: res.Cookies(), Mark: attackNames[user]}
		},
		Routes: []authtest.AttackRoute{
			{Request: request(http.MethodGet, "/profile", "")}, {Request: request(http.MethodPost, "/profile", `{"name":"Ada"}`)},
			{Request: request(http.MethodGet, "/auth/me", "")}, {Request: request(http.MethodGet, "/auth/sessions", "")},
		},
		LoginRequest: func() *http.Request {
			r := httptest.NewRequest(http.MethodPost, "/auth/login", strings.NewReader(`{"username":"`+attackNames[0]+`","password":"`+attackPassword+`"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Origin", "https://app.test")
			return r
		},
		KeysPath: "/.well-known/jwks.json", SigningKey: private,
	}
	return mux, cfg
}

// plain is a host without this library: opaque sessions in a map, cookies for browsers and the same
// session as a bearer token for programs.
type plain struct {
	mu       sync.Mutex
	sessions map[string]string // user by session
}

func (p *plain) login(w http.ResponseWriter, r *http.Request) {
	var body struct{ Username, Password string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&body); err != nil || body.Password != attackPassword {
		http.Error(w, "wrong username or password", http.StatusBadRequest)
		return
	}
	session := rand.Text()
	p.mu.Lock()
	p.sessions[session] = body.Username
	p.mu.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	http.SetCookie(w, &http.Cookie{Name: "__Host-session", Value: session, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	_ = json.NewEncoder(w).Encode(map[string]string{"session": session})
}

// caller returns the user whose session a request carries, in one place.
func (p *plain) caller(r *http.Request) (user string, ok bool) {
	sessions := []string{}
	for _, line := range r.Header.Values("Authorization") {
		session, isBearer := strings.CutPrefix(line, "Bearer ")
		if !isBearer {
			return "", false
		}
		sessions = append(sessions, session)
	}
	for _, c := range r.CookiesNamed("__Host-session") {
		sessions = append(sessions, c.Value)
	}
	if len(sessions) != 1 {
		return "", false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	user, ok = p.sessions[sessions[0]]
	return user, ok
}

func (p *plain) profile(w http.ResponseWriter, r *http.Request) {
	user, ok := p.caller(r)
	if !ok {
		http.Error(w, "log in", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Cache-Control", "private, max-age=60")
	fmt.Fprintln(w, "hello", user)
}

// session shows one session, to its owner.
func (p *plain) session(w http.ResponseWriter, r *http.Request) {
	user, ok := p.caller(r)
	if !ok || user != r.PathValue("user") {
		http.Error(w, "log in", http.StatusForbidden)
		return
	}
	fmt.Fprintln(w, "one session")
}

func (p *plain) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", p.login)
	mux.HandleFunc("GET /profile", p.profile)
	mux.HandleFunc("POST /profile", p.profile)
	mux.HandleFunc("GET /users/{user}/session", p.session)
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, 1<<20))
}

func (p *plain) config(handler http.Handler) authtest.AttackConfig {
	return authtest.AttackConfig{
		Login: func(t testing.TB, user int) authtest.AttackLogin {
			res := post(t, handler, "/login", map[string]string{"username": attackNames[user], "password": attackPassword})
			var body struct{ Session string }
			if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
				t.Fatalf("login: %s %v", res.Status, err)
			}
			return authtest.AttackLogin{Token: body.Session, Cookies: res.Cookies(), ID: attackNames[user]}
		},
		Routes: []authtest.AttackRoute{
			{Request: request(http.MethodGet, "/profile", "")},
			{Request: request(http.MethodPost, "/profile", "{}")},
			{Owned: true, Request: func(owner authtest.AttackLogin) *http.Request {
				return httptest.NewRequest(http.MethodGet, "/users/"+owner.ID+"/session", nil)
			}},
		},
		LoginRequest: func() *http.Request {
			return request(http.MethodPost, "/login", `{"username":"`+attackNames[0]+`","password":"`+attackPassword+`"}`)(authtest.AttackLogin{})
		},
	}
}

// A sound host has no faults: the endpoints and the middleware of this library with tokens in the
// header, with cookies, and a host that knows nothing of the library.
func TestAttackSoundHosts(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T) (http.Handler, authtest.AttackConfig){
		"authkit":              func(t *testing.T) (http.Handler, authtest.AttackConfig) { return kit(t, nil) },
		"authkit with cookies": func(t *testing.T) (http.Handler, authtest.AttackConfig) { return kit(t, &authhttp.CookieConfig{}) },
		"net/http": func(*testing.T) (http.Handler, authtest.AttackConfig) {
			p := &plain{sessions: map[string]string{}}
			h := p.handler()
			return h, p.config(h)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler, cfg := make(t)
			authtest.Attack(t, handler, cfg)
		})
	}
}
