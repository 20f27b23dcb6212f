package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealWorld sends the requests that the public collection of the RealWorld API has for accounts
// (Register, Login, Current User), and checks what it checks: the members of the user.
func TestRealWorld(t *testing.T) {
	t.Parallel()
	handler, err := newHandler(context.Background(), filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	type user struct{ Email, Token, Username string }
	send := func(method, path, token, body string, status int) (u user) {
		t.Helper()
		r, err := http.NewRequest(method, s.URL+"/api"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Requested-With", "XMLHttpRequest")
		if token != "" {
			r.Header.Set("Authorization", token)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			User   map[string]string
			Errors struct{ Body []string }
		}
		if err := json.Unmarshal(text, &answer); err != nil || res.StatusCode != status {
			t.Fatalf("%s %s: got %d %s, want %d", method, path, res.StatusCode, text, status)
		}
		if status >= 400 {
			if len(answer.Errors.Body) != 1 && path != "/user" || answer.User != nil {
				t.Errorf("%s %s: got %s, want an error", method, path, text)
			}
			return user{}
		}
		for _, member := range []string{"email", "username", "bio", "image", "token"} {
			if _, ok := answer.User[member]; !ok {
				t.Errorf("%s %s: the user has no member %s: %s", method, path, member, text)
			}
		}
		u = user{answer.User["email"], answer.User["token"], answer.User["username"]}
		if u.Email != "jake@jake.example" || u.Username != "jake" || u.Token == "" {
			t.Errorf("%s %s: got %s", method, path, text)
		}
		return u
	}
	const registration = `{"user":{"email":"Jake@jake.example", "password":"jakejake wrote this", "username":"jake"}}`
	const login = `{"user":{"email":"jake@jake.example", "password":"jakejake wrote this"}}`
	registered := send("POST", "/users", "", registration, 201)
	send("GET", "/user", "Token "+registered.Token, "", 200)
	send("POST", "/users/login", "", login, 200)
	in := send("POST", "/users/login", "", login, 200)
	if shown := send("GET", "/user", "Token "+in.Token, "", 200); shown != in {
		t.Errorf("current user: got %+v, want %+v", shown, in)
	}

	send("POST", "/users", "", registration, 409)
	send("POST", "/users", "", strings.Replace(registration, `, "username":"jake"`, "", 1), 422)
	send("POST", "/users", "", strings.Replace(registration, "jakejake wrote this", "short", 1), 422)
	send("POST", "/users/login", "", strings.Replace(login, "wrote", "read", 1), 401)
	send("POST", "/users/login", "", `{"email":"jake@jake.example"}`, 400)
	send("GET", "/user", "", "", 401)
	send("GET", "/user", "Bearer "+in.Token, "", 401)
	send("GET", "/user", "Token "+in.Token+"x", "", 401)
}

// TestLength holds that the whole program has at most 80 lines.
func TestLength(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("main.go")
	if n := strings.Count(string(text), "\n"); err != nil || n > 80 {
		t.Errorf("main.go has %d lines, %v", n, err)
	}
}
