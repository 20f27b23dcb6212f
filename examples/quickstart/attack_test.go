package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// TestAttack attacks the program's own routes. Nothing gets through.
func TestAttack(t *testing.T) {
	t.Parallel()
	handler := attackedRoutes(t)
	names := [2]string{"ada", "eve"}
	send := func(path, name string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", path, strings.NewReader(`{"username":"`+name+`","password":"correct horse battery"}`))
		r.Header.Set("Content-Type", "application/json")
		handler.ServeHTTP(w, r)
		return w
	}
	authtest.Attack(t, handler, authtest.AttackConfig{
		Login: func(t testing.TB, user int) authtest.AttackLogin {
			send("/auth/register", names[user])
			var answer struct {
				Token string `json:"access_token"`
			}
			if w := send("/auth/login", names[user]); json.Unmarshal(w.Body.Bytes(), &answer) != nil {
				t.Fatalf("login is answered %d %s", w.Code, w.Body)
			}
			return authtest.AttackLogin{Token: answer.Token, Mark: names[user]}
		},
		Routes: []authtest.AttackRoute{
			{Request: func(authtest.AttackLogin) *http.Request { return httptest.NewRequest("GET", "/profile", nil) }},
			{Request: func(authtest.AttackLogin) *http.Request { return httptest.NewRequest("GET", "/auth/me", nil) }},
		},
		LoginRequest: func() *http.Request {
			r := httptest.NewRequest("POST", "/auth/login", strings.NewReader(`{"username":"ada","password":"correct horse battery"}`))
			r.Header.Set("Content-Type", "application/json")
			return r
		},
		KeysPath: "/.well-known/jwks.json",
	})
}

// attackedRoutes returns the program's routes on a database and keys of the test's own.
func attackedRoutes(t *testing.T) http.Handler {
	t.Helper()
	folder := t.TempDir()
	users, err := sqlite.Open(t.Context(), filepath.Join(folder, "users.db"), sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { users.Close() })
	app, err := authkit.Open(t.Context(), authkit.All(users), authkit.Config{
		Issuer: "https://quickstart.example", KeyFolder: folder, Accounts: auth.Config{Hasher: authtest.FastHasher(t)}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close(context.WithoutCancel(t.Context())) })
	return routes(app, users)
}
