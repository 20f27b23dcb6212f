package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// TestRotation replaces the key as the package comment says, and checks after each signal which
// keys are published and which tokens are accepted.
func TestRotation(t *testing.T) {
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	s := newServer(folder)
	s.reloadOn(syscall.SIGHUP)
	me, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	id := func(name string) string { return must(jwt.LoadKeyFile(file(name))).ID() }
	reload := func(step string, want ...string) {
		t.Helper()
		if err := me.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		await(t, func() (problem string) {
			if got := published(t, s); !slices.Equal(got, want) {
				return fmt.Sprintf("%s: the published keys are %q, want %q", step, got, want)
			}
			return ""
		})
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(file(from), file(to)); err != nil {
			t.Fatal(err)
		}
	}
	first := id("current.key")
	old := issue(t, s)

	must(jwt.OpenKeyFile(file("next.key"), jwt.EdDSA))
	second := id("next.key")
	reload("step 1", first, second)
	if got := keyOf(t, issue(t, s)); got != first {
		t.Error("step 1: the next key signs, want it only published")
	}

	rename("current.key", "previous.key")
	rename("next.key", "current.key")
	reload("step 2", first, second)
	var young string
	await(t, func() (problem string) {
		if young = issue(t, s); keyOf(t, young) != second {
			return "step 2: the new key does not sign"
		}
		return ""
	})
	for _, token := range []string{old, young} {
		if status := profile(s, token); status != 200 {
			t.Errorf("step 2: a valid token gets status %d, want 200", status)
		}
	}

	if err := os.Remove(file("previous.key")); err != nil {
		t.Fatal(err)
	}
	reload("step 3", second)
	if status := profile(s, old); status != 401 {
		t.Errorf("a token of the removed key gets status %d, want 401", status)
	}
	if status := profile(s, young); status != 200 {
		t.Errorf("step 3: a valid token gets status %d, want 200", status)
	}

	// If a file cannot be read, the keys stay as they are.
	if err := os.WriteFile(file("next.key"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(); err == nil {
		t.Error("reload of a broken key file returns no error")
	}
	if err := os.Remove(file("current.key")); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(); err == nil {
		t.Error("reload without current.key returns no error")
	}
	if status := profile(s, young); status != 200 {
		t.Errorf("after a failed reload a valid token gets status %d, want 200", status)
	}
}

// await calls check until it finds no problem, for a minute at most.
func await(t *testing.T, check func() (problem string)) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		problem := check()
		if problem == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(problem)
		}
	}
}

// published returns the IDs in the JWK set, sorted.
func published(t *testing.T, h http.Handler) (ids []string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		ids = append(ids, k.ID)
	}
	slices.Sort(ids)
	return ids
}

func issue(t *testing.T, s server) string {
	t.Helper()
	token, err := s.tokens.Issue(t.Context(), auth.Claims{Subject: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// keyOf returns the ID of the key that signed a token.
func keyOf(t *testing.T, token string) string {
	t.Helper()
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var h struct {
		ID string `json:"kid"`
	}
	if err := json.Unmarshal(header, &h); err != nil {
		t.Fatal(err)
	}
	return h.ID
}

// profile returns the status of /profile for a token.
func profile(h http.Handler, token string) (status int) {
	r := httptest.NewRequest("GET", "/profile", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}
