package main

import (
	"encoding/base64"
	"encoding/json"
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
)

// Each step of a rotation, at the signal: what is published, and whose tokens open
// the door.
func TestRotation(t *testing.T) {
	folder := t.TempDir()
	file := func(name string) string { return filepath.Join(folder, name) }
	s := newServer(folder)
	s.reloadOn(syscall.SIGHUP)
	me, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	id := func(name string) string { return must(auth.LoadKeyFile(file(name))).ID() }
	reloaded := func(what string, want ...string) {
		t.Helper()
		if err := me.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want)
		for deadline := time.Now().Add(2 * time.Minute); !slices.Equal(published(t, s), want); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: published are %q, want %q", what, published(t, s), want)
			}
		}
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(file(from), file(to)); err != nil {
			t.Fatal(err)
		}
	}
	first := id("current.key")
	old := issue(t, s)

	must(auth.OpenKeyFile(file("next.key"), auth.EdDSA))
	second := id("next.key")
	reloaded("a new key", first, second)
	if got := keyOf(t, issue(t, s)); got != first {
		t.Errorf("a key signs that was just published")
	}

	rename("current.key", "previous.key")
	rename("next.key", "current.key")
	reloaded("it signs", first, second)
	young := issue(t, s)
	for deadline := time.Now().Add(2 * time.Minute); keyOf(t, young) != second && time.Now().Before(deadline); young = issue(t, s) {
	}
	if keyOf(t, young) != second {
		t.Error("the new key does not sign")
	}
	for _, token := range []string{old, young} {
		if code := profile(s, token); code != 200 {
			t.Errorf("a valid token answers %d", code)
		}
	}

	if err := os.Remove(file("previous.key")); err != nil {
		t.Fatal(err)
	}
	reloaded("the old key is gone", second)
	if code := profile(s, old); code != 401 {
		t.Errorf("a token of the key that is gone answers %d", code)
	}
	if code := profile(s, young); code != 200 {
		t.Errorf("a valid token answers %d", code)
	}

	// Files that cannot be read leave the keys as they are.
	if err := os.WriteFile(file("next.key"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(); err == nil {
		t.Error("a broken file is no error")
	}
	if err := os.Remove(file("current.key")); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(); err == nil {
		t.Error("a missing file is no error")
	}
	if code := profile(s, young); code != 200 {
		t.Errorf("a valid token answers %d", code)
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

func profile(h http.Handler, token string) int {
	r := httptest.NewRequest("GET", "/profile", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}
