package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestSession checks that a session outlives a restart, and that its access tokens end with it.
func TestSession(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, data)
	if status, body := register(p.url, "ada", "correct horse"); status != 201 {
		t.Fatalf("register answers %d %s", status, body)
	}
	type tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	ask := func(path, body string) (answered tokens) {
		t.Helper()
		status, answer := post(p.url+path, asJSON, body)
		if err := json.Unmarshal([]byte(answer), &answered); err != nil || status != 200 || answered.Access == "" || answered.Refresh == "" {
			t.Fatalf("%s answers %d %s", path, status, answer)
		}
		return answered
	}
	call := func(method, path, token string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	const credentials = `{"username":"ada","password":"correct horse"}`
	current, other := ask("/auth/login", credentials), ask("/auth/login", credentials)
	if err := p.stop(); err != nil {
		t.Fatalf("the program ends with %v", err)
	}

	p = start(t, data)
	current = ask("/auth/refresh", `{"refresh_token":"`+current.Refresh+`"}`)
	if status := call("GET", "/auth/sessions", current.Access); status != 200 {
		t.Errorf("GET /sessions: %d, want 200", status)
	}
	if status := call("DELETE", "/auth/sessions", current.Access); status != 204 {
		t.Errorf("DELETE /sessions: %d, want 204", status)
	}
	if status, body := post(p.url+"/auth/refresh", asJSON, `{"refresh_token":"`+other.Refresh+`"}`); status != 400 || !strings.Contains(body, "invalid_grant") {
		t.Errorf("a refresh of the other session: %d %s, want 400", status, body)
	}
	if status, body := post(p.url+"/auth/logout", asJSON, `{"refresh_token":"`+current.Refresh+`"}`); status != 204 {
		t.Errorf("logout: %d %s, want 204", status, body)
	}
	for _, token := range []string{current.Access, other.Access} {
		if status := call("GET", "/profile", token); status != 401 {
			t.Errorf("GET /profile in an ended session: %d, want 401", status)
		}
	}
}
