package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/roles"
)

const secret = "correct horse battery"

func start(t *testing.T) *server {
	t.Helper()
	s, err := newServer(t.Context(), t.TempDir(), secret, authkit.Config{
		Logger: slog.New(slog.DiscardHandler), Accounts: auth.Config{Hasher: authtest.FastHasher(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.app.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestPrintedLines runs the lines that the program prints.
func TestPrintedLines(t *testing.T) {
	t.Parallel()
	testenv.Command(t, "curl")
	server := httptest.NewServer(start(t))
	defer server.Close()
	_, script, _ := strings.Cut(fmt.Sprintf(next, server.URL, "'"+secret+"'"), "\n\n")
	cmd := exec.Command(testenv.Command(t, "bash"), "-c", script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{
		"201",
		"403", // bob has no role
		"204", // the administrator makes bob an editor
		"401", // bob's token is from before
		"201",
		"403", // models are for administrators
		"204",
		"204", // bob's own prompt
		"409", // the last administrator
	}
	if got := strings.Fields(string(out)); !slices.Equal(got, want) {
		t.Errorf("the lines print %q, want %q", got, want)
	}
}

// TestMatrix asks for each route with each role and each kind of credential.
func TestMatrix(t *testing.T) {
	t.Parallel()
	s := start(t)
	routes := []struct{ method, path, permission string }{
		{"GET", "/prompts", "prompts:read"}, {"POST", "/prompts", "prompts:write"}, {"GET", "/models", "models:list"},
		{"PUT", "/models/large", "models:choose"}, {"GET", "/users/target/roles", "users:read"},
		{"PUT", "/users/target/roles/viewer", "roles:assign"}, {"DELETE", "/users/target/roles/editor", "roles:assign"},
	}
	permits := map[string][]string{
		"": nil, "viewer": {"prompts:read", "models:list"}, "editor": {"prompts:read", "models:list", "prompts:write"},
		"admin": {"prompts:read", "models:list", "prompts:write", "models:choose", "users:read", "roles:assign"},
	}
	target, err := s.app.Accounts.Register(t.Context(), "target", secret)
	if err != nil {
		t.Fatal(err)
	}
	for role, permitted := range permits {
		name := "user-" + role
		u, err := s.app.Accounts.Register(t.Context(), name, secret)
		if err != nil {
			t.Fatal(err)
		}
		if role != "" {
			if err := s.app.Roles.GrantByOperator(t.Context(), roles.Assignment{UserID: u.ID, Role: role}); err != nil {
				t.Fatal(err)
			}
		}
		tokens, err := s.app.Accounts.Login(t.Context(), name, secret)
		if err != nil {
			t.Fatal(err)
		}
		agent := func(scopes ...string) string {
			t.Helper()
			delegated, err := s.app.Accounts.Delegate(t.Context(), tokens.Principal, jwt.Delegation{Actor: "bot", Scopes: scopes})
			if err != nil {
				t.Fatal(err)
			}
			return delegated.AccessToken
		}
		for kind, credential := range map[string]struct {
			token  string
			scopes []string // nil: all
		}{
			"nobody": {}, "user": {token: tokens.AccessToken}, "an agent without scopes": {agent(), []string{}},
			"an agent that reads": {agent("prompts:read"), []string{"prompts:read"}}, "an agent that writes": {agent("prompts:write"), []string{"prompts:write"}},
		} {
			for _, route := range routes {
				if err := s.app.Roles.GrantByOperator(t.Context(), roles.Assignment{UserID: target.ID, Role: "editor"}); err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest(route.method, route.path, strings.NewReader(`{"text":"x"}`))
				if credential.token != "" {
					r.Header.Set("Authorization", "Bearer "+credential.token)
				}
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				want := http.StatusForbidden
				switch {
				case credential.token == "":
					want = http.StatusUnauthorized
				case slices.Contains(permitted, route.permission) && (credential.scopes == nil || slices.Contains(credential.scopes, route.permission)):
					want = http.StatusOK
				}
				if got := w.Code; got != want && (want != http.StatusOK || got/100 != 2) {
					t.Errorf("%s with the role %q, %s %s: %d %s, want %d", kind, role, route.method, route.path, got, w.Body, want)
				}
			}
		}
	}
}

// TestOwners lets owners delete their own prompts, and administrators all of them.
func TestOwners(t *testing.T) {
	t.Parallel()
	s := start(t)
	token := func(name string, has ...string) string {
		t.Helper()
		u, err := s.app.Accounts.Register(t.Context(), name, secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range has {
			if err := s.app.Roles.GrantByOperator(t.Context(), roles.Assignment{UserID: u.ID, Role: role}); err != nil {
				t.Fatal(err)
			}
		}
		tokens, err := s.app.Accounts.Login(t.Context(), name, secret)
		if err != nil {
			t.Fatal(err)
		}
		return tokens.AccessToken
	}
	ask := func(method, path, token string, want int) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(`{"text":"x"}`))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, want)
		}
	}
	ada, eve, admin := token("ada", "editor"), token("eve", "editor"), token("boss", "admin")
	for range 2 {
		ask("POST", "/prompts", ada, 201)
	}
	ask("DELETE", "/prompts/0", eve, 403)
	ask("DELETE", "/prompts/0", ada, 204)
	ask("DELETE", "/prompts/0", admin, 204)
	ask("DELETE", "/prompts/0", admin, 404)
	ask("PUT", "/users/eve/roles/owner", admin, 422)
	ask("DELETE", "/users/eve/roles/admin", admin, 404)
	ask("PUT", "/users/nobody/roles/editor", admin, 404)
}
