package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// A session outlives a restart, and ends everywhere when it is logged out.
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
	ask := func(path, body string) (in tokens) {
		t.Helper()
		status, answer := post(p.url+path, asJSON, body)
		if err := json.Unmarshal([]byte(answer), &in); err != nil || status != 200 || in.Access == "" || in.Refresh == "" {
			t.Fatalf("%s answers %d %s", path, status, answer)
		}
		return in
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
	first, second := ask("/login", credentials), ask("/login", credentials)
	if err := p.stop(); err != nil {
		t.Fatalf("it ends with %v", err)
	}

	p = start(t, data)
	first = ask("/refresh", `{"refresh_token":"`+first.Refresh+`"}`)
	if status := call("GET", "/sessions", first.Access); status != 200 {
		t.Errorf("sessions are answered %d", status)
	}
	if status := call("DELETE", "/sessions", first.Access); status != 204 {
		t.Errorf("ending the others is answered %d", status)
	}
	if status, body := post(p.url+"/refresh", asJSON, `{"refresh_token":"`+second.Refresh+`"}`); status != 400 || !strings.Contains(body, "invalid_grant") {
		t.Errorf("the other session is answered %d %s", status, body)
	}
	if status, body := post(p.url+"/logout", asJSON, `{"refresh_token":"`+first.Refresh+`"}`); status != 204 {
		t.Errorf("logout is answered %d %s", status, body)
	}
	for _, token := range []string{first.Access, second.Access} {
		if status := call("GET", "/profile", token); status != 401 {
			t.Errorf("the profile of an ended session is answered %d", status)
		}
	}
}
