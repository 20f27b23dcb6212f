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

// The program starts by one command, says where it is, and ends when it is told to.
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
			t.Errorf("it ends with %v", err)
		}
	}()
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	_, url, found := strings.Cut(lines.Text(), "http://localhost")
	if lines.Scan(); !found || !strings.Contains(lines.Text(), "lack Secure") {
		t.Fatalf("it does not say where it is, or that its cookies are not secure: %q", lines.Text())
	}
	res, err := http.Get("http://127.0.0.1" + url + "/login")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("it answers %s", res.Status)
	}
}

// What has expired is forgotten.
func TestPrune(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(data, "users.db"), sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	old := time.Now().UTC().Truncate(time.Second).Add(-2 * time.Hour)
	one := auth.Session{ID: strings.Repeat("a", 22), UserID: "ada", CreatedAt: old, LastUsedAt: old, ExpiresAt: old, Version: 1}
	if err := store.CreateSession(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", data) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("it ends with %v", err)
		}
	}()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		if _, _, err := store.Session(t.Context(), one.ID); errors.Is(err, auth.ErrSessionNotFound) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a session that expired long ago is still there")
}

// Whatever is answered tells browsers what a page may do, and insecure cookies are
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
		t.Errorf("a login at another host is answered %s", res.Status)
	}
}
