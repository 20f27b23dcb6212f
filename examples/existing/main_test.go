package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
)

// TestShop checks that an old customer logs in with the password that they had, sees their own
// orders alone, and has a stronger hash afterwards.
func TestShop(t *testing.T) {
	t.Parallel()
	s := newShop(t.TempDir())
	defer s.db.Close()
	const old = "$2a$04$80d7YMGGEZ6N/YMzC4uHEe7ikMlQXwT6gaKGkTlaWBXC/gszJrVJa"
	must(s.db.Exec(`INSERT INTO users VALUES ('7', 'ada@shop.example', ?), ('8', 'bob@shop.example', ?)`, old, old))
	must(s.db.Exec(`INSERT INTO orders VALUES ('7', 'lamp'), ('7', 'chair'), ('8', 'table')`))

	if w := get(s, "/items", ""); w.Code != 200 || w.Body.String() != `["chair","lamp","table"]`+"\n" {
		t.Errorf("the public page: %d %s", w.Code, w.Body)
	}
	if w := get(s, "/orders", ""); w.Code != 401 {
		t.Errorf("orders without a token: %d %s, want 401", w.Code, w.Body)
	}
	token := login(t, s, "Ada@Shop.example", "correct horse")
	if w := get(s, "/orders", token); w.Code != 200 || w.Body.String() != `["chair","lamp"]`+"\n" {
		t.Errorf("ada's orders: %d %s", w.Code, w.Body)
	}
	var hash string
	if err := s.db.QueryRow(`SELECT password_hash FROM users WHERE id = '7'`).Scan(&hash); err != nil || !strings.HasPrefix(hash, "$2a$12$") {
		t.Errorf("after the login the hash is %q, %v, want cost 12", hash, err)
	}

	w := post(s, "/register", "application/json", `{"username":"eve@shop.example","password":"correct horse"}`)
	if w.Code != 201 {
		t.Fatalf("register answers %d %s", w.Code, w.Body)
	}
	if w := get(s, "/orders", login(t, s, "eve@shop.example", "correct horse")); w.Code != 200 || w.Body.String() != "[]\n" {
		t.Errorf("a new customer's orders: %d %s", w.Code, w.Body)
	}
	if w := post(s, "/register", "application/json", `{"username":"BOB@shop.example","password":"correct horse"}`); w.Code != 409 {
		t.Errorf("an old customer's address is registered again: %d %s", w.Code, w.Body)
	}
}

func login(t *testing.T, s shop, email, password string) string {
	t.Helper()
	w := post(s, "/login", "application/x-www-form-urlencoded", url.Values{"username": {email}, "password": {password}}.Encode())
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &tokens); err != nil || w.Code != 200 {
		t.Fatalf("login answers %d %s", w.Code, w.Body)
	}
	return tokens.AccessToken
}

func post(h http.Handler, path, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(h http.Handler, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestUsers runs the suite of authtest. The suite also checks Disabled and CreatedAt, for which the
// table has no columns, so the test keeps them in memory.
func TestUsers(t *testing.T) {
	t.Parallel()
	authtest.TestUserStore(t, func(t *testing.T) auth.UserStore {
		db := openDB(t.TempDir())
		t.Cleanup(func() { db.Close() })
		return &completed{users: users{db}, created: make(map[string]auth.User)}
	})
}

// completed adds the fields of a User that the table lacks.
type completed struct {
	users
	mu      sync.Mutex
	created map[string]auth.User // key: ID
}

func (s *completed) CreateUser(ctx context.Context, u auth.User) (id string, err error) {
	id, err = s.users.CreateUser(ctx, u)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.created[id] = u
	}
	return id, err
}

func (s *completed) UserByID(ctx context.Context, id string) (auth.User, error) {
	return s.complete(s.users.UserByID(ctx, id))
}

func (s *completed) UserByUsername(ctx context.Context, name string) (auth.User, error) {
	return s.complete(s.users.UserByUsername(ctx, name))
}

func (s *completed) complete(u auth.User, err error) (auth.User, error) {
	if err != nil {
		return u, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u.Disabled = s.created[u.ID].Disabled
	u.CreatedAt = s.created[u.ID].CreatedAt.UTC().Truncate(time.Microsecond)
	return u, nil
}

// TestAddedLines checks that the library added at most 42 lines, three of them for the throttle, as docs/stores.md says.
func TestAddedLines(t *testing.T) {
	t.Parallel()
	source := must(os.ReadFile("main.go"))
	added, inside := 0, false
	for line := range strings.Lines(string(source)) {
		switch line = strings.TrimSpace(line); {
		case line == "// auth: begin":
			inside = true
		case line == "// auth: end":
			inside = false
		case inside && line != "":
			added++
		}
	}
	if added < 20 || added > 42 {
		t.Errorf("%d lines are marked as added, want 20 to 42", added)
	}
}
