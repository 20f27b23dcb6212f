package main

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// TestStart checks that the program prints its address, answers there, and ends at SIGTERM.
func TestStart(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "web.exe")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "-addr", "127.0.0.1:0", "-data", filepath.Join(t.TempDir(), "new", "data"))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the program ends with %v", err)
		}
	}()
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	_, url, found := strings.Cut(lines.Text(), "http://localhost")
	if lines.Scan(); !found || !strings.Contains(lines.Text(), "lack Secure") {
		t.Fatalf("the program does not print its address and that its cookies lack Secure: %q", lines.Text())
	}
	res, err := http.Get("http://127.0.0.1" + url + "/login")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the login page is answered %s", res.Status)
	}
}

// TestPrune checks that an expired session is deleted.
func TestPrune(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(data, "users.db"), sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	old := time.Now().UTC().Truncate(time.Second).Add(-48 * time.Hour)
	expired := auth.Session{ID: strings.Repeat("a", 22), UserID: "ada", CreatedAt: old, LastUsedAt: old, ExpiresAt: old, Version: 1}
	if err := store.CreateSession(t.Context(), expired); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", data, "") }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the program ends with %v", err)
		}
	}()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, _, err := store.Session(t.Context(), expired.ID); errors.Is(err, auth.ErrSessionNotFound) {
			return
		}
	}
	t.Error("a session that expired two days ago is still there")
}

// TestHeaders checks that every answer has the policy for pages, and that insecure cookies are
// given to localhost alone.
func TestHeaders(t *testing.T) {
	t.Parallel()
	s := serveTest(t, false)
	for _, path := range []string{"/", "/login", "/auth.js", "/auth/me", "/nowhere"} {
		res, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s has the policy %q", path, policy)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/auth/login", strings.NewReader(`{"username":"ada","password":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "example.com"
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a login at another host is answered %s, want 421", res.Status)
	}
}
